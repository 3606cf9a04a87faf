//! The variables that we were started with, as a value, and what is said about names that mean nothing any more.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::domain::contract::{
    ATTEMPT, BACKEND_TOKEN, BACKEND_URL, CYCLE, INSTANCE, INSTANCES, METRICS_FILE, OPTION_PREFIX,
    PROCESSOR, RUN_ID,
};

/// Variables of the old system, and what takes their place.
const REPLACED: &[(&str, &str)] = &[
    ("CHECK_INTERVAL", "ORQUESTRADOR_INTERVALO ou --intervalo"),
    ("VERBOSE_MODE", "ORQUESTRADOR_VERBOSE ou --verbose"),
    ("RESULTS_DIR", "ORQUESTRADOR_DADOS ou --dados"),
];

/// Families of variables of the old system that have no meaning here.
const REPLACED_PREFIXES: &[(&str, &str)] = &[
    (
        "MODELO_CONTRATO_",
        "a seção [[processador]] de orquestrador.toml",
    ),
    ("FLASK_", "ORQUESTRADOR_PORTA e ORQUESTRADOR_ESCUTAR"),
];

/// Variables that we set for children, which may themselves start an orchestrator.
const OURS: [&str; 7] = [
    RUN_ID,
    CYCLE,
    ATTEMPT,
    INSTANCE,
    INSTANCES,
    PROCESSOR,
    METRICS_FILE,
];

/// Environment variables. An empty value is as good as none.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Takes over variables; what is not UTF-8 is read with its bad bytes replaced.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text = |value: OsString| value.to_string_lossy().into_owned();
        let pairs = variables
            .into_iter()
            .map(|(name, value)| (text(name), text(value)));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of `name`, if it is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Pairs of name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One warning for each variable that somebody may have set in the belief that it does something.
    pub(super) fn warnings(&self, known: &[&str]) -> Vec<String> {
        self.names()
            .filter_map(|name| warning(name, known))
            .collect()
    }
}

fn warning(name: &str, known: &[&str]) -> Option<String> {
    let replaced = REPLACED.iter().find(|(old, _)| *old == name);
    let replaced = replaced.or_else(|| {
        REPLACED_PREFIXES
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
    });
    if let Some((_, replacement)) = replaced {
        return Some(format!(
            "a variável {name} não tem efeito; use {replacement}"
        ));
    }
    let is_known = known.contains(&name)
        || OURS.contains(&name)
        || [BACKEND_TOKEN, BACKEND_URL].contains(&name);
    if !name.starts_with(OPTION_PREFIX) || is_known {
        return None;
    }
    let nearest = super::table::nearest(name, known.iter().copied());
    let hint = nearest.map_or_else(
        || "veja orquestrador --help".to_owned(),
        |nearest| format!("use {nearest}"),
    );
    Some(format!("a variável {name} não é conhecida; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(
            pairs
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        )
    }

    #[test]
    fn every_name_of_the_old_system_and_every_unknown_one_gets_one_warning_that_names_the_replacement()
     {
        let known = ["ORQUESTRADOR_INTERVALO", "ORQUESTRADOR_PORTA"];
        let table = [
            ("CHECK_INTERVAL", "ORQUESTRADOR_INTERVALO"),
            ("VERBOSE_MODE", "ORQUESTRADOR_VERBOSE"),
            ("RESULTS_DIR", "ORQUESTRADOR_DADOS"),
            ("MODELO_CONTRATO_LIMITE", "[[processador]]"),
            ("FLASK_PORT", "ORQUESTRADOR_PORTA"),
            ("ORQUESTRADOR_INTERVALOS", "ORQUESTRADOR_INTERVALO"),
        ];
        for (name, replacement) in table {
            let warnings = environment(&[(name, "1")]).warnings(&known);
            assert_eq!(warnings.len(), 1, "{name}");
            assert!(
                warnings[0].contains(name) && warnings[0].contains(replacement),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn known_names_foreign_names_and_empty_values_say_nothing() {
        let quiet = environment(&[
            ("ORQUESTRADOR_PORTA", "1"),
            ("HOME", "/"),
            (RUN_ID, "x"),
            ("FLASK_PORT", ""),
        ]);
        assert_eq!(
            quiet.warnings(&["ORQUESTRADOR_PORTA"]),
            Vec::<String>::new()
        );
        assert_eq!(quiet.get("FLASK_PORT"), None);
    }
}
