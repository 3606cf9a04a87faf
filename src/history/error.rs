//! Why the history cannot be used. The messages are for people, in Portuguese.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

/// What went wrong with the history.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file was written by a newer program.
    #[error("{} foi gravado por uma versão mais nova do orquestrador (esquema {found}; esta versão conhece até {known}); use a versão mais nova ou outro diretório de dados", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The newest that this program knows.
        known: usize,
    },
    /// `SQLite` refused something.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// A damaged file could not be given another name.
    #[error("o arquivo está corrompido e não pôde ser renomeado: {0}")]
    SetAside(io::Error),
    /// The file is not the one that was opened any more.
    #[error("o arquivo foi removido ou trocado")]
    Gone,
    /// Facts came faster than they could be written.
    #[error("a gravação está lenta demais; há fatos que se perdem")]
    Slow,
    /// What was written down makes no sense.
    #[error("{0}")]
    Unreadable(String),
}

impl HistoryError {
    /// The reason for people: the usual ones in their language.
    pub(super) fn words(&self) -> String {
        let Self::Database(database) = self else {
            return self.to_string();
        };
        let words = match database.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "o disco está cheio",
            Some(ErrorCode::ReadOnly) => "o arquivo ou o diretório só pode ser lido",
            Some(ErrorCode::CannotOpen) => "o arquivo não pode ser aberto",
            Some(ErrorCode::SystemIoFailure) => "erro de leitura ou gravação",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "o arquivo está ocupado por outro processo"
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                "o arquivo estava corrompido e foi posto de lado"
            }
            _ => return self.to_string(),
        };
        format!("{words} ({self})")
    }
}
