//! The rows of a version's modifications and the link to its report. Keeps ids and decisions of what did not change.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::error::RecordsError;
use super::super::matching::EarlierModifications;
use super::super::values::{Claim, NewModification, StoredComparison};
use super::super::vocabulary::{UNDECIDED, Vocabulary};
use super::{key, queue, read_back, stamp};

/// A file that lies on disk and has no row yet.
#[derive(Clone, Copy)]
pub(super) struct StoredFile<'a> {
    pub(super) name: &'a str,
    pub(super) size: usize,
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
    let mut earlier = earlier_modifications(connection, vocabulary, version)?;
    let mut stored = StoredComparison::default();
    for (sort, modification) in (1_i64..).zip(modifications) {
        let category = vocabulary.category(&modification.category);
        let same = earlier.take(modification, category);
        stored.kept += usize::from(same.is_some());
        write_modification(connection, (version, same), (sort, category), modification)?;
    }
    for id in earlier.rest() {
        stored.removed += connection.execute("DELETE FROM modificacao WHERE id = ?1", [id])?;
    }
    let sql = "SELECT count(*) FROM modificacao WHERE versao = ?1";
    stored.total = read_back(connection, sql, version, modifications.len())?;
    Ok((stored, replaced))
}

/// The rows that are there, by what they say.
fn earlier_modifications(
    connection: &Connection,
    vocabulary: &Vocabulary,
    version: i64,
) -> Result<EarlierModifications<i64>, RecordsError> {
    let sql = "SELECT id, categoria, conteudo, alteracao FROM modificacao WHERE versao = ?1 ORDER BY sort, id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([version], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            (row.get(1)?, row.get(2)?, row.get(3)?),
        ))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(EarlierModifications::new(vocabulary, rows))
}

fn write_modification(
    connection: &Connection,
    (version, same): (i64, Option<i64>),
    (sort, category): (i64, &str),
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
            category,
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
