//! The difference of two paragraphs, token by token, in the stretches that a person would mark.
//!
//! It works on numbers of tokens; what the numbers stand for it asks of `tokens`.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Token};

use super::anchors;
use super::tokens::{Class, Tokens};

/// Two stretches that differ, between stretches that are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// Pairs of tokens up to which the heaviest common sequence is found exactly.
const EXACT_PAIRS: usize = 250_000;

/// Pairs of tokens up to which rare words guide the search; beyond, the sides are first cut at equal phrases.
const HISTOGRAM_PAIRS: usize = 4_000_000;

/// The hunks that turn `old` into `new`, in order, with equal and equally long stretches between them.
pub(super) fn hunks(old: &[u32], new: &[u32], tokens: &Tokens<'_>) -> Vec<Hunk> {
    let prefix = old
        .iter()
        .zip(new)
        .take_while(|(one, other)| one == other)
        .count();
    let rest = (old.len() - prefix).min(new.len() - prefix);
    let suffix = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(|(one, other)| one == other)
        .count();
    let middle_old = old.get(prefix..old.len() - suffix).unwrap_or_default();
    let middle_new = new.get(prefix..new.len() - suffix).unwrap_or_default();
    let found = differing(middle_old, middle_new, tokens);
    let shift = |range: Range<usize>| range.start + prefix..range.end + prefix;
    let found = found
        .into_iter()
        .map(|hunk| Hunk {
            old: shift(hunk.old),
            new: shift(hunk.new),
        })
        .collect();
    join(found, old, tokens)
}

/// The hunks of two sides by the best means that their lengths allow.
fn differing(old: &[u32], new: &[u32], tokens: &Tokens<'_>) -> Vec<Hunk> {
    let size = old.len().saturating_mul(new.len());
    if size <= EXACT_PAIRS {
        return exact(old, new, tokens);
    }
    if size <= HISTOGRAM_PAIRS {
        return histogram(old, new, tokens);
    }
    let mut hunks = Vec::new();
    for (one, other) in anchors::stretches(old, new) {
        let left = old.get(one.clone()).unwrap_or_default();
        let right = new.get(other.clone()).unwrap_or_default();
        let found = exact(left, right, tokens).into_iter();
        hunks.extend(found.map(|hunk| Hunk {
            old: hunk.old.start + one.start..hunk.old.end + one.start,
            new: hunk.new.start + other.start..hunk.new.end + other.start,
        }));
    }
    hunks
}

fn histogram(old: &[u32], new: &[u32], tokens: &Tokens<'_>) -> Vec<Hunk> {
    let before: Vec<Token> = old.iter().map(|id| Token(*id)).collect();
    let after: Vec<Token> = new.iter().map(|id| Token(*id)).collect();
    let mut diff = Diff::default();
    let count = u32::try_from(tokens.count()).unwrap_or(u32::MAX);
    diff.compute_with(Algorithm::Histogram, &before, &after, count);
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    diff.hunks()
        .map(|hunk| Hunk {
            old: range(hunk.before),
            new: range(hunk.after),
        })
        .collect()
}

/// The heaviest common subsequence, where a long word is worth more than a space.
fn exact(old: &[u32], new: &[u32], tokens: &Tokens<'_>) -> Vec<Hunk> {
    let width = new.len() + 1;
    let mut best = vec![0_u32; (old.len() + 1) * width];
    for (row, one) in old.iter().enumerate().rev() {
        let weight = 2 * tokens.weight(*one) + 1;
        for (column, other) in new.iter().enumerate().rev() {
            let value = |index: usize| best.get(index).copied().unwrap_or(0);
            let below = value((row + 1) * width + column);
            let right = value(row * width + column + 1);
            let taken = if one == other {
                value((row + 1) * width + column + 1) + weight
            } else {
                0
            };
            if let Some(slot) = best.get_mut(row * width + column) {
                *slot = taken.max(below).max(right);
            }
        }
    }
    let value = |row: usize, column: usize| best.get(row * width + column).copied().unwrap_or(0);
    let mut hunks = Vec::new();
    let (mut row, mut column) = (0, 0);
    let mut open = (0, 0);
    while let (Some(one), Some(other)) = (old.get(row), new.get(column)) {
        let is_taken = one == other
            && value(row, column) == value(row + 1, column + 1) + 2 * tokens.weight(*one) + 1;
        if is_taken {
            push(&mut hunks, open.0..row, open.1..column);
            (row, column) = (row + 1, column + 1);
            open = (row, column);
        } else if value(row + 1, column) >= value(row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    push(&mut hunks, open.0..old.len(), open.1..new.len());
    hunks
}

fn push(hunks: &mut Vec<Hunk>, old: Range<usize>, new: Range<usize>) {
    if !old.is_empty() || !new.is_empty() {
        hunks.push(Hunk { old, new });
    }
}

/// Joins hunks between which too little is equal for a reader to see it as kept.
fn join(hunks: Vec<Hunk>, old: &[u32], tokens: &Tokens<'_>) -> Vec<Hunk> {
    let mut joined: Vec<Hunk> = Vec::with_capacity(hunks.len());
    for hunk in hunks {
        let mut hunk = hunk;
        while let Some(last) = joined.pop() {
            if is_negligible(&last, &hunk, old, tokens) {
                hunk = Hunk {
                    old: last.old.start..hunk.old.end,
                    new: last.new.start..hunk.new.end,
                };
            } else {
                joined.push(last);
                break;
            }
        }
        joined.push(hunk);
    }
    joined
}

fn is_negligible(left: &Hunk, right: &Hunk, old: &[u32], tokens: &Tokens<'_>) -> bool {
    let between = old.get(left.old.end..right.old.start).unwrap_or_default();
    let is_replacement = |hunk: &Hunk| !hunk.old.is_empty() && !hunk.new.is_empty();
    if between.iter().all(|id| tokens.class(*id) == Class::Space) {
        return between.is_empty() || is_replacement(left) || is_replacement(right);
    }
    if between
        .iter()
        .any(|id| matches!(tokens.class(*id), Class::Object | Class::Mark))
    {
        return false;
    }
    let weight = between
        .iter()
        .map(|id| tokens.weight(*id))
        .sum::<u32>()
        .max(1);
    let size = |hunk: &Hunk| hunk_weight(hunk, old, tokens);
    is_replacement(left) && is_replacement(right) && 4 * weight <= size(left).min(size(right))
}

fn hunk_weight(hunk: &Hunk, old: &[u32], tokens: &Tokens<'_>) -> u32 {
    let removed = old.get(hunk.old.clone()).unwrap_or_default();
    let added = u32::try_from(hunk.new.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(3);
    removed
        .iter()
        .map(|id| tokens.weight(*id))
        .sum::<u32>()
        .saturating_add(added)
}
