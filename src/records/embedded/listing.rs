//! What is read: rows for people, files, and the neighbours of a record that a processor needs.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use super::super::error::RecordsError;
use super::super::values::{
    Base, BaseKind, FileId, Listed, RecordId, Row, StoredClause, StoredReport,
};
use super::super::vocabulary::{State, Vocabulary};
use super::files::FileStore;
use super::{key, one};

/// The largest report that is read back, in bytes.
const REPORT_LIMIT: u64 = 1024 * 1024 * 1024;

/// The table of a collection.
pub(super) fn table(listed: Listed) -> &'static str {
    match listed {
        Listed::Models => "modelo_contrato",
        Listed::Contracts => "contrato",
        Listed::Versions => "versao",
        Listed::Tags => "modelo_contrato_tag",
        Listed::Modifications => "modificacao",
        Listed::Clauses => "clausula",
    }
}

/// Columns beside the table's own, and the column of the parent.
fn shape(listed: Listed) -> (&'static str, &'static str) {
    match listed {
        Listed::Models => (
            ", (SELECT count(*) FROM modelo_contrato_tag t WHERE t.modelo_contrato = r.id) AS total_tags,
               coalesce((SELECT motivo FROM tentativa t WHERE t.colecao = 'modelo_contrato' AND t.registro = r.id), '')
               AS observacao",
            "id",
        ),
        Listed::Contracts => {
            (", (SELECT count(*) FROM versao v WHERE v.contrato = r.id) AS total_versoes", "modelo_contrato")
        }
        Listed::Versions => {
            (", (SELECT count(*) FROM modificacao m WHERE m.versao = r.id) AS total_modificacoes", "contrato")
        }
        Listed::Tags | Listed::Clauses => ("", "modelo_contrato"),
        Listed::Modifications => ("", "versao"),
    }
}

pub(super) fn list(
    connection: &Connection,
    listed: Listed,
    parent: Option<&RecordId>,
    limit: usize,
) -> Result<Vec<Row>, RecordsError> {
    let (more, parent_column) = shape(listed);
    // Results keep the order of the document; of the others, the newest comes first.
    let order = match listed {
        Listed::Tags | Listed::Modifications => format!("r.{parent_column} DESC, r.sort"),
        Listed::Models | Listed::Contracts | Listed::Versions | Listed::Clauses => {
            "r.id DESC".to_owned()
        }
    };
    let parent = parent.map(|id| key("registro", id)).transpose()?;
    let sql = format!(
        "SELECT r.*{more} FROM {} r WHERE ?1 IS NULL OR r.{parent_column} = ?1 ORDER BY {order} LIMIT ?2",
        table(listed)
    );
    let mut statement = connection.prepare(&sql)?;
    let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![parent, limit], |row| read_row(row, &names))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_row(row: &rusqlite::Row<'_>, names: &[String]) -> rusqlite::Result<Row> {
    let mut fields = Map::new();
    for (index, name) in names.iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Real(number) => Value::from(number),
            ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text)),
            ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        };
        fields.insert(name.clone(), value);
    }
    Ok(Row(fields))
}

pub(super) fn read_file(
    connection: &Connection,
    files: &FileStore,
    id: &FileId,
    limit: u64,
) -> Result<Vec<u8>, RecordsError> {
    let unknown = || RecordsError::UnknownFile(id.clone());
    let number: i64 = id.0.parse().map_err(|_| unknown())?;
    let sql = "SELECT filename_disk FROM directus_files WHERE id = ?1";
    let name: Option<String> = connection
        .query_row(sql, [number], |row| row.get(0))
        .optional()?;
    files.read(&name.ok_or_else(unknown)?, limit)
}

pub(super) fn base_of(connection: &Connection, version: &RecordId) -> Result<Base, RecordsError> {
    let earlier = connection
        .query_row(
            "SELECT e.id, e.versao, e.arquivo, e.date_created FROM versao e JOIN versao v ON v.contrato = e.contrato
             WHERE v.id = ?1 AND (e.date_created, e.id) < (v.date_created, v.id)
             ORDER BY e.date_created DESC, e.id DESC LIMIT 1",
            [key("versão", version)?],
            |row| read_base(row, BaseKind::Version),
        )
        .optional()?;
    if let Some(base) = earlier {
        return Ok(base);
    }
    let sql =
        "SELECT m.id, m.nome, m.arquivo_original, m.date_created FROM versao v JOIN contrato c ON c.id = v.contrato
               JOIN modelo_contrato m ON m.id = c.modelo_contrato WHERE v.id = ?1";
    one(connection, (sql, "versão", version), |row| {
        read_base(row, BaseKind::Model)
    })
}

fn read_base(row: &rusqlite::Row<'_>, kind: BaseKind) -> rusqlite::Result<Base> {
    Ok(Base {
        kind,
        id: RecordId(row.get::<_, i64>(0)?.to_string()),
        name: row.get(1)?,
        file: row
            .get::<_, Option<i64>>(2)?
            .map(|file| FileId(file.to_string())),
        created: row.get(3)?,
    })
}

pub(super) fn clauses_of(
    connection: &Connection,
    version: &RecordId,
) -> Result<Vec<StoredClause>, RecordsError> {
    let mut statement = connection.prepare(
        "SELECT k.id, k.numero, k.nome, coalesce(nullif(k.conteudo, ''), t.conteudo, '')
         FROM versao v JOIN contrato c ON c.id = v.contrato JOIN clausula k ON k.modelo_contrato = c.modelo_contrato
         LEFT JOIN modelo_contrato_tag t ON t.id = k.tag WHERE v.id = ?1 ORDER BY k.id",
    )?;
    let rows = statement.query_map([key("versão", version)?], |row| {
        Ok(StoredClause {
            id: RecordId(row.get::<_, i64>(0)?.to_string()),
            number: row.get(1)?,
            name: row.get(2)?,
            content: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn model_of_contract(
    connection: &Connection,
    vocabulary: &Vocabulary,
    contract: &RecordId,
) -> Result<(RecordId, State), RecordsError> {
    let sql = "SELECT m.id, m.status FROM contrato c JOIN modelo_contrato m ON m.id = c.modelo_contrato WHERE c.id = ?1";
    one(connection, (sql, "contrato", contract), |row| {
        let status: String = row.get(1)?;
        Ok((
            RecordId(row.get::<_, i64>(0)?.to_string()),
            vocabulary.read(&status),
        ))
    })
}

pub(super) fn report(
    connection: &Connection,
    files: &FileStore,
    version: &RecordId,
) -> Result<Option<StoredReport>, RecordsError> {
    let sql = "SELECT f.filename_disk, f.filename_download FROM versao v
               LEFT JOIN directus_files f ON f.id = v.relatorio_diff WHERE v.id = ?1";
    let (disk, name) = one(connection, (sql, "versão", version), |row| {
        Ok((
            row.get::<_, Option<String>>(0)?,
            row.get::<_, Option<String>>(1)?,
        ))
    })?;
    let Some((disk, name)) = disk.zip(name) else {
        return Ok(None);
    };
    let bytes = files.read(&disk, REPORT_LIMIT)?;
    Ok(Some(StoredReport {
        name,
        location: files.shown(&disk),
        bytes,
    }))
}

pub(super) fn is_empty(connection: &Connection) -> Result<bool, RecordsError> {
    let sql =
        "SELECT NOT (EXISTS (SELECT 1 FROM modelo_contrato) OR EXISTS (SELECT 1 FROM contrato)
               OR EXISTS (SELECT 1 FROM versao))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}
