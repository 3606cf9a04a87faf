//! The life of the orchestrator: lock, spawner, telemetry, HTTP, cycles; and back in the opposite order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::diagnostics::local_zone;
use super::listening::{self, Http, bind, security};
use super::reload::{self, Reloader};
use super::traced::Exporting;
use super::{
    Exit, clock, distribution, leaving, recording, running, store_settings, telling, traced,
};
use crate::cli::documents::examples;
use crate::cli::stderr_line;
use crate::config::{self, Environment, Flags, Loaded, Settings};
use crate::distributed::{Distribution, Specs};
use crate::domain::{Clock, Cycle, Escaped, Event, Observers, Outcome, Restored};
use crate::engine::{Control, Cycles, Plan, Runner, Scheduler, Shutdown};
use crate::history::{History, Recorder};
use crate::instance::InstanceLock;
use crate::process::{self, Enforcement, Spawner, SpawnerLink};
use crate::records::{self, Access};
use crate::signals::{self, EarlyHangups};
use crate::telemetry::backlog_of;
use crate::telemetry::console;
use crate::telemetry::detached::Detached;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::trace_of;

/// Whoever reads standard output, and standard error, may take this long for what is still to be read at the end.
const LINES: Duration = Duration::from_secs(1);

/// What is left of file operations and the like may take this long at the end.
const LEFTOVERS: Duration = Duration::from_millis(100);

/// Runs that the leader of a group may have out at once in parallel mode.
const PLANNED: usize = 2_000;

/// Runs the orchestrator to its end.
pub(super) fn run(loaded: Loaded, flags: Flags, environment: &Environment) -> Exit {
    match prepare_and_run(loaded, flags, environment) {
        Ok(exit) => exit,
        Err(error) => {
            stderr_line(&words(&error));
            Exit::Usage
        }
    }
}

fn words(error: &anyhow::Error) -> String {
    format!("❌ {error:#}")
}

fn prepare_and_run(
    mut loaded: Loaded,
    flags: Flags,
    environment: &Environment,
) -> anyhow::Result<Exit> {
    let security = security(&loaded.settings)?;
    let early = EarlyHangups::hold()?;
    let _lock = InstanceLock::take(&loaded.settings.instance_dir())?;
    let clock = clock();
    let mut notes = import_examples(&loaded, &clock)?;
    // Before any thread exists; from here on the spawner is there to end what we start.
    let enforcement = enforcement(&loaded.settings);
    notes.extend(
        enforcement
            .as_ref()
            .map(|enforcement| format!("Limites: {}", enforcement.words())),
    );
    let link = process::launch(enforcement.unwrap_or_default())?;
    // Processors keep the limit that we were started with: what starts them was made before.
    process::allow_descriptors();
    // After the fork, so that the spawner's memory stays small.
    let history = recording::open(&loaded.settings, &clock)?;
    let said = history.iter().flat_map(|history| &history.warnings);
    loaded.warnings.extend(said.cloned());
    let errors = Detached::new(io::stderr(), console::lost_lines)?;
    let web = listening::runtime(&loaded.settings)?;
    // One thread is enough: the work is done by the children.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let parts = Parts {
        reloader: Reloader {
            settings: loaded.settings.clone(),
            flags,
            environment: environment.clone(),
            zone: local_zone(environment),
            clock: clock.clone(),
            security: watch::Sender::new(security),
        },
        loaded,
        clock,
        notes,
        history,
        link,
        early,
    };
    let exit = runtime.block_on(live(parts, web.as_ref().map(Runtime::handle), &errors));
    // What hangs in the system, the resolution of a collector's name for one, holds nobody.
    for runtime in [Some(runtime), web].into_iter().flatten() {
        runtime.shutdown_timeout(LEFTOVERS);
    }
    let exit = exit.unwrap_or_else(|error| {
        errors.line(&words(&error));
        Exit::Usage
    });
    errors.finish(LINES);
    Ok(exit)
}

/// How runs are bounded, if any is.
fn enforcement(settings: &Settings) -> Option<Enforcement> {
    let is_bounded = settings
        .processors
        .iter()
        .any(|spec| !spec.limits.is_empty());
    is_bounded.then(Enforcement::detect)
}

/// What was made before the runtime.
struct Parts {
    loaded: Loaded,
    reloader: Reloader,
    clock: Clock,
    notes: Vec<String>,
    /// None when nothing may be written.
    history: Option<History>,
    link: SpawnerLink,
    early: EarlyHangups,
}

/// `web` is where HTTP is answered; none when nobody is to listen. `errors` is standard error.
async fn live(parts: Parts, web: Option<&Handle>, errors: &Detached) -> anyhow::Result<Exit> {
    let Parts {
        loaded,
        reloader,
        clock,
        notes,
        history,
        link,
        early,
    } = parts;
    let (settings, environment) = (&loaded.settings, &reloader.environment);
    let exporting = traced::begin(settings, environment, &clock, errors.clone())?;
    let (spawner, strays) = Spawner::attach(link)?;
    let shutdown = Arc::new(Shutdown::default());
    let (control, requests) = Control::new();
    let hangups = signals::listen(&shutdown, &control, &early)?;
    let listener = bind(web, settings, reloader.security.subscribe())?;

    let zone = reloader.zone.clone();
    let plan = plan(settings, &zone);
    let told = telling::begin(
        &loaded,
        (notes, history),
        (&plan, &zone, &clock),
        (&exporting, listener.as_ref()),
    )?;
    let (observers, recorder) = (told.observers, told.recorder);
    let metrics = Arc::clone(&told.views.metrics);
    let http = listener.map(|listener| Http::serve(listener, told.views));
    tokio::spawn(tell_of_strays(strays, observers.clone()));
    let mut runner = running::runner(&loaded, environment, &spawner, (&clock, told.live_output));
    runner.environment.keeps_trace_state = exporting.parent.is_some();
    let watch = stop_without_spawner(&spawner, &shutdown, errors.clone());
    let (runner, group, specs) = distribution::join(
        settings,
        told.group,
        (&observers, &clock, recorder.as_ref()),
        runner,
        (control.clone(), Arc::clone(&shutdown)),
    );
    let applied = applied(&metrics, specs);
    reloader.listen(hangups, observers.clone(), (control, applied));
    let cycles = Cycles::new(
        plan,
        runner,
        observers,
        (clock, trace_of),
        Arc::clone(&shutdown),
    )
    .recorded(recorder.clone().map(recording::record))
    .related(exporting.relate())
    .following(backlog_of);
    let scheduler = Scheduler::new(cycles).controlled_by(requests);
    let last = run_to_the_end(scheduler, group, (&told.restored, http.is_some())).await;

    reload::forget_active(settings);
    let lost_spawner = spawner.gone().is_cancelled();
    watch.abort();
    let open = Open {
        spawner,
        recorder,
        exporting,
        http,
    };
    open.close(settings.telemetry_shutdown).await;
    leaving::leave(settings, metrics, errors).await;
    told.lines.finish(LINES);
    if lost_spawner {
        return Ok(Exit::Failed);
    }
    Ok(exit(settings, &shutdown, last.as_deref()))
}

/// What hears of settings that hold from now on.
fn applied(metrics: &Arc<Metrics>, specs: Specs) -> impl Fn(&Settings) + Send + 'static {
    let metrics = Arc::clone(metrics);
    move |settings| {
        metrics.tell_config(config::hash(settings));
        specs.set(&settings.processors);
    }
}

/// Whoever has a group plans when it is to lead, and leaves it when nothing runs any more.
async fn run_to_the_end<R: Runner>(
    scheduler: Scheduler<R>,
    group: Option<Distribution>,
    (restored, is_to_stay): (&Restored, bool),
) -> Option<Arc<Cycle>> {
    if is_to_stay {
        process::let_go_of_code();
    }
    let Some(group) = group else {
        return scheduler.after(restored).run().await;
    };
    let last = scheduler.standing_by().run().await;
    group.leave().await;
    last
}

/// What is open while cycles run.
struct Open {
    spawner: Spawner,
    recorder: Option<Recorder>,
    exporting: Exporting,
    http: Option<Http>,
}

impl Open {
    /// Closes it in order: HTTP last, so that a scrape during the end sees it.
    async fn close(self, telemetry: Duration) {
        let recorded = async {
            if let Some(recorder) = self.recorder {
                recording::finish(recorder, &self.exporting.errors).await;
            }
        };
        tokio::join!(self.spawner.close(), recorded);
        self.exporting.close(telemetry).await;
        if let Some(http) = self.http {
            http.stop().await;
        }
    }
}

/// Processes without a run of their own are a fact like any other.
async fn tell_of_strays(mut strays: UnboundedReceiver<Escaped>, observers: Observers) {
    while let Some(escaped) = strays.recv().await {
        observers.state(&Event::StraysEnded(escaped));
    }
}

/// Without a spawner no run can start any more: that is the end, and not a quiet one.
fn stop_without_spawner(
    spawner: &Spawner,
    shutdown: &Arc<Shutdown>,
    errors: Detached,
) -> JoinHandle<()> {
    let (gone, shutdown) = (spawner.gone().clone(), Arc::clone(shutdown));
    tokio::spawn(async move {
        gone.cancelled().await;
        errors
            .line("❌ o processo que inicia os outros terminou; o orquestrador não pode continuar");
        shutdown.request("perda do iniciador");
    })
}

/// The exit code of the whole.
fn exit(settings: &Settings, shutdown: &Shutdown, last: Option<&Cycle>) -> Exit {
    match (shutdown.forcing_signal(), shutdown.signal()) {
        (Some(signal), _) => Exit::of_signal(signal),
        (None, Some(signal)) if settings.single_run => Exit::of_signal(signal),
        (None, Some(_)) => Exit::Done,
        (None, None) => {
            let is_clean =
                |cycle: &Cycle| matches!(cycle.outcome, Outcome::Success | Outcome::Skip(_));
            if last.is_some_and(is_clean) {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
    }
}

/// Imports the example documents when asked to; says what was done.
fn import_examples(loaded: &Loaded, clock: &Clock) -> anyhow::Result<Vec<String>> {
    let settings = &loaded.settings;
    if !settings.examples {
        return Ok(Vec::new());
    }
    if settings.dry_run {
        return Ok(vec![
            "Simulação: os documentos de exemplo não foram importados".to_owned(),
        ]);
    }
    let mut records = records::open(&store_settings(loaded), Access::Write)?;
    let import = examples::import_examples(records.as_mut(), clock.now())?;
    Ok(vec![import.message()])
}

pub(super) fn plan(settings: &Settings, zone: &TimeZone) -> Plan {
    Plan {
        mode: settings.mode,
        main: settings.schedule.clone(),
        zone: zone.clone(),
        single_run: settings.single_run,
        stop_at_failure: settings.stops_at_failure(),
        dry_run: settings.dry_run,
        parallelism: settings.parallelism,
        // What runs side by side is a matter of each instance; here it is only planned.
        planned: settings.distribution.as_ref().map(|_| PLANNED),
        processors: settings.processors.iter().cloned().map(Arc::new).collect(),
    }
}
