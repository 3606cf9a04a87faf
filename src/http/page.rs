//! The page at `/`: what a person wants to see first. Plain HTML; no script.

use std::time::Duration;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Views, health};
use crate::domain::{Outcome, ScheduleSpec};
use crate::engine::status::{Phase, ProcessorStatus, Status};

/// Seconds after which a browser loads the page anew.
const REFRESH: u32 = 5;

/// The whole page.
pub(super) fn index(status: &Status, views: &Views) -> Markup {
    let reasons = health::reasons(status, views);
    html! {
        (DOCTYPE)
        html lang="pt-BR" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH);
                title { "Orquestrador de Processadores" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    h1 { "Orquestrador de Processadores" }
                    (headline(status, &reasons, views))
                    @if !reasons.is_empty() {
                        ul.reasons { @for reason in &reasons { li { (reason) } } }
                    }
                }
                main {
                    (facts(status, views))
                    section aria-label="Processadores" {
                        h2 { "Processadores" }
                        div.cards { @for processor in &status.processors { (card(processor, views)) } }
                    }
                }
                footer {
                    a href="/status" { "Status (JSON)" } " · " a href="/health" { "Saúde (JSON)" } " · "
                    a href="/logs" { "Saídas (JSON)" } " · " a href="/metrics" { "Métricas" }
                    " · versão " (env!("CARGO_PKG_VERSION"))
                }
            }
        }
    }
}

fn headline(status: &Status, reasons: &[String], views: &Views) -> Markup {
    let failing = status
        .processors
        .iter()
        .filter(|processor| processor.is_failing())
        .count();
    let first = status
        .processors
        .iter()
        .filter_map(|processor| processor.state.failing_since)
        .min();
    let since = first.map_or_else(String::new, |first| {
        format!(" desde {}", moment(Some(first), views))
    });
    let (class, text) = match (status.phase, status.is_stalled(), failing) {
        (_, true, _) => ("bad", "❌ O laço de agendamento está parado".to_owned()),
        (Phase::Stopping, ..) => ("warn", "🛑 Encerrando".to_owned()),
        (_, _, 1) => ("bad", format!("❌ 1 processador falhando{since}")),
        (_, _, count) if count > 1 => ("bad", format!("❌ {count} processadores falhando{since}")),
        _ if !reasons.is_empty() => ("warn", "⚠️ Funcionando com ressalvas".to_owned()),
        (Phase::Starting, ..) => ("warn", "⏳ Iniciando".to_owned()),
        (Phase::Running, ..) => ("good", "✅ Tudo em ordem".to_owned()),
    };
    html! { p.headline .(class) { (text) } }
}

fn schedule_fact(schedule: &ScheduleSpec) -> Markup {
    match schedule {
        ScheduleSpec::Interval(interval) => fact("Intervalo", &time_span(*interval)),
        ScheduleSpec::Cron { expression, .. } => fact("Agenda", expression),
    }
}

fn facts(status: &Status, views: &Views) -> Markup {
    let successes: u64 = status
        .processors
        .iter()
        .map(|processor| processor.successes)
        .sum();
    let results: u64 = status
        .processors
        .iter()
        .map(|processor| processor.results)
        .sum();
    html! {
        section aria-label="Resumo" {
            dl.facts {
                (fact("Modo", status.plan.mode.word()))
                (schedule_fact(&status.plan.main))
                @if status.paused_since.is_some() { (fact("Pausado desde", &moment(status.paused_since, views))) }
                (fact("Ciclos", &status.cycles.to_string()))
                (fact("Execuções com sucesso", &successes.to_string()))
                (fact("Execuções com erro", &(results - successes).to_string()))
                (fact("Último ciclo", &moment(status.last_cycle.as_ref().map(|cycle| cycle.finished_at), views)))
                (fact("Próximo ciclo", &moment(status.next_start, views)))
                (fact("Duração do último ciclo", &status.last_cycle.as_ref().map_or(dash(), |cycle| time_span(cycle.duration))))
                (fact("Duração média", &status.mean_duration().map_or(dash(), time_span)))
                (fact("No ar há", &time_span(Duration::from_secs(status.uptime.as_secs()))))
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn card(processor: &ProcessorStatus, views: &Views) -> Markup {
    let run = processor.last_run.as_deref();
    let (class, word) = match run.map(|run| run.result.outcome) {
        _ if !processor.in_flight.is_empty() => ("running", "▶ em execução"),
        None => ("idle", "– ainda não executado"),
        Some(Outcome::Success) => ("good", "✅ sucesso"),
        Some(Outcome::Failure(_)) => ("bad", "❌ falha"),
        Some(Outcome::Timeout) => ("bad", "⏰ tempo excedido"),
        Some(Outcome::Error(_)) => ("bad", "❌ erro do orquestrador"),
        Some(Outcome::Cancellation(_)) => ("warn", "🛑 cancelado"),
        Some(Outcome::Skip(_)) => ("warn", "⏭ pulado"),
    };
    let errors = processor.results - processor.successes;
    html! {
        article.card .(class) {
            h3 { (processor.spec.icon) " " (processor.spec.label) }
            p.outcome { (word) }
            @if let Some(link) = run.and_then(|run| views.trace_link(run)) { p { a href=(link) { "Traço da última execução" } } }
            @if let Some(summary) = run.and_then(super::super::domain::run::Run::summary) { p.summary { (summary) } }
            dl {
                (fact("Nome", processor.spec.name.as_str()))
                @if processor.is_failing() { (fact("Falhando desde", &moment(processor.state.failing_since, views))) }
                @if processor.missed > 0 { (fact("Inícios perdidos", &processor.missed.to_string())) }
                (fact("Última execução", &moment(run.map(|run| run.finished_at), views)))
                (fact("Último sucesso", &moment(processor.state.last_success, views)))
                (fact("Duração", &run.map_or(dash(), |run| time_span(run.result.duration))))
                (fact("Duração média", &processor.mean_duration().map_or(dash(), time_span)))
                (fact("Código de saída", &run.and_then(|run| run.result.exit_code).map_or(dash(), |code| code.to_string())))
                (fact("Execuções", &format!("{} ({} com sucesso, {errors} com erro)", processor.results, processor.successes)))
            }
        }
    }
}

fn dash() -> String {
    "—".to_owned()
}

fn moment(at: Option<Timestamp>, views: &Views) -> String {
    at.map_or_else(dash, |at| {
        at.to_zoned(views.zone.clone())
            .strftime("%d/%m/%Y %H:%M:%S")
            .to_string()
    })
}

fn time_span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, _) if seconds < 10 && duration.subsec_nanos() > 0 => {
            format!("{:.3} s", duration.as_secs_f64()).replace('.', ",")
        }
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}
