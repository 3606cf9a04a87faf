//! The list of modifications, as a person would make it, from the edit script.
//!
//! A reworded sentence is one entry, a filled-in field is one, a removed table row is one. It renders nothing.

mod details;
mod units;

use std::collections::BTreeMap;

use super::super::model::{Document, Story, StoryKind};
use super::changes::{Change, changes, likeness};
use super::modification::{Category, Modification, Summary};
use super::script::{Edit, Op, Script, Side, Span, StoryEdit};

pub(super) struct Lists {
    pub(super) modifications: Vec<Modification>,
    pub(super) formatting: Vec<Modification>,
}

/// Both lists of a script.
pub(super) fn lists(script: &Script, old: &Document, new: &Document) -> Lists {
    let nothing = Story::new(StoryKind::Body, "", "");
    let mut lists = Lists {
        modifications: Vec::new(),
        formatting: Vec::new(),
    };
    for (number, edit) in script.stories.iter().enumerate() {
        let left = edit
            .old
            .and_then(|index| old.stories.get(index))
            .unwrap_or(&nothing);
        let right = edit
            .new
            .and_then(|index| new.stories.get(index))
            .unwrap_or(&nothing);
        let kind = if edit.new.is_some() {
            right.kind
        } else {
            left.kind
        };
        let mut lister = Lister {
            number,
            kind,
            old: (old, left),
            new: (new, right),
            lists: &mut lists,
        };
        lister.story(edit);
    }
    lists
}

/// Counts a script and its lists.
pub(super) fn summary(
    script: &Script,
    old: &Document,
    new: &Document,
    (modifications, formatting): (&[Modification], &[Modification]),
) -> Summary {
    let mut by_category: BTreeMap<Category, usize> = Category::ALL
        .iter()
        .map(|category| (*category, 0))
        .collect();
    for modification in modifications.iter().chain(formatting) {
        *by_category.entry(modification.category).or_default() += 1;
    }
    Summary {
        revisions: script.revisions(new, old),
        by_category,
        likeness: likeness(script, old, new),
    }
}

/// Makes the entries of one story.
struct Lister<'l> {
    number: usize,
    kind: StoryKind,
    old: (&'l Document, &'l Story),
    new: (&'l Document, &'l Story),
    lists: &'l mut Lists,
}

impl Lister<'_> {
    fn story(&mut self, edit: &StoryEdit) {
        let inserted = units::whole_tables(&edit.edits, self.new.1, Op::Insert);
        let deleted = units::whole_tables(&edit.edits, self.old.1, Op::Delete);
        let moves = units::moves(&edit.edits);
        let mut index = 0;
        while let Some(found) = edit.edits.get(index) {
            let count = match found {
                Edit::Insert { .. } => self.block(&edit.edits, index, (Op::Insert, &inserted)),
                Edit::Delete { .. } => self.block(&edit.edits, index, (Op::Delete, &deleted)),
                Edit::Move {
                    old,
                    new,
                    side: Side::Arrival,
                    ..
                } => {
                    self.moved(index, (*old, *new), &moves);
                    1
                }
                _ => {
                    self.single(index, found);
                    1
                }
            };
            index += count;
        }
    }

    fn single(&mut self, index: usize, edit: &Edit) {
        match edit {
            Edit::Equal { old, new } => self.links(index, *old, *new),
            Edit::Format { old, new } => {
                self.links(index, *old, *new);
                self.paragraph_format(index, *old, *new);
                let length = self
                    .old
                    .1
                    .paragraphs
                    .get(*old)
                    .map_or(0, |paragraph| paragraph.text.len());
                self.run_formats(index, (*old, 0..length), (*new, 0));
            }
            Edit::Modify { old, new, spans } => {
                self.rewritten(index, (*old, *new), spans, Category::Modificacao);
                self.links(index, *old, *new);
                self.paragraph_format(index, *old, *new);
                let equal = spans.iter().filter(|span| span.op == Op::Equal);
                for span in equal.take(details::MANY) {
                    self.run_formats(
                        index,
                        (*old, span.old..span.old + span.text.len()),
                        (*new, span.new),
                    );
                }
            }
            Edit::Split { old, new, spans } => {
                self.rewritten(index, (*old, new.0), spans, Category::Modificacao);
            }
            Edit::Merge { old, new, spans } => {
                self.rewritten(index, (old.0, *new), spans, Category::Modificacao);
            }
            Edit::MoveModify {
                old,
                new,
                side: Side::Arrival,
                spans,
            } => {
                self.rewritten(index, (*old, *new), spans, Category::Movimentacao);
            }
            Edit::Move { .. }
            | Edit::MoveModify { .. }
            | Edit::Insert { .. }
            | Edit::Delete { .. } => {}
        }
    }

    fn rewritten(
        &mut self,
        index: usize,
        (old, new): (usize, usize),
        spans: &[Span],
        category: Category,
    ) {
        let mut found = changes(spans);
        if category == Category::Movimentacao {
            found = vec![Change::whole(spans)];
        }
        let moved = format!("movido de {}; ", self.old.1.path(old, 0));
        for change in found {
            let paragraph = new + change.marks;
            let paths = (
                self.new.1.path(paragraph, change.start),
                self.new.1.path(paragraph, change.end),
            );
            let mut told = change.told();
            if category == Category::Movimentacao {
                told.insert_str(0, &moved);
            }
            self.push(
                index,
                (category, change.sentence, told),
                paths,
                (change.before, change.after),
            );
        }
    }

    fn push(
        &mut self,
        edit: usize,
        (category, content, change): (Category, String, String),
        (path, path_end): (String, String),
        (before, after): (String, String),
    ) {
        let is_format = category == Category::Formatacao;
        let category = if self.kind == StoryKind::Comment && !is_format {
            Category::Comentario
        } else {
            category
        };
        let (location, story) = (self.kind.label(), self.number);
        let entry = Modification {
            category,
            content,
            change,
            path,
            path_end,
            before,
            after,
            location,
            story,
            edit,
        };
        if is_format {
            self.lists.formatting.push(entry);
        } else {
            self.lists.modifications.push(entry);
        }
    }
}
