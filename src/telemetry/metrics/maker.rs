//! Makes metric families and registers them; knows no family by name.

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Registry,
};

use super::super::names::Family;

/// Makes families and registers them.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    pub(super) fn register<C: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let collector = made?;
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    pub(super) fn counters(
        &self,
        family: &Family,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(family.opts(), labels))
    }

    pub(super) fn gauges(&self, family: &Family, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(family.opts(), labels))
    }

    pub(super) fn int_gauges(
        &self,
        family: &Family,
        labels: &[&str],
    ) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(family.opts(), labels))
    }

    pub(super) fn gauge(&self, family: &Family) -> prometheus::Result<Gauge> {
        self.register(Gauge::with_opts(family.opts()))
    }

    pub(super) fn histograms(
        &self,
        family: &Family,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::from(family.opts()).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels))
    }
}

/// Delays and waits use the bounds up to a minute.
pub(super) fn waits(buckets: &[f64]) -> Vec<f64> {
    buckets
        .iter()
        .copied()
        .filter(|bound| *bound <= 60.0)
        .collect()
}

/// Seconds since the epoch, as Prometheus has it.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
