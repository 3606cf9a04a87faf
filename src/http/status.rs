//! The JSON that readers of the old system know: `/status` and `/logs`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Views;
use crate::domain::{Outcome, OutputLine, Run};
use crate::engine::status::{Phase, ProcessorStatus, Status};
use crate::telemetry::traces::{Counts, ExportState};

/// The longest tail of a run's output in `/status`, bytes.
const MAX_OUTPUT: usize = 4096;

/// The body of `/status`.
pub(super) fn report(status: &Status, views: &Views) -> Value {
    let last_cycle = status
        .last_cycle
        .as_ref()
        .map(|cycle| views.time(cycle.finished_at));
    let processors = status.processors.iter();
    let successes: u64 = processors
        .clone()
        .map(|processor| processor.successes)
        .sum();
    let results: u64 = processors.clone().map(|processor| processor.results).sum();
    let active: Vec<_> = processors
        .clone()
        .filter(|processor| !processor.in_flight.is_empty())
        .collect();
    let uptime = seconds(status.uptime);
    json!({
        "status": word(status),
        "modo_execucao": status.plan.mode.word(),
        "intervalo_verificacao": status.plan.main.interval().map(seconds),
        "ciclos_executados": status.cycles,
        "ultimo_ciclo": last_cycle,
        "proximo_ciclo": status.next_start.map(|at| views.time(at)),
        "processadores_ativos": active.iter().map(|processor| processor.spec.name.as_str()).collect::<Vec<_>>(),
        "uptime_segundos": uptime,
        "sistema": {
            "uptime_segundos": uptime,
            "total_ciclos": status.cycles,
            "total_sucessos": successes,
            "total_erros": results - successes,
            "ultimo_ciclo": last_cycle,
        },
        "performance": {
            "tempo_medio_ciclo": status.mean_duration().map(seconds),
            "tempo_ultimo_ciclo": status.last_cycle.as_ref().map(|cycle| seconds(cycle.duration)),
        },
        "telemetria": {
            "tracos": export_report(&views.spans.counts(), views),
            "logs": export_report(&views.output.counts(), views),
        },
        "alertas": alerts_report(&views.alerts),
        "processadores": by_name(status, |processor| processor_report(processor, status, views)),
    })
}

/// How an export over OTLP is doing.
fn export_report(counts: &Counts, views: &Views) -> Value {
    let (state, since, error) = match &counts.state {
        ExportState::Disabled => ("disabled", None, None),
        ExportState::Ok => ("ok", None, None),
        ExportState::Degraded { since, error } => {
            ("degraded", Some(views.time(*since)), Some(error.as_str()))
        }
    };
    json!({
        "estado": state,
        "desde": since,
        "ultimo_erro": error,
        "exportados": counts.exported,
        "falhados": counts.failed,
        "descartados": counts.dropped,
        "na_fila": counts.queued,
        "capacidade_fila": counts.capacity,
        "ultimo_envio": counts.last_success.map(|at| views.time(at)),
    })
}

/// Where alerts can be seen, and whether they leave this machine; `null` when nobody said.
fn alerts_report(places: &[String]) -> Value {
    let leave = places.iter().any(|place| place != "maquina");
    json!({ "destinos": places, "externos": (!places.is_empty()).then_some(leave) })
}

/// The body of `/logs`: the kept output of each processor's last run.
pub(super) fn logs(status: &Status, views: &Views) -> Value {
    let lines = |run: &Run| -> Vec<_> {
        run.result
            .output
            .iter()
            .map(|line| line_report(line, views))
            .collect()
    };
    let report = |processor: &ProcessorStatus| {
        let run = processor.last_run.as_deref();
        json!({
            "execucao": run.map(|run| run.start.id.as_str()),
            "timestamp": run.map(|run| views.time(run.finished_at)),
            "resultado": run.map(|run| run.result.outcome.label()),
            "linhas": run.map(lines).unwrap_or_default(),
        })
    };
    json!({ "processadores": by_name(status, report) })
}

fn by_name(status: &Status, report: impl Fn(&ProcessorStatus) -> Value) -> Map<String, Value> {
    status
        .processors
        .iter()
        .map(|processor| (processor.spec.name.to_string(), report(processor)))
        .collect()
}

fn line_report(line: &OutputLine, views: &Views) -> Value {
    json!({ "timestamp": views.time(line.at), "fluxo": line.stream.label(), "linha": line.text })
}

fn processor_report(processor: &ProcessorStatus, status: &Status, views: &Views) -> Value {
    let run = processor.last_run.as_deref();
    let result = processor.last_result.as_deref();
    json!({
        "sucesso": result.map(|run| run.result.outcome == Outcome::Success),
        "resultado": run.map(|run| run.result.outcome.label()),
        "motivo": run.and_then(|run| run.result.outcome.reason()),
        "resumo": run.and_then(Run::summary),
        "timestamp": run.map(|run| views.time(run.finished_at)),
        "duracao_segundos": run.map(|run| seconds(run.result.duration)),
        "codigo_saida": run.and_then(|run| run.result.exit_code),
        "tentativas": run.map(|run| run.result.attempts.len()),
        "execucoes": processor.results,
        "sucessos": processor.successes,
        "erros": processor.results - processor.successes,
        "tempo_medio": processor.mean_duration().map(seconds),
        "output": run.map(output_tail),
        "trace_id": run.and_then(|run| run.start.trace).map(|trace| trace.trace_id_hex()),
        "link_trace": run.and_then(|run| views.trace_link(run)),
        "ultimo_sucesso": processor.state.last_success.map(|at| views.time(at)),
        "proxima_execucao": status.next_start_of(processor).map(|at| views.time(at)),
    })
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
