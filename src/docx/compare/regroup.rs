//! Moves, splits and merges, found among the edits that pairing in order could not explain.

use std::collections::{HashMap, VecDeque};

use super::align::{containment, similarity};
use super::rewrite::spans;
use super::script::{Edit, Side as Place};
use super::story::{Side, words};
use super::tokens::{Line, Tokens};

/// A paragraph of fewer letters is not followed when it moves: such lines occur everywhere.
const MOVE_WEIGHT: u32 = 24;
/// Likeness from which a removed and a new paragraph are one that moved and was changed.
const MOVE_LIKENESS: f32 = 0.75;
/// A paragraph is not followed into more parts than this: each part more means comparing all of them again.
const MOST_PARTS: usize = 12;
/// A word that occurs in more of the new paragraphs than this finds no candidate.
const RARE: usize = 6;

/// Both sides with the tokens that they are made of.
pub(super) struct Context<'c, 'a> {
    pub(super) tokens: &'c mut Tokens<'a>,
    pub(super) old: &'c Side<'a>,
    pub(super) new: &'c Side<'a>,
}

/// Turns a changed paragraph with the new (or removed) ones after it into a split (or a merge), where the text says so.
pub(super) fn splits_and_merges(edits: Vec<Edit>, context: &mut Context<'_, '_>) -> Vec<Edit> {
    let mut result: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        let joined = result.last().and_then(|last| context.join(last, &edit));
        match joined {
            Some(joined) => {
                result.pop();
                result.push(joined);
            }
            None => result.push(edit),
        }
    }
    result
}

impl Context<'_, '_> {
    /// The two edits as one split or merge, if they are one.
    fn join(&mut self, left: &Edit, right: &Edit) -> Option<Edit> {
        match (left, right) {
            (Edit::Modify { old, new, .. }, Edit::Insert { new: next, .. }) if new + 1 == *next => {
                self.split(*old, (*new, 2), *next)
            }
            (Edit::Split { old, new, .. }, Edit::Insert { new: next, .. })
                if new.0 + new.1 == *next =>
            {
                self.split(*old, (new.0, new.1 + 1), *next)
            }
            (Edit::Insert { new: first, .. }, Edit::Modify { old, new, .. })
                if first + 1 == *new =>
            {
                self.split(*old, (*first, 2), *first)
            }
            (Edit::Modify { old, new, .. }, Edit::Delete { old: next, .. }) if old + 1 == *next => {
                self.merge((*old, 2), *new, *next)
            }
            (Edit::Merge { old, new, .. }, Edit::Delete { old: next, .. })
                if old.0 + old.1 == *next =>
            {
                self.merge((old.0, old.1 + 1), *new, *next)
            }
            (Edit::Delete { old: first, .. }, Edit::Modify { old, new, .. })
                if first + 1 == *old =>
            {
                self.merge((*first, 2), *new, *first)
            }
            _ => None,
        }
    }

    fn split(&mut self, old: usize, new: (usize, usize), added: usize) -> Option<Edit> {
        if new.1 > MOST_PARTS {
            return None;
        }
        let parts = self.new.lines.get(new.0..new.0 + new.1)?;
        let whole = self.old.lines.get(old)?;
        let is_one = same_cell(self.new, new.0, new.1)
            && is_cut(whole, parts, self.new.lines.get(added)?, self.tokens);
        let parts: Vec<&Line> = parts.iter().collect();
        is_one.then(|| Edit::Split {
            old,
            new,
            spans: spans(self.tokens, &[whole], &parts),
        })
    }

    fn merge(&mut self, old: (usize, usize), new: usize, added: usize) -> Option<Edit> {
        if old.1 > MOST_PARTS {
            return None;
        }
        let parts = self.old.lines.get(old.0..old.0 + old.1)?;
        let whole = self.new.lines.get(new)?;
        let is_one = same_cell(self.old, old.0, old.1)
            && is_cut(whole, parts, self.old.lines.get(added)?, self.tokens);
        let parts: Vec<&Line> = parts.iter().collect();
        is_one.then(|| Edit::Merge {
            old,
            new,
            spans: spans(self.tokens, &parts, &[whole]),
        })
    }
}

fn same_cell(side: &Side<'_>, first: usize, count: usize) -> bool {
    let paragraphs = side
        .paragraphs
        .get(first..first + count)
        .unwrap_or_default();
    paragraphs
        .iter()
        .all(|paragraph| Some(&paragraph.cells) == paragraphs.first().map(|first| &first.cells))
}

/// Whether `parts` together are about `whole`, and `added` is a true part of it that the others do not explain.
fn is_cut(whole: &Line, parts: &[Line], added: &Line, tokens: &Tokens<'_>) -> bool {
    let bag = |lines: &[Line]| {
        let mut bag = words(lines, tokens).bag;
        bag.sort_unstable();
        bag
    };
    let all = bag(parts);
    let whole = bag(std::slice::from_ref(whole));
    let part = bag(std::slice::from_ref(added));
    let others: Vec<u32> = {
        let mut left = part.iter().peekable();
        let keep = |word: &&u32| {
            while left.next_if(|next| next < word).is_some() {}
            left.next_if(|next| next == word).is_none()
        };
        all.iter().filter(keep).copied().collect()
    };
    part.len() >= 3
        && similarity(&whole, &all) >= 0.85
        && containment(&part, &whole) >= 0.8
        && similarity(&whole, &all) > similarity(&whole, &others)
}

/// Pairs removed paragraphs with new ones that are the same, or nearly, elsewhere in the story.
pub(super) fn moves(edits: &mut [Edit], context: &mut Context<'_, '_>) {
    let mut arrivals: HashMap<u32, VecDeque<usize>> = HashMap::new();
    let mut departures = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        match edit {
            Edit::Delete { old, .. } if is_long(context.old, *old, context.tokens) => {
                departures.push(index);
            }
            Edit::Insert { new, .. } if is_long(context.new, *new, context.tokens) => {
                if let Some(line) = context.new.lines.get(*new) {
                    arrivals.entry(line.key).or_default().push_back(index);
                }
            }
            _ => {}
        }
    }
    let mut left = Vec::new();
    for departure in departures {
        let key = old_line(edits, departure, context).map(|line| line.key);
        let same = key.and_then(|key| arrivals.get_mut(&key));
        match same.and_then(VecDeque::pop_front) {
            Some(arrival) => move_whole(edits, departure, arrival),
            None => left.push(departure),
        }
    }
    let free: Vec<usize> = arrivals.into_values().flatten().collect();
    changed_moves(edits, &left, free, context);
}

fn is_long(side: &Side<'_>, index: usize, tokens: &Tokens<'_>) -> bool {
    let block = words(side.lines.get(index..=index).unwrap_or_default(), tokens);
    block.weight >= MOVE_WEIGHT && block.bag.len() >= 4
}

fn old_line<'l>(edits: &[Edit], index: usize, context: &'l Context<'_, '_>) -> Option<&'l Line> {
    let Some(Edit::Delete { old, .. }) = edits.get(index) else {
        return None;
    };
    context.old.lines.get(*old)
}

fn new_line<'l>(edits: &[Edit], index: usize, context: &'l Context<'_, '_>) -> Option<&'l Line> {
    let Some(Edit::Insert { new, .. }) = edits.get(index) else {
        return None;
    };
    context.new.lines.get(*new)
}

fn move_whole(edits: &mut [Edit], departure: usize, arrival: usize) {
    let (Some(Edit::Delete { old, text }), Some(Edit::Insert { new, .. })) =
        (edits.get(departure), edits.get(arrival))
    else {
        return;
    };
    let (old, new, text) = (*old, *new, text.clone());
    for (index, side) in [(departure, Place::Departure), (arrival, Place::Arrival)] {
        if let Some(slot) = edits.get_mut(index) {
            *slot = Edit::Move {
                old,
                new,
                side,
                text: text.clone(),
            };
        }
    }
}

fn changed_moves(
    edits: &mut [Edit],
    departures: &[usize],
    mut arrivals: Vec<usize>,
    context: &mut Context<'_, '_>,
) {
    arrivals.sort_unstable();
    let bag = |line: Option<&Line>, tokens: &Tokens<'_>| {
        let mut bag = line
            .map(|line| words(std::slice::from_ref(line), tokens).bag)
            .unwrap_or_default();
        bag.sort_unstable();
        bag
    };
    let bags: Vec<Vec<u32>> = arrivals
        .iter()
        .map(|index| bag(new_line(edits, *index, context), context.tokens))
        .collect();
    let mut holders: HashMap<u32, Vec<usize>> = HashMap::new();
    for (position, words) in bags.iter().enumerate() {
        for word in words {
            let found = holders.entry(*word).or_default();
            if found.len() <= RARE && found.last() != Some(&position) {
                found.push(position);
            }
        }
    }
    let mut taken = vec![false; arrivals.len()];
    for departure in departures {
        let words = bag(old_line(edits, *departure, context), context.tokens);
        let Some(position) = most_alike(&words, &bags, &holders, &taken) else {
            continue;
        };
        if let Some(slot) = taken.get_mut(position) {
            *slot = true;
        }
        if let Some(arrival) = arrivals.get(position) {
            move_changed(edits, *departure, *arrival, context);
        }
    }
}

fn most_alike(
    words: &[u32],
    bags: &[Vec<u32>],
    holders: &HashMap<u32, Vec<usize>>,
    taken: &[bool],
) -> Option<usize> {
    let mut candidates: Vec<usize> = words
        .iter()
        .filter_map(|word| holders.get(word).filter(|found| found.len() <= RARE))
        .flatten()
        .copied()
        .filter(|position| taken.get(*position) == Some(&false))
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    let scored = candidates.into_iter().filter_map(|position| {
        let likeness = similarity(words, bags.get(position)?);
        (likeness >= MOVE_LIKENESS).then_some((likeness, position))
    });
    scored
        .max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)))
        .map(|(_, position)| position)
}

fn move_changed(
    edits: &mut [Edit],
    departure: usize,
    arrival: usize,
    context: &mut Context<'_, '_>,
) {
    let (Some(Edit::Delete { old, .. }), Some(Edit::Insert { new, .. })) =
        (edits.get(departure), edits.get(arrival))
    else {
        return;
    };
    let (old, new) = (*old, *new);
    let (Some(left), Some(right)) = (context.old.lines.get(old), context.new.lines.get(new)) else {
        return;
    };
    let spans = spans(context.tokens, &[left], &[right]);
    for (index, side) in [(departure, Place::Departure), (arrival, Place::Arrival)] {
        if let Some(slot) = edits.get_mut(index) {
            *slot = Edit::MoveModify {
                old,
                new,
                side,
                spans: spans.clone(),
            };
        }
    }
}
