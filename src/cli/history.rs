//! `historico` and `execucao`: what happened, for eyes and for programs, also while a daemon runs. Writes nothing.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::table::{cell, write_table};
use crate::domain::ProcessorName;
use crate::history::{
    Found, HistoryError, HistoryReader, RecordedAttempt, RecordedLine, RecordedRun, RunDetails,
};

/// What `historico` is asked.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Quantas execuções, da mais nova para a mais velha
    #[arg(long = "limite", value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Só as deste processador
    #[arg(long = "processador", value_name = "NOME", value_parser = name)]
    processor: Option<ProcessorName>,
    /// Um objeto JSON por linha
    #[arg(long = "json")]
    json: bool,
}

/// What `execucao` is asked.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Identificador da execução, inteiro ou o começo dele
    #[arg(value_name = "ID")]
    id: String,
    /// Um objeto JSON
    #[arg(long = "json")]
    json: bool,
}

fn name(text: &str) -> Result<ProcessorName, String> {
    ProcessorName::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such run.
    #[error(
        "nenhuma execução começa com {0:?}; veja os identificadores em: orquestrador historico"
    )]
    Unknown(String),
    /// Several such runs.
    #[error("várias execuções começam com {0:?}; dê mais do identificador")]
    Ambiguous(String),
    /// The history cannot be read.
    #[error("o histórico não pode ser lido: {0}")]
    History(#[from] HistoryError),
    /// The output cannot be written.
    #[error("falha ao escrever a saída: {0}")]
    Output(#[from] io::Error),
}

/// `historico`.
///
/// # Errors
///
/// The history cannot be read, or the output not written.
pub fn latest(
    arguments: &HistoryArgs,
    reader: &HistoryReader,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let runs = reader.latest(arguments.limit, arguments.processor.as_ref())?;
    if arguments.json {
        for run in &runs {
            writeln!(out, "{}", facts(run, zone))?;
        }
    } else if runs.is_empty() {
        writeln!(out, "nenhuma execução registrada")?;
    } else {
        let heading = [
            "início",
            "processador",
            "resultado",
            "duração",
            "código",
            "tentativas",
            "resumo",
            "id",
        ];
        let heading = heading.map(str::to_owned).to_vec();
        let lines = runs.iter().map(|run| line(run, zone));
        write_table(
            &std::iter::once(heading).chain(lines).collect::<Vec<_>>(),
            out,
        )?;
    }
    Ok(out.flush()?)
}

/// `execucao`.
///
/// # Errors
///
/// There is not exactly one such run, the history cannot be read, or the output not written.
pub fn one(
    arguments: &RunArgs,
    reader: &HistoryReader,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let id = arguments.id.to_lowercase();
    let details = match reader.find(&id)? {
        Found::Nothing => return Err(Refusal::Unknown(id)),
        Found::Several => return Err(Refusal::Ambiguous(id)),
        Found::One(details) => details,
    };
    if arguments.json {
        writeln!(out, "{}", details_json(&details, zone))?;
    } else {
        write_details(&details, zone, out)?;
    }
    Ok(out.flush()?)
}

fn line(run: &RecordedRun, zone: &TimeZone) -> Vec<String> {
    vec![
        moment(run.started_at, zone),
        run.processor.clone(),
        ending(run),
        run.duration.map_or_else(|| "-".to_owned(), span),
        run.exit_code
            .map_or_else(|| "-".to_owned(), |code| code.to_string()),
        run.attempts.to_string(),
        cell(run.summary.as_deref().unwrap_or_default()),
        run.id.clone(),
    ]
}

fn write_details(details: &RunDetails, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let run = &details.run;
    let absent = || "-".to_owned();
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let peak = run.max_rss_bytes as f64 / f64::from(1 << 20);
    let facts = [
        ("execução", run.id.clone()),
        ("processador", run.processor.clone()),
        ("instância", instance(run)),
        ("ciclo", run.cycle.to_string()),
        ("resultado", ending(run)),
        (
            "resumo",
            run.summary.as_deref().map_or_else(absent, printable),
        ),
        ("início", moment(run.started_at, zone)),
        (
            "fim",
            run.finished_at.map_or_else(absent, |at| moment(at, zone)),
        ),
        ("duração", run.duration.map_or_else(absent, span)),
        ("espera por vaga", span(run.queue_wait)),
        (
            "código de saída",
            run.exit_code.map_or_else(absent, |code| code.to_string()),
        ),
        ("tentativas", run.attempts.to_string()),
        (
            "CPU",
            format!("{} usuário, {} sistema", span(run.cpu.0), span(run.cpu.1)),
        ),
        ("pico de memória", format!("{peak:.1} MiB")),
        (
            "bytes escritos",
            format!(
                "{} na saída, {} nos erros",
                run.output_bytes.0, run.output_bytes.1
            ),
        ),
        ("processos que escaparam", run.escaped.to_string()),
        ("traço", run.trace_id.clone().unwrap_or_else(absent)),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<24} {value}")?;
    }
    if !details.attempts.is_empty() {
        writeln!(out, "\ntentativas:")?;
        let heading = ["nº", "início", "resultado", "duração", "código"].map(str::to_owned);
        let lines = details
            .attempts
            .iter()
            .map(|attempt| attempt_line(attempt, zone));
        write_table(
            &std::iter::once(heading.to_vec())
                .chain(lines)
                .collect::<Vec<_>>(),
            out,
        )?;
    }
    if !details.output.is_empty() {
        writeln!(out, "\nsaída:")?;
    }
    for line in &details.output {
        let time = line
            .at
            .to_zoned(zone.clone())
            .strftime("%H:%M:%S.%3f")
            .to_string();
        writeln!(out, "{time} {} | {}", line.stream, printable(&line.text))?;
    }
    Ok(())
}

fn attempt_line(attempt: &RecordedAttempt, zone: &TimeZone) -> Vec<String> {
    vec![
        attempt.number.to_string(),
        moment(attempt.started_at, zone),
        words(Some(&attempt.outcome), attempt.reason.as_deref()),
        span(attempt.duration),
        attempt
            .exit_code
            .map_or_else(|| "-".to_owned(), |code| code.to_string()),
    ]
}

/// The facts of a run, in the form that programs are promised.
fn facts(run: &RecordedRun, zone: &TimeZone) -> Value {
    json!({
        "id": run.id,
        "ciclo": run.cycle,
        "processador": run.processor,
        "resultado": run.outcome,
        "motivo": run.reason,
        "inicio": stamp(run.started_at, zone),
        "duracao_segundos": run.duration.map(|duration| duration.as_secs_f64()),
        "codigo_saida": run.exit_code,
        "tentativas": run.attempts,
        "trace_id": run.trace_id,
    })
}

fn details_json(details: &RunDetails, zone: &TimeZone) -> Value {
    let run = &details.run;
    let mut value = facts(run, zone);
    let attempt = |attempt: &RecordedAttempt| {
        json!({
            "numero": attempt.number,
            "inicio": stamp(attempt.started_at, zone),
            "resultado": attempt.outcome,
            "motivo": attempt.reason,
            "duracao_segundos": attempt.duration.as_secs_f64(),
            "codigo_saida": attempt.exit_code,
        })
    };
    let line = |line: &RecordedLine| json!({ "timestamp": stamp(line.at, zone), "fluxo": line.stream, "linha": line.text });
    let more = json!({
        "instancia": run.instance.0,
        "instancias": run.instance.1,
        "resumo": run.summary,
        "fim": run.finished_at.map(|at| stamp(at, zone)),
        "espera_segundos": run.queue_wait.as_secs_f64(),
        "cpu_usuario_segundos": run.cpu.0.as_secs_f64(),
        "cpu_sistema_segundos": run.cpu.1.as_secs_f64(),
        "pico_memoria_bytes": run.max_rss_bytes,
        "bytes_saida": run.output_bytes.0,
        "bytes_erros": run.output_bytes.1,
        "processos_escapados": run.escaped,
        "lista_tentativas": details.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "linhas": details.output.iter().map(line).collect::<Vec<_>>(),
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

fn instance(run: &RecordedRun) -> String {
    format!("{} de {}", run.instance.0, run.instance.1)
}

fn ending(run: &RecordedRun) -> String {
    words(run.outcome.as_deref(), run.reason.as_deref())
}

/// Outcome and reason for people; the words of the closed sets stand behind, as metrics and logs have them.
fn words(outcome: Option<&str>, reason: Option<&str>) -> String {
    let word = match outcome {
        None => return "em andamento".to_owned(),
        Some("success") => "sucesso",
        Some("failure") => "falha",
        Some("timeout") => "tempo esgotado",
        Some("cancellation") => "cancelada",
        Some("skip") => "pulada",
        Some("error") => "erro",
        Some(other) => other,
    };
    let reason = reason.filter(|reason| *reason != "timeout");
    reason.map_or_else(|| word.to_owned(), |reason| format!("{word} ({reason})"))
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%d/%m/%Y %H:%M:%S")
        .to_string()
}

/// RFC 3339 with the zone's offset.
fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
        .to_string()
}

fn span(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}

/// Control characters of a child's output must not drive the terminal.
fn printable(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() && character != '\t' {
            '\u{fffd}'
        } else {
            character
        }
    };
    text.chars().map(shown).collect()
}
