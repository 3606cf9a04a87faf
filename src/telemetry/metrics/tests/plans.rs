//! Since when the next main cycle is planned, and when none is.

use super::*;
use crate::domain::{CycleStart, Timing, Trigger};

const PLANNED: [Option<f64>; 2] = [Some(1_795_370_706.0); 2];
const NOTHING: [Option<f64>; 2] = [Some(0.0); 2];

fn planned() -> Event {
    Event::StartPlanned {
        processor: None,
        at: samples::instant() + Duration::from_mins(1),
        wait: Duration::from_mins(1),
    }
}

fn started(trigger: Trigger) -> Event {
    Event::CycleStarted(Arc::new(CycleStart {
        trigger,
        ..CycleStart::clone(&samples::cycle_start())
    }))
}

fn every_minute() -> ScheduleSpec {
    ScheduleSpec::Cron {
        expression: "* * * * *".to_owned(),
        zone: None,
    }
}

/// What is told of the next main cycle, and of one that shares its schedule.
fn next(metrics: &Metrics) -> [Option<f64>; 2] {
    let text = text(metrics);
    [
        "cycle_next_start_timestamp_seconds",
        "processor_next_start_timestamp_seconds{processor=\"ruim\"}",
    ]
    .map(|series| value(&text, series))
}

#[test]
fn nothing_is_planned_while_a_cycle_of_an_interval_runs_whatever_started_it() {
    for trigger in [Trigger::Startup, Trigger::Interval, Trigger::Signal] {
        let metrics = metrics();
        metrics.observe(&planned());
        assert_eq!(next(&metrics), PLANNED);
        metrics.observe(&started(trigger));
        assert_eq!(next(&metrics), NOTHING, "{trigger:?}");
    }
}

#[test]
fn the_next_instant_of_a_pattern_stays_planned_while_a_cycle_runs() {
    for trigger in [Trigger::Cron, Trigger::Signal] {
        let metrics = metrics();
        metrics.observe(&reload_to(
            every_minute(),
            vec![samples::configured("ruim")],
        ));
        metrics.observe(&planned());
        metrics.observe(&started(trigger));
        assert_eq!(next(&metrics), PLANNED, "{trigger:?}");
    }
}

#[test]
fn a_reload_that_changes_the_main_schedule_or_leaves_nobody_on_it_drops_what_was_planned() {
    let metrics = metrics();
    metrics.observe(&planned());
    metrics.observe(&reload(&["ruim"]));
    assert_eq!(next(&metrics), PLANNED, "nothing has changed for it");
    metrics.observe(&reload_to(
        every_minute(),
        vec![samples::configured("ruim")],
    ));
    assert_eq!(next(&metrics), NOTHING);
    metrics.observe(&planned());
    let mut own = samples::configured("bom");
    own.spec = Arc::new(ProcessorSpec {
        timing: Timing {
            schedule: Some(every_minute()),
            ..Timing::default()
        },
        ..ProcessorSpec::clone(&own.spec)
    });
    metrics.observe(&reload_to(every_minute(), vec![own]));
    assert_eq!(next(&metrics), [Some(0.0), None]);
}
