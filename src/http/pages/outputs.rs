//! Kept lines of output: as a table, searched, and as plain text.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{lines, words};
use crate::domain::OutputLine;
use crate::history::RecordedLine;
use crate::http::Views;

/// Lines of a last output that are shown on a processor's page.
const TAIL: usize = 30;
/// The longest text that is searched for, characters.
const LONGEST_SEARCH: usize = 200;

/// As much of an id as tells runs apart for a reader: the millisecond, and the bits that differ within it (RFC 9562,
/// section 5.7).
pub(super) fn short_id(id: &str) -> &str {
    id.get(..18).unwrap_or(id)
}

/// The last lines of a run.
pub(super) fn tail(output: &[OutputLine], views: &Views) -> Markup {
    let skipped = output.len().saturating_sub(TAIL);
    let rows = (1_u64..).zip(output).skip(skipped);
    html! {
        @if output.is_empty() { p.vazio { (words::NO_OUTPUT) } } @else {
            (table("saida-recente", &html! {
                @for (number, line) in rows { (lines::row((number, line.at), line.stream.label(), &line.text, &views.zone)) }
            }, None))
        }
    }
}

/// What is searched for; bounded.
pub(super) fn wanted(words: &str) -> String {
    words.trim().chars().take(LONGEST_SEARCH).collect()
}

/// The lines of a run that contain `wanted`, and how many there are.
pub(super) fn searched(output: &[RecordedLine], wanted: &str, zone: &TimeZone) -> (Markup, usize) {
    let wanted = wanted.to_lowercase();
    let contains = |(_, line): &(u64, &RecordedLine)| {
        wanted.is_empty() || line.text.to_lowercase().contains(&wanted)
    };
    let found: Vec<_> = (1_u64..).zip(output).filter(contains).collect();
    let count = found.len();
    let rows = html! {
        @for (number, line) in found { (lines::row((number, line.at), &line.stream, &line.text, zone)) }
    };
    (rows, count)
}

/// A table of lines; `next` is the number of the line that comes next, if more may come.
pub(super) fn table(id: &str, rows: &Markup, next: Option<u64>) -> Markup {
    html! {
        div.rolagem tabindex="0" role="region" aria-label=(words::OUTPUT) {
            table.saida {
                thead.oculto { tr {
                    th scope="col" { (words::NUMBER) } th scope="col" { (words::TIME) }
                    th scope="col" { (words::STREAM) } th scope="col" { (words::LINE) }
                } }
                tbody id=(id) data-de=[next] { (rows) }
            }
        }
    }
}

/// One line after another, as it was written.
pub(super) fn plain<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut plain = String::new();
    for text in texts {
        plain.push_str(text);
        plain.push('\n');
    }
    plain
}
