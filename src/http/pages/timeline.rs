//! The last while as lines of time, one for each processor: who ran when, and how it ended.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::draw::{self, Window, percent};
use super::layout::{badge, class};
use super::times::{machine, moment};
use super::words;
use crate::domain::Schedule;
use crate::engine::status::{ProcessorStatus, Status};
use crate::http::Views;
use crate::http::recent::Look;

/// Processors that are drawn; those that fail come first.
const LANES: usize = 12;
/// The shortest time that is drawn.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// Marks of time.
const TICKS: i64 = 4;

/// The section.
pub(super) fn timeline(status: &Status, look: &Look, views: &Views) -> Markup {
    let drawn = drawn(status, look);
    let window = window(look, &drawn);
    let hidden = status.processors.len() - drawn.len();
    html! {
        section.tempo #linha aria-labelledby="titulo-linha" {
            h2 #titulo-linha { (words::TIMELINE) }
            @match window {
                None => p.vazio { (words::NOTHING_YET) },
                Some(window) => {
                    (lanes(&drawn, look, (window, views)))
                    @if hidden > 0 { p.nota { (words::and_more(hidden)) } }
                    (legend())
                }
            }
        }
    }
}

fn lanes(drawn: &[&ProcessorStatus], look: &Look, (window, views): (Window, &Views)) -> Markup {
    let none = VecDeque::new();
    html! {
        ul.faixas {
            @for processor in drawn {
                li {
                    a.nome href={ "/processadores/" (processor.spec.name) } { (processor.spec.short_label) }
                    (draw::lane(look.processors.get(&processor.spec.name).map_or(&none, |lately| &lately.runs), window))
                }
            }
        }
        div.eixo aria-hidden="true" { (ticks(window, views)) }
    }
}

/// Who is drawn: those that fail, then those that ran, in the order of declaration.
fn drawn<'a>(status: &'a Status, look: &Look) -> Vec<&'a ProcessorStatus> {
    let ran = |one: &&ProcessorStatus| look.processors.contains_key(&one.spec.name);
    let mut chosen: Vec<_> = status.processors.iter().filter(ran).collect();
    if chosen.len() > LANES {
        // Stable, so that the order of declaration holds among equals.
        chosen.sort_by_key(|one| !one.is_failing());
        chosen.truncate(LANES);
    }
    chosen
}

/// From the begin of the last main cycles, or of the runs if there was none, to the end of what happened last.
fn window(look: &Look, drawn: &[&ProcessorStatus]) -> Option<Window> {
    let of = |one: &&ProcessorStatus| look.processors.get(&one.spec.name);
    let runs = || drawn.iter().filter_map(of).flat_map(|lately| &lately.runs);
    let end = runs().map(|mark| mark.finished_at).max()?;
    let is_main = |cycle: &&std::sync::Arc<_>| is_main(cycle);
    let cycles = look
        .cycles
        .iter()
        .filter(is_main)
        .map(|cycle| cycle.started_at);
    let begin = cycles
        .min()
        .or_else(|| runs().map(|mark| mark.started_at).min())?;
    let earliest = end.checked_sub(LONGEST).unwrap_or(begin);
    let latest = end.checked_sub(SHORTEST).unwrap_or(begin);
    Some(Window {
        begin: begin.clamp(earliest, latest).as_millisecond(),
        end: end.as_millisecond(),
    })
}

fn is_main(cycle: &crate::http::recent::CycleMark) -> bool {
    cycle.schedule == Schedule::Main
}

fn ticks(window: Window, views: &Views) -> Markup {
    let at = |index: i64| window.begin + (window.end - window.begin) * index / TICKS;
    let instant = |index| Timestamp::from_millisecond(at(index)).unwrap_or(Timestamp::UNIX_EPOCH);
    html! {
        svg { @for index in 0..=TICKS {
            line x1=(percent(index * 10_000 / TICKS)) x2=(percent(index * 10_000 / TICKS)) y1="0" y2="5" {}
        } }
        div { @for index in 0..=TICKS { span data-tique=(machine(instant(index))) { (moment(instant(index), views)) } } }
    }
}

fn legend() -> Markup {
    html! {
        ul.legenda aria-label=(words::TIMELINE_LEGEND) {
            @for (label, _) in words::OUTCOMES { li.(class(label)) { (badge(label)) } }
        }
    }
}
