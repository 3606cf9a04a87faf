//! The tables of `registros.db`, and the refusal of a database that a newer program wrote. Knows no record.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::super::error::RecordsError;

/// The schema that this program writes, in `PRAGMA user_version`.
pub(super) const VERSION: i64 = 1;
/// How long a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to open a database that another process is creating.
const RETRY: Duration = Duration::from_millis(20);

const TABLES: &str = "
CREATE TABLE directus_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    filename_disk TEXT NOT NULL DEFAULT '',
    filename_download TEXT NOT NULL,
    type TEXT NOT NULL,
    filesize INTEGER NOT NULL,
    uploaded_on TEXT NOT NULL
);
CREATE TABLE modelo_contrato (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    status TEXT NOT NULL,
    nome TEXT NOT NULL DEFAULT '',
    versao TEXT NOT NULL DEFAULT '',
    date_created TEXT NOT NULL,
    date_updated TEXT,
    arquivo_original INTEGER REFERENCES directus_files(id) ON DELETE SET NULL,
    arquivo_com_tags INTEGER REFERENCES directus_files(id) ON DELETE SET NULL
);
CREATE TABLE modelo_contrato_tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    status TEXT NOT NULL,
    sort INTEGER NOT NULL,
    modelo_contrato INTEGER NOT NULL REFERENCES modelo_contrato(id) ON DELETE CASCADE,
    tag_nome TEXT NOT NULL,
    caminho_tag_inicio TEXT NOT NULL,
    caminho_tag_fim TEXT NOT NULL,
    conteudo TEXT NOT NULL,
    contexto TEXT NOT NULL DEFAULT '',
    posicao_inicio INTEGER NOT NULL DEFAULT 0,
    posicao_fim INTEGER NOT NULL DEFAULT 0,
    linha_aproximada INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX modelo_contrato_tag_modelo ON modelo_contrato_tag(modelo_contrato, sort);
CREATE TABLE clausula (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    numero TEXT NOT NULL DEFAULT '',
    nome TEXT NOT NULL DEFAULT '',
    conteudo TEXT NOT NULL DEFAULT '',
    modelo_contrato INTEGER NOT NULL REFERENCES modelo_contrato(id) ON DELETE CASCADE,
    tag INTEGER REFERENCES modelo_contrato_tag(id) ON DELETE SET NULL
);
CREATE INDEX clausula_modelo ON clausula(modelo_contrato);
CREATE TABLE contrato (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    numero TEXT NOT NULL DEFAULT '',
    titulo TEXT NOT NULL DEFAULT '',
    modelo_contrato INTEGER NOT NULL REFERENCES modelo_contrato(id)
);
CREATE TABLE versao (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    status TEXT NOT NULL,
    versao TEXT NOT NULL DEFAULT '',
    date_created TEXT NOT NULL,
    date_updated TEXT,
    contrato INTEGER NOT NULL REFERENCES contrato(id),
    arquivo INTEGER REFERENCES directus_files(id) ON DELETE SET NULL,
    modifica_arquivo INTEGER REFERENCES directus_files(id) ON DELETE SET NULL,
    relatorio_diff INTEGER REFERENCES directus_files(id) ON DELETE SET NULL,
    observacao TEXT NOT NULL DEFAULT ''
);
CREATE INDEX versao_contrato ON versao(contrato, date_created);
CREATE TABLE modificacao (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    status TEXT NOT NULL,
    sort INTEGER NOT NULL,
    versao INTEGER NOT NULL REFERENCES versao(id) ON DELETE CASCADE,
    categoria TEXT NOT NULL,
    clausula INTEGER REFERENCES clausula(id) ON DELETE SET NULL,
    conteudo TEXT NOT NULL DEFAULT '',
    alteracao TEXT NOT NULL DEFAULT '',
    nota_analista TEXT NOT NULL DEFAULT '',
    caminho_inicio TEXT NOT NULL DEFAULT '',
    caminho_fim TEXT NOT NULL DEFAULT ''
);
CREATE INDEX modificacao_versao ON modificacao(versao, sort);
CREATE TABLE tentativa (
    colecao TEXT NOT NULL,
    registro TEXT NOT NULL,
    tentativas INTEGER NOT NULL DEFAULT 0,
    motivo TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (colecao, registro)
);
";

/// Opens or creates the database for writing.
pub(in crate::records) fn open_for_writing(path: &Path) -> Result<Connection, RecordsError> {
    let mut connection = Connection::open(path).map_err(|error| refusal(path, error))?;
    prepare_patiently(&mut connection, path).map_err(|error| refine(path, error))?;
    Ok(connection)
}

/// Prepares the database, again and again while another process is doing so, for [`BUSY_TIMEOUT`] at least.
///
/// `SQLite` waits by itself for most locks, but not where it goes from reading to writing, as the change to WAL does:
/// there it answers at once that the database is busy.
fn prepare_patiently(connection: &mut Connection, path: &Path) -> Result<(), RecordsError> {
    for _ in 0..BUSY_TIMEOUT.as_millis() / RETRY.as_millis() {
        match prepare(connection, path) {
            Err(RecordsError::Busy) => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a process that reads no signals here; bounded above"
                )]
                std::thread::sleep(RETRY);
            }
            prepared => return prepared,
        }
    }
    prepare(connection, path)
}

/// Opens the database for reading; one that does not exist is an empty one in memory.
pub(in crate::records) fn open_for_reading(path: &Path) -> Result<Connection, RecordsError> {
    let is_there = path.try_exists().map_err(|error| RecordsError::Open {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    if !is_there {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "query_only", true)?;
        return Ok(connection);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| refusal(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found = version(&connection).map_err(|error| refusal(path, error))?;
    accept(path, found)?;
    if found == VERSION {
        return Ok(connection);
    }
    Err(RecordsError::Open {
        path: path.to_path_buf(),
        reason: "o banco ainda não foi criado por inteiro".to_owned(),
    })
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), RecordsError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    accept(path, version(connection)?)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A decision that was acknowledged is not lost when the power goes.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Two processes may create it at once: the second one waits here and finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    accept(path, found)?;
    if found == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn accept(path: &Path, found: i64) -> Result<(), RecordsError> {
    if found > VERSION {
        return Err(RecordsError::NewerSchema {
            path: path.to_path_buf(),
            found,
            known: VERSION,
        });
    }
    Ok(())
}

fn refusal(path: &Path, error: rusqlite::Error) -> RecordsError {
    refine(path, RecordsError::from(error))
}

/// While opening, an error of `SQLite` is about the file, so it names the file.
fn refine(path: &Path, error: RecordsError) -> RecordsError {
    let reason = match error {
        RecordsError::Database(reason) => reason,
        RecordsError::ReadOnly => "o arquivo ou o diretório não pode ser gravado".to_owned(),
        other => return other,
    };
    RecordsError::Open {
        path: path.to_path_buf(),
        reason,
    }
}
