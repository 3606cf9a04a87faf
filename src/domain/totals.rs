//! Sums of what was counted, series by series, as values that can be kept. Refuses to know where they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What tells one series from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// The family's whole name.
    pub family: String,
    /// Names and values, in the order of the exposition.
    pub labels: Vec<(String, String)>,
    /// Upper bounds of a histogram's buckets, as numbers are written; other bounds make another series. None for a
    /// counter.
    pub bounds: Vec<String>,
}

/// Numbers that only grow: one for a counter; sum, count and the cumulative buckets for a histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals(pub BTreeMap<Series, Vec<f64>>);

impl Totals {
    /// Adds the numbers of `more`, each to that of its series.
    pub fn add(&mut self, more: &Self) {
        for (series, numbers) in &more.0 {
            match self.0.get_mut(series) {
                Some(sums) if sums.len() == numbers.len() => {
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum += number;
                    }
                }
                _ => {
                    self.0.insert(series.clone(), numbers.clone());
                }
            }
        }
    }
}
