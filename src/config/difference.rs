//! What differs between two configurations, for a reload and for `validar --diff`. Refuses to apply anything.

use toml::{Table, Value};

use super::settings::Settings;
use super::show;
use crate::domain::{Difference, ProcessorName};

/// Keys that a running orchestrator cannot take over.
const FIXED: [&str; 10] = [
    "porta",
    "escutar",
    "dados",
    "telemetria.buckets",
    "telemetria.encerramento",
    "telemetria.logs_otlp",
    "telemetria.link_trace",
    "telemetria.alertas",
    "registros.tipo",
    "distribuicao",
];

/// What a reload from `old` to `new` would change. Values of secrets do not appear.
#[must_use]
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let mut difference = between(&show::table(old), &show::table(new));
    for spec in &new.processors {
        let before = old
            .processors
            .iter()
            .find(|before| before.name == spec.name);
        // What is masked shows in no table.
        if before.is_some_and(|before| before != spec) && !difference.changed.contains(&spec.name) {
            difference
                .lines
                .push(format!("processador {}.ambiente: alterado", spec.name));
            difference.changed.push(spec.name.clone());
        }
    }
    difference
}

/// The same from settings as [`show`](super::show()) wrote them; a change of a secret's value alone is not seen.
///
/// # Errors
///
/// `old` is no TOML.
pub fn difference_from(old: &str, new: &Settings) -> Result<Difference, String> {
    Ok(between(&parsed(old)?, &show::table(new)))
}

/// Every change that a running orchestrator cannot take over, for people.
#[must_use]
pub fn unreloadable(old: &Settings, new: &Settings) -> Vec<String> {
    fixed(&show::table(old), &show::table(new))
}

/// The same from settings as [`show`](super::show()) wrote them.
///
/// # Errors
///
/// `old` is no TOML.
pub fn unreloadable_from(old: &str, new: &Settings) -> Result<Vec<String>, String> {
    Ok(fixed(&parsed(old)?, &show::table(new)))
}

fn parsed(text: &str) -> Result<Table, String> {
    text.parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())
}

fn fixed(old: &Table, new: &Table) -> Vec<String> {
    fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
        match key.split_once('.') {
            Some((section, key)) => value(table.get(section)?.as_table()?, key),
            None => table.get(key),
        }
    }
    let changed = FIXED
        .iter()
        .filter(|key| value(old, key) != value(new, key));
    changed
        .map(|key| {
            let (before, after) = (shown(value(old, key)), shown(value(new, key)));
            format!("{key}: {before} -> {after} só vale depois de um reinício; esperado o valor de antes")
        })
        .collect()
}

fn between(old: &Table, new: &Table) -> Difference {
    let mut difference = Difference::default();
    tables(old, new, "", &mut difference.lines);
    let (old, new) = (processors(old), processors(new));
    for (name, after) in &new {
        match old.iter().find(|(known, _)| known == name) {
            None => {
                difference
                    .lines
                    .push(format!("processador {name}: acrescentado"));
                difference.added.push(name.clone());
            }
            Some((_, before)) if before != after => {
                tables(
                    before,
                    after,
                    &format!("processador {name}."),
                    &mut difference.lines,
                );
                difference.changed.push(name.clone());
            }
            Some(_) => {}
        }
    }
    for (name, _) in &old {
        if !new.iter().any(|(known, _)| known == name) {
            difference
                .lines
                .push(format!("processador {name}: retirado"));
            difference.removed.push(name.clone());
        }
    }
    let names = |all: &[(ProcessorName, &Table)]| -> Vec<_> {
        let is_kept = |name: &&ProcessorName| {
            !difference.added.contains(name) && !difference.removed.contains(name)
        };
        all.iter()
            .map(|(name, _)| name)
            .filter(is_kept)
            .cloned()
            .collect()
    };
    if names(&old) != names(&new) {
        difference.lines.push("processador: nova ordem".to_owned());
    }
    difference
}

fn processors(table: &Table) -> Vec<(ProcessorName, &Table)> {
    let list = table.get("processador").and_then(Value::as_array);
    let named = |value: &'_ Value| {
        let name = value.as_table()?.get("nome")?.as_str()?.to_owned();
        ProcessorName::try_from(name).ok()
    };
    let tables = list.into_iter().flatten();
    tables
        .filter_map(|value| Some((named(value)?, value.as_table()?)))
        .collect()
}

/// The differences between two tables, but for the list of processors.
fn tables(old: &Table, new: &Table, path: &str, lines: &mut Vec<String>) {
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added).filter(|key| *key != "processador") {
        let full = format!("{path}{key}");
        match (old.get(key), new.get(key)) {
            (before, after) if before == after => {}
            (Some(Value::Table(before)), Some(Value::Table(after))) => {
                tables(before, after, &format!("{full}."), lines);
            }
            (before, after) => {
                lines.push(format!("{full}: {} -> {}", shown(before), shown(after)));
            }
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(nada)".to_owned(), ToString::to_string)
}
