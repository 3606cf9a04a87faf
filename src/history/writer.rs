//! The one writer: a thread that turns facts into rows, survives whatever the disk does, and prunes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::time::Instant;

use super::error::HistoryError;
use super::fact::Fact;
use super::prune::{self, Retention};
use super::recorder::{Message, Shared};
use super::{rows, schema};
use crate::domain::{
    Clock, Event, HistoryOperation, MainCycleState, Observers, ProcessorName, ProcessorState, Run,
};

/// Facts that are written in one transaction, at most.
const BATCH: usize = 512;
/// Facts that wait for a history that cannot be written; then the oldest are given up.
const MOST_WAITING: usize = 20_000;
/// Between two tries to write to a history that cannot be written.
const RETRY: Duration = Duration::from_secs(1);
/// How long beginnings that are known elsewhere wait for the end of a run, which then is in the same transaction.
const LINGER: Duration = Duration::from_millis(50);
/// Between two looks at whether the file is still the one that was opened, and for something to prune.
const IDLE: Duration = Duration::from_secs(5);
/// Bytes of the log from which on it is written back at the end.
const LONG_LOG: u64 = 512 * 1024;
/// Runs that may be written before the next look for something to prune.
const RUNS_PER_PRUNE: u64 = 500;

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) clock: Clock,
    pub(super) retention: Retention,
    pub(super) observers: Observers,
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Option<Connection>,
    /// What is to be said about a history that could not be opened at the start.
    pub(super) fault: Option<HistoryError>,
    pub(super) states: BTreeMap<ProcessorName, ProcessorState>,
    pub(super) main: MainCycleState,
    pub(super) work: Work,
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Work {
    waiting: VecDeque<Fact>,
    /// Processors whose state in the table is not that in memory.
    dirty: BTreeSet<ProcessorName>,
    is_main_dirty: bool,
    /// Given up since the last recovery.
    given_up: u64,
    is_failing: bool,
    runs_since_prune: u64,
    tried: Option<Instant>,
    looked: Option<Instant>,
    /// Device and inode of the open file.
    identity: Option<(u64, u64)>,
}

impl Writer {
    /// Writes until it is told to end, or until nobody can tell it anything any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        if let Some(error) = self.fault.take() {
            self.failed(&error);
        }
        self.work.identity = self.identity();
        loop {
            let patience = if self.work.is_failing { RETRY } else { IDLE };
            let mut answers = Vec::new();
            let mut end = None;
            let mut next = messages.recv_timeout(patience);
            let is_idle = matches!(next, Err(RecvTimeoutError::Timeout));
            let is_over = matches!(next, Err(RecvTimeoutError::Disconnected));
            // Until when what can wait may wait. The first of all does not: much is made ready for it that the end of a short
            // process then need not wait for.
            let until = Instant::now() + self.work.tried.map_or(Duration::ZERO, |_| LINGER);
            // Whatever came meanwhile goes into the same transaction.
            while let Ok(message) = next {
                let mut patience = Duration::ZERO;
                match message {
                    Message::Write(answer) => answers.push(answer),
                    Message::Nudge if answers.is_empty() => {
                        patience = until.saturating_duration_since(Instant::now());
                    }
                    Message::Nudge => {}
                    Message::Import(run, answer) => {
                        answer.send(self.import(&run)).ok();
                    }
                    Message::End(answer) => end = Some(answer),
                }
                if answers.len() >= BATCH || end.is_some() {
                    break;
                }
                next = messages.recv_timeout(patience);
            }
            self.shared.is_nudged.store(false, Ordering::Relaxed);
            let facts = std::mem::take(&mut *self.shared.queue());
            for fact in facts {
                self.take(fact);
            }
            self.look_at_file();
            self.write(end.is_some());
            self.shared.is_stuck.store(false, Ordering::Relaxed);
            for answer in answers {
                // Who asked may have lost patience.
                answer.send(()).ok();
            }
            self.prune(is_idle || end.is_some());
            if let Some(answer) = end {
                self.write_back();
                answer.send(()).ok();
                return;
            }
            if is_over {
                return;
            }
        }
    }

    /// Takes the end of a run of others, unless it is known; whether it was taken.
    fn import(&mut self, run: &Arc<Run>) -> bool {
        let known = self.connection.as_ref();
        // What cannot be asked now is asked again at the next start.
        let is_news =
            known.is_some_and(|known| rows::is_unended(known, &run.start.id).unwrap_or(false));
        if is_news {
            self.take(Fact::RunStarted(Arc::clone(&run.start), None));
            self.take(Fact::RunFinished(Arc::clone(run)));
        }
        is_news
    }

    fn take(&mut self, fact: Fact) {
        match &fact {
            Fact::RunStarted(start, _) => {
                // Written with its end; a run that is lost has its start in its own row.
                self.state(&start.spec.name).started(start);
            }
            Fact::RunFinished(run) => {
                let name = &run.start.spec.name;
                self.state(name).finished(run);
                self.work.dirty.insert(name.clone());
                self.work.runs_since_prune += 1;
            }
            Fact::CycleFinished(cycle) if cycle.start.schedule == crate::domain::Schedule::Main => {
                self.main.finished(cycle);
                self.work.is_main_dirty = true;
            }
            Fact::CycleStarted(_) | Fact::CycleFinished(_) => {}
        }
        self.work.waiting.push_back(fact);
        if self.work.waiting.len() > MOST_WAITING {
            self.work.waiting.pop_front();
            self.work.given_up += 1;
        }
    }

    fn state(&mut self, name: &ProcessorName) -> &mut ProcessorState {
        let now = self.clock.now();
        self.states
            .entry(name.clone())
            .or_insert_with(|| ProcessorState::new(now))
    }

    /// Writes what waits. While that fails, it is tried again now and then, and at the end.
    fn write(&mut self, is_end: bool) {
        if self.shared.refused.load(Ordering::Relaxed) > 0 {
            self.failed(&HistoryError::Slow);
        }
        let is_idle = self.work.waiting.is_empty() && self.work.dirty.is_empty();
        let is_early =
            self.work.is_failing && self.work.tried.is_some_and(|tried| tried.elapsed() < RETRY);
        if (is_idle && !self.work.is_failing) || (is_early && !is_end) {
            return;
        }
        self.work.tried = Some(Instant::now());
        while let Err(error) = self.write_batches() {
            self.failed(&error);
            if !schema::is_damage(&error) || !self.set_aside() {
                return;
            }
        }
        if std::mem::take(&mut self.work.is_failing) {
            let refused = self.shared.refused.swap(0, Ordering::Relaxed);
            let lost = std::mem::take(&mut self.work.given_up) + refused;
            self.observers.state(&Event::HistoryRecovered { lost });
        }
    }

    fn write_batches(&mut self) -> Result<(), HistoryError> {
        loop {
            let began = Instant::now();
            let written = self.write_batch();
            self.observers.state(&Event::HistoryOperated {
                operation: HistoryOperation::Write,
                duration: began.elapsed(),
                is_ok: written.is_ok(),
            });
            let count = written?;
            self.work.waiting.drain(..count);
            if self.work.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// One transaction. How many facts it wrote.
    fn write_batch(&mut self) -> Result<usize, HistoryError> {
        if self.connection.is_none() {
            self.connect()?;
        }
        let Some(connection) = &self.connection else {
            return Ok(0);
        };
        // As statements that are kept: a transaction of rusqlite's would parse its two words for every run.
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let count = self.work.waiting.len().min(BATCH);
        let written = self.write_rows(connection, count);
        let written = written.and_then(|()| connection.prepare_cached("COMMIT")?.execute([]));
        if let Err(error) = written {
            // After some errors there is no transaction left to undo.
            connection.execute_batch("ROLLBACK").ok();
            return Err(error.into());
        }
        self.work.dirty.clear();
        self.work.is_main_dirty = false;
        Ok(count)
    }

    /// The first `count` facts that wait, and every state that is not in the table.
    fn write_rows(&self, connection: &Connection, count: usize) -> rusqlite::Result<()> {
        for fact in self.work.waiting.iter().take(count) {
            match fact {
                Fact::CycleStarted(start) => rows::open_cycle(connection, start)?,
                Fact::RunStarted(start, _) => rows::open_run(connection, &start.as_ref().into())?,
                Fact::RunFinished(run) => rows::close_run(connection, run)?,
                Fact::CycleFinished(cycle) => rows::close_cycle(connection, cycle)?,
            }
        }
        for name in &self.work.dirty {
            if let Some(state) = self.states.get(name) {
                rows::write_state(connection, name, state)?;
            }
        }
        if self.work.is_main_dirty {
            rows::write_main(connection, &self.main)?;
        }
        Ok(())
    }

    /// Opens the file again, or a new one, which gets all that is known.
    fn connect(&mut self) -> Result<(), HistoryError> {
        self.connection = Some(schema::open_for_writing(&self.path)?);
        self.work.identity = self.identity();
        self.work.dirty.extend(self.states.keys().cloned());
        self.work.is_main_dirty = true;
        Ok(())
    }

    /// A damaged file gets another name; true when a new one can be begun.
    fn set_aside(&mut self) -> bool {
        self.connection = None;
        match schema::set_aside(&self.path, self.clock.now()) {
            Ok(aside) => {
                tracing::error!(aside = %aside.display(), "o histórico estava corrompido e foi posto de lado");
                true
            }
            Err(error) => {
                self.failed(&HistoryError::SetAside(error));
                false
            }
        }
    }

    /// A file that was removed or replaced would be written to unseen for ever.
    fn look_at_file(&mut self) {
        let is_due = self
            .work
            .looked
            .is_none_or(|looked| looked.elapsed() >= IDLE);
        if !is_due || self.connection.is_none() {
            return;
        }
        self.work.looked = Some(Instant::now());
        if self.identity() != self.work.identity {
            self.connection = None;
            self.failed(&HistoryError::Gone);
            self.work.tried = None;
        }
    }

    fn identity(&self) -> Option<(u64, u64)> {
        let found = fs::metadata(&self.path).ok()?;
        Some((found.dev(), found.ino()))
    }

    /// Says so once; what waits is made small, since it may wait for long.
    fn failed(&mut self, error: &HistoryError) {
        for fact in &mut self.work.waiting {
            fact.shrink();
        }
        if !std::mem::replace(&mut self.work.is_failing, true) {
            self.observers.state(&Event::HistoryFailed {
                at: self.clock.now(),
                reason: reason(error),
            });
        }
    }

    /// A long log would be read through at the next start.
    fn write_back(&self) {
        let log = schema::log_path(&self.path);
        let is_long = fs::metadata(log).is_ok_and(|found| found.len() > LONG_LOG);
        if let Some(connection) = self.connection.as_ref().filter(|_| is_long) {
            // Somebody who reads now keeps it as it is, which harms nothing.
            let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            done.ok();
        }
    }

    /// Now and then while runs come, and when none come for a while.
    fn prune(&mut self, is_idle: bool) {
        let is_due = self.work.runs_since_prune >= RUNS_PER_PRUNE
            || (is_idle && self.work.runs_since_prune > 0);
        let Some(connection) = self
            .connection
            .as_mut()
            .filter(|_| is_due && !self.work.is_failing)
        else {
            return;
        };
        let began = Instant::now();
        match prune::prune(connection, self.retention, self.clock.now()) {
            Ok(false) => {}
            pruned => self.observers.state(&Event::HistoryOperated {
                operation: HistoryOperation::Prune,
                duration: began.elapsed(),
                is_ok: pruned.is_ok(),
            }),
        }
        self.work.runs_since_prune = 0;
    }
}

/// The reason for people: the usual ones in their language.
fn reason(error: &HistoryError) -> String {
    let HistoryError::Database(database) = error else {
        return error.to_string();
    };
    let words = match database.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "o disco está cheio",
        Some(ErrorCode::ReadOnly) => "o arquivo ou o diretório só pode ser lido",
        Some(ErrorCode::CannotOpen) => "o arquivo não pode ser aberto",
        Some(ErrorCode::SystemIoFailure) => "erro de leitura ou gravação",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "o arquivo está ocupado por outro processo"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "o arquivo estava corrompido e foi posto de lado"
        }
        _ => return error.to_string(),
    };
    format!("{words} ({error})")
}
