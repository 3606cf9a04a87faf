//! What was reported so far: sums and latest gauges of each processor, and the one shape that a family has for all.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use prometheus::proto::{self, Metric, MetricFamily};

use super::Fault;
use super::assemble::{Buckets, Family, MAX_SERIES, Parsed, Value};
use super::lines::Labels;
use crate::telemetry::metrics::pair;
use crate::telemetry::names::Kind;

/// The reports of all processors, by their place in the configuration.
#[derive(Default)]
pub(in crate::telemetry) struct Reports {
    /// One for each family that somebody has.
    shapes: BTreeMap<String, Shape>,
    /// Every name that these have in one of the two formats, and whose it is.
    claimed: HashMap<String, String>,
    of: Vec<OfProcessor>,
}

struct Shape {
    kind: Kind,
    help: String,
    bounds: Vec<f64>,
    /// How many processors have it.
    users: usize,
}

/// What one processor reported.
#[derive(Default)]
pub(in crate::telemetry) struct OfProcessor {
    pub(in crate::telemetry) name: String,
    series: BTreeMap<String, BTreeMap<Labels, Value>>,
    pub(in crate::telemetry) last_report: Option<Timestamp>,
    /// In the order of [`Fault::ALL`].
    pub(in crate::telemetry) rejected: [u64; Fault::ALL.len()],
    /// What was wrong with the latest report.
    fault: Option<Fault>,
}

impl OfProcessor {
    /// Counts a fault; true when the report before had another, or none, so that it is worth a line.
    fn refused(&mut self, fault: Fault) -> bool {
        let which = Fault::ALL.iter().position(|known| *known == fault);
        if let Some(count) = which.and_then(|which| self.rejected.get_mut(which)) {
            *count += 1;
        }
        self.fault.replace(fault) != Some(fault)
    }
}

impl Reports {
    /// Takes reports of these processors, and forgets what all others reported.
    pub(in crate::telemetry) fn expose(&mut self, names: impl Iterator<Item = String>) {
        let mut before = std::mem::take(&mut self.of);
        for name in names {
            let known = before.iter().position(|of| of.name == name);
            self.of.push(match known {
                Some(index) => before.swap_remove(index),
                None => OfProcessor {
                    name,
                    ..OfProcessor::default()
                },
            });
        }
        for dropped in before {
            for name in dropped.series.keys() {
                self.lose(name);
            }
        }
    }

    pub(in crate::telemetry) fn processors(&self) -> &[OfProcessor] {
        &self.of
    }

    /// Whether reports of this processor are taken.
    pub(in crate::telemetry) fn knows(&self, name: &str) -> bool {
        self.of.iter().any(|of| of.name == name)
    }

    /// Takes the report of a processor in, or counts why not. Returns a fault that is worth a line, which one of the
    /// report before is not.
    pub(in crate::telemetry) fn take(
        &mut self,
        name: &str,
        at: Timestamp,
        report: Result<Parsed, Fault>,
    ) -> Option<Fault> {
        let place = self.of.iter().position(|of| of.name == name)?;
        let taken = report.and_then(|report| {
            let has_reserved = report.has_reserved;
            self.merge(place, report).map(|()| has_reserved)
        });
        let of = self.of.get_mut(place)?;
        if taken.is_ok() {
            of.last_report = Some(at);
        }
        let fault = match taken {
            Ok(false) => {
                of.fault = None;
                return None;
            }
            Ok(true) => Fault::Reserved,
            Err(fault) => fault,
        };
        of.refused(fault).then_some(fault)
    }

    /// All of `report`, or nothing.
    fn merge(&mut self, place: usize, report: Parsed) -> Result<(), Fault> {
        self.check_shapes(&report)?;
        let Some(of) = self.of.get_mut(place) else {
            return Ok(());
        };
        let is_gauge = |name: &String| {
            let shape = self.shapes.get(name);
            shape.is_some_and(|shape| shape.kind == Kind::Gauge)
        };
        let mut series = of.series.clone();
        series.retain(|name, _| !is_gauge(name));
        for (name, family) in &report.families {
            let kept = series.entry(name.clone()).or_default();
            for (labels, value) in &family.series {
                let sum = match (family.kind, kept.get(labels)) {
                    (Kind::Gauge, _) | (_, None) => value.clone(),
                    (_, Some(kept)) => added(kept, value)?,
                };
                kept.insert(labels.clone(), sum);
            }
        }
        if series.values().map(BTreeMap::len).sum::<usize>() > MAX_SERIES {
            return Err(Fault::TooManySeries);
        }
        let old = std::mem::replace(&mut of.series, series);
        let kept: Vec<_> = of.series.keys().cloned().collect();
        for (name, family) in report.families {
            self.shapes.entry(name).or_insert_with(|| shape_of(family));
        }
        for name in kept.iter().filter(|name| !old.contains_key(*name)) {
            self.gain(name);
        }
        for name in old.into_keys().filter(|name| !kept.contains(name)) {
            self.lose(&name);
        }
        Ok(())
    }

    /// One more processor has this family.
    fn gain(&mut self, name: &str) {
        if let Some(shape) = self.shapes.get_mut(name) {
            shape.users += 1;
            for claim in claims(name, shape.kind) {
                self.claimed.insert(claim, name.to_owned());
            }
        }
    }

    /// One processor less has it; the last one frees its names.
    fn lose(&mut self, name: &str) {
        let Some(shape) = self.shapes.get_mut(name) else {
            return;
        };
        shape.users = shape.users.saturating_sub(1);
        if shape.users == 0 {
            for claim in claims(name, shape.kind) {
                self.claimed.remove(&claim);
            }
            self.shapes.remove(name);
        }
    }

    fn check_shapes(&self, report: &Parsed) -> Result<(), Fault> {
        let mut new: HashMap<String, &str> = HashMap::new();
        for (name, family) in &report.families {
            let mut bounds = bounds_of(family);
            let first = match self.shapes.get(name) {
                Some(shape) if shape.kind != family.kind => return Err(Fault::TypeConflict),
                Some(shape) => Some(shape.bounds.as_slice()),
                None => bounds.next(),
            };
            if bounds.any(|bounds| first.is_some_and(|first| first != bounds)) {
                return Err(Fault::BucketMismatch);
            }
            for claim in claims(name, family.kind) {
                let known = self.claimed.get(&claim).map(String::as_str);
                let earlier = known.or_else(|| new.insert(claim, name));
                if earlier.is_some_and(|earlier| earlier != name) {
                    return Err(Fault::NameConflict);
                }
            }
        }
        Ok(())
    }

    /// The families, each series with the label `processor`.
    pub(in crate::telemetry) fn families(&self) -> Vec<MetricFamily> {
        let mut metrics: BTreeMap<&str, Vec<Metric>> = BTreeMap::new();
        for of in &self.of {
            for (name, series) in &of.series {
                let Some(shape) = self.shapes.get(name) else {
                    continue;
                };
                let each = series.iter();
                let each =
                    each.map(|(labels, value)| metric(&of.name, labels, (shape.kind, value)));
                metrics.entry(name).or_default().extend(each);
            }
        }
        let family = |(name, shape): (&String, &Shape)| {
            let mut family = MetricFamily::default();
            family.set_name(name.clone());
            family.set_help(shape.help.clone());
            family.set_field_type(shape.kind.proto());
            family.set_metric(metrics.remove(name.as_str()).unwrap_or_default());
            family
        };
        self.shapes.iter().map(family).collect()
    }
}

fn shape_of(family: Family) -> Shape {
    let bounds = bounds_of(&family).next().unwrap_or_default().to_vec();
    Shape {
        kind: family.kind,
        help: family.help,
        bounds,
        users: 0,
    }
}

fn bounds_of(family: &Family) -> impl Iterator<Item = &[f64]> {
    family.series.values().filter_map(|value| match value {
        Value::Histogram(buckets) => Some(buckets.bounds.as_slice()),
        Value::Number(_) => None,
    })
}

/// Every name that a family has in one of the two formats.
fn claims(name: &str, kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Gauge => &[""],
        Kind::Counter => &["", "_total", "_created"],
        Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
    };
    let stem = match kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        Kind::Gauge | Kind::Histogram => name,
    };
    suffixes
        .iter()
        .map(|suffix| format!("{stem}{suffix}"))
        .collect()
}

/// The sum of two values of one shape.
fn added(kept: &Value, more: &Value) -> Result<Value, Fault> {
    let finite = |sum: f64| sum.is_finite().then_some(sum).ok_or(Fault::InvalidValue);
    match (kept, more) {
        (Value::Number(kept), Value::Number(more)) => finite(kept + more).map(Value::Number),
        (Value::Histogram(kept), Value::Histogram(more)) => {
            let counts = kept.counts.iter().zip(&more.counts);
            Ok(Value::Histogram(Buckets {
                bounds: kept.bounds.clone(),
                counts: counts
                    .map(|(kept, more)| kept.saturating_add(*more))
                    .collect(),
                count: kept.count.saturating_add(more.count),
                sum: finite(kept.sum + more.sum)?,
            }))
        }
        (Value::Number(_), Value::Histogram(_)) | (Value::Histogram(_), Value::Number(_)) => {
            Err(Fault::TypeConflict)
        }
    }
}

fn metric(processor: &str, labels: &Labels, (kind, value): (Kind, &Value)) -> Metric {
    let mut pairs: Vec<_> = labels
        .iter()
        .map(|(name, value)| pair(name, value))
        .collect();
    let place = labels.partition_point(|(name, _)| name.as_str() < "processor");
    pairs.insert(place, pair("processor", processor));
    let mut metric = Metric::from_label(pairs);
    match value {
        Value::Number(value) if kind == Kind::Counter => {
            let mut counter = proto::Counter::default();
            counter.set_value(*value);
            metric.set_counter(counter);
        }
        Value::Number(value) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(*value);
            metric.set_gauge(gauge);
        }
        Value::Histogram(buckets) => metric.set_histogram(histogram(buckets)),
    }
    metric
}

fn histogram(buckets: &Buckets) -> proto::Histogram {
    let each = buckets.bounds.iter().zip(&buckets.counts);
    let made = each.map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(made.collect());
    histogram.set_sample_count(buckets.count);
    histogram.set_sample_sum(buckets.sum);
    histogram
}
