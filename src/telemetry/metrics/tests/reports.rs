//! What processors report of themselves, and how long it stays.

use super::*;

#[test]
fn a_report_is_served_with_its_processor_and_a_refused_one_is_counted() {
    let metrics = metrics();
    let report = |report| Event::MetricsReported {
        run: samples::run_start("bom"),
        at: samples::instant(),
        report,
    };
    let content = |text: &str| Report::Content(text.as_bytes().into());
    metrics.observe(&report(content(
        "# TYPE docs_total counter\ndocs_total 3\n",
    )));
    metrics.observe(&report(content("???")));
    metrics.observe(&report(Report::TooLarge));
    let text = text(&metrics);
    assert!(
        text.contains("\ndocs_total{processor=\"bom\"} 3\n"),
        "{text}"
    );
    let rejected = |reason: &str| {
        let series =
            format!("processor_metrics_rejected_total{{processor=\"bom\",reason=\"{reason}\"}}");
        value(&text, &series)
    };
    let reasons = ["syntax", "too_large", "unreadable"].map(rejected);
    assert_eq!(reasons, [Some(1.0), Some(1.0), Some(0.0)]);
    let last = "processor_metrics_last_report_timestamp_seconds{processor=\"bom\"}";
    assert_eq!(value(&text, last), Some(1_795_370_646.0));
}

#[test]
fn what_a_removed_processor_reported_goes_with_its_last_run() {
    let metrics = metrics();
    metrics.observe(&Event::RunStarted(samples::run_start("bom")));
    metrics.observe(&Event::MetricsReported {
        run: samples::run_start("bom"),
        at: samples::instant(),
        report: Report::Content(b"# TYPE fila gauge\nfila 3\n".as_slice().into()),
    });
    let fila = "fila{processor=\"bom\"} 3";
    let is_served = |metrics: &Metrics| text(metrics).lines().any(|line| line == fila);
    metrics.observe(&reload(&["ruim"]));
    assert!(is_served(&metrics), "its run is in flight");
    metrics.observe(&Event::RunFinished(samples::run("bom", Outcome::Success)));
    assert!(!is_served(&metrics), "{}", text(&metrics));
}
