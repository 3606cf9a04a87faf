//! One processor as a card: how it ended, since when, how long, how often, when next.

use maud::{Markup, html};

use super::layout::{badge, class, fact, mark};
use super::times::{moment, moment_or_dash, span};
use super::{draw, words};
use crate::domain::Outcome;
use crate::domain::Run;
use crate::engine::status::{ProcessorStatus, Status};
use crate::http::Views;
use crate::http::recent::{Lately, RUNS};

/// From so many processors on, cards are smaller.
const CROWD: usize = 40;
/// Bars on a smaller card.
const FEW: usize = 12;
/// The longest summary on a card, characters.
const SUMMARY: usize = 140;

/// The card.
pub(super) fn card(
    processor: &ProcessorStatus,
    lately: &Lately,
    (status, views): (&Status, &Views),
) -> Markup {
    let name = processor.spec.name.as_str();
    let outcome = outcome(processor);
    let label = outcome.map_or("none", Outcome::label);
    let bars = if is_crowd(status) { FEW } else { RUNS };
    html! {
        header {
            h3 {
                a href={ "/processadores/" (name) } {
                    span aria-hidden="true" { (processor.spec.icon) } " " (processor.spec.label)
                }
            }
            (state(processor, outcome))
        }
        (account(processor, label, views))
        @if !lately.runs.is_empty() { (draw::sparkline(lately, bars)) }
        dl { (facts(processor, lately, (status, views))) }
    }
}

/// Many cards say less each; the processor's page says the rest.
fn is_crowd(status: &Status) -> bool {
    status.processors.len() > CROWD
}

/// The class of a card's colour.
pub(super) fn class_of(processor: &ProcessorStatus) -> &'static str {
    if processor.is_failing() {
        return "ruim";
    }
    outcome(processor).map_or("neutro", |outcome| class(outcome.label()))
}

/// How its last run ended, also one before this start.
pub(super) fn outcome(processor: &ProcessorStatus) -> Option<Outcome> {
    let run = processor.last_run.as_ref().map(|run| run.result.outcome);
    run.or(processor.state.last_outcome)
}

fn state(processor: &ProcessorStatus, outcome: Option<Outcome>) -> Markup {
    html! {
        span.selos {
            @if let Some(start) = processor.in_flight.first() {
                a.selo.correndo href={ "/execucoes/" (start.id.as_str()) } { (mark("running")) (words::RUNNING) }
            }
            @match outcome {
                Some(outcome) => (badge(outcome.label())),
                None => @if processor.in_flight.is_empty() { span.selo.neutro { (mark("none")) (words::NEVER_RAN) } },
            }
        }
    }
}

/// Reason, since when, and what the processor says itself.
fn account(processor: &ProcessorStatus, label: &str, views: &Views) -> Markup {
    let reason = outcome(processor).map(words::reason).unwrap_or_default();
    let run = processor.last_run.as_deref();
    let summary = run.and_then(Run::summary);
    let summary: Option<String> = summary.map(|text| text.chars().take(SUMMARY).collect());
    html! {
        p.relato {
            @if !reason.is_empty() { strong.(class(label)) { (reason) } " " }
            @if let Some(since) = processor.state.failing_since {
                span.ruim { (words::SINCE) " " (moment(since, views)) } " "
            }
            @if let Some(summary) = summary { span.resumo { (summary) } }
        }
    }
}

fn facts(
    processor: &ProcessorStatus,
    lately: &Lately,
    (status, views): (&Status, &Views),
) -> Markup {
    let state = &processor.state;
    let last = state
        .last_completion
        .max(lately.runs.back().map(|run| run.finished_at));
    let (results, successes) = lately.of_a_day(views.clock.now());
    let usage = processor.last_result.as_ref().map(|run| run.result.usage);
    let result = state.last_result.as_ref();
    let memory = result
        .map(|result| result.max_rss_bytes)
        .filter(|bytes| *bytes > 0);
    let streak = words::streak(state.consecutive_failures, lately.successes_in_a_row);
    let run = processor.last_run.as_deref();
    let trace = run.and_then(|run| views.trace_link(run));
    html! {
        (fact(words::LAST, moment_or_dash(last, views)))
        (fact(words::DURATION, result.map_or(words::DASH.to_owned(), |result| span(result.duration))))
        (fact(words::IN_A_DAY, words::rate(results, successes)))
        (fact(words::STREAK, streak))
        @if !is_crowd(status) || processor.spec.timing.schedule.is_some() {
            (fact(words::NEXT, next(processor, (status, views))))
        }
        @if !is_crowd(status) {
            @if let Some(usage) = usage { (fact(words::CPU, span(usage.cpu_user + usage.cpu_system))) }
            @if let Some(bytes) = memory { (fact(words::PEAK_MEMORY, words::bytes(bytes))) }
            @if let Some(link) = trace { (fact(words::TRACE, html! { a href=(link) rel="noreferrer" { (words::OPEN) } })) }
        }
        @if processor.missed > 0 { (fact(words::MISSED, processor.missed.to_string())) }
    }
}

fn next(processor: &ProcessorStatus, (status, views): (&Status, &Views)) -> Markup {
    let at = status.next_start_of(processor);
    let waits = processor.spec.timing.schedule.is_none() && at.is_none();
    html! {
        @if waits { (words::WITH_NEXT_CYCLE) } @else { (moment_or_dash(at, views)) }
    }
}
