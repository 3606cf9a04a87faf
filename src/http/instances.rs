//! What `/status` says of the runs of one start of a processor. Refuses to know how many there should be.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::status::ProcessorStatus;

/// How many runs a start has.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstancesReport {
    /// How many its next start will have.
    #[serde(rename = "desejadas")]
    desired: u32,
    /// Runs that are in flight.
    #[serde(rename = "em_execucao")]
    in_flight: usize,
}

impl InstancesReport {
    pub(super) fn of(processor: &ProcessorStatus) -> Self {
        Self {
            desired: processor.spec.instances.count(),
            in_flight: processor.in_flight.len(),
        }
    }
}
