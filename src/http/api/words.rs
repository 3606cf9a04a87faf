//! What answers have in common: instants, and the closed sets as the document lists them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use crate::domain::{Mode, Outcome, Schedule, Stream, Trigger};

/// RFC 3339, with milliseconds and the offset of the server's zone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(format = DateTime)]
pub(in crate::http) struct Stamp(String);

impl Stamp {
    pub(in crate::http) fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        Self(local.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
    }
}

/// A string of a closed set.
fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Object {
    let words = words.into_iter().map(Value::from);
    let builder = ObjectBuilder::new().schema_type(Type::String);
    builder.enum_values(Some(words)).build()
}

/// One of a closed set, or null.
fn word_or_null<'a>(words: impl IntoIterator<Item = &'a str>) -> Object {
    let words = words.into_iter().map(Value::from);
    let types = SchemaType::from_iter([Type::String, Type::Null]);
    let builder = ObjectBuilder::new().schema_type(types);
    builder
        .enum_values(Some(words.chain([Value::Null])))
        .build()
}

pub(in crate::http) fn outcome() -> Object {
    word(Outcome::LABELS)
}

pub(in crate::http) fn outcome_or_null() -> Object {
    word_or_null(Outcome::LABELS)
}

pub(in crate::http) fn reason_or_null() -> Object {
    let reasons = Outcome::FAILURE_REASONS.into_iter();
    let reasons = reasons
        .chain(Outcome::SKIP_REASONS)
        .chain(Outcome::CANCEL_REASONS);
    word_or_null(reasons)
}

pub(in crate::http) fn health() -> Object {
    word(["healthy", "degraded", "unhealthy"])
}

pub(in crate::http) fn phase() -> Object {
    word(["running", "paused", "stopping"])
}

pub(in crate::http) fn mode_word() -> Object {
    word([Mode::Parallel, Mode::Sequential].map(Mode::word))
}

pub(in crate::http) fn export_state() -> Object {
    word(["disabled", "ok", "degraded"])
}

pub(in crate::http) fn stream() -> Object {
    word([Stream::Stdout, Stream::Stderr].map(Stream::label))
}

pub(super) fn mode() -> Object {
    word([Mode::Parallel, Mode::Sequential].map(Mode::label))
}

pub(super) fn schedule() -> Object {
    word(Schedule::ALL.map(Schedule::label))
}

pub(super) fn trigger() -> Object {
    let triggers = [
        Trigger::Startup,
        Trigger::Interval,
        Trigger::Cron,
        Trigger::Signal,
        Trigger::Catchup,
    ];
    word(triggers.map(Trigger::label))
}

pub(super) fn notice() -> Object {
    word(["never", "skipped", "repeated", "dependency"])
}
