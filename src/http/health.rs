//! Whether it works, in one word and with reasons.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Views;
use super::api::words::{self, Stamp};
use crate::engine::status::{Phase, ProcessorStatus, Status};

/// Whether it works.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthReport {
    #[schema(schema_with = words::health)]
    status: &'static str,
    timestamp: Stamp,
    service: &'static str,
    #[serde(rename = "modo_execucao")]
    #[schema(schema_with = words::mode_word)]
    mode: &'static str,
    /// How many processors are running.
    #[serde(rename = "processadores_ativos")]
    active: usize,
    /// What is wrong, for people; empty when all is well.
    #[serde(rename = "motivos")]
    reasons: Vec<String>,
}

/// Whether it works, with reasons
#[utoipa::path(get, path = "/health", tag = "saúde", responses(
    (status = 200, description = "It works, perhaps with failing processors", body = HealthReport),
    (status = 503, description = "The scheduling loop stands still", body = HealthReport)))]
pub(super) async fn health(State(views): State<Arc<Views>>) -> (StatusCode, Json<HealthReport>) {
    let status = views.board.snapshot();
    let code = if status.is_stalled() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(report(&status, &views)))
}

/// Whether the scheduling loop turns
#[utoipa::path(get, path = "/-/healthy", tag = "saúde", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain"),
    (status = 503, description = "It does not", body = String, content_type = "text/plain")))]
pub(super) async fn healthy(State(views): State<Arc<Views>>) -> (StatusCode, &'static str) {
    if views.board.snapshot().is_stalled() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "o laço de agendamento parou\n",
        )
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Whether new work is taken on
#[utoipa::path(get, path = "/-/ready", tag = "saúde", responses(
    (status = 200, description = "It is", body = String, content_type = "text/plain"),
    (status = 503, description = "It is starting or stopping", body = String, content_type = "text/plain")))]
pub(super) async fn ready(State(views): State<Arc<Views>>) -> (StatusCode, &'static str) {
    if is_ready(&views.board.snapshot()) {
        (StatusCode::OK, "pronto\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "iniciando ou encerrando\n")
    }
}

fn report(status: &Status, views: &Views) -> HealthReport {
    let reasons = reasons(status, views);
    let word = match (status.is_stalled(), reasons.is_empty()) {
        (true, _) => "unhealthy",
        (false, false) => "degraded",
        (false, true) => "healthy",
    };
    let is_active = |processor: &&ProcessorStatus| !processor.in_flight.is_empty();
    HealthReport {
        status: word,
        timestamp: views.stamp(views.clock.now()),
        service: "orquestrador-processadores",
        mode: status.plan.mode.word(),
        active: status.processors.iter().filter(is_active).count(),
        reasons,
    }
}

/// Whether new work is taken on.
fn is_ready(status: &Status) -> bool {
    status.phase == Phase::Running && !status.is_stalled()
}

/// What is wrong, in words; empty when all is well.
pub(super) fn reasons(status: &Status, views: &Views) -> Vec<String> {
    let stalled = status.is_stalled().then(|| {
        let seconds = status.since_tick.unwrap_or(status.uptime).as_secs();
        format!("o laço de agendamento está parado há {seconds} segundos")
    });
    let failing = status
        .processors
        .iter()
        .filter_map(|processor| failing(processor, views));
    let history = status.history_fault.as_ref().map(|(since, reason)| {
        let since = moment(*since, views);
        format!("o histórico não pode ser gravado desde {since}: {reason}")
    });
    let group = super::group::reasons(views);
    let own = stalled.into_iter().chain(history);
    own.chain(group).chain(failing).collect()
}

pub(super) fn moment(at: Timestamp, views: &Views) -> String {
    at.to_zoned(views.zone.clone())
        .strftime("%d/%m %H:%M:%S")
        .to_string()
}

fn failing(processor: &ProcessorStatus, views: &Views) -> Option<String> {
    let since = moment(processor.state.failing_since?, views);
    let outcome = processor.state.last_result.as_ref()?.outcome;
    let reason = outcome.reason().unwrap_or_default();
    // Of a run before this start no more is known here.
    let summary = processor.last_result.as_ref().and_then(|run| run.summary());
    let summary = summary.map_or_else(String::new, |summary| format!(": {summary}"));
    Some(format!(
        "{} falha desde {since} ({reason}){summary}",
        processor.spec.name
    ))
}
