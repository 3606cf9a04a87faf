//! Spans over OTLP, when an endpoint is configured; nothing at all otherwise. Every OpenTelemetry type stays in here.

mod account;
pub mod output;
mod parent;
mod pipeline;
mod settings;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

pub use self::account::{Account, Counts, ExportState};
pub use self::parent::{RemoteParent, link};
use self::pipeline::{Admission, Counting, Sending};
use self::settings::{Asked, Protocol};
use crate::domain::{Clock, Mask, TraceContext};

/// What a sender that was given up has to say so.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Why telemetry cannot be exported as the environment asks.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The variable names an exporter that is none of ours.
    #[error("{0}: {1:?} não é conhecido; esperado otlp ou none")]
    UnknownExporter(&'static str, String),
    /// The variable names a protocol that is none of ours.
    #[error("{0}: {1:?} não está disponível; esperado grpc ou http/protobuf")]
    UnknownProtocol(&'static str, String),
    /// This version brings no TLS for the export.
    #[error(
        "{0}: https não está disponível nesta versão; esperado um endereço http:// de um coletor local"
    )]
    Https(&'static str),
    /// The exporter refuses its settings.
    #[error("exportação OTLP: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The running export.
pub struct Traces {
    provider: SdkTracerProvider,
    account: Account,
    abandoned: CancellationToken,
}

impl Traces {
    /// Starts the export that the `OTEL_*` variables ask for; none when they ask for none. Errors are told without what
    /// `mask` knows, which is asked only then. Must be called within a tokio runtime, which has to live until [`Traces::shutdown`] is over.
    ///
    /// # Errors
    ///
    /// A setting that is wrong.
    pub fn start<'a>(
        variable: impl Fn(&str) -> Option<&'a str>,
        clock: Clock,
        mask: impl FnOnce() -> Mask,
    ) -> Result<Option<Self>, TraceError> {
        let Some(asked) = settings::read(settings::TRACES, &variable)? else {
            return Ok(None);
        };
        let sending = sending(&asked, "traços", (clock, &mask()));
        let (account, abandoned) = (sending.account.clone(), sending.abandoned.clone());
        let exporter = Counting {
            exporter: exporter(&asked)?,
            sending,
        };
        // Batch size and delay come from their variables; the queue's size must be the admission's.
        let batches = BatchConfigBuilder::default().with_max_queue_size(asked.queue);
        let queue = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches.build())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Admission {
                account: account.clone(),
                queue,
            })
            .with_resource(resource(variable("OTEL_SERVICE_NAME").is_some()))
            .build();
        Ok(Some(Self {
            provider,
            account,
            abandoned,
        }))
    }

    /// Whether the `OTEL_*` variables ask for an export that there can be.
    #[must_use]
    pub fn is_asked_for<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> bool {
        matches!(settings::read(settings::TRACES, variable), Ok(Some(_)))
    }

    /// What becomes of the spans.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account.clone()
    }

    /// The layer that turns our spans into OTLP spans. Its filter is fixed: the exporters' own spans would feed themselves.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer: SdkTracer = self.provider.tracer("orquestrador");
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            tracing_opentelemetry::layer().with_tracer(tracer);
        let layer = layer
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false);
        layer.with_filter(Targets::new().with_target("orquestrador", Level::INFO))
    }

    /// Sends what is waiting, within `budget`, and ends the export. What is lost then is said.
    pub async fn shutdown(self, budget: Duration) {
        let provider = self.provider;
        let ending = move || provider.shutdown_with_timeout(budget).is_ok();
        end(ending, budget, (&self.account, &self.abandoned)).await;
    }
}

/// Has `ending` send what is waiting, within `budget`, and says what was lost.
async fn end(
    ending: impl FnOnce() -> bool + Send + 'static,
    budget: Duration,
    (account, abandoned): (&Account, &CancellationToken),
) {
    // Called inline it would wait for a runtime that it blocks, and lose everything.
    let ending = tokio::task::spawn_blocking(ending);
    let is_ended = tokio::time::timeout(budget, ending).await;
    if !matches!(is_ended, Ok(Ok(true))) {
        abandoned.cancel();
        settle(account).await;
    }
    let (counts, what) = (account.counts(), account.what());
    let lost = counts.failed + counts.dropped + counts.queued;
    if lost > 0 {
        tracing::warn!(
            exported = counts.exported,
            failed = counts.failed,
            dropped = counts.dropped,
            queued = counts.queued,
            "{lost} {what} não chegaram ao coletor"
        );
    }
}

/// Waits a moment for a sender that was given up to count what it had.
async fn settle(account: &Account) {
    let settled = async {
        while account.counts().queued > 0 {
            tokio::time::sleep(LAST_WORDS / 20).await;
        }
    };
    // Over HTTP it may hang in the system; what it has stays queued then.
    drop(tokio::time::timeout(LAST_WORDS, settled).await);
}

/// How what is asked for is sent.
fn sending(asked: &Asked, what: &'static str, (clock, mask): (Clock, &Mask)) -> Sending {
    let capacity = u64::try_from(asked.queue).unwrap_or(u64::MAX);
    Sending {
        account: Account::open(clock, what, capacity),
        mask: masked(mask, asked),
        limit: asked.timeout,
        runtime: Handle::current(),
        abandoned: CancellationToken::new(),
    }
}

fn exporter(asked: &Asked) -> Result<SpanExporter, TraceError> {
    let builder = SpanExporter::builder();
    Ok(match asked.protocol {
        Protocol::Grpc => builder.with_tonic().with_timeout(asked.timeout).build()?,
        Protocol::Http => {
            let protocol = opentelemetry_otlp::Protocol::HttpBinary;
            let builder = builder.with_http().with_protocol(protocol);
            let builder = match plain_client(asked.timeout) {
                Some(client) => builder.with_http_client(client),
                None => builder,
            };
            builder.with_timeout(asked.timeout).build()?
        }
    })
}

/// A client of plain http, which is all that is spoken here: it reads no certificates. It blocks, so it is made on a
/// thread of its own; none if it cannot be made.
fn plain_client(timeout: Duration) -> Option<reqwest::blocking::Client> {
    // Its TLS wants to know whose cryptography; installed already is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::blocking::Client::builder()
        .tls_certs_only([])
        .timeout(timeout);
    let made = std::thread::spawn(move || client.build().ok());
    made.join().ok().flatten()
}

fn resource(is_named: bool) -> Resource {
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name("orquestrador");
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    resource.with_attribute(version).build()
}

/// `mask`, and what the endpoint's address says of its user.
fn masked(mask: &Mask, asked: &Asked) -> Mask {
    let credentials = asked.credentials.as_deref();
    let password = credentials.and_then(|both| Some(both.split_once(':')?.1));
    let secrets = credentials.into_iter().chain(password);
    mask.and(&Mask::new(secrets.map(|secret| ("AUTH", secret)), &[]))
}

/// The trace context of a span; none when it is not recorded.
#[must_use]
pub fn trace_of(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| TraceContext {
        trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(context.span_id().to_bytes()),
        sampled: context.is_sampled(),
    })
}
