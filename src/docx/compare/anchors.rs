//! Long sequences of tokens cut at phrases that occur once on both sides, so that each piece is short to compare.
//!
//! It works on numbers alone.

use std::collections::HashMap;
use std::ops::Range;

use super::super::hash::Fnv;
use super::chain::heaviest_increasing;

/// Tokens of a phrase: about six words with the spaces between them.
const PHRASE: usize = 12;
/// Tokens of the longer side of a piece, where no phrase cuts it.
const PIECE: usize = 500;

/// A stretch of both sides.
pub(super) type Stretch = (Range<usize>, Range<usize>);

/// The stretches between equal phrases, in order. What lies between two stretches is equal on both sides.
pub(super) fn stretches(old: &[u32], new: &[u32]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let (mut from_old, mut from_new) = (0, 0);
    for (one, other) in chain(old, new) {
        if one < from_old || other < from_new {
            continue;
        }
        let rest = old.iter().skip(one).zip(new.iter().skip(other));
        let length = rest.take_while(|(left, right)| left == right).count();
        if length < PHRASE {
            continue;
        }
        pieces(from_old..one, from_new..other, &mut found);
        (from_old, from_new) = (one + length, other + length);
    }
    pieces(from_old..old.len(), from_new..new.len(), &mut found);
    found
}

/// Cuts a stretch without phrases into pieces of like proportion, so that the cost stays linear.
fn pieces(old: Range<usize>, new: Range<usize>, found: &mut Vec<Stretch>) {
    let count = old.len().max(new.len()).div_ceil(PIECE);
    let at = |range: &Range<usize>, step: usize| range.start + range.len() * step / count;
    for step in 0..count {
        found.push((
            at(&old, step)..at(&old, step + 1),
            at(&new, step)..at(&new, step + 1),
        ));
    }
}

/// The longest increasing sequence of places of phrases that are unique on both sides.
fn chain(old: &[u32], new: &[u32]) -> Vec<(usize, usize)> {
    let (left, right) = (phrases(old), phrases(new));
    let mut points: Vec<(usize, usize, u64)> = left
        .iter()
        .filter_map(|(hash, place)| Some(((*place)?, (*right.get(hash)?)?, 1)))
        .collect();
    points.sort_unstable();
    heaviest_increasing(&points, new.len())
}

/// The only place of each phrase by its hash; `None` where there are several.
fn phrases(tokens: &[u32]) -> HashMap<u64, Option<usize>> {
    let mut places = HashMap::with_capacity(tokens.len());
    for (index, phrase) in tokens.windows(PHRASE).enumerate() {
        let mut hash = Fnv::new();
        for token in phrase {
            hash.add(&token.to_le_bytes());
        }
        places
            .entry(hash.value())
            .and_modify(|place| *place = None)
            .or_insert(Some(index));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_stretches_is_equal_on_both_sides() {
        let old: Vec<u32> = (0..2_000).collect();
        let mut new = old.clone();
        new.splice(700..710, [9_001, 9_002]);
        new.insert(5, 9_003);
        let (mut from_old, mut from_new) = (0, 0);
        for (one, other) in stretches(&old, &new) {
            assert_eq!(old[from_old..one.start], new[from_new..other.start]);
            assert!(one.len() <= PIECE && other.len() <= PIECE);
            (from_old, from_new) = (one.end, other.end);
        }
        assert_eq!(old[from_old..], new[from_new..]);
    }
}
