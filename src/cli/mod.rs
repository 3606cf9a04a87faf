//! The command line: what can be typed, its help and its errors in Portuguese. Refuses to know what a command does.

pub mod documents;
mod errors;
pub mod history;
mod output;
pub mod stack;
mod table;

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use errors::UsageError;
pub use output::{stderr_line, stdout_text};

use crate::config::Flags;
use documents::DocumentCommand;
use history::{HistoryArgs, RunArgs};
use stack::{DashboardArgs, HealthArgs, RuleArgs};

const AFTER_HELP: &str = "\
Cada opção tem uma variável de ambiente ORQUESTRADOR_<OPÇÃO> (por exemplo ORQUESTRADOR_INTERVALO).
Precedência: opção, variável, arquivo, padrão.

Códigos de saída: 0 sem falhas; 1 alguma execução falhou; 2 uso ou configuração inválida;
130/143 parado por SIGINT/SIGTERM. Em ciclos contínuos, um encerramento em ordem dá 0.";

/// Orquestrador de processadores em lote, com métricas, traços e estado sempre à vista
#[derive(Debug, Parser)]
#[command(
    name = "orquestrador",
    version,
    after_help = AFTER_HELP,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_value_name = "COMANDO"
)]
pub struct CommandLine {
    /// Settings by flag.
    #[command(flatten)]
    pub flags: Flags,
    #[command(flatten)]
    common: Common,
    /// What to do; without it, the orchestrator runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Default, Args)]
struct Common {
    /// Mostra esta ajuda
    #[arg(short = 'h', long = "help", visible_alias = "ajuda", global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Mostra a versão
    #[arg(short = 'V', long = "version", visible_alias = "versao", action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verifica a configuração e mostra o que vale, sem iniciar nada
    #[command(name = "validar")]
    Validate {
        /// Mostra o que uma recarga (SIGHUP) mudaria no orquestrador que usa este diretório de dados
        #[arg(long = "diff", conflicts_with = "backend")]
        diff: bool,
        /// Confere o Directus: acesso, token, permissões, campos, valores de status, e o que fazer
        #[arg(long = "backend")]
        backend: bool,
    },
    /// Mostra o que começa quando, e o que nunca começa
    #[command(name = "agenda")]
    Agenda {
        /// Quantos inícios mostrar
        #[arg(
            long = "limite",
            value_name = "N",
            default_value_t = 20,
            hide_default_value = true,
            help = "Quantos inícios mostrar [padrão: 20]"
        )]
        limit: usize,
        /// Em JSON
        #[arg(long = "json")]
        json: bool,
    },
    /// Executa um processador de documentos (o orquestrador o inicia)
    #[command(name = "processador")]
    Processor {
        /// Qual
        #[arg(value_name = "NOME")]
        name: OwnProcessor,
    },
    /// Mostra as últimas execuções, da mais nova para a mais velha
    #[command(name = "historico")]
    History(HistoryArgs),
    /// Mostra tudo o que se sabe de uma execução: fatos, tentativas, saída
    #[command(name = "execucao")]
    Run(RunArgs),
    /// Mostra as métricas que /metrics oferece
    #[command(name = "metricas")]
    Metrics {
        /// Como tabela em Markdown, tal qual docs/metrics.md
        #[arg(long = "markdown")]
        markdown: bool,
    },
    /// Pergunta a um orquestrador em execução se está saudável; termina com 0 só se estiver
    #[command(name = "saude")]
    Health(HealthArgs),
    /// Grava os painéis do Grafana
    #[command(name = "dashboards")]
    Dashboards(DashboardArgs),
    /// Grava as regras e os alertas do Prometheus
    #[command(name = "regras")]
    Rules(RuleArgs),
    /// What people do with documents.
    #[command(flatten)]
    Documents(DocumentCommand),
}

/// The processors that this binary brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OwnProcessor {
    /// Extrai as tags dos modelos de contrato
    #[value(name = "modelo-contrato")]
    ModeloContrato,
    /// Compara as versões dos documentos
    #[value(name = "automatico")]
    Automatico,
}

/// Reads the command line.
///
/// # Errors
///
/// A usage error, or help and version, which are an answer of their own.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, UsageError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    flags_alone(&arguments).map_or_else(|| with_words(arguments), Ok)
}

/// The orchestrator's own start: flags and nothing else. Commands, help and errors, a third of the time of a start, are
/// left to [`with_words`].
fn flags_alone(arguments: &[OsString]) -> Option<CommandLine> {
    let command = Flags::augment_args(clap::Command::new("orquestrador").disable_help_flag(true));
    let matches = command.try_get_matches_from(arguments).ok()?;
    Some(CommandLine {
        flags: Flags::from_arg_matches(&matches).ok()?,
        common: Common::default(),
        command: None,
    })
}

fn with_words(arguments: Vec<OsString>) -> Result<CommandLine, UsageError> {
    let mut command = translated(CommandLine::command());
    command.build();
    let command = with_usage(command);
    let matches = command
        .try_get_matches_from(arguments)
        .map_err(UsageError::new)?;
    CommandLine::from_arg_matches(&matches).map_err(UsageError::new)
}

/// Gives every command a help in Portuguese.
fn translated(command: clap::Command) -> clap::Command {
    let template = template(&command);
    let command = command
        .help_template(template)
        .subcommand_value_name("COMANDO")
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .mut_args(with_values);
    command.mut_subcommands(translated)
}

/// Clap's own order, with the headings of those parts that the command has.
fn template(command: &clap::Command) -> String {
    let mut template = "{about-with-newline}\nUso: {usage}\n".to_owned();
    if command.has_subcommands() {
        template.push_str("\nComandos:\n{subcommands}\n");
    }
    if command.get_positionals().next().is_some() {
        template.push_str("\nArgumentos:\n{positionals}\n");
    }
    template + "\nOpções:\n{options}{after-help}"
}

/// Clap would list the possible values in English.
fn with_values(argument: clap::Arg) -> clap::Arg {
    let values = argument.get_possible_values();
    let names: Vec<_> = values
        .iter()
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    if !argument.get_action().takes_values() || names.is_empty() {
        return argument;
    }
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let help = format!("{help} [valores: {}]", names.join(", "));
    argument.help(help).hide_possible_values(true)
}

/// The usage line in Portuguese. Only a built command knows its own.
fn with_usage(mut command: clap::Command) -> clap::Command {
    let usage = command
        .render_usage()
        .to_string()
        .replace("[OPTIONS]", "[OPÇÕES]");
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    command.override_usage(usage).mut_subcommands(with_usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_alone_mean_what_the_whole_command_line_makes_of_them() {
        let mut taken = 0;
        for line in [
            "",
            "--single-run --verbose --modo sequencial",
            "--config a.toml --dados=d --porta 0 --intervalo 5s",
            "--modo --help",
            "--modo -1",
            "--modo historico",
            "--help",
            "-V",
            "--modo",
            "--modo a --modo b",
            "--nada",
            "-- x",
            "historico",
            "--dados d historico",
            "processador automatico --dados d",
        ] {
            let words = || ["orquestrador"].into_iter().chain(line.split_whitespace());
            let words: Vec<OsString> = words().map(OsString::from).collect();
            let Some(short) = flags_alone(&words) else {
                continue;
            };
            taken += 1;
            let whole = with_words(words).unwrap();
            assert_eq!(format!("{short:?}"), format!("{whole:?}"), "{line}");
        }
        assert!(taken >= 4, "{taken}");
    }
}
