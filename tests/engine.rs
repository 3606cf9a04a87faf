//! The engine on a scripted runner, under paused time: what runs when, and what is said about it.

#![expect(clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use orquestrador::domain::{
    CancelReason, Clock, Event, FailureReason, Instance, Instances, MetricSelector, Mode, Observer,
    Observers, Outcome, OutputLine, OutputSpec, ProcessorName, ProcessorSpec, Report,
    ResourceLimits, Retry, RunResult, RunStart, Scaling, ScheduleSpec, Stream, Timing,
};
use orquestrador::engine::status::StatusBoard;
use orquestrador::engine::{Cycles, Plan, RunStop, Runner, Scheduler, Shutdown};

const SECOND: Duration = Duration::from_secs(1);

/// Each processor takes its time and ends as it was told; everything it sees is counted.
#[derive(Default)]
struct Script {
    runs: BTreeMap<&'static str, (Duration, Outcome)>,
    /// The same for one of several runs of a start.
    of_instances: BTreeMap<(&'static str, u32), (Duration, Outcome)>,
    in_flight: Arc<AtomicUsize>,
    /// What every attempt reports.
    report: Option<Report>,
    /// What the runs of each cycle report as their backlog instead; after the last one nothing.
    backlogs: Vec<Option<f64>>,
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

impl Script {
    fn backlog(&self, start: &RunStart) -> Option<Report> {
        let index = usize::try_from(start.cycle.number).expect("small") - 1;
        let backlog = self.backlogs.get(index).copied().flatten()?;
        Some(Report::Content(backlog.to_string().into_bytes().into()))
    }
}

/// A report is its backlog; of another metric than `fila` it tells nothing.
fn backlog_of(report: &Report, metric: &MetricSelector) -> Option<f64> {
    let Report::Content(content) = report else {
        return None;
    };
    let text = std::str::from_utf8(content).ok()?;
    (metric.name == "fila").then(|| text.parse().ok()).flatten()
}

impl Runner for Script {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        _attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> RunResult {
        ready.await.await;
        if let Some(readers) = &self.readers {
            let line = OutputLine {
                at: start.started_at,
                stream: Stream::Stdout,
                text: "here".to_owned(),
            };
            let run = Arc::clone(start);
            readers.state(&Event::RunOutput { run, line });
        }
        let name = start.spec.name.as_str();
        let own = self
            .of_instances
            .iter()
            .find(|((of, number), _)| *of == name && *number == start.instance.number);
        let (duration, outcome) = own.map_or_else(|| self.runs[name], |(_, scripted)| *scripted);
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
            report: self.report.clone().or_else(|| self.backlog(start)),
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
            Event::RunStarted(start) => format!("start {}", named(start)),
            Event::RunOutput { run, line } => format!("{} says {}", run.spec.name, line.text),
            Event::RunFinished(run) => {
                let reason = run.result.outcome.reason().unwrap_or("-");
                format!("end {} {} {reason}", named(&run.start), run.result.outcome)
            }
            Event::CycleFinished(cycle) => format!("cycle end {}", cycle.outcome),
            Event::ShutdownStarted { signal } => format!("shutdown {signal}"),
            Event::ShutdownForced { signal } => format!("forced {signal}"),
            Event::AttemptFailed { run, attempt, .. } => {
                format!("attempt {} of {} failed", attempt.number, run.spec.name)
            }
            Event::MetricsReported { run, .. } => format!("report {}", run.spec.name),
            Event::LoadRead(load) => {
                let news = if load.is_newly_missing() {
                    " missing"
                } else {
                    ""
                };
                format!(
                    "load {:?} {} -> {}{news}",
                    load.backlog, load.before, load.desired
                )
            }
            Event::Started(_)
            | Event::GroupChanged { .. }
            | Event::Restored(_)
            | Event::HistoryOperated { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::StraysEnded(_)
            | Event::StartPlanned { .. }
            | Event::PlanForgotten
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

/// Name and, of several, number.
fn named(start: &RunStart) -> String {
    match start.instance.of {
        1 => start.spec.name.to_string(),
        of => format!("{} {}/{of}", start.spec.name, start.instance.number),
    }
}

/// A processor with so many runs in each start.
fn several(name: &str, count: u32, depends_on: &[&str]) -> Arc<ProcessorSpec> {
    Arc::new(ProcessorSpec {
        instances: Instances::Fixed(count),
        ..ProcessorSpec::clone(&spec(name, depends_on))
    })
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
        instances: Instances::default(),
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
        planned: None,
        processors: specs.to_vec(),
    }
}

#[test]
fn who_plans_for_a_group_lets_more_out_than_it_has_slots_itself_and_tells_its_own() {
    let mut plan = plan(Mode::Parallel, &[]);
    assert_eq!((plan.slots(), plan.own_slots()), (8, 8));
    plan.planned = Some(10_000);
    assert_eq!((plan.slots(), plan.own_slots()), (10_000, 8));
    // One after the other is planned so, wherever it runs.
    plan.mode = Mode::Sequential;
    assert_eq!((plan.slots(), plan.own_slots()), (1, 8));
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
    )
    .following(backlog_of);
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
    let waits = cycle.runs.iter().map(|run| run.start.queue_wait);
    assert_eq!(waits.max(), Some(Duration::ZERO), "ready one after another");
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
        planned: None,
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

#[tokio::test(start_paused = true)]
async fn the_instances_of_a_processor_run_side_by_side_each_with_an_id_of_its_own_as_slots_allow() {
    for (parallelism, seconds) in [(8, 2), (3, 2), (2, 4), (1, 6)] {
        let script = Script::new(&[("a", 2, Outcome::Success)]);
        let most = Arc::clone(&script.most_in_flight);
        let plan = Plan {
            parallelism,
            ..plan(Mode::Parallel, &[several("a", 3, &[])])
        };
        let stage = stage(plan, script);
        let cycle = stage.scheduler.run().await.expect("a cycle");
        assert_eq!(cycle.duration, seconds * SECOND, "{parallelism} slots");
        assert_eq!(most.load(Ordering::SeqCst), parallelism.min(3));
        assert_eq!((cycle.start.processors, cycle.start.runs), (1, 3));
        let numbers: Vec<_> = cycle.runs.iter().map(|run| run.start.instance).collect();
        let of = |number| Instance { number, of: 3 };
        assert_eq!(numbers, [of(1), of(2), of(3)]);
        let ids: BTreeSet<_> = cycle.runs.iter().map(|run| run.start.id.as_str()).collect();
        assert_eq!(ids.len(), 3);
        let known = &stage.board.snapshot().processors[0];
        assert_eq!((known.results, known.successes), (3, 3));
        assert_eq!(known.state.consecutive_failures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_get_slots_in_order_each_waited_since_the_start_and_a_stop_ends_them_all() {
    for stop in [None, Some(Duration::from_millis(6500))] {
        let script = Script::new(&[("a", 1, Outcome::Success), ("b", 1, Outcome::Success)]);
        let most = Arc::clone(&script.most_in_flight);
        let plan = Plan {
            parallelism: 10,
            ..plan(
                Mode::Parallel,
                &[several("a", 1000, &[]), spec("b", &["a"])],
            )
        };
        let stage = stage(plan, script);
        if let Some(after) = stop {
            let shutdown = Arc::clone(&stage.shutdown);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                shutdown.request("SIGINT");
            });
        }
        let cycle = stage.scheduler.run().await.expect("a cycle");
        assert_eq!(most.load(Ordering::SeqCst), 10);
        assert_eq!(cycle.runs.len(), 1001);
        let numbers = cycle.runs.iter().map(|run| run.start.instance.number);
        assert!(numbers.take(1000).eq(1..=1000));
        let ended = |outcome| {
            let runs = cycle.runs.iter();
            runs.filter(|run| run.result.outcome == outcome).count()
        };
        if stop.is_some() {
            let cancelled = Outcome::Cancellation(CancelReason::Shutdown);
            assert_eq!((ended(Outcome::Success), ended(cancelled)), (60, 941));
            assert!(cycle.duration < 7 * SECOND);
        } else {
            assert_eq!(
                (cycle.duration, ended(Outcome::Success)),
                (101 * SECOND, 1001)
            );
            for (index, seconds) in [(0, 0), (10, 1), (499, 49), (999, 99), (1000, 0)] {
                let wait = cycle.runs[index].start.queue_wait;
                assert_eq!(wait, seconds * SECOND, "run {index}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_that_wait_for_another_keep_nobody_else_from_a_slot() {
    let script = Script::new(&[
        ("a", 50, Outcome::Success),
        ("b", 1, Outcome::Success),
        ("c", 1, Outcome::Success),
    ]);
    let specs = [
        spec("a", &[]),
        several("b", 1000, &["a"]),
        several("c", 1000, &[]),
    ];
    let stage = stage(plan(Mode::Parallel, &specs), script);
    let cycle = stage.scheduler.run().await.expect("a cycle");
    let early = cycle
        .runs
        .iter()
        .filter(|run| run.start.spec.name.as_str() == "c" && run.start.queue_wait < 50 * SECOND);
    assert_eq!(
        early.count(),
        7 * 50,
        "seven slots beside that of the slow one"
    );
    assert_eq!(stage.notes.seconds_of("start c 1/1000"), [0]);
}

#[tokio::test(start_paused = true)]
async fn in_sequential_mode_instances_run_one_after_another() {
    let script = Script::new(&[("a", 2, Outcome::Success), ("b", 1, Outcome::Success)]);
    let most = Arc::clone(&script.most_in_flight);
    let stage = stage(
        plan(Mode::Sequential, &[several("a", 3, &[]), spec("b", &[])]),
        script,
    );
    let cycle = stage.scheduler.run().await.expect("a cycle");
    assert_eq!(cycle.duration, 7 * SECOND);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let starts = stage.notes.texts();
    let starts: Vec<_> = starts
        .iter()
        .filter(|text| text.starts_with("start"))
        .collect();
    assert_eq!(
        starts,
        ["start a 1/3", "start a 2/3", "start a 3/3", "start b"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_processor_of_which_one_instance_failed_has_failed_whichever_ends_last() {
    for bad in 1..=3 {
        for (late, mode) in
            (1..=3).flat_map(|late| [(late, Mode::Parallel), (late, Mode::Sequential)])
        {
            let mut script = Script::new(&[("a", 2, Outcome::Success)]);
            let seconds = |number| Duration::from_secs(if number == late { 5 } else { 2 });
            for number in 1..=3 {
                let outcome = if number == bad {
                    FAILURE
                } else {
                    Outcome::Success
                };
                script
                    .of_instances
                    .insert(("a", number), (seconds(number), outcome));
            }
            let stage = stage(plan(mode, &[several("a", 3, &[])]), script);
            let cycle = stage.scheduler.run().await.expect("a cycle");
            let case = format!("{mode:?}: {bad} bad, {late} last");
            assert_eq!(cycle.outcome, FAILURE, "{case}");
            let known = &stage.board.snapshot().processors[0];
            assert!(known.is_failing(), "{case}");
            assert_eq!(known.state.consecutive_failures, 1, "{case}");
            assert_eq!(known.state.last_success, None, "{case}");
            assert_eq!(known.state.last_outcome, Some(FAILURE), "{case}");
            let told = known.last_run.as_ref().expect("a run");
            assert_eq!(told.start.instance.number, bad, "{case}");
            assert_eq!((known.results, known.successes), (3, 2), "{case}");
            let result = known.state.last_result.as_ref().expect("a result");
            assert_eq!(
                (result.outcome, result.duration),
                (FAILURE, 5 * SECOND),
                "{case}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_depends_on_several_instances_waits_for_all_and_is_skipped_when_one_failed() {
    for (outcome, told) in [(Outcome::Success, "success"), (FAILURE, "skip")] {
        let mut script = Script::new(&[("a", 2, Outcome::Success), ("b", 1, Outcome::Success)]);
        script.of_instances.insert(("a", 2), (4 * SECOND, outcome));
        let specs = [several("a", 3, &[]), several("b", 2, &["a"])];
        let stage = stage(plan(Mode::Parallel, &specs), script);
        let cycle = stage.scheduler.run().await.expect("a cycle");
        let outcomes: Vec<_> = cycle
            .runs
            .iter()
            .map(|run| run.result.outcome.label())
            .collect();
        assert_eq!(outcomes[3..], [told, told]);
        if told == "success" {
            assert_eq!(stage.notes.seconds_of("start b 1/2"), [4]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn until_the_last_instance_has_ended_the_state_is_the_one_of_before() {
    let mut script = Script::new(&[("a", 2, FAILURE)]);
    script
        .of_instances
        .insert(("a", 3), (9 * SECOND, Outcome::Success));
    let stage = stage(plan(Mode::Parallel, &[several("a", 3, &[])]), script);
    let board = Arc::clone(&stage.board);
    let running = tokio::spawn(stage.scheduler.run());
    tokio::time::sleep(5 * SECOND).await;
    let known = board.snapshot().processors[0].clone();
    assert_eq!((known.in_flight.len(), known.results), (1, 2));
    assert!(known.last_run.is_none() && !known.is_failing());
    running.await.expect("an end");
    assert!(board.snapshot().processors[0].is_failing());
}

/// A processor whose runs follow its backlog, 20 items each.
fn scaled(name: &str, (min, max): (u32, u32)) -> Arc<ProcessorSpec> {
    let scaling = Scaling {
        min,
        max,
        target: 20,
        metric: MetricSelector {
            name: "fila".to_owned(),
            labels: Vec::new(),
        },
    };
    Arc::new(ProcessorSpec {
        instances: Instances::ByLoad(scaling),
        ..ProcessorSpec::clone(&spec(name, &[]))
    })
}

/// How many runs each cycle had, and what was told of the load.
async fn followed(
    script: Script,
    specs: &[Arc<ProcessorSpec>],
    cycles: u32,
) -> (Vec<usize>, Vec<String>) {
    let plan = Plan {
        single_run: false,
        ..plan(Mode::Parallel, specs)
    };
    let stage = stage(plan, script);
    let running = tokio::spawn(stage.scheduler.run());
    // A cycle of 2 s and the interval of 60 s.
    tokio::time::sleep(62 * SECOND * (cycles - 1) + 61 * SECOND).await;
    stage.shutdown.request("SIGTERM");
    running.await.expect("an end");
    let texts = stage.notes.texts();
    let cycles = texts.split(|text| text.starts_with("cycle ") && !text.contains("end"));
    let starts = |facts: &[String]| {
        facts
            .iter()
            .filter(|text| text.starts_with("start"))
            .count()
    };
    let counts = cycles.skip(1).map(starts).collect();
    let told = texts.iter().filter(|text| text.starts_with("load"));
    (counts, told.cloned().collect())
}

#[tokio::test(start_paused = true)]
async fn a_backlog_decides_the_runs_of_the_next_cycle_up_at_once_and_down_step_by_step() {
    let script = Script {
        backlogs: [100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 400.0, 0.0]
            .map(Some)
            .to_vec(),
        ..Script::new(&[("a", 2, Outcome::Success)])
    };
    let (counts, told) = followed(script, &[scaled("a", (1, 8))], 9).await;
    assert_eq!(counts, [1, 5, 5, 5, 4, 4, 4, 3, 8]);
    assert_eq!(told[0], "load Some(100.0) 1 -> 5");
    assert_eq!(told[3], "load Some(0.0) 5 -> 4");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_is_not_told_changes_nothing_and_is_said_once() {
    let script = Script {
        backlogs: vec![Some(100.0), None, None, Some(100.0), None],
        ..Script::new(&[("a", 2, Outcome::Success)])
    };
    let (counts, told) = followed(script, &[scaled("a", (1, 8))], 5).await;
    assert_eq!(counts, [1, 5, 5, 5, 5]);
    assert_eq!(
        told,
        [
            "load Some(100.0) 1 -> 5",
            "load None 5 -> 5 missing",
            "load None 5 -> 5",
            "load Some(100.0) 5 -> 5",
            "load None 5 -> 5 missing",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_and_told_nothing_says_nothing_of_its_backlog() {
    let script = Script::new(&[("a", 2, FAILURE), ("b", 2, Outcome::Success)]);
    let specs = [scaled("a", (2, 8)), spec("b", &[])];
    let (counts, told) = followed(script, &specs, 2).await;
    assert_eq!((counts, told), (vec![3, 3], Vec::new()));
}
