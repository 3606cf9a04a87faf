//! The facts as Prometheus metrics, in registries. Refuses to know how they are served.
//!
//! Facts change plain numbers (`processors.rs`, `cycles.rs`, `itself.rs`); metric families are built from them when
//! somebody gathers. A fact must cost next to nothing, and a scrape may cost a little.

mod connections;
mod cycles;
mod facts;
mod filling;
mod group;
mod histogram;
mod itself;
mod parts;
mod processor_families;
mod processors;
mod schedules;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

pub use self::connections::{OpenConnection, Refused};
use self::cycles::Cycles;
use self::group::Group;
use self::histogram::{Bounds, waits};
use self::itself::Itself;
use self::parts::Registries;
use self::processors::Processors;
use self::schedules::Schedules;
use super::cumulative;
use super::detached::Lost;
use super::exposition::{Exemplar, Exemplars, Format, Snapshot, encode};
use super::log::Level;
use super::log_counts::LogCounts;
use super::names;
use super::reports::{self, Fault, Reports};
use super::traces::Account;
use crate::domain::{
    Clock, Configured, Cycle, GroupBoard, Missed, Mode, ProcessorName, Reload, ReloadResult,
    Report, Restored, Run, RunStart, Schedule, ScheduleSpec, Totals, TraceContext,
};

pub(super) use self::filling::{number, pair, seconds};

/// The reader that counts.
pub struct Metrics {
    registries: Registries,
    state: Arc<Mutex<State>>,
    exemplars: Exemplars,
    /// Bytes of the last text.
    size: AtomicUsize,
}

/// What the metrics need to know before anything happens.
pub struct Known<'a> {
    /// Every processor.
    pub processors: &'a [Configured],
    /// What makes main cycles due.
    pub main: &'a ScheduleSpec,
    /// Shortest time between two main cycles; none under an interval.
    pub period: Option<Duration>,
    /// How cycles are run.
    pub mode: Mode,
    /// Runs side by side.
    pub slots: usize,
    /// Wall time.
    pub now: Timestamp,
    /// Where the data lies.
    pub data_dir: PathBuf,
}

/// Everything that is counted.
struct State {
    tick: Option<Timestamp>,
    cycles: Cycles,
    processors: Processors,
    schedules: Schedules,
    itself: Itself,
    reports: Reports,
    group: Option<Group>,
}

impl State {
    fn new(buckets: &[f64]) -> Self {
        let (bounds, wait_bounds) = (Bounds::from(buckets), waits(buckets));
        let both = || (Bounds::clone(&bounds), Bounds::clone(&wait_bounds));
        let (cycles, processors, itself) = (both(), both(), both());
        Self {
            tick: None,
            cycles: Cycles::new(cycles.0, cycles.1),
            processors: Processors::new(processors.0, processors.1),
            schedules: Schedules::default(),
            itself: Itself::new(itself.0, itself.1),
            reports: Reports::default(),
            group: None,
        }
    }

    /// Makes known what a configuration makes known.
    fn expose(
        &mut self,
        (mode, main): (Mode, &ScheduleSpec),
        configured: &[Configured],
        now: Timestamp,
    ) {
        self.cycles.expose(mode, Schedule::Main);
        let has_own = |one: &Configured| one.spec.timing.schedule.is_some();
        if configured.iter().any(has_own) {
            self.cycles.expose(mode, Schedule::Own);
        }
        let before = self.schedules.main.replace(main.clone());
        if before.as_ref() != Some(main) || configured.iter().all(has_own) {
            self.main_planned(None);
        }
        self.processors.expose(configured, now);
        self.expose_reports();
    }

    /// The next main cycle was planned, or is planned no more.
    fn main_planned(&mut self, at: Option<Timestamp>) {
        self.cycles.next_start = at;
        self.processors.next_start = at;
    }

    /// Reports of the processors that are known are taken and served, and no others.
    fn expose_reports(&mut self) {
        self.reports.expose(self.processors.names());
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Metrics that know no processor yet, and that nobody can gather.
    #[must_use]
    pub fn new(buckets: &[f64]) -> Self {
        Self {
            registries: std::array::from_fn(|_| Registry::new()),
            state: Arc::new(Mutex::new(State::new(buckets))),
            exemplars: Exemplars::default(),
            size: AtomicUsize::default(),
        }
    }

    /// Counts diagnostics with `counts`, too.
    pub fn count_log(&self, counts: LogCounts) {
        locked(&self.state).itself.log = counts;
    }

    /// Counts lines that nobody took with `lost`, too.
    pub fn count_lost_lines(&self, lost: Lost) {
        locked(&self.state).itself.lost = lost;
    }

    /// Shows which settings hold, by a hash of 48 bits.
    pub fn tell_config(&self, hash: u64) {
        locked(&self.state).itself.config_hash = hash;
    }

    /// Shows the group of instances.
    pub fn show_group(&self, board: GroupBoard, clock: Clock) {
        locked(&self.state).group = Some(Group { board, clock });
    }

    /// Shows what becomes of spans, as `account` has it.
    pub fn count_spans(&self, account: Account) {
        locked(&self.state).itself.spans = account;
    }

    /// Makes everything known that the configuration knows, so that it is there at 0. Only a scrape has a use for it:
    /// a run that nobody can scrape is spared it, and what is told of processors that are not known is not counted.
    ///
    /// # Errors
    ///
    /// It was done already.
    pub fn expose_known(&self, known: &Known<'_>) -> prometheus::Result<()> {
        let mut state = locked(&self.state);
        state.itself.slots = known.slots;
        state.itself.data_dir = Some(known.data_dir.clone());
        state.schedules.period = known.period;
        state.schedules.loaded_at = Some(known.now);
        state.expose((known.mode, known.main), known.processors, known.now);
        drop(state);
        parts::register(&self.registries, &self.state)
    }

    /// Adds the metrics of this process itself, which only a scrape has a use for.
    ///
    /// # Errors
    ///
    /// They were added already.
    pub fn expose_process(&self) -> prometheus::Result<()> {
        let [first, ..] = &self.registries;
        first.register(Box::new(ProcessCollector::for_self()))
    }

    /// Everything, as text.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        // Before gathering, so that no exemplar is newer than its sample.
        let exemplars = match format {
            Format::OpenMetrics => self.exemplars.snapshot(),
            Format::Text => Snapshot::default(),
        };
        // A text that grows beside families that come and go makes the allocator give back what it needs again at once.
        let size = self.size.load(Ordering::Relaxed);
        let text = encode(self.gather(), &exemplars, (format, size + size / 16));
        self.size.store(text.len(), Ordering::Relaxed);
        text
    }

    /// What is worth keeping when the process ends, as text 0.0.4. `add` is given what was counted and answers the sums
    /// that are to stand there instead, if there are any.
    pub fn render_lasting(&self, add: impl FnOnce(&Totals) -> Option<Totals>) -> String {
        let families = cumulative::lasting(self.gather());
        let families = match add(&cumulative::totals(&families)) {
            Some(sums) => cumulative::summed(families, &sums),
            None => families,
        };
        encode(&families, &Snapshot::default(), (Format::Text, 0))
    }

    /// Every family, those of one registry after those of another; the number of all series is the last.
    pub fn gather(&self) -> impl Iterator<Item = MetricFamily> {
        parts::gather(&self.registries)
    }

    /// Shows the requests of a route before the first one comes.
    pub fn expose_route(&self, handler: &str) {
        locked(&self.state).itself.expose_route(handler);
    }

    /// Counts one answered request; `handler` is the matched route, never the raw path.
    pub fn count_request(&self, handler: &str, code: u16, elapsed: Duration) {
        let mut state = locked(&self.state);
        state.itself.count_request(handler, code, elapsed);
    }

    fn run_finished(&self, run: &Run) {
        let mut state = locked(&self.state);
        if !run.was_started {
            state.cycles.left_queue();
        }
        let bucket = state.processors.finished(run);
        if !state.processors.knows(run.start.spec.name.as_str()) {
            // Its last run has ended, or this is a late one.
            state.expose_reports();
            return self.exemplars.retain(|name| state.processors.knows(name));
        }
        drop(state);
        let Some(trace) = run.start.trace.filter(|trace| trace.sampled) else {
            return;
        };
        let (name, outcome) = (run.start.spec.name.as_str(), run.result.outcome);
        let one = exemplar(trace, 1.0, run.finished_at);
        let labels = [outcome.label(), name];
        self.exemplars.keep(&names::RUNS, &labels, 0, one);
        if let Some(reason) = outcome.reason().filter(|_| outcome.is_bad()) {
            let labels = [name, reason];
            self.exemplars.keep(&names::RUN_FAILURES, &labels, 0, one);
        }
        if let Some(bucket) = bucket {
            let value = run.result.duration.as_secs_f64();
            let timed = exemplar(trace, value, run.finished_at);
            let family = &names::RUN_DURATION;
            self.exemplars.keep(family, &labels, bucket, timed);
        }
    }

    fn cycle_finished(&self, cycle: &Cycle) {
        let bucket = locked(&self.state).cycles.finished(cycle);
        let Some(trace) = cycle.start.trace.filter(|trace| trace.sampled) else {
            return;
        };
        let start = &cycle.start;
        let labels = [
            start.mode.label(),
            cycle.outcome.label(),
            start.schedule.label(),
        ];
        let one = exemplar(trace, 1.0, cycle.finished_at);
        self.exemplars.keep(&names::CYCLES, &labels, 0, one);
        let timed = exemplar(trace, cycle.duration.as_secs_f64(), cycle.finished_at);
        let family = &names::CYCLE_DURATION;
        self.exemplars.keep(family, &labels, bucket, timed);
    }

    fn reported(&self, start: &RunStart, at: Timestamp, report: &Report) {
        // Whoever is not served need not be read.
        let name = start.spec.name.as_str();
        if !locked(&self.state).reports.knows(name) {
            return;
        }
        let parsed = match report {
            Report::Content(content) => reports::parse(content),
            Report::TooLarge => Err((Fault::TooLarge, 0)),
            Report::Unreadable => Err((Fault::Unreadable, 0)),
        };
        let line = parsed.as_ref().err().map(|(_, line)| *line);
        let parsed = parsed.map_err(|(fault, _)| fault);
        let news = locked(&self.state).reports.take(name, at, parsed);
        if let Some(fault) = news {
            let line = line.filter(|line| *line > 0);
            tracing::warn!(processor = name, reason = %fault, line, "metrics of a processor were refused");
        }
    }

    /// `processor` is none for the main schedule.
    fn planned(&self, processor: Option<&ProcessorName>, at: Timestamp) {
        let mut state = locked(&self.state);
        if let Some(name) = processor {
            return state.processors.planned(name, Some(at));
        }
        state.main_planned(Some(at));
    }

    fn missed(&self, missed: &Missed) {
        let mut state = locked(&self.state);
        state.schedules.missed(missed);
        state.processors.missed(missed);
    }

    fn reloaded(&self, reload: &Reload) {
        let mut state = locked(&self.state);
        state.schedules.reloaded(reload);
        if let ReloadResult::Applied {
            mode,
            slots,
            main,
            processors,
            ..
        } = &reload.result
        {
            state.itself.slots = *slots;
            state.expose((*mode, main), processors, reload.at);
            self.exemplars.retain(|name| state.processors.knows(name));
        }
    }

    fn restored(&self, restored: &Restored) {
        let mut state = locked(&self.state);
        let lost = u64::try_from(restored.lost.len()).unwrap_or_default();
        state.itself.log.add(Level::Error, lost);
        if restored.is_clamped {
            state.itself.log.count(Level::Warn);
        }
        state.processors.restored(restored);
        state.cycles.main = restored.main.clone();
    }
}

fn exemplar(trace: TraceContext, value: f64, at: Timestamp) -> Exemplar {
    Exemplar { trace, value, at }
}

#[cfg(test)]
mod tests;
