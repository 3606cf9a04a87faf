//! Instants and durations as the pages show them: readable as they stand, exact for programs and on hover.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::words;
use crate::http::Views;

/// An instant: the time of day, with the day when it is another than today's. The script puts it in the viewer's zone.
pub(super) fn moment(at: Timestamp, views: &Views) -> Markup {
    html! {
        time datetime=(machine(at)) title=(exact(at, &views.zone)) { (short(at, views)) }
    }
}

/// The same, or a dash.
pub(super) fn moment_or_dash(at: Option<Timestamp>, views: &Views) -> Markup {
    html! { @if let Some(at) = at { (moment(at, views)) } @else { (words::DASH) } }
}

/// An instant to come; the script counts down to it.
pub(super) fn countdown(at: Timestamp, views: &Views) -> Markup {
    let seconds = at.as_second() - views.clock.now().as_second();
    let left = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    html! {
        (moment(at, views)) " "
        span.conta data-ate=(machine(at)) { "em " (span(left)) }
    }
}

/// UTC to the millisecond, for programs.
pub(super) fn machine(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Everything about an instant, for people.
fn exact(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%d/%m/%Y %H:%M:%S%.3f (UTC%:z)")
        .to_string()
}

fn short(at: Timestamp, views: &Views) -> String {
    let at = at.to_zoned(views.zone.clone());
    let today = views.clock.now().to_zoned(views.zone.clone());
    let format = if at.date() == today.date() {
        "%H:%M:%S"
    } else {
        "%d/%m %H:%M:%S"
    };
    at.strftime(format).to_string()
}

/// The time of a line of output, to the millisecond.
pub(super) fn line_time(at: Timestamp, zone: &TimeZone) -> Markup {
    let text = at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f");
    html! {
        time data-ms datetime=(machine(at)) title=(exact(at, zone)) { (text) }
    }
}

/// A duration as people read it: `12 ms`, `4,5 s`, `2 min 15 s`, `1 h 30 min`, `3 d 4 h`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) {
        return match duration.as_millis() {
            0 if duration.is_zero() => "0 s".to_owned(),
            0 => "< 1 ms".to_owned(),
            millis => format!("{millis} ms"),
        };
    }
    if seconds < 10 && duration.subsec_millis() > 0 {
        return format!("{:.1} s", duration.as_secs_f64()).replace('.', ",");
    }
    let two = |more: u64, unit: &str, less: u64, smaller: &str| match less {
        0 => format!("{more} {unit}"),
        less => format!("{more} {unit} {less} {smaller}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => two(minutes, "min", seconds % 60, "s"),
        (0, ..) => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let cases = [
            (0, "0 s"),
            (12, "12 ms"),
            (4_512, "4,5 s"),
            (60_000, "1 min"),
            (135_000, "2 min 15 s"),
            (5_400_000, "1 h 30 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (millis, text) in cases {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
        assert_eq!(span(Duration::from_micros(5)), "< 1 ms");
    }
}
