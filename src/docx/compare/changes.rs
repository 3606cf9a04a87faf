//! The spans of a rewritten paragraph as changes that a person would tell apart, each with its sentence.

use super::super::model::Document;
use super::script::{Edit, Op, Script, Side, Span};
use super::tokens::{MARK, OBJECT, line_text, readable};

/// Hunks with fewer equal words than this between them are one change.
const NEAR: usize = 3;
/// A paragraph with more changes than this is listed as one.
const MANY: usize = 200;
/// Bytes of context after which no further stretch is added.
const LONG: usize = 2_000;

/// One change within a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: String,
    pub(super) after: String,
    /// The new text of the sentences that it touches.
    pub(super) sentence: String,
    /// Byte offsets into the new paragraph.
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many paragraph marks of the new side stand before it.
    pub(super) marks: usize,
}

impl Change {
    /// The change as words before and after.
    pub(super) fn told(&self) -> String {
        match (self.before.trim().is_empty(), self.after.trim().is_empty()) {
            (true, true) => format!("\"{}\" → \"{}\" (espaços)", self.before, self.after),
            (true, false) => format!("incluído: \"{}\"", self.after.trim()),
            (false, true) => format!("removido: \"{}\"", self.before.trim()),
            (false, false) => format!("\"{}\" → \"{}\"", self.before.trim(), self.after.trim()),
        }
    }

    /// All of a paragraph as one change.
    pub(super) fn whole(spans: &[Span]) -> Self {
        change(spans, 0, spans.len())
    }
}

/// The changes in spans, in order; a paragraph with very many is one change.
pub(super) fn changes(spans: &[Span]) -> Vec<Change> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        if span.op == Op::Equal {
            continue;
        }
        match found.last_mut() {
            Some(last) if is_near(spans, last.1, index) => last.1 = index + 1,
            _ => found.push((index, index + 1)),
        }
    }
    if found.len() > MANY {
        return vec![Change::whole(spans)];
    }
    found
        .into_iter()
        .map(|(first, end)| change(spans, first, end))
        .collect()
}

/// Whether what is equal between two changed stretches is too little to tell them apart.
fn is_near(spans: &[Span], end: usize, next: usize) -> bool {
    let between: String = spans
        .get(end..next)
        .unwrap_or_default()
        .iter()
        .map(|span| span.text.as_str())
        .collect();
    if between.is_empty() {
        return true;
    }
    if sentence_end(&between).is_some() || between.contains(MARK) {
        return false;
    }
    let equal = words(&between);
    equal < NEAR
        || 4 * equal <= twice_changed(spans, end.wrapping_sub(1)) + twice_changed(spans, next)
}

/// The words of the changed stretch that a span belongs to, both sides; of a stretch on one side only, twice.
fn twice_changed(spans: &[Span], index: usize) -> usize {
    let is_changed = |span: &&Span| span.op != Op::Equal;
    let count = |span: Option<&Span>| span.filter(is_changed).map(|span| words(&span.text));
    let beside = count(index.checked_sub(1).and_then(|before| spans.get(before)))
        .or_else(|| count(spans.get(index + 1)));
    let own = count(spans.get(index)).unwrap_or(0);
    own + beside.unwrap_or(own)
}

fn words(text: &str) -> usize {
    text.split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .count()
}

fn change(spans: &[Span], first: usize, end: usize) -> Change {
    let inner = spans.get(first..end).unwrap_or_default();
    let side = |without: Op| -> String {
        inner
            .iter()
            .filter(|span| span.op != without)
            .map(|span| span.text.as_str())
            .collect()
    };
    let (before, after) = (side(Op::Insert), side(Op::Delete));
    let start = inner.first().map_or(0, |span| span.new);
    let sentence = format!("{}{after}{}", opening(spans, first), closing(spans, end));
    let length: usize = after.split(OBJECT).step_by(2).map(str::len).sum();
    let is_new = |span: &&Span| span.op != Op::Delete;
    let head = spans.iter().take(first).filter(is_new);
    Change {
        before: readable(&before),
        after: readable(&after),
        sentence: readable(&sentence).trim().to_owned(),
        start,
        end: start + length,
        marks: head.map(|span| span.text.matches(MARK).count()).sum(),
    }
}

/// The new text of the sentence before a change.
fn opening(spans: &[Span], first: usize) -> String {
    let mut pieces = Vec::new();
    let mut length = 0;
    for span in spans
        .iter()
        .take(first)
        .rev()
        .filter(|span| span.op != Op::Delete)
    {
        let piece = last_sentence(&span.text);
        pieces.push(piece);
        length += piece.len();
        if piece.len() < span.text.len() || length > LONG {
            break;
        }
    }
    pieces.reverse();
    pieces.concat()
}

/// The new text of the sentence after a change.
fn closing(spans: &[Span], end: usize) -> String {
    let mut text = String::new();
    for span in spans.iter().skip(end).filter(|span| span.op != Op::Delete) {
        let stop = sentence_end(&span.text);
        text.push_str(
            span.text
                .get(..stop.unwrap_or(span.text.len()))
                .unwrap_or_default(),
        );
        if stop.is_some() || text.len() > LONG {
            break;
        }
    }
    text
}

/// The beginning of the sentence in which a text ends.
fn last_sentence(text: &str) -> &str {
    let mut rest = text;
    while let Some(end) = sentence_end(rest) {
        let after = rest.get(end..).unwrap_or_default();
        if after.is_empty() && !rest.ends_with(char::is_whitespace) {
            break;
        }
        rest = after;
    }
    rest
}

/// Where the first sentence of a text ends: past the white space after its mark.
///
/// A full stop ends one only before a capital letter, and not after an abbreviation (`art. 5`, `Sr. João`).
fn sentence_end(text: &str) -> Option<usize> {
    let mut word = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        let after = index + character.len_utf8();
        let rest = characters.as_str();
        if MARK.starts_with(character) || character == '\n' {
            return Some(after);
        }
        if rest.is_empty() && matches!(character, '.' | ';' | '!' | '?') {
            return Some(text.len());
        }
        let space = rest
            .chars()
            .next()
            .filter(|next| next.is_whitespace())
            .map_or(0, char::len_utf8);
        let ends = match character {
            ';' | '!' | '?' => true,
            '.' => {
                !is_abbreviation(&word)
                    && rest
                        .trim_start()
                        .chars()
                        .next()
                        .is_none_or(|next| !next.is_lowercase())
            }
            _ => false,
        };
        if ends && space > 0 {
            return Some(after + space);
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        } else {
            word.clear();
        }
    }
    None
}

fn is_abbreviation(word: &str) -> bool {
    matches!(
        word,
        "art"
            | "arts"
            | "sr"
            | "sra"
            | "srs"
            | "dr"
            | "dra"
            | "n"
            | "nº"
            | "inc"
            | "al"
            | "cf"
            | "fl"
            | "fls"
            | "p"
            | "pp"
    )
}

/// How much of both documents' text is in equal stretches, in thousandths. Two empty documents are equal.
pub(super) fn likeness(script: &Script, old: &Document, new: &Document) -> u32 {
    let size = |document: &Document| -> usize {
        document
            .stories
            .iter()
            .flat_map(|story| &story.paragraphs)
            .map(|paragraph| line_text(paragraph).len())
            .sum()
    };
    let total = size(old) + size(new);
    let mut equal = 0;
    for story in &script.stories {
        for edit in &story.edits {
            equal += match edit {
                Edit::Equal { old: index, .. } | Edit::Format { old: index, .. } => {
                    let read = story.old.and_then(|number| old.stories.get(number));
                    read.and_then(|read| read.paragraphs.get(*index))
                        .map_or(0, |found| line_text(found).len())
                }
                Edit::Modify { spans, .. }
                | Edit::Split { spans, .. }
                | Edit::Merge { spans, .. }
                | Edit::MoveModify {
                    spans,
                    side: Side::Arrival,
                    ..
                } => same(spans),
                Edit::Move {
                    text,
                    side: Side::Arrival,
                    ..
                } => text.len(),
                Edit::Move { .. }
                | Edit::MoveModify { .. }
                | Edit::Insert { .. }
                | Edit::Delete { .. } => 0,
            };
        }
    }
    if total == 0 {
        return 1000;
    }
    u32::try_from((2 * equal * 1000) / total)
        .unwrap_or(1000)
        .min(1000)
}

fn same(spans: &[Span]) -> usize {
    spans
        .iter()
        .filter(|span| span.op == Op::Equal && span.text != MARK)
        .map(|span| span.text.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_does_not_end_at_an_abbreviation_or_within_a_number() {
        let text = "Nos termos do art. 5 da Lei 14.133, de 2021. Outra.";
        assert_eq!(
            sentence_end(text).and_then(|end| text.get(end..)),
            Some("Outra.")
        );
        assert_eq!(last_sentence("Um. Dois; três"), "três");
        assert_eq!(last_sentence("Um. "), "");
        assert_eq!(last_sentence("Um."), "Um.");
    }
}
