//! How many runs a start has: what processors report of their backlog becomes a wish, up at once and down slowly.
//!
//! Refuses to know how a report is read and who else follows the wish.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cycle::Cycles;
use super::runner::Runner;
use crate::domain::{
    Cycle, Event, Load, MetricSelector, Outcome, ProcessorName, ProcessorSpec, Report, Run,
    RunStart, Scaling,
};

/// Reads the sum of some series out of a report; none when it has none of them.
pub type BacklogOf = fn(&Report, &MetricSelector) -> Option<f64>;

/// Starts in a row that must have asked for fewer runs before one less is wished for.
const PATIENCE: u32 = 3;

/// How many runs are wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    count: u32,
    /// Starts in a row that asked for fewer.
    lower: u32,
}

impl Wish {
    fn new(scaling: &Scaling) -> Self {
        Self {
            count: scaling.min,
            lower: 0,
        }
    }

    /// More at once; one less when every one of the last [`PATIENCE`] starts asked for fewer.
    fn follow(&mut self, scaling: &Scaling, backlog: f64) {
        let wanted = scaling.wanted(backlog);
        if wanted >= self.count {
            *self = Self {
                count: wanted,
                lower: 0,
            };
            return;
        }
        self.lower += 1;
        if self.lower == PATIENCE {
            *self = Self {
                count: self.count - 1,
                lower: 0,
            };
        }
    }
}

/// What is known of one processor.
struct Followed {
    scaling: Scaling,
    wish: Wish,
    /// The last report of a cycle, by its number.
    reported: Option<(u64, f64)>,
    was_told: bool,
}

impl Followed {
    fn new(scaling: &Scaling) -> Self {
        Self {
            scaling: scaling.clone(),
            wish: Wish::new(scaling),
            reported: None,
            was_told: true,
        }
    }

    /// The runs of one start of a cycle have ended. A start that did not succeed in any of them and told nothing says
    /// nothing of its backlog.
    fn ended(&mut self, cycle: &Cycle, runs: &[Arc<Run>]) -> Option<Load> {
        let number = cycle.start.number;
        // A start that was skipped leaves alone what one that still runs has told.
        let reported = self.reported.take_if(|(of, _)| *of == number);
        let backlog = reported.map(|(_, backlog)| backlog);
        let has_success = runs
            .iter()
            .any(|run| run.result.outcome == Outcome::Success);
        if backlog.is_none() && !has_success {
            return None;
        }
        let before = self.wish.count;
        if let Some(backlog) = backlog {
            self.wish.follow(&self.scaling, backlog);
        }
        Some(Load {
            processor: runs.first()?.start.spec.name.clone(),
            at: cycle.finished_at,
            metric: self.scaling.metric.clone(),
            backlog,
            before,
            desired: self.wish.count,
            was_told: std::mem::replace(&mut self.was_told, backlog.is_some()),
        })
    }
}

/// The processors whose runs follow their load.
#[derive(Default)]
pub(super) struct Loads(Mutex<HashMap<ProcessorName, Followed>>);

impl Loads {
    fn locked(&self) -> MutexGuard<'_, HashMap<ProcessorName, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with what is known of `spec`, as its configuration has it now; nothing if its runs follow nothing.
    fn with<T>(&self, spec: &ProcessorSpec, act: impl FnOnce(&mut Followed) -> T) -> Option<T> {
        let scaling = spec.instances.scaling()?;
        let mut all = self.locked();
        let known = all.entry(spec.name.clone());
        let followed = known.or_insert_with(|| Followed::new(scaling));
        if followed.scaling != *scaling {
            let count = scaling.bounded(followed.wish.count);
            *followed = Followed::new(scaling);
            followed.wish.count = count;
        }
        Some(act(followed))
    }

    /// Forgets whoever follows no backlog in these settings.
    pub(super) fn configured(&self, specs: &[Arc<ProcessorSpec>]) {
        let following = specs
            .iter()
            .filter(|spec| spec.instances.scaling().is_some());
        let following: HashSet<_> = following.map(|spec| &spec.name).collect();
        self.locked().retain(|name, _| following.contains(name));
    }

    /// How many runs the next start of `spec` has.
    pub(super) fn size_of(&self, spec: &ProcessorSpec) -> u32 {
        let wish = self.with(spec, |followed| followed.wish.count);
        spec.instances.count(wish)
    }
}

impl<R: Runner> Cycles<R> {
    /// A run of a start told something; of several, the one that told last knows best how much is left.
    pub(super) fn note_backlog(&self, start: &RunStart, report: &Report) {
        let (Some(read), Some(scaling)) = (self.backlog_of, start.spec.instances.scaling()) else {
            return;
        };
        let Some(backlog) = read(report, &scaling.metric).filter(|backlog| !backlog.is_nan())
        else {
            return;
        };
        let number = start.cycle.number;
        self.loads.with(&start.spec, |followed| {
            followed.reported = Some((number, backlog));
        });
    }

    /// What the starts of a cycle that has ended make of the next ones.
    pub(super) fn follow_loads(&self, cycle: &Cycle) -> Vec<Event> {
        if self.backlog_of.is_none() || self.plan.dry_run {
            return Vec::new();
        }
        let of_one =
            |left: &Arc<Run>, right: &Arc<Run>| left.start.spec.name == right.start.spec.name;
        let load = |runs: &[Arc<Run>]| {
            let spec = &runs.first()?.start.spec;
            self.loads
                .with(spec, |followed| followed.ended(cycle, runs))
                .flatten()
        };
        let loads = cycle.runs.chunk_by(of_one).filter_map(load);
        loads.map(Event::LoadRead).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{CycleStart, SkipReason, samples};

    fn scaling(min: u32, max: u32, target: u32) -> Scaling {
        let metric = MetricSelector {
            name: "fila".to_owned(),
            labels: Vec::new(),
        };
        Scaling {
            min,
            max,
            target,
            metric,
        }
    }

    fn wishes(scaling: &Scaling, backlogs: &[f64]) -> Vec<u32> {
        let mut wish = Wish::new(scaling);
        let mut follow = |backlog: &f64| {
            wish.follow(scaling, *backlog);
            wish.count
        };
        backlogs.iter().map(&mut follow).collect()
    }

    #[test]
    fn a_wish_goes_up_at_once_and_down_by_one_after_three_starts_that_asked_for_fewer() {
        let backlogs = [
            0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 60.0, 0.0, 0.0, 0.0,
        ];
        assert_eq!(
            wishes(&scaling(1, 8, 20), &backlogs),
            [1, 5, 5, 5, 4, 4, 4, 3, 3, 3, 3, 2]
        );
    }

    #[test]
    fn a_start_that_is_skipped_leaves_alone_what_one_that_runs_has_told() {
        let cycle = |number, outcome| {
            let runs = vec![samples::run("a", outcome)];
            let mut start = CycleStart::clone(&samples::cycle_start());
            start.number = number;
            Cycle {
                start: Arc::new(start),
                duration: Duration::ZERO,
                finished_at: samples::instant(),
                outcome,
                runs,
            }
        };
        let mut followed = Followed::new(&scaling(1, 8, 20));
        followed.reported = Some((1, 100.0));
        let skipped = cycle(2, Outcome::Skip(SkipReason::Overlap));
        assert_eq!(followed.ended(&skipped, &skipped.runs), None);
        let ended = cycle(1, Outcome::Success);
        let load = followed.ended(&ended, &ended.runs).expect("a load");
        assert_eq!(
            (load.backlog, load.before, load.desired),
            (Some(100.0), 1, 5)
        );
    }

    #[test]
    fn a_backlog_that_comes_and_goes_within_three_starts_changes_no_wish() {
        let backlogs = [100.0, 0.0, 0.0].repeat(20);
        assert!(
            wishes(&scaling(1, 8, 20), &backlogs)
                .iter()
                .all(|wish| *wish == 5)
        );
    }

    proptest! {
        #[test]
        fn a_wish_stays_in_its_bounds_never_lags_behind_and_falls_by_one_at_most_every_third_start(
            (min, more, target) in (1_u32..=16, 0_u32..=48, 1_u32..=50),
            backlogs in prop::collection::vec(0.0_f64..3000.0, 1..80),
        ) {
            let scaling = scaling(min, min + more, target);
            let wishes = wishes(&scaling, &backlogs);
            let mut before = min;
            let mut since_change = 0;
            for (wish, backlog) in wishes.iter().zip(&backlogs) {
                let wanted = scaling.wanted(*backlog);
                prop_assert!((scaling.min..=scaling.max).contains(wish));
                prop_assert!(*wish >= wanted, "never fewer than are asked for");
                prop_assert!(*wish == wanted || *wish <= before, "never more without need");
                since_change += 1;
                if *wish < before {
                    prop_assert_eq!(*wish, before - 1);
                    prop_assert!(since_change >= PATIENCE);
                }
                if *wish != before || wanted >= before {
                    since_change = 0;
                }
                before = *wish;
            }
        }

        #[test]
        fn a_backlog_that_stays_is_reached_and_then_nothing_changes(
            before in prop::collection::vec(0.0_f64..3000.0, 0..20),
            backlog in 0.0_f64..3000.0,
        ) {
            let scaling = scaling(1, 64, 20);
            let steady = [backlog].repeat(64 * 3 + 3);
            let wishes = wishes(&scaling, &[before, steady].concat());
            prop_assert_eq!(wishes.last(), Some(&scaling.wanted(backlog)));
        }
    }
}
