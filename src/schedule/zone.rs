//! Time zones by name, and when their clocks are put forward or back. Refuses to know which zone the machine is in.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone that the IANA database knows by `name`.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Clocks that are put forward (positive) or back (negative) by so many seconds at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// When.
    pub at: Timestamp,
    /// By how much, seconds.
    pub seconds: i32,
}

/// What the clocks of `zone` do between two instants.
#[must_use]
pub fn shifts(zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Shift> {
    let mut before = zone.to_offset(from).seconds();
    zone.following(from)
        .take_while(|change| change.timestamp() <= until)
        .map(|change| {
            let after = change.offset().seconds();
            let shift = Shift {
                at: change.timestamp(),
                seconds: after - before,
            };
            before = after;
            shift
        })
        .filter(|shift| shift.seconds != 0)
        .collect()
}
