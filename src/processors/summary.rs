//! The one line that stands at the end of a run's output. Knows counts and Portuguese grammar.

use super::context::Report;

/// The words of a processor's summary, singular and plural.
pub(super) struct Words {
    /// What is processed.
    pub(super) document: [&'static str; 2],
    /// What is found in it.
    pub(super) result: [&'static str; 2],
    /// Why a document cannot start.
    pub(super) blocked: [&'static str; 2],
}

/// The summary of a run.
pub(super) fn line(report: &Report, words: &Words, dry_run: bool) -> String {
    let mut parts = Vec::new();
    if report.done > 0 {
        parts.push(done(report, words));
    }
    if report.failed > 0 {
        let [_, documents] = words.document;
        parts.push(format!(
            "falha em {} de {} {documents}",
            report.failed,
            report.attempted()
        ));
    }
    if report.interrupted {
        parts.push("interrompido; o restante aguarda a próxima execução".to_owned());
    }
    if report.taken > 0 {
        parts.push(format!(
            "{} com outro processo, ou alterados desde a leitura",
            report.taken
        ));
    }
    if parts.is_empty() {
        parts.push("nada pendente".to_owned());
    }
    if report.remaining > 0 {
        parts.push(format!("mais {} aguardam", report.remaining));
    }
    if report.blocked > 0 {
        parts.push(format!(
            "{} {}",
            count(report.blocked, words.document),
            pick(report.blocked, words.blocked)
        ));
    }
    let prefix = if dry_run {
        "simulação, nada gravado: "
    } else {
        ""
    };
    format!("{prefix}{}", parts.join("; "))
}

fn done(report: &Report, words: &Words) -> String {
    let mut text = format!(
        "{}, {}",
        count(report.done, words.document),
        count(report.results, words.result)
    );
    if report.warnings > 0 {
        text.push_str(", ");
        text.push_str(&count(report.warnings, ["aviso", "avisos"]));
    }
    if !report.reports.is_empty() {
        text.push_str(": ");
        text.push_str(&report.reports.join(", "));
    }
    text
}

/// A number with its noun in the right number.
pub(super) fn count(number: usize, noun: [&str; 2]) -> String {
    format!("{number} {}", pick(number, noun))
}

fn pick(number: usize, [one, many]: [&str; 2]) -> &str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words {
        document: ["modelo", "modelos"],
        result: ["tag", "tags"],
        blocked: ["sem os dois arquivos", "sem os dois arquivos"],
    };

    #[test]
    fn the_summary_names_what_was_done_and_how_many_of_how_many_failed() {
        let report = Report {
            done: 1,
            results: 14,
            ..Report::default()
        };
        assert_eq!(line(&report, &WORDS, false), "1 modelo, 14 tags");
        let report = Report {
            done: 2,
            failed: 1,
            results: 1,
            remaining: 4,
            ..Report::default()
        };
        assert_eq!(
            line(&report, &WORDS, false),
            "2 modelos, 1 tag; falha em 1 de 3 modelos; mais 4 aguardam"
        );
    }

    #[test]
    fn nothing_pending_is_said_with_what_cannot_start() {
        assert_eq!(line(&Report::default(), &WORDS, false), "nada pendente");
        let report = Report {
            blocked: 2,
            ..Report::default()
        };
        assert_eq!(
            line(&report, &WORDS, true),
            "simulação, nada gravado: nada pendente; 2 modelos sem os dois arquivos"
        );
    }
}
