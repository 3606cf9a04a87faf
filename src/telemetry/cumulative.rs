//! The metrics of a process that ends: its counters and histograms stand for all single runs on the same data. Refuses
//! to know where the sums are kept and who is given the text.

use std::collections::BTreeSet;

use prometheus::proto::{self, Metric, MetricFamily, MetricType};

use super::metrics::{number, pair};
use crate::domain::{Series, Totals};

/// What says nothing once the process has ended.
const OWN: [&str; 3] = ["process_", "tokio_", "orquestrador_exposition_series"];

/// The families that outlive the process.
pub(super) fn lasting(families: impl Iterator<Item = MetricFamily>) -> Vec<MetricFamily> {
    let is_own = |family: &MetricFamily| OWN.iter().any(|own| family.name().starts_with(own));
    families.filter(|family| !is_own(family)).collect()
}

/// What the counters and histograms of `families` counted.
pub(super) fn totals(families: &[MetricFamily]) -> Totals {
    let each = families.iter().flat_map(|family| {
        let metrics = family.get_metric().iter();
        metrics.filter_map(|metric| counted(family, metric))
    });
    Totals(each.collect())
}

fn counted(family: &MetricFamily, metric: &Metric) -> Option<(Series, Vec<f64>)> {
    let (bounds, numbers) = match family.get_field_type() {
        MetricType::COUNTER => (Vec::new(), vec![metric.get_counter().get_value()]),
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket().iter();
            let count = number(histogram.get_sample_count());
            let head = [histogram.get_sample_sum(), count].into_iter();
            let counts = buckets
                .clone()
                .map(|bucket| number(bucket.cumulative_count()));
            let bounds = buckets.map(|bucket| bucket.upper_bound().to_string());
            (bounds.collect(), head.chain(counts).collect())
        }
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let labels = metric.get_label().iter();
    let labels = labels.map(|label| (label.name().to_owned(), label.value().to_owned()));
    let series = Series {
        family: family.name().to_owned(),
        labels: labels.collect(),
        bounds,
    };
    Some((series, numbers))
}

/// `families` with the sums in `totals` in the place of what this process counted. Sums of processors that are not
/// known any more and of buckets that are not used any more are left out.
pub(super) fn summed(families: Vec<MetricFamily>, totals: &Totals) -> Vec<MetricFamily> {
    let known = processors(&families);
    let of_family = |mut family: MetricFamily| {
        let kind = family.get_field_type();
        if !matches!(kind, MetricType::COUNTER | MetricType::HISTOGRAM) {
            return family;
        }
        let bounds = bounds_of(&family);
        let is_wanted = |series: &Series| {
            let mut labels = series.labels.iter();
            let processor = labels.find(|(name, _)| name == "processor");
            series.family == family.name()
                && bounds
                    .as_ref()
                    .is_none_or(|bounds| *bounds == series.bounds)
                && processor.is_none_or(|(_, name)| known.contains(name))
        };
        let sums = totals.0.iter().filter(|(series, _)| is_wanted(series));
        let metrics = sums.map(|(series, numbers)| metric(kind, series, numbers));
        let metrics = metrics.collect();
        family.set_metric(metrics);
        family
    };
    families.into_iter().map(of_family).collect()
}

/// The processors that the configuration knows; `unknown` stands for whom nobody knows.
fn processors(families: &[MetricFamily]) -> BTreeSet<String> {
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let labels = metrics.flat_map(Metric::get_label);
    let names = labels.filter(|label| label.name() == "processor");
    names.map(|label| label.value().to_owned()).collect()
}

/// The bounds that a family's histograms have now, if it has any.
fn bounds_of(family: &MetricFamily) -> Option<Vec<String>> {
    let histogram = family.get_metric().first()?.get_histogram();
    let buckets = histogram.get_bucket().iter();
    (family.get_field_type() == MetricType::HISTOGRAM).then(|| {
        buckets
            .map(|bucket| bucket.upper_bound().to_string())
            .collect()
    })
}

fn metric(kind: MetricType, series: &Series, numbers: &[f64]) -> Metric {
    let labels = series.labels.iter().map(|(name, value)| pair(name, value));
    let mut metric = Metric::from_label(labels.collect());
    if kind == MetricType::COUNTER {
        let mut counter = proto::Counter::default();
        counter.set_value(numbers.first().copied().unwrap_or_default());
        metric.set_counter(counter);
        return metric;
    }
    let mut numbers = numbers.iter().copied();
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_sum(numbers.next().unwrap_or_default());
    histogram.set_sample_count(whole(numbers.next().unwrap_or_default()));
    let buckets = series.bounds.iter().zip(numbers).map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound.parse().unwrap_or(f64::NAN));
        bucket.set_cumulative_count(whole(count));
        bucket
    });
    histogram.set_bucket(buckets.collect());
    metric.set_histogram(histogram);
    metric
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts, which were whole numbers"
)]
fn whole(count: f64) -> u64 {
    count as u64
}
