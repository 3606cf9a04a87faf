//! Which trace decorates which sample, and for how long.

use super::*;

#[test]
fn exemplars_stand_in_openmetrics_only_at_the_bucket_that_they_fell_into() {
    let metrics = metrics();
    for event in samples::cycle() {
        metrics.observe(&event);
    }
    let open = metrics.render(Format::OpenMetrics);
    let ids = "{trace_id=\"00000000000000000000000000000abc\",span_id=\"0000000000000def\"}";
    for line in [
        format!("orquestrador_runs_total{{outcome=\"success\",processor=\"bom\"}} 1 # {ids} 1 1795370647.5"),
        format!("orquestrador_run_failures_total{{processor=\"ruim\",reason=\"exit_code\"}} 1 # {ids} 1 1795370647.5"),
        format!("orquestrador_run_duration_seconds_bucket{{outcome=\"success\",processor=\"bom\",le=\"2.0\"}} 1 # {ids} 1.5 1795370647.5"),
        "orquestrador_run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"1.0\"} 0".to_owned(),
        "# TYPE orquestrador_runs counter".to_owned(),
    ] {
        assert!(open.lines().any(|found| found == line), "{line} in\n{open}");
    }
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    assert!(!text(&metrics).contains("trace_id"));
}

#[test]
fn the_exemplars_of_a_removed_processor_go_with_its_series_and_a_late_run_makes_none_again() {
    let metrics = metrics();
    for event in samples::cycle() {
        metrics.observe(&event);
    }
    let exemplars = |metrics: &Metrics, name: &str| {
        let text = metrics.render(Format::OpenMetrics);
        let mark = format!("processor=\"{name}\"");
        let lines = text.lines().filter(|line| line.contains(&mark));
        lines.filter(|line| line.contains(" # {")).count()
    };
    let (kept, removed) = (exemplars(&metrics, "ruim"), exemplars(&metrics, "bom"));
    assert!(kept > 0 && removed > 0, "{kept} {removed}");
    metrics.observe(&reload(&["ruim"]));
    metrics.observe(&Event::RunFinished(samples::run("bom", Outcome::Success)));
    // Back again, it has counted nothing, and nothing of before decorates it.
    metrics.observe(&reload(&["ruim", "bom"]));
    assert_eq!(exemplars(&metrics, "bom"), 0);
    assert_eq!(exemplars(&metrics, "ruim"), kept);
    assert!(
        metrics
            .exemplars
            .snapshot()
            .values()
            .all(|of| { of.keys().all(|block| !block.contains("processor=\"bom\"")) })
    );
}
