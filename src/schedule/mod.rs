//! When the next start is due: instant in, next instant out. Refuses to know clocks and what is started.

mod cron;
mod jitter;
mod zone;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use cron::{Cron, CronError};
pub use jitter::jitter;
pub use zone::{Shift, shifts, zone};

use crate::domain::ScheduleSpec;

/// A schedule that is ready to be asked.
#[derive(Debug, Clone)]
pub enum Timetable {
    /// Counted from the end of the last cycle.
    Interval(Duration),
    /// Absolute instants, each later by the jitter.
    Cron {
        /// The pattern in its zone.
        cron: Box<Cron>,
        /// Added to each instant.
        jitter: Duration,
    },
}

impl Timetable {
    /// Makes `spec` ready; a pattern without a zone of its own counts in `local`.
    ///
    /// # Errors
    ///
    /// The pattern or its zone is not one; the configuration refuses these beforehand.
    pub fn new(spec: &ScheduleSpec, local: &TimeZone, jitter: Duration) -> Result<Self, CronError> {
        match spec {
            ScheduleSpec::Interval(interval) => Ok(Self::Interval(*interval)),
            ScheduleSpec::Cron {
                expression,
                zone: name,
            } => {
                let zone = match name {
                    Some(name) => zone(name).ok_or(CronError::Zone)?,
                    None => local.clone(),
                };
                Ok(Self::Cron {
                    cron: Box::new(Cron::new(expression, zone)?),
                    jitter,
                })
            }
        }
    }

    /// The first absolute instant after `instant`; none for an interval, and for a pattern that never matches again.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Interval(_) => None,
            Self::Cron { cron, jitter } => Some(cron.next_after(instant - *jitter)? + *jitter),
        }
    }

    /// Whether its instants are a time of day, and not a rhythm of elapsed time.
    #[must_use]
    pub fn is_fixed_time(&self) -> bool {
        match self {
            Self::Interval(_) => false,
            Self::Cron { cron, .. } => cron.is_fixed_time(),
        }
    }
}
