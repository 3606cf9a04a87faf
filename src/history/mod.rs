//! The run history, `historico.db` in the instance's directory: one writer, any number of readers.
//!
//! Nothing that happens to it stops a run. Refuses to know what a fact is good for: it writes facts down, and tells at
//! the next start what was known.

mod asked;
mod beginnings;
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

use self::beginnings::{Beginning, Beginnings};
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
    /// None when they cannot be written ahead; then runs wait for their commit.
    beginnings: Option<Arc<Beginnings>>,
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
        let (begun, unread) = Beginnings::read(folder);
        if unread > 0 {
            warnings.push(format!(
                "{}: inícios de execução que não puderam ser lidos e faltam no histórico: {unread}",
                folder.join(beginnings::FILE).display()
            ));
        }
        let mut opened = restored(&path, configured, now, (&begun, end_leftovers));
        if let Err(error) = &opened
            && schema::is_damage(error)
        {
            opened = match schema::set_aside(&path, now) {
                Ok(aside) => {
                    warnings.push(format!(
                        "o histórico estava corrompido ({error}) e foi posto de lado como {}; começa um novo",
                        aside.display()
                    ));
                    restored(&path, configured, now, (&begun, |_| ()))
                }
                Err(error) => Err(HistoryError::SetAside(error)),
            };
        }
        // What stands in the file of an earlier start is wanted until it is in the database.
        let beginnings = opened.is_ok().then(|| Beginnings::begin(folder).ok());
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
            beginnings: beginnings.flatten(),
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
            beginnings: self.beginnings,
            held: Arc::default(),
        })
    }
}

/// The database, and what it knows.
fn restored(
    path: &Path,
    configured: &[ProcessorName],
    now: jiff::Timestamp,
    (begun, end_leftovers): (&[Beginning], impl FnOnce(&[RunId])),
) -> Result<(Connection, Restored), HistoryError> {
    let mut connection = schema::open_for_writing(path)?;
    restore::add_beginnings(&mut connection, begun)?;
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
    beginnings: Option<Arc<Beginnings>>,
    /// Beginnings of cycles of which nothing else happened yet.
    held: Arc<Mutex<Vec<Fact>>>,
}

impl Recorder {
    /// Has facts written down, all or none. Whether the beginning of a run among them is known from now on, whatever happens;
    /// and a future that ends when writing was tried, or after 100 ms: a slow history stops no run, and one that does not
    /// answer at all is not waited for again until it does. With a beginning that is known, writing begins when the future is
    /// first polled, else at once.
    ///
    /// The beginning of a cycle is written together with the first that happens in it.
    pub fn record(&self, events: &[Event]) -> (bool, impl Future<Output = ()> + Send + use<>) {
        let mut facts: Vec<_> = events.iter().filter_map(Fact::of).collect();
        let mut is_safe = false;
        for fact in &mut facts {
            if let Fact::RunStarted(start, noted) = fact {
                *noted = self.beginnings.as_ref().and_then(|file| file.note(start));
                is_safe = noted.is_some();
            }
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(facts);
        let is_wanted = |fact: &Fact| !matches!(fact, Fact::CycleStarted(_));
        let mut facts = held
            .iter()
            .any(is_wanted)
            .then(|| std::mem::take(&mut *held));
        drop(held);
        // Where nobody waits for it, the writer is woken once the run was started.
        let early = facts.take_if(|_| !is_safe);
        let early = early.and_then(|facts| self.hand_over(facts));
        let recorder = self.clone();
        let written = async move {
            let late = facts.and_then(|facts| recorder.hand_over(facts));
            let is_stuck = &recorder.shared.is_stuck;
            let Some(answer) = early.or(late).filter(|_| !is_stuck.load(Ordering::Relaxed)) else {
                return;
            };
            if timeout(PATIENCE, answer).await.is_err() {
                is_stuck.store(true, Ordering::Relaxed);
            }
        };
        (is_safe, written)
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
