//! Settings as the TOML that would give them; secrets do not appear. Refuses to know where they came from.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::distribution::DistributionSettings;
use super::documents::DocumentSettings;
use super::instances;
use super::settings::{Settings, StoreChoice};
use crate::domain::mask::{MASK, is_secret};
use crate::domain::{ProcessorSpec, ScheduleSpec};

/// The low 48 bits of the SHA-256 of what [`show`] shows, written as JSON: a number that every float holds exactly.
#[must_use]
pub fn hash(settings: &Settings) -> u64 {
    // To write TOML takes time that grows with the square of the number of processors: each table is put in front.
    let shown = serde_json::to_string(&table(settings)).unwrap_or_else(|_| show(settings));
    digest(&shown)
}

/// The same of one processor alone, so that instances can tell whether they mean the same one.
#[must_use]
pub fn processor_hash(spec: &ProcessorSpec) -> u64 {
    let table = processor(spec);
    digest(&serde_json::to_string(&table).unwrap_or_else(|_| table.to_string()))
}

fn digest(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    let low = digest.iter().skip(digest.len() - 6);
    low.fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The effective settings, in the form of the configuration file.
#[must_use]
pub fn show(settings: &Settings) -> String {
    table(settings).to_string()
}

/// The same as a value, secrets masked.
pub(super) fn table(settings: &Settings) -> Table {
    let mut root = Table::new();
    let mut set = |key: &str, value: Value| root.insert(key.to_owned(), value);
    set("modo", settings.mode.word().into());
    set("porta", i64::from(settings.port).into());
    set("escutar", settings.listen.to_string().into());
    set("dados", settings.data_dir.display().to_string().into());
    set("em_falha", settings.on_failure.word().into());
    set("paralelismo", count(settings.parallelism));
    set("max_processadores", count(settings.max_processors));
    set(
        "processador",
        settings
            .processors
            .iter()
            .map(|spec| Value::from(processor(spec)))
            .collect::<Vec<_>>()
            .into(),
    );
    set("telemetria", telemetry(settings).into());
    set("historico", history(settings).into());
    set("documentos", documents(&settings.documents).into());
    set("registros", store(settings).into());
    set("web", web(settings).into());
    if let Some(settings) = &settings.distribution {
        set("distribuicao", distribution(settings).into());
    }
    schedule(&mut root, &settings.schedule);
    root
}

fn processor(spec: &ProcessorSpec) -> Table {
    let timing = &spec.timing;
    let names = |texts: Vec<String>| Value::from(texts);
    let shown = |name: &str, value: &str| {
        if is_secret(name, &spec.secrets) {
            MASK
        } else {
            value
        }
        .to_owned()
    };
    let environment = spec
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), shown(name, value).into()));
    let environment: Table = environment.collect();
    let pairs: Vec<(&str, Value)> = vec![
        ("nome", spec.name.to_string().into()),
        ("rotulo", spec.label.clone().into()),
        ("rotulo_curto", spec.short_label.clone().into()),
        ("icone", spec.icon.clone().into()),
        ("comando", names(spec.command.clone())),
        ("timeout", text(spec.timeout)),
        ("carencia", text(spec.grace)),
        ("tentativas", i64::from(spec.retry.attempts).into()),
        ("espera", text(spec.retry.wait)),
        ("espera_max", text(spec.retry.max_wait)),
        (
            "codigos_retentaveis",
            spec.retry
                .codes
                .iter()
                .map(|code| Value::from(i64::from(*code)))
                .collect::<Vec<_>>()
                .into(),
        ),
        ("variacao", text(timing.jitter)),
        ("instancias", instances::shown(&spec.instances)),
        ("sobreposicao", timing.overlap.word().into()),
        ("recuperar", timing.catch_up.word().into()),
        ("janela", text(timing.window)),
        (
            "depende_de",
            names(spec.depends_on.iter().map(ToString::to_string).collect()),
        ),
        ("ambiente", environment.into()),
        ("limpar_ambiente", spec.clear_environment.into()),
        ("segredos", names(spec.secrets.clone())),
        ("diretorio", spec.directory.display().to_string().into()),
        ("aceita_dry_run", spec.accepts_dry_run.into()),
        ("saida", output(spec).into()),
        ("limites", limits(spec).into()),
    ];
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    let mut table: Table = pairs.collect();
    if let Some(spec) = &timing.schedule {
        schedule(&mut table, spec);
    }
    if let Some(max_staleness) = timing.max_staleness {
        table.insert("max_defasagem".to_owned(), text(max_staleness));
    }
    table
}

fn schedule(table: &mut Table, spec: &ScheduleSpec) {
    match spec {
        ScheduleSpec::Interval(interval) => {
            table.insert("intervalo".to_owned(), text(*interval));
        }
        ScheduleSpec::Cron { expression, zone } => {
            table.insert("agenda".to_owned(), expression.clone().into());
            if let Some(zone) = zone {
                table.insert("fuso".to_owned(), zone.clone().into());
            }
        }
    }
}

fn output(spec: &ProcessorSpec) -> Table {
    let mut table = Table::from_iter([("memoria".to_owned(), count(spec.output.memory))]);
    table.insert("arquivo".to_owned(), spec.output.file.is_some().into());
    if let Some(file) = &spec.output.file {
        table.insert("rotacao".to_owned(), size(file.rotate_at));
        table.insert("copias".to_owned(), count(file.copies));
    }
    table
}

fn limits(spec: &ProcessorSpec) -> Table {
    let limits = &spec.limits;
    let values = [
        ("memoria", limits.memory.map(size)),
        ("cpu_tempo", limits.cpu_time.map(text)),
        ("processos", limits.processes.map(size)),
        ("arquivos", limits.files.map(size)),
    ];
    values
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn telemetry(settings: &Settings) -> Table {
    let mut table = Table::new();
    table.insert("buckets".to_owned(), settings.buckets.clone().into());
    table.insert("logs_otlp".to_owned(), settings.output_logs.into());
    table.insert("encerramento".to_owned(), text(settings.telemetry_shutdown));
    table.insert("link_trace".to_owned(), settings.trace_link.clone().into());
    table.insert("alertas".to_owned(), settings.alerts.clone().into());
    table
}

fn history(settings: &Settings) -> Table {
    let days = settings.history.age.as_secs() / (24 * 3600);
    [("dias", days), ("execucoes", settings.history.runs)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), size(value)))
        .collect()
}

fn documents(settings: &DocumentSettings) -> Table {
    let limits = &settings.limits;
    let limits = [
        ("arquivo", limits.file_bytes),
        ("entradas", limits.entries),
        ("parte", limits.part_bytes),
        ("total", limits.total_bytes),
        ("razao", limits.ratio),
        ("razao_apos", limits.ratio_free_bytes),
        ("profundidade", limits.depth),
        ("atributos", limits.attributes),
        ("valor_de_atributo", limits.attribute_bytes),
        ("texto", limits.text_bytes),
        ("eventos", limits.events),
        ("paragrafos", limits.paragraphs),
        ("alteracoes", limits.changes),
    ];
    let limits: Table = limits
        .into_iter()
        .map(|(key, limit)| (key.to_owned(), size(limit)))
        .collect();
    let pairs: [(&str, Value); 4] = [
        ("modelos_por_execucao", count(settings.models_per_run)),
        ("versoes_por_execucao", count(settings.versions_per_run)),
        ("tempo", text(settings.budget)),
        ("limites", limits.into()),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn store(settings: &Settings) -> Table {
    let mut table = Table::new();
    let kind = match settings.store {
        StoreChoice::Embedded => "embutido",
        StoreChoice::Directus { .. } => "directus",
    };
    table.insert("tipo".to_owned(), kind.into());
    let words = |words: &BTreeMap<&'static str, String>| -> Table {
        words
            .iter()
            .map(|(ours, theirs)| ((*ours).to_owned(), theirs.clone().into()))
            .collect()
    };
    let rules = &settings.store_rules;
    table.insert("prazo".to_owned(), text(rules.lease));
    table.insert("confirmacao".to_owned(), text(rules.settle));
    let mut fields = Table::new();
    for ((collection, ours), theirs) in &rules.fields {
        let of_it = fields
            .entry(*collection)
            .or_insert_with(|| Table::new().into());
        if let Value::Table(of_it) = of_it {
            of_it.insert((*ours).to_owned(), theirs.clone().into());
        }
    }
    table.insert("colecoes".to_owned(), words(&rules.collections).into());
    table.insert("campos".to_owned(), fields.into());
    let spelled = &settings.store_words;
    table.insert("estados".to_owned(), words(&spelled.states).into());
    table.insert("categorias".to_owned(), words(&spelled.categories).into());
    table
}

fn web(settings: &Settings) -> Table {
    let mut table = Table::from_iter([("nomes".to_owned(), settings.web.names.clone().into())]);
    if let Some(file) = &settings.web.file {
        let file = file.display().to_string();
        let config = Table::from_iter([("file".to_owned(), file.into())]);
        table.insert("config".to_owned(), config.into());
    }
    table
}

fn distribution(settings: &DistributionSettings) -> Table {
    let mut table = Table::from_iter([
        ("servidores".to_owned(), settings.servers.clone().into()),
        ("grupo".to_owned(), settings.group.clone().into()),
        ("arrendamento".to_owned(), text(settings.lease)),
        ("replicas".to_owned(), count(settings.replicas)),
    ]);
    if let Some(instance) = &settings.instance {
        table.insert("instancia".to_owned(), instance.clone().into());
    }
    table
}

fn count(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn size(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// Whole seconds as `60s`, others in milliseconds.
fn text(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 {
        format!("{}s", duration.as_secs()).into()
    } else {
        format!("{}ms", duration.as_millis()).into()
    }
}
