//! The page at `/`: is all well, what runs, what ran, what comes. Made of parts that are sent again when they change.

use maud::{Markup, PreEscaped, html};

use super::layout::{Place, fact, mark, page};
use super::times::{countdown, moment, moment_or_dash, span};
use super::{card, group, panels, timeline, words};
use crate::domain::ScheduleSpec;
use crate::engine::status::{Phase, ProcessorStatus, Status};
use crate::http::Views;
use crate::http::recent::{Lately, Look};

/// What a card's element is called: this and the processor's name.
const CARD: &str = "p-";

/// One part of the page, by the id of its element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct Part {
    /// The id of its element.
    pub(in crate::http) id: String,
    /// The whole element.
    pub(in crate::http) html: String,
}

impl Part {
    fn new(id: &str, element: &Markup) -> Self {
        Self {
            id: id.to_owned(),
            html: element.0.clone(),
        }
    }

    /// As it stands in a page.
    pub(super) fn markup(&self) -> PreEscaped<&str> {
        PreEscaped(self.html.as_str())
    }
}

/// Everything on the page that changes, in the order in which it stands there; cards come last.
pub(in crate::http) fn parts(views: &Views) -> Vec<Part> {
    let status = views.board.snapshot();
    let look = views.recent.look();
    let mut parts = vec![
        Part::new("estado", &headline(&status, views)),
        Part::new("fatos", &facts(&status, views)),
        Part::new("agora", &panels::running(&status, &look, views)),
        Part::new("linha", &timeline::timeline(&status, &look, views)),
        Part::new("ciclos", &panels::cycles(&look, views)),
        Part::new("telemetria", &panels::telemetry(&status, views)),
        Part::new("recargas", &panels::reloads(&look, views)),
    ];
    parts.extend(group::part(views).map(|part| Part::new("grupo", &part)));
    parts.extend(cards(&status, &look, views));
    parts
}

fn cards(status: &Status, look: &Look, views: &Views) -> Vec<Part> {
    let none = Lately::default();
    let part = |processor: &ProcessorStatus| {
        let lately = look.processors.get(&processor.spec.name).unwrap_or(&none);
        card_part(processor, lately, (status, views))
    };
    status.processors.iter().map(part).collect()
}

/// The card of one processor as a part.
pub(super) fn card_part(
    processor: &ProcessorStatus,
    lately: &Lately,
    known: (&Status, &Views),
) -> Part {
    let id = format!("{CARD}{}", processor.spec.name);
    let element = html! {
        article.cartao.(card::class_of(processor)) id=(id) { (card::card(processor, lately, known)) }
    };
    Part::new(&id, &element)
}

/// The whole page.
pub(super) fn overview(views: &Views) -> Markup {
    let parts = parts(views);
    let (cards, rest): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.id.starts_with(CARD));
    let [
        headline,
        facts,
        running,
        timeline,
        cycles,
        telemetry,
        reloads,
        group @ ..,
    ] = rest.as_slice()
    else {
        return html! {};
    };
    let content = html! {
        (headline.markup())
        (facts.markup())
        (running.markup())
        section aria-labelledby="titulo-processadores" {
            h2 #titulo-processadores { (words::PROCESSORS) }
            div.cartoes #cartoes { @for card in cards { (card.markup()) } }
        }
        @for part in group { (part.markup()) }
        (timeline.markup())
        div.lado {
            (cycles.markup())
            div { (telemetry.markup()) (reloads.markup()) }
        }
    };
    page(words::OVERVIEW, Place::Overview, Some("/eventos"), &content)
}

fn headline(status: &Status, views: &Views) -> Markup {
    let failing: Vec<_> = status
        .processors
        .iter()
        .filter(|one| one.is_failing())
        .collect();
    let first = failing
        .iter()
        .filter_map(|one| one.state.failing_since)
        .min();
    let has_doubts = status.history_fault.is_some() || views.is_losing_telemetry();
    let (class, shape, text) = match (status.phase, status.is_stalled(), failing.len()) {
        (_, true, _) => ("ruim", "error", words::STALLED.to_owned()),
        (Phase::Stopping, ..) => ("neutro", "cancellation", words::STOPPING.to_owned()),
        (_, _, count @ 1..) => ("ruim", "failure", words::failing(count)),
        _ if status.paused_since.is_some() => ("aviso", "cancellation", words::PAUSED.to_owned()),
        _ if has_doubts => ("aviso", "warning", words::RESERVATIONS.to_owned()),
        (Phase::Starting, ..) => ("neutro", "running", words::STARTING.to_owned()),
        (Phase::Running, ..) => ("bom", "success", words::ALL_WELL.to_owned()),
    };
    let since = match (status.is_stalled(), first) {
        (false, Some(first)) if class == "ruim" => Some(first),
        (false, None) => status.paused_since,
        _ => None,
    };
    html! {
        section.estado.(class) #estado aria-live="polite" {
            h1 {
                (mark(shape)) span {
                    (text) @if let Some(since) = since { " " (words::SINCE) " " (moment(since, views)) }
                }
            }
            @if status.plan.dry_run { p { (words::SIMULATION) } }
            @if !failing.is_empty() { ul { @for one in failing { (failure(one, views)) } } }
            @if let Some((at, reason)) = &status.history_fault {
                p { (words::HISTORY) " " (words::HISTORY_BAD) " " (words::SINCE) " " (moment(*at, views)) ": " (reason) }
            }
        }
    }
}

fn failure(processor: &ProcessorStatus, views: &Views) -> Markup {
    let run = processor.last_result.as_deref();
    let outcome = run.map(|run| run.result.outcome);
    let outcome = outcome.or(processor
        .state
        .last_result
        .as_ref()
        .map(|result| result.outcome));
    let label = outcome.map_or(words::DASH, |outcome| words::outcome(outcome.label()));
    let reason = outcome
        .map(words::reason)
        .filter(|reason| !reason.is_empty());
    html! {
        li {
            a href={ "#" (CARD) (processor.spec.name) } { (processor.spec.label) }
            ": " (label) @if let Some(reason) = reason { " (" (reason) ")" }
            @if let Some(at) = processor.state.failing_since { ", " (words::SINCE) " " (moment(at, views)) }
            @if let Some(run) = run { " · " a href={ "/execucoes/" (run.start.id.as_str()) } { (words::OUTPUT) } }
        }
    }
}

fn facts(status: &Status, views: &Views) -> Markup {
    let results: u64 = status.processors.iter().map(|one| one.results).sum();
    let successes: u64 = status.processors.iter().map(|one| one.successes).sum();
    let last = status.last_cycle.as_ref();
    let mean = status.mean_duration().map_or(words::DASH.to_owned(), span);
    html! {
        dl.fatos #fatos aria-label=(words::SUMMARY) {
            (fact(words::NEXT_CYCLE, html! {
                @match status.next_start { Some(at) => (countdown(at, views)), None => (words::CYCLE_RUNS) }
            }))
            (fact(words::MODE, status.plan.mode.word()))
            @match &status.plan.main {
                ScheduleSpec::Interval(interval) => (fact(words::INTERVAL, span(*interval))),
                ScheduleSpec::Cron { expression, .. } => (fact(words::SCHEDULE, expression)),
            }
            (fact(words::CYCLES, status.cycles.to_string()))
            (fact(words::RESULTS, format!("{successes} / {}", results - successes)))
            (fact(words::LAST_CYCLE, moment_or_dash(last.map(|cycle| cycle.finished_at), views)))
            (fact(words::MEAN_CYCLE, mean))
            (fact(words::UPTIME, html! {
                span data-desde=(super::times::machine(status.started_at)) title=(super::times::machine(status.started_at)) { (span(rounded(status.uptime))) }
            }))
            (fact(words::VERSION, env!("CARGO_PKG_VERSION")))
        }
    }
}

/// Whole seconds, and whole minutes once there are any: what nobody watches need not change.
fn rounded(time: std::time::Duration) -> std::time::Duration {
    let seconds = time.as_secs();
    let step = if seconds < 60 { 1 } else { 60 };
    std::time::Duration::from_secs(seconds / step * step)
}
