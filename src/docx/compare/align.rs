//! Pairing two sequences of blocks, in order, at a cost close to linear.
//!
//! Blocks unique on both sides anchor; a weighted longest increasing subsequence of them is the spine; what lies
//! between is paired by similarity. It knows nothing of what a block is made of.

use std::collections::HashMap;

use super::chain::heaviest_increasing;

/// What the aligner knows of a block.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// Equal for equal blocks.
    pub(super) key: u32,
    /// Blocks of different kinds are never paired.
    pub(super) is_table: bool,
    /// What a match is worth: about the letters in it.
    pub(super) weight: u32,
    /// Whether it has nothing but white space.
    pub(super) is_blank: bool,
    /// The numbers of its words, sorted.
    pub(super) bag: Vec<u32>,
}

/// Gaps of at most so many pairs are paired by the best sum of similarities; larger ones by rare words first.
const EXACT_PAIRS: usize = 40_000;
/// Part of the threshold that is asked of two blocks with nothing else between their neighbours.
const ALONE: f32 = 0.4;
/// Blocks of the longer side that are paired at once where a gap is too large for that.
const STEP: usize = 96;
/// Likeness at which the next blocks of such a gap are paired without looking further.
const PLAIN: f32 = 0.8;
/// A word that stands in more blocks of a gap than this votes for none.
const RARE: usize = 8;

/// Pairs `old` with `new`, in order; pairs of different keys are at least `threshold` similar (0 to 1).
pub(super) fn align(old: &[Block], new: &[Block], threshold: f32) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let spine = spine(old, new);
    let mut from = (0, 0);
    for anchor in spine
        .into_iter()
        .chain(std::iter::once((old.len(), new.len())))
    {
        let gap = Gap {
            old,
            new,
            from,
            to: anchor,
            threshold,
        };
        gap.pair(&mut pairs);
        if anchor.0 < old.len() {
            pairs.push(anchor);
        }
        from = (anchor.0 + 1, anchor.1 + 1);
    }
    pairs
}

/// Pairs by their places what is left between pairs, where there is as much of it on both sides.
pub(super) fn fill(pairs: &[(usize, usize)], old: usize, new: usize) -> Vec<(usize, usize)> {
    let mut filled = Vec::with_capacity(pairs.len());
    let mut from = (0, 0);
    for pair in pairs.iter().copied().chain(std::iter::once((old, new))) {
        if pair.0 - from.0 == pair.1 - from.1 {
            filled.extend((from.0..pair.0).zip(from.1..pair.1));
        }
        if pair != (old, new) {
            filled.push(pair);
        }
        from = (pair.0 + 1, pair.1 + 1);
    }
    filled
}

/// How alike two bags are: twice the words in common by the words of both.
pub(super) fn similarity(old: &[u32], new: &[u32]) -> f32 {
    if old.is_empty() && new.is_empty() {
        return 0.5;
    }
    let total = old.len() + new.len();
    ratio(2 * common(old, new), total)
}

/// How much of `part` is in `whole`.
pub(super) fn containment(part: &[u32], whole: &[u32]) -> f32 {
    ratio(common(part, whole), part.len().max(1))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of words in a paragraph are far below 2^24"
)]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

fn common(old: &[u32], new: &[u32]) -> usize {
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    let mut count = 0;
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.cmp(other) {
            std::cmp::Ordering::Less => left.next(),
            std::cmp::Ordering::Greater => right.next(),
            std::cmp::Ordering::Equal => {
                count += 1;
                left.next();
                right.next()
            }
        };
    }
    count
}

/// The heaviest increasing sequence of blocks that are unique on both sides.
fn spine(old: &[Block], new: &[Block]) -> Vec<(usize, usize)> {
    let (left, right) = (places(old), places(new));
    let mut anchors: Vec<(usize, usize, u64)> = Vec::new();
    for (index, block) in old.iter().enumerate() {
        if let (Some(Some(_)), Some(Some(place))) = (left.get(&block.key), right.get(&block.key)) {
            anchors.push((index, *place, u64::from(block.weight) + 1));
        }
    }
    heaviest_increasing(&anchors, new.len())
}

/// The only place of each key; `None` where there are several.
fn places(blocks: &[Block]) -> HashMap<u32, Option<usize>> {
    let mut places = HashMap::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        places
            .entry(block.key)
            .and_modify(|place| *place = None)
            .or_insert(Some(index));
    }
    places
}

fn set(values: &mut [f32], index: usize, value: f32) {
    if let Some(slot) = values.get_mut(index) {
        *slot = value;
    }
}

/// A stretch of both sides between two anchors.
struct Gap<'a> {
    old: &'a [Block],
    new: &'a [Block],
    from: (usize, usize),
    to: (usize, usize),
    threshold: f32,
}

impl Gap<'_> {
    fn pair(&self, pairs: &mut Vec<(usize, usize)>) {
        let (mut from, mut to) = (self.from, self.to);
        while from.0 < to.0 && from.1 < to.1 && self.is_same(from.0, from.1) {
            pairs.push(from);
            from = (from.0 + 1, from.1 + 1);
        }
        let mut tail = Vec::new();
        while from.0 < to.0 && from.1 < to.1 && self.is_same(to.0 - 1, to.1 - 1) {
            to = (to.0 - 1, to.1 - 1);
            tail.push(to);
        }
        self.pair_by_likeness(from, to, pairs);
        pairs.extend(tail.into_iter().rev());
    }

    fn pair_by_likeness(
        &self,
        from: (usize, usize),
        to: (usize, usize),
        pairs: &mut Vec<(usize, usize)>,
    ) {
        if from.0 >= to.0 || from.1 >= to.1 {
            return;
        }
        if (to.0 - from.0).saturating_mul(to.1 - from.1) <= EXACT_PAIRS {
            self.pair_exactly(from, to, pairs);
            return;
        }
        let mut at = from;
        let anchors = self.rare_word_pairs(from, to);
        for anchor in anchors.into_iter().chain(std::iter::once(to)) {
            self.pair_in_steps(at, anchor, pairs);
            if anchor != to {
                pairs.push(anchor);
                at = (anchor.0 + 1, anchor.1 + 1);
            }
        }
    }

    /// Pairs exactly within steps along the diagonal, so that the cost stays linear where no word is rare.
    fn pair_in_steps(
        &self,
        from: (usize, usize),
        to: (usize, usize),
        pairs: &mut Vec<(usize, usize)>,
    ) {
        let mut from = from;
        while from.0 < to.0 && from.1 < to.1 && self.likeness(from.0, from.1) >= PLAIN {
            pairs.push(from);
            from = (from.0 + 1, from.1 + 1);
        }
        let (height, width) = (to.0 - from.0, to.1 - from.1);
        let steps = if height.saturating_mul(width) <= EXACT_PAIRS {
            1
        } else {
            height.max(width).div_ceil(STEP)
        };
        let corner = |step: usize| {
            (
                from.0 + height * step / steps,
                from.1 + width * step / steps,
            )
        };
        for step in 0..steps {
            self.pair_exactly(corner(step), corner(step + 1), pairs);
        }
    }

    /// Pairs that share rare words and are alike, in order.
    fn rare_word_pairs(&self, from: (usize, usize), to: (usize, usize)) -> Vec<(usize, usize)> {
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for index in from.1..to.1 {
            let Some(block) = self.new.get(index) else {
                continue;
            };
            // Whole blocks vote too, so that equal ones that are not unique find each other.
            for word in &block.bag {
                let found = places.entry(*word).or_default();
                if found.len() <= RARE && found.last() != Some(&index) {
                    found.push(index);
                }
            }
        }
        let mut points = Vec::new();
        for index in from.0..to.0 {
            let Some(block) = self.old.get(index) else {
                continue;
            };
            let mut votes: HashMap<usize, usize> = HashMap::new();
            for word in &block.bag {
                let found = places.get(word).filter(|found| found.len() <= RARE);
                for place in found.into_iter().flatten() {
                    *votes.entry(*place).or_default() += 1;
                }
            }
            let best = votes
                .into_iter()
                .max_by_key(|(place, count)| (*count, std::cmp::Reverse(*place)));
            if let Some((place, _)) = best
                && self.likeness(index, place) >= self.threshold
            {
                points.push((index, place - from.1, u64::from(block.weight) + 1));
            }
        }
        let chain = heaviest_increasing(&points, to.1 - from.1);
        chain
            .into_iter()
            .map(|(first, second)| (first, second + from.1))
            .collect()
    }

    /// The pairs with the greatest sum of similarities, by dynamic programming.
    fn pair_exactly(
        &self,
        from: (usize, usize),
        to: (usize, usize),
        pairs: &mut Vec<(usize, usize)>,
    ) {
        let (height, width) = (to.0 - from.0, to.1 - from.1);
        if height == 0 || width == 0 {
            return;
        }
        if height == 1 && width == 1 {
            pairs.extend(self.is_one(from).then_some(from));
            return;
        }
        // The best sum from each corner to the end.
        let mut best = vec![0.0_f32; (height + 1) * (width + 1)];
        let mut gains = vec![0.0_f32; height * width];
        let at = |row: usize, column: usize| row * (width + 1) + column;
        for row in (0..height).rev() {
            for column in (0..width).rev() {
                let gain = self.gain(from.0 + row, from.1 + column);
                let value = |index: usize| best.get(index).copied().unwrap_or(0.0);
                let skipped = value(at(row + 1, column)).max(value(at(row, column + 1)));
                let taken = value(at(row + 1, column + 1)) + gain;
                let is_taken = gain > 0.0 && taken >= skipped;
                set(
                    &mut gains,
                    row * width + column,
                    if is_taken { gain } else { 0.0 },
                );
                set(
                    &mut best,
                    at(row, column),
                    if is_taken { taken } else { skipped },
                );
            }
        }
        let (mut row, mut column) = (0, 0);
        while row < height && column < width {
            if gains
                .get(row * width + column)
                .is_some_and(|gain| *gain > 0.0)
            {
                pairs.push((from.0 + row, from.1 + column));
                (row, column) = (row + 1, column + 1);
            } else if best.get(at(row + 1, column)) >= best.get(at(row, column + 1)) {
                row += 1;
            } else {
                column += 1;
            }
        }
    }

    /// What pairing two blocks is worth: nothing below the threshold.
    fn gain(&self, old: usize, new: usize) -> f32 {
        let likeness = self.likeness(old, new);
        if likeness >= self.threshold {
            likeness + 0.01
        } else {
            0.0
        }
    }

    /// Whether the only block that is left on either side is one that changed: alike, or grown out of the other.
    fn is_one(&self, (old, new): (usize, usize)) -> bool {
        let (Some(one), Some(other)) = (self.old.get(old), self.new.get(new)) else {
            return false;
        };
        let (short, long) = if one.bag.len() < other.bag.len() {
            (one, other)
        } else {
            (other, one)
        };
        let is_placeholder = short.bag.is_empty() && !short.is_blank;
        let is_grown = is_placeholder || containment(&short.bag, &long.bag) >= 0.8;
        let likeness = self.likeness(old, new);
        likeness >= ALONE * self.threshold || (likeness >= 0.0 && is_grown)
    }

    fn is_same(&self, old: usize, new: usize) -> bool {
        matches!((self.old.get(old), self.new.get(new)), (Some(one), Some(other)) if one.key == other.key)
    }

    fn likeness(&self, old: usize, new: usize) -> f32 {
        match (self.old.get(old), self.new.get(new)) {
            (Some(one), Some(other)) if one.is_table != other.is_table => -1.0,
            // Worth more than any likeness, so that an equal block is not given up for two that are alike.
            (Some(one), Some(other)) if one.key == other.key => 1.5,
            (Some(one), Some(other)) => similarity(&one.bag, &other.bag),
            _ => -1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&[u32]]) -> Vec<Block> {
        let block = |bag: &&[u32]| Block {
            key: bag.iter().fold(7, |key, word| key * 31 + word),
            is_table: false,
            is_blank: false,
            weight: 10,
            bag: bag.to_vec(),
        };
        texts.iter().map(block).collect()
    }

    #[test]
    fn changed_blocks_are_paired_with_their_likes_and_not_by_position() {
        let old = blocks(&[&[1, 2, 3, 4], &[5, 6, 7, 8]]);
        let new = blocks(&[&[5, 6, 7, 9], &[1, 2, 3, 4], &[5, 6, 7, 10]]);
        assert_eq!(align(&old, &new, 0.4), [(0, 1), (1, 2)]);
    }
}
