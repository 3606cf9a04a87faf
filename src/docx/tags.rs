//! The tags of a contract template: found, paired, and every mistake in them named with its place and remedy.
//!
//! Refuses to know the package, the store and what a tag is used for: it reads a [`Document`] and gives values.
//!
//! # Forms
//!
//! `{{name}}` opens, `{{/name}}` closes, `{{name /}}` stands alone; exactly two braces, white space tolerated inside
//! and round the slash. A name has letters of any script, digits, `_`, `-` and `.`; it may follow the prefix `TAG-` and
//! be followed by attributes (`opcao="sim"`), which are read over. Names are compared in NFC and without case.
//!
//! Where no closing form of a name stands in the whole document, its second opening closes the first. A pair lies in
//! one story. Paths are those of [`super::model`]: `caminho_inicio` is where the opening mark begins, `caminho_fim`
//! where the closing one begins (for a single tag both are the same).

mod json;
mod likeness;
mod mark;
mod pair;
mod problem;
mod story;
mod syntax;
#[cfg(test)]
mod tests;

pub use json::to_json;
pub use likeness::{Likeness, likeness};
pub use problem::{Problem, ProblemKind, Severity};

use std::collections::HashSet;

use super::model::{Document, Field, Story};
use mark::Mark;
use problem::Problems;
use story::{MOST_MARKS, StoryMarks, readable};
use syntax::Form;

/// The most that the contents of all pairs may take together, in bytes; nested pairs repeat their text.
const CONTENT_BUDGET: usize = 64 * 1024 * 1024;
/// How many characters of text stand on each side of a mark in [`Tag::context`] and [`Problem::nearby`].
const CONTEXT: usize = 30;

/// Everything that a template says about its tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Opened and closed tags, in the order of their openings.
    pub pairs: Vec<Tag>,
    /// Self-closing tags, and openings that nothing closes (those are among the problems, too).
    pub singles: Vec<Tag>,
    /// Content controls and merge fields.
    pub fields: Vec<Field>,
    /// Every mistake and doubt, in document order.
    pub problems: Vec<Problem>,
}

/// One tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tag {
    /// The name as it is stored: without `TAG-`, in NFC and lower case.
    pub name: String,
    /// The name as it stands in the opening mark.
    pub written: String,
    /// The text between the marks, without the marks inside it, paragraphs separated by line feeds.
    pub content: String,
    /// Index into [`Document::stories`].
    pub story: usize,
    /// The name of the part.
    pub part: String,
    /// Where the opening mark begins.
    pub path_start: String,
    /// Where the closing mark begins.
    pub path_end: String,
    /// The text around the opening mark.
    pub context: String,
    /// Characters of the story before the opening mark; paragraphs are separated by one character.
    pub position_start: usize,
    /// Characters of the story before the end of the closing mark.
    pub position_end: usize,
    /// The number of the opening mark's paragraph in its story, from 1.
    pub paragraph: usize,
}

impl Tag {
    /// The content with white space collapsed to single spaces, as it is stored.
    #[must_use]
    pub fn stored_content(&self) -> String {
        collapse(&self.content)
    }
}

impl Tags {
    /// All tags that are stored, pairs and singles, in document order.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Tag> {
        let mut all: Vec<&Tag> = self.pairs.iter().chain(&self.singles).collect();
        all.sort_by_key(|tag| (tag.story, tag.position_start));
        all
    }
}

/// Finds every tag of a document.
#[must_use]
pub fn extract(document: &Document) -> Tags {
    let mut allowed = MOST_MARKS;
    let texts: Vec<StoryMarks<'_>> = readable(document)
        .map(|(index, story)| StoryMarks::read(index, story, &mut allowed))
        .collect();
    let count = texts.iter().map(|text| text.marks.len()).sum();
    let mut closed: HashSet<&str> = HashSet::with_capacity(count);
    let marks = texts.iter().flat_map(|text| &text.marks);
    closed.extend(
        marks
            .filter(|mark| mark.form == Form::Closing)
            .map(|mark| mark.key.as_str()),
    );
    let mut extraction = Extraction {
        seen: HashSet::with_capacity(closed.len()),
        ..Extraction::default()
    };
    for text in &texts {
        extraction.add(text, &closed);
    }
    let Extraction { mut tags, .. } = extraction;
    tags.fields.clone_from(&document.fields);
    tags
}

fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

/// What is gathered over all stories.
#[derive(Default)]
struct Extraction {
    tags: Tags,
    seen: HashSet<String>,
    content_bytes: usize,
}

impl Extraction {
    fn add(&mut self, text: &StoryMarks<'_>, closed: &HashSet<&str>) {
        let pairing = pair::pair(&text.marks, closed);
        let mut problems = text.problems.clone();
        for found in &pairing.pairs {
            let marks = text.marks.get(found.open).zip(text.marks.get(found.close));
            let Some((open, close)) = marks else { continue };
            self.add_pair(text, (open, close), &mut problems);
            let is_first = self.seen.insert(open.key.clone());
            if found.self_nested {
                problems.add_mark(text.story, ProblemKind::SelfNested, open);
            } else if !is_first {
                problems.add_mark(text.story, ProblemKind::Duplicate, open);
            }
        }
        for (index, kind) in &pairing.flaws {
            let Some(mark) = text.marks.get(*index) else {
                continue;
            };
            let is_deleted = *kind == ProblemKind::Unclosed && text.closes_in_deleted_text(mark);
            let kind = if is_deleted {
                ProblemKind::ClosingDeleted
            } else {
                *kind
            };
            problems.add_mark(text.story, kind, mark);
        }
        let singles = pairing
            .singles
            .iter()
            .filter_map(|index| text.marks.get(*index));
        self.tags
            .singles
            .extend(singles.map(|mark| tag(text, (mark, mark), String::new())));
        self.tags.problems.extend(problems.into_ordered());
    }

    fn add_pair(
        &mut self,
        text: &StoryMarks<'_>,
        (open, close): (&Mark, &Mark),
        problems: &mut Problems,
    ) {
        let mut content = text.clean.get(open.clean..close.clean).unwrap_or_default();
        self.content_bytes = self.content_bytes.saturating_add(content.len());
        if self.content_bytes > CONTENT_BUDGET {
            problems.add_mark(text.story, ProblemKind::ContentTooLarge, open);
            content = "";
        }
        let differs = open.written != close.written;
        if differs && open.written.to_lowercase() == close.written.to_lowercase() {
            problems.add_mark(text.story, ProblemKind::CaseDiffers, close);
        }
        if tables(text.story, open.paragraph) != tables(text.story, close.paragraph) {
            problems.add_mark(text.story, ProblemKind::CrossesTable, open);
        }
        self.tags
            .pairs
            .push(tag(text, (open, close), content.to_owned()));
    }
}

/// The tables around a paragraph, outermost first.
fn tables(story: &Story, paragraph: usize) -> Vec<usize> {
    let cells = story
        .paragraphs
        .get(paragraph)
        .map(|found| found.cells.as_slice())
        .unwrap_or_default();
    cells.iter().map(|cell| cell.table).collect()
}

fn tag(text: &StoryMarks<'_>, (open, close): (&Mark, &Mark), content: String) -> Tag {
    Tag {
        name: open.key.clone(),
        written: open.written.clone(),
        content,
        story: text.index,
        part: text.story.part.clone(),
        path_start: text.story.path(open.paragraph, open.start),
        path_end: text.story.path(close.paragraph, close.start),
        context: problem::nearby(text.story, open.paragraph, open.start),
        position_start: open.position_start,
        position_end: close.position_end,
        paragraph: open.paragraph + 1,
    }
}
