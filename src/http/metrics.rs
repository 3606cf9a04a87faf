//! `/metrics`: the format and the encoding that the reader asks for. Refuses to know what is in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::{Views, encoding};
use crate::telemetry::exposition::Format;

/// The metrics, in the format that the reader asks for
#[utoipa::path(get, path = "/metrics", tag = "métricas", responses(
    (status = 200, description = "Prometheus text or OpenMetrics; gzip when it is accepted", content(
        (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn metrics(State(views): State<Arc<Views>>, asked: HeaderMap) -> Response {
    let format = Format::negotiated(&encoding::joined(&asked, &header::ACCEPT));
    let text = views.metrics.render(format).into_bytes();
    let mut response = encoding::answer(text, format.content_type(), &asked);
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}
