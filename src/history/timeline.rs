//! Cycles with their runs, a page at a time, newest first.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};

use super::HistoryReader;
use super::asked::AFTER_ALL;
use super::error::HistoryError;
use super::reading::{COLUMNS, RecordedRun, count, run};
use super::rows::{duration, instant};
use crate::domain::RunId;

/// A run's id tells when it began; a clock that is put back by less than this is not taken for a jump.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// Cycles that are asked for.
#[derive(Debug, Clone)]
pub struct CycleQuery {
    /// Begun before this cycle.
    pub before: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// At most so many runs of all of them: the page ends before the cycle that would bring more.
    pub runs: usize,
}

/// A cycle as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCycle {
    /// Its id.
    pub id: String,
    /// Its number, counted from the start of the program.
    pub number: u64,
    /// The schedule's word.
    pub schedule: String,
    /// The mode's word.
    pub mode: String,
    /// The trigger's word.
    pub trigger: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// From its start to its end; none while it is open or when it was lost.
    pub duration: Option<Duration>,
    /// The outcome's word; none while it is open.
    pub outcome: Option<String>,
    /// Its trace, when it was recorded.
    pub trace_id: Option<String>,
    /// How many runs of it are kept.
    pub run_count: u64,
    /// Those runs, oldest first; fewer when the newest cycle alone has more than were asked for.
    pub runs: Vec<RecordedRun>,
}

impl HistoryReader {
    /// The newest cycles that fit, newest first, and whether there are older ones.
    ///
    /// There is no index by cycle: runs are looked for in the time in which the cycles ran. A run that began after the
    /// clock had been put back within its cycle by more than 2 s is not found.
    ///
    /// # Errors
    ///
    /// What `SQLite` says.
    pub fn cycles(&self, query: &CycleQuery) -> Result<(Vec<RecordedCycle>, bool), HistoryError> {
        let Some(connection) = self.connection() else {
            return Ok((Vec::new(), false));
        };
        let mut select = connection.prepare(
            "SELECT id, number, schedule, mode, trigger, started_at, finished_at, duration, outcome, trace_id
             FROM cycles WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        )?;
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let before = query.before.as_deref().unwrap_or(AFTER_ALL);
        let rows = select.query_map(params![before, limit.saturating_add(1)], cycle)?;
        let mut cycles = rows.collect::<Result<Vec<_>, _>>()?;
        let mut has_more = cycles.len() > query.limit;
        cycles.truncate(query.limit);
        count_runs(connection, &mut cycles)?;
        let fitting = fitting(&cycles, query.runs);
        has_more |= fitting < cycles.len();
        cycles.truncate(fitting);
        add_runs(connection, &mut cycles, query.runs)?;
        Ok((cycles, has_more))
    }
}

/// How many of the newest cycles have at most `most` runs together; the newest is always one of them.
fn fitting(cycles: &[RecordedCycle], most: usize) -> usize {
    let mut sum = 0;
    let fits = |cycle: &&RecordedCycle| {
        sum += cycle.run_count;
        sum <= most as u64
    };
    cycles.iter().take_while(fits).count().max(1)
}

fn count_runs(connection: &Connection, cycles: &mut [RecordedCycle]) -> Result<(), HistoryError> {
    let (first, last, ids) = range(cycles);
    let mut select = connection.prepare(
        "SELECT cycle, count(*) FROM runs
         WHERE id >= ?1 AND id < ?2 AND cycle IN (SELECT value FROM json_each(?3)) GROUP BY cycle",
    )?;
    let rows = select.query_map([first, last, ids], |row| {
        Ok((row.get::<_, String>(0)?, count(row, 1)?))
    })?;
    let counts = rows.collect::<Result<HashMap<_, _>, _>>()?;
    for cycle in cycles {
        cycle.run_count = counts.get(&cycle.id).copied().unwrap_or_default();
    }
    Ok(())
}

fn add_runs(
    connection: &Connection,
    cycles: &mut [RecordedCycle],
    most: usize,
) -> Result<(), HistoryError> {
    let (first, last, ids) = range(cycles);
    let sql = format!(
        "SELECT {COLUMNS}, cycle FROM runs
         WHERE id >= ?1 AND id < ?2 AND cycle IN (SELECT value FROM json_each(?3)) ORDER BY id LIMIT ?4"
    );
    let mut select = connection.prepare(&sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = select.query_map(params![first, last, ids, most], |row| {
        Ok((row.get::<_, String>("cycle")?, run(row)?))
    })?;
    let mut runs = HashMap::<_, Vec<_>>::new();
    for row in rows {
        let (cycle, run) = row?;
        runs.entry(cycle).or_default().push(run);
    }
    for cycle in cycles {
        cycle.runs = runs.remove(&cycle.id).unwrap_or_default();
    }
    Ok(())
}

/// The ids between which all runs of `cycles` lie, and the cycles' own ids as JSON.
fn range(cycles: &[RecordedCycle]) -> (String, String, String) {
    let id = |at: Timestamp| RunId::new(at).as_str().to_owned();
    let first = cycles.iter().map(|cycle| cycle.started_at).min();
    let first = first.and_then(|first| first.checked_sub(TOLERANCE).ok());
    let ends: Option<Vec<_>> = cycles.iter().map(|cycle| cycle.finished_at).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    let last = last.and_then(|last| last.checked_add(TOLERANCE).ok());
    let ids: Vec<_> = cycles.iter().map(|cycle| cycle.id.as_str()).collect();
    (
        first.map_or_else(String::new, id),
        last.map_or_else(|| AFTER_ALL.to_owned(), id),
        serde_json::Value::from(ids).to_string(),
    )
}

fn cycle(row: &Row<'_>) -> rusqlite::Result<RecordedCycle> {
    Ok(RecordedCycle {
        id: row.get(0)?,
        number: count(row, 1)?,
        schedule: row.get(2)?,
        mode: row.get(3)?,
        trigger: row.get(4)?,
        started_at: instant(row.get(5)?),
        finished_at: row.get::<_, Option<i64>>(6)?.map(instant),
        duration: row.get::<_, Option<i64>>(7)?.map(duration),
        outcome: row.get(8)?,
        trace_id: row.get(9)?,
        run_count: 0,
        runs: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{DATABASE, RunQuery, rows, schema};
    use super::*;
    use crate::domain::{Cycle, CycleStart, Outcome, Run, RunStart, samples};

    /// `count` cycles, a minute apart, each with a run of each of `names`; the last one is still open.
    fn reader(folder: &std::path::Path, count: u64, names: &[&str]) -> HistoryReader {
        let path = folder.join(DATABASE);
        let mut connection = schema::open_for_writing(&path).expect("opened");
        let transaction = connection.transaction().expect("begun");
        for number in 1..=count {
            let at = samples::instant() + Duration::from_mins(number);
            let sample = samples::run("bom", Outcome::Success);
            let start = Arc::new(CycleStart {
                id: RunId::new(at).as_str().to_owned(),
                number,
                started_at: at,
                ..CycleStart::clone(&sample.start.cycle)
            });
            rows::open_cycle(&transaction, &start).expect("written");
            for (index, name) in (0..).zip(names) {
                let mut run = Run::clone(&samples::run(name, Outcome::Success));
                let started_at = at + Duration::from_millis(10 * (index + 1));
                run.finished_at = started_at + Duration::from_millis(5);
                run.start = Arc::new(RunStart {
                    id: RunId::new(started_at),
                    started_at,
                    cycle: Arc::clone(&start),
                    ..RunStart::clone(&run.start)
                });
                rows::close_run(&transaction, &run).expect("written");
            }
            if number < count {
                let cycle = Cycle {
                    start,
                    finished_at: at + Duration::from_secs(30),
                    duration: Duration::from_secs(30),
                    outcome: Outcome::Success,
                    runs: Vec::new(),
                };
                rows::close_cycle(&transaction, &cycle).expect("written");
            }
        }
        transaction.commit().expect("written");
        HistoryReader::open(&path).expect("opened")
    }

    fn numbers(cycles: &[RecordedCycle]) -> Vec<u64> {
        cycles.iter().map(|cycle| cycle.number).collect()
    }

    #[test]
    fn cycles_come_newest_first_page_by_page_each_with_its_own_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = reader(folder.path(), 5, &["um", "dois"]);
        let mut query = CycleQuery {
            before: None,
            limit: 2,
            runs: 100,
        };
        let (first, has_more) = reader.cycles(&query).expect("cycles");
        assert_eq!((numbers(&first), has_more), (vec![5, 4], true));
        for cycle in &first {
            let names: Vec<_> = cycle
                .runs
                .iter()
                .map(|run| run.processor.as_str())
                .collect();
            assert_eq!((names, cycle.run_count), (vec!["um", "dois"], 2));
            assert!(cycle.runs.iter().all(|run| run.cycle == cycle.number));
        }
        let ends: Vec<_> = first.iter().map(|cycle| cycle.outcome.is_some()).collect();
        assert_eq!(ends, [false, true], "the newest is open");
        query.before = first.last().map(|cycle| cycle.id.clone());
        let (second, has_more) = reader.cycles(&query).expect("cycles");
        assert_eq!((numbers(&second), has_more), (vec![3, 2], true));
        query.before = second.last().map(|cycle| cycle.id.clone());
        let (third, has_more) = reader.cycles(&query).expect("cycles");
        assert_eq!((numbers(&third), has_more), (vec![1], false));
        assert_eq!(third.first().map(|cycle| cycle.runs.len()), Some(2));
    }

    #[test]
    fn a_page_ends_before_the_cycle_that_would_bring_too_many_runs_and_never_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = reader(folder.path(), 5, &["um", "dois", "tres"]);
        let page = |runs| {
            let query = CycleQuery {
                before: None,
                limit: 10,
                runs,
            };
            let (cycles, has_more) = reader.cycles(&query).expect("cycles");
            let runs: Vec<_> = cycles.iter().map(|cycle| cycle.runs.len()).collect();
            (numbers(&cycles), runs, has_more)
        };
        assert_eq!(page(7), (vec![5, 4], vec![3, 3], true));
        assert_eq!(
            page(2),
            (vec![5], vec![2], true),
            "a part of one that has more"
        );
        assert!(!page(15).2);
    }

    #[test]
    fn runs_of_one_cycle_are_found_by_its_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = reader(folder.path(), 3, &["um", "dois"]);
        let query = CycleQuery {
            before: None,
            limit: 10,
            runs: 100,
        };
        let (cycles, _) = reader.cycles(&query).expect("cycles");
        for cycle in &cycles {
            let query = RunQuery {
                cycle: Some(cycle.id.clone()),
                limit: 100,
                ..RunQuery::default()
            };
            let mut runs = reader.runs(&query).expect("runs");
            runs.reverse();
            assert_eq!(runs, cycle.runs);
        }
    }
}
