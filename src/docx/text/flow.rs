//! A story while it is being read: the open paragraph, tables, fields and deletions.
//!
//! It is told what happens and keeps the model's invariants; it knows nothing of XML.

use super::super::model::{
    Cell, Deleted, Document, Inline, Link, Object, Paragraph, Place, RunSpan, Story,
};
use super::field::OpenField;
use super::table::OpenTable;

/// A story under construction.
pub(super) struct Flow {
    /// Its index in the document, fixed when it opens.
    pub(super) index: usize,
    pub(super) story: Story,
    pub(super) open: Option<Paragraph>,
    /// A paragraph whose mark is deleted and which goes on in the next one.
    carry: Option<Paragraph>,
    mark_deleted: bool,
    pub(super) blocks: usize,
    pub(super) cells: Vec<Cell>,
    pub(super) tables: Vec<OpenTable>,
    pub(super) fields: Vec<OpenField>,
    links: Vec<(usize, String)>,
    /// How many tracked deletions are open.
    pub(super) deletions: usize,
    runs: usize,
    format: u64,
}

impl Flow {
    pub(super) fn new(index: usize, story: Story) -> Self {
        Self {
            index,
            story,
            open: None,
            carry: None,
            mark_deleted: false,
            blocks: 0,
            cells: Vec::new(),
            tables: Vec::new(),
            fields: Vec::new(),
            links: Vec::new(),
            deletions: 0,
            runs: 0,
            format: 0,
        }
    }

    /// Where the next character would go.
    pub(super) fn place(&self) -> Place {
        let offset = self
            .open
            .as_ref()
            .map_or(0, |paragraph| paragraph.text.len());
        Place {
            story: self.index,
            paragraph: self.story.paragraphs.len(),
            offset,
        }
    }

    pub(super) fn open_paragraph(&mut self) {
        self.close_paragraph();
        if self
            .carry
            .as_ref()
            .is_some_and(|carry| carry.cells != self.cells)
        {
            self.drop_carry();
        }
        if self.tables.is_empty() {
            self.blocks += 1;
        }
        self.mark_deleted = false;
        if let Some(carry) = self.carry.take() {
            self.open = Some(carry);
            return;
        }
        self.runs = 0;
        self.open = Some(Paragraph {
            block: self.blocks.saturating_sub(1),
            cells: self.cells.clone(),
            ..Paragraph::default()
        });
    }

    pub(super) fn close_paragraph(&mut self) {
        let Some(mut paragraph) = self.open.take() else {
            return;
        };
        let end = paragraph.text.len();
        for (start, target) in self.links.drain(..) {
            paragraph.links.push(Link { start, end, target });
        }
        if self.mark_deleted {
            self.carry = Some(paragraph);
        } else {
            // There may be very many of them, and most have one run.
            paragraph.text.shrink_to_fit();
            paragraph.runs.shrink_to_fit();
            self.story.paragraphs.push(paragraph);
        }
    }

    /// Ends a paragraph that was to go on where nothing follows: it stays if there is anything in it.
    pub(super) fn drop_carry(&mut self) {
        let Some(carry) = self.carry.take() else {
            return;
        };
        let is_empty = carry.text.is_empty() && carry.objects.is_empty();
        match self.story.paragraphs.last_mut() {
            Some(last) if is_empty && last.cells == carry.cells => {
                let offset = last.text.len();
                last.deleted.extend(
                    carry
                        .deleted
                        .into_iter()
                        .map(|deleted| Deleted { offset, ..deleted }),
                );
            }
            _ => self.story.paragraphs.push(carry),
        }
    }

    /// Ends the story and puts it in its place.
    pub(super) fn finish(mut self, document: &mut Document) {
        self.close_paragraph();
        self.drop_carry();
        if let Some(slot) = document.stories.get_mut(self.index) {
            *slot = self.story;
        }
    }

    pub(super) fn delete_mark(&mut self) {
        self.mark_deleted = true;
    }

    pub(super) fn set_style(&mut self, style: String) {
        if let Some(paragraph) = &mut self.open {
            paragraph.style = style;
        }
    }

    pub(super) fn set_paragraph_format(&mut self, format: u64) {
        if let Some(paragraph) = &mut self.open {
            paragraph.format = format;
        }
    }

    pub(super) fn open_run(&mut self) {
        self.runs += 1;
        self.format = 0;
    }

    pub(super) fn set_run_format(&mut self, format: u64) {
        self.format = format;
    }

    /// Adds text to the paragraph, or to its deletions.
    pub(super) fn push_text(&mut self, text: &str) {
        if self.fields.iter().any(|field| field.result.is_none()) || text.is_empty() {
            return;
        }
        let (index, format, deleted) =
            (self.runs.saturating_sub(1), self.format, self.deletions > 0);
        let Some(paragraph) = &mut self.open else {
            return;
        };
        if deleted {
            push_deleted(paragraph, text);
            return;
        }
        let start = paragraph.text.len();
        push_without_marks(&mut paragraph.text, text);
        let end = paragraph.text.len();
        match paragraph.runs.last_mut() {
            Some(last) if last.index == index && last.format == format => last.end = end,
            _ => paragraph.runs.push(RunSpan {
                start,
                end,
                index,
                format,
            }),
        }
    }

    /// Adds text of a deletion (`w:delText` outside `w:del` is as deleted).
    pub(super) fn push_deleted(&mut self, text: &str) {
        if let Some(paragraph) = &mut self.open {
            push_deleted(paragraph, text);
        }
    }

    pub(super) fn push_object(&mut self, object: Object) {
        if self.deletions > 0 {
            return;
        }
        let run = self.runs.saturating_sub(1);
        if let Some(paragraph) = &mut self.open {
            paragraph.objects.push(Inline {
                offset: paragraph.text.len(),
                run,
                object,
            });
        }
    }

    /// Adds an object that began at an earlier offset, as a formula does.
    pub(super) fn push_formula(&mut self, offset: usize, hash: String) {
        let run = self.runs.saturating_sub(1);
        if let Some(paragraph) = &mut self.open {
            let len = paragraph.text.len().saturating_sub(offset);
            paragraph.objects.push(Inline {
                offset,
                run,
                object: Object::Math { hash, len },
            });
        }
    }

    pub(super) fn open_link(&mut self, target: String) {
        self.links.push((self.place().offset, target));
    }

    pub(super) fn close_link(&mut self) {
        let end = self.place().offset;
        let Some((start, target)) = self.links.pop() else {
            return;
        };
        if let Some(paragraph) = &mut self.open {
            paragraph.links.push(Link { start, end, target });
        }
    }
}

/// Adds text whose characters that the model itself sets between blocks and for objects mean nothing.
fn push_without_marks(to: &mut String, text: &str) {
    // The first bytes of the two in UTF-8 are rare in documents.
    if memchr::memchr2(0xe2, 0xef, text.as_bytes()).is_none() {
        to.push_str(text);
        return;
    }
    to.extend(text.chars().map(|character| match character {
        '\u{2029}' => '\n',
        '\u{fffc}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }));
}

fn push_deleted(paragraph: &mut Paragraph, text: &str) {
    let offset = paragraph.text.len();
    match paragraph.deleted.last_mut() {
        Some(last) if last.offset == offset => last.text.push_str(text),
        _ => paragraph.deleted.push(Deleted {
            offset,
            text: text.to_owned(),
        }),
    }
}
