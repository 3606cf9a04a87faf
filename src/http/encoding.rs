//! Bytes as an answer, compressed when the reader takes that. Refuses to know what they say.

use std::io::{self, Write as _};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::telemetry::exposition::accepts_gzip;

/// `bytes` of this kind.
pub(super) fn answer(bytes: Vec<u8>, kind: &'static str, asked: &HeaderMap) -> Response {
    let is_gzip = accepts_gzip(&joined(asked, &header::ACCEPT_ENCODING));
    let compressed = is_gzip.then(|| gzip(&bytes)).and_then(Result::ok);
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, kind);
    set(header::VARY, "Accept-Encoding");
    if compressed.is_some() {
        set(header::CONTENT_ENCODING, "gzip");
    }
    (headers, compressed.unwrap_or(bytes)).into_response()
}

/// A header that came in several lines is one list (RFC 9110, section 5.3).
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
