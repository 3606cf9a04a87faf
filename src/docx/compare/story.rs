//! One story against another: blocks, then the rows of tables, then cells, then the paragraphs of cells.
//!
//! It emits edits in reading order; which of them are moves, splits or merges is found afterwards.

use std::ops::Range;

use super::super::model::Paragraph;
use super::align::{Block, align, fill};
use super::formatting;
use super::rewrite::spans;
use super::script::{Edit, Op};
use super::tokens::{Class, Line, Tokens, line_text};

/// A pair of paragraphs keeps at least one letter in so many.
const KEPT: usize = 4;

/// One side of a story.
pub(super) struct Side<'a> {
    pub(super) paragraphs: &'a [Paragraph],
    pub(super) lines: Vec<Line>,
}

/// A comparison of two stories under way.
pub(super) struct Stories<'c, 'a> {
    pub(super) tokens: &'c mut Tokens<'a>,
    pub(super) old: &'c Side<'a>,
    pub(super) new: &'c Side<'a>,
    pub(super) edits: Vec<Edit>,
    /// Asked before each pair; once it says true, the edits are no longer complete.
    pub(super) cancelled: &'c dyn Fn() -> bool,
}

/// How the paragraphs of a range are grouped into blocks. The calls go down these four and no further, however deep
/// tables are nested: a table within a cell is compared as the paragraphs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Top,
    Rows,
    Cells,
    Paragraphs,
}

impl<'a> Side<'a> {
    pub(super) fn new(paragraphs: &'a [Paragraph], tokens: &mut Tokens<'a>) -> Self {
        Self {
            paragraphs,
            lines: tokens.lines(paragraphs),
        }
    }

    pub(super) fn all(&self) -> Range<usize> {
        0..self.paragraphs.len()
    }
}

impl Stories<'_, '_> {
    /// Compares ranges of both sides at a level and appends the edits.
    pub(super) fn compare(&mut self, level: Level, old: Range<usize>, new: Range<usize>) {
        let left = groups(self.old.paragraphs, old, level);
        let right = groups(self.new.paragraphs, new, level);
        let pairs = self.pairs(level, &left, &right);
        let (mut next_old, mut next_new) = (0, 0);
        for (one, other) in pairs
            .into_iter()
            .chain(std::iter::once((left.len(), right.len())))
        {
            if (self.cancelled)() {
                return;
            }
            self.delete(left.get(next_old..one).unwrap_or_default());
            self.insert(right.get(next_new..other).unwrap_or_default());
            if let (Some(one), Some(other)) = (left.get(one), right.get(other)) {
                self.pair(level, one.clone(), other.clone());
            }
            (next_old, next_new) = (one + 1, other + 1);
        }
    }

    fn pairs(
        &mut self,
        level: Level,
        old: &[Range<usize>],
        new: &[Range<usize>],
    ) -> Vec<(usize, usize)> {
        // Cells have their places: a value that was filled in or replaced stands in the same column.
        let by_place = level == Level::Cells || (level == Level::Paragraphs && old.len() == 1);
        if by_place && old.len() == new.len() {
            return (0..old.len()).map(|index| (index, index)).collect();
        }
        let left = blocks(self.old, old, level, self.tokens);
        let right = blocks(self.new, new, level, self.tokens);
        if level == Level::Rows {
            // As many rows as before at the same place are the same rows, filled in or changed throughout.
            return fill(&align(&left, &right, 0.45), left.len(), right.len());
        }
        align(&left, &right, 0.4)
    }

    fn pair(&mut self, level: Level, old: Range<usize>, new: Range<usize>) {
        let is_table = self
            .old
            .paragraphs
            .get(old.start)
            .is_some_and(|paragraph| !paragraph.cells.is_empty());
        match level {
            Level::Top if is_table => self.compare(Level::Rows, old, new),
            Level::Rows => self.compare(Level::Cells, old, new),
            Level::Cells => self.compare(Level::Paragraphs, old, new),
            Level::Top => self.pair_unless_rewritten(old.start, new.start),
            Level::Paragraphs => self.pair_paragraphs(old.start, new.start),
        }
    }

    /// Paragraphs that share words by chance, in another order, are a removed one and a new one.
    fn pair_unless_rewritten(&mut self, old: usize, new: usize) {
        self.pair_paragraphs(old, new);
        let Some(Edit::Modify { spans, .. }) = self.edits.last() else {
            return;
        };
        let letters = |op: Op| -> usize {
            let of_op = spans
                .iter()
                .filter(|span| span.op == op)
                .map(|span| span.text.as_str());
            of_op
                .flat_map(str::chars)
                .filter(|character| character.is_alphanumeric())
                .count()
        };
        let (equal, removed, added) =
            (letters(Op::Equal), letters(Op::Delete), letters(Op::Insert));
        let (shorter, longer) = (equal + removed.min(added), equal + removed.max(added));
        let is_rewritten =
            KEPT * equal < shorter || (3 * equal < 2 * shorter && KEPT * equal < longer);
        if shorter > 0 && is_rewritten {
            self.edits.pop();
            self.delete(std::slice::from_ref(&(old..old + 1)));
            self.insert(std::slice::from_ref(&(new..new + 1)));
        }
    }

    fn pair_paragraphs(&mut self, old: usize, new: usize) {
        let (Some(left), Some(right)) = (self.old.lines.get(old), self.new.lines.get(new)) else {
            return;
        };
        if left.key != right.key {
            let spans = spans(self.tokens, &[left], &[right]);
            self.edits.push(Edit::Modify { old, new, spans });
            return;
        }
        let is_reformatted = match (self.old.paragraphs.get(old), self.new.paragraphs.get(new)) {
            (Some(one), Some(other)) => formatting::differs(one, other),
            _ => false,
        };
        self.edits.push(if is_reformatted {
            Edit::Format { old, new }
        } else {
            Edit::Equal { old, new }
        });
    }

    fn delete(&mut self, ranges: &[Range<usize>]) {
        for old in ranges.iter().cloned().flatten() {
            let text = self
                .old
                .paragraphs
                .get(old)
                .map(line_text)
                .unwrap_or_default();
            self.edits.push(Edit::Delete { old, text });
        }
    }

    fn insert(&mut self, ranges: &[Range<usize>]) {
        for new in ranges.iter().cloned().flatten() {
            let text = self
                .new
                .paragraphs
                .get(new)
                .map(line_text)
                .unwrap_or_default();
            self.edits.push(Edit::Insert { new, text });
        }
    }
}

/// The blocks of a range, as ranges of paragraphs.
fn groups(paragraphs: &[Paragraph], range: Range<usize>, level: Level) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut last = None;
    for index in range {
        let Some(paragraph) = paragraphs.get(index) else {
            break;
        };
        let key = match (level, paragraph.cells.first()) {
            (Level::Top, Some(_)) => Some(paragraph.block),
            (Level::Rows, Some(cell)) => Some(cell.row),
            (Level::Cells, Some(cell)) => Some(cell.column),
            _ => None,
        };
        match groups.last_mut() {
            Some(group) if key.is_some() && key == last => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
        last = key;
    }
    groups
}

fn blocks(
    side: &Side<'_>,
    groups: &[Range<usize>],
    level: Level,
    tokens: &mut Tokens<'_>,
) -> Vec<Block> {
    groups
        .iter()
        .map(|group| block(side, group.clone(), level, tokens))
        .collect()
}

fn block(side: &Side<'_>, group: Range<usize>, level: Level, tokens: &mut Tokens<'_>) -> Block {
    let lines = side.lines.get(group.clone()).unwrap_or_default();
    let paragraphs = side.paragraphs.get(group).unwrap_or_default();
    let is_cell_text = paragraphs
        .first()
        .is_some_and(|paragraph| !paragraph.cells.is_empty());
    let is_table = is_cell_text && level == Level::Top;
    let key = match lines {
        [line] if !is_table && matches!(level, Level::Top | Level::Paragraphs) => line.key,
        _ => structure_key(paragraphs, lines, tokens),
    };
    let mut block = Block {
        key,
        is_table,
        ..words(lines, tokens)
    };
    block.bag.sort_unstable();
    block
}

/// A key of several paragraphs together with their cells.
fn structure_key(paragraphs: &[Paragraph], lines: &[Line], tokens: &mut Tokens<'_>) -> u32 {
    // No token has this number, so that no paragraph's key is that of a table.
    let mut ids = vec![u32::MAX];
    let first_row = paragraphs
        .first()
        .and_then(|paragraph| paragraph.cells.first())
        .map_or(0, |cell| cell.row);
    for (paragraph, line) in paragraphs.iter().zip(lines) {
        let cell = paragraph.cells.first();
        let row = cell.map_or(0, |cell| cell.row.saturating_sub(first_row));
        let column = cell.map_or(0, |cell| cell.column);
        ids.extend([row, column].map(|count| u32::try_from(count).unwrap_or(u32::MAX)));
        ids.push(line.key);
    }
    tokens.key(ids)
}

/// The words of lines, unsorted, and their weight.
pub(super) fn words(lines: &[Line], tokens: &Tokens<'_>) -> Block {
    let mut block = Block {
        is_blank: true,
        ..Block::default()
    };
    for token in lines.iter().flat_map(|line| &line.tokens) {
        block.is_blank &= tokens.class(token.id) == Class::Space;
        if matches!(tokens.class(token.id), Class::Word | Class::Object) {
            block.bag.push(token.id);
            block.weight = block.weight.saturating_add(tokens.weight(token.id));
        }
    }
    block
}
