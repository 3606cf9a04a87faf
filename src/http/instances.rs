//! What `/status` says of the runs of one start of a processor. Refuses to know how many there should be.

use serde::Serialize;
use utoipa::ToSchema;

use super::Views;
use super::api::words::Stamp;
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
    /// The backlog that the number follows; null where it is fixed.
    #[serde(rename = "carga")]
    load: Option<LoadReport>,
}

/// The backlog that the number of runs follows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoadReport {
    min: u32,
    max: u32,
    /// How many waiting items one run is meant to have.
    #[serde(rename = "alvo")]
    target: u32,
    #[serde(rename = "metrica")]
    metric: String,
    /// How many items wait, as the last start told; null before the first one and when it did not tell.
    #[serde(rename = "fila")]
    backlog: Option<f64>,
    /// Whether the last start succeeded and did not tell.
    #[serde(rename = "ausente")]
    is_missing: bool,
    /// When it was told, or was missing.
    timestamp: Option<Stamp>,
}

impl InstancesReport {
    pub(super) fn of(processor: &ProcessorStatus, views: &Views) -> Self {
        let instances = &processor.spec.instances;
        Self {
            desired: processor.load.desired(instances),
            in_flight: processor.in_flight.len(),
            load: instances.scaling().map(|scaling| {
                let last = processor.load.last();
                LoadReport {
                    min: scaling.min,
                    max: scaling.max,
                    target: scaling.target,
                    metric: scaling.metric.to_string(),
                    backlog: last.and_then(|load| load.backlog),
                    is_missing: last.is_some_and(|load| load.backlog.is_none()),
                    timestamp: last.map(|load| views.stamp(load.at)),
                }
            }),
        }
    }
}
