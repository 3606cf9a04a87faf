//! From lines to families. Refuses to know what was reported before.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Fault;
use super::lines::{Labels, Line, Sample, line};
use crate::telemetry::names::Kind;

/// The most series of one report, and of one processor.
pub(super) const MAX_SERIES: usize = 200;
/// The most buckets of one histogram.
const MAX_BUCKETS: usize = 100;

/// Names that belong to others.
const RESERVED_PREFIXES: [&str; 7] = [
    "orquestrador_",
    "process_",
    "tokio_",
    "python_",
    "go_",
    "scrape_",
    "ALERTS",
];
const RESERVED_LABELS: [&str; 3] = ["processor", "job", "instance"];

/// A report that is well-formed in itself.
#[derive(Debug, Default, PartialEq)]
pub(in crate::telemetry) struct Parsed {
    pub(super) families: BTreeMap<String, Family>,
    /// Reserved names or labels were left out.
    pub(super) has_reserved: bool,
}

#[derive(Debug, PartialEq)]
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) series: BTreeMap<Labels, Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Histogram(Buckets),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    /// Ascending, without the infinite one.
    pub(super) bounds: Vec<f64>,
    /// Cumulative, one per bound.
    pub(super) counts: Vec<u64>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

/// Reads a report.
///
/// # Errors
///
/// The first fault, and the number of its line, 0 when it is none of a line alone.
pub(in crate::telemetry) fn parse(content: &[u8]) -> Result<Parsed, (Fault, usize)> {
    let text = std::str::from_utf8(content).map_err(|_| (Fault::Syntax, 0))?;
    let mut assembly = Assembly::default();
    for (text, number) in text.split('\n').zip(1..) {
        let taken = line(text).and_then(|line| assembly.take(line));
        taken.map_err(|fault| (fault, number))?;
    }
    assembly.finished().map_err(|fault| (fault, 0))
}

#[derive(Default)]
struct Assembly<'a> {
    types: HashMap<&'a str, &'a str>,
    helps: HashMap<&'a str, String>,
    sampled: HashSet<&'a str>,
    numbers: BTreeMap<&'a str, (Kind, BTreeMap<Labels, f64>)>,
    histograms: BTreeMap<&'a str, BTreeMap<Labels, Parts>>,
    series: usize,
    has_reserved: bool,
}

/// A histogram whose lines are still coming.
#[derive(Default)]
struct Parts {
    buckets: Vec<(f64, f64)>,
    sum: Option<f64>,
    count: Option<f64>,
}

impl<'a> Assembly<'a> {
    fn take(&mut self, line: Line<'a>) -> Result<(), Fault> {
        match line {
            Line::Comment => Ok(()),
            Line::Type { name, word } => {
                let is_late = self.sampled.contains(name);
                let is_second = self.types.insert(name, word).is_some();
                (!is_late && !is_second).then_some(()).ok_or(Fault::Syntax)
            }
            Line::Help { name, text } => {
                let earlier = self.helps.insert(name, text);
                earlier.is_none().then_some(()).ok_or(Fault::Syntax)
            }
            Line::Sample(sample) => self.sample(sample),
        }
    }

    fn sample(&mut self, mut sample: Sample<'a>) -> Result<(), Fault> {
        if is_reserved(sample.name) {
            self.has_reserved = true;
            return Ok(());
        }
        let before = sample.labels.len();
        let is_reserved = |name: &str| RESERVED_LABELS.contains(&name) || name.starts_with("__");
        sample.labels.retain(|(name, _)| !is_reserved(name));
        self.has_reserved |= sample.labels.len() < before;

        if let Some((family, part)) = self.histogram_of(sample.name) {
            self.sampled.insert(family);
            return self.part(family, part, sample);
        }
        self.sampled.insert(sample.name);
        let kind = match self.types.get(sample.name) {
            Some(&"counter") if sample.name.ends_with("_total") => Kind::Counter,
            Some(&"gauge") => Kind::Gauge,
            _ => return Err(Fault::Unsupported),
        };
        if kind == Kind::Counter && !(sample.value.is_finite() && sample.value >= 0.0) {
            return Err(Fault::InvalidValue);
        }
        let (_, series) = self
            .numbers
            .entry(sample.name)
            .or_insert_with(|| (kind, BTreeMap::new()));
        self.series += 1;
        let earlier = series.insert(sample.labels, sample.value);
        earlier.is_none().then_some(()).ok_or(Fault::Syntax)?;
        self.bounded()
    }

    fn bounded(&self) -> Result<(), Fault> {
        (self.series <= MAX_SERIES)
            .then_some(())
            .ok_or(Fault::TooManySeries)
    }

    /// The histogram that a sample is a part of, and which part.
    fn histogram_of(&self, name: &'a str) -> Option<(&'a str, &'static str)> {
        ["_bucket", "_sum", "_count"].into_iter().find_map(|part| {
            let family = name.strip_suffix(part)?;
            (self.types.get(family) == Some(&"histogram")).then_some((family, part))
        })
    }

    fn part(&mut self, family: &'a str, part: &str, mut sample: Sample<'a>) -> Result<(), Fault> {
        let place = sample.labels.iter().position(|(name, _)| name == "le");
        let bound = place.map(|place| sample.labels.remove(place).1);
        let of_family = self.histograms.entry(family).or_default();
        let known = of_family.len();
        let parts = of_family.entry(sample.labels).or_default();
        let value = sample.value;
        let earlier = match (part, bound) {
            ("_bucket", Some(bound)) => {
                let bound: f64 = bound.parse().map_err(|_| Fault::Syntax)?;
                let is_last = parts.buckets.last();
                if bound.is_nan()
                    || bound == f64::NEG_INFINITY
                    || is_last.is_some_and(|(last, _)| bound <= *last)
                {
                    return Err(Fault::Syntax);
                }
                parts.buckets.push((bound, value));
                if parts.buckets.len() > MAX_BUCKETS {
                    return Err(Fault::TooManySeries);
                }
                None
            }
            ("_sum", None) => parts.sum.replace(value),
            ("_count", None) => parts.count.replace(value),
            _ => return Err(Fault::Syntax),
        };
        self.series += of_family.len() - known;
        earlier.is_none().then_some(()).ok_or(Fault::Syntax)?;
        self.bounded()
    }

    fn finished(mut self) -> Result<Parsed, Fault> {
        let mut parsed = Parsed {
            has_reserved: self.has_reserved,
            ..Parsed::default()
        };
        for (name, (kind, series)) in self.numbers {
            let series = series
                .into_iter()
                .map(|(labels, value)| (labels, Value::Number(value)));
            let family = Family {
                kind,
                help: self.helps.remove(name).unwrap_or_default(),
                series: series.collect(),
            };
            parsed.families.insert(name.to_owned(), family);
        }
        for (name, series) in self.histograms {
            let mut family = Family {
                kind: Kind::Histogram,
                help: self.helps.remove(name).unwrap_or_default(),
                series: BTreeMap::new(),
            };
            for (labels, parts) in series {
                family
                    .series
                    .insert(labels, Value::Histogram(buckets(&parts)?));
            }
            parsed.families.insert(name.to_owned(), family);
        }
        Ok(parsed)
    }
}

fn is_reserved(name: &str) -> bool {
    let has_prefix = RESERVED_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix));
    has_prefix || name == "up" || name.ends_with("_created")
}

fn buckets(parts: &Parts) -> Result<Buckets, Fault> {
    let (Some(sum), Some(count)) = (parts.sum, parts.count) else {
        return Err(Fault::Syntax);
    };
    let Some(((last, all), finite)) = parts.buckets.split_last() else {
        return Err(Fault::Syntax);
    };
    if *last != f64::INFINITY {
        return Err(Fault::Syntax);
    }
    let (count, all) = (whole(count)?, whole(*all)?);
    let counts = finite.iter().map(|(_, count)| whole(*count));
    let counts: Vec<_> = counts.collect::<Result<_, _>>()?;
    let up_to_all = counts.iter().copied().chain([all]);
    let is_ascending = up_to_all.is_sorted();
    if !sum.is_finite() || count != all || !is_ascending {
        return Err(Fault::InvalidValue);
    }
    Ok(Buckets {
        bounds: finite.iter().map(|(bound, _)| *bound).collect(),
        counts,
        count,
        sum,
    })
}

/// A count: whole, and small enough to be exact.
fn whole(value: f64) -> Result<u64, Fault> {
    /// 2^53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_count = (0.0..=EXACT).contains(&value) && value.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the same line"
    )]
    is_count.then_some(value as u64).ok_or(Fault::InvalidValue)
}
