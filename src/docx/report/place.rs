//! Where a modification stands, in words that a person can follow: the heading above it, and in a table its row.

use super::super::compare::script::{Edit, Side, StoryEdit};
use super::super::compare::{Comparison, Modification};
use super::super::model::{Document, Paragraph, Story};

/// Characters of a heading or of a row's first cell that are quoted.
const QUOTED: usize = 60;
/// A longer line is no heading, whatever its letters.
const LONGEST_HEADING: usize = 100;

/// The places of a pair of documents.
pub(super) struct Places<'a> {
    comparison: &'a Comparison,
    old: Vec<Marks<'a>>,
    new: Vec<Marks<'a>>,
}

/// Of each paragraph of a story, what leads to it.
struct Marks<'a> {
    story: &'a Story,
    /// The heading above it.
    headings: Vec<Option<usize>>,
    /// The first paragraph of its table row; itself outside tables.
    rows: Vec<usize>,
}

/// A table row that goes on: its first paragraph, its table and number.
#[derive(Clone, Copy)]
struct Row {
    start: usize,
    place: (usize, usize),
}

impl<'a> Places<'a> {
    pub(super) fn new(
        comparison: &'a Comparison,
        (old, new): (&'a Document, &'a Document),
    ) -> Self {
        let marks = |document: &'a Document| document.stories.iter().map(Marks::new).collect();
        Self {
            comparison,
            old: marks(old),
            new: marks(new),
        }
    }

    /// The place of a modification; empty where nothing leads to it.
    pub(super) fn of(&self, entry: &Modification) -> String {
        let story = self.comparison.script.stories.get(entry.story);
        let found = story.and_then(|story| self.find(story, story.edits.get(entry.edit)?));
        let Some((marks, index)) = found else {
            return String::new();
        };
        marks.describe(index)
    }

    fn find(&self, story: &StoryEdit, edit: &Edit) -> Option<(&Marks<'a>, usize)> {
        let (is_new, index) = match edit {
            Edit::Delete { old, .. }
            | Edit::Move {
                old,
                side: Side::Departure,
                ..
            }
            | Edit::MoveModify {
                old,
                side: Side::Departure,
                ..
            } => (false, *old),
            Edit::Equal { new, .. }
            | Edit::Format { new, .. }
            | Edit::Insert { new, .. }
            | Edit::Modify { new, .. }
            | Edit::Move { new, .. }
            | Edit::MoveModify { new, .. }
            | Edit::Merge { new, .. }
            | Edit::Split { new: (new, _), .. } => (true, *new),
        };
        let marks = if is_new {
            self.new.get(story.new?)
        } else {
            self.old.get(story.old?)
        };
        marks.map(|marks| (marks, index))
    }
}

impl<'a> Marks<'a> {
    fn new(story: &'a Story) -> Self {
        let (mut headings, mut rows) = (Vec::new(), Vec::new());
        let mut heading = None;
        let mut row: Option<Row> = None;
        for (index, paragraph) in story.paragraphs.iter().enumerate() {
            let place = paragraph.cells.first().map(|cell| (cell.table, cell.row));
            row = place.map(|place| match row {
                Some(row) if row.place == place => row,
                _ => Row {
                    start: index,
                    place,
                },
            });
            rows.push(row.map_or(index, |row| row.start));
            headings.push(heading);
            if is_heading(paragraph) {
                heading = Some(index);
            }
        }
        Self {
            story,
            headings,
            rows,
        }
    }

    fn describe(&self, index: usize) -> String {
        let text = |index: usize| self.story.paragraphs.get(index).map(quoted);
        let mut words = Vec::new();
        let heading = self.headings.get(index).copied().flatten().and_then(text);
        let paragraph = self.story.paragraphs.get(index);
        // A heading is not part of what stands under the one before it.
        let where_to = if paragraph.is_some_and(is_heading) {
            "depois de"
        } else {
            "em"
        };
        words.extend(heading.map(|heading| format!("{where_to} “{heading}”")));
        if let Some(cell) = paragraph.and_then(|paragraph| paragraph.cells.first()) {
            let (table, row) = (cell.table + 1, cell.row + 1);
            words.push(format!("tabela {table}, linha {row}"));
            let first = self.rows.get(index).copied().unwrap_or(index);
            let label = text(first).filter(|label| first != index && !label.is_empty());
            words.extend(label.map(|label| format!("“{label}”")));
        }
        words.join(", ")
    }
}

fn quoted(paragraph: &Paragraph) -> String {
    let text = paragraph.text.trim();
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}

/// A line of a heading style, or a short one in capitals.
fn is_heading(paragraph: &Paragraph) -> bool {
    let text = paragraph.text.trim();
    if text.is_empty() || !paragraph.cells.is_empty() || text.len() > LONGEST_HEADING {
        return false;
    }
    let style = paragraph.style.to_lowercase();
    let is_styled = ["heading", "ttulo", "titulo", "título"]
        .iter()
        .any(|name| style.starts_with(name));
    let mut letters = text.chars().filter(|character| character.is_alphabetic());
    is_styled || (letters.clone().count() > 2 && letters.all(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::super::super::compare::compare;
    use super::super::super::model::{Cell, StoryKind};
    use super::*;

    fn document(value: &str) -> Document {
        let mut story = Story::new(StoryKind::Body, "word/document.xml", "");
        let cell = |column| Cell {
            table: 0,
            row: 3,
            column,
        };
        let lines = [
            ("DO OBJETO", None),
            ("Vagas de garagem", Some(cell(0))),
            (value, Some(cell(1))),
            ("Art. 2º. Um texto que fica.", None),
        ];
        for (text, cell) in lines {
            story.paragraphs.push(Paragraph {
                text: text.to_owned(),
                cells: cell.into_iter().collect(),
                block: usize::from(cell.is_some()),
                ..Paragraph::default()
            });
        }
        Document {
            stories: vec![story],
            ..Document::default()
        }
    }

    #[test]
    fn a_value_in_a_table_is_placed_by_its_heading_and_the_first_cell_of_its_row() {
        let (old, new) = (document("1"), document("2"));
        let comparison = compare(&old, &new);
        let places = Places::new(&comparison, (&old, &new));
        let told: Vec<String> = comparison
            .modifications
            .iter()
            .map(|entry| places.of(entry))
            .collect();
        assert_eq!(
            told,
            ["em “DO OBJETO”, tabela 1, linha 4, “Vagas de garagem”"]
        );
    }
}
