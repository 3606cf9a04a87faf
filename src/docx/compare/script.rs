//! The edit script: the one truth from which list, counts, JSON and report are rendered.
//!
//! It can be applied to the old document and reverted from the new one. It does not know how it was found.

use super::super::model::Document;
use super::tokens::{MARK, lines_of};

/// How one document becomes another, story by story.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// In the order of the new document; stories that are gone stand at the end.
    pub stories: Vec<StoryEdit>,
}

/// How one story becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryEdit {
    /// Index into the old document's stories; `None` for a story that is new.
    pub old: Option<usize>,
    /// Index into the new document's stories; `None` for a story that is gone.
    pub new: Option<usize>,
    /// In the order of reading.
    pub edits: Vec<Edit>,
}

/// What happens to a paragraph. Numbers are indices into the paragraphs of the old and the new story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Nothing.
    Equal {
        /// Old paragraph.
        old: usize,
        /// New paragraph.
        new: usize,
    },
    /// The text is the same, the formatting is not.
    Format {
        /// Old paragraph.
        old: usize,
        /// New paragraph.
        new: usize,
    },
    /// A new paragraph.
    Insert {
        /// New paragraph.
        new: usize,
        /// Its line.
        text: String,
    },
    /// A removed paragraph.
    Delete {
        /// Old paragraph.
        old: usize,
        /// Its line.
        text: String,
    },
    /// A changed paragraph.
    Modify {
        /// Old paragraph.
        old: usize,
        /// New paragraph.
        new: usize,
        /// The change.
        spans: Vec<Span>,
    },
    /// A paragraph that stands elsewhere; the script has it twice, where it left and where it arrived.
    Move {
        /// Old paragraph.
        old: usize,
        /// New paragraph.
        new: usize,
        /// Which of the two places this is.
        side: Side,
        /// Its line.
        text: String,
    },
    /// A paragraph that stands elsewhere and was changed.
    MoveModify {
        /// Old paragraph.
        old: usize,
        /// New paragraph.
        new: usize,
        /// Which of the two places this is.
        side: Side,
        /// The change.
        spans: Vec<Span>,
    },
    /// A paragraph that became several.
    Split {
        /// Old paragraph.
        old: usize,
        /// The new paragraphs: the first, and how many.
        new: (usize, usize),
        /// The change, with U+2029 between paragraphs.
        spans: Vec<Span>,
    },
    /// Several paragraphs that became one.
    Merge {
        /// The old paragraphs: the first, and how many.
        old: (usize, usize),
        /// New paragraph.
        new: usize,
        /// The change, with U+2029 between paragraphs.
        spans: Vec<Span>,
    },
}

/// The two places of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where it was, in the old document.
    Departure,
    /// Where it is, in the new one.
    Arrival,
}

/// A stretch of a changed paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What happens to it.
    pub op: Op,
    /// Its text, with objects named between U+FFFC.
    pub text: String,
    /// Byte offset into the old paragraph's text (of a merge: of the paragraph in which it begins).
    pub old: usize,
    /// Byte offset into the new paragraph's text (of a split: of the paragraph in which it begins).
    pub new: usize,
}

/// What happens to a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// It stays.
    Equal,
    /// It goes.
    Delete,
    /// It comes.
    Insert,
}

/// Which of the two documents a script is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    New,
    Old,
}

/// Applies a script to the old document.
///
/// The result has, for each story of the new document, its lines in order. `None` if the script does not fit the
/// document: a paragraph is missing, twice there, out of order, or other than the script says.
#[must_use]
pub fn apply(script: &Script, old: &Document) -> Option<Vec<Vec<String>>> {
    replay(script, &lines_of(old), Goal::New)
}

/// Reverts a script from the new document: the lines of the old one, with the rules of [`apply`].
#[must_use]
pub fn revert(script: &Script, new: &Document) -> Option<Vec<Vec<String>>> {
    replay(script, &lines_of(new), Goal::Old)
}

/// Whether the script turns `old` into `new` and back, in order.
#[must_use]
pub fn verify(script: &Script, old: &Document, new: &Document) -> bool {
    apply(script, old).is_some_and(|lines| lines == lines_of(new))
        && revert(script, new).is_some_and(|lines| lines == lines_of(old))
}

fn replay(script: &Script, source: &[Vec<String>], goal: Goal) -> Option<Vec<Vec<String>>> {
    let mut stories: Vec<(usize, Vec<String>)> = Vec::new();
    let mut used = vec![false; source.len()];
    for story in &script.stories {
        let (from, to) = match goal {
            Goal::New => (story.old, story.new),
            Goal::Old => (story.new, story.old),
        };
        let lines = match from {
            Some(index) => {
                let taken = used.get_mut(index)?;
                if std::mem::replace(taken, true) {
                    return None;
                }
                source.get(index)?.as_slice()
            }
            None => &[],
        };
        let mut replay = Replay {
            lines,
            used: vec![false; lines.len()],
            given: Vec::new(),
        };
        for edit in &story.edits {
            replay.edit(edit, goal)?;
        }
        if replay.used.contains(&false) {
            return None;
        }
        if let Some(index) = to {
            stories.push((index, replay.given));
        }
    }
    if used.contains(&false) {
        return None;
    }
    stories.sort_by_key(|(index, _)| *index);
    let is_complete = stories
        .iter()
        .enumerate()
        .all(|(position, (index, _))| position == *index);
    is_complete.then(|| stories.into_iter().map(|(_, lines)| lines).collect())
}

/// The lines of one story, and what was made of them so far.
struct Replay<'a> {
    lines: &'a [String],
    used: Vec<bool>,
    given: Vec<String>,
}

impl Replay<'_> {
    /// `None` if the edit does not fit.
    fn edit(&mut self, edit: &Edit, goal: Goal) -> Option<()> {
        let (source, given) = match goal {
            Goal::New => (Side::Departure, Side::Arrival),
            Goal::Old => (Side::Arrival, Side::Departure),
        };
        match edit {
            Edit::Equal { old, new } | Edit::Format { old, new } => {
                let line = self.take(pick(goal, *old, *new), 1)?;
                self.given.push(line);
            }
            Edit::Insert { new, text } => self.one_sided(*new, text, goal == Goal::New)?,
            Edit::Delete { old, text } => self.one_sided(*old, text, goal == Goal::Old)?,
            Edit::Modify { old, new, spans } => {
                self.rewrite(pick(goal, *old, *new), 1, spans, goal)?;
            }
            Edit::Split { old, new, spans } => {
                let (first, count) = pick(goal, (*old, 1), *new);
                self.rewrite(first, count, spans, goal)?;
            }
            Edit::Merge { old, new, spans } => {
                let (first, count) = pick(goal, *old, (*new, 1));
                self.rewrite(first, count, spans, goal)?;
            }
            Edit::Move {
                old,
                new,
                side,
                text,
            } => {
                if *side == source {
                    self.expect(pick(goal, *old, *new), text)?;
                }
                if *side == given {
                    self.given.push(text.clone());
                }
            }
            Edit::MoveModify {
                old,
                new,
                side,
                spans,
            } => {
                if *side == source {
                    self.expect(pick(goal, *old, *new), &side_text(spans, goal, true))?;
                }
                if *side == given {
                    self.given.push(side_text(spans, goal, false));
                }
            }
        }
        Some(())
    }

    /// Takes paragraphs of the source; each may be taken once.
    fn take(&mut self, first: usize, count: usize) -> Option<String> {
        for used in self.used.get_mut(first..first + count)? {
            if std::mem::replace(used, true) {
                return None;
            }
        }
        Some(self.lines.get(first..first + count)?.join(MARK))
    }

    fn expect(&mut self, index: usize, text: &str) -> Option<()> {
        (self.take(index, 1)? == text).then_some(())
    }

    fn one_sided(&mut self, index: usize, text: &str, is_given: bool) -> Option<()> {
        if is_given {
            self.given.push(text.to_owned());
            return Some(());
        }
        self.expect(index, text)
    }

    fn rewrite(&mut self, first: usize, count: usize, spans: &[Span], goal: Goal) -> Option<()> {
        if self.take(first, count)? != side_text(spans, goal, true) {
            return None;
        }
        let text = side_text(spans, goal, false);
        self.given.extend(text.split(MARK).map(str::to_owned));
        Some(())
    }
}

fn pick<T>(goal: Goal, old: T, new: T) -> T {
    match goal {
        Goal::New => old,
        Goal::Old => new,
    }
}

/// The text of the source side or of the given side of spans.
fn side_text(spans: &[Span], goal: Goal, is_source: bool) -> String {
    let left_out = match (goal, is_source) {
        (Goal::New, true) | (Goal::Old, false) => Op::Insert,
        (Goal::New, false) | (Goal::Old, true) => Op::Delete,
    };
    spans
        .iter()
        .filter(|span| span.op != left_out)
        .map(|span| span.text.as_str())
        .collect()
}

impl Script {
    /// How many insertions and deletions of content an editor would list: stretches of the same kind that touch are
    /// one, a move is a deletion and an insertion, comments and formatting are not counted.
    #[must_use]
    pub fn revisions(&self, new: &Document, old: &Document) -> usize {
        use super::super::model::StoryKind;
        let is_comment = |edit: &StoryEdit| {
            let story = edit.new.map_or_else(
                || edit.old.and_then(|index| old.stories.get(index)),
                |index| new.stories.get(index),
            );
            story.is_some_and(|story| story.kind == StoryKind::Comment)
        };
        let counted = self.stories.iter().filter(|edit| !is_comment(edit));
        counted.map(|edit| story_revisions(&edit.edits)).sum()
    }
}

fn story_revisions(edits: &[Edit]) -> usize {
    let mut count = Count {
        revisions: 0,
        last: Op::Equal,
    };
    for edit in edits {
        match edit {
            Edit::Equal { .. } | Edit::Format { .. } => count.step(Op::Equal),
            Edit::Insert { .. } => count.step(Op::Insert),
            Edit::Delete { .. } => count.step(Op::Delete),
            Edit::Move { side, .. } | Edit::MoveModify { side, .. } => count.step(match side {
                Side::Departure => Op::Delete,
                Side::Arrival => Op::Insert,
            }),
            Edit::Modify { spans, .. } | Edit::Split { spans, .. } | Edit::Merge { spans, .. } => {
                count.spans(spans);
            }
        }
    }
    count.revisions
}

/// Stretches counted so far, and what the last one is.
struct Count {
    revisions: usize,
    last: Op,
}

impl Count {
    fn step(&mut self, op: Op) {
        self.revisions += usize::from(op != Op::Equal && op != self.last);
        self.last = op;
    }

    fn spans(&mut self, spans: &[Span]) {
        // What changes within a paragraph does not touch the paragraphs before it.
        self.last = Op::Equal;
        for span in spans {
            self.step(span.op);
        }
        self.step(Op::Equal);
    }
}
