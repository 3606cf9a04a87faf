//! Tries and reasons of a record that is processed. Knows where each collection keeps them, and no status.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::RecordsError;
use super::super::observation::Observation;
use super::super::vocabulary::Collection;

/// Tries and reasons of a record: in `observacao` where the collection has it, else in a table of our own.
pub(super) fn read(
    connection: &Connection,
    collection: Collection,
    number: i64,
) -> Result<Observation, RecordsError> {
    if collection == Collection::Version {
        let sql = "SELECT observacao FROM versao WHERE id = ?1";
        let observation: String = connection.query_row(sql, [number], |row| row.get(0))?;
        return Ok(Observation::read(&observation));
    }
    read_kept(connection, (collection.as_str(), &number.to_string()))
}

pub(super) fn write(
    connection: &Connection,
    (collection, number): (Collection, i64),
    observation: &Observation,
) -> Result<(), RecordsError> {
    if collection == Collection::Version {
        connection.execute(
            "UPDATE versao SET observacao = ?1 WHERE id = ?2",
            params![observation.written(), number],
        )?;
        return Ok(());
    }
    let key = (collection.as_str(), number.to_string());
    write_kept(connection, (key.0, &key.1), observation)
}

/// What our own table keeps of a record of a collection.
pub(in crate::records) fn read_kept(
    connection: &Connection,
    (collection, id): (&str, &str),
) -> Result<Observation, RecordsError> {
    let sql = "SELECT motivo, tentativas FROM tentativa WHERE colecao = ?1 AND registro = ?2";
    let found = connection.query_row(sql, params![collection, id], |row| {
        Ok(Observation {
            text: row.get(0)?,
            tries: row.get(1)?,
            holder: None,
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

pub(in crate::records) fn write_kept(
    connection: &Connection,
    (collection, id): (&str, &str),
    observation: &Observation,
) -> Result<(), RecordsError> {
    connection.execute(
        "INSERT INTO tentativa (colecao, registro, tentativas, motivo) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (colecao, registro) DO UPDATE SET tentativas = excluded.tentativas, motivo = excluded.motivo",
        params![collection, id, observation.tries, observation.text],
    )?;
    Ok(())
}
