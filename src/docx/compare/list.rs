//! The list of modifications, as a person would make it, from the edit script.
//!
//! A reworded sentence is one entry, a filled-in field is one, a removed table row is one. It renders nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::super::model::{Document, Link, Paragraph, Story, StoryKind};
use super::changes::{Change, changes};
use super::formatting::{Reformat, describe, stretches};
use super::script::{Edit, Op, Script, Side, Span, StoryEdit};
use super::tokens::{line_text, readable};

/// The kinds of modification; their names are those of the records' default vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// New text.
    Inclusao,
    /// Removed text.
    Remocao,
    /// Changed text.
    Modificacao,
    /// A comment that was added, removed or changed.
    Comentario,
    /// Formatting of text that stayed.
    Formatacao,
    /// Text that stands elsewhere, changed or not.
    Movimentacao,
}

impl Category {
    /// All of them, in the order of [`Category`].
    pub const ALL: [Self; 6] = [
        Self::Inclusao,
        Self::Remocao,
        Self::Modificacao,
        Self::Comentario,
        Self::Formatacao,
        Self::Movimentacao,
    ];

    /// The name in records, JSON and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inclusao => "inclusao",
            Self::Remocao => "remocao",
            Self::Modificacao => "modificacao",
            Self::Comentario => "comentario",
            Self::Formatacao => "formatacao",
            Self::Movimentacao => "movimentacao",
        }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modification {
    /// What kind of change it is.
    #[serde(rename = "categoria")]
    pub category: Category,
    /// The text after the change (for a changed sentence, all of it), or the removed text.
    #[serde(rename = "conteudo")]
    pub content: String,
    /// The change in words: `"30 dias" → "45 dias"`.
    #[serde(rename = "alteracao")]
    pub change: String,
    /// Where it begins: a path in the new document, or in the old one for what was removed.
    #[serde(rename = "caminho")]
    pub path: String,
    /// Where it ends.
    #[serde(rename = "caminho_fim")]
    pub path_end: String,
    /// The words that were there before; empty if there were none.
    #[serde(rename = "antes")]
    pub before: String,
    /// The words that are there now; empty if there are none.
    #[serde(rename = "depois")]
    pub after: String,
    /// The kind of story: `corpo`, `nota de rodapé` and so on.
    #[serde(rename = "local")]
    pub location: &'static str,
    /// Index into [`Script::stories`].
    #[serde(skip)]
    pub story: usize,
    /// Index into [`StoryEdit::edits`] of the edit in which it begins.
    #[serde(skip)]
    pub edit: usize,
}

/// Counts of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What an editor's revision list would count; see [`Script::revisions`].
    #[serde(rename = "revisoes")]
    pub revisions: usize,
    /// Modifications by category; every category is there.
    #[serde(flatten)]
    pub by_category: BTreeMap<Category, usize>,
    /// Bytes of text that are the same, of all text, in thousandths.
    #[serde(rename = "semelhanca_milesimos")]
    pub likeness: u32,
}

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
        likeness: super::changes::likeness(script, old, new),
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
        let inserted = whole_tables(&edit.edits, self.new.1, Op::Insert);
        let deleted = whole_tables(&edit.edits, self.old.1, Op::Delete);
        let mut index = 0;
        while let Some(found) = edit.edits.get(index) {
            let count = match found {
                Edit::Insert { .. } => self.block(&edit.edits, index, (Op::Insert, &inserted)),
                Edit::Delete { .. } => self.block(&edit.edits, index, (Op::Delete, &deleted)),
                Edit::Move {
                    side: Side::Arrival,
                    ..
                } => self.moved(&edit.edits, index),
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
                for span in spans.iter().filter(|span| span.op == Op::Equal) {
                    self.run_formats(
                        index,
                        (*old, span.old..span.old + span.text.len()),
                        (*new, span.new),
                    );
                }
            }
            Edit::Split { old, new, spans } => {
                self.rewritten(index, (*old, new.0), spans, Category::Modificacao)
            }
            Edit::Merge { old, new, spans } => {
                self.rewritten(index, (old.0, *new), spans, Category::Modificacao)
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

    /// One entry for a new or removed paragraph, table row or table; returns how many edits it covers.
    fn block(&mut self, edits: &[Edit], index: usize, (op, whole): (Op, &HashSet<usize>)) -> usize {
        let story = if op == Op::Insert {
            self.new.1
        } else {
            self.old.1
        };
        let first = edits
            .get(index)
            .and_then(|edit| block_key(edit, story, op, whole));
        let mut texts = Vec::new();
        let mut last = 0;
        let mut count = 0;
        for edit in edits.get(index..).unwrap_or_default() {
            let Some((paragraph, text, unit)) = block_key(edit, story, op, whole) else {
                break;
            };
            let is_same = first
                .as_ref()
                .is_some_and(|(_, _, of_first)| *of_first == unit);
            // An empty paragraph goes with its neighbour: alone it would say nothing.
            let has_text = texts.iter().any(|text: &String| !text.is_empty());
            if !is_same && !text.is_empty() && has_text {
                break;
            }
            texts.push(readable(text));
            last = paragraph;
            count += 1;
        }
        let Some((paragraph, ..)) = first else {
            return 1;
        };
        texts.retain(|text| !text.trim().is_empty());
        let content = if texts.is_empty() {
            "(parágrafo vazio)".to_owned()
        } else {
            texts.join(" | ")
        };
        let end = story
            .paragraphs
            .get(last)
            .map_or(0, |paragraph| paragraph.text.len());
        let (category, change, before, after) = match op {
            Op::Insert => (
                Category::Inclusao,
                format!("incluído: \"{content}\""),
                String::new(),
                content.clone(),
            ),
            _ => (
                Category::Remocao,
                format!("removido: \"{content}\""),
                content.clone(),
                String::new(),
            ),
        };
        let paths = (story.path(paragraph, 0), story.path(last, end));
        self.push(index, (category, content, change), paths, (before, after));
        count.max(1)
    }

    /// One entry for paragraphs that moved together.
    fn moved(&mut self, edits: &[Edit], index: usize) -> usize {
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

    /// Hyperlinks whose text stayed and whose target did not.
    fn links(&mut self, index: usize, old: usize, new: usize) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old),
            self.new.1.paragraphs.get(new),
        ) else {
            return;
        };
        if targets(&left.links) == targets(&right.links) {
            return;
        }
        let count = left.links.len().max(right.links.len());
        for position in 0..count {
            let (one, other) = (left.links.get(position), right.links.get(position));
            let target = |link: Option<&Link>| {
                link.map_or("(nenhum)", |link| link.target.as_str())
                    .to_owned()
            };
            let (before, after) = (target(one), target(other));
            if before == after {
                continue;
            }
            let text = other.map_or_else(|| linked(left, one), |link| linked(right, Some(link)));
            let (start, end) = other.map_or((0, 0), |link| (link.start, link.end));
            let paths = (self.new.1.path(new, start), self.new.1.path(new, end));
            let change = format!("destino do link: \"{before}\" → \"{after}\"");
            self.push(
                index,
                (Category::Modificacao, text, change),
                paths,
                (before, after),
            );
        }
    }

    fn paragraph_format(&mut self, index: usize, old: usize, new: usize) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old),
            self.new.1.paragraphs.get(new),
        ) else {
            return;
        };
        if left.format != right.format {
            let whole = Reformat {
                new: 0..right.text.len(),
                before: left.format,
                after: right.format,
            };
            self.push_format(index, new, &whole, "parágrafo: ");
        }
    }

    fn run_formats(
        &mut self,
        index: usize,
        old: (usize, std::ops::Range<usize>),
        new: (usize, usize),
    ) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old.0),
            self.new.1.paragraphs.get(new.0),
        ) else {
            return;
        };
        for stretch in stretches(left, right, old.1, new.1) {
            self.push_format(index, new.0, &stretch, "");
        }
    }

    fn push_format(&mut self, index: usize, new: usize, stretch: &Reformat, prefix: &str) {
        let name =
            |document: &Document, key: u64| document.formats.get(&key).cloned().unwrap_or_default();
        let (before, after) = (
            name(self.old.0, stretch.before),
            name(self.new.0, stretch.after),
        );
        let change = format!("{prefix}{}", describe(&before, &after));
        let paragraph = self.new.1.paragraphs.get(new);
        let text = paragraph
            .and_then(|paragraph| paragraph.text.get(stretch.new.clone()))
            .unwrap_or_default();
        let paths = (
            self.new.1.path(new, stretch.new.start),
            self.new.1.path(new, stretch.new.end),
        );
        self.push(
            index,
            (Category::Formatacao, text.to_owned(), change),
            paths,
            (before, after),
        );
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

fn targets(links: &[Link]) -> Vec<&str> {
    links.iter().map(|link| link.target.as_str()).collect()
}

fn linked(paragraph: &Paragraph, link: Option<&Link>) -> String {
    let text = link.and_then(|link| paragraph.text.get(link.start..link.end));
    text.map_or_else(|| readable(&line_text(paragraph)), str::to_owned)
}

/// The tables of a story all of whose paragraphs are new (or removed).
fn whole_tables(edits: &[Edit], story: &Story, op: Op) -> HashSet<usize> {
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
