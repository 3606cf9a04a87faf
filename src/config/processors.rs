//! The `[[processador]]` tables of the file. Refuses to know how a processor is run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::{Table, Value};

use super::problem::Problems;
use super::table::Section;
use super::{defaults, instances, timing, value};
use crate::domain::contract::OWN_BINARY;
use crate::domain::{
    OutputFileSpec, OutputSpec, ProcessorName, ProcessorSpec, ResourceLimits, Retry,
};

/// Attempts that can be asked for.
const MOST_ATTEMPTS: i64 = 100;
/// Full output files that can be asked for.
const MOST_COPIES: i64 = 1000;
/// The largest number of processes or files that can be asked for.
const MOST_COUNTED: i64 = 1 << 20;

/// Reads every table, and checks what holds between them.
pub(super) fn read(
    tables: Vec<Table>,
    zone: Option<&str>,
    root: &mut Section<'_>,
) -> Vec<ProcessorSpec> {
    let mut specs = Vec::new();
    let mut keys = BTreeMap::new();
    if tables.is_empty() {
        root.problem(
            "processador",
            "a lista está vazia; esperado ao menos um [[processador]]",
        );
    }
    for (index, table) in tables.into_iter().enumerate() {
        let key = format!("processador[{}]", index + 1);
        let Some(spec) = read_one(table, &key, zone, root.problems()) else {
            continue;
        };
        if let Some(first) = keys.insert(spec.name.clone(), key.clone()) {
            root.problems().add(
                format!("{key}.nome"),
                format!("{:?} já é o nome de {first}", spec.name.as_str()),
            );
        }
        specs.push(spec);
    }
    check_dependencies(&specs, &keys, root.problems());
    specs
}

fn read_one(
    table: Table,
    key: &str,
    zone: Option<&str>,
    problems: &mut Problems,
) -> Option<ProcessorSpec> {
    let mut section = Section::new(table, key, problems);
    let has_name = section.has("nome");
    let name = section.parsed("nome", value::name);
    if !has_name {
        section.problem("nome", "falta; esperado o nome do processador");
    }
    let command = command(&mut section);
    let base = defaults::processor(
        name.clone().unwrap_or_else(placeholder),
        command.clone().unwrap_or_default(),
    );
    let spec = ProcessorSpec {
        label: section.text("rotulo").unwrap_or(base.label),
        short_label: section.text("rotulo_curto").unwrap_or(base.short_label),
        icon: section.text("icone").unwrap_or(base.icon),
        timeout: section
            .parsed("timeout", value::positive_duration)
            .unwrap_or(base.timeout),
        grace: section
            .parsed("carencia", value::duration)
            .unwrap_or(base.grace),
        retry: retry(&mut section, &base.retry),
        timing: timing::of_processor(&mut section, zone),
        depends_on: dependencies(&mut section),
        environment: environment(&mut section),
        clear_environment: section
            .boolean("limpar_ambiente")
            .unwrap_or(base.clear_environment),
        secrets: section.texts("segredos").unwrap_or_default(),
        directory: section
            .text("diretorio")
            .map_or(base.directory, PathBuf::from),
        accepts_dry_run: section
            .boolean("aceita_dry_run")
            .unwrap_or(base.accepts_dry_run),
        limits: limits(&mut section),
        output: output(&mut section).unwrap_or(base.output),
        instances: instances::read(&mut section).unwrap_or(base.instances),
        name: base.name,
        command: base.command,
    };
    section.finish(&[]);
    (name.is_some() && command.is_some()).then_some(spec)
}

/// Stands in for a name that was refused, so that the rest of its table is still checked.
fn placeholder() -> ProcessorName {
    ProcessorName::unnamed()
}

fn command(section: &mut Section<'_>) -> Option<Vec<String>> {
    if !section.has("comando") {
        section.problem(
            "comando",
            "falta; esperada uma lista com o programa e seus argumentos",
        );
        return None;
    }
    let command = section.texts("comando")?;
    match command.first().map(String::as_str) {
        None | Some("") => {
            section.problem(
                "comando",
                "está vazio; esperada uma lista com o programa e seus argumentos",
            );
            None
        }
        Some(OWN_BINARY) if command.len() < 2 => {
            section.problem("comando", format!("{OWN_BINARY:?} sozinho não basta; esperado por exemplo [{OWN_BINARY:?}, \"processador\", \"automatico\"]"));
            None
        }
        Some(_) => Some(command),
    }
}

fn dependencies(section: &mut Section<'_>) -> Vec<ProcessorName> {
    let mut names = Vec::new();
    for text in section.texts("depende_de").unwrap_or_default() {
        match value::name(&text) {
            Ok(name) => names.push(name),
            Err(message) => section.problem("depende_de", message),
        }
    }
    names
}

fn environment(section: &mut Section<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, value) in section.table("ambiente").unwrap_or_default() {
        match value {
            Value::String(text) if is_variable(&name) && !text.contains('\0') => {
                variables.push((name, text));
            }
            Value::String(_) => section.problem(
                "ambiente",
                format!("{name:?} não é o nome de uma variável ou o valor contém um byte nulo"),
            ),
            _ => section.problem(
                "ambiente",
                format!("o valor de {name} não é texto; esperado {name} = \"valor\""),
            ),
        }
    }
    variables
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn retry(section: &mut Section<'_>, base: &Retry) -> Retry {
    let attempts = section.count("tentativas", MOST_ATTEMPTS);
    let wait = section
        .parsed("espera", value::duration)
        .unwrap_or(base.wait);
    let retry = Retry {
        attempts: attempts.map_or(base.attempts, |count| {
            u32::try_from(count).unwrap_or(base.attempts)
        }),
        wait,
        max_wait: section
            .parsed("espera_max", value::duration)
            .unwrap_or(base.max_wait.max(wait)),
        codes: section
            .exit_codes("codigos_retentaveis")
            .unwrap_or_default(),
    };
    if retry.max_wait < retry.wait {
        section.problem(
            "espera_max",
            "é menor do que espera; esperado ao menos o mesmo tempo",
        );
    }
    retry
}

fn limits(section: &mut Section<'_>) -> ResourceLimits {
    let Some(mut limits) = section.section("limites") else {
        return ResourceLimits::default();
    };
    let read = ResourceLimits {
        memory: limits.parsed("memoria", value::memory),
        cpu_time: limits.parsed("cpu_tempo", value::positive_duration),
        processes: limits
            .count("processos", MOST_COUNTED)
            .map(|count| count as u64),
        files: limits
            .count("arquivos", MOST_COUNTED)
            .map(|count| count as u64),
    };
    limits.finish(&[]);
    read
}

fn output(section: &mut Section<'_>) -> Option<OutputSpec> {
    let mut output = section.section("saida")?;
    let memory = output
        .parsed("memoria", value::size)
        .unwrap_or(defaults::OUTPUT.memory);
    let to_file = output.boolean("arquivo").unwrap_or(false);
    let rotate_at = output
        .parsed("rotacao", value::size)
        .map_or(defaults::ROTATE_AT, |bytes| bytes as u64);
    let copies = output
        .count("copias", MOST_COPIES)
        .unwrap_or(defaults::COPIES);
    output.finish(&[]);
    Some(OutputSpec {
        memory,
        file: to_file.then_some(OutputFileSpec { rotate_at, copies }),
    })
}

/// Every name that somebody depends on exists, and no processor waits for itself.
fn check_dependencies(
    specs: &[ProcessorSpec],
    keys: &BTreeMap<ProcessorName, String>,
    problems: &mut Problems,
) {
    for spec in specs {
        for name in spec
            .depends_on
            .iter()
            .filter(|name| !keys.contains_key(*name))
        {
            let key = keys.get(&spec.name).map_or("processador", String::as_str);
            problems.add(
                format!("{key}.depende_de"),
                format!("{:?} não é o nome de um processador", name.as_str()),
            );
        }
    }
    let known: Vec<_> = specs
        .iter()
        .filter(|spec| spec.depends_on.iter().all(|name| keys.contains_key(name)))
        .collect();
    let circle = circle(&known);
    if !circle.is_empty() {
        problems.add(
            "processador.depende_de",
            format!("há um círculo entre: {}", circle.join(", ")),
        );
    }
}

/// The processors that wait for each other: what is left when all that can run has run.
fn circle(specs: &[&ProcessorSpec]) -> Vec<String> {
    let mut waiting: Vec<_> = specs.to_vec();
    let names: BTreeSet<_> = specs.iter().map(|spec| &spec.name).collect();
    let mut done = BTreeSet::new();
    loop {
        let before = waiting.len();
        waiting.retain(|spec| {
            let ready = spec
                .depends_on
                .iter()
                .all(|name| done.contains(name) || !names.contains(name));
            if ready {
                done.insert(&spec.name);
            }
            !ready
        });
        if waiting.len() == before {
            return waiting.iter().map(|spec| spec.name.to_string()).collect();
        }
    }
}
