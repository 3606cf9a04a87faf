//! The pages for people: server-rendered, readable without a script, in Portuguese. Refuses to change anything.

pub(super) mod assets;
mod card;
mod documents;
mod draw;
mod group;
mod layout;
mod lines;
mod outputs;
mod overview;
mod panels;
mod processor;
mod run;
mod runbooks;
mod timeline;
mod times;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use maud::Markup;

use super::asking::Unanswered;
use super::{Views, encoding};

pub(super) use lines::live_lines;
pub(super) use overview::{Part, parts};

/// The routes of the pages.
pub(super) const ROUTES: [&str; 9] = [
    "/",
    "/processadores/{nome}",
    "/execucoes/{id}",
    "/execucoes/{id}/saida.txt",
    "/documentos",
    "/documentos/modelos/{id}",
    "/documentos/versoes/{id}",
    "/documentos/versoes/{id}/relatorio",
    "/runbooks",
];

/// The pages, and what they need.
pub(super) fn router() -> Router<Arc<Views>> {
    let [
        index,
        one_processor,
        one_run,
        output,
        store,
        model,
        version,
        report,
        alerts,
    ] = ROUTES;
    Router::new()
        .route(index, get(overview))
        .route(one_processor, get(processor::processor))
        .route(one_run, get(run::run))
        .route(output, get(run::plain_output))
        .route(store, get(documents::documents))
        .route(model, get(documents::model))
        .route(version, get(documents::version))
        .route(report, get(documents::report))
        .route(alerts, get(runbooks::runbooks))
        .route(assets::ROUTE, get(assets::serve))
}

/// A page as an answer.
fn answer(code: StatusCode, page: &Markup, asked: &HeaderMap) -> Response {
    let text = page.0.clone().into_bytes();
    let mut response = encoding::answer(text, "text/html; charset=utf-8", asked);
    *response.status_mut() = code;
    response
}

/// That something is not there.
fn unknown(reason: &str, asked: &HeaderMap) -> Response {
    let page = layout::absence(words::NOT_FOUND, reason);
    answer(StatusCode::NOT_FOUND, &page, asked)
}

/// That a question could not be answered now.
fn refusal(error: &Unanswered, asked: &HeaderMap) -> Response {
    let page = layout::absence(words::UNAVAILABLE, &error.to_string());
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &page, asked);
    let retry = HeaderValue::from_static("5");
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    response
}

async fn overview(State(views): State<Arc<Views>>, asked: HeaderMap) -> Response {
    answer(StatusCode::OK, &overview::overview(&views), &asked)
}
