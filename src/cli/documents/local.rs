//! `tags` and `comparar`: single files, no store. What is found wrong in a document is a result, not a failure.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::output::{file_name, read_document, write_file};
use super::{CommandError, CompareArgs, TagsArgs};
use crate::docx::compare::{Comparison, Modification, verify};
use crate::docx::model::FieldKind;
use crate::docx::tags::{Tag, Tags, extract, to_json};
use crate::docx::{self, Document};

pub(super) fn tags(arguments: &TagsArgs, out: &mut dyn Write) -> Result<(), CommandError> {
    let (_, document) = read_document(&arguments.file)?;
    let found = extract(&document);
    if arguments.json {
        writeln!(out, "{}", to_json(&found))?;
        return Ok(());
    }
    write_tags(&found, out)
}

fn write_tags(found: &Tags, out: &mut dyn Write) -> Result<(), CommandError> {
    let Tags {
        pairs,
        singles,
        fields,
        problems,
    } = found;
    for pair in pairs {
        writeln!(
            out,
            "{} = {} ({})",
            pair.name,
            pair.stored_content(),
            pair.path_start
        )?;
    }
    for Tag {
        name, path_start, ..
    } in singles
    {
        writeln!(out, "{name} (avulsa, {path_start})")?;
    }
    for field in fields {
        let kind = match field.kind {
            FieldKind::ContentControl => "controle de conteúdo",
            FieldKind::MergeField => "campo de mala direta",
        };
        writeln!(out, "{kind}: {}", field.name)?;
    }
    for problem in problems {
        let severity = problem.kind.severity().as_str();
        writeln!(
            out,
            "{severity}: {} ({}, parágrafo {})",
            problem.message, problem.part, problem.paragraph
        )?;
        writeln!(
            out,
            "    perto de \"{}\": {}",
            problem.nearby, problem.remedy
        )?;
    }
    let (pairs, singles, fields) = (pairs.len(), singles.len(), fields.len());
    writeln!(
        out,
        "{pairs} pares, {singles} avulsas, {fields} campos, {} problemas",
        problems.len()
    )?;
    Ok(())
}

pub(super) fn compare(
    arguments: &CompareArgs,
    out: &mut dyn Write,
    now: &dyn Fn() -> Timestamp,
) -> Result<(), CommandError> {
    let (_, old) = read_document(&arguments.old)?;
    let (_, new) = read_document(&arguments.new)?;
    let comparison = docx::compare(&old, &new);
    let report_to_stdout = arguments
        .output
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    if let Some(path) = &arguments.output {
        let html = render(
            (&arguments.old, &old),
            (&arguments.new, &new),
            &comparison,
            now(),
        );
        write_file(path, html.as_bytes(), out)?;
    }
    if arguments.json {
        writeln!(out, "{}", comparison_json(&comparison))?;
    } else if !report_to_stdout {
        write_comparison(&comparison, arguments.output.as_deref(), out)?;
    }
    if arguments.verify && !verify(&comparison.script, &old, &new) {
        let reason = "a verificação falhou: as modificações não levam de um documento ao outro";
        return Err(CommandError::Verification(reason.to_owned()));
    }
    if arguments.verify && !arguments.json && !report_to_stdout {
        writeln!(out, "verificado: aplicar dá o novo, desfazer dá o antigo")?;
    }
    Ok(())
}

fn comparison_json(comparison: &Comparison) -> serde_json::Value {
    json!({
        "modificacoes": comparison.modifications,
        "formatacao": comparison.formatting,
        "resumo": comparison.summary,
    })
}

fn write_comparison(
    comparison: &Comparison,
    report: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    for Modification {
        category,
        change,
        path,
        ..
    } in comparison
        .modifications
        .iter()
        .chain(&comparison.formatting)
    {
        writeln!(
            out,
            "{}: {} ({path})",
            category.as_str(),
            change.replace('\n', " ")
        )?;
    }
    let (content, formatting) = (comparison.modifications.len(), comparison.formatting.len());
    writeln!(
        out,
        "{content} modificações de conteúdo, {formatting} de formatação"
    )?;
    if let Some(path) = report {
        writeln!(out, "relatório: {}", path.display())?;
    }
    Ok(())
}

fn render(_: (&Path, &Document), _: (&Path, &Document), c: &Comparison, _: Timestamp) -> String {
    format!("<!doctype html>{}", c.modifications.len())
}
