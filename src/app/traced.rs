//! Where traces meet the rest: what the environment asks for, what our own trace continues, and the document
//! processors' spans.

use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::clock;
use super::diagnostics::init_tracing;
use crate::config::{Environment, Settings};
use crate::domain::{Clock, Mask, contract};
use crate::engine::Relate;
use crate::telemetry::detached::Detached;
use crate::telemetry::log_counts::LogCounts;
use crate::telemetry::traces::output::OutputLogs;
use crate::telemetry::traces::{self, RemoteParent, TraceError, Traces};

/// What the end of a document processor may wait for the collector: its run is not over before it has ended.
const PROCESSOR_BUDGET: Duration = Duration::from_millis(500);

/// Everything that leaves over OTLP, and what is said of ourselves.
pub(super) struct Exporting {
    pub(super) traces: Option<Traces>,
    pub(super) output: Option<OutputLogs>,
    /// What a single run continues.
    pub(super) parent: Option<RemoteParent>,
    pub(super) log_counts: LogCounts,
    /// Standard error.
    pub(super) errors: Detached,
}

/// Begins what the settings and the environment ask for. Diagnostics are heard from here on, on `errors`.
pub(super) fn begin(
    settings: &Settings,
    environment: &Environment,
    clock: &Clock,
    errors: Detached,
) -> Result<Exporting, TraceError> {
    let traces = start(environment, clock)?;
    let log_counts = init_tracing(traces.as_ref(), environment, &errors);
    let parent = parent(settings, environment).filter(|_| traces.is_some());
    Ok(Exporting {
        output: output(settings, environment, clock)?,
        traces,
        parent,
        log_counts,
        errors,
    })
}

impl Exporting {
    /// What a cycle continues and what it follows; none when nothing is traced.
    pub(super) fn relate(&self) -> Option<Relate> {
        let parent = self.parent.clone();
        self.traces.as_ref()?;
        Some(Box::new(move |span, previous| {
            if let Some(parent) = &parent {
                parent.adopt(span);
            }
            if let Some(previous) = previous {
                traces::link(span, previous);
            }
        }))
    }

    /// Sends what is waiting, all within `budget`.
    pub(super) async fn close(self, budget: Duration) {
        let spans = async {
            if let Some(traces) = self.traces {
                traces.shutdown(budget).await;
            }
        };
        let output = async {
            if let Some(output) = self.output {
                output.shutdown(budget).await;
            }
        };
        tokio::join!(spans, output);
    }
}

/// The export of spans that the environment asks for, if it asks for one.
fn start(environment: &Environment, clock: &Clock) -> Result<Option<Traces>, TraceError> {
    let mask = || Mask::new(environment.iter(), &[]);
    Traces::start(|name| environment.get(name), clock.clone(), mask)
}

/// The export of captured output, if the settings ask for it and the environment names an endpoint.
fn output(
    settings: &Settings,
    environment: &Environment,
    clock: &Clock,
) -> Result<Option<OutputLogs>, TraceError> {
    if !settings.output_logs {
        return Ok(None);
    }
    let mask = || Mask::new(environment.iter(), &[]);
    let logs = OutputLogs::start(|name| environment.get(name), clock.clone(), mask)?;
    if logs.is_none() {
        tracing::warn!(
            "telemetria.logs_otlp: nenhum destino em OTEL_EXPORTER_OTLP_ENDPOINT; a saída não é enviada"
        );
    }
    Ok(logs)
}

/// The span that a single run continues; there is none for a service, which outlives whoever started it.
fn parent(settings: &Settings, environment: &Environment) -> Option<RemoteParent> {
    let traceparent = environment
        .get(contract::TRACEPARENT)
        .filter(|_| settings.single_run)?;
    RemoteParent::new(traceparent, environment.get(contract::TRACESTATE))
}

/// Does `work` as a part of the run that started this process: its spans belong to the run's trace, and are sent
/// before this returns. Whatever is wrong with that changes nothing of the work.
pub(super) fn within_run<T>(environment: &Environment, work: impl FnOnce() -> T) -> T {
    let Some((runtime, traces)) = exporting(environment) else {
        return work();
    };
    let installed = tracing_subscriber::registry()
        .with(traces.layer())
        .try_init();
    let parent = environment
        .get(contract::TRACEPARENT)
        .and_then(|parent| RemoteParent::new(parent, environment.get(contract::TRACESTATE)));
    let done = {
        let _run = parent
            .filter(|_| installed.is_ok())
            .map(|parent| parent.enter());
        work()
    };
    runtime.block_on(traces.shutdown(PROCESSOR_BUDGET));
    runtime.shutdown_background();
    done
}

/// A runtime that moves the bytes while the work keeps the main thread, and the export on it.
fn exporting(environment: &Environment) -> Option<(Runtime, Traces)> {
    // Without a run's trace, as on the command line of a person, nobody looks for spans.
    environment.get(contract::TRACEPARENT)?;
    let runtime = || {
        let mut builder = runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().ok()
    };
    let asked = Traces::is_asked_for(|name| environment.get(name));
    let runtime = asked.then(runtime).flatten()?;
    let traces = {
        let _entered = runtime.enter();
        // What is wrong here is the orchestrator's to say: it reads the same variables.
        start(environment, &clock()).ok().flatten()?
    };
    Some((runtime, traces))
}
