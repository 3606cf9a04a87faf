//! What is asked of the history over HTTP: runs by processor and outcome, a page at a time, and what came before this start.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::HistoryReader;
use super::error::HistoryError;
use super::reading::{COLUMNS, RecordedRun, run};
use super::rows::{duration, instant, nanos};
use crate::domain::{Outcome, ProcessorName, RunId};

/// Greater than every id.
pub(super) const AFTER_ALL: &str = "g";

/// Runs that are asked for; what is none is not asked.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this processor.
    pub processor: Option<ProcessorName>,
    /// With this outcome's word.
    pub outcome: Option<String>,
    /// Of the cycle with this id.
    pub cycle: Option<String>,
    /// Begun before this run.
    pub before: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A run that ended before this start, in brief.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// Its id.
    pub id: String,
    /// The processor's name.
    pub processor: ProcessorName,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// From the start of its first attempt to the end of its last.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

impl HistoryReader {
    /// The newest runs that fit, newest first.
    ///
    /// # Errors
    ///
    /// What `SQLite` says.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<RecordedRun>, HistoryError> {
        let Some(connection) = self.connection() else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE (?1 IS NULL OR processor = ?1) AND (?2 IS NULL OR outcome = ?2)
             AND id < ?3 AND (?5 IS NULL OR cycle = ?5) ORDER BY id DESC LIMIT ?4"
        );
        let mut select = connection.prepare(&sql)?;
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let processor = query.processor.as_ref().map(ProcessorName::as_str);
        let before = query.before.as_deref().unwrap_or(AFTER_ALL);
        let filters = params![processor, query.outcome, before, limit, query.cycle];
        let rows = select.query_map(filters, run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The latest runs that began since `since` and ended before `until`, at most `limit`, oldest first.
    ///
    /// # Errors
    ///
    /// What `SQLite` says.
    pub fn past(
        &self,
        (since, until): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<PastRun>, HistoryError> {
        let Some(connection) = self.connection() else {
            return Ok(Vec::new());
        };
        // Ids sort by time, so the order needs no index of its own.
        let mut select = connection.prepare(
            "SELECT id, processor, started_at, finished_at, duration, outcome, reason, exit_code FROM runs
             WHERE id >= ?1 AND finished_at < ?2 ORDER BY id DESC LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Of one millisecond, ids are in no order.
        let first = RunId::new(since.checked_sub(Duration::from_millis(1)).unwrap_or(since));
        let rows = select.query_map(params![first.as_str(), nanos(until), limit], past_run)?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().rev().flatten().collect())
    }
}

/// A row; none when no version of this program wrote it.
fn past_run(row: &Row<'_>) -> rusqlite::Result<Option<PastRun>> {
    let (outcome, reason): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    let outcome = Outcome::from_words(&outcome, reason.as_deref(), row.get(7)?);
    let processor = ProcessorName::try_from(row.get::<_, String>(1)?).ok();
    let (id, started_at, finished_at) = (row.get(0)?, row.get(2)?, row.get(3)?);
    let length: Option<i64> = row.get(4)?;
    Ok(outcome.zip(processor).map(|(outcome, processor)| PastRun {
        id,
        processor,
        started_at: instant(started_at),
        finished_at: instant(finished_at),
        duration: duration(length.unwrap_or_default()),
        outcome,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{rows, schema};
    use super::*;
    use crate::domain::{Run, samples};

    fn database(folder: &std::path::Path) -> std::path::PathBuf {
        let path = folder.join(super::super::DATABASE);
        let connection = schema::open_for_writing(&path).expect("opened");
        for index in 0..10 {
            let outcome = if index % 2 == 0 {
                Outcome::Success
            } else {
                Outcome::Timeout
            };
            let name = if index < 8 { "bom" } else { "ruim" };
            let mut run = Run::clone(&samples::run(name, outcome));
            let mut start = crate::domain::RunStart::clone(&run.start);
            start.started_at = samples::instant() + Duration::from_mins(index);
            start.id = RunId::new(start.started_at);
            run.finished_at = start.started_at + Duration::from_secs(1);
            run.start = std::sync::Arc::new(start);
            rows::close_run(&connection, &run).expect("written");
        }
        path
    }

    #[test]
    fn runs_are_found_by_processor_and_outcome_and_page_by_page() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = HistoryReader::open(&database(folder.path())).expect("opened");
        let mut query = RunQuery {
            processor: ProcessorName::try_from("bom".to_owned()).ok(),
            outcome: Some("timeout".to_owned()),
            limit: 3,
            ..RunQuery::default()
        };
        let first = reader.runs(&query).expect("runs");
        let minutes = |runs: &[RecordedRun]| -> Vec<i64> {
            let since = |run: &RecordedRun| {
                (run.started_at.as_second() - samples::instant().as_second()) / 60
            };
            runs.iter().map(since).collect()
        };
        assert_eq!(minutes(&first), [7, 5, 3]);
        query.before = first.last().map(|run| run.id.clone());
        assert_eq!(minutes(&reader.runs(&query).expect("runs")), [1]);
    }

    #[test]
    fn the_past_is_what_began_since_and_ended_before_oldest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = HistoryReader::open(&database(folder.path())).expect("opened");
        let minute = |minute| samples::instant() + Duration::from_mins(minute);
        let past = reader.past((minute(2), minute(6)), 100).expect("runs");
        let starts: Vec<_> = past.iter().map(|run| run.started_at).collect();
        assert_eq!(starts, [2, 3, 4, 5].map(minute));
        assert_eq!(past.first().map(|run| run.outcome), Some(Outcome::Success));
        assert_eq!(
            reader.past((minute(0), minute(60)), 2).expect("runs").len(),
            2
        );
    }
}
