//! Who works on what: pending records, claims with a lease, tries. Every change is conditional on what it found.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::RecordsError;
use super::super::values::{
    Claim, ClaimResult, FileId, Pending, PendingModel, PendingVersion, QueueState, RecordId,
};
use super::super::vocabulary::{Collection, MAX_TRIES, State, Vocabulary};
use super::notes;
use super::{key, spelled, stamp};

/// A record waits if it has the trigger status, or runs and its lease (`?1`) has passed.
fn due(vocabulary: &Vocabulary, alias: &str) -> String {
    format!(
        "(lower({alias}.status) IN {} OR (lower({alias}.status) IN {} AND coalesce({alias}.date_updated, {alias}.date_created) < ?1))",
        spelled(vocabulary, State::Waiting),
        spelled(vocabulary, State::Running)
    )
}

pub(super) fn pending_models(
    connection: &Connection,
    vocabulary: &Vocabulary,
    limit: usize,
    cutoff: &str,
) -> Result<Pending<PendingModel>, RecordsError> {
    let due = due(vocabulary, "m");
    let ready = "m.arquivo_original IS NOT NULL AND m.arquivo_com_tags IS NOT NULL";
    let mut statement = connection.prepare(&format!(
        "SELECT m.id, m.nome, m.arquivo_original, m.arquivo_com_tags FROM modelo_contrato m
         WHERE {due} AND {ready} ORDER BY m.date_created, m.id LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![cutoff, row_limit(limit)], |row| {
        Ok(PendingModel {
            id: record_id(row, 0)?,
            name: row.get(1)?,
            original: FileId(row.get::<_, i64>(2)?.to_string()),
            tagged: FileId(row.get::<_, i64>(3)?.to_string()),
        })
    })?;
    let records = rows.collect::<Result<Vec<_>, _>>()?;
    let (all, waiting) = count(
        connection,
        &format!("modelo_contrato m WHERE {due}"),
        ready,
        cutoff,
    )?;
    Ok(Pending {
        records,
        waiting,
        blocked: all.saturating_sub(waiting),
    })
}

pub(super) fn pending_versions(
    connection: &Connection,
    vocabulary: &Vocabulary,
    limit: usize,
    cutoff: &str,
) -> Result<Pending<PendingVersion>, RecordsError> {
    let due = due(vocabulary, "v");
    let ready = format!(
        "lower(m.status) IN {}",
        spelled(vocabulary, State::Published)
    );
    let tables = format!(
        "versao v JOIN contrato c ON c.id = v.contrato JOIN modelo_contrato m ON m.id = c.modelo_contrato WHERE {due}"
    );
    let mut statement = connection.prepare(&format!(
        "SELECT v.id, v.versao, coalesce(nullif(c.numero, ''), c.titulo), v.arquivo, v.date_created FROM {tables} AND {ready}
         ORDER BY v.date_created, v.id LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![cutoff, row_limit(limit)], |row| {
        Ok(PendingVersion {
            id: record_id(row, 0)?,
            name: row.get(1)?,
            contract: row.get(2)?,
            file: row
                .get::<_, Option<i64>>(3)?
                .map(|file| FileId(file.to_string())),
            created: row.get(4)?,
        })
    })?;
    let records = rows.collect::<Result<Vec<_>, _>>()?;
    let (all, waiting) = count(connection, &tables, &ready, cutoff)?;
    Ok(Pending {
        records,
        waiting,
        blocked: all.saturating_sub(waiting),
    })
}

pub(super) fn state(
    connection: &Connection,
    vocabulary: &Vocabulary,
    collection: Collection,
    cutoff: &str,
) -> Result<QueueState, RecordsError> {
    let running = format!("lower(status) IN {}", spelled(vocabulary, State::Running));
    let is_stuck = "coalesce(date_updated, date_created) < ?1";
    let sql = format!(
        "SELECT count(*) FILTER (WHERE lower(status) IN {}),
             count(*) FILTER (WHERE {running} AND NOT {is_stuck}), count(*) FILTER (WHERE {running} AND {is_stuck})
         FROM {}",
        spelled(vocabulary, State::Waiting),
        collection.as_str()
    );
    let counts = connection.query_row(&sql, [cutoff], |row| {
        let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(QueueState {
            waiting: count(0)?,
            running: count(1)?,
            stuck: count(2)?,
        })
    })?;
    Ok(counts)
}

pub(super) fn claim(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (collection, id): (Collection, &RecordId),
    (now, cutoff): (Timestamp, &str),
) -> Result<ClaimResult, RecordsError> {
    let number = key(collection.label(), id)?;
    let Some(status) = due_status(connection, vocabulary, (collection, number), cutoff)? else {
        return Ok(ClaimResult::Taken);
    };
    let notes = notes::read(connection, collection, number)?;
    // Whoever asks for work again starts the count anew.
    let is_anew = vocabulary.read(&status) == State::Waiting && notes.tries >= MAX_TRIES;
    let tries = if is_anew { 0 } else { notes.tries };
    let stamp = stamp(now);
    if tries >= MAX_TRIES {
        let notes = notes.with_error(&format!("{MAX_TRIES} tentativas sem conclusão"));
        set_status(connection, collection, number, (&vocabulary.failed, &stamp))?;
        notes::write(connection, (collection, number), &notes)?;
        return Ok(ClaimResult::Exhausted);
    }
    set_status(
        connection,
        collection,
        number,
        (&vocabulary.running, &stamp),
    )?;
    notes::write(connection, (collection, number), &notes.tried(tries + 1))?;
    Ok(ClaimResult::Ours(Claim {
        collection,
        id: id.clone(),
        stamp,
        tries: tries + 1,
    }))
}

/// The status of a record that is due now; `None` if it is not. The caller's transaction holds the write lock, so
/// what is read here still holds when the claim is written.
fn due_status(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (collection, number): (Collection, i64),
    cutoff: &str,
) -> Result<Option<String>, RecordsError> {
    let sql = format!(
        "SELECT v.status FROM {} v WHERE v.id = ?2 AND {}",
        collection.as_str(),
        due(vocabulary, "v")
    );
    let found = connection.query_row(&sql, params![cutoff, number], |row| row.get(0));
    Ok(found.optional()?)
}

pub(super) fn release(
    connection: &Connection,
    vocabulary: &Vocabulary,
    claim: &Claim,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let number = require(connection, vocabulary, claim)?;
    set_status(
        connection,
        claim.collection,
        number,
        (&vocabulary.trigger, &stamp(now)),
    )?;
    let notes = notes::read(connection, claim.collection, number)?;
    let notes = notes.tried(claim.tries.saturating_sub(1));
    notes::write(connection, (claim.collection, number), &notes)
}

pub(super) fn fail(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (claim, reason): (&Claim, &str),
    now: Timestamp,
) -> Result<(), RecordsError> {
    let number = require(connection, vocabulary, claim)?;
    set_status(
        connection,
        claim.collection,
        number,
        (&vocabulary.failed, &stamp(now)),
    )?;
    let notes = notes::read(connection, claim.collection, number)?;
    notes::write(
        connection,
        (claim.collection, number),
        &notes.with_error(reason),
    )
}

/// Ends a claimed record as done, without tries and without the reason of an earlier failure.
pub(super) fn finish(
    connection: &Connection,
    vocabulary: &Vocabulary,
    claim: &Claim,
    now: Timestamp,
) -> Result<i64, RecordsError> {
    let number = require(connection, vocabulary, claim)?;
    set_status(
        connection,
        claim.collection,
        number,
        (&vocabulary.done, &stamp(now)),
    )?;
    forget(connection, claim.collection, number)?;
    Ok(number)
}

/// Forgets tries and errors: somebody set a status by hand.
pub(super) fn forget(
    connection: &Connection,
    collection: Collection,
    number: i64,
) -> Result<(), RecordsError> {
    let notes = notes::read(connection, collection, number)?;
    notes::write(connection, (collection, number), &notes.without_error())
}

/// The key of a claimed record, if the claim still holds.
fn require(
    connection: &Connection,
    vocabulary: &Vocabulary,
    claim: &Claim,
) -> Result<i64, RecordsError> {
    let number = key(claim.collection.label(), &claim.id)?;
    let (table, running) = (
        claim.collection.as_str(),
        spelled(vocabulary, State::Running),
    );
    let sql = format!(
        "SELECT 1 FROM {table} WHERE id = ?1 AND date_updated = ?2 AND lower(status) IN {running}"
    );
    let held = connection
        .query_row(&sql, params![number, claim.stamp], |_| Ok(()))
        .optional()?;
    let lost = || RecordsError::ClaimLost {
        collection: claim.collection.label(),
        id: claim.id.clone(),
    };
    held.map(|()| number).ok_or_else(lost)
}

fn set_status(
    connection: &Connection,
    collection: Collection,
    number: i64,
    (status, stamp): (&str, &str),
) -> Result<(), RecordsError> {
    let sql = format!(
        "UPDATE {} SET status = ?1, date_updated = ?2 WHERE id = ?3",
        collection.as_str()
    );
    connection.execute(&sql, params![status, stamp, number])?;
    Ok(())
}

/// How many rows there are, and how many of them are ready.
fn count(
    connection: &Connection,
    tables: &str,
    ready: &str,
    cutoff: &str,
) -> Result<(usize, usize), RecordsError> {
    let sql = format!("SELECT count(*), coalesce(sum({ready}), 0) FROM {tables}");
    let counts: (i64, i64) =
        connection.query_row(&sql, [cutoff], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((
        usize::try_from(counts.0).unwrap_or_default(),
        usize::try_from(counts.1).unwrap_or_default(),
    ))
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn record_id(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<RecordId> {
    Ok(RecordId(row.get::<_, i64>(column)?.to_string()))
}
