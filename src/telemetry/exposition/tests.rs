//! The encoder beside the library's, and read back by a small parser.

use jiff::Timestamp;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};
use proptest::prelude::*;

use super::{Exemplar, Exemplars, Format, encode};
use crate::domain::TraceContext;
use crate::telemetry::names;

fn text(families: &[MetricFamily], format: Format) -> String {
    encode(families, &Exemplars::default().snapshot(), (format, 0))
}

/// `le` as we write it.
fn with_points(line: &str) -> String {
    let Some((before, rest)) = line.split_once("le=\"") else {
        return line.to_owned();
    };
    let (bound, after) = rest.split_once('"').expect("a bound");
    let point = if bound.contains(['.', 'I']) { "" } else { ".0" };
    format!("{before}le=\"{bound}{point}\"{after}")
}

#[test]
fn text_is_that_of_the_library_but_for_the_bounds() {
    let registry = Registry::new();
    let counters = IntCounterVec::new(Opts::new("a_total", "Help \\ with\n\"all\"."), &["x", "y"]);
    let gauges = GaugeVec::new(Opts::new("b", "Help."), &["x"]);
    let options = HistogramOpts::new("c", "Help.").buckets(vec![0.005, 1.0, 2.5, 3600.0]);
    let histograms = HistogramVec::new(options, &["x"]);
    let (counters, gauges) = (counters.expect("made"), gauges.expect("made"));
    let histograms = histograms.expect("made");
    for (which, value) in ["é\\\n\"{},=", "", "z"]
        .iter()
        .zip([0.25, -17.5, 1_795_370_647.5])
    {
        counters.with_label_values(&[which, "1"]).inc_by(7);
        gauges.with_label_values(&[which]).set(value);
        histograms.with_label_values(&[which]).observe(value);
    }
    registry.register(Box::new(counters)).expect("registered");
    registry.register(Box::new(gauges)).expect("registered");
    registry.register(Box::new(histograms)).expect("registered");
    let families = registry.gather();
    let mut theirs = Vec::new();
    let encoded = TextEncoder::new().encode(&families, &mut theirs);
    encoded.expect("encoded");
    let theirs = String::from_utf8(theirs).expect("text");
    let theirs: Vec<_> = theirs.lines().map(with_points).collect();
    let ours = text(&families, Format::Text);
    assert_eq!(ours.lines().collect::<Vec<_>>(), theirs);
}

fn family(name: &str, kind: MetricType, metric: Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help("Help \"it\".".to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

fn gauge(label: &str, value: f64) -> MetricFamily {
    let mut pair = LabelPair::default();
    pair.set_name("l".to_owned());
    pair.set_value(label.to_owned());
    let mut metric = Metric::from_label(vec![pair]);
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    metric.set_gauge(gauge);
    family("g", MetricType::GAUGE, metric)
}

#[test]
fn openmetrics_names_the_family_of_a_counter_without_its_suffix_and_ends_with_eof() {
    let mut metric = Metric::default();
    let mut counter = proto::Counter::default();
    counter.set_value(3.0);
    metric.set_counter(counter);
    let families = [family("x_total", MetricType::COUNTER, metric)];
    assert_eq!(
        text(&families, Format::OpenMetrics),
        "# HELP x Help \\\"it\\\".\n# TYPE x counter\nx_total 3\n# EOF\n"
    );
    assert_eq!(
        text(&families, Format::Text),
        "# HELP x_total Help \"it\".\n# TYPE x_total counter\nx_total 3\n"
    );
}

#[test]
fn a_span_that_is_not_recorded_is_no_exemplar_and_a_gauge_never_has_one() {
    let exemplars = Exemplars::default();
    let exemplar = |sampled| Exemplar {
        trace: TraceContext {
            trace_id: 1,
            span_id: 2,
            sampled,
        },
        value: 1.0,
        at: Timestamp::UNIX_EPOCH,
    };
    exemplars.keep(&names::RUNS, &["success", "a"], 0, exemplar(false));
    exemplars.keep(&names::RUNS_IN_FLIGHT, &["a"], 0, exemplar(true));
    assert!(exemplars.snapshot().is_empty());
    exemplars.keep(&names::RUNS, &["success", "a"], 0, exemplar(true));
    assert_eq!(exemplars.snapshot().len(), 1);
}

/// The label's value and the number of the one sample, read back as the format has it.
fn read_back(text: &str) -> (String, f64) {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let line = lines.next().expect("a sample");
    assert_eq!(lines.next(), None, "{text:?}");
    let rest = line.strip_prefix("g{l=\"").expect("the label");
    let (mut label, mut characters) = (String::new(), rest.chars());
    loop {
        match characters.next().expect("a closing quotation mark") {
            '"' => break,
            '\\' => label.push(match characters.next() {
                Some('n') => '\n',
                Some(escaped @ ('\\' | '"')) => escaped,
                other => panic!("{other:?}"),
            }),
            character => label.push(character),
        }
    }
    let number = characters.as_str().strip_prefix("} ").expect("a number");
    (label, number.parse().expect("a number"))
}

proptest! {
    #[test]
    fn every_label_and_number_can_be_read_back(label in any::<String>(), bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        for format in [Format::Text, Format::OpenMetrics] {
            let (read, number) = read_back(&text(&[gauge(&label, value)], format));
            prop_assert_eq!(&read, &label);
            prop_assert!(number.to_bits() == value.to_bits() || (number.is_nan() && value.is_nan()));
        }
    }
}

#[test]
fn numbers_at_the_edges_are_the_same_when_read_back() {
    for value in [
        0.0,
        -0.0,
        1e15,
        1e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.1,
        1e-5,
    ] {
        let (_, read) = read_back(&text(&[gauge("", value)], Format::Text));
        assert!(
            (read - value).abs() <= 0.0 || read.to_bits() == value.to_bits(),
            "{value}: {read}"
        );
    }
}
