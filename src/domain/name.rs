//! The name of a processor. Refuses to know where the name came from.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name that is accepted, in bytes: it is a metric label on every series.
const MAX_LENGTH: usize = 64;

/// The label of what belongs to no processor that can be told.
pub const RESERVED: &str = "unknown";

/// The name of a processor, as it stands in the configuration, in logs, and as a metric label.
///
/// Lowercase ASCII letters, digits and underscores, so that the set of label values stays small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ProcessorName(String);

/// Why a text is not a processor's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "esperado de 1 a {MAX_LENGTH} caracteres entre a-z, 0-9 e _, e não {RESERVED:?}, que é reservado"
)]
pub struct InvalidName;

impl ProcessorName {
    /// Stands for a processor whose name was refused, so that the rest of it can still be checked.
    #[must_use]
    pub fn unnamed() -> Self {
        Self("_".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text finds what is kept by name: both hash and compare alike.
impl Borrow<str> for ProcessorName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<ProcessorName> for String {
    fn from(name: ProcessorName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ProcessorName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty()
            || text == RESERVED
            || text.len() > MAX_LENGTH
            || !text.bytes().all(allowed)
        {
            return Err(InvalidName);
        }
        Ok(Self(text))
    }
}

impl fmt::Display for ProcessorName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lowercase_ascii_digits_and_underscores_make_a_name() {
        assert!(ProcessorName::try_from("modelo_contrato2".to_owned()).is_ok());
        for bad in [
            "",
            "Modelo",
            "a-b",
            "ação",
            "a b",
            "unknown",
            &"x".repeat(65),
        ] {
            assert_eq!(
                ProcessorName::try_from(bad.to_owned()),
                Err(InvalidName),
                "{bad:?}"
            );
        }
    }
}
