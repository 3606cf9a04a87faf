//! Traces that come from elsewhere: the parent that we were started with, and the cycle before.

use std::str::FromStr as _;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, ContextGuard};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::domain::TraceContext;

/// A span of another process.
#[derive(Debug, Clone)]
pub struct RemoteParent(Context);

impl RemoteParent {
    /// The parent that `TRACEPARENT` and `TRACESTATE` name (W3C Trace Context); none when the first is not right. A
    /// state that is not right is left out, as the standard wants it.
    #[must_use]
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let parent = TraceContext::from_traceparent(traceparent)?;
        let state = tracestate.and_then(|state| TraceState::from_str(state).ok());
        let context = span_context(parent, state.unwrap_or_default());
        Some(Self(Context::new().with_remote_span_context(context)))
    }

    /// Makes it the parent of `span`, which nobody has entered yet.
    pub fn adopt(&self, span: &Span) {
        if let Err(error) = span.set_parent(self.0.clone()) {
            tracing::debug!(%error, "a span keeps its own trace");
        }
    }

    /// Makes it the parent of every span of this thread that has none, as long as the answer lives.
    #[must_use]
    pub fn enter(&self) -> ContextGuard {
        self.0.clone().attach()
    }
}

/// Links `span` to one that came before it.
pub fn link(span: &Span, earlier: TraceContext) {
    span.add_link(span_context(earlier, TraceState::default()));
}

fn span_context(of: TraceContext, state: TraceState) -> SpanContext {
    let flags = if of.sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    SpanContext::new(
        TraceId::from(of.trace_id),
        SpanId::from(of.span_id),
        flags,
        true,
        state,
    )
}
