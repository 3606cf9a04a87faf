//! What an earlier start left behind: its last states, and the runs that its death left open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::beginnings::Beginning;
use super::error::HistoryError;
use super::rows::{instant, nanos, open_cycle, open_run, read_main, read_states, write_state};
use crate::domain::{LostRun, ProcessorName, ProcessorState, Restored, RunId, TraceContext};

/// Reads the last states, and closes what is open as `error`/`lost`, once.
///
/// `configured` are the processors of this start; one that was never seen is seen from `now` on.
pub(super) fn restore(
    connection: &mut Connection,
    configured: &[ProcessorName],
    now: Timestamp,
) -> Result<Restored, HistoryError> {
    let transaction = connection.transaction()?;
    let mut known: BTreeMap<_, _> = read_states(&transaction)?.into_iter().collect();
    let mut main = read_main(&transaction)?;
    let mut is_clamped = main.clamp(now);
    for state in known.values_mut() {
        is_clamped |= state.clamp(now);
    }
    let lost = close_open(&transaction, now)?;
    let mut starts = BTreeSet::new();
    for (run, cycle) in &lost {
        // Several runs of one start are one result.
        if !starts.insert((&run.processor, cycle)) {
            continue;
        }
        if let Some(state) = known.get_mut(&run.processor) {
            state.lost(run);
            write_state(&transaction, &run.processor, state)?;
        }
    }
    let mut processors = Vec::with_capacity(configured.len());
    for name in configured {
        let state = if let Some(state) = known.remove(name) {
            state
        } else {
            let state = ProcessorState::new(now);
            write_state(&transaction, name, &state)?;
            state
        };
        processors.push((name.clone(), state));
    }
    transaction.commit()?;
    Ok(Restored {
        processors,
        main,
        lost: lost.into_iter().map(|(run, _)| run).collect(),
        is_clamped,
    })
}

/// The runs that were open, each with the id of its cycle.
fn close_open(
    connection: &Connection,
    now: Timestamp,
) -> Result<Vec<(LostRun, String)>, HistoryError> {
    let (outcome, reason) = (LostRun::OUTCOME.label(), LostRun::OUTCOME.reason());
    let lost: Vec<(LostRun, String)> = {
        let mut select = connection.prepare(
            "SELECT id, processor, started_at, trace_id, span_id, cycle FROM runs WHERE outcome IS NULL ORDER BY id",
        )?;
        let rows = select.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get::<_, Option<String>>(4)?,
                row.get::<_, String>(5)?,
            ))
        })?;
        let mut lost = Vec::new();
        for row in rows {
            let (id, processor, started_at, trace, span, cycle) = row?;
            let run = LostRun {
                id: RunId::from_text(id),
                processor: ProcessorName::try_from(processor)
                    .map_err(|error| HistoryError::Unreadable(error.to_string()))?,
                started_at: instant(started_at),
                closed_at: now,
                trace: trace
                    .zip(span)
                    .and_then(|(trace, span)| TraceContext::from_hex(&trace, &span)),
            };
            lost.push((run, cycle));
        }
        lost
    };
    if !lost.is_empty() {
        connection.execute(
            "UPDATE runs SET outcome = ?1, reason = ?2, finished_at = ?3 WHERE outcome IS NULL",
            params![outcome, reason, nanos(now)],
        )?;
    }
    connection.execute(
        "UPDATE cycles SET outcome = ?1, finished_at = ?2 WHERE outcome IS NULL",
        params![outcome, nanos(now)],
    )?;
    Ok(lost)
}

/// Adds the runs that had begun when an earlier start was killed and that were not committed yet.
pub(super) fn add_beginnings(
    connection: &mut Connection,
    begun: &[Beginning],
) -> Result<(), HistoryError> {
    let transaction = connection.transaction()?;
    for beginning in begun {
        open_cycle(&transaction, &beginning.cycle)?;
        open_run(&transaction, beginning)?;
    }
    Ok(transaction.commit()?)
}

/// Whether a run is open, for those who must know before it is closed.
pub(super) fn open_runs(connection: &Connection) -> Result<Vec<RunId>, HistoryError> {
    let any: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM runs WHERE outcome IS NULL LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if any.is_none() {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare("SELECT id FROM runs WHERE outcome IS NULL")?;
    let ids = select.query_map([], |row| row.get(0).map(RunId::from_text))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
