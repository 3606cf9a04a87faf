//! The text of one story: its marks, and what is left of it without them. Knows nothing of pairs.

use std::collections::HashMap;

use super::super::model::{Document, Paragraph, Story, StoryKind};
use super::mark::{self, Mark};
use super::problem::{ProblemKind, Problems};

/// The most marks that are read in one story.
const MOST_MARKS: usize = 50_000;

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
    pub(super) fn read(index: usize, story: &'a Story) -> Self {
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
            text.read_paragraph(number, paragraph, characters);
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

    /// Reads a paragraph that `characters` of the story precede.
    fn read_paragraph(&mut self, number: usize, paragraph: &Paragraph, characters: usize) {
        let source = paragraph.text.as_str();
        let scan = mark::scan(source, number);
        let (mut copied, mut position) = (0, characters);
        for mut mark in scan.marks {
            if self.marks.len() == MOST_MARKS {
                self.problems.add(
                    self.story,
                    ProblemKind::TooMany,
                    (number, mark.start),
                    &mark.written,
                );
                break;
            }
            let text = source.get(copied..mark.start).unwrap_or_default();
            self.clean.push_str(text);
            mark.clean = self.clean.len();
            mark.position_start = position + text.chars().count();
            let length = source
                .get(mark.start..mark.end)
                .unwrap_or_default()
                .chars()
                .count();
            mark.position_end = mark.position_start + length;
            (copied, position) = (mark.end, mark.position_end);
            self.marks.push(mark);
        }
        self.clean
            .push_str(source.get(copied..).unwrap_or_default());
        for flaw in scan.flaws.into_iter().take(MOST_MARKS) {
            self.problems
                .add(self.story, flaw.kind, (number, flaw.start), &flaw.text);
        }
    }
}
