//! When the next start is due: instant in, next instant out. Refuses to know clocks and what is started.

use std::time::Duration;

use tokio::time::Instant;

/// The interval of the main schedule, counted from the end of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl Interval {
    /// The start that follows a cycle that ended at `end`.
    #[must_use]
    pub fn next(self, end: Instant) -> Instant {
        end + self.0
    }
}
