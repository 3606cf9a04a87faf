//! Lines of output as rows of a table: number, time, stream, text.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::times::line_time;
use super::words;
use crate::http::Views;
use crate::http::tail::Lines;

/// New lines of a run that is in flight, and a row that says how many are not there any more.
pub(in crate::http) fn live_lines(lines: &Lines, views: &Views) -> Markup {
    let first = lines.next - lines.new.len() as u64;
    html! {
        @if lines.missed > 0 { (missed(lines.missed)) }
        @for (number, line) in (first + 1..).zip(&lines.new) {
            (row((number, line.at), line.stream.label(), &line.text, &views.zone))
        }
    }
}

fn missed(count: u64) -> Markup {
    html! { tr { td.n {} td.h {} td.f {} td.texto { (words::missed_lines(count)) } } }
}

/// One line.
pub(super) fn row(
    (number, at): (u64, Timestamp),
    stream: &str,
    text: &str,
    zone: &TimeZone,
) -> Markup {
    html! {
        tr class=(stream) {
            td.n { (number) } td.h { (line_time(at, zone)) } td.f { (stream) } td.texto { (text) }
        }
    }
}
