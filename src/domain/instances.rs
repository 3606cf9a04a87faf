//! How many runs of one processor belong to one start, and which of them a run is. Refuses to know who starts them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::ProcessorName;

/// The most runs of one start.
pub const MOST_INSTANCES: u32 = 64;

/// How many runs of a processor belong to one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instances {
    /// Always so many.
    Fixed(u32),
    /// As many as its backlog asks for.
    ByLoad(Scaling),
}

impl Default for Instances {
    fn default() -> Self {
        Self::Fixed(1)
    }
}

impl Instances {
    /// How many they are, if the backlog last asked for `wish`; at least one.
    #[must_use]
    pub fn count(&self, wish: Option<u32>) -> u32 {
        match self {
            Self::Fixed(count) => (*count).max(1),
            Self::ByLoad(scaling) => scaling.bounded(wish.unwrap_or(scaling.min)),
        }
    }

    /// How the backlog is followed, if it is.
    #[must_use]
    pub fn scaling(&self) -> Option<&Scaling> {
        match self {
            Self::Fixed(_) => None,
            Self::ByLoad(scaling) => Some(scaling),
        }
    }

    /// The most that they can be.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.count(Some(u32::MAX))
    }
}

/// How many runs a backlog asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// The fewest, at least one.
    pub min: u32,
    /// The most, at least [`Scaling::min`].
    pub max: u32,
    /// How many waiting items one run is meant to have.
    pub target: u32,
    /// Where the processor tells how many wait.
    pub metric: MetricSelector,
}

impl Scaling {
    /// The fewest runs that leave none more than its share of `backlog`, within the bounds.
    #[must_use]
    pub fn wanted(&self, backlog: f64) -> u32 {
        let is_enough = |count: &u32| f64::from(*count) * f64::from(self.target) >= backlog;
        (self.min..=self.max).find(is_enough).unwrap_or(self.max)
    }

    /// `count` within the bounds.
    #[must_use]
    pub fn bounded(&self, count: u32) -> u32 {
        count.min(self.max).max(self.min).max(1)
    }
}

/// Series of one metric: those that have these labels, whatever others they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSelector {
    /// The metric's name.
    pub name: String,
    /// Names and values.
    pub labels: Vec<(String, String)>,
}

impl fmt::Display for MetricSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        let labels = self.labels.iter();
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        if labels.is_empty() {
            return Ok(());
        }
        write!(formatter, "{{{}}}", labels.join(","))
    }
}

/// What a start of a processor told of its backlog, and how many runs that makes of the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Whose.
    pub processor: ProcessorName,
    /// When it was looked at.
    pub at: Timestamp,
    /// Where the backlog was looked for.
    pub metric: MetricSelector,
    /// How many items wait; none when the start succeeded and did not tell.
    pub backlog: Option<f64>,
    /// How many runs were wished for before.
    pub before: u32,
    /// And now.
    pub desired: u32,
    /// Whether the start before this one told its backlog, or there was none.
    pub was_told: bool,
}

impl Load {
    /// Whether the backlog has just begun to be missing.
    #[must_use]
    pub fn is_newly_missing(&self) -> bool {
        self.backlog.is_none() && self.was_told
    }
}

/// What is known of the load of a processor whose runs follow it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownLoad {
    wish: Option<u32>,
    last: Option<Load>,
}

impl KnownLoad {
    /// It was looked at again.
    pub fn take(&mut self, load: &Load) {
        self.wish = Some(load.desired);
        self.last = Some(load.clone());
    }

    /// These hold from now on: what was read says nothing any more, and without a backlog there is no wish.
    pub fn configured(&mut self, instances: &Instances) {
        self.last = None;
        self.wish = self.wish.filter(|_| instances.scaling().is_some());
    }

    /// How many runs the next start is to have.
    #[must_use]
    pub fn desired(&self, instances: &Instances) -> u32 {
        instances.count(self.wish)
    }

    /// What was read last; none before the first time.
    #[must_use]
    pub fn last(&self) -> Option<&Load> {
        self.last.as_ref()
    }
}

/// Which of the runs of one start a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Counted from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Instance {
    /// The only one.
    pub const ONLY: Self = Self { number: 1, of: 1 };

    /// The one that these texts tell; none when they make no sense together.
    #[must_use]
    pub fn from_texts(number: &str, of: &str) -> Option<Self> {
        let (number, of) = (number.parse().ok()?, of.parse().ok()?);
        let is_possible = (1..=of).contains(&number) && of <= MOST_INSTANCES;
        is_possible.then_some(Self { number, of })
    }

    /// Whether there are others beside it.
    #[must_use]
    pub fn has_others(self) -> bool {
        self.of > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_asks_for_the_fewest_runs_that_leave_none_more_than_its_share() {
        let scaling = Scaling {
            min: 2,
            max: 8,
            target: 20,
            metric: MetricSelector {
                name: "fila".to_owned(),
                labels: Vec::new(),
            },
        };
        for (backlog, wanted) in [
            (0.0, 2),
            (40.0, 2),
            (41.0, 3),
            (100.0, 5),
            (100.5, 6),
            (160.0, 8),
            (1e12, 8),
            (f64::INFINITY, 8),
            (-3.0, 2),
        ] {
            assert_eq!(scaling.wanted(backlog), wanted, "{backlog}");
        }
        let instances = Instances::ByLoad(scaling);
        let counts = [None, Some(1), Some(5), Some(9)].map(|wish| instances.count(wish));
        assert_eq!((counts, instances.most()), ([2, 2, 5, 8], 8));
        assert_eq!(Instances::Fixed(3).count(Some(9)), 3);
    }
}
