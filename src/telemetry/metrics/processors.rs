//! What is counted of each processor: plain numbers, so that a run's end costs no more than some additions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::histogram::{Bounds, Histogram};
use super::schedules::{MissedCounts, add_missed};
use crate::domain::{
    Configured, KnownLoad, Load, LostRun, Missed, Outcome, ProcessorName, ProcessorSpec,
    ProcessorState, Restored, Run, RunStart,
};

/// The outcomes whose duration is observed, as they stand in [`Outcome::LABELS`].
pub(super) const TIMED: usize = 3;

/// Everything that is counted of one processor.
pub(super) struct Series {
    pub(super) spec: Arc<ProcessorSpec>,
    pub(super) state: ProcessorState,
    /// In the order of [`Outcome::LABELS`].
    pub(super) runs: [u64; Outcome::LABELS.len()],
    pub(super) failures: [u64; Outcome::FAILURE_REASONS.len()],
    pub(super) skips: [u64; Outcome::SKIP_REASONS.len()],
    pub(super) cancellations: [u64; Outcome::CANCEL_REASONS.len()],
    /// Of the first outcomes of [`Outcome::LABELS`]: success, failure, timeout.
    pub(super) durations: [Histogram; TIMED],
    pub(super) queue_wait: Histogram,
    pub(super) stops: Histogram,
    /// When each run in flight has started, oldest first.
    pub(super) in_flight: Vec<Timestamp>,
    pub(super) attempts: u64,
    pub(super) retries: u64,
    /// Seconds in user mode and in the kernel.
    pub(super) cpu: [f64; 2],
    /// Of standard output and standard error.
    pub(super) output: [Output; 2],
    pub(super) escaped: u64,
    pub(super) kill_escalations: u64,
    /// Freshness objective.
    pub(super) max_staleness: Option<Duration>,
    pub(super) missed: MissedCounts,
    /// Its backlog, if its runs follow it.
    pub(super) load: KnownLoad,
    /// Planned start of a schedule of its own.
    own_next: Option<Timestamp>,
    /// It is configured no more, and its series go with its last run.
    is_leaving: bool,
}

/// What runs wrote to one stream.
#[derive(Clone, Copy, Default)]
pub(super) struct Output {
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) truncated: u64,
}

impl Series {
    fn new(configured: &Configured, first_seen: Timestamp) -> Self {
        Self {
            spec: Arc::clone(&configured.spec),
            max_staleness: configured.max_staleness,
            missed: MissedCounts::default(),
            load: KnownLoad::default(),
            own_next: None,
            is_leaving: false,
            state: ProcessorState::new(first_seen),
            runs: Default::default(),
            failures: Default::default(),
            skips: Default::default(),
            cancellations: Default::default(),
            durations: Default::default(),
            queue_wait: Histogram::default(),
            stops: Histogram::default(),
            in_flight: Vec::new(),
            attempts: 0,
            retries: 0,
            cpu: Default::default(),
            output: Default::default(),
            escaped: 0,
            kill_escalations: 0,
        }
    }

    fn count(&mut self, outcome: Outcome) {
        add_one(&mut self.runs, &Outcome::LABELS, Some(outcome.label()));
        let reason = outcome.reason();
        match outcome {
            Outcome::Success => {}
            Outcome::Failure(_) | Outcome::Timeout | Outcome::Error(_) => {
                add_one(&mut self.failures, &Outcome::FAILURE_REASONS, reason);
            }
            Outcome::Skip(_) => add_one(&mut self.skips, &Outcome::SKIP_REASONS, reason),
            Outcome::Cancellation(_) => {
                add_one(&mut self.cancellations, &Outcome::CANCEL_REASONS, reason);
            }
        }
    }

    fn used(&mut self, run: &Run) {
        let result = &run.result;
        // A runner's own result, as in tests, names no attempts.
        let attempts = u64::try_from(result.attempts.len()).unwrap_or_default();
        let attempts = attempts.max(u64::from(run.was_started));
        self.attempts += attempts;
        self.retries += attempts.saturating_sub(1);
        let used = [result.usage.cpu_user, result.usage.cpu_system];
        for (sum, time) in self.cpu.iter_mut().zip(used) {
            *sum += time.as_secs_f64();
        }
        for (sum, totals) in self.output.iter_mut().zip([result.stdout, result.stderr]) {
            sum.bytes += totals.bytes;
            sum.lines += totals.lines;
            sum.truncated += u64::from(totals.truncated_bytes > 0);
        }
        self.escaped += u64::from(result.escaped.count);
        self.kill_escalations += u64::from(result.kill_escalated);
    }
}

fn add_one<const N: usize>(counts: &mut [u64; N], words: &[&str; N], word: Option<&str>) {
    let found = words.iter().position(|known| Some(*known) == word);
    if let Some(count) = found.and_then(|index| counts.get_mut(index)) {
        *count += 1;
    }
}

/// The processors that are known. What is told of others is not counted: their series are gone and are not made again by
/// late facts.
pub(super) struct Processors {
    pub(super) bounds: Bounds,
    pub(super) wait_bounds: Bounds,
    /// Sorted by name, as a registry sorts: what comes in order is sorted in no time.
    pub(super) series: Vec<Series>,
    index: HashMap<ProcessorName, usize>,
    /// Processes that belong to no run that can be told.
    pub(super) strays: u64,
    /// Planned start of the main schedule.
    pub(super) next_start: Option<Timestamp>,
}

impl Processors {
    pub(super) fn new(bounds: Bounds, wait_bounds: Bounds) -> Self {
        Self {
            bounds,
            wait_bounds,
            series: Vec::new(),
            index: HashMap::new(),
            strays: 0,
            next_start: None,
        }
    }

    /// Makes these processors known, and those that are known already keep what was counted of them. Others go, with
    /// the end of their last run.
    pub(super) fn expose(&mut self, configured: &[Configured], now: Timestamp) {
        let before = std::mem::take(&mut self.series).into_iter();
        let mut before: HashMap<_, _> = before
            .map(|series| (series.spec.name.clone(), series))
            .collect();
        for one in configured {
            let known = before.remove(&one.spec.name);
            let mut series = known.unwrap_or_else(|| Series::new(one, now));
            if series.spec.timing.schedule != one.spec.timing.schedule {
                series.own_next = None;
            }
            if series.spec.instances != one.spec.instances {
                series.load.configured(&one.spec.instances);
            }
            series.spec = Arc::clone(&one.spec);
            series.max_staleness = one.max_staleness;
            series.is_leaving = false;
            self.series.push(series);
        }
        let leaving = before.into_values();
        let leaving = leaving.filter(|series| !series.in_flight.is_empty());
        self.series.extend(leaving.map(|series| Series {
            is_leaving: true,
            ..series
        }));
        self.index_again();
    }

    fn index_again(&mut self) {
        self.series
            .sort_unstable_by(|one, other| one.spec.name.cmp(&other.spec.name));
        let names = self.series.iter().map(|series| series.spec.name.clone());
        self.index = names.zip(0..).collect();
    }

    /// Whether anything is counted of this one.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Those that are known, by name.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.series
            .iter()
            .map(|series| series.spec.name.to_string())
    }

    /// The next start of a schedule of its own was planned, or is planned no more.
    pub(super) fn planned(&mut self, name: &ProcessorName, at: Option<Timestamp>) {
        if let Some(series) = self.of(name) {
            series.own_next = at;
        }
    }

    /// Nothing is planned any more.
    pub(super) fn nothing_planned(&mut self) {
        self.next_start = None;
        for series in &mut self.series {
            series.own_next = None;
        }
    }

    pub(super) fn load_read(&mut self, load: &Load) {
        if let Some(series) = self.of(&load.processor) {
            series.load.take(load);
        }
    }

    pub(super) fn missed(&mut self, missed: &Missed) {
        for name in &missed.due {
            if let Some(series) = self.of(name) {
                add_missed(&mut series.missed, missed);
            }
        }
    }

    /// Planned start of a processor: of its own schedule, else of the main one.
    pub(super) fn next_start(&self, series: &Series) -> Option<Timestamp> {
        match series.spec.timing.schedule {
            Some(_) => series.own_next,
            None => self.next_start,
        }
    }

    fn of(&mut self, name: &ProcessorName) -> Option<&mut Series> {
        self.series.get_mut(*self.index.get(name)?)
    }

    pub(super) fn restored(&mut self, restored: &Restored) {
        for (name, state) in &restored.processors {
            if let Some(series) = self.of(name) {
                series.state = state.clone();
            }
        }
        for lost in &restored.lost {
            if let Some(series) = self.of(&lost.processor) {
                series.count(LostRun::OUTCOME);
            }
        }
    }

    pub(super) fn started(&mut self, start: &RunStart) {
        let bounds = Arc::clone(&self.wait_bounds);
        if let Some(series) = self.of(&start.spec.name) {
            series.state.started(start);
            series.in_flight.push(start.started_at);
            let wait = start.queue_wait.as_secs_f64();
            series.queue_wait.observe(&bounds, wait);
        }
    }

    /// Returns the bucket of the run's duration when it was observed.
    pub(super) fn finished(&mut self, run: &Run) -> Option<usize> {
        let bucket = self.count(run);
        let is_gone = |series: &Series| series.is_leaving && series.in_flight.is_empty();
        if self
            .of(&run.start.spec.name)
            .is_some_and(|one| is_gone(one))
        {
            self.series.retain(|series| !is_gone(series));
            self.index_again();
        }
        bucket
    }

    fn count(&mut self, run: &Run) -> Option<usize> {
        let bounds = Arc::clone(&self.bounds);
        let wait_bounds = Arc::clone(&self.wait_bounds);
        let series = self.of(&run.start.spec.name)?;
        let outcome = run.result.outcome;
        // A run without a process never counted as in flight.
        if run.was_started {
            let start = run.start.started_at;
            let found = series.in_flight.iter().position(|at| *at == start);
            found.map(|index| series.in_flight.remove(index));
        }
        series.state.finished(run);
        series.count(outcome);
        series.used(run);
        for stop in &run.result.stops {
            series.stops.observe(&wait_bounds, stop.as_secs_f64());
        }
        let mut timed = Outcome::LABELS.iter().take(TIMED);
        let which = timed.position(|label| *label == outcome.label())?;
        let duration = run.result.duration.as_secs_f64();
        let histogram = series.durations.get_mut(which)?;
        Some(histogram.observe(&bounds, duration))
    }
}
