//! The settings that everything else works with, and how they come about: flag > environment > file > default.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::distribution::{self, DistributionSettings};
use super::documents::{DocumentSettings, StoreRules, StoreWords};
use super::environment::Environment;
use super::file::{self, FileSettings};
use super::options::{Flags, Options};
use super::problem::{ConfigError, Problems};
use super::web::WebSettings;
use super::{defaults, instances, timing, value};
use crate::domain::contract::{BACKEND_TOKEN, BACKEND_URL};
use crate::domain::{LogFormat, Mode, OnFailure, ProcessorName, ProcessorSpec, ScheduleSpec};

/// The old system's name for the time that a request to the backend may take. Children inherit it.
const REQUEST_TIMEOUT: &str = "REQUEST_TIMEOUT";

/// Which store the documents live in, as far as the configuration knows.
#[derive(Debug, Clone)]
pub enum StoreChoice {
    /// `SQLite` and files below the data directory.
    Embedded,
    /// A Directus instance.
    Directus {
        /// Base URL, as given.
        url: String,
        /// Static bearer token.
        token: SecretString,
    },
}

/// Everything that was decided before anything starts.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the configuration"
)]
pub struct Settings {
    /// How a cycle runs its processors.
    pub mode: Mode,
    /// What makes cycles due.
    pub schedule: ScheduleSpec,
    /// TCP port of the HTTP side; 0 takes a free one.
    pub port: u16,
    /// Whether the port was given as a flag, which opens it in a single run too.
    pub port_by_flag: bool,
    /// Address of the HTTP side.
    pub listen: IpAddr,
    /// Where everything is kept, as given.
    pub data_dir: PathBuf,
    /// One cycle, then the end.
    pub single_run: bool,
    /// Every line of every child.
    pub verbose: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// The form of the lines on standard output.
    pub log_format: LogFormat,
    /// What a sequential single run does after a failure; in other modes nothing depends on it.
    pub on_failure: OnFailure,
    /// Runs side by side in parallel mode, at most.
    pub parallelism: usize,
    /// Processors that a configuration may have at most: a guard for label cardinality.
    pub max_processors: usize,
    /// Import the example documents into an empty store.
    pub examples: bool,
    /// Where a single run leaves its metrics, if anywhere.
    pub metrics_file: Option<PathBuf>,
    /// Who is sent a single run's metrics, if anybody.
    pub pushgateway: Option<String>,
    /// Run this processor alone.
    pub only: Option<ProcessorName>,
    /// What is run, in order.
    pub processors: Vec<ProcessorSpec>,
    /// Bounds of the duration histograms, seconds.
    pub buckets: Vec<f64>,
    /// Time that the export of traces may take at the end.
    pub telemetry_shutdown: Duration,
    /// Whether captured output is sent as OTLP logs.
    pub output_logs: bool,
    /// The address of a trace, with `{trace_id}` in the place of its id; empty for none.
    pub trace_link: String,
    /// Where alerts can be seen, as far as is known: `maquina` for this machine, `webhook`, `email`, `batimento`; empty when
    /// nobody said.
    pub alerts: Vec<String>,
    /// What of the past is kept.
    pub history: HistorySettings,
    /// The documents' store.
    pub store: StoreChoice,
    /// How that store spells states and categories.
    pub store_words: StoreWords,
    /// How it calls collections and fields, and how claims work.
    pub store_rules: StoreRules,
    /// How long one request to a store that is elsewhere may take.
    pub request_timeout: Duration,
    /// How documents are worked on.
    pub documents: DocumentSettings,
    /// How the HTTP side is protected.
    pub web: WebSettings,
    /// How runs are shared with other instances; none when everything runs here.
    pub distribution: Option<DistributionSettings>,
}

/// What of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// Runs that are older are deleted.
    pub age: Duration,
    /// Runs beyond this number are deleted, oldest first.
    pub runs: u64,
}

impl HistorySettings {
    fn of(days: Option<usize>, runs: Option<usize>) -> Self {
        let days = days.unwrap_or(defaults::HISTORY_DAYS) as u64;
        Self {
            age: Duration::from_hours(24 * days),
            runs: runs.unwrap_or(defaults::HISTORY_RUNS) as u64,
        }
    }
}

impl Settings {
    /// Where the lock of this instance lives: the data directory, or a folder of its own below it for `--apenas`.
    #[must_use]
    pub fn instance_dir(&self) -> PathBuf {
        match &self.only {
            Some(name) => self.data_dir.join("apenas").join(name.as_str()),
            None => self.data_dir.clone(),
        }
    }

    /// Whether a failure stops the rest of a cycle.
    #[must_use]
    pub fn stops_at_failure(&self) -> bool {
        self.on_failure == OnFailure::Stop && self.mode == Mode::Sequential && self.single_run
    }
}

/// Where the processors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// The built-in defaults.
    BuiltIn,
}

/// Settings, with what is to be said about them.
#[derive(Debug)]
pub struct Loaded {
    /// The decision.
    pub settings: Settings,
    /// Where the file part came from.
    pub source: Source,
    /// What somebody should know and that stops nothing.
    pub warnings: Vec<String>,
}

/// Reads the file that applies and combines all layers, or says everything that is wrong.
///
/// # Errors
///
/// Every problem of every layer, at once.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut problems = Problems::default();
    let options = Options::read(flags, environment, &mut problems);
    let (file, source) = file::read(options.config.as_deref(), &mut problems);
    let request_timeout = environment.get(REQUEST_TIMEOUT);
    let request_timeout = request_timeout
        .and_then(|text| problems.check(REQUEST_TIMEOUT, value::positive_duration(text)));
    let warnings = environment.warnings(&Options::variables());
    let store = store(file.store_kind.as_deref(), environment, &mut problems);
    only_for_single_runs(&options, &mut problems);
    let mut settings = combine(options, file, store, &mut problems);
    settings.request_timeout = request_timeout.unwrap_or(defaults::REQUEST_TIMEOUT);
    let credentials = distribution::credentials(environment, &mut problems);
    if let Some(distribution) = &mut settings.distribution {
        distribution.credentials = credentials;
    }
    let mut settings = problems.finish(settings)?;
    let mut warnings = warnings;
    warnings.extend(alone_warning(&mut settings));
    warnings.extend(on_failure_warning(&settings));
    warnings.extend(timing::warnings(&settings.processors));
    warnings.extend(instances::warnings(&settings));
    warnings.extend(open_warning(&settings));
    Ok(Loaded {
        settings,
        source,
        warnings,
    })
}

/// A service is scraped; what it would leave behind once, at its end, nobody should wait for.
fn only_for_single_runs(options: &Options, problems: &mut Problems) {
    let given = [
        ("--arquivo-metricas", options.metrics_file.is_some()),
        ("--pushgateway", options.pushgateway.is_some()),
    ];
    for (name, is_given) in given {
        if is_given && !options.single_run {
            let text = "só vale com --single-run; um serviço mostra as métricas em /metrics";
            problems.add(name, text);
        }
    }
}

/// Of the processors only `only`, which then waits for no other.
fn keep_only(only: &ProcessorName, processors: &mut Vec<ProcessorSpec>, problems: &mut Problems) {
    let names: Vec<_> = processors
        .iter()
        .map(|spec| spec.name.to_string())
        .collect();
    processors.retain(|spec| spec.name == *only);
    for spec in processors.iter_mut() {
        spec.depends_on.clear();
    }
    if processors.is_empty() {
        problems.add(
            "--apenas",
            format!(
                "{:?} não é um processador configurado; há: {}",
                only.as_str(),
                names.join(", ")
            ),
        );
    }
}

fn combine(
    options: Options,
    file: FileSettings,
    store: StoreChoice,
    problems: &mut Problems,
) -> Settings {
    let mode = options.mode.or(file.mode).unwrap_or_default();
    let sequential_single = mode == Mode::Sequential && options.single_run;
    let default_on_failure = if sequential_single {
        OnFailure::Stop
    } else {
        OnFailure::Continue
    };
    let mut processors = file.processors.unwrap_or_else(defaults::processors);
    if let Some(only) = &options.only {
        keep_only(only, &mut processors, problems);
    }
    Settings {
        mode,
        schedule: options
            .interval
            .map(ScheduleSpec::Interval)
            .or(file.schedule)
            .unwrap_or(timing::DEFAULT),
        port: options.port.or(file.port).unwrap_or(defaults::PORT),
        port_by_flag: options.port_by_flag,
        listen: options
            .listen
            .or(file.listen)
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        data_dir: options
            .data_dir
            .or(file.data_dir)
            .unwrap_or_else(|| Path::new(defaults::DATA_DIR).to_path_buf()),
        single_run: options.single_run,
        verbose: options.verbose,
        dry_run: options.dry_run,
        log_format: options.log_format.unwrap_or_default(),
        on_failure: options
            .on_failure
            .or(file.on_failure)
            .unwrap_or(default_on_failure),
        parallelism: file.parallelism.unwrap_or_else(defaults::parallelism),
        max_processors: file.max_processors.unwrap_or(defaults::MAX_PROCESSORS),
        examples: options.examples,
        metrics_file: options.metrics_file,
        pushgateway: options.pushgateway,
        only: options.only,
        processors,
        buckets: file.buckets.unwrap_or_else(|| defaults::BUCKETS.to_vec()),
        output_logs: file.output_logs.unwrap_or_default(),
        trace_link: options.trace_link.or(file.trace_link).unwrap_or_default(),
        alerts: options.alerts.or(file.alerts).unwrap_or_default(),
        telemetry_shutdown: file
            .telemetry_shutdown
            .unwrap_or(defaults::TELEMETRY_SHUTDOWN),
        history: HistorySettings::of(file.history_days, file.history_runs),
        store,
        store_words: file.store_words,
        store_rules: file.store_rules,
        request_timeout: defaults::REQUEST_TIMEOUT,
        documents: file.documents,
        web: WebSettings {
            file: options.web_config.or(file.web_file),
            names: file.web_names.unwrap_or_default(),
        },
        distribution: file.distribution,
    }
}

fn on_failure_warning(settings: &Settings) -> Option<String> {
    let inert = settings.on_failure == OnFailure::Stop && !settings.stops_at_failure();
    inert.then(|| "em_falha = parar só tem efeito com --single-run no modo sequencial; aqui os demais continuam".to_owned())
}

/// One cycle, a simulation and a service of one processor are everybody's own.
fn alone_warning(settings: &mut Settings) -> Option<String> {
    let is_alone = settings.single_run || settings.dry_run || settings.only.is_some();
    settings.distribution.take_if(|_| is_alone)?;
    Some("[distribuicao] não tem efeito com --single-run, --dry-run ou --apenas: aqui tudo roda nesta máquina".to_owned())
}

/// Whoever reaches the address reads everything.
fn open_warning(settings: &Settings) -> Option<String> {
    let is_open = !settings.listen.is_loopback() && settings.web.file.is_none();
    is_open.then(|| {
        format!(
            "o HTTP escuta em {} sem TLS e sem senha: quem alcança a porta lê tudo; proteja com --web.config.file",
            settings.listen
        )
    })
}

/// An address selects Directus and wins over the file; either half alone is an error.
fn store(kind: Option<&str>, environment: &Environment, problems: &mut Problems) -> StoreChoice {
    let url = environment.get(BACKEND_URL);
    let token = environment.get(BACKEND_TOKEN);
    match (kind, url, token) {
        (_, Some(url), Some(token)) => {
            problems.check(BACKEND_URL, value::backend_url(url));
            StoreChoice::Directus {
                url: url.to_owned(),
                token: SecretString::from(token),
            }
        }
        (_, Some(_), None) => {
            problems.add(
                BACKEND_TOKEN,
                format!("falta; {BACKEND_URL} está definida e exige o token de acesso"),
            );
            StoreChoice::Embedded
        }
        (Some("directus"), None, _) => {
            problems.add(
                BACKEND_URL,
                "falta; registros.tipo = \"directus\" exige o endereço do Directus",
            );
            StoreChoice::Embedded
        }
        _ => StoreChoice::Embedded,
    }
}
