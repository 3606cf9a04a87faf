//! `tags` and `comparar`: single files, no store. What is found wrong in a document is a result, not a failure.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::output::{file_name, read_until, write_file};
use super::{CommandError, CompareArgs, Surroundings, TagsArgs};
use crate::docx::compare::{Comparison, Modification, verify};
use crate::docx::model::FieldKind;
use crate::docx::report::{self, Header};
use crate::docx::tags::{Problem, Tags, extract, to_json};
use crate::docx::{Document, compare_until};

pub(super) fn tags(
    arguments: &TagsArgs,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let document = read(&arguments.file, (around, &around.stopwatch()), err)?;
    let found = extract(&document);
    if arguments.json {
        let text = to_json(&found).map_err(io::Error::from)?;
        return Ok(writeln!(out, "{text}")?);
    }
    write_tags(&found, out)
}

fn write_tags(found: &Tags, out: &mut dyn Write) -> Result<(), CommandError> {
    for pair in &found.pairs {
        let (name, content, path) = (&pair.name, pair.stored_content(), &pair.path_start);
        writeln!(out, "{name} = {content} ({path})")?;
    }
    for single in &found.singles {
        writeln!(out, "{} (avulsa, {})", single.name, single.path_start)?;
    }
    for field in &found.fields {
        let kind = match field.kind {
            FieldKind::ContentControl => "controle de conteúdo",
            FieldKind::MergeField => "campo de mala direta",
        };
        writeln!(out, "{kind}: {}", field.name)?;
    }
    for problem in &found.problems {
        write_problem(problem, out)?;
    }
    let (pairs, singles) = (found.pairs.len(), found.singles.len());
    let (fields, problems) = (found.fields.len(), found.problems.len());
    writeln!(
        out,
        "pares: {pairs}, avulsas: {singles}, campos: {fields}, problemas: {problems}"
    )?;
    Ok(())
}

fn write_problem(problem: &Problem, out: &mut dyn Write) -> Result<(), CommandError> {
    let (severity, message) = (problem.kind.severity().as_str(), &problem.message);
    writeln!(
        out,
        "{severity}: {message} ({}, parágrafo {})",
        problem.part, problem.paragraph
    )?;
    writeln!(
        out,
        "    perto de \"{}\": {}",
        problem.nearby, problem.remedy
    )?;
    Ok(())
}

pub(super) fn compare(
    arguments: &CompareArgs,
    around: &Surroundings<'_>,
    (out, err): (&mut dyn Write, &mut dyn Write),
) -> Result<(), CommandError> {
    let is_over = around.stopwatch();
    let old = read(&arguments.old, (around, &is_over), err)?;
    let new = read(&arguments.new, (around, &is_over), err)?;
    let comparison = compare_until(&old, &new, around.limits, &is_over)
        .map_err(|error| CommandError::File(error.to_string()))?;
    let report_to_stdout = arguments
        .output
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    if let Some(path) = &arguments.output {
        let html = report::render(
            &comparison,
            (&old, &new),
            &header(arguments, around.now()),
            &[],
        );
        write_file(path, html.as_bytes(), out)?;
    }
    if arguments.json {
        // In one piece: standard output looks for line ends in each.
        let text = comparison_json(&comparison).to_string();
        writeln!(out, "{text}")?;
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

/// Reads a document and tells what in it is not read or followed.
fn read(
    path: &Path,
    (around, is_over): (&Surroundings<'_>, &dyn Fn() -> bool),
    err: &mut dyn Write,
) -> Result<Document, CommandError> {
    let (_, document) = read_until(path, around, is_over)?;
    for warning in &document.warnings {
        writeln!(err, "aviso: {}: {}", path.display(), warning.message())?;
    }
    Ok(document)
}

fn header(arguments: &CompareArgs, now: Timestamp) -> Header {
    let (old_name, new_name) = (file_name(&arguments.old), file_name(&arguments.new));
    let generated_at = now
        .to_zoned(TimeZone::system())
        .strftime("%d/%m/%Y %H:%M:%S %Z")
        .to_string();
    Header {
        title: format!("{old_name} e {new_name}"),
        old_name,
        new_name,
        generated_at,
        ..Header::default()
    }
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
        "modificações de conteúdo: {content}, de formatação: {formatting}"
    )?;
    if let Some(path) = report {
        writeln!(out, "relatório: {}", path.display())?;
    }
    Ok(())
}
