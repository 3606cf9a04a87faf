//! Fills one metric family at gather; knows none by name.

use jiff::Timestamp;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily};

use super::super::names::Family;
use super::histogram::Histogram;

/// A family that is being filled.
pub(super) struct Filling {
    family: &'static Family,
    metrics: Vec<Metric>,
}

impl Filling {
    pub(super) fn new(family: &'static Family) -> Self {
        Self::of(family, 0)
    }

    /// With room for `samples`.
    pub(super) fn of(family: &'static Family, samples: usize) -> Self {
        Self {
            family,
            metrics: Vec::with_capacity(samples),
        }
    }

    pub(super) fn into_family(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.family.name.to_owned());
        family.set_help(self.family.help.to_owned());
        family.set_field_type(self.family.kind.proto());
        family.set_metric(self.metrics);
        family
    }

    /// A sample with one value for each label of the family.
    pub(super) fn counter(&mut self, values: &[&str], value: f64) {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        self.push(values).set_counter(counter);
    }

    pub(super) fn count(&mut self, values: &[&str], count: u64) {
        self.counter(values, number(count));
    }

    pub(super) fn gauge(&mut self, values: &[&str], value: f64) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        self.push(values).set_gauge(gauge);
    }

    /// An instant, or 0, which says never.
    pub(super) fn time(&mut self, values: &[&str], at: Option<Timestamp>) {
        self.gauge(values, at.map_or(0.0, seconds));
    }

    pub(super) fn histogram(&mut self, values: &[&str], bounds: &[f64], histogram: &Histogram) {
        let cumulative = histogram.cumulative(bounds.len());
        let buckets = bounds.iter().zip(cumulative).map(|(bound, count)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut made = proto::Histogram::default();
        made.set_bucket(buckets.collect());
        made.set_sample_count(histogram.count());
        made.set_sample_sum(histogram.sum());
        self.push(values).set_histogram(made);
    }

    fn push(&mut self, values: &[&str]) -> &mut Metric {
        let pairs = self.family.labels.iter().zip(values);
        let labels = pairs.map(|(name, value)| pair(name, value)).collect();
        self.metrics.push(Metric::from_label(labels));
        let last = self.metrics.len() - 1;
        &mut self.metrics[last]
    }
}

/// A family of one sample without labels.
pub(super) fn single(family: &'static Family, value: f64) -> MetricFamily {
    let mut filling = Filling::new(family);
    filling.gauge(&[], value);
    filling.into_family()
}

/// As [`single`], with an instant, or 0, which says never.
pub(super) fn single_time(family: &'static Family, at: Option<Timestamp>) -> MetricFamily {
    single(family, at.map_or(0.0, seconds))
}

pub(in crate::telemetry) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// Seconds since the epoch, as Prometheus has it.
pub(in crate::telemetry) fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// A count as Prometheus has it: exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "every sample is a 64-bit float")]
pub(in crate::telemetry) fn number(count: u64) -> f64 {
    count as f64
}
