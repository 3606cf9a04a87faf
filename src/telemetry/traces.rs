//! Spans over OTLP, when an endpoint is configured; nothing at all otherwise. Every OpenTelemetry type stays in here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter as Exporter};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::domain::TraceContext;

/// Variables that name an endpoint; one of them switches the export on (OTLP exporter specification).
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Why traces cannot be exported as the environment asks.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// `OTEL_TRACES_EXPORTER` names something else than ours.
    #[error("OTEL_TRACES_EXPORTER: {0:?} não é conhecido; esperado otlp ou none")]
    UnknownExporter(String),
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
    budget: Duration,
}

impl Traces {
    /// Starts the export that the `OTEL_*` variables ask for; none when they ask for none.
    ///
    /// Must be called within a tokio runtime. `budget` bounds [`Traces::shutdown`].
    ///
    /// # Errors
    ///
    /// A setting that is wrong.
    pub fn start<'a>(
        variable: impl Fn(&str) -> Option<&'a str>,
        budget: Duration,
    ) -> Result<Option<Self>, TraceError> {
        let disabled =
            variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match variable("OTEL_TRACES_EXPORTER") {
            Some("none") => return Ok(None),
            None | Some("otlp") => {}
            Some(other) => return Err(TraceError::UnknownExporter(other.to_owned())),
        }
        let Some(endpoint) = ENDPOINTS
            .into_iter()
            .find(|name| variable(name).is_some())
            .filter(|_| !disabled)
        else {
            return Ok(None);
        };
        if variable(endpoint).is_some_and(|url| url.starts_with("https:")) {
            return Err(TraceError::Https(endpoint));
        }
        let exporter = Edges::new(SpanExporter::builder().build()?);
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("orquestrador");
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider, budget }))
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

    /// Sends what is waiting, within the budget, and ends the export.
    pub async fn shutdown(self) {
        // Called inline it would wait for a runtime that it blocks, and lose every span.
        let ended =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(self.budget))
                .await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "spans were lost at the end");
        }
    }
}

/// Says once that the export fails, and once that it works again: a collector that is down must not be silent, nor
/// fill the log.
#[derive(Debug)]
struct Edges {
    exporter: SpanExporter,
    is_failing: AtomicBool,
}

impl Edges {
    fn new(exporter: SpanExporter) -> Self {
        Self {
            exporter,
            is_failing: AtomicBool::new(false),
        }
    }
}

impl Exporter for Edges {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let result = self.exporter.export(batch).await;
        match &result {
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!("traços não podem ser exportados ({count} perdidos): {error}");
            }
            Ok(()) if self.is_failing.swap(false, Ordering::Relaxed) => {
                tracing::warn!("a exportação de traços voltou a funcionar");
            }
            Ok(()) | Err(_) => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
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
