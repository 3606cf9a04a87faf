//! The heaviest increasing subsequence: the spine of every alignment here. It knows points and weights only.

/// Of points in order of their first coordinate, those of the heaviest sequence that strictly increases in both.
pub(super) fn heaviest_increasing(
    points: &[(usize, usize, u64)],
    width: usize,
) -> Vec<(usize, usize)> {
    let mut best = Best(vec![(0, None); width + 1]);
    let mut before: Vec<Option<usize>> = Vec::with_capacity(points.len());
    let mut last: (u64, Option<usize>) = (0, None);
    for (index, (_, second, weight)) in points.iter().enumerate() {
        let reached = best.before(*second);
        before.push(reached.1);
        let total = (reached.0 + weight, Some(index));
        best.raise(*second, total);
        if total.0 > last.0 {
            last = total;
        }
    }
    let mut chain = Vec::new();
    let mut at = last.1;
    while let Some(index) = at {
        let point = points.get(index);
        chain.extend(point.map(|(first, second, _)| (*first, *second)));
        at = before.get(index).copied().flatten();
    }
    chain.reverse();
    chain
}

/// A Fenwick tree of the best weight that ends at or before a coordinate, with the point that reaches it.
struct Best(Vec<(u64, Option<usize>)>);

impl Best {
    /// The best that ends before `coordinate`.
    fn before(&self, coordinate: usize) -> (u64, Option<usize>) {
        let mut reached = (0, None);
        let mut at = coordinate;
        while at > 0 {
            if let Some(found) = self.0.get(at)
                && found.0 > reached.0
            {
                reached = *found;
            }
            at &= at - 1;
        }
        reached
    }

    /// Enters a sum that ends at `coordinate`.
    fn raise(&mut self, coordinate: usize, total: (u64, Option<usize>)) {
        let mut at = coordinate + 1;
        while let Some(slot) = self.0.get_mut(at) {
            if total.0 > slot.0 {
                *slot = total;
            }
            at += at & at.wrapping_neg();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_chain_wins_over_the_longest() {
        let points = [(0, 2, 10), (1, 0, 3), (2, 1, 3)];
        assert_eq!(heaviest_increasing(&points, 3), [(0, 2)]);
        assert_eq!(heaviest_increasing(&[], 0), []);
    }
}
