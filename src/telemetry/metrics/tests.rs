//! Facts in, exposition out.

mod exemplars;
mod history;
mod plans;
mod reports;

use super::*;
use crate::domain::{
    Clock, Difference, Event, GroupBoard, HistoryOperation, Instances, Load, LostRun,
    MainCycleState, Observer as _, Outcome, ProcessorSpec, ProcessorState, RunId, ScheduleSpec,
    samples,
};
use prometheus::proto::LabelPair;

fn metrics() -> Metrics {
    let mut processors = ["bom", "ruim", "depois"].map(samples::configured);
    processors[2].spec = Arc::new(ProcessorSpec {
        instances: Instances::ByLoad(samples::scaling()),
        ..ProcessorSpec::clone(&processors[2].spec)
    });
    let known = Known {
        processors: &processors,
        main: &ScheduleSpec::Interval(Duration::from_mins(1)),
        period: None,
        mode: Mode::Sequential,
        slots: 1,
        now: samples::instant(),
        data_dir: "/".into(),
    };
    let metrics = Metrics::new(&[1.0, 2.0, 120.0]);
    metrics.expose_known(&known).expect("exposed");
    metrics
}

/// These processors from now on.
fn reload(names: &[&str]) -> Event {
    let processors = names.iter().map(|name| samples::configured(name));
    reload_to(
        ScheduleSpec::Interval(Duration::from_mins(1)),
        processors.collect(),
    )
}

fn reload_to(main: ScheduleSpec, processors: Vec<Configured>) -> Event {
    Event::ConfigReloaded(Arc::new(Reload {
        at: samples::instant(),
        result: ReloadResult::Applied {
            difference: Difference::default(),
            mode: Mode::Sequential,
            slots: 1,
            main,
            processors,
            period: None,
        },
    }))
}

fn text(metrics: &Metrics) -> String {
    metrics.render(Format::Text)
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| {
        line.strip_prefix("orquestrador_")?
            .strip_prefix(series)?
            .strip_prefix(' ')
    });
    line.map(|number| number.parse().expect("a number"))
}

#[test]
fn counters_and_timestamps_are_there_at_0_before_the_first_event_and_results_are_not() {
    let text = text(&metrics());
    for series in [
        "runs_total{outcome=\"failure\",processor=\"ruim\"}",
        "run_failures_total{processor=\"ruim\",reason=\"exit_code\"}",
        "cycles_total{mode=\"sequential\",outcome=\"success\",schedule=\"main\"}",
        "processor_last_success_timestamp_seconds{processor=\"ruim\"}",
    ] {
        assert_eq!(value(&text, series), Some(0.0), "{series}");
    }
    assert_eq!(
        value(
            &text,
            "processor_info{processor=\"bom\",schedule_kind=\"cycle\"}"
        ),
        Some(1.0)
    );
    for family in [
        "processor_last_run_success",
        "processor_last_exit_code",
        "processor_last_outcome",
        "run_duration_seconds",
    ] {
        assert!(
            !text.contains(&format!("orquestrador_{family}")),
            "{family} would claim a result"
        );
    }
}

/// When the runs of the samples ended.
const ENDED: f64 = 1_795_370_647.5;

/// What one cycle of the samples comes to.
const MOVED: &[(&str, f64)] = &[
    ("runs_total{outcome=\"success\",processor=\"bom\"}", 1.0),
    ("runs_total{outcome=\"failure\",processor=\"ruim\"}", 1.0),
    ("runs_total{outcome=\"skip\",processor=\"depois\"}", 1.0),
    (
        "run_failures_total{processor=\"ruim\",reason=\"exit_code\"}",
        1.0,
    ),
    (
        "run_failures_total{processor=\"bom\",reason=\"exit_code\"}",
        0.0,
    ),
    (
        "run_skips_total{processor=\"depois\",reason=\"dependency\"}",
        1.0,
    ),
    ("processor_last_run_success{processor=\"bom\"}", 1.0),
    ("processor_last_run_success{processor=\"ruim\"}", 0.0),
    ("processor_last_exit_code{processor=\"ruim\"}", 3.0),
    ("processor_consecutive_failures{processor=\"ruim\"}", 1.0),
    (
        "processor_failing_since_timestamp_seconds{processor=\"ruim\"}",
        ENDED,
    ),
    (
        "processor_failing_since_timestamp_seconds{processor=\"bom\"}",
        0.0,
    ),
    (
        "processor_last_success_timestamp_seconds{processor=\"bom\"}",
        ENDED,
    ),
    (
        "processor_last_outcome{outcome=\"skip\",processor=\"depois\"}",
        1.0,
    ),
    ("runs_in_flight{processor=\"bom\"}", 0.0),
    ("runs_in_flight{processor=\"depois\"}", 0.0),
    (
        "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"1.0\"}",
        0.0,
    ),
    (
        "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"2.0\"}",
        1.0,
    ),
    (
        "run_cpu_seconds_total{mode=\"user\",processor=\"bom\"}",
        0.25,
    ),
    (
        "run_output_truncated_total{processor=\"bom\",stream=\"stderr\"}",
        1.0,
    ),
    (
        "cycles_total{mode=\"sequential\",outcome=\"failure\",schedule=\"main\"}",
        1.0,
    ),
    ("cycles_in_flight{schedule=\"main\"}", 0.0),
    ("cycle_last_duration_seconds", 3.01),
    ("cycle_last_success_timestamp_seconds", 0.0),
];

#[test]
fn one_cycle_moves_exactly_what_it_should() {
    let metrics = metrics();
    for event in samples::cycle() {
        metrics.observe(&event);
    }
    let text = text(&metrics);
    for (series, expected) in MOVED.iter().copied() {
        assert_eq!(value(&text, series), Some(expected), "{series}");
    }
    assert!(
        !text.contains("processor_last_run_success{processor=\"depois\"}"),
        "a skip is no result"
    );
}

#[test]
fn a_success_ends_a_streak_and_a_second_failure_keeps_its_beginning() {
    let metrics = metrics();
    let failure = Outcome::Timeout;
    let since = "processor_failing_since_timestamp_seconds{processor=\"ruim\"}";
    metrics.observe(&Event::RunFinished(samples::run("ruim", failure)));
    let first = value(&text(&metrics), since);
    metrics.observe(&Event::RunFinished(samples::run("ruim", failure)));
    assert_eq!(value(&text(&metrics), since), first);
    assert_eq!(
        value(
            &text(&metrics),
            "processor_consecutive_failures{processor=\"ruim\"}"
        ),
        Some(2.0)
    );
    metrics.observe(&Event::RunFinished(samples::run("ruim", Outcome::Success)));
    assert_eq!(value(&text(&metrics), since), Some(0.0));
    assert_eq!(
        value(
            &text(&metrics),
            "processor_consecutive_failures{processor=\"ruim\"}"
        ),
        Some(0.0)
    );
}

/// What the last start of the processor that follows its backlog told.
fn load(backlog: Option<f64>, desired: u32) -> Load {
    Load {
        processor: samples::spec("depois").name.clone(),
        at: samples::instant(),
        metric: samples::scaling().metric,
        backlog,
        before: 1,
        desired,
        was_told: true,
    }
}

#[test]
fn the_wish_for_instances_is_there_for_everybody_and_the_backlog_for_whoever_follows_one() {
    let metrics = metrics();
    let of = |family: &str, name: &str| {
        value(
            &text(&metrics),
            &format!("{family}{{processor=\"{name}\"}}"),
        )
    };
    let all = || {
        [
            of("desired_instances", "depois"),
            of("processor_backlog", "depois"),
            of("processor_backlog_missing", "depois"),
        ]
    };
    assert_eq!(all(), [Some(1.0), None, Some(0.0)]);
    metrics.observe(&Event::LoadRead(load(Some(100.0), 5)));
    assert_eq!(all(), [Some(5.0), Some(100.0), Some(0.0)]);
    metrics.observe(&Event::LoadRead(load(None, 5)));
    assert_eq!(all(), [Some(5.0), None, Some(1.0)]);
    assert_eq!(of("desired_instances", "bom"), Some(1.0));
    assert_eq!(of("processor_backlog_missing", "bom"), None);
}

/// Facts that, together, move every family.
fn everything() -> Vec<Event> {
    let run = samples::run_start("bom");
    let mut events = samples::cycle();
    let mut stopped = Run::clone(&samples::run("ruim", Outcome::Timeout));
    stopped.result.stops = vec![Duration::from_millis(20)];
    events.push(Event::RunFinished(Arc::new(stopped)));
    events.push(Event::HistoryOperated {
        operation: HistoryOperation::Write,
        duration: Duration::from_millis(1),
        is_ok: true,
    });
    events.push(Event::LoadRead(load(Some(100.0), 5)));
    events.push(Event::MetricsReported {
        run,
        at: samples::instant(),
        report: Report::Content(
            b"# TYPE docs_total counter\ndocs_total 3\n"
                .as_slice()
                .into(),
        ),
    });
    events
}

#[tokio::test]
async fn every_family_that_is_served_stands_in_the_table_and_every_one_of_the_table_is_served() {
    let metrics = metrics();
    metrics.expose_process().expect("exposed");
    metrics.count_request("/metrics", 200, Duration::from_millis(1));
    let group = GroupBoard::new("grupo", "uma", samples::instant());
    group.update(|status| status.waiting = Some(0));
    metrics.show_group(group, Clock::new(samples::instant));
    for event in everything() {
        metrics.observe(&event);
    }
    let mut families: Vec<_> = metrics.gather().collect();
    families.sort_by(|left, right| left.name().cmp(right.name()));
    let served: Vec<_> = families
        .iter()
        .filter(|family| family.name() != "docs_total")
        .map(|family| (family.name().to_owned(), family.get_field_type()))
        .collect();
    let mut known: Vec<_> = names::all()
        .map(|family| (family.name.to_owned(), family.kind.proto()))
        .collect();
    known.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(served, known);
    for family in names::all().filter(|family| !family.name.starts_with("process_")) {
        let gathered = families.iter().find(|other| other.name() == family.name);
        for metric in gathered.expect("served").get_metric() {
            let labels: Vec<_> = metric.get_label().iter().map(LabelPair::name).collect();
            assert_eq!(labels, family.labels, "{}", family.name);
            assert!(labels.is_sorted(), "{}", family.name);
        }
    }
    for name in names::WITH_EXEMPLARS {
        assert!(known.iter().any(|(known, _)| known == name), "{name}");
    }
}

#[test]
fn what_is_told_of_a_processor_that_is_not_known_makes_no_series() {
    let metrics = metrics();
    let before = text(&metrics);
    metrics.observe(&Event::RunStarted(samples::run_start("removido")));
    metrics.observe(&Event::RunFinished(samples::run(
        "removido",
        Outcome::Success,
    )));
    let after = text(&metrics);
    assert!(!after.contains("removido"), "{after}");
    assert_eq!(before.lines().count(), after.lines().count());
}

#[test]
fn the_states_of_an_earlier_start_are_shown_and_lost_runs_counted() {
    let metrics = metrics();
    let at = samples::instant();
    let lost = LostRun {
        id: RunId::new(at),
        processor: samples::spec("ruim").name.clone(),
        started_at: at,
        closed_at: at,
        trace: None,
    };
    let mut state = ProcessorState::new(at - Duration::from_secs(100));
    state.last_success = Some(at - Duration::from_secs(50));
    state.lost(&lost);
    metrics.observe(&Event::Restored(Arc::new(Restored {
        processors: vec![(lost.processor.clone(), state)],
        main: MainCycleState {
            last_success: Some(at),
            ..MainCycleState::default()
        },
        lost: vec![lost],
        is_clamped: false,
    })));
    let text = text(&metrics);
    for (series, expected) in [
        ("runs_total{outcome=\"error\",processor=\"ruim\"}", 1.0),
        (
            "run_failures_total{processor=\"ruim\",reason=\"lost\"}",
            1.0,
        ),
        ("processor_last_run_success{processor=\"ruim\"}", 0.0),
        ("processor_consecutive_failures{processor=\"ruim\"}", 1.0),
        ("processor_last_exit_code{processor=\"ruim\"}", -1.0),
        (
            "processor_last_success_timestamp_seconds{processor=\"ruim\"}",
            1_795_370_596.0,
        ),
        (
            "processor_first_seen_timestamp_seconds{processor=\"ruim\"}",
            1_795_370_546.0,
        ),
        ("cycle_last_success_timestamp_seconds", 1_795_370_646.0),
        ("log_messages_total{level=\"error\"}", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}");
    }
}

#[test]
fn a_run_in_flight_is_told_by_its_start_and_left_the_queue() {
    let metrics = metrics();
    metrics.observe(&Event::CycleStarted(samples::cycle_start()));
    assert_eq!(value(&text(&metrics), "runs_queued"), Some(3.0));
    metrics.observe(&Event::RunStarted(samples::run_start("bom")));
    let during = text(&metrics);
    let oldest = "run_oldest_in_flight_start_timestamp_seconds{processor=\"bom\"}";
    assert_eq!(value(&during, oldest), Some(1_795_370_646.0));
    assert_eq!(value(&during, "runs_queued"), Some(2.0));
    metrics.observe(&Event::RunFinished(samples::run("bom", Outcome::Success)));
    let after = text(&metrics);
    assert_eq!(value(&after, oldest), Some(0.0));
    assert_eq!(
        value(&after, "runs_in_flight{processor=\"bom\"}"),
        Some(0.0)
    );
    assert_eq!(
        value(&after, "run_attempts_total{processor=\"bom\"}"),
        Some(1.0)
    );
}
