//! One pass over the processors that are due. Refuses to know how they are run.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::outcome::Outcome;
use super::run::Run;
use super::spec::Mode;
use super::trace::TraceContext;

/// Which schedule a cycle belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// That of the whole.
    Main,
    /// That of one processor.
    Own,
}

impl Schedule {
    /// Every schedule.
    pub const ALL: [Self; 2] = [Self::Main, Self::Own];

    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Own => "own",
        }
    }
}

/// Why a cycle started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// The first cycle after the start.
    Startup,
    /// The interval since the last cycle's end is over.
    Interval,
    /// An instant of a cron pattern has come.
    Cron,
    /// Somebody asked for it by a signal.
    Signal,
    /// An instant that was missed is made up for.
    Catchup,
}

impl Trigger {
    /// The span attribute and log field.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Interval => "interval",
            Self::Cron => "cron",
            Self::Signal => "signal",
            Self::Catchup => "catchup",
        }
    }
}

/// A cycle that begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CycleStart {
    /// Counted from 1 since the orchestrator's start.
    pub number: u64,
    /// Unique over all starts.
    pub id: String,
    /// Whose plan made it due.
    pub schedule: Schedule,
    /// How its processors are run.
    pub mode: Mode,
    /// Why it started.
    pub trigger: Trigger,
    /// How many processors are due.
    pub processors: usize,
    /// How many runs that makes.
    pub runs: usize,
    /// Wall time of its start.
    pub started_at: Timestamp,
    /// Actual minus planned start.
    pub delay: Duration,
    /// The cycle's own span, when it is recorded.
    pub trace: Option<TraceContext>,
}

/// A cycle that has ended: the record that every reader uses.
#[derive(Debug, Clone)]
pub struct Cycle {
    /// What was known at its start.
    pub start: Arc<CycleStart>,
    /// From its start to the last run's end.
    pub duration: Duration,
    /// Wall time of its end.
    pub finished_at: Timestamp,
    /// The worst of its runs.
    pub outcome: Outcome,
    /// Its runs, in the order of declaration, those of one processor by their number.
    pub runs: Vec<Arc<Run>>,
}
