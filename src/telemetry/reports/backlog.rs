//! The sum of some gauges of a report, for those who follow it. Refuses to know what it is for.

use super::assemble::{Parsed, Value, parse};
use crate::domain::{MetricSelector, Report};
use crate::telemetry::names::Kind;

/// The sum of the gauges that `selector` names; none when the report is refused or has none of them.
#[must_use]
pub fn backlog_of(report: &Report, selector: &MetricSelector) -> Option<f64> {
    match report {
        Report::Content(content) => sum(&parse(content).ok()?, selector),
        Report::TooLarge | Report::Unreadable => None,
    }
}

fn sum(report: &Parsed, selector: &MetricSelector) -> Option<f64> {
    let family = report.families.get(&selector.name)?;
    if family.kind != Kind::Gauge {
        return None;
    }
    let series = family.series.iter();
    let chosen =
        series.filter(|(labels, _)| selector.labels.iter().all(|pair| labels.contains(pair)));
    let values = chosen.filter_map(|(_, value)| match value {
        Value::Number(number) => Some(*number),
        Value::Histogram(_) => None,
    });
    values.reduce(|sum, number| sum + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauges_that_have_the_labels_are_added_up_and_anything_else_is_no_backlog() {
        let text = "# TYPE fila gauge\n\
            fila{colecao=\"a\",estado=\"espera\"} 60\nfila{colecao=\"b\",estado=\"espera\"} 40\n\
            fila{colecao=\"a\",estado=\"presa\"} 7\n# TYPE n_total counter\nn_total 3\n";
        let report = Report::Content(text.as_bytes().into());
        let of = |name: &str, labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let selector = MetricSelector {
                name: name.to_owned(),
                labels: labels.collect(),
            };
            backlog_of(&report, &selector)
        };
        assert_eq!(of("fila", &[("estado", "espera")]), Some(100.0));
        assert_eq!(
            of("fila", &[("estado", "presa"), ("colecao", "a")]),
            Some(7.0)
        );
        assert_eq!(of("fila", &[]), Some(107.0));
        assert_eq!(of("fila", &[("estado", "feita")]), None);
        assert_eq!(of("outra", &[]), None);
        assert_eq!(of("n_total", &[]), None, "a counter is no backlog");
        let bad = Report::Content(b"fila 3\nisto?".as_slice().into());
        let selector = MetricSelector {
            name: "fila".to_owned(),
            labels: Vec::new(),
        };
        assert_eq!(backlog_of(&bad, &selector), None);
    }
}
