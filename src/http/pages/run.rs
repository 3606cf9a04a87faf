//! `/execucoes/ID`: one run, its attempts and its output, which comes live while it runs.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Place, badge, badge_of, fact, outcome_of, page, path, running_badge};
use super::times::{machine, moment, moment_or_dash, span};
use super::{answer, lines, outputs, refusal, unknown, words};
use crate::domain::RunStart;
use crate::engine::status::Status;
use crate::history::{Found, RecordedAttempt, RecordedRun, RunDetails};
use crate::http::asking::Unanswered;
use crate::http::{Views, encoding};

/// The shortest beginning of an id that is looked up.
const SHORTEST_ID: usize = 4;
/// The longest.
const LONGEST_ID: usize = 64;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Asked {
    /// Only lines that contain this.
    #[serde(default)]
    busca: String,
}

/// Answers the page.
pub(in crate::http) async fn run(
    State(views): State<Arc<Views>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let status = views.board.snapshot();
    if let Some(start) = in_flight(&status, &id) {
        return answer(StatusCode::OK, &live(start, &views), &headers);
    }
    match find(&views, &id).await {
        Ok(details) => {
            let shown = ended(&details, &outputs::wanted(&asked.busca), (&status, &views));
            answer(StatusCode::OK, &shown, &headers)
        }
        Err(absence) => absence.answer(&headers),
    }
}

/// Answers the kept output of a run as plain text.
pub(in crate::http) async fn plain_output(
    State(views): State<Arc<Views>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let live = views.recent.output(&id, 0);
    let (id, text) = match live {
        Some(live) => (
            id,
            outputs::plain(live.new.iter().map(|line| line.text.as_str())),
        ),
        None => match find(&views, &id).await {
            Ok(details) => {
                let texts = details.output.iter().map(|line| line.text.as_str());
                (details.run.id, outputs::plain(texts))
            }
            Err(absence) => return absence.answer(&headers),
        },
    };
    let mut response = encoding::answer(text.into_bytes(), "text/plain; charset=utf-8", &headers);
    let name = format!(
        "attachment; filename=\"saida-{}.txt\"",
        outputs::short_id(&id)
    );
    if let Ok(name) = HeaderValue::try_from(name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

fn in_flight<'a>(status: &'a Status, id: &str) -> Option<&'a Arc<RunStart>> {
    let runs = status.processors.iter().flat_map(|one| &one.in_flight);
    runs.into_iter().find(|start| start.id.as_str() == id)
}

/// Why a run is not shown.
enum Absence {
    Unknown,
    Ambiguous,
    Unanswered(Unanswered),
}

impl Absence {
    fn answer(&self, headers: &HeaderMap) -> Response {
        match self {
            Self::Unknown | Self::Unanswered(Unanswered::NoHistory) => {
                unknown(words::NO_SUCH_RUN, headers)
            }
            Self::Ambiguous => unknown(words::AMBIGUOUS, headers),
            Self::Unanswered(error) => refusal(error, headers),
        }
    }
}

async fn find(views: &Views, id: &str) -> Result<Box<RunDetails>, Absence> {
    let is_id = id
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !is_id || !(SHORTEST_ID..=LONGEST_ID).contains(&id.len()) {
        return Err(Absence::Unknown);
    }
    let id = id.to_ascii_lowercase();
    let found = views
        .sources
        .history(move |history| history.find(&id))
        .await;
    match found.map_err(Absence::Unanswered)? {
        Found::One(details) => Ok(details),
        Found::Several => Err(Absence::Ambiguous),
        Found::Nothing => Err(Absence::Unknown),
    }
}

/// A run that is in flight.
fn live(start: &RunStart, views: &Views) -> Markup {
    let (id, spec) = (start.id.as_str(), &start.spec);
    let output = views.recent.output(id, 0);
    let next = output.as_ref().map_or(0, |output| output.next);
    let events = format!("/eventos?execucao={id}");
    let content = html! {
        (head(spec.name.as_str(), &spec.label, id))
        section.painel {
            dl.fatos {
                (fact(words::OUTCOME, running_badge()))
                (fact(words::PROCESSOR, processor_link(spec.name.as_str(), &spec.label)))
                (fact(words::STARTED_AT, moment(start.started_at, views)))
                (fact(words::DURATION, html! { span data-desde=(machine(start.started_at)) { (words::RUNNING) } }))
                (fact(words::CYCLE, start.cycle.number.to_string()))
                @if let Some(place) = words::instance((start.instance.number.into(), start.instance.of.into())) {
                    (fact(words::INSTANCE, place))
                }
                (fact(words::QUEUE_WAIT, span(start.queue_wait)))
                (fact(words::RUN_ID, html! { code { (id) } }))
            }
        }
        section aria-labelledby="titulo-saida" {
            (output_head(id, ""))
            @if next == 0 { p.vazio #sem-saida { (words::NO_OUTPUT_YET) } }
            (outputs::table("saida", &html! { @if let Some(output) = &output { (lines::live_lines(output, views)) } }, Some(next)))
        }
    };
    page(
        &title(&spec.label, id),
        Place::Elsewhere,
        Some(&events),
        &content,
    )
}

/// A run that has ended.
fn ended(details: &RunDetails, wanted: &str, (status, views): (&Status, &Views)) -> Markup {
    let run = &details.run;
    let known = status
        .processors
        .iter()
        .find(|one| one.spec.name.as_str() == run.processor);
    let label = known.map_or(run.processor.as_str(), |one| one.spec.label.as_str());
    let (rows, found) = outputs::searched(&details.output, wanted, &views.zone);
    let content = html! {
        (head(&run.processor, label, &run.id))
        section.painel { (facts(run, label, views)) }
        @if !details.attempts.is_empty() { (attempts(&details.attempts, views)) }
        section aria-labelledby="titulo-saida" {
            (output_head(&run.id, wanted))
            @if !wanted.is_empty() { p.nota { (words::found_lines(found, details.output.len())) } }
            @if details.output.is_empty() { p.vazio { (words::NO_OUTPUT) } }
            @else if found == 0 { p.vazio { (words::NO_LINE) } }
            @else { (outputs::table("saida", &rows, None)) }
        }
    };
    page(&title(label, &run.id), Place::Elsewhere, None, &content)
}

fn title(label: &str, id: &str) -> String {
    format!("{label} {}", outputs::short_id(id))
}

fn head(name: &str, label: &str, id: &str) -> Markup {
    html! {
        (path(&[("/", words::OVERVIEW), (&format!("/processadores/{name}"), label)]))
        h1 { (words::RUN) " " code { (outputs::short_id(id)) } }
    }
}

fn processor_link(name: &str, label: &str) -> Markup {
    html! { a href={ "/processadores/" (name) } { (label) } }
}

fn facts(run: &RecordedRun, label: &str, views: &Views) -> Markup {
    let outcome = outcome_of(run.outcome.as_deref(), run.reason.as_deref(), run.exit_code);
    let reason = outcome
        .map(words::reason)
        .filter(|reason| !reason.is_empty());
    let (user, system) = run.cpu;
    let (stdout, stderr) = run.output_bytes;
    html! {
        dl.fatos {
            (fact(words::OUTCOME, html! { (badge_of(run.outcome.as_deref())) @if let Some(reason) = reason { " " (reason) } }))
            (fact(words::PROCESSOR, processor_link(&run.processor, label)))
            (fact(words::STARTED_AT, moment(run.started_at, views)))
            (fact(words::FINISHED_AT, moment_or_dash(run.finished_at, views)))
            (fact(words::DURATION, run.duration.map_or(words::DASH.to_owned(), span)))
            (fact(words::QUEUE_WAIT, span(run.queue_wait)))
            (fact(words::EXIT_CODE, run.exit_code.map_or(words::DASH.to_owned(), |code| code.to_string())))
            (fact(words::ATTEMPTS, run.attempts.to_string()))
            (fact(words::CPU, span(user + system)))
            (fact(words::PEAK_MEMORY, words::bytes(run.max_rss_bytes)))
            (fact(words::OUTPUT_BYTES, words::bytes(stdout + stderr)))
            (fact(words::CYCLE, run.cycle.to_string()))
            @if let Some(place) = words::instance(run.instance) { (fact(words::INSTANCE, place)) }
            @if run.escaped > 0 { (fact(words::ESCAPED, run.escaped.to_string())) }
            @if let Some(trace) = &run.trace_id { (fact(words::TRACE, trace_link(trace, views))) }
            (fact(words::RUN_ID, html! { code { (run.id) } }))
        }
        @if let Some(summary) = &run.summary { p.relato { (words::RUN_SUMMARY) ": " strong { (summary) } } }
    }
}

fn trace_link(trace: &str, views: &Views) -> Markup {
    let link = views.trace_link.replace("{trace_id}", trace);
    html! {
        @if link.is_empty() { code { (trace) } } @else { a href=(link) rel="noreferrer" { (words::SHOW_TRACE) } }
    }
}

fn attempts(attempts: &[RecordedAttempt], views: &Views) -> Markup {
    html! {
        section aria-labelledby="titulo-tentativas" {
            h2 #titulo-tentativas { (words::ATTEMPTS) }
            div.rolagem tabindex="0" role="region" aria-labelledby="titulo-tentativas" {
                table {
                    thead { tr {
                        th scope="col" { (words::NUMBER) } th scope="col" { (words::STARTED_AT) }
                        th scope="col" { (words::OUTCOME) } th.numero scope="col" { (words::DURATION) }
                        th.numero scope="col" { (words::EXIT_CODE) }
                    } }
                    tbody { @for attempt in attempts { tr {
                        th scope="row" { (attempt.number) }
                        td { (moment(attempt.started_at, views)) }
                        td { (badge(&attempt.outcome)) }
                        td.numero { (span(attempt.duration)) }
                        td.numero { (attempt.exit_code.map_or(words::DASH.to_owned(), |code| code.to_string())) }
                    } } }
                }
            }
        }
    }
}

fn output_head(id: &str, wanted: &str) -> Markup {
    html! {
        div.titulo {
            h2 #titulo-saida { (words::OUTPUT) }
            a href={ "/execucoes/" (id) "/saida.txt" } { (words::DOWNLOAD) }
        }
        form.filtro method="get" role="search" {
            label { (words::SEARCH_OUTPUT) input #busca type="search" name="busca" value=(wanted) maxlength="200"; }
            button type="submit" { (words::SEARCH) }
            span #achadas.nota role="status" {}
        }
    }
}
