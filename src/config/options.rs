//! What can be said by flag and by variable: one name, two spellings, one parser. Refuses to know the file.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::distribution;
use super::environment::Environment;
use super::problem::Problems;
use super::value::{self, Parsed};
use crate::domain::{LogFormat, Mode, OnFailure, ProcessorName};

/// The flags as they were typed; values are checked together with the other layers, so that all problems show at once.
#[derive(Debug, Clone, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct Flags {
    /// Como executar os processadores: paralelo ou sequencial [padrão: paralelo]
    #[arg(long = "modo", value_name = "MODO", allow_hyphen_values = true)]
    pub mode: Option<String>,
    /// Executa um único ciclo e termina
    #[arg(long = "single-run")]
    pub single_run: bool,
    /// Mostra cada linha de cada processador, com tempos e recursos
    #[arg(long = "verbose")]
    pub verbose: bool,
    /// Espera entre o fim de um ciclo e o início do próximo: segundos, ou 90s, 5m, 1h [padrão: 60s]
    #[arg(long = "intervalo", value_name = "DURAÇÃO", allow_hyphen_values = true)]
    pub interval: Option<String>,
    /// Porta HTTP; 0 toma uma porta livre; com --single-run só abre se dada aqui [padrão: 5007]
    #[arg(long = "porta", value_name = "PORTA", allow_hyphen_values = true)]
    pub port: Option<String>,
    /// Endereço IP em que o HTTP escuta [padrão: 127.0.0.1]
    #[arg(long = "escutar", value_name = "ENDEREÇO", allow_hyphen_values = true)]
    pub listen: Option<String>,
    /// Arquivo de configuração [padrão: ./orquestrador.toml, se existir]
    #[arg(long = "config", value_name = "ARQUIVO", global = true)]
    pub config: Option<PathBuf>,
    /// Diretório de dados [padrão: ./dados]
    #[arg(long = "dados", value_name = "DIRETÓRIO", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Simula: faz tudo, menos gravar
    #[arg(long = "dry-run")]
    pub dry_run: bool,
    /// Forma das linhas na saída: console ou json [padrão: console]
    #[arg(
        long = "log-format",
        value_name = "FORMATO",
        allow_hyphen_values = true
    )]
    pub log_format: Option<String>,
    /// Depois de uma falha: parar ou continuar [padrão: parar com --single-run sequencial; senão continuar]
    #[arg(long = "em-falha", value_name = "AÇÃO", allow_hyphen_values = true)]
    pub on_failure: Option<String>,
    /// Executa só este processador, como serviço próprio
    #[arg(long = "apenas", value_name = "NOME", allow_hyphen_values = true)]
    pub only: Option<String>,
    /// Importa os documentos de exemplo, se o armazenamento embutido estiver vazio
    #[arg(long = "exemplos")]
    pub examples: bool,
    /// Com --single-run: grava as métricas neste arquivo, para o coletor de arquivos de texto
    #[arg(long = "arquivo-metricas", value_name = "ARQUIVO")]
    pub metrics_file: Option<PathBuf>,
    /// Com --single-run: envia as métricas a este Pushgateway
    #[arg(long = "pushgateway", value_name = "URL", allow_hyphen_values = true)]
    pub pushgateway: Option<String>,
    /// TLS, usuários e cabeçalhos do HTTP, no formato do exporter-toolkit do Prometheus
    #[arg(long = "web.config.file", value_name = "ARQUIVO")]
    pub web_config: Option<PathBuf>,
}

/// Flags and variables, checked; `None` where neither said anything.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct Options {
    pub(super) mode: Option<Mode>,
    pub(super) single_run: bool,
    pub(super) verbose: bool,
    pub(super) interval: Option<Duration>,
    pub(super) port: Option<u16>,
    pub(super) port_by_flag: bool,
    pub(super) listen: Option<IpAddr>,
    pub(super) config: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) dry_run: bool,
    pub(super) log_format: Option<LogFormat>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) only: Option<ProcessorName>,
    pub(super) examples: bool,
    pub(super) metrics_file: Option<PathBuf>,
    pub(super) pushgateway: Option<String>,
    pub(super) web_config: Option<PathBuf>,
    pub(super) trace_link: Option<String>,
    pub(super) alerts: Option<Vec<String>>,
}

/// Variables without a flag: a compose file knows these, and nobody types them.
const LINK_TRACE: &str = "ORQUESTRADOR_LINK_TRACE";
const ALERTS: &str = "ORQUESTRADOR_ALERTAS";

/// The variables, in the order of the flags. `DRY_RUN` is the old system's name, still honoured.
const VARIABLES: [&str; 21] = [
    "ORQUESTRADOR_MODO",
    "ORQUESTRADOR_SINGLE_RUN",
    "ORQUESTRADOR_VERBOSE",
    "ORQUESTRADOR_INTERVALO",
    "ORQUESTRADOR_PORTA",
    "ORQUESTRADOR_ESCUTAR",
    "ORQUESTRADOR_CONFIG",
    "ORQUESTRADOR_DADOS",
    "ORQUESTRADOR_DRY_RUN",
    "ORQUESTRADOR_LOG_FORMAT",
    "ORQUESTRADOR_EM_FALHA",
    "ORQUESTRADOR_APENAS",
    "ORQUESTRADOR_EXEMPLOS",
    "ORQUESTRADOR_ARQUIVO_METRICAS",
    "ORQUESTRADOR_PUSHGATEWAY",
    "ORQUESTRADOR_WEB_CONFIG_FILE",
    LINK_TRACE,
    ALERTS,
    distribution::USER,
    distribution::PASSWORD,
    distribution::TOKEN,
];

/// The old system's name of the dry run.
const OLD_DRY_RUN: &str = "DRY_RUN";

/// Two layers of one option: the flag's text, else the variable's.
struct Layers<'a> {
    environment: &'a Environment,
    problems: &'a mut Problems,
}

impl Layers<'_> {
    fn value<T>(
        &mut self,
        flag: (&str, Option<&String>),
        variable: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        if let (name, Some(text)) = flag {
            return self.problems.check(name, parse(text));
        }
        let text = self.environment.get(variable)?;
        self.problems.check(variable, parse(text))
    }

    fn switch(&mut self, flag: bool, variable: &'static str) -> bool {
        flag || self
            .value(("", None), variable, value::boolean)
            .unwrap_or(false)
    }

    fn path(&self, flag: Option<&PathBuf>, variable: &'static str) -> Option<PathBuf> {
        flag.cloned()
            .or_else(|| self.environment.get(variable).map(PathBuf::from))
    }
}

impl Options {
    /// Reads both layers; what is wrong goes to `problems`.
    pub(super) fn read(flags: &Flags, environment: &Environment, problems: &mut Problems) -> Self {
        let mut layers = Layers {
            environment,
            problems,
        };
        Self {
            mode: layers.value(
                ("--modo", flags.mode.as_ref()),
                "ORQUESTRADOR_MODO",
                value::mode,
            ),
            single_run: layers.switch(flags.single_run, "ORQUESTRADOR_SINGLE_RUN"),
            verbose: layers.switch(flags.verbose, "ORQUESTRADOR_VERBOSE"),
            interval: layers.value(
                ("--intervalo", flags.interval.as_ref()),
                "ORQUESTRADOR_INTERVALO",
                value::positive_duration,
            ),
            port: layers.value(
                ("--porta", flags.port.as_ref()),
                "ORQUESTRADOR_PORTA",
                value::port,
            ),
            port_by_flag: flags.port.is_some(),
            listen: layers.value(
                ("--escutar", flags.listen.as_ref()),
                "ORQUESTRADOR_ESCUTAR",
                value::address,
            ),
            config: layers.path(flags.config.as_ref(), "ORQUESTRADOR_CONFIG"),
            data_dir: layers.path(flags.data_dir.as_ref(), "ORQUESTRADOR_DADOS"),
            dry_run: layers.switch(flags.dry_run, "ORQUESTRADOR_DRY_RUN")
                | layers.switch(false, OLD_DRY_RUN),
            log_format: layers.value(
                ("--log-format", flags.log_format.as_ref()),
                "ORQUESTRADOR_LOG_FORMAT",
                value::log_format,
            ),
            on_failure: layers.value(
                ("--em-falha", flags.on_failure.as_ref()),
                "ORQUESTRADOR_EM_FALHA",
                value::on_failure,
            ),
            only: layers.value(
                ("--apenas", flags.only.as_ref()),
                "ORQUESTRADOR_APENAS",
                value::name,
            ),
            examples: layers.switch(flags.examples, "ORQUESTRADOR_EXEMPLOS"),
            metrics_file: layers.path(flags.metrics_file.as_ref(), "ORQUESTRADOR_ARQUIVO_METRICAS"),
            pushgateway: layers.value(
                ("--pushgateway", flags.pushgateway.as_ref()),
                "ORQUESTRADOR_PUSHGATEWAY",
                value::pushgateway,
            ),
            web_config: layers.path(flags.web_config.as_ref(), "ORQUESTRADOR_WEB_CONFIG_FILE"),
            trace_link: layers.value(("", None), LINK_TRACE, value::trace_link),
            alerts: layers.value(("", None), ALERTS, |text| value::alerts(text.split(','))),
        }
    }

    /// The names of all variables that mean something.
    pub(super) fn variables() -> [&'static str; 21] {
        VARIABLES
    }
}
