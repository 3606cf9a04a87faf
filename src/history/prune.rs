//! Deletes what is older or more than what is kept. The last states are never touched.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::HistoryError;
use super::rows::nanos;

/// Runs that one step deletes, at most: it must not keep the writer for long.
const STEP: u64 = 1000;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Runs that are older are deleted.
    pub age: Duration,
    /// Runs beyond this number are deleted, oldest first.
    pub runs: u64,
}

/// Deletes at most [`STEP`] runs. True when something was deleted.
///
/// Looks at the oldest and the newest run only, so that the end of a short process costs the same however much is kept.
pub(super) fn prune(
    connection: &mut Connection,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, HistoryError> {
    // A run that is open for long may be older than all that is kept.
    let oldest = end_of(connection, "WHERE outcome IS NOT NULL ORDER BY id")?;
    let Some((began, first)) = oldest else {
        return Ok(false);
    };
    let newest = end_of(connection, "ORDER BY id DESC")?;
    let last = newest.map_or(first, |(_, sequence)| sequence);
    let count = u64::try_from(last - first + 1).unwrap_or_default();
    let excess = count.saturating_sub(retention.runs).min(STEP);
    let age = SignedDuration::try_from(retention.age).unwrap_or(SignedDuration::MAX);
    let limit = nanos(now.checked_sub(age).unwrap_or(Timestamp::MIN));
    if excess == 0 && began >= limit {
        return Ok(false);
    }
    Ok(delete(connection, limit, excess)? > 0)
}

/// The beginning and the sequence number of the first run of an order.
fn end_of(connection: &Connection, order: &str) -> Result<Option<(i64, i64)>, HistoryError> {
    let sql = format!("SELECT started_at, sequence FROM runs {order} LIMIT 1");
    let found = connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
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
