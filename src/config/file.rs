//! The configuration file: found, read within bounds, and taken apart. Refuses to know flags and variables.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Table;

use super::distribution::{self, DistributionSettings};
use super::documents::{self, DocumentSettings, StoreRules, StoreWords};
use super::problem::Problems;
use super::settings::Source;
use super::table::Section;
use super::{defaults, processors, timing, value};
use crate::domain::{Mode, OnFailure, ProcessorSpec, ScheduleSpec};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "orquestrador.toml";
/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Keys of the contract that this version does not know yet.
const PLANNED: &[&str] = &[];
/// Guards of a processor count that the file may raise.
const MOST_PROCESSORS: i64 = 100_000;
/// Days and runs that the history may keep, at most.
const MOST_DAYS: i64 = 36_500;
const MOST_RUNS: i64 = 100_000_000;
/// Runs side by side, at most.
const MOST_PARALLEL: i64 = 10_000;

/// What the file says; `None` where it says nothing.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    pub(super) mode: Option<Mode>,
    pub(super) schedule: Option<ScheduleSpec>,
    pub(super) port: Option<u16>,
    pub(super) listen: Option<IpAddr>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) parallelism: Option<usize>,
    pub(super) max_processors: Option<usize>,
    pub(super) processors: Option<Vec<ProcessorSpec>>,
    pub(super) buckets: Option<Vec<f64>>,
    pub(super) telemetry_shutdown: Option<Duration>,
    pub(super) output_logs: Option<bool>,
    pub(super) trace_link: Option<String>,
    pub(super) alerts: Option<Vec<String>>,
    pub(super) history_days: Option<usize>,
    pub(super) history_runs: Option<usize>,
    pub(super) store_kind: Option<String>,
    pub(super) store_words: StoreWords,
    pub(super) store_rules: StoreRules,
    pub(super) documents: DocumentSettings,
    pub(super) web_file: Option<PathBuf>,
    pub(super) web_names: Option<Vec<String>>,
    pub(super) distribution: Option<DistributionSettings>,
}

/// Reads `path`, or the default file if it exists.
pub(super) fn read(path: Option<&Path>, problems: &mut Problems) -> (FileSettings, Source) {
    let explicit = path.is_some();
    let path = path.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match read_text(path) {
        Ok(text) => text,
        Err(ReadProblem::Missing) if !explicit => {
            return (FileSettings::default(), Source::BuiltIn);
        }
        Err(problem) => {
            problems.add(path.display().to_string(), problem.to_string());
            return (FileSettings::default(), Source::BuiltIn);
        }
    };
    let source = Source::File(path.to_path_buf());
    match text.parse::<Table>() {
        Ok(table) => (parse(table, problems), source),
        Err(error) => {
            let place = error
                .span()
                .map_or(String::new(), |span| place(&text, span.start));
            problems.add(
                path.display().to_string(),
                format!("não é TOML válido{place}: {}", error.message()),
            );
            (FileSettings::default(), source)
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadProblem {
    #[error("arquivo não encontrado")]
    Missing,
    #[error("é um diretório; esperado um arquivo")]
    Directory,
    #[error("tem mais de 1 MiB; esperado um arquivo de configuração")]
    TooLarge,
    #[error("não é UTF-8; esperado um arquivo de texto")]
    NotText,
    #[error("não foi possível ler: {0}")]
    Io(#[from] io::Error),
}

/// The text of a file of at most 1 MiB.
pub(super) fn read_text(path: &Path) -> Result<String, ReadProblem> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadProblem::Missing,
        _ => ReadProblem::Io(error),
    })?;
    if file.metadata()?.is_dir() {
        return Err(ReadProblem::Directory);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ReadProblem::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| ReadProblem::NotText)
}

/// ", linha 3, coluna 7" of a byte offset.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .chars()
        .rev()
        .take_while(|character| *character != '\n')
        .count()
        + 1;
    format!(", linha {line}, coluna {column}")
}

/// `telemetria.alertas`.
fn alerts(telemetry: &mut Section<'_>) -> Option<Vec<String>> {
    let words = telemetry.texts("alertas")?;
    match value::alerts(words.iter().map(String::as_str)) {
        Ok(words) => Some(words),
        Err(problem) => {
            telemetry.problem("alertas", problem);
            None
        }
    }
}

fn parse(table: Table, problems: &mut Problems) -> FileSettings {
    let mut root = Section::new(table, "", problems);
    let (schedule, zone) = timing::main(&mut root);
    let mut file = FileSettings {
        mode: root.parsed("modo", value::mode),
        schedule,
        port: root.parsed("porta", value::port),
        listen: root.parsed("escutar", value::address),
        data_dir: root.text("dados").map(PathBuf::from),
        on_failure: root.parsed("em_falha", value::on_failure),
        parallelism: root.count("paralelismo", MOST_PARALLEL),
        ..FileSettings::default()
    };
    file.max_processors = root.count("max_processadores", MOST_PROCESSORS);
    let most = file.max_processors.unwrap_or(defaults::MAX_PROCESSORS);
    if let Some(tables) = root.tables("processador") {
        if tables.len() > most {
            root.problem(
                "processador",
                format!(
                    "há {} processadores; o máximo é max_processadores = {most}",
                    tables.len()
                ),
            );
        } else {
            file.processors = Some(processors::read(tables, zone.as_deref(), &mut root));
        }
    }
    if let Some(mut telemetry) = root.section("telemetria") {
        file.telemetry_shutdown = telemetry.parsed("encerramento", value::duration);
        file.buckets = telemetry.numbers("buckets");
        file.output_logs = telemetry.boolean("logs_otlp");
        file.trace_link = telemetry.parsed("link_trace", value::trace_link);
        file.alerts = alerts(&mut telemetry);
        if !file.buckets.as_deref().is_none_or(is_bounds) {
            telemetry.problem(
                "buckets",
                "esperados de 1 a 64 números maiores que zero, em ordem crescente",
            );
        }
        telemetry.finish(&[]);
    }
    if let Some(mut history) = root.section("historico") {
        file.history_days = history.count("dias", MOST_DAYS);
        file.history_runs = history.count("execucoes", MOST_RUNS);
        history.finish(&[]);
    }
    if let Some(mut section) = root.section("documentos") {
        file.documents = documents::read(&mut section);
        section.finish(&[]);
    }
    if let Some(mut store) = root.section("registros") {
        file.store_kind = store.parsed("tipo", value::store_kind);
        file.store_words = documents::read_words(&mut store);
        file.store_rules = documents::read_rules(&mut store);
        store.finish(&[]);
    }
    if let Some(mut web) = root.section("web") {
        file.web_names = web.host_names("nomes");
        if let Some(mut config) = web.section("config") {
            file.web_file = config.text("file").map(PathBuf::from);
            config.finish(&[]);
        }
        web.finish(&[]);
    }
    if let Some(mut section) = root.section("distribuicao") {
        file.distribution = distribution::read(&mut section);
        section.finish(&[]);
    }
    root.finish(PLANNED);
    file
}

fn is_bounds(bounds: &[f64]) -> bool {
    let ascending = bounds
        .windows(2)
        .all(|pair| matches!(pair, [low, high] if low < high));
    (1..=64).contains(&bounds.len())
        && ascending
        && bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::ConfigError;

    fn problems_of(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        parse(text.parse().expect("TOML"), &mut problems);
        match problems.finish(()) {
            Ok(()) => Vec::new(),
            Err(ConfigError { problems }) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn all_problems_of_a_file_are_told_at_once_each_with_its_key_and_what_was_expected() {
        let problems = problems_of(
            "modo = \"turbo\"\nintervalo = -3\nporta = 70000\nintervallo = 1\n[[processador]]\nnome = \"A b\"\n\
             comando = []\ntimout = 3\n[[processador]]\nnome = \"x\"\ncomando = [\"true\"]\ntimeout = 0\n\
             [telemetria]\nbuckets = [1, 1]\n[registros]\ntipo = \"nuvem\"\n",
        );
        let begins = [
            "intervalo: \"-3\"",
            "modo: \"turbo\"",
            "porta: \"70000\"",
            "processador[1].nome: \"A b\"",
            "processador[1].comando: ",
            "processador[1].timout: chave desconhecida; talvez timeout?",
            "processador[2].timeout: \"0\"",
            "telemetria.buckets: ",
            "registros.tipo: \"nuvem\"",
            "intervallo: chave desconhecida; talvez intervalo?",
        ];
        assert_eq!(problems.len(), begins.len(), "{problems:#?}");
        for (problem, begin) in problems.iter().zip(begins) {
            assert!(
                problem.starts_with(begin),
                "{problem} should begin with {begin}"
            );
        }
    }

    #[test]
    fn two_processors_of_one_name_and_unknown_or_circular_dependencies_are_refused() {
        let two = "[[processador]]\nnome = \"a\"\ncomando = [\"true\"]\ndepende_de = [\"z\"]\n\
                   [[processador]]\nnome = \"a\"\ncomando = [\"true\"]\n";
        let problems = problems_of(two);
        assert!(
            problems
                .iter()
                .any(|problem| problem.contains("processador[2].nome") && problem.contains("já")),
            "{problems:?}"
        );
        assert!(
            problems
                .iter()
                .any(|problem| problem.contains("depende_de") && problem.contains('z')),
            "{problems:?}"
        );
        let circle = "[[processador]]\nnome = \"a\"\ncomando = [\"true\"]\ndepende_de = [\"b\"]\n\
                      [[processador]]\nnome = \"b\"\ncomando = [\"true\"]\ndepende_de = [\"a\"]\n";
        assert!(problems_of(circle)[0].contains("círculo"));
    }

    #[test]
    fn a_schedule_is_one_pattern_or_one_interval_at_each_level_and_a_wrong_one_says_what_was_expected()
     {
        let problems = problems_of(
            "agenda = \"*/5 * * * *\"\nintervalo = 3\nfuso = \"Marte/Base\"\n[[processador]]\nnome = \"a\"\n\
             comando = [\"true\"]\nagenda = \"61 * * * *\"\nfuso = \"UTC\"\nsobreposicao = \"matar\"\n\
             recuperar = \"sim\"\n[[processador]]\nnome = \"b\"\ncomando = [\"true\"]\nagenda = \"@daily\"\n\
             intervalo = \"5s\"\n[[processador]]\nnome = \"c\"\ncomando = [\"true\"]\nfuso = \"UTC\"\n",
        );
        let expected = [
            ("fuso: \"Marte/Base\"", "America/Sao_Paulo"),
            ("agenda: ", "só um dos dois"),
            ("processador[1].agenda: \"61 * * * *\"", "minuto 0-59"),
            ("processador[1].sobreposicao: \"matar\"", "enfileirar"),
            ("processador[1].recuperar: \"sim\"", "nao, um ou todos"),
            ("processador[2].agenda: ", "só um dos dois"),
            ("processador[3].fuso: ", "agenda"),
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, (begin, words)) in problems.iter().zip(expected) {
            assert!(
                problem.starts_with(begin) && problem.contains(words),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_section_for_distribution_without_servers_is_refused() {
        assert!(problems_of("[distribuicao]\n")[0].starts_with("distribuicao.servidores: falta"));
    }

    #[test]
    fn a_place_in_the_text_is_told_by_line_and_column() {
        assert_eq!(place("a = 1\nb = = 2", 10), ", linha 2, coluna 5");
    }
}
