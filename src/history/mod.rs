//! The run history, `historico.db` in the instance's directory: one writer, any number of readers.
//!
//! Nothing that happens to it stops a run. Refuses to know what a fact is good for: it writes facts down, and tells at
//! the next start what was known.

mod asked;
mod error;
mod fact;
mod prune;
mod reading;
mod restore;
mod rows;
mod schema;
mod timeline;
mod totals;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use asked::{PastRun, RunQuery};
pub use error::HistoryError;
pub use prune::Retention;
pub use reading::{Found, HistoryReader, RecordedAttempt, RecordedLine, RecordedRun, RunDetails};
pub use timeline::{CycleQuery, RecordedCycle};
pub use totals::add_totals;

use self::fact::Fact;
use self::writer::{Message, Shared, Work, Writer};
use crate::domain::{Clock, Event, Observers, ProcessorName, ProcessorState, Restored, Run, RunId};

/// The file of the database, within the instance's directory.
pub const DATABASE: &str = "historico.db";
/// How long a run waits for its beginning or end to be written down.
const PATIENCE: Duration = Duration::from_millis(100);
/// Messages that may be on their way to the writer. A channel with this bound would take all of its memory at once.
const CAPACITY: u64 = 4096;

/// A history that was opened and that nobody writes yet.
pub struct History {
    path: PathBuf,
    clock: Clock,
    retention: Retention,
    connection: Option<Connection>,
    fault: Option<HistoryError>,
    /// What earlier starts left.
    pub restored: Restored,
    /// What somebody should know about the opening.
    pub warnings: Vec<String>,
}

impl History {
    /// Opens or creates the history in `folder`, and closes what the last start left open.
    ///
    /// `end_leftovers` is given the runs that are open, before they are closed. A damaged file is set aside. One that
    /// cannot be opened now is tried again later.
    ///
    /// # Errors
    ///
    /// The file was written by a newer program.
    pub fn open(
        folder: &Path,
        configured: &[ProcessorName],
        (clock, retention): (Clock, Retention),
        end_leftovers: impl FnOnce(&[RunId]),
    ) -> Result<Self, HistoryError> {
        let path = folder.join(DATABASE);
        let now = clock.now();
        let mut warnings = Vec::new();
        let mut opened = restored(&path, configured, now, end_leftovers);
        if let Err(error) = &opened
            && schema::is_damage(error)
        {
            opened = match schema::set_aside(&path, now) {
                Ok(aside) => {
                    warnings.push(format!(
                        "o histórico estava corrompido ({error}) e foi posto de lado como {}; começa um novo",
                        aside.display()
                    ));
                    restored(&path, configured, now, |_| ())
                }
                Err(error) => Err(HistoryError::SetAside(error)),
            };
        }
        let (connection, restored, fault) = match opened {
            Ok((connection, restored)) => (Some(connection), restored, None),
            Err(error @ HistoryError::Newer { .. }) => return Err(error),
            Err(error) => (None, nothing(configured, now), Some(error)),
        };
        Ok(Self {
            path,
            clock,
            retention,
            connection,
            fault,
            restored,
            warnings,
        })
    }

    /// Begins to write; `observers` are told how that goes.
    ///
    /// # Errors
    ///
    /// The thread could not be started.
    pub fn start(self, observers: Observers) -> std::io::Result<Recorder> {
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            path: self.path,
            clock: self.clock,
            retention: self.retention,
            observers,
            shared: Arc::clone(&shared),
            connection: self.connection,
            fault: self.fault,
            states: self.restored.processors.into_iter().collect(),
            main: self.restored.main,
            work: Work::default(),
        };
        let (sender, messages) = channel();
        std::thread::Builder::new()
            .name("historico".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(Recorder {
            sender,
            shared,
            held: Arc::default(),
        })
    }
}

/// The database, and what it knows.
fn restored(
    path: &Path,
    configured: &[ProcessorName],
    now: jiff::Timestamp,
    end_leftovers: impl FnOnce(&[RunId]),
) -> Result<(Connection, Restored), HistoryError> {
    let mut connection = schema::open_for_writing(path)?;
    let open = restore::open_runs(&connection)?;
    if !open.is_empty() {
        end_leftovers(&open);
    }
    let restored = restore::restore(&mut connection, configured, now)?;
    Ok((connection, restored))
}

/// What is known without a history.
#[must_use]
pub fn nothing(configured: &[ProcessorName], now: jiff::Timestamp) -> Restored {
    let new = |name: &ProcessorName| (name.clone(), ProcessorState::new(now));
    Restored {
        processors: configured.iter().map(new).collect(),
        ..Restored::default()
    }
}

/// Hands facts to the writer. Clones speak to the same one.
#[derive(Clone)]
pub struct Recorder {
    sender: Sender<Message>,
    shared: Arc<Shared>,
    /// Beginnings of cycles of which nothing else happened yet.
    held: Arc<Mutex<Vec<Fact>>>,
}

impl Recorder {
    /// Has facts written down, all or none. The future ends when that was tried, or after 100 ms: a slow history stops no run, and
    /// one that does not answer at all is not waited for again until it does.
    ///
    /// The beginning of a cycle is written together with the first that happens in it.
    pub fn record(&self, events: &[Event]) -> impl Future<Output = ()> + Send + use<> {
        let facts = events.iter().filter_map(Fact::of);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(facts);
        let is_wanted = |fact: &Fact| !matches!(fact, Fact::CycleStarted(_));
        let facts = held
            .iter()
            .any(is_wanted)
            .then(|| std::mem::take(&mut *held));
        drop(held);
        let answer = facts.and_then(|facts| self.hand_over(facts));
        let shared = Arc::clone(&self.shared);
        async move {
            let Some(answer) = answer.filter(|_| !shared.is_stuck.load(Ordering::Relaxed)) else {
                return;
            };
            if timeout(PATIENCE, answer).await.is_err() {
                shared.is_stuck.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Has the end of a run written down that another instance planned. One that has an end already keeps it, but for
    /// one that an earlier start of this instance gave up as lost. Whether it was news.
    pub async fn import(&self, run: Arc<Run>) -> bool {
        let (sender, answer) = oneshot::channel();
        let is_sent = self.sender.send(Message::Import(run, sender)).is_ok();
        is_sent && answer.await.unwrap_or_default()
    }

    fn hand_over(&self, facts: Vec<Fact>) -> Option<oneshot::Receiver<()>> {
        let (sender, answer) = oneshot::channel();
        let count = facts.len() as u64;
        let has_room = self.shared.under_way.fetch_add(1, Ordering::Relaxed) < CAPACITY;
        if has_room && self.sender.send(Message::Facts(facts, sender)).is_ok() {
            return Some(answer);
        }
        self.shared.under_way.fetch_sub(1, Ordering::Relaxed);
        self.shared.refused.fetch_add(count, Ordering::Relaxed);
        None
    }

    /// Waits until all is written, at most `budget`. False when time ran out.
    pub async fn close(self, budget: Duration) -> bool {
        let (sender, answer) = oneshot::channel();
        if self.sender.send(Message::End(sender)).is_err() {
            return false;
        }
        timeout(budget, answer).await.is_ok()
    }
}
