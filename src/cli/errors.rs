//! Usage errors in Portuguese. Refuses to know which commands there are.

use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Why the command line gives nothing to do; also the answer to `--help` and `--version`.
#[derive(Debug)]
pub struct UsageError(clap::Error);

impl UsageError {
    pub(super) fn new(error: clap::Error) -> Self {
        Self(error)
    }

    /// Whether this is an answer for standard output and no error at all.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !self.0.use_stderr()
    }

    fn context(&self, kind: ContextKind) -> Option<String> {
        match self.0.get(kind)? {
            ContextValue::String(text) => Some(text.clone()),
            ContextValue::Strings(texts) => Some(texts.join(", ")),
            ContextValue::StyledStr(text) => Some(text.to_string()),
            _ => None,
        }
    }

    fn message(&self) -> String {
        let argument = self.context(ContextKind::InvalidArg).unwrap_or_default();
        let value = self.context(ContextKind::InvalidValue).unwrap_or_default();
        match self.0.kind() {
            ErrorKind::UnknownArgument => format!("argumento desconhecido: {argument}"),
            ErrorKind::InvalidSubcommand => {
                format!(
                    "comando desconhecido: {}",
                    self.context(ContextKind::InvalidSubcommand)
                        .unwrap_or_default()
                )
            }
            ErrorKind::InvalidValue if value.is_empty() => format!("falta o valor de {argument}"),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                format!("valor inválido de {argument}: {value:?}")
            }
            ErrorKind::MissingRequiredArgument => format!("falta: {argument}"),
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "falta o comando".to_owned()
            }
            ErrorKind::ArgumentConflict => {
                format!("{argument} não pode ser usado assim ou foi dado duas vezes")
            }
            ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
                format!("número errado de valores para {argument}")
            }
            ErrorKind::InvalidUtf8 => "um argumento não é UTF-8".to_owned(),
            _ => "linha de comando inválida".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        let kinds = [
            ContextKind::SuggestedArg,
            ContextKind::SuggestedSubcommand,
            ContextKind::SuggestedValue,
        ];
        // The likeliest stands last.
        let suggested = kinds.into_iter().find_map(|kind| self.context(kind));
        let suggested = suggested.and_then(|names| Some(names.rsplit(", ").next()?.to_owned()));
        if let Some(suggested) = suggested {
            return Some(format!("talvez {suggested}"));
        }
        let valid = self
            .context(ContextKind::ValidValue)
            .or_else(|| self.context(ContextKind::ValidSubcommand))?;
        (!valid.is_empty()).then(|| format!("esperado: {valid}"))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_answer() {
            return write!(formatter, "{}", self.0);
        }
        write!(formatter, "erro: {}", self.message())?;
        if let Some(hint) = self.hint() {
            write!(formatter, "; {hint}")?;
        }
        writeln!(formatter, "\nVeja orquestrador --help")
    }
}
