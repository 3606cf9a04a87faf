//! What changed between two documents, as an edit script and as the list of modifications made from it.
//!
//! Stories are paired first, then compared one by one. Everything works on the model: nothing here knows of XML, HTML
//! or the records' store.

mod align;
mod anchors;
mod chain;
mod changes;
mod formatting;
mod list;
mod mirror;
mod modification;
mod regroup;
mod rewrite;
pub mod script;
mod spans;
mod story;
mod tokens;

pub use modification::{Category, Modification, Summary};
pub use script::{Edit, Op, Script, Side, Span, StoryEdit, apply, revert, verify};
pub use tokens::lines_of;
pub(super) use tokens::{line_text, readable};

use serde::Serialize;

use self::align::{Block, align};
use self::regroup::Context;
use self::story::{Level, Stories, words};
use self::tokens::Tokens;
use super::limits::{Limit, Limits, ReadError};
use super::model::{Document, Story, StoryKind};

/// The result of a comparison. As JSON it is `{"modificacoes": [..], "formatacao": [..], "resumo": {..}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// How the old document becomes the new one.
    #[serde(skip)]
    pub script: Script,
    /// The changes of content, in reading order.
    #[serde(rename = "modificacoes")]
    pub modifications: Vec<Modification>,
    /// The changes of formatting in text that stayed, in reading order.
    #[serde(rename = "formatacao")]
    pub formatting: Vec<Modification>,
    /// Counts of all of it.
    #[serde(rename = "resumo")]
    pub summary: Summary,
}

/// Compares two documents, however long it takes and however much it finds.
#[must_use]
pub fn compare(old: &Document, new: &Document) -> Comparison {
    let bounds = Bounds {
        changes: u64::MAX,
        cancelled: &|| false,
    };
    let script = script_of(old, new, &bounds).unwrap_or_default();
    from_script(script, old, new)
}

/// Compares two documents within [`Limits::changes`] and until `cancelled` answers true.
///
/// It is asked before each pair of paragraphs, rows and cells; what comes after them is in proportion to the changes.
///
/// # Errors
/// [`ReadError::Limit`] for too many changes, [`ReadError::Cancelled`].
pub fn compare_until(
    old: &Document,
    new: &Document,
    limits: &Limits,
    cancelled: &dyn Fn() -> bool,
) -> Result<Comparison, ReadError> {
    let bounds = Bounds {
        changes: limits.changes,
        cancelled,
    };
    let script = script_of(old, new, &bounds)?;
    Ok(from_script(script, old, new))
}

/// What a comparison may cost.
struct Bounds<'b> {
    changes: u64,
    cancelled: &'b dyn Fn() -> bool,
}

fn from_script(script: Script, old: &Document, new: &Document) -> Comparison {
    let list::Lists {
        modifications,
        formatting,
    } = list::lists(&script, old, new);
    let summary = list::summary(&script, old, new, (&modifications, &formatting));
    Comparison {
        script,
        modifications,
        formatting,
        summary,
    }
}

fn script_of(old: &Document, new: &Document, bounds: &Bounds<'_>) -> Result<Script, ReadError> {
    if mirror::is_turned(old, new) {
        return one_way(new, old, bounds).map(mirror::turned);
    }
    one_way(old, new, bounds)
}

fn one_way(old: &Document, new: &Document, bounds: &Bounds<'_>) -> Result<Script, ReadError> {
    let mut tokens = Tokens::default();
    let left = sides(&old.stories, &mut tokens);
    let right = sides(&new.stories, &mut tokens);
    let nothing = story::Side {
        paragraphs: &[],
        lines: Vec::new(),
    };
    let mut script = Script::default();
    let mut changes = 0_u64;
    for (old, new) in pair_stories((old, &left), (new, &right), &tokens) {
        let one = old.and_then(|index| left.get(index)).unwrap_or(&nothing);
        let other = new.and_then(|index| right.get(index)).unwrap_or(&nothing);
        let edits = edits(&mut tokens, (one, other), bounds.cancelled)?;
        let is_changed = |edit: &&Edit| !matches!(edit, Edit::Equal { .. } | Edit::Format { .. });
        changes += edits.iter().filter(is_changed).count() as u64;
        if changes > bounds.changes {
            return Err(ReadError::Limit {
                limit: Limit::Changes,
                allowed: bounds.changes,
                part: "comparação".to_owned(),
            });
        }
        script.stories.push(StoryEdit { old, new, edits });
    }
    Ok(script)
}

fn sides<'a>(stories: &'a [Story], tokens: &mut Tokens<'a>) -> Vec<story::Side<'a>> {
    stories
        .iter()
        .map(|story| story::Side::new(&story.paragraphs, tokens))
        .collect()
}

/// The edits between two stories, or an error if the comparison was stopped.
fn edits<'a>(
    tokens: &mut Tokens<'a>,
    (old, new): (&story::Side<'a>, &story::Side<'a>),
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<Edit>, ReadError> {
    let mut stories = Stories {
        tokens,
        old,
        new,
        edits: Vec::new(),
        cancelled,
    };
    stories.compare(Level::Top, old.all(), new.all());
    if cancelled() {
        return Err(ReadError::Cancelled);
    }
    let mut context = Context {
        tokens: stories.tokens,
        old,
        new,
    };
    let mut edits = regroup::splits_and_merges(stories.edits, &mut context);
    regroup::moves(&mut edits, &mut context);
    if cancelled() {
        return Err(ReadError::Cancelled);
    }
    Ok(edits)
}

type StoryPair = (Option<usize>, Option<usize>);

/// Pairs stories of the same kind, notes and text boxes in the order in which they are referred to.
fn pair_stories(
    old: (&Document, &[story::Side<'_>]),
    new: (&Document, &[story::Side<'_>]),
    tokens: &Tokens<'_>,
) -> Vec<StoryPair> {
    let mut pairs: Vec<StoryPair> = Vec::new();
    let mut gone: Vec<StoryPair> = Vec::new();
    for kind in StoryKind::ALL {
        let (left, right) = (of_kind(old.0, kind), of_kind(new.0, kind));
        // A note or a box keeps its identity when all its words change; a comment does not.
        let threshold = if kind == StoryKind::Comment { 0.5 } else { 0.0 };
        let paired = align(
            &bags(&left, old.1, tokens),
            &bags(&right, new.1, tokens),
            threshold,
        );
        let mut partners: Vec<Option<usize>> = vec![None; right.len()];
        let mut is_kept = vec![false; left.len()];
        for (one, other) in paired {
            if let (Some(slot), Some(kept)) = (partners.get_mut(other), is_kept.get_mut(one)) {
                *slot = left.get(one).copied();
                *kept = true;
            }
        }
        pairs.extend(
            right
                .iter()
                .zip(partners)
                .map(|(index, partner)| (partner, Some(*index))),
        );
        gone.extend(
            left.iter()
                .zip(is_kept)
                .filter(|(_, kept)| !kept)
                .map(|(index, _)| (Some(*index), None)),
        );
    }
    pairs.sort_by_key(|(_, index)| *index);
    pairs.extend(gone);
    pairs
}

/// The stories of a kind, in the order of their anchors; those without one come last, in the order of the part.
fn of_kind(document: &Document, kind: StoryKind) -> Vec<usize> {
    let is_of_kind = |(_, story): &(usize, &Story)| story.kind == kind;
    let mut found: Vec<(usize, &Story)> = document
        .stories
        .iter()
        .enumerate()
        .filter(is_of_kind)
        .collect();
    found.sort_by_key(|(index, story)| (story.anchor.is_none(), story.anchor, *index));
    found.into_iter().map(|(index, _)| index).collect()
}

fn bags(indices: &[usize], sides: &[story::Side<'_>], tokens: &Tokens<'_>) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(indices.len());
    for side in indices.iter().filter_map(|index| sides.get(*index)) {
        let mut block = words(&side.lines, tokens);
        block.bag.sort_unstable();
        let lines: Vec<u32> = side.lines.iter().map(|line| line.key).collect();
        block.key = key_of(&lines);
        blocks.push(block);
    }
    blocks
}

/// A number for a story's lines. Stories of one number are only paired by it; their lines are still compared.
fn key_of(lines: &[u32]) -> u32 {
    let mut hash = super::hash::Fnv::new();
    for line in lines {
        hash.add(&line.to_le_bytes());
    }
    let [first, second, third, fourth, ..] = hash.value().to_le_bytes();
    u32::from_le_bytes([first, second, third, fourth])
}
