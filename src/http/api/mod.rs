//! The JSON that programs read, and the document that describes it. Refuses to answer without bounds.

pub(super) mod agenda;
mod document;
mod history;
pub(super) mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{MethodRouter, get};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub(super) use history::LineReport;

use super::asking::Unanswered;
use super::problem::Problem;
use super::{Views, health, metrics, status};
use crate::history::{HistoryError, HistoryReader};

/// How long the history may take for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// The routes for programs.
pub(super) fn routes() -> [(&'static str, MethodRouter<Arc<Views>>); 11] {
    [
        ("/health", get(health::health)),
        ("/-/healthy", get(health::healthy)),
        ("/-/ready", get(health::ready)),
        ("/status", get(status::status)),
        ("/logs", get(status::logs)),
        ("/metrics", get(metrics::metrics)),
        ("/api/v1/ciclos", get(history::cycles)),
        ("/api/v1/execucoes", get(history::runs)),
        ("/api/v1/execucoes/{id}", get(history::run)),
        ("/api/v1/agenda", get(agenda::planned)),
        ("/api/openapi.json", get(document::document)),
    ]
}

/// What stands behind the `?`; a parameter that there is not is an error, not a wish that is ignored.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// A limit within its bounds.
pub(super) fn limit(asked: Option<u32>, default: u32, most: u32) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(default);
    if limit == 0 || limit > most {
        return Err(Problem::bad_request(format!(
            "limite: esperado um número de 1 a {most}"
        )));
    }
    Ok(limit as usize)
}

/// An id as the history writes it.
fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text)
}

/// Asks the history; one that does not answer is a problem, and nobody waits for it.
async fn ask<T: Send + 'static>(
    views: &Views,
    question: impl FnOnce(&HistoryReader) -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, Problem> {
    let unavailable = |reason: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    match timeout(PATIENCE, views.sources.history(question)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error @ Unanswered::History(_))) => Err(unavailable(format!(
            "o histórico não pode ser lido: {error}"
        ))),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(_) => Err(unavailable(format!(
            "o histórico não respondeu em {} s",
            PATIENCE.as_secs()
        ))),
    }
}
