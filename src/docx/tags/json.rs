//! The shape of `tags ARQUIVO --json`. Knows words of the users' interface, and nothing of how tags are found.

use serde::Serialize;

use super::super::model::{Field, FieldKind};
use super::{Problem, Tag, Tags};

/// The tags of a document as the JSON that users read: `pares`, `avulsas`, `campos`, `problemas`.
///
/// # Errors
///
/// What serde says; nothing here gives it a reason.
pub fn to_json(tags: &Tags) -> serde_json::Result<String> {
    serde_json::to_string(&TagsReport {
        pairs: tags.pairs.iter().map(TagReport::from).collect(),
        singles: tags.singles.iter().map(TagReport::from).collect(),
        fields: tags.fields.iter().map(FieldReport::from).collect(),
        problems: tags.problems.iter().map(ProblemReport::from).collect(),
    })
}

#[derive(Serialize)]
struct TagsReport<'a> {
    #[serde(rename = "pares")]
    pairs: Vec<TagReport<'a>>,
    #[serde(rename = "avulsas")]
    singles: Vec<TagReport<'a>>,
    #[serde(rename = "campos")]
    fields: Vec<FieldReport<'a>>,
    #[serde(rename = "problemas")]
    problems: Vec<ProblemReport<'a>>,
}

#[derive(Serialize)]
struct TagReport<'a> {
    #[serde(rename = "nome")]
    name: &'a str,
    #[serde(rename = "conteudo")]
    content: String,
    #[serde(rename = "parte")]
    part: &'a str,
    #[serde(rename = "caminho_inicio")]
    path_start: &'a str,
    #[serde(rename = "caminho_fim")]
    path_end: &'a str,
    #[serde(rename = "contexto")]
    context: &'a str,
}

impl<'a> From<&'a Tag> for TagReport<'a> {
    fn from(tag: &'a Tag) -> Self {
        Self {
            name: &tag.name,
            content: tag.stored_content(),
            part: &tag.part,
            path_start: &tag.path_start,
            path_end: &tag.path_end,
            context: &tag.context,
        }
    }
}

#[derive(Serialize)]
struct FieldReport<'a> {
    #[serde(rename = "tipo")]
    kind: &'static str,
    #[serde(rename = "nome")]
    name: &'a str,
}

impl<'a> From<&'a Field> for FieldReport<'a> {
    fn from(field: &'a Field) -> Self {
        let kind = match field.kind {
            FieldKind::ContentControl => "sdt",
            FieldKind::MergeField => "MERGEFIELD",
        };
        Self {
            kind,
            name: &field.name,
        }
    }
}

#[derive(Serialize)]
struct ProblemReport<'a> {
    #[serde(rename = "tipo")]
    kind: &'static str,
    #[serde(rename = "gravidade")]
    severity: &'static str,
    #[serde(rename = "mensagem")]
    message: &'a str,
    #[serde(rename = "solucao")]
    remedy: &'static str,
    #[serde(rename = "nome")]
    name: &'a str,
    #[serde(rename = "parte")]
    part: &'a str,
    #[serde(rename = "paragrafo")]
    paragraph: usize,
    #[serde(rename = "caminho")]
    path: &'a str,
    #[serde(rename = "trecho")]
    nearby: &'a str,
}

impl<'a> From<&'a Problem> for ProblemReport<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            kind: problem.kind.as_str(),
            severity: problem.kind.severity().as_str(),
            message: &problem.message,
            remedy: problem.remedy,
            name: &problem.name,
            part: &problem.part,
            paragraph: problem.paragraph,
            path: &problem.path,
            nearby: &problem.nearby,
        }
    }
}
