//! Deletes what is older or more than what is kept. The last states are never touched.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::error::HistoryError;
use super::rows::nanos;

/// Runs that one step deletes, at most: it must not keep the writer for long.
const STEP: u64 = 1000;

/// What is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Runs that are older are deleted.
    pub age: Duration,
    /// Runs beyond this number are deleted, oldest first.
    pub runs: u64,
    /// How many there are; unknown before the first look.
    count: Option<u64>,
}

impl Retention {
    /// Keeps at most `runs` runs, none older than `age`.
    #[must_use]
    pub fn new(age: Duration, runs: u64) -> Self {
        Self {
            age,
            runs,
            count: None,
        }
    }
}

/// Deletes at most [`STEP`] runs; `added` were written since the last call. True when something was deleted.
pub(super) fn prune(
    connection: &mut Connection,
    retention: &mut Retention,
    added: u64,
    now: Timestamp,
) -> Result<bool, HistoryError> {
    let count = if let Some(count) = retention.count {
        count + added
    } else {
        let count: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
        u64::try_from(count).unwrap_or_default()
    };
    retention.count = Some(count);
    let age = SignedDuration::try_from(retention.age).unwrap_or(SignedDuration::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let excess = count.saturating_sub(retention.runs).min(STEP);
    let deleted = delete(connection, nanos(oldest), excess)?;
    retention.count = Some(count.saturating_sub(deleted));
    Ok(deleted > 0)
}

/// Deletes, of the [`STEP`] oldest runs, those that began before `oldest`, and the `excess` oldest ones.
fn delete(connection: &mut Connection, oldest: i64, excess: u64) -> Result<u64, HistoryError> {
    let transaction = connection.transaction()?;
    let last: Option<String> = transaction
        .prepare_cached(
            "SELECT max(id) FROM (
                 SELECT id, started_at, row_number() OVER (ORDER BY id) AS place
                 FROM (SELECT id, started_at FROM runs ORDER BY id LIMIT ?1)
             ) WHERE place <= ?2 OR started_at < ?3",
        )?
        .query_row(
            params![STEP.cast_signed(), excess.cast_signed(), oldest],
            |row| row.get(0),
        )?;
    let Some(last) = last else {
        return Ok(0);
    };
    for sql in [
        "DELETE FROM attempts WHERE run IN (SELECT id FROM runs WHERE id <= ?1 AND outcome IS NOT NULL)",
        "DELETE FROM outputs WHERE run IN (SELECT id FROM runs WHERE id <= ?1 AND outcome IS NOT NULL)",
    ] {
        transaction.prepare_cached(sql)?.execute([&last])?;
    }
    let deleted = transaction
        .prepare_cached("DELETE FROM runs WHERE id <= ?1 AND outcome IS NOT NULL")?
        .execute([&last])?;
    transaction
        .prepare_cached(
            "DELETE FROM cycles WHERE outcome IS NOT NULL
                 AND id < coalesce((SELECT cycle FROM runs ORDER BY id LIMIT 1), ?1)",
        )?
        .execute([&last])?;
    transaction.commit()?;
    Ok(deleted as u64)
}
