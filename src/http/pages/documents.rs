//! `/documentos`: what the store holds, by status; the tags of a model with their problems; the modifications of a
//! version with their report. Reads, and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{Place, mark, page, path};
use super::times::moment;
use super::{answer, refusal, unknown, words};
use crate::docx::tags::Problem;
use crate::http::asking::Unanswered;
use crate::http::{Views, encoding, reports};
use crate::records::{Listed, RecordId, RecordsError, Row, State as RecordState, Vocabulary};

/// Rows of a collection that are shown on the overview.
const SHOWN: usize = 50;
/// Rows of a collection that are looked at for counts and for one record.
const LOOKED_AT: usize = 5000;
/// The longest text of a field that is shown, characters.
const LONGEST: usize = 600;

/// The columns of numbers.
const NUMBERS: [&str; 3] = [words::TAGS, words::MODIFICATIONS, words::VERSIONS];

/// What the overview shows.
struct Holdings {
    location: String,
    models: Vec<Row>,
    contracts: Vec<Row>,
    versions: Vec<Row>,
}

/// `/documentos`
pub(in crate::http) async fn documents(
    State(views): State<Arc<Views>>,
    asked: HeaderMap,
) -> Response {
    let holdings = views.sources.records(|records| {
        Ok(Holdings {
            location: records.location(),
            models: records.list(Listed::Models, None, LOOKED_AT)?,
            contracts: records.list(Listed::Contracts, None, SHOWN)?,
            versions: records.list(Listed::Versions, None, LOOKED_AT)?,
        })
    });
    match holdings.await {
        Ok(holdings) => answer(StatusCode::OK, &overview(&holdings, &views), &asked),
        Err(error) => refusal(&error, &asked),
    }
}

fn overview(holdings: &Holdings, views: &Views) -> Markup {
    let words_of = views.sources.vocabulary();
    let content = html! {
        h1 { (words::DOCUMENTS) }
        p.nota { (words::STORE) ": " (holdings.location) }
        (section("modelos", words::MODELS, &html! {
            (counts(&holdings.models, words_of))
            (table("modelos", &["id", words::NAME, words::STATUS, words::TAGS, words::CREATED, words::NOTE], &html! {
                @for row in holdings.models.iter().take(SHOWN) { tr {
                    th scope="row" { a href={ "/documentos/modelos/" (row.text("id")) } { (row.text("id")) } }
                    td { (row.text("nome")) } td { (status(row, words_of)) } td.numero { (row.text("total_tags")) }
                    td { (instant(row, "date_created", views)) } td.longo { (row.text("observacao")) }
                } }
            }, holdings.models.is_empty()))
            (more(holdings.models.len()))
        }))
        (section("versoes", words::VERSIONS, &html! {
            (counts(&holdings.versions, words_of))
            (table("versoes", &["id", words::DOCUMENT_VERSION, words::CONTRACT, words::STATUS, words::MODIFICATIONS, words::REPORT, words::CREATED, words::NOTE], &html! {
                @for row in holdings.versions.iter().take(SHOWN) { tr {
                    th scope="row" { a href={ "/documentos/versoes/" (row.text("id")) } { (row.text("id")) } }
                    td { (row.text("versao")) } td { (row.text("contrato")) } td { (status(row, words_of)) }
                    td.numero { (row.text("total_modificacoes")) } td { (report_link(row)) }
                    td { (instant(row, "date_created", views)) } td.longo { (row.text("observacao")) }
                } }
            }, holdings.versions.is_empty()))
            (more(holdings.versions.len()))
        }))
        (section("contratos", words::CONTRACTS, &table("contratos", &["id", words::NUMBER, words::TITLE, words::MODEL, words::VERSIONS], &html! {
            @for row in &holdings.contracts { tr {
                th scope="row" { (row.text("id")) } td { (row.text("numero")) } td.longo { (row.text("titulo")) }
                td { a href={ "/documentos/modelos/" (row.text("modelo_contrato")) } { (row.text("modelo_contrato")) } }
                td.numero { (row.text("total_versoes")) }
            } }
        }, holdings.contracts.is_empty())))
    };
    page(words::DOCUMENTS, Place::Documents, None, &content)
}

/// `/documentos/modelos/ID`
pub(in crate::http) async fn model(
    State(views): State<Arc<Views>>,
    Path(id): Path<String>,
    asked: HeaderMap,
) -> Response {
    let id = RecordId(id);
    let clock = views.clock.clone();
    let found = views.sources.records(move |records| {
        let Some(row) = records.list(Listed::Models, Some(&id), 1)?.pop() else {
            return Ok(None);
        };
        let tags = records.list(Listed::Tags, Some(&id), LOOKED_AT)?;
        let problems = reports::problems(records, &row.text("arquivo_com_tags"), &clock);
        Ok(Some((row, tags, problems)))
    });
    match found.await {
        Ok(Some((row, tags, problems))) => {
            let shown = model_page(&row, &tags, (&problems, &views));
            answer(StatusCode::OK, &shown, &asked)
        }
        Ok(None) => unknown(words::NO_SUCH_RECORD, &asked),
        Err(error) => absent(&error, &asked),
    }
}

type Problems = Result<Vec<Problem>, String>;

fn model_page(row: &Row, tags: &[Row], (problems, views): (&Problems, &Views)) -> Markup {
    let title = format!("{} {}", words::MODEL, row.text("nome"));
    let content = html! {
        (path(&[("/documentos", words::DOCUMENTS)]))
        div.titulo { h1 { (title) } (status(row, views.sources.vocabulary())) }
        (section("problemas", words::PROBLEMS, &html! {
            @match problems {
                Err(reason) => p { (words::NO_PROBLEMS_READ) ": " (reason) },
                Ok(problems) if problems.is_empty() => p.bom { (mark("success")) " " (words::NO_PROBLEM) },
                Ok(problems) => (table("problemas", &[words::PROBLEM, words::REMEDY, words::PLACE, words::NEARBY], &html! {
                    @for problem in problems { (problem_row(problem)) }
                }, false)),
            }
        }))
        (section("tags", words::TAGS, &table("tags", &[words::TAG, words::CONTENT, words::PLACE], &html! {
            @for tag in tags { tr {
                th scope="row" { code { (tag.text("tag_nome")) } } td.longo { (short(&tag.text("conteudo"))) }
                td { code { (tag.text("caminho_tag_inicio")) } }
            } }
        }, tags.is_empty())))
    };
    page(&title, Place::Documents, None, &content)
}

fn problem_row(problem: &Problem) -> Markup {
    let (class, shape) = match problem.kind.severity().as_str() {
        words::ERROR => ("ruim", "failure"),
        _ => ("aviso", "warning"),
    };
    html! {
        tr {
            th.longo scope="row" {
                span.(class) { (mark(shape)) " " (problem.kind.severity().as_str()) } ": " (problem.message)
            }
            td.longo { (problem.remedy) }
            td { (problem.part) ", " (words::PARAGRAPH) " " (problem.paragraph) }
            td.longo { (short(&problem.nearby)) }
        }
    }
}

/// `/documentos/versoes/ID`
pub(in crate::http) async fn version(
    State(views): State<Arc<Views>>,
    Path(id): Path<String>,
    asked: HeaderMap,
) -> Response {
    let id = RecordId(id);
    let found = views.sources.records(move |records| {
        let versions = records.list(Listed::Versions, None, LOOKED_AT)?;
        let Some(row) = versions.into_iter().find(|row| row.text("id") == id.0) else {
            return Ok(None);
        };
        let modifications = records.list(Listed::Modifications, Some(&id), LOOKED_AT)?;
        Ok(Some((row, modifications)))
    });
    match found.await {
        Ok(Some((row, modifications))) => {
            let shown = version_page(&row, &modifications, &views);
            answer(StatusCode::OK, &shown, &asked)
        }
        Ok(None) => unknown(words::NO_SUCH_RECORD, &asked),
        Err(error) => absent(&error, &asked),
    }
}

fn version_page(row: &Row, modifications: &[Row], views: &Views) -> Markup {
    let title = format!("{} {}", words::DOCUMENT_VERSION, row.text("versao"));
    let content = html! {
        (path(&[("/documentos", words::DOCUMENTS)]))
        div.titulo { h1 { (title) } (status(row, views.sources.vocabulary())) }
        p.nota { (words::CONTRACT) " " (row.text("contrato")) " · " (words::CREATED) " " (instant(row, "date_created", views)) }
        section.painel.linhas {
            @if !row.text("observacao").is_empty() { p { (row.text("observacao")) } }
            p { (words::REPORT) ": " (report_link(row)) }
        }
        (section("modificacoes", words::MODIFICATIONS, &table("modificacoes", &[words::CATEGORY, words::CHANGE, words::CONTENT, words::DECISION, words::ANALYST_NOTE], &html! {
            @for one in modifications { tr {
                th scope="row" { (one.text("categoria")) } td.longo { (short(&one.text("alteracao"))) }
                td.longo { (short(&one.text("conteudo"))) } td { (one.text("status")) } td { (one.text("nota_analista")) }
            } }
        }, modifications.is_empty())))
    };
    page(&title, Place::Documents, None, &content)
}

/// `/documentos/versoes/ID/relatorio`: the report as it was written, in a box of its own.
pub(in crate::http) async fn report(
    State(views): State<Arc<Views>>,
    Path(id): Path<String>,
    asked: HeaderMap,
) -> Response {
    let id = RecordId(id);
    match views
        .sources
        .records(move |records| records.report(&id))
        .await
    {
        Ok(Some(report)) => {
            let mut response = encoding::answer(report.bytes, "text/html; charset=utf-8", &asked);
            reports::confine(response.headers_mut());
            response
        }
        Ok(None) => unknown(words::NO_SUCH_REPORT, &asked),
        Err(error) => absent(&error, &asked),
    }
}

/// A record that is not there is no fault.
fn absent(error: &Unanswered, asked: &HeaderMap) -> Response {
    match error {
        Unanswered::Records(RecordsError::UnknownRecord { .. }) => {
            unknown(words::NO_SUCH_RECORD, asked)
        }
        error => refusal(error, asked),
    }
}

fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section aria-labelledby={ "titulo-" (id) } { h2 id={ "titulo-" (id) } { (title) } (content) }
    }
}

fn table(id: &str, heads: &[&str], rows: &Markup, is_empty: bool) -> Markup {
    html! {
        @if is_empty { p.vazio { (words::NO_RECORD) } } @else {
            div.rolagem tabindex="0" role="region" aria-labelledby={ "titulo-" (id) } {
                table {
                    thead { tr { @for head in heads { th scope="col" class=[NUMBERS.contains(head).then_some("numero")] { (head) } } } }
                    tbody { (rows) }
                }
            }
        }
    }
}

fn more(count: usize) -> Markup {
    html! { @if count > SHOWN { p.nota { (words::shown(SHOWN)) } } }
}

fn counts(rows: &[Row], vocabulary: &Vocabulary) -> Markup {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.text("status")).or_default() += 1;
    }
    html! {
        @if !counts.is_empty() {
            ul.contagens aria-label=(words::BY_STATUS) { @for (status, count) in counts {
                @let (class, shape) = look(&status, vocabulary);
                li.(class) { (mark(shape)) " " (status) ": " (count) }
            } }
        }
    }
}

/// The look of a status: colour and shape.
fn look(status: &str, vocabulary: &Vocabulary) -> (&'static str, &'static str) {
    match vocabulary.read(status) {
        RecordState::Waiting => ("aviso", "timeout"),
        RecordState::Running => ("correndo", "running"),
        RecordState::Done | RecordState::Published => ("bom", "success"),
        RecordState::Failed => ("ruim", "failure"),
        RecordState::Draft | RecordState::Other => ("neutro", "none"),
    }
}

fn status(row: &Row, vocabulary: &Vocabulary) -> Markup {
    let status = row.text("status");
    let (class, shape) = look(&status, vocabulary);
    html! { span.selo.(class) { (mark(shape)) (status) } }
}

fn report_link(row: &Row) -> Markup {
    html! {
        @if row.text("relatorio_diff").is_empty() { (words::DASH) } @else {
            a href={ "/documentos/versoes/" (row.text("id")) "/relatorio" } { (words::OPEN_REPORT) }
        }
    }
}

fn instant(row: &Row, field: &str, views: &Views) -> Markup {
    let text = row.text(field);
    html! {
        @match text.parse::<Timestamp>() { Ok(at) => (moment(at, views)), Err(_) => (text) }
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
