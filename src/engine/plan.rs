//! What the engine needs of the settings, as one value that a reload replaces whole.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{Configured, Mode, ProcessorSpec, ScheduleSpec};
use crate::schedule::Timetable;

/// The shortest freshness objective that is derived from a schedule.
const LEAST_STALENESS: Duration = Duration::from_mins(15);
/// Instants of a pattern that are looked at for its longest gap.
const GAPS: usize = 400;

/// What the engine needs of the settings.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How a cycle runs its processors.
    pub mode: Mode,
    /// What makes main cycles due.
    pub main: ScheduleSpec,
    /// The zone of patterns that name none.
    pub zone: TimeZone,
    /// One cycle, then the end.
    pub single_run: bool,
    /// Whether a failure stops the rest of a sequential cycle.
    pub stop_at_failure: bool,
    /// Nothing may be written.
    pub dry_run: bool,
    /// Runs side by side in parallel mode.
    pub parallelism: usize,
    /// How many may be out at once where a group runs them; none when all run here.
    pub planned: Option<usize>,
    /// What is run, in order.
    pub processors: Vec<Arc<ProcessorSpec>>,
}

impl Plan {
    /// How many runs may be in flight.
    #[must_use]
    pub fn slots(&self) -> usize {
        match self.mode {
            Mode::Sequential => 1,
            Mode::Parallel => self.planned.unwrap_or(self.parallelism),
        }
    }

    /// How many of them this instance runs side by side.
    #[must_use]
    pub fn own_slots(&self) -> usize {
        self.planned
            .map_or_else(|| self.slots(), |_| self.parallelism)
    }

    /// Who is due in a main cycle: all without a schedule of their own.
    #[must_use]
    pub fn main_processors(&self) -> Vec<Arc<ProcessorSpec>> {
        let shares = |spec: &&Arc<ProcessorSpec>| spec.timing.schedule.is_none();
        self.processors.iter().filter(shares).cloned().collect()
    }

    /// Every processor, with its freshness objective.
    #[must_use]
    pub fn configured(&self, now: Timestamp) -> Vec<Configured> {
        let configured = |spec: &Arc<ProcessorSpec>| Configured {
            spec: Arc::clone(spec),
            max_staleness: self.max_staleness(spec, now),
        };
        self.processors.iter().map(configured).collect()
    }

    /// The shortest time between two main cycles; none under an interval, which counts from the end of a cycle.
    #[must_use]
    pub fn period(&self, now: Timestamp) -> Option<Duration> {
        match &self.main {
            ScheduleSpec::Interval(_) => None,
            ScheduleSpec::Cron { .. } => gaps(&self.main, &self.zone, now).into_iter().min(),
        }
    }

    /// The freshness objective of `spec`: as configured, else three times the longest gap of its schedule and the time
    /// that all its attempts may take, at least 15 minutes. None when it has none.
    #[must_use]
    pub fn max_staleness(&self, spec: &ProcessorSpec, now: Timestamp) -> Option<Duration> {
        if let Some(configured) = spec.timing.max_staleness {
            return (!configured.is_zero()).then_some(configured);
        }
        let schedule = spec.timing.schedule.as_ref().unwrap_or(&self.main);
        let gap = longest_gap(schedule, &self.zone, now)?;
        let attempts = (spec.timeout + spec.grace).saturating_mul(spec.retry.attempts);
        Some((gap.saturating_mul(3) + attempts).max(LEAST_STALENESS))
    }
}

fn longest_gap(spec: &ScheduleSpec, zone: &TimeZone, now: Timestamp) -> Option<Duration> {
    if let Some(interval) = spec.interval() {
        return Some(interval);
    }
    gaps(spec, zone, now).into_iter().max()
}

/// The times between the next instants of a pattern.
fn gaps(spec: &ScheduleSpec, zone: &TimeZone, now: Timestamp) -> Vec<Duration> {
    let Ok(timetable) = Timetable::new(spec, zone, Duration::ZERO) else {
        return Vec::new();
    };
    let instants = std::iter::successors(timetable.next_after(now), |at| timetable.next_after(*at));
    let instants: Vec<_> = instants.take(GAPS).collect();
    let gaps = instants.windows(2).filter_map(|pair| match pair {
        [early, late] => Duration::try_from(late.duration_since(*early)).ok(),
        _ => None,
    });
    gaps.collect()
}
