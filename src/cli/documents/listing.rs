//! `listar` and `relatorio`: what the store holds, for eyes and for programs. Never writes to the store.

use std::io::Write;

use serde_json::Value;

use super::super::table;
use super::output::write_file;
use super::{CommandError, ListArgs, ListedCollection, ReportArgs};
use crate::records::{self, Access, Row, StoreSettings};

pub(super) fn list(
    arguments: &ListArgs,
    store: &StoreSettings,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut records = records::open(store, Access::ReadOnly)?;
    let one_more = arguments.limit.saturating_add(1);
    let mut rows = records.list(
        arguments.collection.listed(),
        arguments.parent.as_ref(),
        one_more,
    )?;
    let has_more = rows.len() > arguments.limit;
    rows.truncate(arguments.limit);
    if arguments.json {
        let rows: Vec<Value> = rows.into_iter().map(|row| Value::Object(row.0)).collect();
        writeln!(out, "{}", Value::Array(rows))?;
    } else {
        write_table(&rows, columns(arguments.collection), out)?;
    }
    if has_more {
        writeln!(
            err,
            "aviso: há mais registros; mostrados {} (use --limite)",
            arguments.limit
        )?;
    }
    Ok(())
}

/// The columns of a table: field and heading.
fn columns(collection: ListedCollection) -> &'static [(&'static str, &'static str)] {
    match collection {
        ListedCollection::Models => &[
            ("id", "id"),
            ("status", "status"),
            ("nome", "nome"),
            ("total_tags", "tags"),
            ("date_created", "criado em"),
            ("observacao", "observação"),
        ],
        ListedCollection::Contracts => &[
            ("id", "id"),
            ("numero", "número"),
            ("titulo", "título"),
            ("modelo_contrato", "modelo"),
            ("total_versoes", "versões"),
        ],
        ListedCollection::Versions => &[
            ("id", "id"),
            ("status", "status"),
            ("contrato", "contrato"),
            ("versao", "versão"),
            ("total_modificacoes", "modificações"),
            ("date_created", "criada em"),
            ("observacao", "observação"),
        ],
        ListedCollection::Tags => &[
            ("id", "id"),
            ("modelo_contrato", "modelo"),
            ("tag_nome", "tag"),
            ("conteudo", "conteúdo"),
        ],
        ListedCollection::Modifications => &[
            ("id", "id"),
            ("versao", "versão"),
            ("status", "status"),
            ("categoria", "categoria"),
            ("conteudo", "texto"),
            ("alteracao", "alteração"),
            ("clausula", "cláusula"),
            ("nota_analista", "nota"),
        ],
    }
}

fn write_table(
    rows: &[Row],
    columns: &[(&str, &str)],
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if rows.is_empty() {
        writeln!(out, "nenhum registro")?;
        return Ok(());
    }
    let heading: Vec<String> = columns
        .iter()
        .map(|(_, heading)| (*heading).to_owned())
        .collect();
    let body = rows.iter().map(|row| {
        columns
            .iter()
            .map(|(field, _)| table::cell(&row.text(field)))
            .collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(body).collect();
    Ok(table::write_table(&lines, out)?)
}

pub(super) fn report(
    arguments: &ReportArgs,
    store: &StoreSettings,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let version = &arguments.version;
    let stored = records::open(store, Access::ReadOnly)?.report(version)?;
    let Some(stored) = stored else {
        let reason = format!(
            "a versão {version} ainda não tem relatório; veja o status em: orquestrador listar versoes"
        );
        return Err(CommandError::File(reason));
    };
    let Some(path) = &arguments.output else {
        writeln!(out, "{}", stored.location)?;
        return Ok(());
    };
    write_file(path, &stored.bytes, out)?;
    if path.as_os_str() != "-" {
        writeln!(
            out,
            "relatório da versão {version} gravado em {}",
            path.display()
        )?;
    }
    Ok(())
}
