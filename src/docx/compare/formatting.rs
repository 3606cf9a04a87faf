//! Changes of formatting in text that stayed: a list of their own, apart from content.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::model::Paragraph;

/// Formatting of a stretch that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reformat {
    /// Bytes of the new paragraph; all of it for the paragraph's own properties.
    pub(super) new: Range<usize>,
    /// Key of the old formatting.
    pub(super) before: u64,
    /// Key of the new formatting.
    pub(super) after: u64,
}

/// Whether two paragraphs of the same text are formatted otherwise.
pub(super) fn differs(old: &Paragraph, new: &Paragraph) -> bool {
    old.format != new.format || !stretches(old, new, 0..old.text.len(), 0).is_empty()
}

/// The stretches of `range` (bytes of the old text) whose formatting changed; `start` is where the range begins in the
/// new text.
pub(super) fn stretches(
    old: &Paragraph,
    new: &Paragraph,
    range: Range<usize>,
    start: usize,
) -> Vec<Reformat> {
    let mut found: Vec<Reformat> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (Some(left), Some(right)) = (old.run_at(at), new.run_at(at - range.start + start))
        else {
            break;
        };
        let shift = at - range.start + start;
        let length =
            (left.end.min(range.end).saturating_sub(at)).min(right.end.saturating_sub(shift));
        if length == 0 {
            break;
        }
        if left.format != right.format {
            let is_same = |last: &&mut Reformat| {
                last.new.end == shift && last.before == left.format && last.after == right.format
            };
            match found.last_mut().filter(is_same) {
                Some(last) => last.new.end = shift + length,
                None => found.push(Reformat {
                    new: shift..shift + length,
                    before: left.format,
                    after: right.format,
                }),
            }
        }
        at += length;
    }
    found
}

/// What changed between two formattings, in Portuguese: `sem negrito → negrito`.
pub(super) fn describe(before: &str, after: &str) -> String {
    let (left, right) = (properties(before), properties(after));
    let mut changes = Vec::new();
    for (name, value) in &left {
        match right.get(name) {
            Some(other) if other == value => {}
            Some(other) => changes.push(format!("{} → {}", label(name, value), label(name, other))),
            None => changes.push(format!("{} → sem {}", label(name, value), title(name))),
        }
    }
    for (name, value) in &right {
        if !left.contains_key(name) {
            changes.push(format!("sem {} → {}", title(name), label(name, value)));
        }
    }
    changes.join("; ")
}

fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.split("; ")
        .filter(|property| !property.is_empty())
        .map(|property| property.split_once('=').unwrap_or((property, "")))
        .collect()
}

fn label(name: &str, value: &str) -> String {
    let title = title(name);
    match value {
        "" => title.to_owned(),
        "0" if is_switch(name) => format!("{title} desligado"),
        _ => format!("{title} {value}"),
    }
}

fn is_switch(name: &str) -> bool {
    matches!(
        name,
        "b" | "bCs" | "i" | "iCs" | "caps" | "smallCaps" | "strike" | "dstrike" | "vanish"
    )
}

/// The Portuguese name of a property (ECMA-376 part 1, 17.3); an unlisted one keeps its own.
fn title(name: &str) -> &str {
    match name {
        "b" | "bCs" => "negrito",
        "i" | "iCs" => "itálico",
        "u" => "sublinhado",
        "strike" | "dstrike" => "tachado",
        "caps" => "maiúsculas",
        "smallCaps" => "versalete",
        "vanish" => "oculto",
        "color" => "cor",
        "highlight" => "realce",
        "shd" => "sombreamento",
        "sz" | "szCs" => "tamanho",
        "rFonts" => "fonte",
        "vertAlign" => "posição",
        "rStyle" => "estilo de caractere",
        "pStyle" => "estilo",
        "jc" => "alinhamento",
        "ind" => "recuo",
        "spacing" => "espaçamento",
        "numPr" | "numId" | "ilvl" => "numeração",
        "keepNext" => "manter com o próximo",
        "pageBreakBefore" => "quebra de página antes",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_formatting_is_told_in_words() {
        assert_eq!(describe("", "b"), "sem negrito → negrito");
        assert_eq!(
            describe("b; color=FF0000", "b; color=00FF00"),
            "cor FF0000 → cor 00FF00"
        );
        assert_eq!(describe("i; u=single", "u=single"), "itálico → sem itálico");
    }
}
