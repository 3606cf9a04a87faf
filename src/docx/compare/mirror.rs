//! The same comparison seen from the other side, so that old against new and new against old say the same.
//!
//! Pairing has ties, and whoever breaks them by "the first one" prefers a side. So a pair of documents is always
//! compared in one order, which depends on the documents alone, and the script is turned round where that is not the
//! order asked for. It decides nothing else.

use std::cmp::Ordering;
use std::mem;

use super::super::model::{Document, Paragraph};
use super::script::{Edit, Op, Script, Side, Span, StoryEdit};
use super::tokens::line_text;

/// Whether a pair is compared the other way round: the document with less in it is taken for the old one.
pub(super) fn is_turned(old: &Document, new: &Document) -> bool {
    let by_size = size(old).cmp(&size(new));
    by_size.then_with(|| by_text(old, new)) == Ordering::Greater
}

/// Stories, paragraphs and bytes.
fn size(document: &Document) -> (usize, usize, usize) {
    let bytes = paragraphs(document).map(|paragraph| paragraph.text.len());
    (
        paragraphs(document).count(),
        bytes.sum(),
        document.stories.len(),
    )
}

fn by_text(old: &Document, new: &Document) -> Ordering {
    let differing = paragraphs(old)
        .zip(paragraphs(new))
        .find(|(one, other)| one.text != other.text || one.objects != other.objects);
    differing.map_or(Ordering::Equal, |(one, other)| {
        line_text(one).cmp(&line_text(other))
    })
}

fn paragraphs(document: &Document) -> impl Iterator<Item = &Paragraph> {
    document.stories.iter().flat_map(|story| &story.paragraphs)
}

/// The script that leads back: what was new is old.
pub(super) fn turned(script: Script) -> Script {
    let mut stories: Vec<StoryEdit> = script.stories.into_iter().map(story).collect();
    // Those that are gone stand at the end, as a script has them.
    stories.sort_by_key(|story| (story.new.is_none(), story.new, story.old));
    Script { stories }
}

fn story(story: StoryEdit) -> StoryEdit {
    let mut edits: Vec<Edit> = story.edits.into_iter().map(edit).collect();
    for gap in edits.chunk_by_mut(|one, other| side(one).is_some() && side(other).is_some()) {
        removed_first(gap);
    }
    StoryEdit {
        old: story.new,
        new: story.old,
        edits,
    }
}

/// Which side an edit is alone on: `Delete` for the old one; `None` if it is on both.
fn side(edit: &Edit) -> Option<Op> {
    match edit {
        Edit::Delete { .. }
        | Edit::Move {
            side: Side::Departure,
            ..
        }
        | Edit::MoveModify {
            side: Side::Departure,
            ..
        } => Some(Op::Delete),
        Edit::Insert { .. } | Edit::Move { .. } | Edit::MoveModify { .. } => Some(Op::Insert),
        _ => None,
    }
}

/// Puts what is removed before what takes its place, where a gap is made of such replacements and nothing else; in
/// any other gap this would join what stands apart.
fn removed_first(gap: &mut [Edit]) {
    let is_replaced = gap.first().and_then(side) == Some(Op::Insert)
        && gap.last().and_then(side) == Some(Op::Delete);
    if !is_replaced {
        return;
    }
    let mut rest = gap;
    while !rest.is_empty() {
        let count = |edits: &[Edit], op: Op| {
            let alike = edits.iter().take_while(|edit| side(edit) == Some(op));
            alike.count()
        };
        let added = count(rest, Op::Insert);
        let removed = count(rest.get(added..).unwrap_or_default(), Op::Delete);
        let (group, after) = mem::take(&mut rest).split_at_mut(added + removed);
        group.rotate_left(added);
        rest = after;
        if added + removed == 0 {
            return;
        }
    }
}

fn edit(edit: Edit) -> Edit {
    match edit {
        Edit::Equal { old, new } => Edit::Equal { old: new, new: old },
        Edit::Format { old, new } => Edit::Format { old: new, new: old },
        Edit::Insert { new, text } => Edit::Delete { old: new, text },
        Edit::Delete { old, text } => Edit::Insert { new: old, text },
        Edit::Modify { old, new, spans } => Edit::Modify {
            old: new,
            new: old,
            spans: spans_of(spans),
        },
        Edit::Move {
            old,
            new,
            side,
            text,
        } => Edit::Move {
            old: new,
            new: old,
            side: other(side),
            text,
        },
        Edit::MoveModify {
            old,
            new,
            side,
            spans,
        } => Edit::MoveModify {
            old: new,
            new: old,
            side: other(side),
            spans: spans_of(spans),
        },
        Edit::Split { old, new, spans } => Edit::Merge {
            old: new,
            new: old,
            spans: spans_of(spans),
        },
        Edit::Merge { old, new, spans } => Edit::Split {
            old: new,
            new: old,
            spans: spans_of(spans),
        },
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Departure => Side::Arrival,
        Side::Arrival => Side::Departure,
    }
}

fn spans_of(mut spans: Vec<Span>) -> Vec<Span> {
    for span in &mut spans {
        mem::swap(&mut span.old, &mut span.new);
        span.op = match span.op {
            Op::Equal => Op::Equal,
            Op::Delete => Op::Insert,
            Op::Insert => Op::Delete,
        };
    }
    // A replacement is a removal and then an insertion, each with the place at which it begins.
    for index in 1..spans.len() {
        if let Some([first, second]) = spans.get_mut(index - 1..=index)
            && (first.op, second.op) == (Op::Insert, Op::Delete)
        {
            let (old, new) = (second.old, first.new);
            mem::swap(first, second);
            (first.old, first.new) = (old, new);
            (second.old, second.new) = (old + first.text.len(), new);
        }
    }
    spans
}
