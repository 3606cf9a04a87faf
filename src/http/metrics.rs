//! `/metrics`: the format and the encoding that the reader asks for. Refuses to know what is in it.

use std::io::{self, Write as _};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Views;
use crate::telemetry::exposition::{Format, accepts_gzip};

/// The metrics, in the format that the reader asks for
#[utoipa::path(get, path = "/metrics", tag = "métricas", responses(
    (status = 200, description = "Prometheus text or OpenMetrics; gzip when it is accepted", content(
        (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn metrics(State(views): State<Arc<Views>>, asked: HeaderMap) -> Response {
    let format = Format::negotiated(&joined(&asked, &header::ACCEPT));
    let text = views.metrics.render(format).into_bytes();
    let is_gzip = accepts_gzip(&joined(&asked, &header::ACCEPT_ENCODING));
    let compressed = is_gzip.then(|| gzip(&text)).and_then(Result::ok);
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, format.content_type());
    set(header::VARY, "Accept, Accept-Encoding");
    if compressed.is_some() {
        set(header::CONTENT_ENCODING, "gzip");
    }
    (headers, compressed.unwrap_or(text)).into_response()
}

/// A header that came in several lines is one list (RFC 9110, section 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
