//! Finding one's way in a document: places to paragraphs, runs and paths, as the parent module describes them.

use std::fmt::Write as _;

use super::{Document, Paragraph, Place, RunSpan, Story, StoryKind};

impl Story {
    /// An empty story.
    #[must_use]
    pub fn new(kind: StoryKind, part: &str, id: &str) -> Self {
        Self {
            kind,
            part: part.to_owned(),
            id: id.to_owned(),
            author: String::new(),
            anchor: None,
            paragraphs: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// The texts of its paragraphs, one a line.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self
            .paragraphs
            .iter()
            .map(|paragraph| paragraph.text.as_str())
            .collect();
        texts.join("\n")
    }

    /// The path of a place in this story; see the module's section on paths.
    ///
    /// A paragraph or offset past the end gives the path of the end.
    #[must_use]
    pub fn path(&self, paragraph: usize, offset: usize) -> String {
        let name = match self.kind {
            StoryKind::Body | StoryKind::Header | StoryKind::Footer => String::new(),
            StoryKind::TextBox => format!("caixa{}/", self.id),
            StoryKind::Footnote | StoryKind::Endnote => format!("nota{}/", self.id),
            StoryKind::Comment => format!("comentario{}/", self.id),
        };
        let number = paragraph.min(self.paragraphs.len().saturating_sub(1));
        let Some(found) = self.paragraphs.get(number) else {
            return format!("{}#{name}b1/p1/r1@0", self.part);
        };
        let (run, characters) = found.run_and_offset(offset);
        let mut path = String::with_capacity(self.part.len() + name.len() + 32);
        let (block, number, run) = (found.block + 1, number + 1, run + 1);
        let part = &self.part;
        // Writing to a string never fails.
        write!(path, "{part}#{name}b{block}/p{number}/r{run}@{characters}").ok();
        path
    }
}

impl Paragraph {
    /// The run that holds the byte at `offset`; at the very end of the text, the last run.
    #[must_use]
    pub fn run_at(&self, offset: usize) -> Option<&RunSpan> {
        let after = self.runs.partition_point(|run| run.end <= offset);
        self.runs.get(after).or_else(|| self.runs.last())
    }

    /// The index of the run at a byte offset, and how many characters of that run stand before it.
    fn run_and_offset(&self, offset: usize) -> (usize, usize) {
        let Some(run) = self.run_at(offset) else {
            return (0, 0);
        };
        let before = self
            .text
            .get(run.start..offset.min(run.end))
            .unwrap_or_default();
        (run.index, before.chars().count())
    }
}

impl Document {
    /// The path of a place: see the module's section on paths. An unknown story gives an empty string.
    #[must_use]
    pub fn path(&self, place: Place) -> String {
        self.stories
            .get(place.story)
            .map_or_else(String::new, |story| {
                story.path(place.paragraph, place.offset)
            })
    }

    /// The paragraph of a place.
    #[must_use]
    pub fn paragraph(&self, place: Place) -> Option<&Paragraph> {
        self.stories
            .get(place.story)?
            .paragraphs
            .get(place.paragraph)
    }

    /// The body's text, one paragraph a line.
    #[must_use]
    pub fn body_text(&self) -> String {
        self.stories
            .iter()
            .find(|story| story.kind == StoryKind::Body)
            .map(Story::text)
            .unwrap_or_default()
    }
}
