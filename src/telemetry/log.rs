//! One JSON object a line on standard output, for log collectors. Field names are part of the contract.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::domain::{
    Attempt, Clock, Cycle, CycleStart, Event, GroupChange, Load, LostRun, Missed, Observer,
    ProcessorName, ReloadResult, Restored, Run, RunStart, Schedule, Startup, TraceContext,
};

/// The reader that writes for machines.
pub struct JsonLog {
    sink: Mutex<Box<dyn Write + Send>>,
    clock: Clock,
}

impl JsonLog {
    /// Writes to `sink`.
    #[must_use]
    pub fn new(sink: Box<dyn Write + Send>, clock: Clock) -> Self {
        Self {
            sink: Mutex::new(sink),
            clock,
        }
    }

    /// Whoever reads our output may have gone; that is no reason to stop working.
    fn write(&self, level: Level, event: &str, fields: Value) {
        let mut text = line(self.clock.now(), level, event, fields);
        text.push('\n');
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write_all(text.as_bytes())
            .and_then(|()| sink.flush())
            .ok();
    }

    fn restored(&self, restored: &Restored) {
        for run in &restored.lost {
            let fields = json!({
                "run": run.id.as_str(),
                "processor": run.processor.as_str(),
                "started_at": run.started_at.to_string(),
                "outcome": LostRun::OUTCOME.label(),
                "reason": LostRun::OUTCOME.reason(),
            });
            self.write(
                Level::Error,
                "run_lost",
                merged(trace_fields(run.trace), fields),
            );
        }
        if restored.is_clamped {
            self.write(Level::Warn, "history_clamped", json!({}));
        }
    }
}

fn reload_fields(result: &ReloadResult) -> Value {
    match result {
        ReloadResult::Applied { difference, .. } => json!({
            "result": result.label(),
            "added": difference.added,
            "removed": difference.removed,
            "changed": difference.changed,
            "difference": difference.lines,
        }),
        ReloadResult::Rejected { problems } => {
            json!({ "result": result.label(), "problems": problems })
        }
    }
}

fn schedule_of(processor: Option<&ProcessorName>) -> &'static str {
    match processor {
        Some(_) => Schedule::Own.label(),
        None => Schedule::Main.label(),
    }
}

fn planned_fields(processor: Option<&ProcessorName>, at: Timestamp, wait: Duration) -> Value {
    json!({
        "schedule": schedule_of(processor),
        "processor": processor,
        "next_start": at.to_string(),
        "wait_seconds": wait.as_secs_f64(),
    })
}

fn missed_fields(missed: &Missed) -> Value {
    json!({
        "schedule": schedule_of(missed.processor.as_ref()),
        "processor": missed.processor,
        "processors": missed.due,
        "reason": missed.reason.label(),
        "count": missed.count,
        "planned": missed.planned.to_string(),
    })
}

fn attempt_fields(attempt: &Attempt, wait: Duration) -> Value {
    json!({
        "attempt": attempt.number,
        "outcome": attempt.outcome.label(),
        "reason": attempt.outcome.reason(),
        "exit_code": attempt.exit_code,
        "duration_seconds": attempt.duration.as_secs_f64(),
        "wait_seconds": wait.as_secs_f64(),
    })
}

fn load_fields(load: &Load) -> Value {
    json!({
        "processor": load.processor,
        "metric": load.metric.to_string(),
        "backlog": load.backlog,
        "desired_instances": load.desired,
        "instances_before": load.before,
    })
}

/// What is said of so many lines that nobody took.
#[must_use]
pub fn lost_lines(now: Timestamp, lines: u64) -> String {
    line(
        now,
        Level::Warn,
        "log_lines_lost",
        json!({ "lines": lines }),
    )
}

/// One object; fields that are null are left out.
fn line(now: Timestamp, level: Level, event: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), json!(format!("{now:.6}")));
    object.insert("level".to_owned(), json!(level.word()));
    object.insert("event".to_owned(), json!(event));
    if let Value::Object(fields) = fields {
        object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(object).to_string()
}

fn started(startup: &Startup) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": startup.mode.label(),
        "single_run": startup.single_run,
        "dry_run": startup.dry_run,
        "config": startup.config.as_ref().map(|path| path.display().to_string()),
        "store": startup.store,
        "address": startup.address.map(|address| address.to_string()),
        "tls": startup.is_encrypted,
        "notes": startup.notes,
        "warnings": startup.warnings,
    })
}

fn cycle_fields(start: &CycleStart) -> Value {
    merged(
        trace_fields(start.trace),
        json!({
            "cycle": start.number,
            "cycle_id": start.id,
            "mode": start.mode.label(),
            "trigger": start.trigger.label(),
            "schedule": start.schedule.label(),
            "processors": start.processors,
            "runs": start.runs,
            "delay_seconds": start.delay.as_secs_f64(),
        }),
    )
}

fn run_fields(start: &RunStart) -> Value {
    merged(
        trace_fields(start.trace),
        json!({
            "cycle": start.cycle.number,
            "run": start.id.as_str(),
            "processor": start.spec.name.as_str(),
            "instance": start.instance.number,
            "instances": start.instance.of,
            "queue_wait_seconds": start.queue_wait.as_secs_f64(),
        }),
    )
}

fn run_end(run: &Run) -> Value {
    let result = &run.result;
    merged(
        run_fields(&run.start),
        json!({
            "outcome": result.outcome.label(),
            "reason": result.outcome.reason(),
            "summary": run.summary(),
            "duration_seconds": result.duration.as_secs_f64(),
            "exit_code": result.exit_code,
            "attempts": result.attempts.len(),
            "cpu_user_seconds": result.usage.cpu_user.as_secs_f64(),
            "cpu_system_seconds": result.usage.cpu_system.as_secs_f64(),
            "max_rss_bytes": result.usage.max_rss_bytes,
            "escaped_processes": result.escaped.count,
            "escaped_names": result.escaped.names,
            "kill_escalated": result.kill_escalated,
            "output_bytes": result.stdout.bytes + result.stderr.bytes,
            "truncated_bytes": result.stdout.truncated_bytes + result.stderr.truncated_bytes,
        }),
    )
}

fn cycle_end(cycle: &Cycle) -> Value {
    merged(
        cycle_fields(&cycle.start),
        json!({
            "outcome": cycle.outcome.label(),
            "duration_seconds": cycle.duration.as_secs_f64(),
        }),
    )
}

fn trace_fields(trace: Option<TraceContext>) -> Value {
    json!({
        "trace_id": trace.map(|trace| trace.trace_id_hex()),
        "span_id": trace.map(|trace| trace.span_id_hex()),
    })
}

fn merged(mut left: Value, right: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut left, right) {
        fields.extend(more);
    }
    left
}

impl Observer for JsonLog {
    fn observe(&self, event: &Event) {
        if let Event::Restored(restored) = event {
            return self.restored(restored);
        }
        let (Some(level), Some((name, fields))) = (level(event), content(event)) else {
            return;
        };
        self.write(level, name, fields);
    }
}

/// The name and the fields of a fact that is one line.
fn content(event: &Event) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Started(startup) => ("started", started(startup)),
        Event::StartPlanned {
            processor,
            at,
            wait,
        } => (
            "start_planned",
            planned_fields(processor.as_ref(), *at, *wait),
        ),
        Event::StartMissed(missed) => ("start_missed", missed_fields(missed)),
        Event::ClockJumped { by, .. } => {
            ("clock_jumped", json!({ "jump_seconds": by.as_secs_f64() }))
        }
        Event::Paused { .. } => ("paused", json!({})),
        Event::Resumed { .. } => ("resumed", json!({})),
        Event::ConfigReloaded(reload) => ("config_reloaded", reload_fields(&reload.result)),
        Event::CycleStarted(start) => ("cycle_started", cycle_fields(start)),
        Event::RunStarted(start) => ("run_started", run_fields(start)),
        Event::RunOutput { run, line } => {
            let fields = json!({ "stream": line.stream.label(), "line": line.text });
            ("run_output", merged(run_fields(run), fields))
        }
        Event::RunFinished(run) => ("run_finished", run_end(run)),
        Event::LoadRead(load) => ("load_read", load_fields(load)),
        Event::CycleFinished(cycle) => ("cycle_finished", cycle_end(cycle)),
        Event::ShutdownStarted { signal } => ("shutdown_started", json!({ "signal": signal })),
        Event::ShutdownForced { signal } => ("shutdown_forced", json!({ "signal": signal })),
        Event::GroupChanged { change, .. } => ("group_changed", group(change)),
        Event::StraysEnded(escaped) => (
            "strays_ended",
            json!({ "escaped_processes": escaped.count, "escaped_names": escaped.names }),
        ),
        Event::AttemptFailed { run, attempt, wait } => {
            let fields = attempt_fields(attempt, *wait);
            ("attempt_failed", merged(run_fields(run), fields))
        }
        Event::HistoryFailed { reason, .. } => ("history_failed", json!({ "error": reason })),
        Event::HistoryRecovered { lost } => ("history_recovered", json!({ "lost_facts": lost })),
        Event::Restored(_)
        | Event::PlanForgotten
        | Event::LoopTicked { .. }
        | Event::MetricsReported { .. }
        | Event::HistoryOperated { .. } => return None,
    })
}

fn group(change: &GroupChange) -> Value {
    match change {
        GroupChange::Connected => json!({ "change": "connected" }),
        GroupChange::Disconnected => json!({ "change": "disconnected" }),
        GroupChange::Failed { fault } => {
            json!({ "change": "failed", "fault": fault.label(), "reason": fault.words() })
        }
        GroupChange::Leading { term } => json!({ "change": "leading", "term": term }),
        GroupChange::StoodDown => json!({ "change": "stood_down" }),
        GroupChange::LeaderSeen { instance } => {
            json!({ "change": "leader_seen", "instance": instance })
        }
        GroupChange::RunRedelivered {
            run,
            processor,
            instance,
        } => json!({
            "change": "run_redelivered", "run": run, "processor": processor, "instance": instance,
        }),
    }
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// Those that are counted.
    pub(super) const COUNTED: [Self; 3] = [Self::Error, Self::Warn, Self::Info];

    /// The word of `level`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The level of a fact that is one line; what was restored may be many or none.
pub(super) fn level(event: &Event) -> Option<Level> {
    let of = |is_bad: bool| if is_bad { Level::Error } else { Level::Info };
    match event {
        Event::Started(startup) if !startup.warnings.is_empty() => Some(Level::Warn),
        Event::ConfigReloaded(reload) => Some(match reload.result {
            ReloadResult::Applied { .. } => Level::Info,
            ReloadResult::Rejected { .. } => Level::Error,
        }),
        Event::Started(_)
        | Event::StartPlanned {
            processor: None, ..
        }
        | Event::Resumed { .. }
        | Event::CycleStarted(_)
        | Event::RunStarted(_)
        | Event::HistoryRecovered { .. } => Some(Level::Info),
        Event::RunOutput { .. }
        | Event::StartPlanned {
            processor: Some(_), ..
        } => Some(Level::Debug),
        Event::GroupChanged { change, .. } => Some(match change {
            GroupChange::Failed { fault } if !fault.passes() => Level::Error,
            GroupChange::Disconnected
            | GroupChange::Failed { .. }
            | GroupChange::StoodDown
            | GroupChange::RunRedelivered { .. } => Level::Warn,
            GroupChange::Connected
            | GroupChange::Leading { .. }
            | GroupChange::LeaderSeen { .. } => Level::Info,
        }),
        Event::RunFinished(run) => Some(of(run.result.outcome.is_bad())),
        Event::CycleFinished(cycle) => Some(of(cycle.outcome.is_bad())),
        Event::ShutdownStarted { .. }
        | Event::ShutdownForced { .. }
        | Event::StraysEnded(_)
        | Event::StartMissed(_)
        | Event::ClockJumped { .. }
        | Event::Paused { .. }
        | Event::AttemptFailed { .. } => Some(Level::Warn),
        Event::HistoryFailed { .. } => Some(Level::Error),
        Event::LoadRead(load) if load.is_newly_missing() => Some(Level::Warn),
        Event::LoadRead(load) if load.desired != load.before => Some(Level::Info),
        Event::Restored(_)
        | Event::PlanForgotten
        | Event::LoopTicked { .. }
        | Event::LoadRead(_)
        | Event::MetricsReported { .. }
        | Event::HistoryOperated { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::telemetry::sink::Sink;

    #[test]
    fn each_fact_is_one_json_object_with_its_time_level_and_identity() {
        let sink = Sink::default();
        let log = JsonLog::new(Box::new(sink.clone()), Clock::new(samples::instant));
        for event in samples::cycle() {
            log.observe(&event);
        }
        let text = sink.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let events: Vec<_> = lines
            .iter()
            .map(|line| line["event"].as_str().expect("an event"))
            .collect();
        let expected = [
            "cycle_started",
            "run_started",
            "run_finished",
            "run_started",
            "run_finished",
            "run_finished",
            "cycle_finished",
        ];
        assert_eq!(events, expected);
        let failed = &lines[4];
        assert_eq!(failed["timestamp"], "2026-11-22T18:04:06.000000Z");
        assert_eq!(
            (&failed["level"], &failed["processor"], &failed["cycle"]),
            (&json!("error"), &json!("ruim"), &json!(7))
        );
        assert_eq!(
            (&failed["outcome"], &failed["reason"], &failed["exit_code"]),
            (&json!("failure"), &json!("exit_code"), &json!(3))
        );
        assert_eq!(failed["trace_id"], "00000000000000000000000000000abc");
        assert!(
            lines[0].get("trace_id").is_none(),
            "a cycle without a trace says nothing of one"
        );
    }
}
