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
mod recorder;
mod restore;
mod rows;
mod schema;
mod timeline;
mod totals;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use rusqlite::Connection;

pub use asked::{PastRun, RunQuery};
pub use error::HistoryError;
pub use prune::Retention;
pub use reading::{Found, HistoryReader, RecordedAttempt, RecordedLine, RecordedRun, RunDetails};
pub use recorder::Recorder;
pub use timeline::{CycleQuery, RecordedCycle};
pub use totals::add_totals;

use self::beginnings::{Beginning, Beginnings};
use self::recorder::Shared;
use self::writer::{Work, Writer};
use crate::domain::{Clock, Observers, ProcessorName, ProcessorState, Restored, RunId};

/// The file of the database, within the instance's directory.
pub const DATABASE: &str = "historico.db";

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
        Ok(Recorder::new(sender, shared, self.beginnings))
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
