//! The ways in which a request may fail, and what each means: to the metrics, to whoever repeats, to the run.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::request::Repeat;
use crate::records::error::{RecordsError, RecordsErrorKind};
use crate::records::values::{FileId, RequestResult};

/// The longest message of the server that is told, characters.
const TOLD: usize = 300;

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// No connection, so nothing was carried out.
    #[error("sem conexão ({0})")]
    Unreachable(String),
    /// No answer in time; what was asked may have been carried out.
    #[error("sem resposta em {} s", (.0.as_secs_f64() * 10.0).round() / 10.0)]
    Timeout(Duration),
    /// The connection broke; what was asked may have been carried out.
    #[error("a conexão caiu ({0})")]
    Broken(String),
    /// An answer with a status that is no success.
    #[error("resposta {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Directus' word for it.
        code: String,
        /// What the server says, shortened.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// A success whose content is not what it should be.
    #[error("resposta sem sentido: {0}")]
    Nonsense(String),
    /// More bytes than were wanted.
    #[error("{size} bytes; o limite é {limit}")]
    TooLarge {
        /// Its size so far, bytes.
        size: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// We are asked to end, so it was not asked, or a question was dropped: nothing was carried out.
    #[error("interrompido")]
    Interrupted,
}

impl Failure {
    /// What a status that is no success means; the body may say more.
    pub(super) fn refused(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &parsed["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message = one_line(&text(&error["message"]));
        Self::Refused {
            status,
            code: text(&error["extensions"]["code"]),
            message: if message.is_empty() {
                "sem mensagem".to_owned()
            } else {
                message
            },
            retry_after,
        }
    }

    /// Whether the same request may succeed in a moment, and may be made again.
    pub(super) fn may_pass(&self, repeat: Repeat) -> bool {
        match self {
            // Without a connection nothing is carried out; a limit and an overloaded server answer before anything is,
            // and an inner error undoes everything.
            Self::Unreachable(_)
            | Self::Refused {
                status: 429 | 500 | 503,
                ..
            } => true,
            Self::Refused { status, .. } => *status >= 500 && repeat == Repeat::Always,
            Self::Timeout(_) | Self::Broken(_) | Self::Nonsense(_) => repeat == Repeat::Always,
            Self::TooLarge { .. } | Self::Interrupted => false,
        }
    }

    /// Whether what was asked may have been carried out although we know of no success.
    pub(super) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Broken(_) | Self::Nonsense(_) => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Unreachable(_) | Self::TooLarge { .. } | Self::Interrupted => false,
        }
    }

    /// Whether the server refuses the record or what we say about it, and not us.
    pub(super) fn is_about_the_record(&self) -> bool {
        let Self::Refused { status, .. } = self else {
            return false;
        };
        (400..500).contains(status) && !matches!(status, 401 | 429)
    }

    /// Whether it is a permission that lacks, or a thing: Directus does not say which.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether it is a Directus that does not have this address: one of another version.
    pub(super) fn is_no_route(&self) -> bool {
        matches!(self, Self::Refused { status: 404, code, .. } if code == "ROUTE_NOT_FOUND")
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The label of the metrics.
    pub(super) fn result(&self) -> RequestResult {
        match self {
            Self::Unreachable(_) => RequestResult::Unreachable,
            Self::Timeout(_) => RequestResult::Timeout,
            Self::Broken(_) => RequestResult::Broken,
            Self::Nonsense(_) => RequestResult::Nonsense,
            Self::TooLarge { .. } => RequestResult::TooLarge,
            Self::Interrupted => RequestResult::Interrupted,
            Self::Refused { status, .. } => match status {
                401 => RequestResult::Unauthorized,
                403 => RequestResult::Forbidden,
                404 => RequestResult::NotFound,
                429 => RequestResult::RateLimited,
                500.. => RequestResult::ServerError,
                _ => RequestResult::Rejected,
            },
        }
    }

    /// What it means to the run: `asked` is what we wanted, in Portuguese.
    pub(super) fn of(self, address: &str, asked: &str) -> RecordsError {
        let (kind, message) = match &self {
            Self::Interrupted => return RecordsError::Interrupted,
            Self::TooLarge { size, limit } => {
                let (size, limit) = (*size, *limit);
                return RecordsError::TooLarge { size, limit };
            }
            Self::Refused { status: 401, .. } => (
                RecordsErrorKind::TokenRefused,
                format!("{address} recusa o token: {self}"),
            ),
            Self::Refused { status: 403, .. } => (
                RecordsErrorKind::TokenRefused,
                format!(
                    "{address} não permite {asked} com este token: {self}; veja orquestrador validar --backend"
                ),
            ),
            Self::Refused {
                status: 429 | 500..,
                ..
            } => (
                RecordsErrorKind::Temporary,
                format!("{address} não conseguiu {asked}: {self}"),
            ),
            Self::Timeout(_) | Self::Broken(_) | Self::Unreachable(_) => (
                RecordsErrorKind::Unavailable,
                format!("{address} não responde ao {asked}: {self}"),
            ),
            Self::Nonsense(_)
            | Self::Refused {
                status: ..=399 | 404,
                ..
            } => (
                RecordsErrorKind::Unavailable,
                format!("{address} não responde como um Directus ao {asked}: {self}"),
            ),
            Self::Refused { .. } => (
                RecordsErrorKind::Record,
                format!("{address} recusa {asked}: {self}"),
            ),
        };
        RecordsError::Backend { kind, message }
    }

    /// The same for a file: one that is not there is answered like one that may not be read.
    pub(super) fn of_file(self, address: &str, file: &FileId) -> RecordsError {
        match &self {
            Self::Refused {
                status: 403 | 404, ..
            } => RecordsError::Backend {
                kind: RecordsErrorKind::Record,
                message: format!(
                    "o arquivo {file} não existe em {address} ou não pode ser lido com este token"
                ),
            },
            _ => self.of(address, "baixar um arquivo"),
        }
    }

    /// The same for what is said about one record: a refusal is the record's.
    pub(super) fn of_record(self, address: &str, asked: &str) -> RecordsError {
        if self.is_about_the_record() {
            return RecordsError::Backend {
                kind: RecordsErrorKind::Record,
                message: format!("{address} recusa {asked}: {self}"),
            };
        }
        self.of(address, asked)
    }
}

fn one_line(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shortened: String = text.chars().take(TOLD).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failure {
        Failure::refused(status, b"", None)
    }

    #[test]
    fn only_what_may_pass_is_repeated_and_a_change_only_if_it_surely_was_not_made() {
        for (failure, always, undone) in [
            (Failure::Unreachable(String::new()), true, true),
            (Failure::Timeout(Duration::ZERO), true, false),
            (Failure::Broken(String::new()), true, false),
            (Failure::Nonsense(String::new()), true, false),
            (refused(400), false, false),
            (refused(401), false, false),
            (refused(403), false, false),
            (refused(404), false, false),
            (refused(302), false, false),
            (refused(429), true, true),
            (refused(500), true, true),
            (refused(502), true, false),
            (refused(503), true, true),
            (refused(504), true, false),
            (Failure::Interrupted, false, false),
        ] {
            let found = (
                failure.may_pass(Repeat::Always),
                failure.may_pass(Repeat::Undone),
            );
            assert_eq!(found, (always, undone), "{failure:?}");
        }
    }

    #[test]
    fn each_failure_says_to_the_run_whether_the_store_the_token_or_the_record_is_at_fault() {
        for (failure, kind) in [
            (
                Failure::Unreachable(String::new()),
                RecordsErrorKind::Unavailable,
            ),
            (
                Failure::Timeout(Duration::ZERO),
                RecordsErrorKind::Unavailable,
            ),
            (
                Failure::Nonsense(String::new()),
                RecordsErrorKind::Unavailable,
            ),
            (refused(302), RecordsErrorKind::Unavailable),
            (refused(404), RecordsErrorKind::Unavailable),
            (refused(401), RecordsErrorKind::TokenRefused),
            (refused(403), RecordsErrorKind::TokenRefused),
            (refused(429), RecordsErrorKind::Temporary),
            (refused(500), RecordsErrorKind::Temporary),
            (refused(400), RecordsErrorKind::Record),
            (Failure::Interrupted, RecordsErrorKind::Temporary),
        ] {
            assert_eq!(failure.clone().of("x", "ler").kind(), kind, "{failure:?}");
        }
        let body = r#"{"errors":[{"message":"a\nb","extensions":{"code":"FORBIDDEN"}}]}"#;
        let failure = Failure::refused(403, body.as_bytes(), None);
        assert_eq!(failure.to_string(), "resposta 403: a b");
        assert_eq!(
            failure.of_record("x", "ler").kind(),
            RecordsErrorKind::Record
        );
    }
}
