//! Why the store could not do what was asked. The messages are for the person at the terminal, in Portuguese.

use std::path::PathBuf;

use thiserror::Error;

use super::values::{FileId, RecordId};

/// What went wrong in a store.
#[derive(Debug, Error)]
pub enum RecordsError {
    /// A store that is elsewhere does not do what it should.
    #[error("Directus: {message}")]
    Backend {
        /// What the caller acts on.
        kind: RecordsErrorKind,
        /// What is wrong, in Portuguese, on one line.
        message: String,
    },
    /// We were asked to end while we waited for the store.
    #[error("a execução foi interrompida")]
    Interrupted,
    /// The file was written by a newer program.
    #[error("{} foi gravado por uma versão mais nova (esquema {found}; esta versão conhece até {known})", path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The store cannot be opened.
    #[error("não foi possível abrir {}: {reason}", path.display())]
    Open {
        /// The database or folder.
        path: PathBuf,
        /// What the system or `SQLite` says.
        reason: String,
    },
    /// Another process held the database for too long.
    #[error("o banco de registros está ocupado por outro processo; tente de novo")]
    Busy,
    /// `SQLite` refused something.
    #[error("falha no banco de registros: {0}")]
    Database(String),
    /// A file of the store could not be read or written.
    #[error("falha no arquivo {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is larger than the caller reads.
    #[error("o arquivo tem {size} bytes; o limite é {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file id that the store does not have.
    #[error("o arquivo {0} não existe no armazenamento")]
    UnknownFile(FileId),
    /// A record id that the collection does not have.
    #[error("{collection} {id} não existe")]
    UnknownRecord {
        /// The collection's Portuguese name.
        collection: &'static str,
        /// The id as given.
        id: RecordId,
    },
    /// A status that the collection does not have.
    #[error("status \"{status}\" desconhecido para {collection}; use um destes: {allowed}")]
    UnknownStatus {
        /// The collection's Portuguese name.
        collection: &'static str,
        /// The status as given.
        status: String,
        /// What may be given, separated by commas.
        allowed: String,
    },
    /// Another process took the record while we worked on it; nothing was stored.
    #[error("{collection} {id} passou a outro processo durante o trabalho; nada foi gravado")]
    ClaimLost {
        /// The collection's Portuguese name.
        collection: &'static str,
        /// The record.
        id: RecordId,
    },
    /// What was read back is not what was written; nothing was stored.
    #[error("{expected} linhas foram gravadas e {found} lidas de volta; nada foi mantido")]
    CountMismatch {
        /// Rows that should be there.
        expected: usize,
        /// Rows that were.
        found: usize,
    },
    /// The store was opened for reading.
    #[error("o armazenamento foi aberto só para leitura")]
    ReadOnly,
}

/// The classes of [`RecordsError`] that callers act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsErrorKind {
    /// The store cannot be reached or opened: nothing else will work either.
    Unavailable,
    /// It may work in a moment.
    Temporary,
    /// The store refuses the token.
    TokenRefused,
    /// This one record or file; others may work.
    Record,
}

impl RecordsError {
    /// A store that is elsewhere cannot be used at all.
    pub(super) fn unavailable(message: String) -> Self {
        Self::Backend {
            kind: RecordsErrorKind::Unavailable,
            message,
        }
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> RecordsErrorKind {
        match self {
            Self::Backend { kind, .. } => *kind,
            Self::NewerSchema { .. } | Self::Open { .. } | Self::Database(_) => {
                RecordsErrorKind::Unavailable
            }
            Self::Busy | Self::Interrupted => RecordsErrorKind::Temporary,
            Self::File { .. }
            | Self::TooLarge { .. }
            | Self::UnknownFile(_)
            | Self::UnknownRecord { .. }
            | Self::UnknownStatus { .. }
            | Self::ClaimLost { .. }
            | Self::CountMismatch { .. }
            | Self::ReadOnly => RecordsErrorKind::Record,
        }
    }
}

impl From<rusqlite::Error> for RecordsError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy
            }
            Some(rusqlite::ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Database(error.to_string()),
        }
    }
}
