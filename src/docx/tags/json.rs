//! The shape of `tags ARQUIVO --json`. Knows words of the users' interface, and nothing of how tags are found.

use serde_json::{Value, json};

use super::super::model::FieldKind;
use super::{Problem, Tag, Tags};

/// The tags of a document as the JSON that users read: `pares`, `avulsas`, `campos`, `problemas`.
#[must_use]
pub fn to_json(tags: &Tags) -> Value {
    json!({
        "pares": tags.pairs.iter().map(tag).collect::<Vec<_>>(),
        "avulsas": tags.singles.iter().map(tag).collect::<Vec<_>>(),
        "campos": tags.fields.iter().map(|field| {
            let kind = match field.kind {
                FieldKind::ContentControl => "sdt",
                FieldKind::MergeField => "MERGEFIELD",
            };
            json!({ "tipo": kind, "nome": field.name })
        }).collect::<Vec<_>>(),
        "problemas": tags.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn tag(tag: &Tag) -> Value {
    json!({
        "nome": tag.name,
        "conteudo": tag.stored_content(),
        "parte": tag.part,
        "caminho_inicio": tag.path_start,
        "caminho_fim": tag.path_end,
        "contexto": tag.context,
    })
}

fn problem(problem: &Problem) -> Value {
    json!({
        "tipo": problem.kind.as_str(),
        "gravidade": problem.kind.severity().as_str(),
        "mensagem": problem.message,
        "solucao": problem.remedy,
        "nome": problem.name,
        "parte": problem.part,
        "paragrafo": problem.paragraph,
        "caminho": problem.path,
        "trecho": problem.nearby,
    })
}
