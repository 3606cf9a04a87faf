//! The tables of `historico.db`, how they came about version by version, and what happens to a file that is none.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::HistoryError;

/// How long a statement waits for a reader or for another process.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// Pages of 4 KiB that the log may hold before it is written back, which waits for the disk: some thousand runs.
const LOG_PAGES: u32 = 4000;

/// What each version added to the one before. A database's version is in its `PRAGMA user_version`.
///
/// Instants are nanoseconds since the epoch, durations nanoseconds. Ids are UUIDs of version 7, so that their order is
/// that of time. A run or cycle without an outcome is open. There is no index by processor: each run would write a
/// page more, and without it asking 100,000 runs for one processor took 16 ms.
const STEPS: [&str; 4] = [
    "
CREATE TABLE cycles (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    schedule TEXT NOT NULL,
    mode TEXT NOT NULL,
    trigger TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    duration INTEGER,
    outcome TEXT,
    trace_id TEXT
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    cycle TEXT NOT NULL,
    cycle_number INTEGER NOT NULL,
    processor TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    queue_wait INTEGER NOT NULL,
    trace_id TEXT,
    span_id TEXT,
    finished_at INTEGER,
    duration INTEGER,
    outcome TEXT,
    reason TEXT,
    exit_code INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    cpu_user INTEGER NOT NULL DEFAULT 0,
    cpu_system INTEGER NOT NULL DEFAULT 0,
    max_rss_bytes INTEGER NOT NULL DEFAULT 0,
    stdout_bytes INTEGER NOT NULL DEFAULT 0,
    stderr_bytes INTEGER NOT NULL DEFAULT 0,
    escaped INTEGER NOT NULL DEFAULT 0,
    kill_escalated INTEGER NOT NULL DEFAULT 0,
    summary TEXT
) WITHOUT ROWID;
CREATE INDEX runs_open ON runs(id) WHERE outcome IS NULL;
CREATE TABLE attempts (
    run TEXT NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    exit_code INTEGER,
    cpu_user INTEGER NOT NULL,
    cpu_system INTEGER NOT NULL,
    max_rss_bytes INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE outputs (
    run TEXT PRIMARY KEY,
    lines TEXT NOT NULL
);
CREATE TABLE processor_states (
    processor TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_start INTEGER,
    last_completion INTEGER,
    last_success INTEGER,
    last_failure INTEGER,
    failing_since INTEGER,
    consecutive_failures INTEGER NOT NULL,
    last_outcome TEXT,
    last_reason TEXT,
    result_outcome TEXT,
    result_reason TEXT,
    result_duration INTEGER,
    result_attempt_duration INTEGER,
    result_exit_code INTEGER,
    result_max_rss_bytes INTEGER
) WITHOUT ROWID;
CREATE TABLE main_cycle_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last_start INTEGER,
    last_completion INTEGER,
    last_success INTEGER,
    last_duration INTEGER
);
",
    // The place of a run in the order of writing: the first and the last one tell how many there are.
    "
ALTER TABLE runs ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET sequence = numbered.place
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM runs) AS numbered WHERE numbered.id = runs.id;
CREATE INDEX cycles_open ON cycles(id) WHERE outcome IS NULL;
",
    "
CREATE TABLE single_run_totals (
    series TEXT PRIMARY KEY,
    numbers TEXT NOT NULL
) WITHOUT ROWID;
",
    "
ALTER TABLE runs ADD COLUMN instance INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN instances INTEGER NOT NULL DEFAULT 1;
",
];

/// Opens or creates the database for its one writer, and brings it to this program's version.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, HistoryError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found = refuse_newer(&connection, path, STEPS.len())?;
    connection.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // A short log is left to later: writing it back at each end would make every single run wait for the disk.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if found < STEPS.len() {
        migrate(&mut connection, &STEPS)?;
    }
    Ok(connection)
}

/// Opens a database that somebody else may be writing; `None` where there is none.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, HistoryError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    refuse_newer(&connection, path, STEPS.len())?;
    Ok(Some(connection).filter(|connection| version(connection).is_ok_and(|found| found > 0)))
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(version as usize)
}

/// The version of a database that is not newer than `known`.
fn refuse_newer(connection: &Connection, path: &Path, known: usize) -> Result<usize, HistoryError> {
    let found = version(connection)?;
    if found > known {
        return Err(HistoryError::Newer {
            path: path.to_path_buf(),
            found,
            known,
        });
    }
    Ok(found)
}

/// Applies the steps that the database lacks: all of them or none.
fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), HistoryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for step in steps.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(steps.len()).unwrap_or(i64::MAX),
    )?;
    transaction.commit()?;
    Ok(())
}

/// Whether an error says that the file is damaged or no database at all.
pub(super) fn is_damage(error: &HistoryError) -> bool {
    let HistoryError::Database(error) = error else {
        return false;
    };
    // A table that is missing is damage too: only this program makes them.
    let lacks_table = error.sqlite_error_code() == Some(ErrorCode::Unknown)
        && error.to_string().contains("no such");
    let is_corrupt = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    is_corrupt || lacks_table
}

/// The log of a database in WAL mode.
pub(super) fn log_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    PathBuf::from(name)
}

/// Gives a damaged database another name, so that it can be looked at and a new one can be begun. Its new path.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> std::io::Result<PathBuf> {
    let stamp = now.strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    let suffixed = |suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = suffixed(&format!(".corrompido-{stamp}"));
    fs::rename(path, &aside)?;
    // The log belongs to the file; the index of the log is made anew.
    match fs::rename(log_path(path), log_path(&aside)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::remove_file(suffixed("-shm")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(aside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_a_database_lacks_are_applied_in_order_and_keep_what_is_in_it() {
        let mut connection = Connection::open_in_memory().expect("opened");
        migrate(&mut connection, &["CREATE TABLE a (x)"]).expect("first");
        connection
            .execute("INSERT INTO a VALUES (7)", [])
            .expect("inserted");
        let steps = [
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD COLUMN y DEFAULT 1",
            "CREATE TABLE b AS SELECT x + y AS z FROM a",
        ];
        migrate(&mut connection, &steps).expect("later");
        let found: i64 = connection
            .query_row("SELECT z FROM b", [], |row| row.get(0))
            .expect("a row");
        assert_eq!((found, version(&connection).expect("version")), (8, 3));
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        let mut connection = Connection::open_in_memory().expect("opened");
        let steps = ["CREATE TABLE a (x)", "nonsense"];
        migrate(&mut connection, &steps).expect_err("a broken step");
        assert_eq!(version(&connection).expect("version"), 0);
        connection
            .query_row("SELECT * FROM a", [], |_| Ok(()))
            .expect_err("no table");
    }
}
