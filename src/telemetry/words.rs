//! Portuguese words for the closed sets, and durations as people read them.

use std::time::Duration;

use crate::domain::{
    Attempt, CancelReason, ErrorReason, Escaped, FailureReason, GroupChange, Load, MissReason,
    Missed, Outcome, ReloadResult, Run, RunStart, SkipReason,
};

/// A duration for people: `250ms`, `4.49s`, `60s`, `5m`, `1h30m`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_millis());
    }
    if duration.subsec_millis() > 0 && seconds < 60 {
        return format!("{:.2}s", duration.as_secs_f64());
    }
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0 | 1, _) if seconds < 120 => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m{rest}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

/// The sign of an outcome.
pub(super) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "✅",
        Outcome::Failure(_) | Outcome::Error(_) => "❌",
        Outcome::Timeout => "⏰",
        Outcome::Cancellation(_) => "🛑",
        Outcome::Skip(_) => "⏭️",
    }
}

/// Which of the runs of its start a run is, behind its name; nothing when it is the only one.
pub(super) fn instance(start: &RunStart) -> String {
    let instance = start.instance;
    if instance.has_others() {
        format!(" ({} de {})", instance.number, instance.of)
    } else {
        String::new()
    }
}

/// The one line that says how a run ended.
pub(super) fn ending(run: &Run) -> String {
    let spec = &run.start.spec;
    let label = &format!("{}{}", spec.label, instance(&run.start));
    match run.result.outcome {
        Outcome::Success => format!("✅ {label} executado com sucesso"),
        Outcome::Failure(FailureReason::ExitCode(code)) => {
            format!("❌ {label} falhou: código {code}")
        }
        Outcome::Failure(FailureReason::Signal(signal)) => {
            format!("❌ {label} falhou: sinal {signal}")
        }
        Outcome::Failure(FailureReason::Oom) => format!("❌ {label} falhou: memória esgotada"),
        Outcome::Timeout => format!("⏰ {label} excedeu {}", duration(spec.timeout)),
        Outcome::Error(ErrorReason::Spawn) => format!("❌ {label} não foi iniciado"),
        Outcome::Error(ErrorReason::Io) => format!("❌ {label}: erro interno de entrada e saída"),
        Outcome::Error(ErrorReason::Lost) => format!("❌ {label}: o processo foi perdido de vista"),
        Outcome::Cancellation(reason) => format!("🛑 {label} cancelado: {}", cancellation(reason)),
        Outcome::Skip(reason) => format!("⏭️ {label} pulado: {}", skip(reason)),
    }
}

/// That an attempt failed and another one follows.
pub(super) fn retry(run: &RunStart, attempt: &Attempt, wait: Duration) -> String {
    let spec = &run.spec;
    let ended = match attempt.outcome {
        Outcome::Failure(FailureReason::ExitCode(code)) => format!("código {code}"),
        Outcome::Failure(FailureReason::Signal(signal)) => format!("sinal {signal}"),
        Outcome::Failure(FailureReason::Oom) => "memória esgotada".to_owned(),
        Outcome::Timeout => format!("excedeu {}", duration(spec.timeout)),
        Outcome::Error(ErrorReason::Spawn) => "não foi iniciado".to_owned(),
        Outcome::Error(_) | Outcome::Success | Outcome::Cancellation(_) | Outcome::Skip(_) => {
            "erro interno".to_owned()
        }
    };
    format!(
        "🔁 {}{}: tentativa {} de {} falhou ({ended}); a próxima em {}",
        spec.label,
        instance(run),
        attempt.number,
        spec.retry.attempts,
        duration(wait)
    )
}

/// That a backlog asks for another number of runs, or is not told; nothing while all is as it was.
pub(super) fn load(load: &Load) -> Option<String> {
    let (name, metric) = (&load.processor, &load.metric);
    match load.backlog {
        None if load.is_newly_missing() => Some(format!(
            "⚠️  {name}: o relatório de métricas não traz {metric}; as instâncias ficam em {}",
            load.desired
        )),
        Some(backlog) if load.desired != load.before => Some(format!(
            "📈 {name}: {backlog} na fila; instâncias no próximo início: {} (eram {})",
            load.desired, load.before
        )),
        None | Some(_) => None,
    }
}

/// That the history is written again.
pub(super) fn history_recovered(lost: u64) -> String {
    match lost {
        0 => "✅ O histórico voltou a ser gravado; nada se perdeu".to_owned(),
        1 => "✅ O histórico voltou a ser gravado; 1 registro se perdeu".to_owned(),
        count => format!("✅ O histórico voltou a ser gravado; {count} registros se perderam"),
    }
}

/// That an instant of the history lay in the future.
pub(super) const CLAMPED: &str = "⚠️  O histórico tem instantes no futuro; contam como agora. O relógio desta máquina está certo?";

/// That processes outlived what had started them, and which.
pub(super) fn escaped(escaped: &Escaped) -> String {
    let names = escaped.names.join(", ");
    match escaped.count {
        1 => format!("1 processo sobreviveu ao fim e foi encerrado: {names}"),
        count => format!("{count} processos sobreviveram ao fim e foram encerrados: {names}"),
    }
}

/// That the plan was stopped, and goes on.
pub(super) const PAUSED: &str = "⏸️  Pausado: nenhum início planejado acontece até um novo SIGUSR2";
/// That it goes on.
pub(super) const RESUMED: &str = "▶️  Retomado: os inícios planejados acontecem de novo";

/// That planned starts never happened; `time` is that of the latest.
pub(super) fn missed(missed: &Missed, time: &str) -> String {
    let whose = match &missed.processor {
        Some(name) => name.as_str(),
        None => "ciclo",
    };
    let reason = match missed.reason {
        MissReason::Overrun => "o anterior ainda executava ou o laço estava atrasado",
        MissReason::Paused => "em pausa",
        MissReason::ClockJump => "o relógio saltou",
        MissReason::Downtime => "o orquestrador não estava em execução",
        MissReason::OutsideWindow => "fora da janela de recuperação",
    };
    match missed.count {
        1 => format!("⚠️  {whose}: início de {time} perdido ({reason})"),
        count => format!("⚠️  {whose}: {count} inícios perdidos até {time} ({reason})"),
    }
}

/// That the wall clock jumped.
pub(super) fn clock_jump(by: jiff::SignedDuration) -> String {
    let length = duration(by.unsigned_abs());
    let way = if by.is_negative() {
        "para trás"
    } else {
        "para a frente"
    };
    format!(
        "⚠️  O relógio da máquina saltou {length} {way}, ou ela esteve suspensa; agendas refeitas"
    )
}

/// What a reload came to, line by line.
pub(super) fn reload(result: &ReloadResult) -> Vec<String> {
    let (head, lines) = match result {
        ReloadResult::Applied { difference, .. } if difference.is_empty() => {
            ("🔧 Configuração recarregada: nada mudou", &difference.lines)
        }
        ReloadResult::Applied { difference, .. } => {
            ("🔧 Configuração recarregada:", &difference.lines)
        }
        ReloadResult::Rejected { problems } => (
            "❌ Recarga recusada; vale a configuração de antes:",
            problems,
        ),
    };
    let lines = lines.iter().map(|line| format!("   {line}"));
    std::iter::once(head.to_owned()).chain(lines).collect()
}

fn cancellation(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Shutdown => "encerramento",
        CancelReason::Replaced => "substituído por um início mais novo",
    }
}

fn skip(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Dependency => "dependência",
        SkipReason::Overlap => "a execução anterior não terminou",
        SkipReason::DryRun => "simulação",
    }
}

/// What changed in the group of instances.
pub(super) fn group(change: &GroupChange) -> String {
    match change {
        GroupChange::Connected => "🔗 Conectado ao NATS".to_owned(),
        GroupChange::Disconnected => {
            "⚠️  Sem conexão com o NATS: o que roda aqui vai até o fim do arrendamento".to_owned()
        }
        GroupChange::Failed { fault } => {
            let mark = if fault.passes() { "⚠️ " } else { "❌" };
            format!("{mark} {}", fault.words())
        }
        GroupChange::Leading { term } => {
            format!("👑 Esta instância lidera e planeja (mandato {term})")
        }
        GroupChange::StoodDown => {
            "⚠️  Esta instância deixou de liderar; não planeja mais".to_owned()
        }
        GroupChange::LeaderSeen { instance } => format!("👥 A instância {instance} lidera"),
        GroupChange::RunRedelivered {
            run,
            processor,
            instance,
        } => format!(
            "⚠️  Execução {run} de {processor} retomada: a instância {instance} se perdeu com ela"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let cases = [
            (250, "250ms"),
            (4490, "4.49s"),
            (60_000, "60s"),
            (300_000, "5m"),
            (5_400_000, "1h30m"),
            (135_000, "2m15s"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
