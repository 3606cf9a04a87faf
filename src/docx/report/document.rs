//! The whole document with its changes marked: one row an edit, old on the left and new on the right.

use maud::{Markup, html};

use super::super::compare::{Edit, Op, Script, Side, Span, StoryEdit, line_text, readable};
use super::super::model::{Document, Paragraph, Story, StoryKind};
use super::{anchor, visible};

/// All stories.
pub(super) fn document(script: &Script, old: &Document, new: &Document) -> Markup {
    html! {
        section #documento {
            h2 { "Documento" }
            p.legenda {
                "Texto " del { "removido" } " aparece riscado; texto " ins { "incluído" } " aparece sublinhado. "
                "Cada linha alterada traz o nome da mudança."
            }
            @for (number, edit) in script.stories.iter().enumerate() {
                (story(number, edit, old, new))
            }
        }
    }
}

fn story(number: usize, edit: &StoryEdit, old: &Document, new: &Document) -> Markup {
    let left = edit.old.and_then(|index| old.stories.get(index));
    let right = edit.new.and_then(|index| new.stories.get(index));
    let Some(shown) = right.or(left) else {
        return html! {};
    };
    let state = match (left, right) {
        (None, _) => " (incluído)",
        (_, None) => " (removido)",
        _ => "",
    };
    html! {
        h3 { (heading(shown)) (state) }
        div.par.cabecalho aria-hidden="true" { div { "Antes" } div { "Depois" } }
        @for (index, found) in edit.edits.iter().enumerate() {
            (row(&anchor(number, index), found, left, right))
        }
    }
}

fn heading(story: &Story) -> String {
    let mut characters = story.kind.label().chars();
    let mut text: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    text.push_str(characters.as_str());
    if !story.id.is_empty() && story.kind != StoryKind::Comment {
        text.push(' ');
        text.push_str(&visible(&story.id));
    }
    if !story.author.is_empty() {
        text.push_str(" de ");
        text.push_str(&visible(&story.author));
    }
    text
}

fn row(id: &str, edit: &Edit, left: Option<&Story>, right: Option<&Story>) -> Markup {
    let nothing = html! {};
    let (name, before, after) = match edit {
        Edit::Equal { old, new } => ("", plain(left, *old), plain(right, *new)),
        Edit::Format { old, new } => ("Formatação", plain(left, *old), plain(right, *new)),
        Edit::Insert { new, text } => (
            "Incluído",
            nothing,
            html! { (marked(Op::Insert, text)) (context(right, *new)) },
        ),
        Edit::Delete { old, text } => (
            "Removido",
            html! { (marked(Op::Delete, text)) (context(left, *old)) },
            nothing,
        ),
        Edit::Modify { new, spans, .. } => {
            let after = html! { (side(spans, Op::Delete)) (context(right, *new)) };
            ("Modificado", side(spans, Op::Insert), after)
        }
        Edit::Split { spans, .. } => ("Dividido", side(spans, Op::Insert), side(spans, Op::Delete)),
        Edit::Merge { spans, .. } => ("Unido", side(spans, Op::Insert), side(spans, Op::Delete)),
        Edit::Move {
            side: Side::Departure,
            text,
            ..
        } => ("Movido daqui", marked(Op::Delete, text), nothing),
        Edit::Move {
            side: Side::Arrival,
            text,
            ..
        } => ("Movido para cá", nothing, marked(Op::Insert, text)),
        Edit::MoveModify {
            side: Side::Departure,
            spans,
            ..
        } => (
            "Movido daqui e modificado",
            side(spans, Op::Insert),
            nothing,
        ),
        Edit::MoveModify {
            side: Side::Arrival,
            spans,
            ..
        } => (
            "Movido para cá e modificado",
            nothing,
            side(spans, Op::Delete),
        ),
    };
    html! {
        div.par.mudou[!name.is_empty()] #(id) {
            @if !name.is_empty() { p.nome { (name) } }
            div.antes { (before) }
            div.depois { (after) }
        }
    }
}

/// A paragraph without marks.
fn plain(story: Option<&Story>, index: usize) -> Markup {
    let text = paragraph(story, index)
        .map(|found| visible(&readable(&line_text(found))))
        .unwrap_or_default();
    html! { (text) (context(story, index)) }
}

/// A line that is new or gone as a whole.
fn marked(op: Op, line: &str) -> Markup {
    let text = visible(&readable(line));
    match op {
        Op::Equal => html! { (text) },
        Op::Delete => html! { del { (text) } },
        Op::Insert => html! { ins { (text) } },
    }
}

fn paragraph(story: Option<&Story>, index: usize) -> Option<&Paragraph> {
    story?.paragraphs.get(index)
}

/// Spans without those of one kind.
fn side(spans: &[Span], without: Op) -> Markup {
    html! {
        @for span in spans.iter().filter(|span| span.op != without) {
            (marked(span.op, &span.text))
        }
    }
}

/// The cell in which a paragraph stands, and the addresses that it links to.
fn context(story: Option<&Story>, index: usize) -> Markup {
    let Some(found) = paragraph(story, index) else {
        return html! {};
    };
    html! {
        @if let Some(cell) = found.cells.last() {
            p.contexto { "tabela " (cell.table + 1) ", linha " (cell.row + 1) ", coluna " (cell.column + 1) }
        }
        @for link in &found.links {
            p.contexto {
                "link: "
                @if is_web(&link.target) {
                    a href=(link.target) rel="noopener noreferrer nofollow" { (visible(&link.target)) }
                } @else {
                    (visible(&link.target))
                }
            }
        }
    }
}

/// Only these become links: any other scheme could do more than open a page.
fn is_web(target: &str) -> bool {
    let scheme = target
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https" | "mailto"))
}
