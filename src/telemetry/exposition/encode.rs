//! Lines. Formats: Prometheus text 0.0.4 and OpenMetrics 1.0 (no `_created`: it would be stored as a series).

use std::borrow::Borrow;
use std::fmt::Write as _;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::Format;
use super::exemplars::{Exemplar, Snapshot};
use crate::telemetry::metrics::{number, seconds};

/// The text of `families`, which have a name of their own each. No family is asked for before the one that precedes it
/// is text. `size` is about that of the text.
pub(in crate::telemetry) fn encode<F: Borrow<MetricFamily>>(
    families: impl IntoIterator<Item = F>,
    exemplars: &Snapshot,
    (format, size): (Format, usize),
) -> String {
    let mut encoder = Encoder {
        text: String::with_capacity(size),
        block: String::new(),
        exemplars,
        format,
    };
    for family in families {
        encoder.family(family.borrow());
    }
    if format == Format::OpenMetrics {
        encoder.text.push_str("# EOF\n");
    }
    encoder.text
}

struct Encoder<'a> {
    text: String,
    /// The labels of the series at hand, rendered.
    block: String,
    exemplars: &'a Snapshot,
    format: Format,
}

impl<'a> Encoder<'a> {
    fn family(&mut self, family: &MetricFamily) {
        // In OpenMetrics the family of `x_total` is `x`, and its sample always has the suffix.
        let is_counter = family.get_field_type() == MetricType::COUNTER;
        let (name, suffix) = match self.format {
            Format::OpenMetrics if is_counter => {
                let stem = family.name().strip_suffix("_total");
                (stem.unwrap_or(family.name()), "_total")
            }
            Format::OpenMetrics | Format::Text => (family.name(), ""),
        };
        self.headers(family, name);
        for metric in family.get_metric() {
            self.block.clear();
            for pair in metric.get_label() {
                push_label(&mut self.block, pair.name(), pair.value());
            }
            let exemplars = self.exemplars_of(family.name());
            match family.get_field_type() {
                MetricType::HISTOGRAM => self.histogram(name, metric, exemplars),
                MetricType::COUNTER => {
                    self.sample(name, suffix, None, metric.get_counter().get_value());
                    self.end(exemplars.first().map(|(_, exemplar)| exemplar));
                }
                // Nothing of ours makes the other types.
                MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                    self.sample(name, suffix, None, metric.get_gauge().get_value());
                    self.end(None);
                }
            }
        }
    }

    fn headers(&mut self, family: &MetricFamily, name: &str) {
        let text = &mut self.text;
        if !family.help().is_empty() {
            text.extend(["# HELP ", name, " "]);
            push_escaped(text, family.help(), self.format == Format::OpenMetrics);
            text.push('\n');
        }
        let word = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => "gauge",
        };
        text.extend(["# TYPE ", name, " ", word, "\n"]);
    }

    /// Exemplars exist in OpenMetrics only.
    fn exemplars_of(&self, family: &str) -> &'a [(usize, Exemplar)] {
        let of_family = match self.format {
            Format::OpenMetrics => self.exemplars.get(family),
            Format::Text => None,
        };
        let slots = of_family.and_then(|series| series.get(self.block.as_str()));
        slots.map_or(&[], Vec::as_slice)
    }

    fn histogram(&mut self, name: &str, metric: &Metric, exemplars: &[(usize, Exemplar)]) {
        let histogram = metric.get_histogram();
        let of = |bucket: usize| {
            let mut found = exemplars.iter().filter(|(slot, _)| *slot == bucket);
            found.next().map(|(_, exemplar)| exemplar)
        };
        let bounds = histogram.get_bucket();
        for (index, bound) in bounds.iter().enumerate() {
            let count = number(bound.cumulative_count());
            self.sample(name, "_bucket", Some(bound.upper_bound()), count);
            self.end(of(index));
        }
        let count = number(histogram.get_sample_count());
        self.sample(name, "_bucket", Some(f64::INFINITY), count);
        self.end(of(bounds.len()));
        self.sample(name, "_sum", None, histogram.get_sample_sum());
        self.end(None);
        self.sample(name, "_count", None, count);
        self.end(None);
    }

    fn sample(&mut self, name: &str, suffix: &str, bound: Option<f64>, value: f64) {
        let text = &mut self.text;
        text.extend([name, suffix]);
        if bound.is_some() || !self.block.is_empty() {
            text.push('{');
            text.push_str(&self.block);
            if let Some(bound) = bound {
                let comma = if self.block.is_empty() { "" } else { "," };
                text.extend([comma, "le=\""]);
                push_bound(text, bound);
                text.push('"');
            }
            text.push('}');
        }
        text.push(' ');
        push_number(text, value);
    }

    fn end(&mut self, exemplar: Option<&Exemplar>) {
        if let Some(exemplar) = exemplar {
            let trace = &exemplar.trace;
            write!(
                self.text,
                " # {{trace_id=\"{:032x}\",span_id=\"{:016x}\"}} ",
                trace.trace_id, trace.span_id
            )
            .ok();
            push_number(&mut self.text, exemplar.value);
            self.text.push(' ');
            push_number(&mut self.text, seconds(exemplar.at));
        }
        self.text.push('\n');
    }
}

/// Adds one label to a block.
pub(in crate::telemetry) fn push_label(block: &mut String, name: &str, value: &str) {
    if !block.is_empty() {
        block.push(',');
    }
    block.extend([name, "=\""]);
    push_escaped(block, value, true);
    block.push('"');
}

/// Backslash and line feed, and with `quotes` the quotation mark; in help texts of 0.0.4 that one stands as it is.
fn push_escaped(text: &mut String, raw: &str, quotes: bool) {
    let mut rest = raw;
    let is_special = |c: char| c == '\\' || c == '\n' || (quotes && c == '"');
    while let Some((before, after)) = rest
        .find(is_special)
        .and_then(|at| rest.split_at_checked(at))
    {
        let mut characters = after.chars();
        let escape = match characters.next() {
            Some('\n') => "\\n",
            Some('"') => "\\\"",
            _ => "\\\\",
        };
        text.extend([before, escape]);
        rest = characters.as_str();
    }
    text.push_str(rest);
}

/// A bound always has a point or an exponent, so that it is the same text in both formats.
fn push_bound(text: &mut String, bound: f64) {
    if bound == f64::INFINITY {
        text.push_str("+Inf");
    } else {
        write!(text, "{bound:?}").ok();
    }
}

/// The shortest text that reads back as the same number.
fn push_number(text: &mut String, value: f64) {
    /// Below it every whole number is exact.
    const WHOLE: f64 = 1e15;
    const MINUS_ZERO: u64 = 1 << 63;
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.abs() < WHOLE && value.fract() == 0.0 && value.to_bits() != MINUS_ZERO {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        let whole = value as i64;
        write!(text, "{whole}").ok();
    } else if (1e-5..WHOLE).contains(&value.abs()) {
        write!(text, "{value}").ok();
    } else {
        write!(text, "{value:e}").ok();
    }
}
