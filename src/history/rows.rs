//! Facts as rows, and rows as states. Knows the tables, not when they are written.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde_json::json;

use super::beginnings::Beginning;
use super::error::HistoryError;
use crate::domain::{
    Cycle, CycleStart, LastResult, LostRun, MainCycleState, Outcome, OutputLine, ProcessorName,
    ProcessorState, Run, RunId,
};

/// Bytes of a run's output that are kept: half of it head, half tail.
const MAX_OUTPUT: usize = 64 * 1024;

/// Nanoseconds since the epoch (until the year 2262).
pub(super) fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// The instant that was written as [`nanos`].
pub(super) fn instant(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The duration that was written as [`length`].
pub(super) fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn open_cycle(connection: &Connection, start: &CycleStart) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO cycles (id, number, schedule, mode, trigger, started_at, trace_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            start.id,
            integer(start.number),
            start.schedule.label(),
            start.mode.label(),
            start.trigger.label(),
            nanos(start.started_at),
            start.trace.map(|trace| trace.trace_id_hex()),
        ])?;
    Ok(())
}

pub(super) fn close_cycle(connection: &Connection, cycle: &Cycle) -> rusqlite::Result<()> {
    open_cycle(connection, &cycle.start)?;
    connection
        .prepare_cached(
            "UPDATE cycles SET finished_at = ?2, duration = ?3, outcome = ?4 WHERE id = ?1",
        )?
        .execute(params![
            cycle.start.id,
            nanos(cycle.finished_at),
            length(cycle.duration),
            cycle.outcome.label(),
        ])?;
    Ok(())
}

pub(super) fn open_run(connection: &Connection, start: &Beginning) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO runs
                 (id, cycle, cycle_number, processor, started_at, queue_wait, trace_id, span_id, instance, instances, sequence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                 coalesce((SELECT sequence FROM runs ORDER BY id DESC LIMIT 1), 0) + 1)",
        )?
        .execute(params![
            start.id.as_str(),
            start.cycle.id,
            integer(start.cycle.number),
            start.processor.as_str(),
            nanos(start.started_at),
            length(start.queue_wait),
            start.trace.map(|trace| trace.trace_id_hex()),
            start.trace.map(|trace| trace.span_id_hex()),
            start.instance.number,
            start.instance.of,
        ])?;
    Ok(())
}

/// Closes a run; one whose beginning was not written down is written whole.
pub(super) fn close_run(connection: &Connection, run: &Run) -> rusqlite::Result<()> {
    if update_run(connection, run)? == 0 {
        open_run(connection, &run.start.as_ref().into())?;
        update_run(connection, run)?;
    }
    let (id, result) = (run.start.id.as_str(), &run.result);
    // One attempt says nothing that the run does not say.
    if result.attempts.len() > 1 {
        write_attempts(connection, run)?;
    }
    if !result.output.is_empty() {
        connection
            .prepare_cached("INSERT OR REPLACE INTO outputs (run, lines) VALUES (?1, ?2)")?
            .execute(params![id, output_text(&result.output)])?;
    }
    Ok(())
}

/// How many rows it changed: none when the beginning is not there.
fn update_run(connection: &Connection, run: &Run) -> rusqlite::Result<usize> {
    let result = &run.result;
    let usage = result.usage;
    connection
        .prepare_cached(
            "UPDATE runs SET finished_at = ?2, duration = ?3, outcome = ?4, reason = ?5, exit_code = ?6,
                 attempts = ?7, cpu_user = ?8, cpu_system = ?9, max_rss_bytes = ?10, stdout_bytes = ?11,
                 stderr_bytes = ?12, escaped = ?13, kill_escalated = ?14, summary = ?15
             WHERE id = ?1",
        )?
        .execute(params![
            run.start.id.as_str(),
            nanos(run.finished_at),
            length(result.duration),
            result.outcome.label(),
            result.outcome.reason(),
            result.exit_code,
            integer(result.attempts.len() as u64),
            length(usage.cpu_user),
            length(usage.cpu_system),
            integer(usage.max_rss_bytes),
            integer(result.stdout.bytes),
            integer(result.stderr.bytes),
            result.escaped.count,
            result.kill_escalated,
            run.summary(),
        ])
}

fn write_attempts(connection: &Connection, run: &Run) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO attempts
             (run, number, started_at, duration, outcome, reason, exit_code, cpu_user, cpu_system, max_rss_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for attempt in &run.result.attempts {
        insert.execute(params![
            run.start.id.as_str(),
            attempt.number,
            nanos(attempt.started_at),
            length(attempt.duration),
            attempt.outcome.label(),
            attempt.outcome.reason(),
            attempt.exit_code,
            length(attempt.usage.cpu_user),
            length(attempt.usage.cpu_system),
            integer(attempt.usage.max_rss_bytes),
        ])?;
    }
    Ok(())
}

/// Whether a run is not known, open, or was given up as lost.
pub(super) fn is_unended(connection: &Connection, id: &RunId) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached("SELECT outcome, reason FROM runs WHERE id = ?1")?;
    let mut rows = select.query([id.as_str()])?;
    let Some(row) = rows.next()? else {
        return Ok(true);
    };
    let (outcome, reason): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
    let lost = (LostRun::OUTCOME.label(), LostRun::OUTCOME.reason());
    Ok(outcome.is_none_or(|outcome| (outcome.as_str(), reason.as_deref()) == lost))
}

/// Lines of JSON, `[nanoseconds, stream, text]`: the first and the last ones that fit.
fn output_text(lines: &[OutputLine]) -> String {
    let mut head = String::new();
    let mut taken = 0;
    let line_of = |line: &OutputLine| {
        json!([nanos(line.at), line.stream.label(), line.text]).to_string() + "\n"
    };
    for line in lines {
        let text = line_of(line);
        if head.len() + text.len() > MAX_OUTPUT / 2 {
            break;
        }
        head.push_str(&text);
        taken += 1;
    }
    let mut tail = Vec::new();
    let mut size = 0;
    for line in lines.iter().skip(taken).rev() {
        let text = line_of(line);
        size += text.len();
        if size > MAX_OUTPUT / 2 {
            break;
        }
        tail.push(text);
    }
    tail.reverse();
    head + &tail.concat()
}

/// Writes the last states of a processor.
pub(super) fn write_state(
    connection: &Connection,
    name: &ProcessorName,
    state: &ProcessorState,
) -> rusqlite::Result<()> {
    let result = state.last_result.as_ref();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO processor_states VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            name.as_str(),
            nanos(state.first_seen),
            state.last_start.map(nanos),
            state.last_completion.map(nanos),
            state.last_success.map(nanos),
            state.last_failure.map(nanos),
            state.failing_since.map(nanos),
            integer(state.consecutive_failures),
            state.last_outcome.map(Outcome::label),
            state.last_outcome.and_then(Outcome::reason),
            result.map(|result| result.outcome.label()),
            result.and_then(|result| result.outcome.reason()),
            result.map(|result| length(result.duration)),
            result.map(|result| length(result.attempt_duration)),
            result.and_then(|result| result.exit_code),
            result.map(|result| integer(result.max_rss_bytes)),
        ])?;
    Ok(())
}

/// Every state that was written, also of processors that are configured no more.
pub(super) fn read_states(
    connection: &Connection,
) -> Result<Vec<(ProcessorName, ProcessorState)>, HistoryError> {
    let mut select = connection.prepare("SELECT * FROM processor_states")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, state(row)?)))?;
    let mut states = Vec::new();
    for row in rows {
        let (name, state) = row?;
        let name = ProcessorName::try_from(name)
            .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
        states.push((name, state));
    }
    Ok(states)
}

fn state(row: &Row<'_>) -> rusqlite::Result<ProcessorState> {
    let at =
        |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(instant));
    let exit_code: Option<i32> = row.get(14)?;
    let outcome = |label: usize, reason: usize| {
        let label: Option<String> = row.get(label)?;
        let reason: Option<String> = row.get(reason)?;
        let outcome =
            label.and_then(|label| Outcome::from_words(&label, reason.as_deref(), exit_code));
        Ok::<_, rusqlite::Error>(outcome)
    };
    let last_result = match outcome(10, 11)? {
        Some(outcome) => Some(LastResult {
            outcome,
            duration: duration(row.get(12)?),
            attempt_duration: duration(row.get(13)?),
            exit_code,
            max_rss_bytes: u64::try_from(row.get::<_, i64>(15)?).unwrap_or_default(),
        }),
        None => None,
    };
    Ok(ProcessorState {
        first_seen: instant(row.get(1)?),
        last_start: at(2)?,
        last_completion: at(3)?,
        last_success: at(4)?,
        last_failure: at(5)?,
        failing_since: at(6)?,
        consecutive_failures: u64::try_from(row.get::<_, i64>(7)?).unwrap_or_default(),
        last_outcome: outcome(8, 9)?,
        last_result,
        open_set: None,
    })
}

pub(super) fn write_main(connection: &Connection, state: &MainCycleState) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO main_cycle_state VALUES (1, ?1, ?2, ?3, ?4)")?
        .execute(params![
            state.last_start.map(nanos),
            state.last_completion.map(nanos),
            state.last_success.map(nanos),
            state.last_duration.map(length),
        ])?;
    Ok(())
}

pub(super) fn read_main(connection: &Connection) -> rusqlite::Result<MainCycleState> {
    let mut select = connection.prepare("SELECT * FROM main_cycle_state")?;
    let mut rows = select.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(MainCycleState::default());
    };
    Ok(MainCycleState {
        last_start: row.get::<_, Option<i64>>(1)?.map(instant),
        last_completion: row.get::<_, Option<i64>>(2)?.map(instant),
        last_success: row.get::<_, Option<i64>>(3)?.map(instant),
        last_duration: row.get::<_, Option<i64>>(4)?.map(duration),
    })
}
