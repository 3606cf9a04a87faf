//! Documents of the store as they are looked at: a comparison's report, confined; the problems of a template's tags.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::SignedDuration;

use crate::docx::tags::{self, Problem};
use crate::docx::{self, Limits};
use crate::domain::Clock;
use crate::records::{FileId, Records};

/// Nothing runs, nothing is loaded, and it has no origin: a report is made of what strangers wrote. Its one style is its own.
const CONFINED: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
/// The time that reading a template may take.
const BUDGET: SignedDuration = SignedDuration::from_secs(10);

/// Makes an answer one that browsers show as a thing apart.
pub(super) fn confine(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, CONFINED);
    let same = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-opener-policy", same.clone());
    headers.insert("cross-origin-resource-policy", same);
}

/// What is wrong with the tags of the document `file`; the error is for people.
pub(super) fn problems(
    records: &mut dyn Records,
    file: &str,
    clock: &Clock,
) -> Result<Vec<Problem>, String> {
    let limits = Limits::default();
    let file = FileId(file.to_owned());
    let bytes = records.read_file(&file, limits.file_bytes);
    let bytes = bytes.map_err(|error| error.to_string())?;
    let end = clock
        .now()
        .checked_add(BUDGET)
        .unwrap_or(jiff::Timestamp::MAX);
    let document = docx::read_until(&bytes, &limits, &|| clock.now() > end);
    let document = document.map_err(|error| error.to_string())?;
    Ok(tags::extract(&document).problems)
}
