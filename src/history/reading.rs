//! What people ask the history, also while a daemon writes it. Opens nothing for writing.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::HistoryError;
use super::rows::{duration, instant};
use super::schema;
use crate::domain::ProcessorName;

/// A run as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRun {
    /// Its id.
    pub id: String,
    /// Number of its cycle.
    pub cycle: u64,
    /// The processor's name.
    pub processor: String,
    /// Which of the runs of its start it is, from 1, and how many there were.
    pub instance: (u64, u64),
    /// The outcome's word; none while it is open.
    pub outcome: Option<String>,
    /// The reason's word.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// First attempt's start to last attempt's end; none while it is open or when it was lost.
    pub duration: Option<Duration>,
    /// From ready to started.
    pub queue_wait: Duration,
    /// Exit code, 128+n for signal n.
    pub exit_code: Option<i32>,
    /// Processes that were started for it.
    pub attempts: u64,
    /// CPU time in user mode and in the kernel.
    pub cpu: (Duration, Duration),
    /// Peak resident memory, bytes.
    pub max_rss_bytes: u64,
    /// Bytes written to standard output and to standard error.
    pub output_bytes: (u64, u64),
    /// Processes that outlived it and were ended.
    pub escaped: u64,
    /// The line that it left for people.
    pub summary: Option<String>,
    /// Its trace, when it was recorded.
    pub trace_id: Option<String>,
}

/// One attempt of a run that had several.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedAttempt {
    /// Counted from 1.
    pub number: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// From its start to its end.
    pub duration: Duration,
    /// The outcome's word.
    pub outcome: String,
    /// The reason's word.
    pub reason: Option<String>,
    /// Exit code, 128+n for signal n.
    pub exit_code: Option<i32>,
}

/// A kept line of output.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedLine {
    /// When it was read.
    pub at: Timestamp,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Masked.
    pub text: String,
}

/// All that is known of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetails {
    /// The run.
    pub run: RecordedRun,
    /// Its attempts; empty when it made one only.
    pub attempts: Vec<RecordedAttempt>,
    /// Its kept output.
    pub output: Vec<RecordedLine>,
}

/// What the search for a run found.
#[derive(Debug)]
pub enum Found {
    /// None.
    Nothing,
    /// This one.
    One(Box<RunDetails>),
    /// Several begin like that.
    Several,
}

/// The history of a data directory, for reading.
pub struct HistoryReader(Option<Connection>);

pub(super) const COLUMNS: &str = "id, cycle_number, processor, outcome, reason, started_at, finished_at, duration, queue_wait, \
    exit_code, attempts, cpu_user, cpu_system, max_rss_bytes, stdout_bytes, stderr_bytes, escaped, summary, trace_id, \
    instance, instances";

impl HistoryReader {
    /// Opens `path`; one that does not exist is an empty history.
    ///
    /// # Errors
    ///
    /// A file that is no database, or one of a newer program.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        schema::open_for_reading(path).map(Self)
    }

    /// The database; none where there is no file.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.0.as_ref()
    }

    /// The newest runs, newest first; of one processor when given.
    ///
    /// # Errors
    ///
    /// What `SQLite` says.
    pub fn latest(
        &self,
        limit: usize,
        processor: Option<&ProcessorName>,
    ) -> Result<Vec<RecordedRun>, HistoryError> {
        let Some(connection) = &self.0 else {
            return Ok(Vec::new());
        };
        let condition = if processor.is_some() {
            "WHERE processor = ?2"
        } else {
            "WHERE ?2 IS NULL"
        };
        let sql = format!("SELECT {COLUMNS} FROM runs {condition} ORDER BY id DESC LIMIT ?1");
        let mut select = connection.prepare(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = select.query_map(params![limit, processor.map(ProcessorName::as_str)], run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The run whose id is or begins with `id`.
    ///
    /// # Errors
    ///
    /// What `SQLite` says, or output that cannot be read.
    pub fn find(&self, id: &str) -> Result<Found, HistoryError> {
        let Some(connection) = &self.0 else {
            return Ok(Found::Nothing);
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2"
        );
        let mut select = connection.prepare(&sql)?;
        let rows = select.query_map([id], run)?;
        let mut runs = rows.collect::<Result<Vec<_>, _>>()?;
        let (Some(found), is_alone) = (runs.pop(), runs.is_empty()) else {
            return Ok(Found::Nothing);
        };
        if !is_alone {
            return Ok(Found::Several);
        }
        Ok(Found::One(Box::new(RunDetails {
            attempts: attempts(connection, &found.id)?,
            output: output(connection, &found.id)?,
            run: found,
        })))
    }
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<RecordedRun> {
    Ok(RecordedRun {
        id: row.get(0)?,
        cycle: count(row, 1)?,
        processor: row.get(2)?,
        outcome: row.get(3)?,
        reason: row.get(4)?,
        started_at: instant(row.get(5)?),
        finished_at: row.get::<_, Option<i64>>(6)?.map(instant),
        duration: row.get::<_, Option<i64>>(7)?.map(duration),
        queue_wait: duration(row.get(8)?),
        exit_code: row.get(9)?,
        attempts: count(row, 10)?,
        cpu: (duration(row.get(11)?), duration(row.get(12)?)),
        max_rss_bytes: count(row, 13)?,
        output_bytes: (count(row, 14)?, count(row, 15)?),
        escaped: count(row, 16)?,
        summary: row.get(17)?,
        trace_id: row.get(18)?,
        instance: (count(row, 19)?, count(row, 20)?),
    })
}

fn attempts(connection: &Connection, id: &str) -> Result<Vec<RecordedAttempt>, HistoryError> {
    let mut select = connection.prepare(
        "SELECT number, started_at, duration, outcome, reason, exit_code FROM attempts WHERE run = ?1 ORDER BY number",
    )?;
    let rows = select.query_map([id], |row| {
        Ok(RecordedAttempt {
            number: count(row, 0)?,
            started_at: instant(row.get(1)?),
            duration: duration(row.get(2)?),
            outcome: row.get(3)?,
            reason: row.get(4)?,
            exit_code: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn output(connection: &Connection, id: &str) -> Result<Vec<RecordedLine>, HistoryError> {
    let text: Option<String> = connection
        .query_row("SELECT lines FROM outputs WHERE run = ?1", [id], |row| {
            row.get(0)
        })
        .optional()?;
    let line = |line: &str| {
        let (at, stream, text): (i64, String, String) = serde_json::from_str(line)
            .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
        Ok(RecordedLine {
            at: instant(at),
            stream,
            text,
        })
    };
    text.unwrap_or_default().lines().map(line).collect()
}
