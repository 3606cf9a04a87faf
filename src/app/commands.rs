//! The commands that end by themselves: check the configuration, run a document processor, work with documents.

use std::ffi::{CStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use nix::unistd::{AccessFlags, access};

use super::diagnostics::local_zone;
use super::listening::security;
use super::{Exit, clock, store_settings, traced};
use crate::cli::documents::{self, DocumentCommand};
use crate::cli::history::Refusal;
use crate::cli::{self, OwnProcessor, stderr_line, stdout_text};
use crate::config::{self, ConfigError, Environment, Loaded, Settings, Source};
use crate::domain::contract::{INSTANCE, INSTANCES, METRICS_FILE};
use crate::domain::{Instance, ProcessorSpec};
use crate::history::{DATABASE, HistoryReader};
use crate::process::set_process_name;
use crate::processors::{self, Context, ProcessorExit};
use crate::records::{self, Access, Gravity, StoreKind};
use crate::telemetry::reference;

/// `validar`: what holds, and what would fail at the first start.
pub(super) fn validate(loaded: &Loaded, environment: &Environment) -> Exit {
    let source = match &loaded.source {
        Source::File(path) => path.display().to_string(),
        Source::BuiltIn => "padrões internos".to_owned(),
    };
    stdout_text(&format!(
        "# origem: {source}; já com opções e variáveis\n{}",
        config::show(&loaded.settings)
    ));
    for warning in &loaded.warnings {
        stderr_line(&format!("⚠️  {warning}"));
    }
    let path = environment.get("PATH").unwrap_or_default();
    let mut problems: Vec<_> = loaded
        .settings
        .processors
        .iter()
        .filter_map(|spec| unstartable(spec, path))
        .collect();
    if let Err(error) = records::open(&store_settings(loaded), Access::ReadOnly) {
        problems.push(format!("registros: {error}"));
    }
    if let Err(error) = security(&loaded.settings) {
        problems.extend(error.problems.iter().map(ToString::to_string));
    }
    for problem in &problems {
        stderr_line(&format!("❌ {problem}"));
    }
    if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// `validar --backend`: whether the documents' store is fit for the processors, and what to do where it is not.
pub(super) fn check_backend(loaded: &Loaded) -> Exit {
    let settings = store_settings(loaded);
    if matches!(settings.kind, StoreKind::Embedded) {
        stdout_text(
            "o armazenamento é embutido: não há Directus a conferir; ele é escolhido por DIRECTUS_BASE_URL\n",
        );
        return Exit::Done;
    }
    let findings = match records::check(&settings) {
        Ok(findings) => findings,
        Err(error) => {
            stderr_line(&format!("❌ {error}"));
            return Exit::Failed;
        }
    };
    for finding in &findings {
        let sign = match finding.gravity {
            Gravity::Fine => "✅",
            Gravity::Notice => "⚠️ ",
            Gravity::Fault => "❌",
        };
        let remedy = match finding.remedy.as_str() {
            "" => String::new(),
            remedy => format!("\n   → {remedy}"),
        };
        stdout_text(&format!("{sign} {}{remedy}\n", finding.text));
    }
    if findings.iter().any(|it| it.gravity == Gravity::Fault) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// `metricas`: the catalogue.
pub(super) fn metrics(markdown: bool) -> Exit {
    stdout_text(&if markdown {
        reference::markdown()
    } else {
        reference::lines()
    });
    Exit::Done
}

/// `validar --diff`: what a reload would change in the orchestrator that uses the data directory. Its flags and
/// variables are those that it was started with.
pub(super) fn show_difference(loaded: &Loaded) -> Exit {
    let path = active_file(&loaded.settings);
    let Some((active, settings)) = fs::read_to_string(&path).ok().zip(running_settings(loaded))
    else {
        stderr_line(&format!(
            "❌ {}: nenhum orquestrador em ciclos usa este diretório de dados",
            loaded.settings.instance_dir().display()
        ));
        return Exit::Failed;
    };
    let compared = settings
        .map_err(|error| error.to_string())
        .and_then(|settings| {
            let fixed = config::unreloadable_from(&active, &settings)?;
            Ok((config::difference_from(&active, &settings)?, fixed))
        });
    match compared {
        Ok((difference, fixed)) => {
            for line in &difference.lines {
                stdout_text(&format!("{line}\n"));
            }
            if difference.is_empty() {
                stdout_text("nada mudaria\n");
            }
            for problem in &fixed {
                stderr_line(&format!("❌ {problem}"));
            }
            if fixed.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
        Err(error) => {
            stderr_line(&format!("❌ {error}"));
            Exit::Failed
        }
    }
}

/// What the orchestrator that holds the lock would load now; none if there is none that can be looked at.
fn running_settings(loaded: &Loaded) -> Option<Result<Settings, ConfigError>> {
    let lock = loaded.settings.instance_dir().join("orquestrador.lock");
    let pid: u32 = fs::read_to_string(lock).ok()?.trim().parse().ok()?;
    let words = |file: &str| -> Option<Vec<OsString>> {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
        let words = bytes
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty());
        Some(
            words
                .map(|word| OsString::from_vec(word.to_vec()))
                .collect(),
        )
    };
    let flags = cli::parse(words("cmdline")?).ok()?.flags;
    let pairs = words("environ")?.into_iter().filter_map(|pair| {
        let bytes = pair.into_vec();
        let equals = bytes.iter().position(|byte| *byte == b'=')?;
        let (name, value) = bytes.split_at(equals);
        let value = value.get(1..)?.to_vec();
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value)))
    });
    let environment = Environment::new(pairs);
    Some(config::load(&flags, &environment).map(|loaded| loaded.settings))
}

/// Where a running orchestrator keeps the settings that hold, without secrets.
pub(super) fn active_file(settings: &Settings) -> PathBuf {
    settings.instance_dir().join("configuracao-ativa.toml")
}

/// What would keep a processor's program from starting.
fn unstartable(spec: &ProcessorSpec, path: &str) -> Option<String> {
    if !spec.directory.is_dir() {
        return Some(format!(
            "{}.diretorio: {} não é um diretório",
            spec.name,
            spec.directory.display()
        ));
    }
    let program = spec.command.first().filter(|_| !spec.is_own())?;
    let is_program = |file: &Path| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
    let own_path = spec
        .environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value.as_str());
    let found = if program.contains('/') {
        is_program(Path::new(program))
    } else {
        own_path
            .unwrap_or(path)
            .split(':')
            .any(|folder| is_program(&Path::new(folder).join(program)))
    };
    (!found).then(|| {
        format!(
            "{}.comando: {program:?} não existe ou não é executável",
            spec.name
        )
    })
}

/// `processador NOME`: one run of a document processor, in this process.
pub(super) fn processor(name: OwnProcessor, loaded: &Loaded, environment: &Environment) -> Exit {
    set_process_name(process_name(name));
    traced::within_run(environment, || process(name, loaded, environment))
}

fn process(name: OwnProcessor, loaded: &Loaded, environment: &Environment) -> Exit {
    match prepare(loaded) {
        Ok(mut context) => {
            context.instance = instance(environment);
            let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
            let result = match name {
                OwnProcessor::ModeloContrato => {
                    processors::modelo_contrato::run(&mut context, &mut out, &mut err)
                }
                OwnProcessor::Automatico => {
                    processors::automatico::run(&mut context, &mut out, &mut err)
                }
            };
            if let Some(path) = environment.get(METRICS_FILE)
                && let Err(error) = leave_metrics(Path::new(&path), &context)
            {
                stderr_line(&format!("aviso: {path}: métricas não gravadas: {error}"));
            }
            let code = ProcessorExit::of(&result).code();
            if let Err(error) = result {
                stderr_line(&format!("erro: {error}"));
            }
            Exit::Code(code)
        }
        Err((error, exit)) => {
            stderr_line(&format!("erro: {error}"));
            Exit::Code(exit.code())
        }
    }
}

/// Which of several runs of its start this one is.
fn instance(environment: &Environment) -> Instance {
    let texts = environment.get(INSTANCE).zip(environment.get(INSTANCES));
    let told = texts.and_then(|(number, of)| Instance::from_texts(number, of));
    told.unwrap_or(Instance::ONLY)
}

/// Writes what the run counted where the orchestrator looks for it.
fn leave_metrics(path: &Path, context: &Context) -> anyhow::Result<()> {
    Ok(fs::write(path, context.metrics.text()?)?)
}

fn prepare(loaded: &Loaded) -> Result<Context, (String, ProcessorExit)> {
    let dry_run = loaded.settings.dry_run;
    let access = if dry_run {
        Access::ReadOnly
    } else {
        Access::Write
    };
    let store = store_settings(loaded);
    let stop = Arc::clone(&store.stop);
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| (error.to_string(), ProcessorExit::Temporary))?;
    }
    let records = records::open(&store, access)
        .map_err(|error| (error.to_string(), ProcessorExit::of_store(&error)))?;
    let documents = &loaded.settings.documents;
    Ok(Context {
        dry_run,
        stop,
        limits: documents.limits.clone(),
        models_per_run: documents.models_per_run,
        versions_per_run: documents.versions_per_run,
        document_budget: documents.budget,
        ..Context::new(records, clock())
    })
}

/// What `ps` shows; the kernel keeps 15 bytes.
fn process_name(name: OwnProcessor) -> &'static CStr {
    match name {
        OwnProcessor::ModeloContrato => c"modelo-contrato",
        OwnProcessor::Automatico => c"automatico",
    }
}

/// `historico`, `execucao`: `answer` says what is asked of the history.
pub(super) fn history(
    loaded: &Loaded,
    environment: &Environment,
    answer: impl FnOnce(&HistoryReader, &TimeZone, &mut dyn Write) -> Result<(), Refusal>,
) -> Exit {
    let path = loaded.settings.instance_dir().join(DATABASE);
    let zone = local_zone(environment);
    let answered = HistoryReader::open(&path)
        .map_err(Refusal::from)
        .and_then(|reader| answer(&reader, &zone, &mut io::stdout().lock()));
    match answered {
        Ok(()) => Exit::Done,
        Err(Refusal::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            stderr_line(&format!("❌ {error}"));
            Exit::Failed
        }
    }
}

/// `importar`, `marcar`, `listar`, `relatorio`, `tags`, `comparar`.
pub(super) fn documents(command: DocumentCommand, loaded: &Loaded) -> Exit {
    for warning in &loaded.warnings {
        stderr_line(&format!("⚠️  {warning}"));
    }
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let clock = clock();
    let settings = &loaded.settings.documents;
    let around = documents::Surroundings {
        store: &store_settings(loaded),
        limits: &settings.limits,
        budget: settings.budget,
        now: &|| clock.now(),
    };
    Exit::Code(documents::run(command, &around, &mut out, &mut err))
}
