//! Whether it works, in one word and with reasons.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Views;
use crate::engine::status::{Phase, ProcessorStatus, Status};

/// The body of `/health`.
pub(super) fn report(status: &Status, views: &Views) -> Value {
    let reasons = reasons(status, views);
    let word = match (status.is_stalled(), reasons.is_empty()) {
        (true, _) => "unhealthy",
        (false, false) => "degraded",
        (false, true) => "healthy",
    };
    let active: usize = status
        .processors
        .iter()
        .filter(|processor| !processor.in_flight.is_empty())
        .count();
    json!({
        "status": word,
        "timestamp": views.time(views.clock.now()),
        "service": "orquestrador-processadores",
        "modo_execucao": status.plan.mode.word(),
        "processadores_ativos": active,
        "motivos": reasons,
    })
}

/// Whether new work is taken on.
pub(super) fn is_ready(status: &Status) -> bool {
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
    stalled.into_iter().chain(history).chain(failing).collect()
}

fn moment(at: Timestamp, views: &Views) -> String {
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
