//! What differs between two configurations, for a reload and for `validar --diff`. Refuses to apply anything.

use toml::{Table, Value};

use super::settings::Settings;
use super::show;
use crate::domain::{Difference, ProcessorSpec};

/// What a reload from `old` to `new` would change. Values of secrets do not appear.
#[must_use]
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let (old_table, new_table) = (show::table(old), show::table(new));
    let mut difference = Difference::default();
    tables(&old_table, &new_table, "", &mut difference.lines);
    let spec_of =
        |specs: &[ProcessorSpec], name| specs.iter().find(|spec| spec.name == name).cloned();
    for spec in &new.processors {
        match spec_of(&old.processors, spec.name.clone()) {
            None => {
                difference
                    .lines
                    .push(format!("processador {}: acrescentado", spec.name));
                difference.added.push(spec.name.clone());
            }
            Some(before) if before != *spec => {
                let key = format!("processador {}.", spec.name);
                let (before, after) = (show::processor(&before), show::processor(spec));
                let count = difference.lines.len();
                tables(&before, &after, &key, &mut difference.lines);
                if difference.lines.len() == count {
                    difference.lines.push(format!("{key}ambiente: alterado"));
                }
                difference.changed.push(spec.name.clone());
            }
            Some(_) => {}
        }
    }
    for spec in &old.processors {
        if spec_of(&new.processors, spec.name.clone()).is_none() {
            difference
                .lines
                .push(format!("processador {}: retirado", spec.name));
            difference.removed.push(spec.name.clone());
        }
    }
    let names = |settings: &Settings| -> Vec<_> {
        let kept = |spec: &&ProcessorSpec| {
            !difference.added.contains(&spec.name) && !difference.removed.contains(&spec.name)
        };
        settings
            .processors
            .iter()
            .filter(kept)
            .map(|spec| spec.name.clone())
            .collect()
    };
    if names(old) != names(new) {
        difference.lines.push("processador: nova ordem".to_owned());
    }
    difference
}

/// Every change that a running orchestrator cannot take over, for people.
#[must_use]
pub fn unreloadable(old: &Settings, new: &Settings) -> Vec<String> {
    let (old_store, new_store) = (show::store(&old.store), show::store(&new.store));
    let fixed = [
        ("porta", old.port != new.port),
        ("escutar", old.listen != new.listen),
        ("dados", old.data_dir != new.data_dir),
        ("telemetria.buckets", old.buckets != new.buckets),
        (
            "telemetria.encerramento",
            old.telemetry_shutdown != new.telemetry_shutdown,
        ),
        ("registros.tipo", old_store != new_store),
    ];
    let changed = fixed.into_iter().filter(|(_, is_changed)| *is_changed);
    changed
        .map(|(key, _)| {
            format!("{key}: mudou, e isso só vale depois de um reinício; esperado o valor de antes")
        })
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
