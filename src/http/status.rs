//! The JSON that readers of the old system know: `/status` and `/logs`.

#![expect(unused_qualifications, reason = "as utoipa writes the parameters")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Views;
use super::api::words::{self, Stamp};
use super::api::{Asked, LineReport, limit};
use super::group::{self, GroupReport};
use super::instances::InstancesReport;
use super::problem::Problem;
use crate::domain::{Outcome, OutputLine, Run};
use crate::engine::status::{Phase, ProcessorStatus, Status};
use crate::telemetry::traces::{Counts, ExportState};

/// The longest tail of a run's output in `/status`, bytes.
const MAX_OUTPUT: usize = 4096;

/// What is known now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusReport {
    #[schema(schema_with = words::phase)]
    status: &'static str,
    #[serde(rename = "modo_execucao")]
    #[schema(schema_with = words::mode_word)]
    mode: &'static str,
    /// Seconds; null when the main schedule is a pattern.
    #[serde(rename = "intervalo_verificacao")]
    interval: Option<f64>,
    #[serde(rename = "ciclos_executados")]
    cycles: u64,
    /// When the last cycle ended.
    #[serde(rename = "ultimo_ciclo")]
    last_cycle: Option<Stamp>,
    /// When the next one is planned; null while one runs that is followed after an interval.
    #[serde(rename = "proximo_ciclo")]
    next_cycle: Option<Stamp>,
    /// Names of those that are running.
    #[serde(rename = "processadores_ativos")]
    active: Vec<String>,
    #[serde(rename = "uptime_segundos")]
    uptime: f64,
    #[serde(rename = "sistema")]
    system: SystemReport,
    performance: PerformanceReport,
    #[serde(rename = "telemetria")]
    telemetry: TelemetryReport,
    #[serde(rename = "alertas")]
    alerts: AlertsReport,
    /// The group of instances; null when everything runs here.
    #[serde(rename = "distribuicao")]
    group: Option<GroupReport>,
    /// By name.
    #[serde(rename = "processadores")]
    processors: BTreeMap<String, ProcessorReport>,
}

/// Sums since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SystemReport {
    #[serde(rename = "uptime_segundos")]
    uptime: f64,
    #[serde(rename = "total_ciclos")]
    cycles: u64,
    #[serde(rename = "total_sucessos")]
    successes: u64,
    #[serde(rename = "total_erros")]
    errors: u64,
    #[serde(rename = "ultimo_ciclo")]
    last_cycle: Option<Stamp>,
}

/// How long cycles take, seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PerformanceReport {
    #[serde(rename = "tempo_medio_ciclo")]
    mean: Option<f64>,
    #[serde(rename = "tempo_ultimo_ciclo")]
    last: Option<f64>,
}

/// How exports over OTLP are doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TelemetryReport {
    #[serde(rename = "tracos")]
    traces: ExportReport,
    logs: ExportReport,
}

/// Where alerts can be seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsReport {
    #[serde(rename = "destinos")]
    places: Vec<String>,
    /// Whether they leave this machine; null when nobody said.
    #[serde(rename = "externos")]
    leave: Option<bool>,
}

/// How an export over OTLP is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportReport {
    #[serde(rename = "estado")]
    #[schema(schema_with = words::export_state)]
    state: &'static str,
    /// Since when it is degraded.
    #[serde(rename = "desde")]
    since: Option<Stamp>,
    #[serde(rename = "ultimo_erro")]
    error: Option<String>,
    #[serde(rename = "exportados")]
    exported: u64,
    #[serde(rename = "falhados")]
    failed: u64,
    #[serde(rename = "descartados")]
    dropped: u64,
    #[serde(rename = "na_fila")]
    queued: u64,
    #[serde(rename = "capacidade_fila")]
    capacity: u64,
    #[serde(rename = "ultimo_envio")]
    last_success: Option<Stamp>,
}

/// A processor: its last run, and what its runs since the start came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessorReport {
    /// Whether its last result was a good one.
    #[serde(rename = "sucesso")]
    is_success: Option<bool>,
    #[serde(rename = "resultado")]
    #[schema(schema_with = words::outcome_or_null)]
    outcome: Option<&'static str>,
    #[serde(rename = "motivo")]
    #[schema(schema_with = words::reason_or_null)]
    reason: Option<&'static str>,
    #[serde(rename = "resumo")]
    summary: Option<String>,
    /// When its last run ended.
    timestamp: Option<Stamp>,
    #[serde(rename = "duracao_segundos")]
    duration: Option<f64>,
    #[serde(rename = "codigo_saida")]
    exit_code: Option<i32>,
    #[serde(rename = "tentativas")]
    attempts: Option<usize>,
    #[serde(rename = "instancias")]
    instances: InstancesReport,
    /// Runs that ended in success, failure, timeout or error.
    #[serde(rename = "execucoes")]
    results: u64,
    #[serde(rename = "sucessos")]
    successes: u64,
    #[serde(rename = "erros")]
    errors: u64,
    #[serde(rename = "tempo_medio")]
    mean: Option<f64>,
    /// The last lines of its last run's output, at most 4 KiB.
    output: Option<String>,
    trace_id: Option<String>,
    #[serde(rename = "link_trace")]
    trace_link: Option<String>,
    #[serde(rename = "ultimo_sucesso")]
    last_success: Option<Stamp>,
    #[serde(rename = "proxima_execucao")]
    next_start: Option<Stamp>,
}

/// Whose output, and how much of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsAsked {
    /// Only that of this processor.
    #[serde(rename = "processador")]
    #[param(value_type = String, required = false, pattern = "^[a-z0-9_]+$", min_length = 1, max_length = 64)]
    processor: Option<String>,
    /// The last lines of each, at most; all that are kept when it is absent.
    #[serde(rename = "limite")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

/// The kept output of last runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogsReport {
    /// By name.
    #[serde(rename = "processadores")]
    processors: BTreeMap<String, OutputReport>,
}

/// The kept output of a processor's last run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputReport {
    /// The run's id.
    #[serde(rename = "execucao")]
    run: Option<String>,
    /// When it ended.
    timestamp: Option<Stamp>,
    #[serde(rename = "resultado")]
    #[schema(schema_with = words::outcome_or_null)]
    outcome: Option<&'static str>,
    #[serde(rename = "linhas")]
    lines: Vec<LineReport>,
}

/// What is known now
#[utoipa::path(get, path = "/status", tag = "estado",
    responses((status = 200, description = "What is known now", body = StatusReport)))]
pub(super) async fn status(State(views): State<Arc<Views>>) -> Json<StatusReport> {
    Json(report(&views.board.snapshot(), &views))
}

/// The kept output of each processor's last run
#[utoipa::path(get, path = "/logs", tag = "estado", params(LogsAsked), responses(
    (status = 200, description = "Lines of output, masked", body = LogsReport),
    (status = 404, description = "No such processor", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn logs(
    State(views): State<Arc<Views>>,
    Asked(asked): Asked<LogsAsked>,
) -> Result<Json<LogsReport>, Problem> {
    let most = limit(asked.limit, 10_000, 10_000)?;
    let most = asked.limit.map_or(usize::MAX, |_| most);
    let mut status = views.board.snapshot();
    if let Some(name) = asked.processor {
        status
            .processors
            .retain(|processor| processor.spec.name.as_str() == name);
        if status.processors.is_empty() {
            return Err(Problem::not_found("nenhum processador com este nome"));
        }
    }
    let processors = by_name(&status, |processor| output_report(processor, most, &views));
    Ok(Json(LogsReport { processors }))
}

fn report(status: &Status, views: &Views) -> StatusReport {
    let last = status.last_cycle.as_ref();
    let last_cycle = || last.map(|cycle| views.stamp(cycle.finished_at));
    let processors = status.processors.iter();
    let successes: u64 = processors.clone().map(|one| one.successes).sum();
    let results: u64 = processors.clone().map(|one| one.results).sum();
    let active = processors.filter(|processor| !processor.in_flight.is_empty());
    let uptime = seconds(status.uptime);
    StatusReport {
        status: word(status),
        mode: status.plan.mode.word(),
        interval: status.plan.main.interval().map(seconds),
        cycles: status.cycles,
        last_cycle: last_cycle(),
        next_cycle: status.next_start.map(|at| views.stamp(at)),
        active: active.map(|one| one.spec.name.to_string()).collect(),
        uptime,
        system: SystemReport {
            uptime,
            cycles: status.cycles,
            successes,
            errors: results - successes,
            last_cycle: last_cycle(),
        },
        performance: PerformanceReport {
            mean: status.mean_duration().map(seconds),
            last: last.map(|cycle| seconds(cycle.duration)),
        },
        telemetry: TelemetryReport {
            traces: export_report(views.spans.counts(), views),
            logs: export_report(views.output.counts(), views),
        },
        alerts: alerts_report(&views.alerts),
        group: group::report(views),
        processors: by_name(status, |one| processor_report(one, status, views)),
    }
}

fn export_report(counts: Counts, views: &Views) -> ExportReport {
    let (state, since, error) = match counts.state {
        ExportState::Disabled => ("disabled", None, None),
        ExportState::Ok => ("ok", None, None),
        ExportState::Degraded { since, error } => {
            ("degraded", Some(views.stamp(since)), Some(error))
        }
    };
    ExportReport {
        state,
        since,
        error,
        exported: counts.exported,
        failed: counts.failed,
        dropped: counts.dropped,
        queued: counts.queued,
        capacity: counts.capacity,
        last_success: counts.last_success.map(|at| views.stamp(at)),
    }
}

fn alerts_report(places: &[String]) -> AlertsReport {
    let leave = places.iter().any(|place| place != "maquina");
    AlertsReport {
        places: places.to_vec(),
        leave: (!places.is_empty()).then_some(leave),
    }
}

fn by_name<T>(status: &Status, report: impl Fn(&ProcessorStatus) -> T) -> BTreeMap<String, T> {
    let processors = status.processors.iter();
    processors
        .map(|processor| (processor.spec.name.to_string(), report(processor)))
        .collect()
}

fn output_report(processor: &ProcessorStatus, most: usize, views: &Views) -> OutputReport {
    let run = processor.last_run.as_deref();
    let lines = run.map_or(&[][..], |run| &run.result.output);
    let line = |line: &OutputLine| LineReport {
        at: views.stamp(line.at),
        stream: line.stream.label().to_owned(),
        text: line.text.clone(),
    };
    let skipped = lines.len().saturating_sub(most);
    OutputReport {
        run: run.map(|run| run.start.id.as_str().to_owned()),
        timestamp: run.map(|run| views.stamp(run.finished_at)),
        outcome: run.map(|run| run.result.outcome.label()),
        lines: lines.iter().skip(skipped).map(line).collect(),
    }
}

fn processor_report(
    processor: &ProcessorStatus,
    status: &Status,
    views: &Views,
) -> ProcessorReport {
    let run = processor.last_run.as_deref();
    let result = processor.last_result.as_deref();
    let trace = run.and_then(|run| run.start.trace);
    ProcessorReport {
        is_success: result.map(|run| run.result.outcome == Outcome::Success),
        outcome: run.map(|run| run.result.outcome.label()),
        reason: run.and_then(|run| run.result.outcome.reason()),
        summary: run.and_then(Run::summary),
        timestamp: run.map(|run| views.stamp(run.finished_at)),
        duration: run.map(|run| seconds(run.result.duration)),
        exit_code: run.and_then(|run| run.result.exit_code),
        attempts: run.map(|run| run.result.attempts.len()),
        instances: InstancesReport::of(processor, views),
        results: processor.results,
        successes: processor.successes,
        errors: processor.results - processor.successes,
        mean: processor.mean_duration().map(seconds),
        output: run.map(output_tail),
        trace_id: trace.map(|trace| trace.trace_id_hex()),
        trace_link: run.and_then(|run| views.trace_link(run)),
        last_success: processor.state.last_success.map(|at| views.stamp(at)),
        next_start: status.next_start_of(processor).map(|at| views.stamp(at)),
    }
}

fn word(status: &Status) -> &'static str {
    match (status.phase, status.paused_since) {
        (Phase::Stopping, _) => "stopping",
        (_, Some(_)) => "paused",
        (_, None) => "running",
    }
}

/// The last whole lines that fit.
fn output_tail(run: &Run) -> String {
    let mut length = 0;
    let fits = |line: &&OutputLine| {
        length += line.text.len() + 1;
        length <= MAX_OUTPUT
    };
    let mut lines: Vec<_> = run
        .result
        .output
        .iter()
        .rev()
        .take_while(fits)
        .map(|line| line.text.as_str())
        .collect();
    lines.reverse();
    lines.join("\n")
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
