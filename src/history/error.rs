//! Why the history cannot be used. The messages are for people, in Portuguese.

use std::io;
use std::path::PathBuf;

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
