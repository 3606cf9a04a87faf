//! The text of one story: its marks, and what is left of it without them. Knows nothing of pairs.

use std::collections::HashMap;

use super::super::model::{Document, Paragraph, Story, StoryKind};
use super::mark::{self, Mark};
use super::problem::{ProblemKind, Problems};

/// The most marks, sound and broken, that are read in one document: what comes after is text.
pub(super) const MOST_MARKS: usize = 20_000;

/// The stories in which tags are looked for, by index: all but comments.
pub(super) fn readable(document: &Document) -> impl Iterator<Item = (usize, &Story)> {
    document
        .stories
        .iter()
        .enumerate()
        .filter(|(_, story)| story.kind != StoryKind::Comment)
}

/// A story with its marks found and its text without them.
pub(super) struct StoryMarks<'a> {
    pub(super) index: usize,
    pub(super) story: &'a Story,
    /// The well-formed marks, in order.
    pub(super) marks: Vec<Mark>,
    /// Closing marks in deleted text: key, and the last paragraph that has one.
    deleted: HashMap<String, usize>,
    /// What is wrong with single marks.
    pub(super) problems: Problems,
    /// The text without the marks, one paragraph a line.
    pub(super) clean: String,
    /// Where each paragraph begins in `clean`.
    pub(super) starts: Vec<usize>,
}

impl<'a> StoryMarks<'a> {
    /// Reads a story; `allowed` is how many marks the document may still have.
    pub(super) fn read(index: usize, story: &'a Story, allowed: &mut usize) -> Self {
        let mut text = Self {
            index,
            story,
            marks: Vec::new(),
            deleted: HashMap::new(),
            problems: Problems::default(),
            clean: String::new(),
            starts: Vec::with_capacity(story.paragraphs.len()),
        };
        let mut characters = 0;
        for (number, paragraph) in story.paragraphs.iter().enumerate() {
            if number > 0 {
                text.clean.push('\n');
            }
            text.starts.push(text.clean.len());
            text.read_paragraph(number, paragraph, (characters, &mut *allowed));
            text.deleted.extend(
                mark::deleted_closings(paragraph)
                    .into_iter()
                    .map(|key| (key, number)),
            );
            characters += paragraph.text.chars().count() + 1;
        }
        text
    }

    /// Whether a deletion at or after an opening mark has a closing mark of its name.
    pub(super) fn closes_in_deleted_text(&self, opening: &Mark) -> bool {
        self.deleted
            .get(&opening.key)
            .is_some_and(|paragraph| *paragraph >= opening.paragraph)
    }

    /// Reads a paragraph that `characters` of the story precede, at most `allowed` marks of it.
    fn read_paragraph(
        &mut self,
        number: usize,
        paragraph: &Paragraph,
        (characters, allowed): (usize, &mut usize),
    ) {
        let source = paragraph.text.as_str();
        let scan = mark::scan(source, number, *allowed);
        let found = scan.marks.len() + scan.flaws.len();
        let (mut copied, mut position) = (0, characters);
        for mut mark in scan.marks {
            let text = source.get(copied..mark.start).unwrap_or_default();
            self.clean.push_str(text);
            mark.clean = self.clean.len();
            mark.position_start = position + text.chars().count();
            let written = source.get(mark.start..mark.end).unwrap_or_default();
            mark.position_end = mark.position_start + written.chars().count();
            (copied, position) = (mark.end, mark.position_end);
            self.marks.push(mark);
        }
        self.clean
            .push_str(source.get(copied..).unwrap_or_default());
        for flaw in scan.flaws {
            self.problems
                .add(self.story, flaw.kind, (number, flaw.start), &flaw.text);
        }
        let left = allowed.saturating_sub(found);
        if *allowed > 0 && left == 0 {
            self.problems
                .add(self.story, ProblemKind::TooMany, (number, copied), "");
        }
        *allowed = left;
    }
}
