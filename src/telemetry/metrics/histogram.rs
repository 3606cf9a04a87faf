//! A histogram as small as it can be: counts per bucket, no name, no labels, no bounds of its own.

use std::sync::Arc;

/// Upper bounds in ascending order, without the infinite one.
pub(super) type Bounds = Arc<[f64]>;

/// Counts of observations. The bounds are those that every observation is given.
#[derive(Debug, Clone, Default)]
pub(in crate::telemetry) struct Histogram {
    /// One per bound and one beyond; empty before the first observation.
    counts: Box<[u64]>,
    sum: f64,
}

impl Histogram {
    /// Counts `value`; returns the bucket that it fell into.
    pub(super) fn observe(&mut self, bounds: &[f64], value: f64) -> usize {
        if self.counts.is_empty() {
            self.counts = vec![0; bounds.len() + 1].into();
        }
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
        bucket
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Cumulative counts, one per bound.
    pub(super) fn cumulative(&self, bounds: usize) -> impl Iterator<Item = u64> {
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        counts.take(bounds).scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }
}

/// Delays and waits use the bounds up to a minute.
pub(super) fn waits(buckets: &[f64]) -> Bounds {
    let bounds = buckets.iter().copied();
    bounds.filter(|bound| *bound <= 60.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_it_and_one_above_all_only_to_the_count() {
        let bounds = [1.0, 2.0];
        let mut histogram = Histogram::default();
        assert_eq!(histogram.cumulative(2).collect::<Vec<_>>(), [0, 0]);
        let buckets = [1.0, 1.5, 2.0, 7.0].map(|value| histogram.observe(&bounds, value));
        assert_eq!(buckets, [0, 1, 1, 2]);
        assert_eq!(histogram.cumulative(2).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((histogram.count(), histogram.sum()), (4, 11.5));
    }
}
