//! The rows of a model's tags, replaced in one transaction and counted after. Keeps the ids of what did not change.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::error::RecordsError;
use super::super::matching::{EarlierTags, fold};
use super::super::values::{Claim, NewTag, StoredTags};
use super::super::vocabulary::Vocabulary;
use super::{queue, read_back};

/// The status of a tag's row; nobody decides anything about tags.
const TAG_STATUS: &str = "published";

pub(super) fn store_tags(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (claim, tags): (&Claim, &[NewTag]),
    now: Timestamp,
) -> Result<StoredTags, RecordsError> {
    let model = queue::finish(connection, vocabulary, claim, now)?;
    let mut earlier = read_earlier(connection, model)?;
    let mut stored = StoredTags::default();
    for (sort, (tag, (kept, is_same))) in (1_i64..).zip(tags.iter().zip(earlier.assign(tags))) {
        match (&kept, is_same) {
            (Some(_), true) => stored.kept += 1,
            (Some(_), false) => stored.updated += 1,
            (None, _) => stored.inserted += 1,
        }
        write_tag(connection, (model, kept), sort, tag)?;
    }
    for id in earlier.rest() {
        stored.removed +=
            connection.execute("DELETE FROM modelo_contrato_tag WHERE id = ?1", [id])?;
    }
    stored.linked_clauses = link_clauses(connection, model)?;
    let sql = "SELECT count(*) FROM modelo_contrato_tag WHERE modelo_contrato = ?1";
    stored.total = read_back(connection, sql, model, tags.len())?;
    Ok(stored)
}

fn read_earlier(connection: &Connection, model: i64) -> Result<EarlierTags<i64>, RecordsError> {
    let sql = "SELECT id, tag_nome, conteudo FROM modelo_contrato_tag WHERE modelo_contrato = ?1 ORDER BY sort, id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([model], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(EarlierTags::new(rows.collect::<Result<Vec<_>, _>>()?))
}

fn write_tag(
    connection: &Connection,
    (model, kept): (i64, Option<i64>),
    sort: i64,
    tag: &NewTag,
) -> Result<(), RecordsError> {
    let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO modelo_contrato_tag (id, status, sort, modelo_contrato, tag_nome, caminho_tag_inicio,
                 caminho_tag_fim, conteudo, contexto, posicao_inicio, posicao_fim, linha_aproximada)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET sort = excluded.sort, caminho_tag_inicio = excluded.caminho_tag_inicio,
                 caminho_tag_fim = excluded.caminho_tag_fim, conteudo = excluded.conteudo, contexto = excluded.contexto,
                 posicao_inicio = excluded.posicao_inicio, posicao_fim = excluded.posicao_fim,
                 linha_aproximada = excluded.linha_aproximada",
        )?
        .execute(params![
            kept,
            TAG_STATUS,
            sort,
            model,
            tag.name,
            tag.path_start,
            tag.path_end,
            tag.content,
            tag.context,
            count(tag.position_start),
            count(tag.position_end),
            count(tag.line),
        ])?;
    Ok(())
}

/// Points the clauses of this model, and of no other, at the first tag of their number or name.
fn link_clauses(connection: &Connection, model: i64) -> Result<usize, RecordsError> {
    let mut tags: HashMap<String, i64> = HashMap::new();
    let sql =
        "SELECT id, tag_nome FROM modelo_contrato_tag WHERE modelo_contrato = ?1 ORDER BY sort";
    let mut statement = connection.prepare(sql)?;
    for row in statement.query_map([model], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })? {
        let (id, name) = row?;
        tags.entry(fold(&name)).or_insert(id);
    }
    let mut statement =
        connection.prepare("SELECT id, numero, nome FROM clausula WHERE modelo_contrato = ?1")?;
    let rows = statement.query_map([model], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let clauses: Vec<(i64, String, String)> = rows.collect::<Result<_, _>>()?;
    let mut linked = 0;
    for (clause, number, name) in clauses {
        let found = tags.get(&fold(&number)).or_else(|| tags.get(&fold(&name)));
        if let Some(tag) = found {
            linked +=
                connection.execute("UPDATE clausula SET tag = ?1 WHERE id = ?2", [*tag, clause])?;
        }
    }
    Ok(linked)
}
