//! The facts that the engine states, and who reads them. Refuses to know what any reader makes of a fact.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleStart};
use super::group::GroupChange;
use super::instances::Load;
use super::name::ProcessorName;
use super::reload::Reload;
use super::report::Report;
use super::run::{Attempt, Escaped, OutputLine, Run, RunStart};
use super::spec::Mode;
use super::state::Restored;
use super::timing::Missed;

/// A fact. Readers match it exhaustively, with no wildcard, so that a forgotten reader is a compile error.
#[derive(Debug, Clone)]
pub enum Event {
    /// Everything is set up; the loop is about to begin.
    Started(Arc<Startup>),
    /// The loop looked at its plan; the heartbeat.
    LoopTicked {
        /// Wall time.
        at: Timestamp,
    },
    /// The next cycle of a schedule is planned.
    StartPlanned {
        /// The processor whose own schedule it is; none for the main one.
        processor: Option<ProcessorName>,
        /// Wall time of the start.
        at: Timestamp,
        /// Time until then.
        wait: Duration,
    },
    /// Nothing is planned here any more: another instance plans.
    PlanForgotten,
    /// A cycle begins.
    CycleStarted(Arc<CycleStart>),
    /// A run is about to be started.
    RunStarted(Arc<RunStart>),
    /// A child wrote a line.
    RunOutput {
        /// The run that it belongs to.
        run: Arc<RunStart>,
        /// The line.
        line: OutputLine,
    },
    /// An attempt ended badly and another one follows.
    AttemptFailed {
        /// The run that it belongs to.
        run: Arc<RunStart>,
        /// How it ended.
        attempt: Attempt,
        /// Time until the next one.
        wait: Duration,
    },
    /// An attempt has left metrics of its own.
    MetricsReported {
        /// The run that it belongs to.
        run: Arc<RunStart>,
        /// When they were read.
        at: Timestamp,
        /// What was read.
        report: Report,
    },
    /// A run has ended, also one that was skipped.
    RunFinished(Arc<Run>),
    /// Processes that could have been of several runs were ended when no run was left.
    StraysEnded(Escaped),
    /// What a start told of its backlog was made a wish for the next one.
    LoadRead(Load),
    /// A cycle has ended.
    CycleFinished(Arc<Cycle>),
    /// What the history knows of earlier starts, before anything else is stated.
    Restored(Arc<Restored>),
    /// The history did something.
    HistoryOperated {
        /// What.
        operation: HistoryOperation,
        /// How long it took.
        duration: Duration,
        /// Whether it was done.
        is_ok: bool,
    },
    /// The history cannot be written; runs go on.
    HistoryFailed {
        /// Since when.
        at: Timestamp,
        /// Why, for people.
        reason: String,
    },
    /// The history is written again.
    HistoryRecovered {
        /// How many facts could not be kept meanwhile.
        lost: u64,
    },
    /// Planned starts were missed.
    StartMissed(Missed),
    /// The wall clock jumped against the monotonic one, or the machine slept; the plan was made anew.
    ClockJumped {
        /// Wall time after the jump.
        at: Timestamp,
        /// By how much; negative when it went back.
        by: SignedDuration,
    },
    /// No planned start happens until it is resumed.
    Paused {
        /// Wall time.
        at: Timestamp,
    },
    /// Planned starts happen again.
    Resumed {
        /// Wall time.
        at: Timestamp,
    },
    /// A reload was asked for and decided.
    ConfigReloaded(Arc<Reload>),
    /// Something changed in the group of instances.
    GroupChanged {
        /// Wall time.
        at: Timestamp,
        /// What.
        change: GroupChange,
    },
    /// A stop was asked for; nothing new starts.
    ShutdownStarted {
        /// The signal's name.
        signal: &'static str,
    },
    /// A second stop was asked for; what runs is killed.
    ShutdownForced {
        /// The signal's name.
        signal: &'static str,
    },
}

/// What the history does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistoryOperation {
    /// Writes facts down.
    Write,
    /// Deletes what is too old.
    Prune,
}

impl HistoryOperation {
    /// Every operation.
    pub const ALL: [Self; 2] = [Self::Write, Self::Prune];

    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Prune => "prune",
        }
    }
}

/// What is known when everything is set up.
#[derive(Debug, Clone)]
pub struct Startup {
    /// How cycles are run.
    pub mode: Mode,
    /// One cycle, then the end.
    pub single_run: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// The configuration file, or none for the built-in defaults.
    pub config: Option<PathBuf>,
    /// Where the documents' records live, for people.
    pub store: String,
    /// Address of the HTTP side, with the real port, when it is open.
    pub address: Option<SocketAddr>,
    /// Whether the HTTP side speaks TLS.
    pub is_encrypted: bool,
    /// What was done on the way that somebody should know.
    pub notes: Vec<String>,
    /// What somebody should know and that stops nothing.
    pub warnings: Vec<String>,
}

/// A reader of facts. Called in order, most from the engine's task: it must not block. What the history states comes
/// from its own thread.
pub trait Observer: Send + Sync {
    /// Takes note of one fact.
    fn observe(&self, event: &Event);
}

/// Every reader, in the order in which they are told.
#[derive(Clone)]
pub struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    /// The readers of this process.
    #[must_use]
    pub fn new(readers: Vec<Arc<dyn Observer>>) -> Self {
        Self(readers.into())
    }

    /// Tells every reader.
    pub fn state(&self, event: &Event) {
        for reader in self.0.iter() {
            reader.observe(event);
        }
    }
}
