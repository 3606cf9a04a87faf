//! The smaller panels of the overview: what runs now, the last cycles, telemetry, reloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use super::layout::{badge, class, fact, mark};
use super::times::{machine, moment, span};
use super::words;
use crate::domain::RunStart;
use crate::engine::status::{ProcessorStatus, Status};
use crate::http::Views;
use crate::http::recent::{CycleMark, Lately, Look};
use crate::telemetry::traces::{Counts, ExportState};

/// Runs of one cycle whose shapes are shown.
const SHOWN_RUNS: usize = 24;
/// Lines of one reload that are shown.
const SHOWN_LINES: usize = 8;

/// What runs now, against how long it usually takes.
pub(super) fn running(status: &Status, look: &Look, views: &Views) -> Markup {
    let runs: Vec<_> = status
        .processors
        .iter()
        .flat_map(|processor| {
            processor
                .in_flight
                .iter()
                .map(move |start| (processor, start))
        })
        .collect();
    html! {
        section.agora #agora aria-labelledby="titulo-agora" {
            h2 #titulo-agora { (words::RUNNING_NOW) }
            @if runs.is_empty() { p.vazio { (words::NOTHING_RUNS) } }
            ul { @for (processor, start) in runs { (progress(processor, start, (look, views))) } }
        }
    }
}

fn progress(
    processor: &ProcessorStatus,
    start: &Arc<RunStart>,
    (look, views): (&Look, &Views),
) -> Markup {
    let lately = look.processors.get(&processor.spec.name);
    let usual = lately
        .and_then(Lately::usual)
        .filter(|usual| !usual.is_zero());
    let elapsed = views.clock.now().duration_since(start.started_at);
    let elapsed = Duration::try_from(elapsed).unwrap_or_default();
    let elapsed = Duration::from_secs(elapsed.as_secs());
    let text = words::progress(&span(elapsed), usual.map(span).as_deref());
    let instance = start.instance;
    let place = words::instance((instance.number.into(), instance.of.into()));
    let place = place.map_or_else(String::new, |place| format!(" ({place})"));
    let label = format!("{}{place}", processor.spec.label);
    let most = usual.map(|usual| usual.as_millis());
    let done = most.map(|most| elapsed.as_millis().min(most));
    html! {
        li data-inicio=(machine(start.started_at)) data-costume=[usual.map(|usual| usual.as_millis())] {
            a href={ "/execucoes/" (start.id.as_str()) } { (mark("running")) (label) }
            progress max=[most] value=[done] aria-label=(label) { (text) }
            span.quanto { (text) }
        }
    }
}

/// The last cycles, newest first.
pub(super) fn cycles(look: &Look, views: &Views) -> Markup {
    let mut cycles: Vec<_> = look.cycles.iter().collect();
    cycles.sort_by_key(|cycle| std::cmp::Reverse(cycle.number));
    html! {
        section #ciclos aria-labelledby="titulo-ciclos" {
            h2 #titulo-ciclos { (words::LAST_CYCLES) }
            @if cycles.is_empty() { p.vazio { (words::NO_CYCLE) } } @else {
                div.rolagem tabindex="0" role="region" aria-labelledby="titulo-ciclos" {
                    table {
                        thead { tr {
                            th scope="col" { (words::CYCLE) } th scope="col" { (words::STARTED_AT) }
                            th scope="col" { (words::WHY) } th scope="col" { (words::DURATION) }
                            th scope="col" { (words::OUTCOME) } th scope="col" { (words::RUNS) }
                        } }
                        tbody { @for cycle in cycles { (cycle_row(cycle, views)) } }
                    }
                }
            }
        }
    }
}

fn cycle_row(cycle: &CycleMark, views: &Views) -> Markup {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (.., outcome) in &cycle.runs {
        *kinds.entry(outcome.label()).or_default() += 1;
    }
    html! {
        tr {
            th scope="row" { (cycle.number) }
            td { (moment(cycle.started_at, views)) }
            td { (words::trigger(cycle.trigger.label())) }
            td.numero { (span(cycle.duration)) }
            td { (badge(cycle.outcome.label())) }
            td {
                @if cycle.runs.len() > SHOWN_RUNS {
                    @for (label, count) in kinds {
                        span.contagem.(class(label)) { (mark(label)) span.oculto { (words::outcome(label)) ": " } (count) }
                    }
                } @else {
                    span.sinais { @for (name, id, outcome) in &cycle.runs {
                        @let label = outcome.label();
                        a.(class(label)) href={ "/execucoes/" (id.as_str()) } title={ (name) ": " (words::outcome(label)) } {
                            (mark(label)) span.oculto { (name) ": " (words::outcome(label)) }
                        }
                    } }
                }
            }
        }
    }
}

/// Whether what happens here is told elsewhere.
pub(super) fn telemetry(status: &Status, views: &Views) -> Markup {
    html! {
        section #telemetria aria-labelledby="titulo-telemetria" {
            h2 #titulo-telemetria { (words::TELEMETRY) }
            dl.lista {
                (fact(words::TRACES, export(&views.spans.counts(), views)))
                (fact(words::LOGS, export(&views.output.counts(), views)))
                (fact(words::METRIC_SERIES, html! { span.bom { (mark("success")) } (words::SERVED) " " a href="/metrics" { "/metrics" } }))
                (fact(words::HISTORY, history(status)))
                (fact(words::ALERTS, alerts(&views.alerts)))
            }
        }
    }
}

/// Whether alerts leave this machine, as far as somebody said.
fn alerts(places: &[String]) -> Markup {
    let ways = places.iter().filter_map(|place| words::alert_way(place));
    let ways: Vec<_> = ways.collect();
    html! {
        @if places.is_empty() { span.neutro { (mark("none")) } (words::ALERTS_UNKNOWN) }
        @else if ways.is_empty() { span.aviso { (mark("warning")) } (words::ALERTS_STAY) }
        @else { span.bom { (mark("success")) } (words::ALERTS_LEAVE) " " (ways.join(", ")) }
    }
}

fn history(status: &Status) -> Markup {
    html! {
        @if status.plan.dry_run { span.neutro { (mark("none")) } (words::HISTORY_OFF) }
        @else if let Some((_, reason)) = &status.history_fault {
            span.ruim { (mark("error")) } (words::HISTORY_BAD) ": " (reason)
        } @else { span.bom { (mark("success")) } (words::HISTORY_OK) }
    }
}

fn export(counts: &Counts, views: &Views) -> Markup {
    html! {
        @match &counts.state {
            ExportState::Disabled => { span.neutro { (mark("none")) } (words::EXPORT_OFF) }
            ExportState::Ok => {
                span.bom { (mark("success")) } (words::EXPORT_OK)
                @if let Some(at) = counts.last_success { ", " (moment(at, views)) }
            }
            ExportState::Degraded { since, error } => {
                span.ruim { (mark("error")) } (words::EXPORT_BAD) " " (words::SINCE) " " (moment(*since, views)) ": " (error)
            }
        }
    }
}

/// The last reloads of the configuration.
pub(super) fn reloads(look: &Look, views: &Views) -> Markup {
    html! {
        section #recargas aria-labelledby="titulo-recargas" {
            h2 #titulo-recargas { (words::RELOADS) }
            @if look.reloads.is_empty() { p.vazio { (words::NO_RELOAD) } }
            ul.recargas { @for reload in look.reloads.iter().rev() {
                li {
                    @let (class, shape, word) = if reload.is_applied {
                        ("bom", "success", words::APPLIED)
                    } else {
                        ("ruim", "failure", words::REJECTED)
                    };
                    span.(class) { (mark(shape)) } (moment(reload.at, views)) " " (word)
                    @if reload.lines.is_empty() { ": " (words::NOTHING_CHANGED) }
                    @else { ul { @for line in reload.lines.iter().take(SHOWN_LINES) { li { code { (line) } } } } }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_that_stay_here_are_a_warning_and_those_that_leave_say_how() {
        let of = |places: &[&str]| {
            let places: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
            alerts(&places).into_string()
        };
        assert!(of(&[]).contains(words::ALERTS_UNKNOWN));
        let stay = of(&["maquina", "batimento"]);
        assert!(
            stay.contains(words::ALERTS_STAY) && stay.contains("s-warning"),
            "{stay}"
        );
        let leave = of(&["maquina", "email", "webhook"]);
        assert!(
            leave.contains("por e-mail, webhook") && leave.contains("s-success"),
            "{leave}"
        );
    }
}
