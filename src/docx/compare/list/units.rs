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

    /// One entry for paragraphs that moved together, told at the first of them.
    pub(super) fn moved(
        &mut self,
        index: usize,
        first: (usize, usize),
        moves: &HashMap<(usize, usize), &str>,
    ) {
        let before = first.0.checked_sub(1).zip(first.1.checked_sub(1));
        if before.is_some_and(|place| moves.contains_key(&place)) {
            return;
        }
        let mut texts = Vec::new();
        let mut last = first;
        while let Some(text) = moves.get(&(first.0 + texts.len(), first.1 + texts.len())) {
            last = (first.0 + texts.len(), first.1 + texts.len());
            texts.push(readable(text));
        }
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
    }
}

/// The paragraphs that moved unchanged, by their old and new numbers.
pub(super) fn moves(edits: &[Edit]) -> HashMap<(usize, usize), &str> {
    let place = |edit| match edit {
        &Edit::Move {
            old,
            new,
            side: Side::Arrival,
            ref text,
        } => Some(((old, new), text.as_str())),
        _ => None,
    };
    edits.iter().filter_map(place).collect()
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
