//! The life of the orchestrator: lock, spawner, telemetry, HTTP, cycles; and back in the opposite order.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use prometheus::Registry;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Exit, clock, store_settings};
use crate::cli::documents::examples;
use crate::cli::stderr_line;
use crate::config::{Environment, Loaded, Settings, Source, StoreChoice};
use crate::domain::{
    Clock, Cycle, Escaped, Event, LogFormat, Mode, Observer, Observers, Outcome, Startup, contract,
};
use crate::engine::status::StatusBoard;
use crate::engine::{ChildEnvironment, Cycles, LocalRunner, Plan, Scheduler, Shutdown};
use crate::http::{Listener, Views};
use crate::instance::InstanceLock;
use crate::process::{self, Spawner, SpawnerLink};
use crate::records::{self, Access};
use crate::signals;
use crate::telemetry::console::Console;
use crate::telemetry::log::JsonLog;
use crate::telemetry::metrics::{Known, Metrics};
use crate::telemetry::traces::{Traces, trace_of};

/// How long HTTP requests that are being answered may take at the end.
const HTTP_DRAIN: Duration = Duration::from_millis(500);
/// Threads of the runtime: the work is done by the children.
const WORKER_THREADS: usize = 2;

/// Runs the orchestrator to its end.
pub(super) fn run(loaded: Loaded, environment: &Environment) -> Exit {
    match prepare_and_run(loaded, environment) {
        Ok(exit) => exit,
        Err(error) => {
            stderr_line(&format!("❌ {error:#}"));
            Exit::Usage
        }
    }
}

fn prepare_and_run(loaded: Loaded, environment: &Environment) -> anyhow::Result<Exit> {
    let _lock = InstanceLock::take(&loaded.settings.instance_dir())?;
    let clock = clock();
    let notes = import_examples(&loaded, &clock)?;
    // Before any thread exists; from here on the spawner is there to end what we start.
    let link = process::launch()?;
    let runtime = runtime(&loaded.settings)?;
    runtime.block_on(live(
        Parts {
            loaded,
            clock,
            notes,
            link,
        },
        environment,
    ))
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

/// A single run opens its port only when it is asked to.
fn is_listening(settings: &Settings) -> bool {
    !settings.single_run || settings.port_by_flag
}

/// What was made before the runtime.
struct Parts {
    loaded: Loaded,
    clock: Clock,
    notes: Vec<String>,
    link: SpawnerLink,
}

async fn live(parts: Parts, environment: &Environment) -> anyhow::Result<Exit> {
    let Parts {
        loaded,
        clock,
        notes,
        link,
    } = parts;
    let settings = &loaded.settings;
    let traces = Traces::start(|name| environment.get(name), settings.telemetry_shutdown)?;
    init_tracing(traces.as_ref(), environment);
    let (spawner, strays) = Spawner::attach(link)?;
    let shutdown = Arc::new(Shutdown::default());
    signals::listen(&shutdown)?;
    let listener = bind(settings).await?;

    let plan = plan(settings);
    let board = Arc::new(StatusBoard::new(plan.clone(), clock.now()));
    let metrics = Arc::new(Metrics::new(&Registry::new(), &known(settings, &plan))?);
    if listener.is_some() {
        metrics.expose_process()?;
    }
    let zone = local_zone(environment);
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
    let runner = LocalRunner {
        spawner: spawner.clone(),
        clock: clock.clone(),
        environment: child_environment(&loaded, environment),
        live_output: settings.verbose.then(|| observers.clone()),
    };
    let watch = tokio::spawn(stop_without_spawner(
        spawner.gone().clone(),
        Arc::clone(&shutdown),
    ));
    let cycles = Cycles::new(
        plan,
        runner,
        observers,
        (clock, trace_of),
        Arc::clone(&shutdown),
    );
    let last = Scheduler::new(cycles).run().await;

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

async fn bind(settings: &Settings) -> anyhow::Result<Option<Listener>> {
    if !is_listening(settings) {
        return Ok(None);
    }
    let address = SocketAddr::new(settings.listen, settings.port);
    let listener = Listener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "a porta já está em uso; escolha outra com --porta, ou 0 para uma livre".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "sem permissão para esta porta; escolha outra com --porta".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "o endereço não é desta máquina; escolha outro com --escutar".to_owned()
            }
            _ => error.to_string(),
        };
        anyhow::anyhow!("não foi possível escutar em {address}: {reason}")
    })?;
    Ok(Some(listener))
}

/// The HTTP side while it is open.
struct Http {
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Http {
    fn serve(listener: Listener, views: Views) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: tokio::spawn(listener.serve(views, stop.clone())),
            stop,
        }
    }

    /// Requests that are being answered get a moment; whoever holds a connection open does not hold us.
    async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(HTTP_DRAIN, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

fn plan(settings: &Settings) -> Plan {
    Plan {
        mode: settings.mode,
        interval: settings.interval,
        single_run: settings.single_run,
        stop_at_failure: settings.stops_at_failure(),
        dry_run: settings.dry_run,
        parallelism: settings.parallelism,
        processors: settings.processors.iter().cloned().map(Arc::new).collect(),
    }
}

fn known<'a>(settings: &'a Settings, plan: &'a Plan) -> Known<'a> {
    let slots = match plan.mode {
        Mode::Sequential => 1,
        Mode::Parallel => plan.parallelism,
    };
    Known {
        processors: &plan.processors,
        mode: plan.mode,
        slots,
        buckets: &settings.buckets,
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
        inherited: environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        for_own,
        dry_run: loaded.settings.dry_run,
    }
}

/// The zone in which people read times: that of `TZ`, else of `/etc/localtime`, which is read as it is, since finding
/// its name would mean to look through all zones of the system.
fn local_zone(environment: &Environment) -> TimeZone {
    if environment.get("TZ").is_some() {
        return TimeZone::system();
    }
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|bytes| TimeZone::tzif("localtime", &bytes).ok())
        .unwrap_or(TimeZone::UTC)
}

/// Diagnostics of our own go to standard error, warnings and worse unless `RUST_LOG` says otherwise. Spans do not
/// depend on it.
fn init_tracing(traces: Option<&Traces>, environment: &Environment) {
    let filter = environment
        .get("RUST_LOG")
        .and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(Level::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(true)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(lines);
    let installed = match traces {
        Some(traces) => subscriber.with(traces.layer()).try_init(),
        None => subscriber.try_init(),
    };
    if let Err(error) = installed {
        stderr_line(&format!("⚠️  diagnósticos internos indisponíveis: {error}"));
    }
}
