//! The last trace that moved a sample. Only decorates lines that the registry produced.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::encode::push_label;
use crate::domain::TraceContext;
use crate::telemetry::names::{self, Family};

/// One exemplar (OpenMetrics 1.0, section "Exemplars").
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::telemetry) struct Exemplar {
    pub(in crate::telemetry) trace: TraceContext,
    pub(in crate::telemetry) value: f64,
    pub(in crate::telemetry) at: Timestamp,
}

/// The slots of one sample or histogram, by bucket.
type Slots = Vec<(usize, Exemplar)>;

/// What [`Exemplars::snapshot`] takes: by family and rendered label block.
pub(in crate::telemetry) type Snapshot = HashMap<&'static str, HashMap<String, Slots>>;

/// One slot for each bucket of each series; a counter has one.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct Exemplars(Mutex<Snapshot>);

impl Exemplars {
    /// Keeps an exemplar for the sample of `family` with these labels, which are in the order of the exposition. A span
    /// that is not recorded is none.
    pub(in crate::telemetry) fn keep(
        &self,
        family: &Family,
        values: &[&str],
        bucket: usize,
        exemplar: Exemplar,
    ) {
        if !exemplar.trace.sampled || !names::WITH_EXEMPLARS.contains(&family.name) {
            return;
        }
        let mut block = String::new();
        for (name, value) in family.labels.iter().zip(values) {
            push_label(&mut block, name, value);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_family = kept.entry(family.name).or_default();
        let slots = of_family.entry(block).or_default();
        match slots.iter_mut().find(|(known, _)| *known == bucket) {
            Some((_, slot)) => *slot = exemplar,
            None => slots.push((bucket, exemplar)),
        }
    }

    /// Gives up the exemplars of processors that are not known any more.
    pub(in crate::telemetry) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        let of_known = |block: &String| {
            let found = block.split_once("processor=\"");
            let name = found.and_then(|(_, rest)| rest.split('"').next());
            name.is_none_or(&is_known)
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of_family in kept.values_mut() {
            of_family.retain(|block, _| of_known(block));
        }
    }

    /// What is kept now. To be taken before gathering, so that no exemplar is newer than its sample.
    pub(in crate::telemetry) fn snapshot(&self) -> Snapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
