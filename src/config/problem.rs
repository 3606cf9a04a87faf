//! What is wrong with a configuration, collected so that people learn all of it at once.

use std::fmt;

/// One thing that is wrong: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The flag, variable or key, as its writer knows it.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.message)
    }
}

/// Every problem of one configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order in which they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(formatter, "configuração inválida, 1 problema:")?,
            count => write!(formatter, "configuração inválida, {count} problemas:")?,
        }
        for problem in &self.problems {
            write!(formatter, "\n   {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one problem.
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            message: message.into(),
        });
    }

    /// The value of a check, or its problem noted under `key`.
    pub(super) fn check<T>(&mut self, key: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|message| self.add(key, message)).ok()
    }

    /// `value` if there was no problem.
    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError { problems: self.0 })
        }
    }
}
