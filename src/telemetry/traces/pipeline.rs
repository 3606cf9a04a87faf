//! Between our spans and the collector: an admission before the SDK's queue, and a count after each batch. The SDK's
//! own count of what it drops is private.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Edge};
use crate::domain::Mask;

/// Lets no more spans in than the queue behind it holds, so that the queue itself never drops one.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) account: Account,
    pub(super) queue: BatchSpanProcessor,
}

impl SpanProcessor for Admission {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let (is_admitted, edge) = self.account.admit();
        if is_admitted {
            self.queue.on_end(span);
        }
        tell(&self.account, &edge);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.account.close();
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what became of each batch of spans.
#[derive(Debug)]
pub(super) struct Counting<E> {
    pub(super) exporter: E,
    pub(super) sending: Sending,
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.sending.send(count, self.exporter.export(batch)).await
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

/// How batches are sent: within which time, and into which account.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) account: Account,
    pub(super) mask: Mask,
    pub(super) limit: Duration,
    /// Who keeps time.
    pub(super) runtime: Handle,
    /// Nothing more is waited for.
    pub(super) abandoned: CancellationToken,
}

impl Sending {
    /// Waits for `export` of `count` spans or lines, and counts how it ended.
    pub(super) async fn send(
        &self,
        count: usize,
        export: impl Future<Output = OTelSdkResult>,
    ) -> OTelSdkResult {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let result = if self.abandoned.is_cancelled() {
            Err(OTelSdkError::Timeout(self.limit))
        } else {
            self.bounded(export).await
        };
        let edge = match &result {
            Ok(()) => self.account.exported(count),
            Err(error) => self
                .account
                .failed(count, &self.mask.apply(&error.to_string())),
        };
        tell(&self.account, &edge);
        result
    }

    /// The exporters bound a request, but over gRPC not the wait for a connection (seen: as long as the kernel tries).
    async fn bounded(&self, export: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let limit = {
            let _runtime = self.runtime.enter();
            tokio::time::sleep(self.limit)
        };
        let given_up = async {
            tokio::select! {
                () = limit => {}
                () = self.abandoned.cancelled() => {}
            }
        };
        match select(pin!(export), pin!(given_up)).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(OTelSdkError::Timeout(self.limit)),
        }
    }
}

/// Says once that something is being lost, and once that it arrives again: a collector that is down must not be
/// silent, nor fill the log.
pub(super) fn tell(account: &Account, edge: &Edge) {
    let what = account.what();
    match edge {
        Edge::None => {}
        Edge::Degraded => {
            let counts = account.counts();
            let (lost, state) = (counts.failed + counts.dropped, counts.state);
            if let super::ExportState::Degraded { error, .. } = state {
                tracing::warn!("{what} não podem ser exportados ({lost} perdidos): {error}");
            }
        }
        Edge::Recovered => tracing::warn!("a exportação de {what} voltou a funcionar"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::ExportState;
    use super::super::{sending, settings};
    use super::*;
    use crate::domain::{Clock, samples};

    #[tokio::test]
    async fn an_error_that_repeats_the_address_with_its_password_is_kept_without_it() {
        let endpoint = "http://usuario:senhasecreta@coletor:4318";
        let variable = |name: &str| (name == settings::TRACES.endpoint).then_some(endpoint);
        let asked = settings::read(settings::TRACES, variable);
        let asked = asked.expect("understood").expect("an export");
        let known = Mask::new([("OTEL_EXPORTER_OTLP_HEADERS", "abcdefgh")], &[]);
        let clock = Clock::new(samples::instant);
        let sending = sending(&asked, "traços", (clock, &known));
        let text = format!("{endpoint} refused abcdefgh: 401, senhasecreta");
        let refused = async { Err(OTelSdkError::InternalFailure(text)) };
        sending.send(1, refused).await.expect_err("refused");
        let ExportState::Degraded { error, .. } = sending.account.counts().state else {
            panic!("{:?}", sending.account.counts());
        };
        assert!(
            error.contains("http://***@coletor:4318 refused ***: 401, ***"),
            "{error}"
        );
    }
}
