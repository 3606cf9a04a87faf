//! What a reload of the configuration came to. Refuses to know the configuration.

use std::time::Duration;

use jiff::Timestamp;

use super::name::ProcessorName;
use super::spec::{Configured, Mode};
use super::timing::ScheduleSpec;

/// A reload that was asked for.
#[derive(Debug, Clone)]
pub struct Reload {
    /// When it was decided.
    pub at: Timestamp,
    /// What it came to.
    pub result: ReloadResult,
}

/// Applied whole, or not at all.
#[derive(Debug, Clone)]
pub enum ReloadResult {
    /// The new settings hold for every cycle that starts from now on.
    Applied {
        /// What has changed.
        difference: Difference,
        /// How cycles are run.
        mode: Mode,
        /// Runs that may be in flight.
        slots: usize,
        /// The main schedule.
        main: ScheduleSpec,
        /// What is run, in order.
        processors: Vec<Configured>,
        /// Shortest time between two main cycles; none under an interval.
        period: Option<Duration>,
    },
    /// The old settings stay.
    Rejected {
        /// Every reason, for people.
        problems: Vec<String>,
    },
}

impl ReloadResult {
    /// The metric label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Rejected { .. } => "rejected",
        }
    }
}

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Processors that were not there before.
    pub added: Vec<ProcessorName>,
    /// Processors that are there no more.
    pub removed: Vec<ProcessorName>,
    /// Processors of which something changed.
    pub changed: Vec<ProcessorName>,
    /// Each change as a line for people, `key: old -> new`.
    pub lines: Vec<String>,
}

impl Difference {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
