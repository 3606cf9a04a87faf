//! The engine on a scripted runner, under paused time: what runs when, and what is said about it.

#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use orquestrador::domain::{
    CancelReason, Clock, Event, FailureReason, Mode, Observer, Observers, Outcome, OutputLine,
    OutputSpec, ProcessorName, ProcessorSpec, Report, ResourceLimits, Retry, RunResult, RunStart,
    ScheduleSpec, Stream, Timing,
};
use orquestrador::engine::status::StatusBoard;
use orquestrador::engine::{Cycles, Plan, RunStop, Runner, Scheduler, Shutdown};

const SECOND: Duration = Duration::from_secs(1);

/// Each processor takes its time and ends as it was told; everything it sees is counted.
#[derive(Default)]
struct Script {
    runs: BTreeMap<&'static str, (Duration, Outcome)>,
    in_flight: Arc<AtomicUsize>,
    /// What every attempt reports.
    report: Option<Report>,
    most_in_flight: Arc<AtomicUsize>,
    /// Who is told of a line that every attempt writes at once; nobody unless it is to speak.
    readers: Option<Observers>,
    is_to_speak: bool,
}

impl Script {
    fn new(runs: &[(&'static str, u64, Outcome)]) -> Self {
        let runs = runs
            .iter()
            .map(|(name, seconds, outcome)| (*name, (Duration::from_secs(*seconds), *outcome)));
        Self {
            runs: runs.collect(),
            ..Self::default()
        }
    }
}

impl Runner for Script {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        _attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Send> + Send,
    ) -> RunResult {
        drop(ready.await);
        if let Some(readers) = &self.readers {
            let line = OutputLine {
                at: start.started_at,
                stream: Stream::Stdout,
                text: "here".to_owned(),
            };
            let run = Arc::clone(start);
            readers.state(&Event::RunOutput { run, line });
        }
        let (duration, outcome) = self.runs[start.spec.name.as_str()];
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let began = Instant::now();
        let outcome = tokio::select! {
            () = tokio::time::sleep(duration) => outcome,
            () = stop.requested.cancelled() => Outcome::Cancellation(stop.reason),
        };
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        RunResult {
            duration: began.elapsed(),
            report: self.report.clone(),
            ..RunResult::without_process(outcome, None)
        }
    }
}

/// Remembers facts as short texts, with the time since the start.
struct Notes {
    began: Instant,
    lines: Mutex<Vec<(u64, String)>>,
}

impl Notes {
    fn texts(&self) -> Vec<String> {
        self.lines
            .lock()
            .expect("unpoisoned")
            .iter()
            .map(|(_, text)| text.clone())
            .collect()
    }

    fn seconds_of(&self, wanted: &str) -> Vec<u64> {
        let lines = self.lines.lock().expect("unpoisoned");
        lines
            .iter()
            .filter(|(_, text)| text == wanted)
            .map(|(seconds, _)| *seconds)
            .collect()
    }
}

impl Observer for Notes {
    fn observe(&self, event: &Event) {
        let text = match event {
            Event::LoopTicked { .. } => "tick".to_owned(),
            Event::CycleStarted(start) => {
                format!("cycle {} {}", start.number, start.trigger.label())
            }
            Event::RunStarted(start) => format!("start {}", start.spec.name),
            Event::RunOutput { run, line } => format!("{} says {}", run.spec.name, line.text),
            Event::RunFinished(run) => {
                let reason = run.result.outcome.reason().unwrap_or("-");
                format!(
                    "end {} {} {reason}",
                    run.start.spec.name, run.result.outcome
                )
            }
            Event::CycleFinished(cycle) => format!("cycle end {}", cycle.outcome),
            Event::ShutdownStarted { signal } => format!("shutdown {signal}"),
            Event::ShutdownForced { signal } => format!("forced {signal}"),
            Event::AttemptFailed { run, attempt, .. } => {
                format!("attempt {} of {} failed", attempt.number, run.spec.name)
            }
            Event::MetricsReported { run, .. } => format!("report {}", run.spec.name),
            Event::Started(_)
            | Event::GroupChanged { .. }
            | Event::Restored(_)
            | Event::HistoryOperated { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::StraysEnded(_)
            | Event::StartPlanned { .. }
            | Event::StartMissed(_)
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConfigReloaded(_) => return,
        };
        self.lines
            .lock()
            .expect("unpoisoned")
            .push((self.began.elapsed().as_secs(), text));
    }
}

fn spec(name: &str, depends_on: &[&str]) -> Arc<ProcessorSpec> {
    let name_of = |text: &str| ProcessorName::try_from(text.to_owned()).expect("a name");
    Arc::new(ProcessorSpec {
        name: name_of(name),
        label: name.to_owned(),
        short_label: name.to_owned(),
        icon: String::new(),
        command: vec!["true".to_owned()],
        timeout: Duration::from_mins(5),
        grace: Duration::from_secs(10),
        retry: Retry {
            attempts: 1,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            codes: Vec::new(),
        },
        timing: Timing::default(),
        depends_on: depends_on.iter().map(|name| name_of(name)).collect(),
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

fn plan(mode: Mode, specs: &[Arc<ProcessorSpec>]) -> Plan {
    Plan {
        mode,
        main: ScheduleSpec::Interval(Duration::from_mins(1)),
        zone: TimeZone::UTC,
        single_run: true,
        stop_at_failure: false,
        dry_run: false,
        parallelism: 8,
        processors: specs.to_vec(),
    }
}

struct Stage {
    notes: Arc<Notes>,
    board: Arc<StatusBoard>,
    shutdown: Arc<Shutdown>,
    scheduler: Scheduler<Script>,
}

fn stage(plan: Plan, mut script: Script) -> Stage {
    let notes = Arc::new(Notes {
        began: Instant::now(),
        lines: Mutex::default(),
    });
    let epoch = Timestamp::from_second(1_800_000_000).expect("in range");
    let began = Instant::now();
    let clock = Clock::new(move || epoch + began.elapsed());
    let board = Arc::new(StatusBoard::new(plan.clone(), epoch));
    let observers = Observers::new(vec![notes.clone(), board.clone()]);
    script.readers = script.is_to_speak.then(|| observers.clone());
    let shutdown = Arc::new(Shutdown::default());
    let cycles = Cycles::new(
        plan,
        script,
        observers,
        (clock, |_| None),
        Arc::clone(&shutdown),
    );
    Stage {
        notes,
        board,
        shutdown,
        scheduler: Scheduler::new(cycles),
    }
}

const FAILURE: Outcome = Outcome::Failure(FailureReason::ExitCode(3));

#[tokio::test(start_paused = true)]
async fn a_sequential_cycle_takes_the_sum_of_its_runs_even_after_a_failure() {
    let script = Script::new(&[("a", 2, FAILURE), ("b", 3, Outcome::Success)]);
    let most = Arc::clone(&script.most_in_flight);
    let stage = stage(
        plan(Mode::Sequential, &[spec("a", &[]), spec("b", &[])]),
        script,
    );
    let cycle = stage.scheduler.run().await.expect("a cycle");
    assert_eq!(cycle.duration, 5 * SECOND);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert_eq!(
        stage
            .notes
            .texts()
            .iter()
            .filter(|text| *text != "tick")
            .map(String::as_str)
            .collect::<Vec<_>>(),
        [
            "cycle 1 startup",
            "start a",
            "end a failure exit_code",
            "start b",
            "end b success -",
            "cycle end failure"
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn what_each_attempt_reports_is_stated_at_its_end_and_the_record_of_the_run_does_not_hold_it()
{
    let mut script = Script::new(&[("a", 2, FAILURE)]);
    script.report = Some(Report::Content(b"text".as_slice().into()));
    let mut retried = ProcessorSpec::clone(&spec("a", &[]));
    retried.retry.attempts = 2;
    let stage = stage(plan(Mode::Sequential, &[Arc::new(retried)]), script);
    let cycle = stage.scheduler.run().await.expect("a cycle");
    let texts = stage.notes.texts();
    let told: Vec<_> = texts.iter().filter(|text| *text != "tick").collect();
    assert_eq!(
        told,
        [
            "cycle 1 startup",
            "start a",
            "report a",
            "attempt 1 of a failed",
            "report a",
            "end a failure exit_code",
            "cycle end failure"
        ]
    );
    assert_eq!(cycle.runs[0].result.report, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_speaks_as_soon_as_it_may_start_is_heard_after_its_beginning() {
    let mut script = Script::new(&[("a", 2, Outcome::Success)]);
    script.is_to_speak = true;
    let stage = stage(plan(Mode::Sequential, &[spec("a", &[])]), script);
    stage.scheduler.run().await.expect("a cycle");
    let texts = stage.notes.texts();
    let place = |wanted: &str| texts.iter().position(|text| text == wanted);
    assert!(
        place("start a").is_some() && place("start a") < place("a says here"),
        "{texts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_parallel_cycle_takes_as_long_as_its_longest_run() {
    let script = Script::new(&[
        ("a", 2, FAILURE),
        ("b", 3, Outcome::Success),
        ("c", 1, Outcome::Success),
    ]);
    let specs = [spec("a", &[]), spec("b", &[]), spec("c", &[])];
    let cycle = stage(plan(Mode::Parallel, &specs), script)
        .scheduler
        .run()
        .await
        .expect("a cycle");
    assert_eq!(cycle.duration, 3 * SECOND);
    let order: Vec<_> = cycle
        .runs
        .iter()
        .map(|run| run.start.spec.name.as_str())
        .collect();
    assert_eq!(order, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn parallelism_is_never_exceeded_and_slots_are_given_in_order_of_declaration() {
    let names = ["a", "b", "c", "d", "e"];
    let script = Script::new(&names.map(|name| (name, 2, Outcome::Success)));
    let most = Arc::clone(&script.most_in_flight);
    let plan = Plan {
        parallelism: 2,
        ..plan(Mode::Parallel, &names.map(|name| spec(name, &[])))
    };
    let stage = stage(plan, script);
    let cycle = stage.scheduler.run().await.expect("a cycle");
    assert_eq!(
        (cycle.duration, most.load(Ordering::SeqCst)),
        (6 * SECOND, 2)
    );
    let starts: Vec<_> = stage
        .notes
        .texts()
        .into_iter()
        .filter(|text| text.starts_with("start"))
        .collect();
    assert_eq!(starts, names.map(|name| format!("start {name}")));
    assert_eq!(cycle.runs[4].start.queue_wait, 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_sequential_single_run_that_stops_at_a_failure_skips_the_rest() {
    let script = Script::new(&[
        ("a", 1, FAILURE),
        ("b", 1, Outcome::Success),
        ("c", 1, Outcome::Success),
    ]);
    let specs = [spec("a", &[]), spec("b", &[]), spec("c", &[])];
    let plan = Plan {
        stop_at_failure: true,
        ..plan(Mode::Sequential, &specs)
    };
    let stage = stage(plan, script);
    let cycle = stage.scheduler.run().await.expect("a cycle");
    let outcomes: Vec<_> = cycle
        .runs
        .iter()
        .map(|run| run.result.outcome.label())
        .collect();
    assert_eq!(outcomes, ["failure", "skip", "skip"]);
    assert_eq!(cycle.runs[2].result.outcome.reason(), Some("dependency"));
    assert!(!stage.notes.texts().contains(&"start b".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_what_it_depends_on_and_is_skipped_when_that_did_not_succeed() {
    let script = Script::new(&[
        ("late", 1, Outcome::Success),
        ("first", 2, Outcome::Success),
        ("bad", 1, FAILURE),
        ("never", 1, Outcome::Success),
    ]);
    let specs = [
        spec("late", &["first"]),
        spec("first", &[]),
        spec("bad", &[]),
        spec("never", &["bad"]),
    ];
    for mode in [Mode::Parallel, Mode::Sequential] {
        let script = Script {
            runs: script.runs.clone(),
            ..Script::default()
        };
        let stage = stage(plan(mode, &specs), script);
        let cycle = stage.scheduler.run().await.expect("a cycle");
        let outcomes: Vec<_> = cycle
            .runs
            .iter()
            .map(|run| run.result.outcome.label())
            .collect();
        assert_eq!(
            outcomes,
            ["success", "success", "failure", "skip"],
            "{mode:?}"
        );
        let position = |wanted: &str| {
            stage
                .notes
                .texts()
                .iter()
                .position(|text| text == wanted)
                .expect("stated")
        };
        assert!(
            position("end first success -") < position("start late"),
            "{mode:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_interval_is_counted_from_the_end_of_a_cycle() {
    let script = Script::new(&[("a", 10, Outcome::Success)]);
    let plan = Plan {
        single_run: false,
        ..plan(Mode::Parallel, &[spec("a", &[])])
    };
    let stage = stage(plan, script);
    let shutdown = Arc::clone(&stage.shutdown);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(155)).await;
        shutdown.request("SIGTERM");
    });
    stage.scheduler.run().await;
    assert_eq!(stage.notes.seconds_of("start a"), [0, 70, 140]);
    assert!(stage.notes.texts().contains(&"cycle 2 interval".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_loop_ticks_at_least_every_five_seconds_idle_or_inside_a_long_cycle() {
    let script = Script::new(&[("a", 100, Outcome::Success)]);
    let plan = Plan {
        single_run: false,
        ..plan(Mode::Parallel, &[spec("a", &[])])
    };
    let stage = stage(plan, script);
    let shutdown = Arc::clone(&stage.shutdown);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(155)).await;
        shutdown.request("SIGTERM");
    });
    stage.scheduler.run().await;
    let ticks = stage.notes.seconds_of("tick");
    assert!(ticks.len() >= 31, "{ticks:?}");
    assert!(
        ticks.windows(2).all(|pair| pair[1] - pair[0] <= 5),
        "{ticks:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_cancels_what_runs_and_what_had_not_started_and_nothing_new_starts() {
    let script = Script::new(&[("a", 100, Outcome::Success), ("b", 1, Outcome::Success)]);
    let plan = Plan {
        single_run: false,
        ..plan(Mode::Sequential, &[spec("a", &[]), spec("b", &[])])
    };
    let stage = stage(plan, script);
    let shutdown = Arc::clone(&stage.shutdown);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(7)).await;
        shutdown.request("SIGINT");
    });
    let cycle = stage.scheduler.run().await.expect("a cycle");
    assert_eq!(cycle.duration, 7 * SECOND);
    let outcomes: Vec<_> = cycle.runs.iter().map(|run| run.result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Cancellation(CancelReason::Shutdown); 2]);
    assert!(stage.notes.texts().contains(&"shutdown SIGINT".to_owned()));
    assert!(!stage.notes.texts().contains(&"start b".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_starts_only_processors_that_accept_one() {
    let accepting = Arc::new(ProcessorSpec {
        accepts_dry_run: true,
        ..(*spec("b", &[])).clone()
    });
    let script = Script::new(&[("a", 1, Outcome::Success), ("b", 1, Outcome::Success)]);
    let plan = Plan {
        dry_run: true,
        ..plan(Mode::Parallel, &[spec("a", &[]), accepting])
    };
    let cycle = stage(plan, script).scheduler.run().await.expect("a cycle");
    let outcomes: Vec<_> = cycle
        .runs
        .iter()
        .map(|run| (run.result.outcome.label(), run.result.outcome.reason()))
        .collect();
    assert_eq!(outcomes, [("skip", Some("dry_run")), ("success", None)]);
}

#[tokio::test(start_paused = true)]
async fn the_board_says_since_when_a_processor_fails_and_takes_a_silent_loop_for_dead_after_a_minute()
 {
    let script = Script::new(&[("a", 1, FAILURE)]);
    let stage = stage(plan(Mode::Parallel, &[spec("a", &[])]), script);
    assert!(!stage.board.snapshot().is_stalled());
    stage.scheduler.run().await;
    let status = stage.board.snapshot();
    assert_eq!(
        status.processors[0]
            .state
            .failing_since
            .map(Timestamp::as_second),
        Some(1_800_000_001)
    );
    assert_eq!(
        (
            status.cycles,
            status.processors[0].results,
            status.processors[0].successes
        ),
        (1, 1, 0)
    );
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!stage.board.snapshot().is_stalled());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(
        stage.board.snapshot().is_stalled(),
        "the loop has ended and nobody ticks"
    );
}
