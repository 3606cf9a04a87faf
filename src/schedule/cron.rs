//! Cron patterns in a time zone. The library finds the fields; what daylight saving means for them stands here.
//!
//! A fixed time of day (no wildcard or step in hour and minute) that the clocks skip runs once, right after the gap;
//! one that they repeat runs once, the first time. Any other pattern runs by elapsed time: nothing in the gap, and
//! through both repeated hours. This is what Vixie's cron does.

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::zone::Shift;

/// Names for patterns.
const NAMES: &str = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly";

/// Why a text is not a cron pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// The number of fields is wrong.
    #[error(
        "tem {0} campos; esperados 5 (minuto hora dia mês dia-da-semana), 6 com os segundos na frente, ou {NAMES}"
    )]
    Fields(usize),
    /// A name that is not one of ours.
    #[error("não é um nome conhecido; esperado {NAMES}, ou 5 ou 6 campos")]
    Name,
    /// A field holds what it cannot hold.
    #[error(
        "não é uma agenda; esperados minuto 0-59, hora 0-23, dia 1-31, mês 1-12 ou JAN-DEC, dia da semana 0-7 ou SUN-SAT, com * , - / ({0})"
    )]
    Field(String),
    /// The zone is not known.
    #[error("o fuso não é conhecido")]
    Zone,
}

/// A pattern in its zone.
#[derive(Debug, Clone)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
    is_fixed_time: bool,
    has_hours: bool,
}

impl Cron {
    /// Reads `expression`: 5 fields, 6 with seconds in front, or a name such as `@hourly`.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub fn new(expression: &str, zone: TimeZone) -> Result<Self, CronError> {
        let expression = expression.trim();
        let fields: Vec<_> = expression.split_whitespace().collect();
        if expression.starts_with('@') {
            if !NAMES.split(", ").any(|name| name == expression) {
                return Err(CronError::Name);
            }
        } else if !(5..=6).contains(&fields.len()) {
            return Err(CronError::Fields(fields.len()));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let pattern = parser
            .parse(expression)
            .map_err(|error| CronError::Field(error.to_string()))?;
        let is_fixed_time = match fields.as_slice() {
            [minute, hour, _, _, _] | [_, minute, hour, _, _, _] => {
                is_fixed(minute) && is_fixed(hour)
            }
            _ => expression != "@hourly",
        };
        let has_hours = match fields.as_slice() {
            [_, hour, _, _, _] | [_, _, hour, _, _, _] => *hour != "*",
            _ => expression != "@hourly",
        };
        Ok(Self {
            pattern,
            zone,
            is_fixed_time,
            has_hours,
        })
    }

    /// The first instant after `instant` that matches; none when there is none.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        if self.is_fixed_time {
            self.next_time_of_day(instant)
        } else {
            self.next_by_elapsed_time(instant)
        }
    }

    fn next_time_of_day(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut local = self.zone.to_datetime(instant);
        loop {
            local = self.next_local(local)?;
            let at = match self.zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
                // The offset before the gap puts the skipped time after it.
                AmbiguousOffset::Gap { before, .. } => {
                    let after = before.to_timestamp(local).ok()?;
                    // The very start of the gap is the change itself, and what precedes an instant is before it.
                    let beyond = after.checked_add(SignedDuration::from_nanos(1)).ok()?;
                    self.zone.preceding(beyond).next()?.timestamp()
                }
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
            };
            if at > instant {
                return Some(at);
            }
        }
    }

    fn next_by_elapsed_time(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut from = instant;
        loop {
            let offset = self.zone.to_offset(from);
            let found = self.next_local(offset.to_datetime(from))?;
            let at = offset.to_timestamp(found).ok()?;
            let change = self.zone.following(from).next();
            match change.map(|change| change.timestamp()) {
                Some(change) if at >= change => {
                    // The instant of the change itself may match, read with the new offset.
                    let new = self.zone.to_offset(change).to_datetime(change);
                    let before = new.checked_sub(SignedDuration::from_secs(1)).ok()?;
                    if self.next_local(before)? == new {
                        return Some(change);
                    }
                    from = change;
                }
                _ => return Some(at),
            }
        }
    }

    /// The first time on the clock's face after `local` that matches, as if clocks were never changed.
    fn next_local(&self, local: DateTime) -> Option<DateTime> {
        let from = local.with().subsec_nanosecond(0).build().ok()?;
        let from = from.to_zoned(TimeZone::UTC).ok()?;
        let next = self.pattern.find_next_occurrence(&from, false).ok()?;
        Some(next.datetime())
    }

    /// Whether it names times of day, without wildcard or step in hour and minute.
    #[must_use]
    pub fn is_fixed_time(&self) -> bool {
        self.is_fixed_time
    }

    /// Whether it names hours of which the clocks skip or repeat one at `shift`.
    #[must_use]
    pub fn is_touched_by(&self, shift: Shift) -> bool {
        let (offset, length) = if shift.seconds > 0 {
            // Skipped: read with the offset from before.
            let before = shift.at - SignedDuration::from_secs(1);
            (self.zone.to_offset(before), i64::from(shift.seconds))
        } else {
            (self.zone.to_offset(shift.at), -i64::from(shift.seconds))
        };
        let first = offset.to_datetime(shift.at);
        let end = first.saturating_add(SignedDuration::from_secs(length));
        let before = first.saturating_sub(SignedDuration::from_secs(1));
        self.has_hours && self.next_local(before).is_some_and(|next| next < end)
    }
}

fn is_fixed(field: &str) -> bool {
    !field.contains(['*', '/', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(expression: &str, zone: &str) -> Cron {
        Cron::new(expression, TimeZone::get(zone).expect("a zone")).expect("a pattern")
    }

    fn instants(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let cron = cron(expression, zone);
        let first = from.parse::<Timestamp>().expect("an instant");
        std::iter::successors(cron.next_after(first), |at| cron.next_after(*at))
            .take(count)
            .map(|at| at.to_string())
            .collect()
    }

    #[test]
    fn a_fixed_time_in_the_skipped_hour_runs_once_right_after_it() {
        // Clocks in New York went from 02:00 to 03:00 on 2026-03-08, at 07:00 UTC.
        let expected = [
            "2026-03-07T07:30:00Z",
            "2026-03-08T07:00:00Z",
            "2026-03-09T06:30:00Z",
        ];
        assert_eq!(
            instants("30 2 * * *", "America/New_York", "2026-03-07T00:00:00Z", 3),
            expected
        );
    }

    #[test]
    fn a_fixed_time_at_the_very_start_of_the_skipped_hour_runs_once_right_after_it() {
        for (expression, zone, from, expected) in [
            (
                "0 2 * * *",
                "America/New_York",
                "2026-03-07T08:00:00Z",
                ["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
            ),
            (
                "0 2 * * *",
                "Europe/Berlin",
                "2026-03-28T02:00:00Z",
                ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
            ),
            (
                "0 1 * * *",
                "Europe/London",
                "2026-03-28T02:00:00Z",
                ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
            ),
            // Midnight itself is skipped.
            (
                "@daily",
                "Africa/Cairo",
                "2026-04-23T00:00:00Z",
                ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
            ),
            (
                "0 2 14 3 *",
                "America/New_York",
                "2027-01-01T00:00:00Z",
                ["2027-03-14T07:00:00Z", "2028-03-14T06:00:00Z"],
            ),
        ] {
            assert_eq!(
                instants(expression, zone, from, 2),
                expected,
                "{expression} {zone}"
            );
        }
    }

    #[test]
    fn a_fixed_time_in_the_repeated_hour_runs_once() {
        let expected = [
            "2026-10-31T05:30:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-02T06:30:00Z",
        ];
        assert_eq!(
            instants("30 1 * * *", "America/New_York", "2026-10-31T00:00:00Z", 3),
            expected
        );
    }

    #[test]
    fn a_wildcard_runs_by_elapsed_time_over_both_changes() {
        for from in ["2026-03-08T04:00:00Z", "2026-11-01T03:00:00Z"] {
            let found = instants("*/20 * * * *", "America/New_York", from, 24);
            let found: Vec<Timestamp> = found
                .iter()
                .map(|at| at.parse().expect("an instant"))
                .collect();
            assert!(
                found
                    .windows(2)
                    .all(|pair| pair[1].as_second() - pair[0].as_second() == 1200),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_date_that_never_comes_has_no_next_instant() {
        assert_eq!(
            cron("0 0 31 2 *", "UTC").next_after(Timestamp::UNIX_EPOCH),
            None
        );
    }

    #[test]
    fn a_pattern_is_touched_by_a_change_of_the_clocks_only_in_hours_that_it_names() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let changes =
            super::super::shifts(&zone, from, from + SignedDuration::from_hours(365 * 24));
        let touched = |expression: &str| -> Vec<_> {
            let cron = cron(expression, "America/New_York");
            changes
                .iter()
                .map(|shift| cron.is_touched_by(*shift))
                .collect()
        };
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert_eq!(touched("30 2 * * *"), [true, false]);
        assert_eq!(touched("30 1 * * *"), [false, true]);
        assert_eq!(touched("*/10 1-2 * * *"), [true, true]);
        assert_eq!(touched("*/10 * * * *"), [false, false]);
    }

    #[test]
    fn seconds_in_front_names_and_fractions_of_the_start_are_understood() {
        assert_eq!(
            instants("*/15 * * * * *", "UTC", "2026-01-01T00:00:00.5Z", 2),
            ["2026-01-01T00:00:15Z", "2026-01-01T00:00:30Z"]
        );
        assert_eq!(
            instants("@hourly", "UTC", "2026-01-01T00:00:00.000001Z", 1),
            ["2026-01-01T01:00:00Z"]
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_what_was_expected() {
        for (text, words) in [
            ("* * *", "tem 3 campos"),
            ("", "tem 0 campos"),
            ("61 * * * *", "minuto 0-59"),
            ("* * * * * * 2030", "tem 7 campos"),
            ("@sometimes", "@hourly"),
            ("a b c d e", "minuto 0-59"),
        ] {
            let error = Cron::new(text, TimeZone::UTC).map(|_| ()).expect_err(text);
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }
}
