//! What a processor found, stored in one transaction, counted after. Keeps ids and decisions of what did not change.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use unicode_normalization::UnicodeNormalization;

use super::super::error::RecordsError;
use super::super::values::{Claim, NewModification, NewTag, StoredComparison, StoredTags};
use super::super::vocabulary::{UNDECIDED, Vocabulary};
use super::{key, queue, stamp};

/// The status of a tag's row; nobody decides anything about tags.
const TAG_STATUS: &str = "published";

/// A file that lies on disk and has no row yet.
#[derive(Clone, Copy)]
pub(super) struct StoredFile<'a> {
    pub(super) name: &'a str,
    pub(super) size: usize,
}

pub(super) fn store_tags(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (claim, tags): (&Claim, &[NewTag]),
    now: Timestamp,
) -> Result<StoredTags, RecordsError> {
    let model = queue::finish(connection, vocabulary, claim, now)?;
    let mut earlier = EarlierTags::read(connection, model)?;
    let mut stored = StoredTags::default();
    // Tags that are wholly the same take their rows first; a changed one must not take the row of an unchanged one.
    let same: Vec<Option<i64>> = tags.iter().map(|tag| earlier.take_same(tag)).collect();
    for (sort, (tag, same)) in (1_i64..).zip(tags.iter().zip(same)) {
        let kept = same.or_else(|| earlier.take_named(&tag.name));
        match (same, kept) {
            (Some(_), _) => stored.kept += 1,
            (None, Some(_)) => stored.updated += 1,
            (None, None) => stored.inserted += 1,
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

/// The rows of a model's tags before this run, taken one by one.
struct EarlierTags {
    by_content: HashMap<(String, String), VecDeque<i64>>,
    by_name: HashMap<String, VecDeque<i64>>,
    taken: HashMap<i64, bool>,
}

impl EarlierTags {
    fn read(connection: &Connection, model: i64) -> Result<Self, RecordsError> {
        let mut earlier = Self {
            by_content: HashMap::new(),
            by_name: HashMap::new(),
            taken: HashMap::new(),
        };
        let sql = "SELECT id, tag_nome, conteudo FROM modelo_contrato_tag WHERE modelo_contrato = ?1 ORDER BY sort, id";
        let mut statement = connection.prepare(sql)?;
        let rows =
            statement.query_map([model], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for row in rows {
            let (id, name, content): (i64, String, String) = row?;
            earlier
                .by_name
                .entry(name.clone())
                .or_default()
                .push_back(id);
            earlier
                .by_content
                .entry((name, content))
                .or_default()
                .push_back(id);
            earlier.taken.insert(id, false);
        }
        Ok(earlier)
    }

    fn take_same(&mut self, tag: &NewTag) -> Option<i64> {
        let id = self
            .by_content
            .get_mut(&(tag.name.clone(), tag.content.clone()))?
            .pop_front()?;
        self.taken.insert(id, true);
        Some(id)
    }

    fn take_named(&mut self, name: &str) -> Option<i64> {
        let ids = self.by_name.get_mut(name)?;
        while let Some(id) = ids.pop_front() {
            if self.taken.insert(id, true) == Some(false) {
                return Some(id);
            }
        }
        None
    }

    fn rest(&self) -> Vec<i64> {
        self.taken
            .iter()
            .filter(|(_, taken)| !**taken)
            .map(|(id, _)| *id)
            .collect()
    }
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

/// A clause's number or name in the form in which tags are stored.
fn fold(name: &str) -> String {
    let name: String = name.trim().nfc().collect::<String>().to_lowercase();
    name.strip_prefix("tag-").unwrap_or(&name).to_owned()
}

/// Stores rows and status; returns also the name on disk of the report that was replaced.
pub(super) fn store_comparison(
    connection: &Connection,
    vocabulary: &Vocabulary,
    (claim, modifications, report): (&Claim, &[NewModification], StoredFile<'_>),
    now: Timestamp,
) -> Result<(StoredComparison, Option<String>), RecordsError> {
    let version = queue::finish(connection, vocabulary, claim, now)?;
    let replaced = link_report(connection, version, report, now)?;
    let mut earlier = earlier_modifications(connection, version)?;
    let mut stored = StoredComparison::default();
    for (sort, modification) in (1_i64..).zip(modifications) {
        let same = earlier
            .get_mut(&identity(modification))
            .and_then(VecDeque::pop_front);
        stored.kept += usize::from(same.is_some());
        write_modification(connection, (version, same), sort, modification)?;
    }
    for id in earlier.into_values().flatten() {
        stored.removed += connection.execute("DELETE FROM modificacao WHERE id = ?1", [id])?;
    }
    let sql = "SELECT count(*) FROM modificacao WHERE versao = ?1";
    stored.total = read_back(connection, sql, version, modifications.len())?;
    Ok((stored, replaced))
}

type Identity = (String, String, String);

fn identity(modification: &NewModification) -> Identity {
    (
        modification.category.clone(),
        modification.content.clone(),
        modification.change.clone(),
    )
}

fn earlier_modifications(
    connection: &Connection,
    version: i64,
) -> Result<HashMap<Identity, VecDeque<i64>>, RecordsError> {
    let sql = "SELECT id, categoria, conteudo, alteracao FROM modificacao WHERE versao = ?1 ORDER BY sort, id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([version], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            (row.get(1)?, row.get(2)?, row.get(3)?),
        ))
    })?;
    let mut earlier: HashMap<Identity, VecDeque<i64>> = HashMap::new();
    for row in rows {
        let (id, identity) = row?;
        earlier.entry(identity).or_default().push_back(id);
    }
    Ok(earlier)
}

fn write_modification(
    connection: &Connection,
    (version, same): (i64, Option<i64>),
    sort: i64,
    modification: &NewModification,
) -> Result<(), RecordsError> {
    let clause = modification
        .clause
        .as_ref()
        .map(|clause| key("cláusula", clause))
        .transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO modificacao (id, status, sort, versao, categoria, clausula, conteudo, alteracao,
                 caminho_inicio, caminho_fim)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET sort = excluded.sort, caminho_inicio = excluded.caminho_inicio,
                 caminho_fim = excluded.caminho_fim, clausula = coalesce(clausula, excluded.clausula)",
        )?
        .execute(params![
            same,
            UNDECIDED,
            sort,
            version,
            modification.category,
            clause,
            modification.content,
            modification.change,
            modification.path_start,
            modification.path_end,
        ])?;
    Ok(())
}

/// Gives the report a row, links it, and forgets the one before; returns that one's name on disk.
fn link_report(
    connection: &Connection,
    version: i64,
    report: StoredFile<'_>,
    now: Timestamp,
) -> Result<Option<String>, RecordsError> {
    let old: Option<(i64, String)> = connection
        .query_row(
            "SELECT f.id, f.filename_disk FROM versao v LEFT JOIN directus_files f ON f.id = v.relatorio_diff
             WHERE v.id = ?1",
            [version],
            |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<String>>(1)?)),
        )?;
    let size = i64::try_from(report.size).unwrap_or(i64::MAX);
    let download = report
        .name
        .rsplit_once('/')
        .map_or(report.name, |(_, name)| name);
    connection.execute(
        "INSERT INTO directus_files (filename_disk, filename_download, type, filesize, uploaded_on)
         VALUES (?1, ?2, 'text/html', ?3, ?4)",
        params![report.name, download, size, stamp(now)],
    )?;
    let file = connection.last_insert_rowid();
    connection.execute(
        "UPDATE versao SET relatorio_diff = ?1 WHERE id = ?2",
        [file, version],
    )?;
    let Some((old_id, old_name)) = old else {
        return Ok(None);
    };
    connection.execute("DELETE FROM directus_files WHERE id = ?1", [old_id])?;
    Ok(Some(old_name))
}

/// What was stored is counted where it lies; a difference rolls the whole transaction back.
fn read_back(
    connection: &Connection,
    sql: &str,
    id: i64,
    expected: usize,
) -> Result<usize, RecordsError> {
    let found: i64 = connection.query_row(sql, [id], |row| row.get(0))?;
    let found = usize::try_from(found).unwrap_or_default();
    if found == expected {
        Ok(found)
    } else {
        Err(RecordsError::CountMismatch { expected, found })
    }
}
