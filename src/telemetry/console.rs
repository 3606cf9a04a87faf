//! The lines that users know, in Portuguese, on standard output. Refuses to know anything but the facts.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::words;
use crate::domain::{
    Cycle, CycleStart, Event, Mode, Observer, Outcome, OutputLine, Restored, Run, RunStart, Startup,
};

/// The reader that writes for people.
pub struct Console {
    sink: Mutex<Box<dyn Write + Send>>,
    zone: TimeZone,
    verbose: bool,
    single_run: bool,
}

/// What is said of so many lines that nobody took.
#[must_use]
pub fn lost_lines(lines: u64) -> String {
    match lines {
        1 => "⚠️  1 linha perdida: ninguém lia a saída".to_owned(),
        lines => format!("⚠️  {lines} linhas perdidas: ninguém lia a saída"),
    }
}

impl Console {
    /// Writes to `sink`, with times in `zone`; with `verbose`, also what each step does and uses.
    #[must_use]
    pub fn new(
        sink: Box<dyn Write + Send>,
        zone: TimeZone,
        verbose: bool,
        single_run: bool,
    ) -> Self {
        Self {
            sink: Mutex::new(sink),
            zone,
            verbose,
            single_run,
        }
    }

    /// Whoever reads our output may have gone; that is no reason to stop working.
    fn write(&self, lines: &[String]) {
        let mut text = lines.join("\n");
        text.push('\n');
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write_all(text.as_bytes())
            .and_then(|()| sink.flush())
            .ok();
    }

    fn time(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    fn started(&self, startup: &Startup) {
        let mut lines = vec![
            "🎯 Orquestrador de Processadores".to_owned(),
            format!("📊 Modo de execução: {}", startup.mode.word()),
        ];
        if startup.single_run {
            lines.push("🎯 Modo single-run: executando apenas um ciclo".to_owned());
        }
        lines.push(match &startup.config {
            Some(path) => format!("🔧 Configuração: {}", path.display()),
            None => "🔧 Configuração: padrões internos".to_owned(),
        });
        lines.push(format!("💾 Registros: {}", startup.store));
        if let Some(address) = startup.address {
            let scheme = if startup.is_encrypted {
                "https"
            } else {
                "http"
            };
            lines.push(format!("📡 Monitoramento: {scheme}://{address}"));
        }
        if startup.dry_run {
            lines.push("🧪 Simulação: nada será gravado".to_owned());
        }
        lines.extend(startup.notes.iter().map(|note| format!("📦 {note}")));
        lines.extend(
            startup
                .warnings
                .iter()
                .map(|warning| format!("⚠️  {warning}")),
        );
        self.write(&lines);
    }

    fn restored(&self, restored: &Restored) {
        let mut lines: Vec<_> = restored
            .lost
            .iter()
            .map(|run| {
                let time = self.time(run.started_at, "%d/%m %H:%M:%S");
                format!(
                    "⚠️  {}: a execução iniciada em {time} se perdeu quando o orquestrador terminou sem aviso",
                    run.processor
                )
            })
            .collect();
        if restored.is_clamped {
            lines.push(words::CLAMPED.to_owned());
        }
        if !lines.is_empty() {
            self.write(&lines);
        }
    }

    fn cycle_started(&self, start: &CycleStart) {
        let time = self.time(start.started_at, "%H:%M:%S");
        self.write(&[
            String::new(),
            format!("🚀 Iniciando ciclo de processamento - {time}"),
        ]);
    }

    fn run_started(&self, start: &RunStart) {
        let spec = &start.spec;
        let mut lines = vec![format!(
            "{} Executando {}{}...",
            spec.icon,
            lowercase_first(&spec.label),
            words::instance(start)
        )];
        if self.verbose {
            let wait = words::duration(start.queue_wait);
            let time = self.time(start.started_at, "%H:%M:%S.%3f");
            lines.push(format!(
                "   {time} {}{} início: execução {}, espera {wait}",
                spec.name,
                words::instance(start),
                start.id.as_str()
            ));
        }
        self.write(&lines);
    }

    fn output(&self, run: &RunStart, line: &OutputLine) {
        let time = self.time(line.at, "%H:%M:%S.%3f");
        let text = printable(&line.text);
        self.write(&[format!(
            "   {time} {}{} {} | {text}",
            run.spec.name,
            words::instance(run),
            line.stream.label()
        )]);
    }

    fn run_finished(&self, run: &Run) {
        let mut lines = vec![words::ending(run)];
        lines.extend(
            run.summary()
                .map(|summary| format!("   {}", printable(&summary))),
        );
        if run.result.escaped.count > 0 {
            lines.push(format!("   ⚠️  {}", words::escaped(&run.result.escaped)));
        }
        if self.verbose {
            lines.push(format!("   {}", self.usage(run)));
        }
        self.write(&lines);
    }

    fn usage(&self, run: &Run) -> String {
        let result = &run.result;
        let time = self.time(run.finished_at, "%H:%M:%S.%3f");
        let name = format!("{}{}", run.start.spec.name, words::instance(&run.start));
        let Some(code) = result.exit_code else {
            return format!("{time} {name} fim: sem processo");
        };
        let cpu = result.usage.cpu_user + result.usage.cpu_system;
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let peak = result.usage.max_rss_bytes as f64 / f64::from(1 << 20);
        let (duration, cpu) = (words::duration(result.duration), words::duration(cpu));
        format!("{time} {name} fim: {duration}, CPU {cpu}, pico {peak:.1} MiB, código {code}")
    }

    fn cycle_finished(&self, cycle: &Cycle) {
        let title = match cycle.start.mode {
            Mode::Sequential => "📊 Resultados sequenciais:",
            Mode::Parallel => "📊 Resultados paralelos:",
        };
        let mut lines = vec![String::new(), title.to_owned()];
        lines.extend(cycle.runs.iter().map(|run| result_line(run)));
        lines.push(format!(
            "⏱️  Ciclo completado em {:.2} segundos",
            cycle.duration.as_secs_f64()
        ));
        if self.single_run {
            let cancelled = matches!(cycle.outcome, Outcome::Cancellation(_));
            let bad = cycle
                .runs
                .iter()
                .filter(|run| run.result.outcome.is_bad())
                .count();
            lines.push(match bad {
                0 if cancelled => "🛑 Ciclo único cancelado".to_owned(),
                0 => "✅ Ciclo único completado".to_owned(),
                1 => "❌ Ciclo único completado com 1 falha".to_owned(),
                count => format!("❌ Ciclo único completado com {count} falhas"),
            });
        }
        self.write(&lines);
    }

    fn planned(&self, wait: Duration) {
        self.write(&[format!("⏳ Próximo ciclo em {}", words::duration(wait))]);
    }
}

fn result_line(run: &Run) -> String {
    let spec = &run.start.spec;
    // An emoji with a variation selector is drawn narrower than the column that it takes.
    let gap = if spec.icon.ends_with('\u{fe0f}') {
        "  "
    } else {
        " "
    };
    format!(
        "   {}{gap}{}{}: {}",
        spec.icon,
        spec.short_label,
        words::instance(&run.start),
        words::sign(run.result.outcome)
    )
}

fn lowercase_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

/// Control characters of a child's output must not drive the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() && character != '\t' {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

impl Observer for Console {
    fn observe(&self, event: &Event) {
        match event {
            Event::Started(startup) => self.started(startup),
            Event::CycleStarted(start) => self.cycle_started(start),
            Event::RunStarted(start) => self.run_started(start),
            Event::RunOutput { run, line } if self.verbose => self.output(run, line),
            Event::RunFinished(run) => self.run_finished(run),
            Event::CycleFinished(cycle) => self.cycle_finished(cycle),
            Event::StartPlanned {
                processor: None,
                wait,
                ..
            } => self.planned(*wait),
            Event::StartMissed(missed) => {
                let time = self.time(missed.planned, "%d/%m %H:%M:%S");
                self.write(&[words::missed(missed, &time)]);
            }
            Event::ClockJumped { by, .. } => self.write(&[words::clock_jump(*by)]),
            Event::Paused { .. } => self.write(&[words::PAUSED.to_owned()]),
            Event::Resumed { .. } => self.write(&[words::RESUMED.to_owned()]),
            Event::ConfigReloaded(reload) => self.write(&words::reload(&reload.result)),
            Event::ShutdownStarted { signal } => {
                self.write(&[format!(
                    "🛑 {signal} recebido: nada novo começa; encerrando o que está em execução"
                )]);
            }
            Event::ShutdownForced { signal } => {
                self.write(&[format!("🛑 {signal} de novo: encerrando à força")]);
            }
            Event::GroupChanged { change, .. } => self.write(&[words::group(change)]),
            Event::StraysEnded(escaped) => {
                self.write(&[format!(
                    "⚠️  {} sem execução conhecida",
                    words::escaped(escaped)
                )]);
            }
            Event::AttemptFailed { run, attempt, wait } => {
                self.write(&[words::retry(run, attempt, *wait)]);
            }
            Event::Restored(restored) => self.restored(restored),
            Event::LoadRead(load) => {
                if let Some(line) = words::load(load) {
                    self.write(&[line]);
                }
            }
            Event::HistoryFailed { reason, .. } => {
                self.write(&[format!("⚠️  O histórico não pode ser gravado: {reason}")]);
            }
            Event::HistoryRecovered { lost } => {
                self.write(&[words::history_recovered(*lost)]);
            }
            Event::LoopTicked { .. }
            | Event::PlanForgotten
            | Event::RunOutput { .. }
            | Event::MetricsReported { .. }
            | Event::StartPlanned { .. }
            | Event::HistoryOperated { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::telemetry::sink::Sink;

    fn lines(verbose: bool, single_run: bool, events: &[Event]) -> String {
        let sink = Sink::default();
        let console = Console::new(Box::new(sink.clone()), TimeZone::UTC, verbose, single_run);
        for event in events {
            console.observe(event);
        }
        sink.text()
    }

    #[test]
    fn a_cycle_reads_as_its_users_know_it() {
        assert_eq!(
            lines(false, true, &samples::cycle()),
            "\n🚀 Iniciando ciclo de processamento - 18:04:06\n\
             🏷️ Executando processador bom...\n\
             ✅ Processador bom executado com sucesso\n   1 modelo, 14 tags\n\
             🏷️ Executando processador ruim...\n\
             ❌ Processador ruim falhou: código 3\n   sem papel\n\
             ⏭️ Processador depois pulado: dependência\n   bom falhou antes\n\
             \n📊 Resultados sequenciais:\n   🏷️  bom: ✅\n   🏷️  ruim: ❌\n   🏷️  depois: ⏭️\n\
             ⏱️  Ciclo completado em 3.01 segundos\n❌ Ciclo único completado com 1 falha\n"
        );
    }

    #[test]
    fn verbose_adds_duration_cpu_peak_and_exit_code_of_each_run() {
        let text = lines(true, false, &samples::cycle());
        assert!(
            text.contains("18:04:07.500 bom fim: 1.50s, CPU 300ms, pico 8.0 MiB, código 0\n"),
            "{text}"
        );
        assert!(!text.contains("Ciclo único"), "{text}");
    }

    #[test]
    fn a_child_cannot_drive_the_terminal() {
        let line = OutputLine {
            at: samples::instant(),
            stream: crate::domain::Stream::Stdout,
            text: "a\x1b[2Jb".into(),
        };
        let text = lines(
            true,
            false,
            &[Event::RunOutput {
                run: samples::run_start("bom"),
                line,
            }],
        );
        assert_eq!(text, "   18:04:06.000 bom stdout | a\u{fffd}[2Jb\n");
    }
}
