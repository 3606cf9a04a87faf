//! Facts for tests of readers: one cycle of a good run, a failed one and a skipped one, at a fixed time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    Configured, Cycle, CycleStart, Escaped, Event, FailureReason, Instance, Instances,
    MetricSelector, Mode, Outcome, OutputLine, OutputSpec, ProcessorName, ProcessorSpec,
    ResourceLimits, Retry, Run, RunId, RunResult, RunStart, Scaling, Schedule, SkipReason, Stream,
    StreamTotals, Timing, TraceContext, Trigger, Usage,
};

/// The instant at which everything happens: 2026-11-22 18:04:06 UTC.
pub(crate) fn instant() -> Timestamp {
    "2026-11-22T18:04:06Z".parse().expect("a timestamp")
}

/// A processor that runs `/bin/true`.
pub(crate) fn spec(name: &str) -> Arc<ProcessorSpec> {
    Arc::new(ProcessorSpec {
        name: ProcessorName::try_from(name.to_owned()).expect("a name"),
        label: format!("Processador {name}"),
        short_label: name.to_owned(),
        icon: "🏷️".to_owned(),
        command: vec!["/bin/true".to_owned()],
        timeout: Duration::from_mins(5),
        grace: Duration::from_secs(10),
        retry: Retry {
            attempts: 1,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            codes: Vec::new(),
        },
        timing: Timing::default(),
        instances: Instances::default(),
        depends_on: Vec::new(),
        environment: Vec::new(),
        clear_environment: false,
        secrets: Vec::new(),
        directory: PathBuf::from("."),
        accepts_dry_run: false,
        limits: ResourceLimits::default(),
        output: OutputSpec {
            memory: 1024,
            file: None,
        },
    })
}

/// Runs that follow a backlog, 20 items each.
pub(crate) fn scaling() -> Scaling {
    Scaling {
        min: 1,
        max: 8,
        target: 20,
        metric: MetricSelector {
            name: "fila".to_owned(),
            labels: Vec::new(),
        },
    }
}

/// The same, as the whole configuration has it.
pub(crate) fn configured(name: &str) -> Configured {
    Configured {
        spec: spec(name),
        max_staleness: Some(Duration::from_hours(1)),
    }
}

/// A cycle that begins.
pub(crate) fn cycle_start() -> Arc<CycleStart> {
    Arc::new(CycleStart {
        number: 7,
        id: "cycle-id".to_owned(),
        schedule: Schedule::Main,
        mode: Mode::Sequential,
        trigger: Trigger::Interval,
        processors: 3,
        runs: 3,
        started_at: instant(),
        delay: Duration::from_millis(2),
        trace: None,
    })
}

/// A run that begins, in a recorded trace.
pub(crate) fn run_start(name: &str) -> Arc<RunStart> {
    Arc::new(RunStart {
        id: RunId::new(instant()),
        spec: spec(name),
        instance: Instance::ONLY,
        cycle: cycle_start(),
        started_at: instant(),
        queue_wait: Duration::from_millis(3),
        trace: Some(TraceContext {
            trace_id: 0xabc,
            span_id: 0xdef,
            sampled: true,
        }),
    })
}

/// A run that has ended with this outcome, after 1.5 seconds and one line on each stream.
pub(crate) fn run(name: &str, outcome: Outcome) -> Arc<Run> {
    let line = |stream, text: &str| OutputLine {
        at: instant(),
        stream,
        text: text.to_owned(),
    };
    let was_started = outcome.is_result();
    let result = if was_started {
        RunResult {
            outcome,
            message: None,
            duration: Duration::from_millis(1500),
            exit_code: Some(if outcome == Outcome::Success { 0 } else { 3 }),
            usage: Usage {
                cpu_user: Duration::from_millis(250),
                cpu_system: Duration::from_millis(50),
                max_rss_bytes: 8 << 20,
            },
            attempts: Vec::new(),
            output: vec![
                line(Stream::Stdout, "1 modelo, 14 tags"),
                line(Stream::Stderr, "sem papel"),
            ],
            stdout: StreamTotals {
                bytes: 18,
                lines: 1,
                truncated_bytes: 0,
            },
            stderr: StreamTotals {
                bytes: 10,
                lines: 1,
                truncated_bytes: 4,
            },
            escaped: Escaped::default(),
            kill_escalated: false,
            stops: Vec::new(),
            report: None,
        }
    } else {
        RunResult::without_process(outcome, Some("bom falhou antes".to_owned()))
    };
    Arc::new(Run {
        start: run_start(name),
        was_started,
        result,
        finished_at: instant() + Duration::from_millis(1500),
    })
}

/// The facts of one cycle, in order.
pub(crate) fn cycle() -> Vec<Event> {
    let failure = Outcome::Failure(FailureReason::ExitCode(3));
    let skip = Outcome::Skip(SkipReason::Dependency);
    let runs = vec![
        run("bom", Outcome::Success),
        run("ruim", failure),
        run("depois", skip),
    ];
    let mut events = vec![
        Event::LoopTicked { at: instant() },
        Event::CycleStarted(cycle_start()),
    ];
    for run in &runs {
        events.extend(
            run.was_started
                .then(|| Event::RunStarted(Arc::clone(&run.start))),
        );
        events.push(Event::RunFinished(Arc::clone(run)));
    }
    let finished_at = instant() + Duration::from_millis(3010);
    let duration = Duration::from_millis(3010);
    events.push(Event::CycleFinished(Arc::new(Cycle {
        start: cycle_start(),
        duration,
        finished_at,
        outcome: failure,
        runs,
    })));
    events
}
