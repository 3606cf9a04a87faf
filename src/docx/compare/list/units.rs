//! The units in which new, removed and moved text is listed: a paragraph, a table row, a table.

use std::collections::{HashMap, HashSet};

use super::super::super::model::Story;
use super::super::modification::Category;
use super::super::script::{Edit, Op, Side};
use super::super::tokens::readable;
use super::Lister;

impl Lister<'_> {
    /// One entry for a new or removed paragraph, table row or table; returns how many edits it covers.
    pub(super) fn block(
        &mut self,
        edits: &[Edit],
        index: usize,
        (op, whole): (Op, &HashSet<usize>),
    ) -> usize {
        let story = if op == Op::Insert {
            self.new.1
        } else {
            self.old.1
        };
        let unit = unit(edits.get(index..).unwrap_or_default(), story, (op, whole));
        let Some((first, last)) = unit.ends else {
            return 1;
        };
        let content = match unit.texts.join(" | ") {
            empty if empty.is_empty() => "(parágrafo vazio)".to_owned(),
            content => content,
        };
        let end = story
            .paragraphs
            .get(last)
            .map_or(0, |paragraph| paragraph.text.len());
        let paths = (story.path(first, 0), story.path(last, end));
        let (category, told, words) = match op {
            Op::Insert => (
                Category::Inclusao,
                "incluído",
                (String::new(), content.clone()),
            ),
            _ => (
                Category::Remocao,
                "removido",
                (content.clone(), String::new()),
            ),
        };
        let change = format!("{told}: \"{content}\"");
        self.push(index, (category, content, change), paths, words);
        unit.count
    }

    /// One entry for paragraphs that moved together.
    pub(super) fn moved(&mut self, edits: &[Edit], index: usize) -> usize {
        let mut texts = Vec::new();
        let mut places: Option<((usize, usize), (usize, usize))> = None;
        for edit in edits.get(index..).unwrap_or_default() {
            let Edit::Move {
                old,
                new,
                side: Side::Arrival,
                text,
            } = edit
            else {
                break;
            };
            places = match places {
                None => Some(((*old, *new), (*old, *new))),
                Some((first, last)) if last.0 + 1 == *old && last.1 + 1 == *new => {
                    Some((first, (*old, *new)))
                }
                Some(_) => break,
            };
            texts.push(readable(text));
        }
        let Some((first, last)) = places else {
            return 1;
        };
        let count = texts.len();
        let content = texts.join(" | ");
        let end = self
            .new
            .1
            .paragraphs
            .get(last.1)
            .map_or(0, |paragraph| paragraph.text.len());
        let paths = (self.new.1.path(first.1, 0), self.new.1.path(last.1, end));
        let change = format!("movido de {} para {}", self.old.1.path(first.0, 0), paths.0);
        self.push(
            index,
            (Category::Movimentacao, content.clone(), change),
            paths,
            (content.clone(), content),
        );
        count
    }
}

/// Edits that are listed together.
struct Unit {
    /// The first and the last paragraph.
    ends: Option<(usize, usize)>,
    /// The texts that are not blank.
    texts: Vec<String>,
    count: usize,
}

/// The unit with which `edits` begin.
fn unit(edits: &[Edit], story: &Story, (op, whole): (Op, &HashSet<usize>)) -> Unit {
    let mut found = Unit {
        ends: None,
        texts: Vec::new(),
        count: 0,
    };
    let mut first = None;
    for edit in edits {
        let Some((paragraph, text, key)) = block_key(edit, story, op, whole) else {
            break;
        };
        let is_same = *first.get_or_insert(key) == key;
        // A blank paragraph goes with its neighbour: alone it would say nothing.
        let is_blank = text.trim().is_empty();
        if !is_same && !is_blank && !found.texts.is_empty() {
            break;
        }
        if !is_blank {
            found.texts.push(readable(text));
        }
        found.ends = Some((found.ends.map_or(paragraph, |ends| ends.0), paragraph));
        found.count += 1;
    }
    found
}

/// The tables of a story all of whose paragraphs are new (or removed).
pub(super) fn whole_tables(edits: &[Edit], story: &Story, op: Op) -> HashSet<usize> {
    let table = |index: usize| {
        story
            .paragraphs
            .get(index)?
            .cells
            .first()
            .map(|cell| cell.table)
    };
    let mut left: HashMap<usize, usize> = HashMap::new();
    for index in 0..story.paragraphs.len() {
        if let Some(table) = table(index) {
            *left.entry(table).or_default() += 1;
        }
    }
    for edit in edits {
        let index = match (edit, op) {
            (Edit::Insert { new: index, .. }, Op::Insert)
            | (Edit::Delete { old: index, .. }, Op::Delete) => *index,
            _ => continue,
        };
        if let Some(count) = table(index).and_then(|table| left.get_mut(&table)) {
            *count -= 1;
        }
    }
    left.into_iter()
        .filter(|(_, count)| *count == 0)
        .map(|(table, _)| table)
        .collect()
}

/// The paragraph of an edit of that kind, its text, and the unit in which it is listed: itself, its row or its table.
fn block_key<'e>(
    edit: &'e Edit,
    story: &Story,
    op: Op,
    whole: &HashSet<usize>,
) -> Option<(usize, &'e str, (usize, usize))> {
    let (index, text) = match (edit, op) {
        (Edit::Insert { new, text }, Op::Insert) => (*new, text),
        (Edit::Delete { old, text }, Op::Delete) => (*old, text),
        _ => return None,
    };
    let paragraph = story.paragraphs.get(index)?;
    let Some(cell) = paragraph.cells.first() else {
        return Some((index, text, (usize::MAX, index)));
    };
    Some((
        index,
        text,
        if whole.contains(&cell.table) {
            (cell.table, usize::MAX)
        } else {
            (cell.table, cell.row)
        },
    ))
}
