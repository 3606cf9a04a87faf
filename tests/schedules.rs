//! Schedules under paused time: every planned start is accounted for, whatever durations, pauses and clocks do.

#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use orquestrador::domain::{
    CancelReason, CatchUp, Clock, Difference, Event, Instances, MissReason, Mode, Observer,
    Observers, Outcome, OutputSpec, Overlap, ProcessorName, ProcessorSpec, ProcessorState,
    ResourceLimits, Restored, Retry, RunResult, RunStart, Schedule, ScheduleSpec, SkipReason,
    Timing,
};
use orquestrador::engine::status::StatusBoard;
use orquestrador::engine::{Control, Cycles, Plan, Request, RunStop, Runner, Scheduler, Shutdown};
use orquestrador::schedule::Cron;
use orquestrador::telemetry::exposition::Format;
use orquestrador::telemetry::metrics::{Known, Metrics};

const ZONE: &str = "America/New_York";

/// Each processor takes the seconds that its timeout says.
struct Sleeper;

impl Runner for Sleeper {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        _attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> RunResult {
        ready.await.await;
        let outcome = tokio::select! {
            () = sleep(start.spec.timeout) => Outcome::Success,
            () = stop.requested.cancelled() => Outcome::Cancellation(CancelReason::Shutdown),
        };
        RunResult::without_process(outcome, None)
    }
}

/// What became of the planned starts of one schedule.
#[derive(Debug, Default, Clone)]
struct Account {
    /// Wall time and trigger of each cycle.
    cycles: Vec<(Timestamp, &'static str)>,
    outcomes: Vec<Outcome>,
    missed: BTreeMap<&'static str, u64>,
}

impl Account {
    fn missed(&self) -> u64 {
        self.missed.values().sum()
    }

    fn seconds(&self) -> Vec<i64> {
        self.cycles.iter().map(|(at, _)| at.as_second()).collect()
    }

    fn triggers(&self) -> Vec<&'static str> {
        self.cycles.iter().map(|(_, trigger)| *trigger).collect()
    }

    /// The second of each start and what ended it, in order; of the runs of one start, each.
    fn ends(&self) -> Vec<(i64, &'static str)> {
        let ends = self.seconds().into_iter().zip(&self.outcomes);
        let mut ends: Vec<_> = ends
            .map(|(second, outcome)| {
                let second = second - epoch().as_second();
                (second, outcome.reason().unwrap_or("success"))
            })
            .collect();
        ends.sort_unstable();
        ends
    }

    fn skipped(&self) -> usize {
        let skip = Outcome::Skip(SkipReason::Overlap);
        self.outcomes
            .iter()
            .filter(|outcome| **outcome == skip)
            .count()
    }
}

#[derive(Default)]
struct Ledger {
    accounts: Mutex<BTreeMap<String, Account>>,
    ticks: Mutex<Vec<Instant>>,
    facts: Mutex<Vec<String>>,
}

impl Ledger {
    fn of(&self, name: &str) -> Account {
        let accounts = self.accounts.lock().expect("unpoisoned");
        accounts.get(name).cloned().unwrap_or_default()
    }

    fn with(&self, name: &str, change: impl FnOnce(&mut Account)) {
        change(
            self.accounts
                .lock()
                .expect("unpoisoned")
                .entry(name.to_owned())
                .or_default(),
        );
    }
}

impl Observer for Ledger {
    fn observe(&self, event: &Event) {
        match event {
            Event::LoopTicked { .. } => self.ticks.lock().expect("unpoisoned").push(Instant::now()),
            Event::CycleStarted(start) if start.schedule == Schedule::Main => {
                self.with("main", |account| {
                    account
                        .cycles
                        .push((start.started_at, start.trigger.label()));
                });
            }
            Event::RunFinished(run) if run.start.cycle.schedule == Schedule::Own => {
                let cycle = &run.start.cycle;
                self.with(run.start.spec.name.as_str(), |account| {
                    account
                        .cycles
                        .push((cycle.started_at, cycle.trigger.label()));
                    account.outcomes.push(run.result.outcome);
                });
            }
            Event::StartMissed(missed) => {
                let name = missed
                    .processor
                    .as_ref()
                    .map_or("main", ProcessorName::as_str);
                self.with(name, |account| {
                    *account.missed.entry(missed.reason.label()).or_default() += missed.count;
                });
            }
            Event::ClockJumped { by, .. } => {
                self.facts
                    .lock()
                    .expect("unpoisoned")
                    .push(format!("jump {}", by.as_secs()));
            }
            Event::Paused { .. } => self
                .facts
                .lock()
                .expect("unpoisoned")
                .push("paused".to_owned()),
            Event::Resumed { .. } => self
                .facts
                .lock()
                .expect("unpoisoned")
                .push("resumed".to_owned()),
            _ => {}
        }
    }
}

fn name(text: &str) -> ProcessorName {
    ProcessorName::try_from(text.to_owned()).expect("a name")
}

fn cron(expression: &str, zone: &str) -> ScheduleSpec {
    ScheduleSpec::Cron {
        expression: expression.to_owned(),
        zone: Some(zone.to_owned()),
    }
}

fn spec(text: &str, seconds: u64, timing: Timing) -> Arc<ProcessorSpec> {
    Arc::new(ProcessorSpec {
        name: name(text),
        label: text.to_owned(),
        short_label: text.to_owned(),
        icon: String::new(),
        command: vec!["true".to_owned()],
        timeout: Duration::from_secs(seconds),
        grace: Duration::from_secs(10),
        retry: Retry {
            attempts: 1,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            codes: Vec::new(),
        },
        timing,
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

fn own(expression: &str) -> Timing {
    Timing {
        schedule: Some(cron(expression, "UTC")),
        ..Timing::default()
    }
}

fn plan(main: ScheduleSpec, processors: Vec<Arc<ProcessorSpec>>) -> Plan {
    Plan {
        mode: Mode::Parallel,
        main,
        zone: TimeZone::UTC,
        single_run: false,
        stop_at_failure: false,
        dry_run: false,
        parallelism: 100,
        planned: None,
        processors,
    }
}

/// An engine that runs, with a wall clock that can be put forward and back.
struct Stage {
    ledger: Arc<Ledger>,
    shutdown: Arc<Shutdown>,
    control: Control,
    shift: Arc<AtomicI64>,
    clock: Clock,
    running: JoinHandle<()>,
}

fn stage_after(plan: Plan, epoch: Timestamp, restored: &Restored) -> Stage {
    stage_told(plan, epoch, restored, Vec::new())
}

fn stage_told(
    plan: Plan,
    epoch: Timestamp,
    restored: &Restored,
    mut readers: Vec<Arc<dyn Observer>>,
) -> Stage {
    let began = Instant::now();
    let shift = Arc::new(AtomicI64::new(0));
    let seen = Arc::clone(&shift);
    let clock = Clock::new(move || {
        let shifted = epoch + jiff::SignedDuration::from_secs(seen.load(Ordering::SeqCst));
        shifted + began.elapsed()
    });
    let ledger = Arc::new(Ledger::default());
    readers.push(ledger.clone());
    let shutdown = Arc::new(Shutdown::default());
    let (control, requests) = Control::new();
    let cycles = Cycles::new(
        plan,
        Sleeper,
        Observers::new(readers),
        (clock.clone(), |_| None),
        Arc::clone(&shutdown),
    );
    let scheduler = Scheduler::new(cycles)
        .controlled_by(requests)
        .after(restored);
    let running = tokio::spawn(async move {
        scheduler.run().await;
    });
    Stage {
        ledger,
        shutdown,
        control,
        shift,
        clock,
        running,
    }
}

fn stage(plan: Plan, epoch: Timestamp) -> Stage {
    stage_after(plan, epoch, &Restored::default())
}

impl Stage {
    async fn stop(self) -> Arc<Ledger> {
        self.shutdown.request("SIGTERM");
        self.running.await.expect("ended");
        self.ledger
    }

    /// Lets the loop take note of what was asked, in no time.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    async fn jump(&self, seconds: i64) {
        self.shift.fetch_add(seconds, Ordering::SeqCst);
        // Looks at the clocks, and changes nothing.
        self.control.ask(Request::TogglePause);
        self.control.ask(Request::TogglePause);
        self.settle().await;
    }
}

/// A Thursday, 00:00:00.
fn epoch() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("an instant")
}

fn count(expression: &str, from: Timestamp, until: Timestamp) -> u64 {
    let cron = Cron::new(expression, TimeZone::UTC).expect("a pattern");
    let instants = std::iter::successors(cron.next_after(from), |at| cron.next_after(*at));
    instants.take_while(|at| *at <= until).count() as u64
}

#[tokio::test(start_paused = true)]
async fn an_own_schedule_starts_at_its_instants_while_a_main_cycle_runs_long() {
    let specs = vec![
        spec("long", 600, Timing::default()),
        spec("often", 1, own("*/10 * * * * *")),
        spec(
            "after",
            2,
            Timing {
                schedule: Some(ScheduleSpec::Interval(Duration::from_secs(5))),
                ..Timing::default()
            },
        ),
    ];
    let stage = stage(
        plan(ScheduleSpec::Interval(Duration::from_mins(1)), specs),
        epoch(),
    );
    sleep(Duration::from_millis(65_500)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    assert_eq!(
        ledger.of("often").seconds(),
        [10, 20, 30, 40, 50, 60].map(|at| start + at)
    );
    assert_eq!(
        ledger.of("after").seconds(),
        [0, 7, 14, 21, 28, 35, 42, 49, 56, 63].map(|at| start + at)
    );
    assert_eq!(ledger.of("main").triggers(), ["startup"]);
}

#[tokio::test(start_paused = true)]
async fn an_overlap_is_skipped_or_one_waits_or_the_old_run_is_replaced() {
    let with = |overlap| Timing {
        overlap,
        ..own("*/10 * * * * *")
    };
    let specs = vec![
        spec("skip", 25, with(Overlap::Skip)),
        spec("queue", 25, with(Overlap::Queue)),
        spec("replace", 25, with(Overlap::Replace)),
    ];
    let stage = stage(plan(cron("0 0 1 1 *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(62_500)).await;
    let ledger = stage.stop().await;
    let labels = |name: &str| -> Vec<_> {
        let mut ends: Vec<_> = ledger
            .of(name)
            .cycles
            .into_iter()
            .zip(ledger.of(name).outcomes)
            .collect();
        ends.sort_by_key(|((at, _), _)| *at);
        ends.iter()
            .map(|(_, outcome)| outcome.reason().unwrap_or("success"))
            .collect()
    };
    assert_eq!(
        labels("skip"),
        [
            "success", "overlap", "overlap", "shutdown", "overlap", "overlap"
        ]
    );
    assert_eq!(
        labels("queue"),
        [
            "success", "success", "overlap", "shutdown", "overlap", "shutdown"
        ]
    );
    assert_eq!(
        labels("replace"),
        [
            "replaced", "replaced", "replaced", "replaced", "replaced", "shutdown"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_runs_of_one_start_are_one_start_to_an_overlap() {
    let with = |name: &str, overlap| {
        let timing = Timing {
            overlap,
            ..own("*/10 * * * * *")
        };
        Arc::new(ProcessorSpec {
            instances: Instances::Fixed(2),
            ..ProcessorSpec::clone(&spec(name, 25, timing))
        })
    };
    let specs = vec![
        with("skip", Overlap::Skip),
        with("queue", Overlap::Queue),
        with("replace", Overlap::Replace),
    ];
    let stage = stage(plan(cron("0 0 1 1 *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(42_500)).await;
    let ledger = stage.stop().await;
    let ends = |name: &str| ledger.of(name).ends();
    let both = |second: i64, word: &'static str| [(second, word); 2];
    let skipped = [(20, "overlap"), (30, "overlap")];
    assert_eq!(
        ends("skip"),
        [both(10, "success"), skipped, both(40, "shutdown")].concat()
    );
    assert_eq!(
        ends("queue"),
        [
            &both(10, "success")[..],
            &both(20, "shutdown"),
            &[(30, "overlap")],
            &both(40, "shutdown")
        ]
        .concat()
    );
    assert_eq!(
        ends("replace"),
        [
            both(10, "replaced"),
            both(20, "replaced"),
            both(30, "replaced"),
            both(40, "shutdown")
        ]
        .concat()
    );
}

#[tokio::test(start_paused = true)]
async fn a_main_instant_that_comes_in_its_own_cycle_is_missed_by_overrun() {
    let specs = vec![spec("a", 25, Timing::default())];
    let stage = stage(plan(cron("*/10 * * * * *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(45_500)).await;
    let ledger = stage.stop().await;
    let main = ledger.of("main");
    assert_eq!(main.triggers(), ["cron", "cron"]);
    assert_eq!(main.missed, BTreeMap::from([("overrun", 2)]));
}

#[tokio::test(start_paused = true)]
async fn paused_starts_are_missed_and_a_signal_starts_a_cycle_all_the_same() {
    let specs = vec![
        spec("a", 1, Timing::default()),
        spec("b", 1, own("*/10 * * * * *")),
    ];
    let stage = stage(plan(cron("*/10 * * * * *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(15_500)).await;
    stage.control.ask(Request::TogglePause);
    sleep(Duration::from_secs(20)).await;
    stage.control.ask(Request::RunNow);
    sleep(Duration::from_millis(1_500)).await;
    stage.control.ask(Request::TogglePause);
    sleep(Duration::from_secs(10)).await;
    let ledger = stage.stop().await;
    assert_eq!(ledger.of("main").triggers(), ["cron", "signal", "cron"]);
    for name in ["main", "b"] {
        assert_eq!(
            ledger.of(name).missed,
            BTreeMap::from([("paused", 2)]),
            "{name}"
        );
    }
    assert_eq!(
        *ledger.facts.lock().expect("unpoisoned"),
        ["paused", "resumed"]
    );
    let ticks = ledger.ticks.lock().expect("unpoisoned").clone();
    assert!(
        ticks
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= Duration::from_secs(5))
    );
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_a_main_cycle_starts_the_next_right_after_it() {
    let specs = vec![spec("a", 20, Timing::default())];
    let stage = stage(
        plan(ScheduleSpec::Interval(Duration::from_mins(10)), specs),
        epoch(),
    );
    sleep(Duration::from_millis(5_500)).await;
    stage.control.ask(Request::RunNow);
    sleep(Duration::from_secs(40)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    assert_eq!(ledger.of("main").seconds(), [start, start + 20]);
    assert_eq!(ledger.of("main").triggers(), ["startup", "signal"]);
}

#[tokio::test(start_paused = true)]
async fn instants_that_the_clock_jumped_over_are_missed_or_made_up_for_within_the_window() {
    let with = |catch_up| Timing {
        catch_up,
        window: Duration::from_mins(25),
        ..own("*/10 * * * *")
    };
    let specs = vec![
        spec("none", 1, with(CatchUp::None)),
        spec("one", 1, with(CatchUp::One)),
        spec("all", 1, with(CatchUp::All)),
    ];
    let stage = stage(plan(cron("0 0 1 1 *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(60_500)).await;
    // From 00:01:00.5 to 01:01:00.5, over 00:10 to 01:00.
    stage.jump(3600).await;
    sleep(Duration::from_mins(5)).await;
    let ledger = stage.stop().await;
    assert_eq!(
        ledger
            .facts
            .lock()
            .expect("unpoisoned")
            .first()
            .map(String::as_str),
        Some("jump 3600")
    );
    assert_eq!(
        ledger.of("none").missed,
        BTreeMap::from([("clock_jump", 6)])
    );
    assert_eq!(
        ledger.of("one").missed,
        BTreeMap::from([("clock_jump", 2), ("outside_window", 3)])
    );
    assert_eq!(ledger.of("one").triggers(), ["catchup"]);
    assert_eq!(
        ledger.of("all").missed,
        BTreeMap::from([("outside_window", 3)])
    );
    assert_eq!(ledger.of("all").triggers(), ["catchup"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_an_hour_starts_no_time_of_day_again_and_goes_on_with_a_rhythm() {
    let specs = vec![
        spec("fixed", 1, own("30 0 * * *")),
        spec("rhythm", 1, own("*/10 * * * *")),
    ];
    let stage = stage(plan(cron("0 0 1 1 *", "UTC"), specs), epoch());
    sleep(Duration::from_millis(35 * 60_000 + 500)).await;
    stage.jump(-3600).await;
    sleep(Duration::from_hours(2)).await;
    let ledger = stage.stop().await;
    assert_eq!(ledger.of("fixed").cycles.len(), 1);
    // 3 until 00:35; then from 23:35 to 01:35.
    assert_eq!(ledger.of("rhythm").cycles.len(), 3 + 12);
}

#[tokio::test(start_paused = true)]
async fn instants_of_the_time_without_an_orchestrator_are_missed_by_downtime() {
    let mut earlier = ProcessorState::new(epoch());
    earlier.last_start = Some(epoch());
    let restored = Restored {
        processors: ["none", "one"]
            .map(|text| (name(text), earlier.clone()))
            .to_vec(),
        ..Restored::default()
    };
    let specs = vec![
        spec("none", 1, own("*/10 * * * *")),
        spec(
            "one",
            1,
            Timing {
                catch_up: CatchUp::One,
                ..own("*/10 * * * *")
            },
        ),
    ];
    let later = epoch() + Duration::from_mins(45);
    let stage = stage_after(plan(cron("0 0 1 1 *", "UTC"), specs), later, &restored);
    sleep(Duration::from_mins(1)).await;
    let ledger = stage.stop().await;
    assert_eq!(ledger.of("none").missed, BTreeMap::from([("downtime", 4)]));
    assert_eq!(ledger.of("one").missed, BTreeMap::from([("downtime", 3)]));
    assert_eq!(ledger.of("one").triggers(), ["catchup"]);
    assert_eq!(MissReason::ALL.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_reload_adds_removes_and_changes_schedules_and_leaves_the_others_alone() {
    let kept = spec("kept", 1, own("*/10 * * * * *"));
    let main = cron("0 0 1 1 *", "UTC");
    let specs = vec![
        Arc::clone(&kept),
        spec("gone", 15, own("*/10 * * * * *")),
        spec("changed", 1, own("*/10 * * * * *")),
    ];
    let stage = stage(plan(main.clone(), specs), epoch());
    sleep(Duration::from_millis(21_500)).await;
    let specs = vec![
        kept,
        spec("new", 1, own("*/10 * * * * *")),
        spec("changed", 1, own("*/20 * * * * *")),
    ];
    stage.control.ask(Request::Reload(Box::new((
        plan(main, specs),
        Difference::default(),
    ))));
    sleep(Duration::from_secs(20)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    assert_eq!(
        ledger.of("kept").seconds(),
        [10, 20, 30, 40].map(|at| start + at)
    );
    assert_eq!(ledger.of("new").seconds(), [30, 40].map(|at| start + at));
    assert_eq!(
        ledger.of("changed").seconds(),
        [10, 20, 40].map(|at| start + at)
    );
    let gone = ledger.of("gone");
    assert_eq!((gone.cycles.len(), gone.skipped()), (2, 1), "{gone:?}");
    assert!(
        gone.outcomes.contains(&Outcome::Success),
        "its last run was not disturbed"
    );
}

#[tokio::test(start_paused = true)]
async fn an_interval_that_was_removed_and_came_back_starts_once_each_time() {
    let every = |name: &str| {
        let schedule = Some(ScheduleSpec::Interval(Duration::from_secs(10)));
        spec(
            name,
            1,
            Timing {
                schedule,
                ..Timing::default()
            },
        )
    };
    let main = cron("0 0 1 1 *", "UTC");
    let with = |specs: Vec<Arc<ProcessorSpec>>| {
        Request::Reload(Box::new((plan(main.clone(), specs), Difference::default())))
    };
    let stage = stage(plan(main.clone(), vec![every("a"), every("b")]), epoch());
    sleep(Duration::from_millis(3_500)).await;
    stage.control.ask(with(vec![every("a")]));
    sleep(Duration::from_secs(2)).await;
    stage.control.ask(with(vec![every("a"), every("b")]));
    sleep(Duration::from_secs(20)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    assert_eq!(ledger.of("a").seconds(), [0, 11, 22].map(|at| start + at));
    assert_eq!(ledger.of("b").seconds(), [0, 5, 16].map(|at| start + at));
}

#[tokio::test(start_paused = true)]
async fn what_still_runs_of_a_processor_that_was_removed_and_came_back_is_an_overlap() {
    let with = |name: &str, timing, runs| {
        Arc::new(ProcessorSpec {
            instances: Instances::Fixed(runs),
            ..ProcessorSpec::clone(&spec(name, 25, timing))
        })
    };
    let every = |overlap| Timing {
        overlap,
        ..own("*/10 * * * * *")
    };
    let interval = Timing {
        schedule: Some(ScheduleSpec::Interval(Duration::from_secs(10))),
        ..Timing::default()
    };
    let specs = vec![
        with("skip", every(Overlap::Skip), 1),
        with("several", every(Overlap::Skip), 2),
        with("queue", every(Overlap::Queue), 1),
        with("replace", every(Overlap::Replace), 1),
        with("interval", interval, 1),
    ];
    let main = cron("0 0 1 1 *", "UTC");
    let reload = |specs: &[Arc<ProcessorSpec>]| {
        let plan = plan(main.clone(), specs.to_vec());
        Request::Reload(Box::new((plan, Difference::default())))
    };
    let stage = stage(plan(main.clone(), specs.clone()), epoch());
    sleep(Duration::from_millis(12_500)).await;
    stage.control.ask(reload(&[]));
    sleep(Duration::from_secs(2)).await;
    stage.control.ask(reload(&specs));
    sleep(Duration::from_secs(28)).await;
    let ledger = stage.stop().await;
    let skipped = [
        (10, "success"),
        (20, "overlap"),
        (30, "overlap"),
        (40, "shutdown"),
    ];
    assert_eq!(ledger.of("skip").ends(), skipped);
    let mut ended = ledger.of("several").ends();
    ended.dedup();
    assert_eq!(ended, skipped);
    assert_eq!(
        ledger.of("queue").ends(),
        [
            (10, "success"),
            (20, "shutdown"),
            (30, "overlap"),
            (40, "shutdown")
        ]
    );
    assert_eq!(
        ledger.of("replace").ends(),
        [
            (10, "replaced"),
            (20, "replaced"),
            (30, "replaced"),
            (40, "shutdown")
        ]
    );
    assert_eq!(
        ledger.of("interval").ends(),
        [(0, "success"), (35, "shutdown")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_main_cycle_that_runs_on_while_nobody_shares_its_schedule_is_an_overlap_afterwards() {
    let main = cron("*/10 * * * * *", "UTC");
    let shares = || vec![spec("a", 25, Timing::default())];
    let reload =
        |specs| Request::Reload(Box::new((plan(main.clone(), specs), Difference::default())));
    let stage = stage(plan(main.clone(), shares()), epoch());
    sleep(Duration::from_millis(12_500)).await;
    let alone = spec("a", 25, own("0 0 1 1 *"));
    stage.control.ask(reload(vec![alone]));
    sleep(Duration::from_secs(2)).await;
    stage.control.ask(reload(shares()));
    sleep(Duration::from_secs(28)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    assert_eq!(ledger.of("main").seconds(), [10, 40].map(|at| start + at));
    assert_eq!(ledger.of("main").missed, [("overrun", 2)].into());
}

#[tokio::test(start_paused = true)]
async fn a_reload_after_which_nobody_shares_the_main_schedule_leaves_no_main_cycle_planned() {
    let main = ScheduleSpec::Interval(Duration::from_hours(1));
    let shared = plan(main.clone(), vec![spec("a", 1, Timing::default())]);
    let board = Arc::new(StatusBoard::new(shared.clone(), epoch()));
    let stage = stage_told(shared, epoch(), &Restored::default(), vec![board.clone()]);
    sleep(Duration::from_secs(2)).await;
    let end = epoch() + Duration::from_secs(1);
    let due = end + Duration::from_hours(1);
    assert_eq!(board.snapshot().next_start, Some(due));
    let alone = plan(main, vec![spec("a", 1, own("0 0 1 1 *"))]);
    let request = Request::Reload(Box::new((alone, Difference::default())));
    stage.control.ask(request);
    stage.settle().await;
    let status = board.snapshot();
    assert_eq!(status.next_start, None);
    assert!(status.processors[0].next_start.is_some());
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_stands_by_tells_no_start_as_planned_until_it_leads_again() {
    let specs = vec![
        spec("shares", 1, Timing::default()),
        spec("own", 1, own("30 * * * *")),
    ];
    let plan = plan(cron("0 * * * *", "UTC"), specs);
    let board = Arc::new(StatusBoard::new(plan.clone(), epoch()));
    let metrics = Arc::new(Metrics::new(&[1.0]));
    let known = Known {
        processors: &plan.configured(epoch()),
        main: &plan.main,
        period: None,
        mode: plan.mode,
        slots: 1,
        now: epoch(),
        data_dir: PathBuf::from("/"),
    };
    metrics.expose_known(&known).expect("exposed");
    let readers: Vec<Arc<dyn Observer>> = vec![board.clone(), metrics.clone()];
    let stage = stage_told(plan.clone(), epoch(), &Restored::default(), readers);
    // What board and metrics tell of the main schedule, of who shares it, and of who has its own.
    let planned = || {
        let status = board.snapshot();
        let each = status.processors.iter();
        let of_each = each.map(|one| status.next_start_of(one));
        let told = std::iter::once(status.next_start).chain(of_each);
        let text = metrics.render(Format::Text);
        let gauges = text.lines().filter(|line| {
            let is_of_cycle = line.starts_with("orquestrador_cycle_next_start_");
            is_of_cycle || line.starts_with("orquestrador_processor_next_start_")
        });
        let counted = gauges.map(|line| !line.ends_with(" 0"));
        (
            told.map(|at| at.is_some()).collect::<Vec<_>>(),
            counted.collect::<Vec<_>>(),
        )
    };
    stage.settle().await;
    assert_eq!(planned(), (vec![true; 3], vec![true; 3]));
    stage.control.ask(Request::StandBy);
    stage.settle().await;
    assert_eq!(planned(), (vec![false; 3], vec![false; 3]));
    stage.control.ask(Request::Lead { since: None });
    stage.settle().await;
    assert_eq!(planned(), (vec![true; 3], vec![true; 3]));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_has_an_instance_that_stands_by_plan_nothing() {
    let specs = vec![spec("a", 1, own("*/10 * * * * *"))];
    let stage = stage(plan(cron("0 * * * *", "UTC"), specs), epoch());
    stage.settle().await;
    stage.control.ask(Request::StandBy);
    stage.settle().await;
    stage.jump(-3600).await;
    sleep(Duration::from_mins(1)).await;
    let ledger = stage.stop().await;
    assert_eq!(ledger.of("a").seconds(), [0_i64; 0]);
}

#[test]
fn the_freshness_objective_follows_the_longest_gap_of_a_schedule() {
    let plan = plan(ScheduleSpec::Interval(Duration::from_hours(1)), Vec::new());
    let of = |timing: Timing| plan.max_staleness(&spec("a", 60, timing), epoch());
    let hours = Duration::from_hours;
    let attempt = Duration::from_secs(70);
    assert_eq!(of(Timing::default()), Some(hours(3) + attempt));
    assert_eq!(of(own("0 12 * * MON-FRI")), Some(hours(3 * 72) + attempt));
    assert_eq!(of(own("* * * * *")), Some(Duration::from_mins(15)));
    let configured = |minutes| Timing {
        max_staleness: Some(Duration::from_mins(minutes)),
        ..Timing::default()
    };
    assert_eq!(of(configured(5)), Some(Duration::from_mins(5)));
    assert_eq!(of(configured(0)), None);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_own_schedules_over_an_hour_all_start_once_and_on_time() {
    let specs = (0..10_000).map(|i| {
        let timing = own(&format!("{} {} * * * *", i % 60, i / 60 % 60));
        spec(&format!("p{i}"), 1, timing)
    });
    let stage = stage(
        plan(cron("0 0 1 1 *", "UTC"), specs.collect()),
        epoch() - Duration::from_millis(500),
    );
    sleep(Duration::from_hours(1)).await;
    let ledger = stage.stop().await;
    let start = epoch().as_second();
    for i in 0..10_000_i64 {
        let seconds = ledger.of(&format!("p{i}")).seconds();
        assert_eq!(seconds, [start + i / 60 % 60 * 60 + i % 60], "p{i}");
    }
}

/// What happens to the engine, after some time.
#[derive(Debug, Clone)]
enum Step {
    Nothing,
    Pause,
    Jump(i64),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Nothing),
        2 => Just(Step::Pause),
        2 => (3_i64..8000).prop_map(Step::Jump),
        1 => (3_i64..4000).prop_map(|seconds| Step::Jump(-seconds)),
    ];
    proptest::collection::vec((1_u64..400, step), 1..12)
}

fn timings() -> impl Strategy<Value = Vec<(Timing, u64)>> {
    let patterns = [
        "*/7 * * * * *",
        "*/30 * * * * *",
        "*/2 * * * *",
        "15,45 */3 * * * *",
        "5 * * * *",
    ];
    let overlaps = proptest::sample::select(Overlap::ALL.to_vec());
    let catch_ups = proptest::sample::select(CatchUp::ALL.to_vec());
    let one = (
        proptest::sample::select(patterns.to_vec()),
        overlaps,
        catch_ups,
        10_u64..5000,
        1_u64..200,
    );
    let one = one.prop_map(|(pattern, overlap, catch_up, window, seconds)| {
        let timing = Timing {
            overlap,
            catch_up,
            window: Duration::from_secs(window),
            ..own(pattern)
        };
        (timing, seconds)
    });
    proptest::collection::vec(one, 1..5)
}

fn expression(schedule: &ScheduleSpec) -> &str {
    match schedule {
        ScheduleSpec::Cron { expression, .. } => expression,
        ScheduleSpec::Interval(_) => "",
    }
}

const MAIN: &str = "*/20 * * * * *";

async fn every_start_is_accounted_for(timings: Vec<(Timing, u64)>, steps: Vec<(u64, Step)>) {
    let mut specs = vec![spec("in_main", 33, Timing::default())];
    let own = timings.iter().enumerate();
    specs
        .extend(own.map(|(i, (timing, seconds))| spec(&format!("p{i}"), *seconds, timing.clone())));
    let stage = stage(
        plan(cron(MAIN, "UTC"), specs),
        epoch() + Duration::from_millis(500),
    );
    stage.settle().await;
    // Stretches of wall time that follow each other without a gap; a clock that goes back begins a new one.
    let mut stretches = Vec::new();
    let mut from = stage.clock.now();
    for (seconds, step) in steps {
        sleep(Duration::from_secs(seconds)).await;
        match step {
            Step::Nothing => {}
            Step::Pause => stage.control.ask(Request::TogglePause),
            Step::Jump(by) if by < 0 => {
                stretches.push((from, stage.clock.now()));
                stage.jump(by).await;
                from = stage.clock.now();
            }
            Step::Jump(by) => stage.jump(by).await,
        }
        stage.settle().await;
    }
    sleep(Duration::from_millis(100)).await;
    stretches.push((from, stage.clock.now()));
    let planned = |expression: &str| -> u64 {
        stretches
            .iter()
            .map(|(from, until)| count(expression, *from, *until))
            .sum()
    };
    let ledger = stage.stop().await;
    for (i, (timing, _)) in timings.iter().enumerate() {
        let account = ledger.of(&format!("p{i}"));
        let schedule = timing.schedule.as_ref().expect("a schedule");
        assert_eq!(
            account.cycles.len() as u64 + account.missed(),
            planned(expression(schedule)),
            "p{i}: {timing:?}: {} started, {} skipped, {:?}",
            account.cycles.len(),
            account.skipped(),
            account.missed
        );
    }
    let main = ledger.of("main");
    assert_eq!(
        main.cycles.len() as u64 + main.missed(),
        planned(MAIN),
        "{main:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_planned_start_is_started_or_skipped_or_missed_exactly_once(timings in timings(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(every_start_is_accounted_for(timings, steps));
    }
}

/// Each day's time of day in a zone, put off to the end of a gap.
fn days(zone: &str, from: Timestamp, until: Timestamp) -> Vec<i64> {
    let zone = TimeZone::get(zone).expect("a zone");
    let first = date(2026, 1, 1);
    let instants = first
        .series(jiff::Span::new().days(1))
        .take(400)
        .map(|day| {
            let local = day.to_datetime(time(2, 30, 0, 0));
            let after = zone.to_ambiguous_timestamp(local);
            let is_gap = matches!(after.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
            let at = after.compatible().expect("an instant");
            // The clocks that are asked here skip one hour at two: the gap ends half an hour before.
            if is_gap {
                at - Duration::from_mins(30)
            } else {
                at
            }
        });
    let within = instants.filter(|at| *at > from && *at <= until);
    within.map(Timestamp::as_second).collect()
}

async fn every_minute_and_half_past_two_fire_as_planned(from: Timestamp, length: Duration) {
    const NO_SAVING: &str = "America/Sao_Paulo";
    let in_zone = |expression: &str, zone: &str| Timing {
        schedule: Some(cron(expression, zone)),
        ..Timing::default()
    };
    let specs = vec![
        spec("minute_ny", 0, in_zone("* * * * *", ZONE)),
        spec("minute_sp", 0, in_zone("* * * * *", NO_SAVING)),
        spec("day_ny", 0, in_zone("30 2 * * *", ZONE)),
        spec("day_sp", 0, in_zone("30 2 * * *", NO_SAVING)),
    ];
    let first = from.as_second();
    let from = from + Duration::from_millis(500);
    let stage = stage(plan(cron("0 0 1 1 *", "UTC"), specs), from);
    sleep(length).await;
    let until = stage.clock.now();
    let ledger = stage.stop().await;
    let minutes = i64::try_from(length.as_secs() / 60).expect("in range");
    let minutes: Vec<_> = (1..=minutes).map(|minute| first + minute * 60).collect();
    for name in ["minute_ny", "minute_sp"] {
        let found = ledger.of(name);
        assert!(found.seconds() == minutes, "{name}: {}", found.cycles.len());
        assert_eq!(found.missed(), 0);
    }
    assert_eq!(ledger.of("day_ny").seconds(), days(ZONE, from, until));
    assert_eq!(ledger.of("day_sp").seconds(), days(NO_SAVING, from, until));
    let whole_days = length.as_secs() / 86_400;
    assert_eq!(ledger.of("day_ny").cycles.len() as u64, whole_days);
}

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn minutes_and_half_past_two_fire_as_planned_when_clocks_are_put_forward() {
    let from = "2026-03-07T00:00:00Z".parse().expect("an instant");
    every_minute_and_half_past_two_fire_as_planned(from, 3 * DAY).await;
}

#[tokio::test(start_paused = true)]
async fn minutes_and_half_past_two_fire_as_planned_when_clocks_are_put_back() {
    let from = "2026-10-31T00:00:00Z".parse().expect("an instant");
    every_minute_and_half_past_two_fire_as_planned(from, 3 * DAY).await;
}

/// The loop turns six million times, which takes ten minutes: `make test-longo` does it.
#[tokio::test(start_paused = true)]
async fn a_year_of_minutes_and_of_half_past_two_fires_exactly_the_planned_instants_in_either_zone()
{
    let rounds = std::env::var("ORQUESTRADOR_TEST_RODADAS").unwrap_or_default();
    let is_long = rounds.parse::<u64>().is_ok_and(|rounds| rounds >= 200);
    let days = if is_long { 365 } else { 1 };
    every_minute_and_half_past_two_fire_as_planned(epoch(), days * DAY).await;
}
