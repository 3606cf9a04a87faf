//! `/processadores/NOME`: what one processor did, by outcome and a page at a time, and how long it took.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Place, badge_of, class, fact, page, path};
use super::times::{moment, span};
use super::{answer, draw, outputs, overview, refusal, unknown, words};
use crate::domain::{Outcome, ProcessorName};
use crate::engine::status::{ProcessorStatus, Status};
use crate::history::{RecordedRun, RunQuery};
use crate::http::Views;
use crate::http::asking::Unanswered;

/// Runs on one page.
const PER_PAGE: usize = 50;
/// Height of the chart, and between two of its bars.
const HEIGHT: u64 = 120;
const STEP: usize = 12;
/// The longest id of a run that is looked at.
const LONGEST_ID: usize = 64;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Asked {
    /// The word of an outcome.
    #[serde(default)]
    resultado: String,
    /// The run after which the page begins.
    #[serde(default)]
    antes: String,
}

impl Asked {
    /// The outcome, if it is one.
    fn outcome(&self) -> Option<String> {
        let is_known = Outcome::LABELS.contains(&self.resultado.as_str());
        is_known.then(|| self.resultado.clone())
    }

    fn before(&self) -> Option<String> {
        let is_id = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let is_asked = (1..=LONGEST_ID).contains(&self.antes.len());
        (is_asked && self.antes.bytes().all(is_id)).then(|| self.antes.clone())
    }
}

/// Answers the page.
pub(in crate::http) async fn processor(
    State(views): State<Arc<Views>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Ok(name) = ProcessorName::try_from(name) else {
        return unknown(words::NO_SUCH_PROCESSOR, &headers);
    };
    let query = RunQuery {
        processor: Some(name.clone()),
        outcome: asked.outcome(),
        before: asked.before(),
        limit: PER_PAGE + 1,
        ..RunQuery::default()
    };
    let runs = views.sources.history(move |history| history.runs(&query));
    let runs = match runs.await {
        Err(Unanswered::NoHistory) => Vec::new(),
        Err(error) => return refusal(&error, &headers),
        Ok(runs) => runs,
    };
    let status = views.board.snapshot();
    let known = status.processors.iter().find(|one| one.spec.name == name);
    if known.is_none() && runs.is_empty() && asked.outcome().is_none() {
        return unknown(words::NO_SUCH_PROCESSOR, &headers);
    }
    let shown = Shown {
        name: &name,
        known,
        status: &status,
        runs: &runs,
        asked: &asked,
    };
    answer(StatusCode::OK, &shown.page(&views), &headers)
}

struct Shown<'a> {
    name: &'a ProcessorName,
    known: Option<&'a ProcessorStatus>,
    status: &'a Status,
    runs: &'a [RecordedRun],
    asked: &'a Asked,
}

impl Shown<'_> {
    fn page(&self, views: &Views) -> Markup {
        let label = self
            .known
            .map_or(self.name.as_str(), |one| one.spec.label.as_str());
        let shown = self.runs.get(..PER_PAGE).unwrap_or(self.runs);
        let content = html! {
            (path(&[("/", words::OVERVIEW)]))
            h1 {
                @if let Some(one) = self.known { span aria-hidden="true" { (one.spec.icon) } " " }
                (label)
            }
            @if let Some(one) = self.known {
                (overview::card_part(one, &views.recent.of(self.name), (self.status, views)).markup())
            }
            @if !shown.is_empty() { (chart(shown)) }
            section aria-labelledby="titulo-historico" {
                h2 #titulo-historico { (words::RUN_HISTORY) }
                @if self.status.plan.dry_run { p.vazio { (words::NO_HISTORY) } } @else {
                    (self.filter())
                    (table(shown, views))
                    (self.pages(shown))
                }
            }
            @if let Some(one) = self.known { (last_output(one, views)) (configuration(one)) }
        };
        page(label, Place::Elsewhere, Some("/eventos"), &content)
    }

    fn filter(&self) -> Markup {
        let chosen = self.asked.outcome();
        html! {
            form.filtro method="get" {
                label {
                    (words::OUTCOME)
                    select name="resultado" {
                        option value="" { (words::ALL) }
                        @for (value, word) in words::OUTCOMES {
                            option value=(value) selected[chosen.as_deref() == Some(value)] { (word) }
                        }
                    }
                }
                button type="submit" { (words::FILTER) }
            }
        }
    }

    fn pages(&self, shown: &[RecordedRun]) -> Markup {
        let chosen = self.asked.outcome().unwrap_or_default();
        let more = (self.runs.len() > shown.len())
            .then(|| shown.last())
            .flatten();
        html! {
            nav.paginas aria-label=(words::PAGES) {
                @if self.asked.before().is_some() { a href={ "?resultado=" (chosen) } { "« " (words::NEWER) } }
                @if let Some(last) = more { a href={ "?resultado=" (chosen) "&antes=" (last.id) } { (words::OLDER) " »" } }
            }
        }
    }
}

fn table(runs: &[RecordedRun], views: &Views) -> Markup {
    html! {
        @if runs.is_empty() { p.vazio { (words::NO_RUN) } } @else {
            div.rolagem tabindex="0" role="region" aria-labelledby="titulo-historico" {
                table #execucoes {
                    thead { tr {
                        th scope="col" { (words::RUN) } th scope="col" { (words::STARTED_AT) }
                        th scope="col" { (words::OUTCOME) } th.numero scope="col" { (words::DURATION) }
                        th.numero scope="col" { (words::EXIT_CODE) } th.numero scope="col" { (words::PEAK_MEMORY) }
                        th scope="col" { (words::RUN_SUMMARY) }
                    } }
                    tbody { @for run in runs { (row(run, views)) } }
                }
            }
        }
    }
}

fn row(run: &RecordedRun, views: &Views) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/execucoes/" (run.id) } { code { (outputs::short_id(&run.id)) } } @if let Some(place) = words::instance(run.instance) { " " (place) } }
            td { (moment(run.started_at, views)) }
            td { (badge_of(run.outcome.as_deref())) }
            td.numero { (run.duration.map_or(words::DASH.to_owned(), span)) }
            td.numero { (run.exit_code.map_or(words::DASH.to_owned(), |code| code.to_string())) }
            td.numero { @if run.max_rss_bytes > 0 { (words::bytes(run.max_rss_bytes)) } @else { (words::DASH) } }
            td.longo { (run.summary.as_deref().unwrap_or_default()) }
        }
    }
}

/// The durations of the runs that are listed, oldest first.
fn chart(runs: &[RecordedRun]) -> Markup {
    let longest = runs
        .iter()
        .filter_map(|run| run.duration)
        .max()
        .unwrap_or_default();
    let longest = longest.max(Duration::from_millis(1));
    let width = runs.len().max(20) * STEP;
    let bad = |run: &&RecordedRun| class(run.outcome.as_deref().unwrap_or_default()) == "ruim";
    let count = runs.iter().filter(bad).count();
    html! {
        section aria-labelledby="titulo-duracoes" {
            h2 #titulo-duracoes { (words::DURATIONS) }
            div.escala { span { (span(longest)) } }
            svg.grafico role="img" aria-label=(words::sparkline(runs.len(), count, None))
                viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" {
                @for y in [1, HEIGHT / 2, HEIGHT - 1] { line x1="0" x2=(width) y1=(y) y2=(y) {} }
                @for (index, run) in runs.iter().rev().enumerate() {
                    @let duration = run.duration.unwrap_or_default();
                    @let height = draw::height_of(duration, longest, HEIGHT - 2).max(2);
                    rect.(class(run.outcome.as_deref().unwrap_or_default()))
                        x=(index * STEP + 2) y=(HEIGHT - height) width=(STEP - 4) height=(height) {
                        title { (words::outcome(run.outcome.as_deref().unwrap_or_default())) ", " (span(duration)) }
                    }
                }
            }
            div.escala { span { (words::OLDER) } span { (words::NEWER) } }
        }
    }
}

/// What its last run said.
fn last_output(processor: &ProcessorStatus, views: &Views) -> Markup {
    let Some(run) = &processor.last_run else {
        return html! {};
    };
    html! {
        section aria-labelledby="titulo-saida" {
            h2 #titulo-saida {
                (words::LAST_OUTPUT) " · "
                a href={ "/execucoes/" (run.start.id.as_str()) } { code { (outputs::short_id(run.start.id.as_str())) } }
            }
            (outputs::tail(&run.result.output, views))
        }
    }
}

fn configuration(processor: &ProcessorStatus) -> Markup {
    let spec = &processor.spec;
    let depends: Vec<_> = spec.depends_on.iter().map(ProcessorName::as_str).collect();
    html! {
        section aria-labelledby="titulo-configuracao" {
            h2 #titulo-configuracao { (words::CONFIGURATION) }
            dl.fatos {
                (fact(words::NAME, spec.name.as_str()))
                (fact(words::TIMEOUT, span(spec.timeout)))
                (fact(words::GRACE, span(spec.grace)))
                (fact(words::INSTANCES, words::instances(&spec.instances, &processor.load)))
                (fact(words::ATTEMPTS_ALLOWED, spec.retry.attempts.to_string()))
                @if !depends.is_empty() { (fact(words::DEPENDS_ON, depends.join(", "))) }
            }
        }
    }
}
