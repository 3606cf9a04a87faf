//! The life of the orchestrator: lock, spawner, telemetry, HTTP, cycles; and back in the opposite order.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use prometheus::Registry;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::diagnostics::{init_tracing, local_zone};
use super::listening::{Http, bind, is_listening};
use super::reload::{self, Reloader};
use super::{Exit, clock, store_settings};
use crate::cli::documents::examples;
use crate::cli::stderr_line;
use crate::config::{Environment, Flags, Loaded, Settings, Source, StoreChoice};
use crate::domain::{
    Clock, Cycle, Escaped, Event, LogFormat, Mask, Observer, Observers, Outcome, Startup, contract,
};
use crate::engine::status::StatusBoard;
use crate::engine::{ChildEnvironment, Control, Cycles, LocalRunner, Plan, Scheduler, Shutdown};
use crate::http::{Listener, Views};
use crate::instance::InstanceLock;
use crate::process::{self, Enforcement, Spawner, SpawnerLink};
use crate::records::{self, Access};
use crate::signals;
use crate::telemetry::console::Console;
use crate::telemetry::log::JsonLog;
use crate::telemetry::metrics::{Known, Metrics};
use crate::telemetry::traces::{Traces, trace_of};

/// Threads of the runtime: the work is done by the children.
const WORKER_THREADS: usize = 2;

/// Runs the orchestrator to its end.
pub(super) fn run(loaded: Loaded, flags: Flags, environment: &Environment) -> Exit {
    match prepare_and_run(loaded, flags, environment) {
        Ok(exit) => exit,
        Err(error) => {
            stderr_line(&format!("❌ {error:#}"));
            Exit::Usage
        }
    }
}

fn prepare_and_run(
    loaded: Loaded,
    flags: Flags,
    environment: &Environment,
) -> anyhow::Result<Exit> {
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
    let runtime = runtime(&loaded.settings)?;
    runtime.block_on(live(
        Parts {
            reloader: Reloader {
                settings: loaded.settings.clone(),
                flags,
                environment: environment.clone(),
                zone: local_zone(environment),
                clock: clock.clone(),
            },
            loaded,
            clock,
            notes,
            link,
        },
        environment,
    ))
}

/// How runs are bounded, if any is.
fn enforcement(settings: &Settings) -> Option<Enforcement> {
    let is_bounded = settings
        .processors
        .iter()
        .any(|spec| !spec.limits.is_empty());
    is_bounded.then(Enforcement::detect)
}

/// One thread is enough, and starts sooner, while nobody but the one cycle needs it.
fn runtime(settings: &Settings) -> io::Result<Runtime> {
    let mut builder = if is_listening(settings) {
        let mut builder = runtime::Builder::new_multi_thread();
        builder.worker_threads(WORKER_THREADS);
        builder
    } else {
        runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// What was made before the runtime.
struct Parts {
    loaded: Loaded,
    reloader: Reloader,
    clock: Clock,
    notes: Vec<String>,
    link: SpawnerLink,
}

async fn live(parts: Parts, environment: &Environment) -> anyhow::Result<Exit> {
    let Parts {
        loaded,
        reloader,
        clock,
        notes,
        link,
    } = parts;
    let settings = &loaded.settings;
    let traces = Traces::start(|name| environment.get(name), settings.telemetry_shutdown)?;
    init_tracing(traces.as_ref(), environment);
    let (spawner, strays) = Spawner::attach(link)?;
    let shutdown = Arc::new(Shutdown::default());
    let (control, requests) = Control::new();
    let hangups = signals::listen(&shutdown, &control)?;
    let listener = bind(settings).await?;

    let zone = reloader.zone.clone();
    let plan = plan(settings, &zone);
    let board = Arc::new(StatusBoard::new(plan.clone(), clock.now()));
    let metrics = Arc::new(Metrics::new(&Registry::new(), &settings.buckets)?);
    if listener.is_some() {
        metrics.expose_process()?;
        metrics.expose_known(&known(&plan))?;
    }
    let observers = observers(settings, &clock, &zone, [board.clone(), metrics.clone()]);
    observers.state(&Event::Started(Arc::new(startup(
        &loaded,
        notes,
        listener.as_ref(),
    ))));
    let views = Views {
        board,
        metrics,
        clock: clock.clone(),
        zone,
    };
    let http = listener.map(|listener| Http::serve(listener, views));

    tokio::spawn(tell_of_strays(strays, observers.clone()));
    let children = child_environment(&loaded, environment);
    let runner = runner(&spawner, settings, (&clock, &observers), children);
    let watch = tokio::spawn(stop_without_spawner(
        spawner.gone().clone(),
        Arc::clone(&shutdown),
    ));
    reloader.listen(hangups, observers.clone(), control);
    let cycles = Cycles::new(
        plan,
        runner,
        observers,
        (clock, trace_of),
        Arc::clone(&shutdown),
    );
    let last = Scheduler::new(cycles).controlled_by(requests).run().await;

    reload::forget_active(settings);
    let lost_spawner = spawner.gone().is_cancelled();
    watch.abort();
    spawner.close().await;
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    if let Some(http) = http {
        http.stop().await;
    }
    Ok(if lost_spawner {
        Exit::Failed
    } else {
        exit(settings, &shutdown, last.as_deref())
    })
}

fn runner(
    spawner: &Spawner,
    settings: &Settings,
    (clock, observers): (&Clock, &Observers),
    environment: ChildEnvironment,
) -> LocalRunner {
    LocalRunner {
        spawner: spawner.clone(),
        clock: clock.clone(),
        environment,
        output_dir: (!settings.dry_run).then(|| settings.data_dir.join("saidas")),
        live_output: settings.verbose.then(|| observers.clone()),
    }
}

/// Processes without a run of their own are a fact like any other.
async fn tell_of_strays(mut strays: UnboundedReceiver<Escaped>, observers: Observers) {
    while let Some(escaped) = strays.recv().await {
        observers.state(&Event::StraysEnded(escaped));
    }
}

/// Without a spawner no run can start any more: that is the end, and not a quiet one.
async fn stop_without_spawner(gone: CancellationToken, shutdown: Arc<Shutdown>) {
    gone.cancelled().await;
    stderr_line("❌ o processo que inicia os outros terminou; o orquestrador não pode continuar");
    shutdown.request("perda do iniciador");
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
        processors: settings.processors.iter().cloned().map(Arc::new).collect(),
    }
}

fn known(plan: &Plan) -> Known<'_> {
    Known {
        processors: &plan.processors,
        mode: plan.mode,
        slots: plan.slots(),
    }
}

fn observers(
    settings: &Settings,
    clock: &Clock,
    zone: &TimeZone,
    first: [Arc<dyn Observer>; 2],
) -> Observers {
    let sink = Box::new(io::stdout());
    let lines: Arc<dyn Observer> = match settings.log_format {
        LogFormat::Console => Arc::new(Console::new(
            sink,
            zone.clone(),
            settings.verbose,
            settings.single_run,
        )),
        LogFormat::Json => Arc::new(JsonLog::new(sink, clock.clone())),
    };
    Observers::new(first.into_iter().chain([lines]).collect())
}

fn startup(loaded: &Loaded, notes: Vec<String>, listener: Option<&Listener>) -> Startup {
    let settings = &loaded.settings;
    let store = match &settings.store {
        StoreChoice::Embedded => format!(
            "embutido, em {}",
            settings.data_dir.join("registros.db").display()
        ),
        StoreChoice::Directus { url, .. } => format!("Directus, em {url}"),
    };
    let config = match &loaded.source {
        Source::File(path) => Some(path.clone()),
        Source::BuiltIn => None,
    };
    Startup {
        mode: settings.mode,
        single_run: settings.single_run,
        dry_run: settings.dry_run,
        config,
        store,
        address: listener.map(|listener| listener.address),
        notes,
        warnings: loaded.warnings.clone(),
    }
}

/// What children get. Ours get absolute paths, so that a working directory of their own changes nothing.
fn child_environment(loaded: &Loaded, environment: &Environment) -> ChildEnvironment {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let pair = |name: &str, path: &Path| (name.to_owned(), absolute(path).display().to_string());
    let mut for_own = vec![pair(contract::DATA_DIR, &loaded.settings.data_dir)];
    if let Source::File(path) = &loaded.source {
        for_own.push(pair(contract::CONFIG, path));
    }
    ChildEnvironment {
        secrets: Mask::new(environment.iter(), &[]),
        inherited: environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        for_own,
        dry_run: loaded.settings.dry_run,
    }
}
