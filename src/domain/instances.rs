//! How many runs of one processor belong to one start, and which of them a run is. Refuses to know who starts them.

/// The most runs of one start.
pub const MOST_INSTANCES: u32 = 64;

/// How many runs of a processor belong to one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instances {
    /// Always so many.
    Fixed(u32),
}

impl Default for Instances {
    fn default() -> Self {
        Self::Fixed(1)
    }
}

impl Instances {
    /// How many they are, at least one.
    #[must_use]
    pub fn count(&self) -> u32 {
        match self {
            Self::Fixed(count) => (*count).max(1),
        }
    }
}

/// Which of the runs of one start a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Counted from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Instance {
    /// The only one.
    pub const ONLY: Self = Self { number: 1, of: 1 };

    /// Whether there are others beside it.
    #[must_use]
    pub fn has_others(self) -> bool {
        self.of > 1
    }
}
