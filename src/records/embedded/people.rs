//! What people put in and decide: imports and statuses set by hand.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::error::RecordsError;
use super::super::imports::{
    DOCX, Mark, Marked, NewClause, NewContract, NewFile, NewModel, NewVersion, marked,
};
use super::super::values::{Listed, RecordId};
use super::super::vocabulary::{Collection, Vocabulary};
use super::files::FileStore;
use super::{key, one, queue, stamp};

pub(super) fn import_model(
    connection: &Connection,
    files: &FileStore,
    (vocabulary, model): (&Vocabulary, &NewModel),
    now: Timestamp,
) -> Result<RecordId, RecordsError> {
    let original = store_file(connection, files, &model.original, now)?;
    let tagged = store_file(connection, files, &model.tagged, now)?;
    connection.execute(
        "INSERT INTO modelo_contrato (status, nome, date_created, date_updated, arquivo_original, arquivo_com_tags)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
        params![vocabulary.trigger, model.name, stamp(now), original, tagged],
    )?;
    Ok(last_id(connection))
}

pub(super) fn import_contract(
    connection: &Connection,
    contract: &NewContract,
) -> Result<RecordId, RecordsError> {
    let model = existing(connection, Listed::Models, &contract.model)?;
    connection.execute(
        "INSERT INTO contrato (numero, titulo, modelo_contrato) VALUES (?1, ?2, ?3)",
        params![contract.number, contract.title, model],
    )?;
    Ok(last_id(connection))
}

pub(super) fn import_version(
    connection: &Connection,
    files: &FileStore,
    (vocabulary, version): (&Vocabulary, &NewVersion),
    now: Timestamp,
) -> Result<RecordId, RecordsError> {
    let contract = existing(connection, Listed::Contracts, &version.contract)?;
    let sql = "SELECT count(*) + 1 FROM versao WHERE contrato = ?1";
    let next: i64 = connection.query_row(sql, [contract], |row| row.get(0))?;
    let file = store_file(connection, files, &version.file, now)?;
    let name = version.name.clone().unwrap_or_else(|| next.to_string());
    connection.execute(
        "INSERT INTO versao (status, versao, date_created, date_updated, contrato, arquivo)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
        params![vocabulary.trigger, name, stamp(now), contract, file],
    )?;
    Ok(last_id(connection))
}

pub(super) fn import_clause(
    connection: &Connection,
    clause: &NewClause,
) -> Result<RecordId, RecordsError> {
    let model = existing(connection, Listed::Models, &clause.model)?;
    connection.execute(
        "INSERT INTO clausula (numero, nome, conteudo, modelo_contrato) VALUES (?1, ?2, ?3, ?4)",
        params![clause.number, clause.name, clause.content, model],
    )?;
    Ok(last_id(connection))
}

pub(super) fn mark(
    connection: &Connection,
    vocabulary: &Vocabulary,
    mark: &Mark,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let (collection, word) = match marked(vocabulary, mark)? {
        Marked::State(collection, word) => (collection, word),
        Marked::Decision(decision) => return decide(connection, mark, decision),
    };
    let id = existing(connection, mark.listed, &mark.id)?;
    let sql = format!(
        "UPDATE {} SET status = ?1, date_updated = ?2 WHERE id = ?3",
        collection.as_str()
    );
    connection.execute(&sql, params![word, stamp(now), id])?;
    queue::forget(connection, collection, id)?;
    if let (Collection::Version, Some(note)) = (collection, &mark.note) {
        connection.execute(
            "UPDATE versao SET observacao = ?1 WHERE id = ?2",
            params![note, id],
        )?;
    }
    Ok(())
}

fn decide(connection: &Connection, mark: &Mark, decision: &str) -> Result<(), RecordsError> {
    let id = existing(connection, mark.listed, &mark.id)?;
    connection.execute(
        "UPDATE modificacao SET status = ?1, nota_analista = coalesce(?2, nota_analista) WHERE id = ?3",
        params![decision, mark.note, id],
    )?;
    Ok(())
}

/// Gives a file a row and, under the row's id, a place on disk. If the transaction ends without commit, the next file
/// of that id takes the place over.
fn store_file(
    connection: &Connection,
    files: &FileStore,
    file: &NewFile,
    now: Timestamp,
) -> Result<i64, RecordsError> {
    let size = i64::try_from(file.bytes.len()).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO directus_files (filename_download, type, filesize, uploaded_on) VALUES (?1, ?2, ?3, ?4)",
        params![file.name, DOCX, size, stamp(now)],
    )?;
    let id = connection.last_insert_rowid();
    let name = FileStore::document_name(id);
    files.write(&name, &file.bytes)?;
    connection.execute(
        "UPDATE directus_files SET filename_disk = ?1 WHERE id = ?2",
        params![name, id],
    )?;
    Ok(id)
}

/// The key of a record that must exist.
fn existing(connection: &Connection, listed: Listed, id: &RecordId) -> Result<i64, RecordsError> {
    let table = super::listing::table(listed);
    let sql = format!("SELECT id FROM {table} WHERE id = ?1");
    one(connection, (&sql, listed.label(), id), |row| row.get(0))
        .and_then(|_: i64| key(listed.label(), id))
}

fn last_id(connection: &Connection) -> RecordId {
    RecordId(connection.last_insert_rowid().to_string())
}
