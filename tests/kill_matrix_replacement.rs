//! The last column of the kill matrix: a run that is replaced; and that nothing is told of a run before its beginning. Both are
//! asked of the runner itself, whose spawner must be forked before this process has a second thread; so these tests have a
//! `main` of their own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "the other columns need the rest")]
#[path = "matrix/children.rs"]
mod children;
#[expect(
    dead_code,
    unused_imports,
    reason = "these tests need a part of what others share"
)]
mod orchestrator {
    pub(crate) mod support;
}

use std::future::ready;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use libtest_mimic::{Arguments, Trial};
use nix::unistd::Pid;
use orquestrador::cli;
use orquestrador::config::{self, Environment, Settings};
use orquestrador::domain::{
    CancelReason, Clock, Configured, CycleStart, Event, Instance, Mode, Observer, Observers,
    Outcome, Run, RunId, RunResult, RunStart, Schedule, ScheduleSpec, Trigger,
};
use orquestrador::engine::{ChildEnvironment, LiveReaders, LocalRunner, RunStop, Runner as _};
use orquestrador::process::{self, Enforcement, Spawner};
use orquestrador::telemetry::exposition::Format;
use orquestrador::telemetry::metrics::{Known, Metrics};
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;

use children::{ALL, Bad, Leader, SLACK, counter, survivors};
use orchestrator::support::{LIMIT, Place, now, processor, wait_until, zombies_below};

const GRACE: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One spawner serves them all, and whose a process is that cleared its environment shows only without others.
    arguments.test_threads = Some(1);
    let launched = (!arguments.list).then(Launched::start).map(Arc::new);
    let trials = ALL.into_iter().map(|bad| {
        let launched = launched.clone();
        let name = format!("{}_leaves_nobody_after_its_replacement", bad.name);
        Trial::test(name, move || {
            is_replaced(bad, &launched.unwrap());
            Ok(())
        })
    });
    let in_order = Trial::test("nothing_of_a_run_is_told_before_its_beginning", {
        let launched = launched.clone();
        move || {
            is_told_in_order(&launched.unwrap());
            Ok(())
        }
    });
    let trials = trials.chain([in_order]).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(Launched { runtime, spawner }) = launched.and_then(Arc::into_inner) {
        runtime.block_on(spawner.close());
    }
    conclusion.exit_code()
}

/// The spawner, and the runtime in which it is talked to.
struct Launched {
    runtime: Runtime,
    spawner: Spawner,
}

impl Launched {
    /// Must be called before any thread exists.
    fn start() -> Self {
        let link = process::launch(Enforcement::default()).unwrap();
        let mut builder = runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (spawner, _) = runtime.block_on(async { Spawner::attach(link) }).unwrap();
        Self { runtime, spawner }
    }
}

fn is_replaced(bad: &Bad, launched: &Launched) {
    let place = Place::new();
    let folder = place.path().display();
    let more = format!("carencia = \"{GRACE:?}\"\ndiretorio = \"{folder}\"");
    let settings = settings(&place, &bad.entry(&place, Leader::Prompt, &more));
    let start = run_start(&settings);
    let stop = RunStop {
        requested: CancellationToken::new(),
        forced: CancellationToken::new(),
        reason: CancelReason::Replaced,
    };
    let runner = runner(launched);
    let running = launched.runtime.spawn({
        let (start, stop) = (Arc::clone(&start), stop.clone());
        async move { runner.run(&start, 1, &stop, ready(ready(()))).await }
    });
    let _stranger = bad.wait_until_ready(&place);

    let asked = now();
    stop.requested.cancel();
    wait_until("the end of the run", LIMIT, || {
        running.is_finished().then_some(())
    });
    let took = asked.elapsed();

    let alive = survivors(&place);
    assert!(alive.is_empty(), "alive when its run had ended: {alive:#?}");
    let result = launched.runtime.block_on(running).unwrap();
    let grace = if bad.is_deaf { GRACE } else { Duration::ZERO };
    assert!(
        (grace..grace + SLACK).contains(&took),
        "{took:?} {result:?}"
    );
    wait_until("no zombie", LIMIT, || {
        zombies_below(Pid::this()).is_empty().then_some(())
    });
    assert_eq!(
        result.outcome,
        Outcome::Cancellation(CancelReason::Replaced)
    );
    assert_eq!(result.kill_escalated, bad.is_deaf, "{result:?}");
    assert!(
        bad.escaped.contains(&u64::from(result.escaped.count)),
        "{result:?}"
    );
    assert_counted(bad, &settings, start, result);
}

/// What the runner's readers were told, in order.
#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Observer for Told {
    fn observe(&self, event: &Event) {
        if let Event::RunOutput { .. } = event {
            self.0.lock().unwrap().push("output");
        }
    }
}

/// The process has long written and ended when its beginning is told.
fn is_told_in_order(launched: &Launched) {
    let place = Place::new();
    let settings = settings(&place, &processor("fala", &["echo", "aqui"], ""));
    let start = run_start(&settings);
    let told = Arc::new(Told::default());
    let runner = LocalRunner {
        live_output: Some(LiveReaders {
            observers: Observers::new(vec![told.clone()]),
            is_sampled: false,
        }),
        ..runner(launched)
    };
    let stop = RunStop {
        requested: CancellationToken::new(),
        forced: CancellationToken::new(),
        reason: CancelReason::Shutdown,
    };
    let beginning = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        told.0.lock().unwrap().push("beginning");
    };
    let result = launched
        .runtime
        .block_on(runner.run(&start, 1, &stop, ready(beginning)));
    assert_eq!(result.outcome, Outcome::Success);
    assert_eq!(*told.0.lock().unwrap(), ["beginning", "output"]);
}

fn runner(launched: &Launched) -> LocalRunner {
    LocalRunner {
        spawner: launched.spawner.clone(),
        clock: Clock::new(Timestamp::now),
        environment: ChildEnvironment::default(),
        live_output: None,
        output_dir: None,
        reports: None,
    }
}

/// Panics unless the readers of the run's end count it as it was.
#[track_caller]
fn assert_counted(bad: &Bad, settings: &Settings, start: Arc<RunStart>, result: RunResult) {
    let escaped = u64::from(result.escaped.count);
    let metrics = Metrics::new(&settings.buckets);
    let known = Known {
        processors: &[Configured {
            spec: Arc::clone(&start.spec),
            max_staleness: None,
        }],
        main: &ScheduleSpec::Interval(Duration::from_mins(1)),
        period: None,
        mode: settings.mode,
        slots: 1,
        now: start.started_at,
        data_dir: settings.data_dir.clone(),
    };
    metrics.expose_known(&known).unwrap();
    metrics.observe(&Event::RunStarted(Arc::clone(&start)));
    metrics.observe(&Event::RunFinished(Arc::new(Run {
        start,
        was_started: true,
        result,
        finished_at: Timestamp::now(),
    })));
    let exposition = metrics.render(Format::Text);
    let count = |name: &str, reason: &[(&str, &str)]| {
        counter(
            &exposition,
            name,
            &[&[("processor", bad.name)], reason].concat(),
        )
    };
    assert_eq!(
        count("run_cancellations_total", &[("reason", "replaced")]),
        1
    );
    assert_eq!(
        count("run_cancellations_total", &[("reason", "shutdown")]),
        0
    );
    assert_eq!(
        count("run_kill_escalations_total", &[]),
        u64::from(bad.is_deaf)
    );
    assert_eq!(count("run_escaped_processes_total", &[]), escaped);
}

fn settings(place: &Place, config: &str) -> Settings {
    let file = place.write("orquestrador.toml", config);
    let words = [
        "orquestrador".into(),
        "--config".into(),
        file.into_os_string(),
    ];
    let command_line = cli::parse(words).unwrap_or_else(|error| panic!("{error}"));
    let loaded = config::load(&command_line.flags, &Environment::new([]));
    loaded.unwrap_or_else(|error| panic!("{error}")).settings
}

/// A run of the only processor of `settings`.
fn run_start(settings: &Settings) -> Arc<RunStart> {
    let started_at = Timestamp::now();
    let cycle = CycleStart {
        number: 1,
        id: "ciclo".to_owned(),
        schedule: Schedule::Main,
        mode: Mode::Parallel,
        trigger: Trigger::Startup,
        processors: 1,
        runs: 1,
        started_at,
        delay: Duration::ZERO,
        trace: None,
    };
    Arc::new(RunStart {
        id: RunId::new(started_at),
        spec: Arc::new(settings.processors.first().unwrap().clone()),
        instance: Instance::ONLY,
        cycle: Arc::new(cycle),
        started_at,
        queue_wait: Duration::ZERO,
        trace: None,
    })
}
