//! Cycles and runs of the history, newest first, a page at a time.

#![expect(unused_qualifications, reason = "as utoipa writes the parameters")]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::words::{self, Stamp};
use super::{Asked, ask, is_id, limit};
use crate::domain::{Outcome, ProcessorName};
use crate::history::{
    CycleQuery, Found, RecordedAttempt, RecordedCycle, RecordedLine, RecordedRun, RunDetails,
    RunQuery,
};
use crate::http::Views;
use crate::http::problem::Problem;

/// Runs in one answer about cycles, at most.
const MOST_RUNS: usize = 5_000;

/// Which cycles.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CyclesAsked {
    /// Cycles in the answer, at most. The answer has at most 5,000 runs: a page of greater cycles ends earlier.
    #[serde(rename = "limite")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// Only cycles that began before the one with this id: `proximo` of the page before.
    #[serde(rename = "antes")]
    #[param(value_type = String, required = false, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    before: Option<String>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RunsAsked {
    /// Only runs of this processor, whether it is configured today or not.
    #[serde(rename = "processador")]
    #[param(value_type = String, required = false, pattern = "^[a-z0-9_]+$", min_length = 1, max_length = 64)]
    processor: Option<String>,
    /// Only runs that ended like this.
    #[serde(rename = "resultado")]
    #[param(schema_with = words::outcome, required = false)]
    outcome: Option<String>,
    /// Only runs of the cycle with this id.
    #[serde(rename = "ciclo")]
    #[param(value_type = String, required = false, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    cycle: Option<String>,
    /// Runs in the answer, at most.
    #[serde(rename = "limite")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only runs that began before the one with this id: `proximo` of the page before.
    #[serde(rename = "antes")]
    #[param(value_type = String, required = false, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    before: Option<String>,
}

/// Cycles, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CyclesReport {
    #[serde(rename = "ciclos")]
    cycles: Vec<CycleReport>,
    /// What `antes` is on the next page; null on the last.
    #[serde(rename = "proximo")]
    next: Option<String>,
}

/// A cycle with its runs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CycleReport {
    id: String,
    /// Counted from 1 since the start of the program.
    #[serde(rename = "numero")]
    number: u64,
    #[serde(rename = "agenda")]
    #[schema(schema_with = words::schedule)]
    schedule: String,
    #[serde(rename = "modo")]
    #[schema(schema_with = words::mode)]
    mode: String,
    #[serde(rename = "gatilho")]
    #[schema(schema_with = words::trigger)]
    trigger: String,
    #[serde(rename = "inicio")]
    started_at: Stamp,
    #[serde(rename = "fim")]
    finished_at: Option<Stamp>,
    #[serde(rename = "duracao_segundos")]
    duration: Option<f64>,
    /// The worst outcome of its runs; null while it runs.
    #[serde(rename = "resultado")]
    #[schema(schema_with = words::outcome_or_null)]
    outcome: Option<String>,
    trace_id: Option<String>,
    /// How many runs of it are kept.
    #[serde(rename = "total_execucoes")]
    run_count: u64,
    /// Those runs, oldest first; the first 5,000 of a cycle that has more.
    #[serde(rename = "execucoes")]
    runs: Vec<RunReport>,
}

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RunsReport {
    #[serde(rename = "execucoes")]
    runs: Vec<RunReport>,
    /// What `antes` is on the next page; null on the last.
    #[serde(rename = "proximo")]
    next: Option<String>,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RunReport {
    id: String,
    /// The number of its cycle.
    #[serde(rename = "ciclo")]
    cycle: u64,
    #[serde(rename = "processador")]
    processor: String,
    /// Which of the runs of its start it is, counted from 1.
    #[serde(rename = "instancia")]
    instance: u64,
    /// How many runs its start had.
    #[serde(rename = "instancias")]
    instances: u64,
    /// Null while it runs.
    #[serde(rename = "resultado")]
    #[schema(schema_with = words::outcome_or_null)]
    outcome: Option<String>,
    #[serde(rename = "motivo")]
    #[schema(schema_with = words::reason_or_null)]
    reason: Option<String>,
    #[serde(rename = "inicio")]
    started_at: Stamp,
    #[serde(rename = "fim")]
    finished_at: Option<Stamp>,
    #[serde(rename = "duracao_segundos")]
    duration: Option<f64>,
    /// The program's exit code; 128+n for signal n.
    #[serde(rename = "codigo_saida")]
    exit_code: Option<i32>,
    /// Processes that were started for it.
    #[serde(rename = "tentativas")]
    attempts: u64,
    /// The line that it left for people.
    #[serde(rename = "resumo")]
    summary: Option<String>,
    trace_id: Option<String>,
}

/// All that is known of one run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RunDetailsReport {
    #[serde(flatten)]
    run: RunReport,
    /// From ready to started.
    #[serde(rename = "espera_segundos")]
    queue_wait: f64,
    #[serde(rename = "cpu_usuario_segundos")]
    cpu_user: f64,
    #[serde(rename = "cpu_sistema_segundos")]
    cpu_system: f64,
    #[serde(rename = "pico_memoria_bytes")]
    max_rss_bytes: u64,
    /// Bytes that were written to standard output, kept or not.
    #[serde(rename = "bytes_saida")]
    stdout_bytes: u64,
    /// Bytes that were written to standard error, kept or not.
    #[serde(rename = "bytes_erros")]
    stderr_bytes: u64,
    /// Processes that outlived it and were ended.
    #[serde(rename = "processos_escapados")]
    escaped: u64,
    /// Its attempts; empty when it made one only.
    #[serde(rename = "lista_tentativas")]
    attempts: Vec<AttemptReport>,
    /// The kept output: at most 64 KiB, half of it from the beginning, half from the end.
    #[serde(rename = "linhas")]
    output: Vec<LineReport>,
}

/// One attempt of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AttemptReport {
    #[serde(rename = "numero")]
    number: u64,
    #[serde(rename = "inicio")]
    started_at: Stamp,
    #[serde(rename = "resultado")]
    #[schema(schema_with = words::outcome)]
    outcome: String,
    #[serde(rename = "motivo")]
    #[schema(schema_with = words::reason_or_null)]
    reason: Option<String>,
    #[serde(rename = "duracao_segundos")]
    duration: f64,
    #[serde(rename = "codigo_saida")]
    exit_code: Option<i32>,
}

/// A line of output, masked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LineReport {
    #[serde(rename = "timestamp")]
    pub(in crate::http) at: Stamp,
    #[serde(rename = "fluxo")]
    #[schema(schema_with = words::stream)]
    pub(in crate::http) stream: String,
    #[serde(rename = "linha")]
    pub(in crate::http) text: String,
}

/// Cycles of the history, with their runs
#[utoipa::path(get, path = "/api/v1/ciclos", tag = "histórico", params(CyclesAsked),
    responses((status = 200, description = "Cycles, newest first", body = CyclesReport)))]
pub(super) async fn cycles(
    State(views): State<Arc<Views>>,
    Asked(asked): Asked<CyclesAsked>,
) -> Result<Json<CyclesReport>, Problem> {
    let query = CycleQuery {
        before: id("antes", asked.before)?,
        limit: limit(asked.limit, 20, 100)?,
        runs: MOST_RUNS,
    };
    let (cycles, has_more) = ask(&views, move |reader| reader.cycles(&query)).await?;
    let last = cycles.last().map(|cycle| cycle.id.clone());
    Ok(Json(CyclesReport {
        cycles: cycles
            .into_iter()
            .map(|cycle| cycle_report(cycle, &views))
            .collect(),
        next: last.filter(|_| has_more),
    }))
}

/// Runs of the history
#[utoipa::path(get, path = "/api/v1/execucoes", tag = "histórico", params(RunsAsked),
    responses((status = 200, description = "Runs, newest first", body = RunsReport)))]
pub(super) async fn runs(
    State(views): State<Arc<Views>>,
    Asked(asked): Asked<RunsAsked>,
) -> Result<Json<RunsReport>, Problem> {
    let most = limit(asked.limit, 100, 1000)?;
    let processor = asked.processor.map(ProcessorName::try_from).transpose();
    let processor =
        processor.map_err(|error| Problem::bad_request(format!("processador: {error}")))?;
    let is_unknown = |outcome: &String| !Outcome::LABELS.contains(&outcome.as_str());
    if asked.outcome.as_ref().is_some_and(is_unknown) {
        return Err(Problem::bad_request(format!(
            "resultado: esperado um de {}",
            Outcome::LABELS.join(", ")
        )));
    }
    let query = RunQuery {
        processor,
        outcome: asked.outcome,
        cycle: id("ciclo", asked.cycle)?,
        before: id("antes", asked.before)?,
        limit: most + 1,
    };
    let mut runs = ask(&views, move |reader| reader.runs(&query)).await?;
    let has_more = runs.len() > most;
    runs.truncate(most);
    let last = runs.last().map(|run| run.id.clone());
    Ok(Json(RunsReport {
        runs: runs
            .into_iter()
            .map(|run| run_report(run, &views))
            .collect(),
        next: last.filter(|_| has_more),
    }))
}

/// One run with its attempts and its kept output
#[utoipa::path(get, path = "/api/v1/execucoes/{id}", tag = "histórico",
    params(("id" = String, Path, description = "The run's id",
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    responses((status = 200, description = "The run", body = RunDetailsReport)))]
pub(super) async fn run(
    State(views): State<Arc<Views>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<RunDetailsReport>, Problem> {
    let unknown = || Problem::not_found("nenhuma execução com este identificador");
    let Path(id) = id.map_err(|_| unknown())?;
    if !is_id(&id) {
        return Err(unknown());
    }
    match ask(&views, move |reader| reader.find(&id)).await? {
        Found::One(details) => Ok(Json(details_report(*details, &views))),
        Found::Nothing | Found::Several => Err(unknown()),
    }
}

fn id(key: &str, asked: Option<String>) -> Result<Option<String>, Problem> {
    match asked {
        Some(text) if !is_id(&text) => Err(Problem::bad_request(format!(
            "{key}: esperado um identificador, como 019353a0-5c2e-7000-8000-000000000000"
        ))),
        asked => Ok(asked),
    }
}

fn cycle_report(cycle: RecordedCycle, views: &Views) -> CycleReport {
    let runs = cycle.runs.into_iter();
    CycleReport {
        id: cycle.id,
        number: cycle.number,
        schedule: cycle.schedule,
        mode: cycle.mode,
        trigger: cycle.trigger,
        started_at: views.stamp(cycle.started_at),
        finished_at: cycle.finished_at.map(|at| views.stamp(at)),
        duration: cycle.duration.as_ref().map(Duration::as_secs_f64),
        outcome: cycle.outcome,
        trace_id: cycle.trace_id,
        run_count: cycle.run_count,
        runs: runs.map(|run| run_report(run, views)).collect(),
    }
}

fn run_report(run: RecordedRun, views: &Views) -> RunReport {
    RunReport {
        id: run.id,
        cycle: run.cycle,
        processor: run.processor,
        instance: run.instance.0,
        instances: run.instance.1,
        outcome: run.outcome,
        reason: run.reason,
        started_at: views.stamp(run.started_at),
        finished_at: run.finished_at.map(|at| views.stamp(at)),
        duration: run.duration.as_ref().map(Duration::as_secs_f64),
        exit_code: run.exit_code,
        attempts: run.attempts,
        summary: run.summary,
        trace_id: run.trace_id,
    }
}

fn details_report(details: RunDetails, views: &Views) -> RunDetailsReport {
    let run = &details.run;
    let attempt = |attempt: RecordedAttempt| AttemptReport {
        number: attempt.number,
        started_at: views.stamp(attempt.started_at),
        outcome: attempt.outcome,
        reason: attempt.reason,
        duration: attempt.duration.as_secs_f64(),
        exit_code: attempt.exit_code,
    };
    let line = |line: RecordedLine| LineReport {
        at: views.stamp(line.at),
        stream: line.stream,
        text: line.text,
    };
    RunDetailsReport {
        queue_wait: run.queue_wait.as_secs_f64(),
        cpu_user: run.cpu.0.as_secs_f64(),
        cpu_system: run.cpu.1.as_secs_f64(),
        max_rss_bytes: run.max_rss_bytes,
        stdout_bytes: run.output_bytes.0,
        stderr_bytes: run.output_bytes.1,
        escaped: run.escaped,
        attempts: details.attempts.into_iter().map(attempt).collect(),
        output: details.output.into_iter().map(line).collect(),
        run: run_report(details.run, views),
    }
}
