//! What is known right now, gathered from the facts: the source of `/status`, `/health`, `/logs` and the page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::plan::Plan;
use crate::domain::{
    Configured, Cycle, CycleStart, Event, KnownLoad, Load, Observer, ProcessorName, ProcessorSpec,
    ProcessorState, Reload, ReloadResult, Run, RunStart, Schedule,
};

/// The loop is taken for dead when it has not ticked for this long.
pub const STALLED_AFTER: Duration = Duration::from_mins(1);

/// Where the program stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The loop has not ticked yet.
    #[default]
    Starting,
    /// Cycles run as planned.
    Running,
    /// A stop was asked for.
    Stopping,
}

/// What is known of one processor.
#[derive(Debug, Clone)]
pub struct ProcessorStatus {
    /// Its configuration.
    pub spec: Arc<ProcessorSpec>,
    /// Its last run, of any outcome.
    pub last_run: Option<Arc<Run>>,
    /// Its last run that ended in success, failure, timeout or error.
    pub last_result: Option<Arc<Run>>,
    /// What its runs have come to, those of earlier starts too.
    pub state: ProcessorState,
    /// Runs that ended in success, failure, timeout or error.
    pub results: u64,
    /// Those of them that succeeded.
    pub successes: u64,
    /// The sum of their durations.
    pub total_duration: Duration,
    /// Its runs in flight.
    pub in_flight: Vec<Arc<RunStart>>,
    /// When its own schedule has it start next.
    pub next_start: Option<Timestamp>,
    /// Planned starts of it that were missed.
    pub missed: u64,
    /// Its backlog, if its runs follow it.
    pub load: KnownLoad,
    /// The worst run of a start of several, until the last of them has ended.
    worst: Option<Arc<Run>>,
}

impl ProcessorStatus {
    fn new(spec: Arc<ProcessorSpec>, first_seen: Timestamp) -> Self {
        Self {
            spec,
            last_run: None,
            last_result: None,
            state: ProcessorState::new(first_seen),
            results: 0,
            successes: 0,
            total_duration: Duration::ZERO,
            in_flight: Vec::new(),
            next_start: None,
            missed: 0,
            load: KnownLoad::default(),
            worst: None,
        }
    }

    /// Whether its last result was a bad one.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state.failing_since.is_some()
    }

    /// Mean duration of its results.
    #[must_use]
    pub fn mean_duration(&self) -> Option<Duration> {
        mean(self.total_duration, self.results)
    }

    /// The run that says how its start ended, if it has: of several the worst, once all of them have ended.
    fn told(&mut self, run: &Arc<Run>) -> Option<Arc<Run>> {
        if !run.start.instance.has_others() {
            return Some(Arc::clone(run));
        }
        let cycle = run.start.cycle.number;
        let of_this_start = |other: &Arc<Run>| other.start.cycle.number == cycle;
        let worst = match self.worst.take().filter(of_this_start) {
            Some(other) if other.rank() > run.rank() => other,
            _ => Arc::clone(run),
        };
        if self.state.open_set.is_some() {
            self.worst = Some(worst);
            return None;
        }
        Some(worst)
    }

    fn take(&mut self, run: &Arc<Run>) {
        self.in_flight.retain(|start| start.id != run.start.id);
        if run.result.outcome.is_result() {
            self.results += 1;
            self.total_duration += run.result.duration;
            self.successes += u64::from(!run.result.outcome.is_bad());
        }
        self.state.finished(run);
        let Some(told) = self.told(run) else {
            return;
        };
        if told.result.outcome.is_result() {
            self.last_result = Some(Arc::clone(&told));
        }
        self.last_run = Some(told);
    }
}

/// What is known of the whole.
#[derive(Debug, Clone)]
pub struct Status {
    /// The engine's part of the settings.
    pub plan: Plan,
    /// Where the program stands.
    pub phase: Phase,
    /// Wall time of the start.
    pub started_at: Timestamp,
    /// Time since the start.
    pub uptime: Duration,
    /// Time since the loop last ticked; none before its first tick.
    pub since_tick: Option<Duration>,
    /// Cycles that have ended.
    pub cycles: u64,
    /// The last of them.
    pub last_cycle: Option<Arc<Cycle>>,
    /// The sum of their durations.
    pub total_duration: Duration,
    /// Why the history cannot be written, and since when.
    pub history_fault: Option<(Timestamp, String)>,
    /// Since when planned starts do not happen.
    pub paused_since: Option<Timestamp>,
    /// When the next main one is planned.
    pub next_start: Option<Timestamp>,
    /// Each processor, in the order of declaration.
    pub processors: Vec<ProcessorStatus>,
}

impl Status {
    /// Whether the loop has stopped turning.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.since_tick.unwrap_or(self.uptime) > STALLED_AFTER
    }

    /// When `processor` is to start next: by its own schedule, else with the next main cycle.
    #[must_use]
    pub fn next_start_of(&self, processor: &ProcessorStatus) -> Option<Timestamp> {
        match processor.spec.timing.schedule {
            Some(_) => processor.next_start,
            None => self.next_start,
        }
    }

    /// Mean duration of the cycles.
    #[must_use]
    pub fn mean_duration(&self) -> Option<Duration> {
        mean(self.total_duration, self.cycles)
    }
}

fn mean(total: Duration, count: u64) -> Option<Duration> {
    total.checked_div(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The reader that gathers [`Status`].
pub struct StatusBoard {
    inner: Mutex<Inner>,
}

struct Inner {
    status: Status,
    started: Instant,
    ticked: Option<Instant>,
    index: BTreeMap<ProcessorName, usize>,
}

impl StatusBoard {
    /// An empty board at the program's start.
    #[must_use]
    pub fn new(plan: Plan, started_at: Timestamp) -> Self {
        let new = |spec: &Arc<_>| ProcessorStatus::new(Arc::clone(spec), started_at);
        let processors: Vec<_> = plan.processors.iter().map(new).collect();
        let index = index(&processors);
        let status = Status {
            plan,
            phase: Phase::default(),
            started_at,
            uptime: Duration::ZERO,
            since_tick: None,
            cycles: 0,
            last_cycle: None,
            total_duration: Duration::ZERO,
            history_fault: None,
            paused_since: None,
            next_start: None,
            processors,
        };
        Self {
            inner: Mutex::new(Inner {
                status,
                started: Instant::now(),
                ticked: None,
                index,
            }),
        }
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Status {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut status = inner.status.clone();
        status.uptime = inner.started.elapsed();
        status.since_tick = inner.ticked.map(|ticked| ticked.elapsed());
        status
    }
}

/// Where each one stands.
fn index(processors: &[ProcessorStatus]) -> BTreeMap<ProcessorName, usize> {
    let names = processors.iter().map(|status| status.spec.name.clone());
    names.zip(0..).collect()
}

impl Inner {
    fn next_start(&mut self, processor: Option<&ProcessorName>) -> Option<&mut Option<Timestamp>> {
        match processor {
            Some(name) => Some(&mut self.processor(name)?.next_start),
            None => Some(&mut self.status.next_start),
        }
    }

    fn nothing_planned(&mut self) {
        self.status.next_start = None;
        for processor in &mut self.status.processors {
            processor.next_start = None;
        }
    }

    /// An interval has no next start while its cycle runs; a pattern always has one.
    fn begun(&mut self, start: &CycleStart) {
        if start.schedule == Schedule::Main && self.status.plan.main.interval().is_some() {
            self.status.next_start = None;
        }
    }

    fn reloaded(&mut self, reload: &Reload) {
        let ReloadResult::Applied {
            mode,
            main,
            processors,
            ..
        } = &reload.result
        else {
            return;
        };
        let plan = &mut self.status.plan;
        let is_same_plan = plan.main == *main;
        (plan.mode, plan.main) = (*mode, main.clone());
        plan.processors = processors.iter().map(|one| Arc::clone(&one.spec)).collect();
        if !is_same_plan || plan.main_processors().is_empty() {
            self.status.next_start = None;
        }
        let mut before = std::mem::take(&mut self.status.processors);
        for Configured { spec, .. } in processors {
            let known = before
                .iter()
                .position(|status| status.spec.name == spec.name);
            let mut status = match known {
                Some(index) => before.remove(index),
                None => ProcessorStatus::new(Arc::clone(spec), reload.at),
            };
            if status.spec.timing.schedule != spec.timing.schedule {
                status.next_start = None;
            }
            if status.spec.instances != spec.instances {
                status.load.configured(&spec.instances);
            }
            status.spec = Arc::clone(spec);
            self.status.processors.push(status);
        }
        // Whoever is removed stays in sight until its last run has ended.
        self.status.processors.extend(before);
        self.index.clear();
        self.forget_removed();
    }

    fn forget_removed(&mut self) {
        let configured = self.status.plan.processors.len();
        if self.status.processors.len() == configured && self.index.len() == configured {
            return;
        }
        let mut position = 0;
        self.status.processors.retain(|status| {
            position += 1;
            position <= configured || !status.in_flight.is_empty()
        });
        self.index = index(&self.status.processors);
    }

    fn load_read(&mut self, load: &Load) {
        if let Some(processor) = self.processor(&load.processor) {
            processor.load.take(load);
        }
    }

    fn processor(&mut self, name: &ProcessorName) -> Option<&mut ProcessorStatus> {
        self.status.processors.get_mut(*self.index.get(name)?)
    }
}

impl Observer for StatusBoard {
    fn observe(&self, event: &Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::LoopTicked { .. } => {
                inner.ticked = Some(Instant::now());
                if inner.status.phase == Phase::Starting {
                    inner.status.phase = Phase::Running;
                }
            }
            Event::StartPlanned { processor, at, .. } => {
                if let Some(next) = inner.next_start(processor.as_ref()) {
                    *next = Some(*at);
                }
            }
            Event::PlanForgotten => inner.nothing_planned(),
            Event::CycleStarted(start) => inner.begun(start),
            Event::StartMissed(missed) => {
                for name in &missed.due {
                    if let Some(processor) = inner.processor(name) {
                        processor.missed += missed.count;
                    }
                }
            }
            Event::Paused { at } => inner.status.paused_since = Some(*at),
            Event::Resumed { .. } => inner.status.paused_since = None,
            Event::ConfigReloaded(reload) => inner.reloaded(reload),
            Event::RunStarted(start) => {
                if let Some(processor) = inner.processor(&start.spec.name) {
                    processor.state.started(start);
                    processor.in_flight.push(Arc::clone(start));
                }
            }
            Event::RunFinished(run) => {
                if let Some(processor) = inner.processor(&run.start.spec.name) {
                    processor.take(run);
                }
                inner.forget_removed();
            }
            Event::LoadRead(load) => inner.load_read(load),
            Event::CycleFinished(cycle) => {
                inner.status.cycles += 1;
                inner.status.total_duration += cycle.duration;
                inner.status.last_cycle = Some(Arc::clone(cycle));
            }
            Event::ShutdownStarted { .. } | Event::ShutdownForced { .. } => {
                inner.status.phase = Phase::Stopping;
                inner.nothing_planned();
            }
            Event::Restored(restored) => {
                for (name, state) in &restored.processors {
                    if let Some(processor) = inner.processor(name) {
                        processor.state = state.clone();
                    }
                }
            }
            Event::HistoryFailed { at, reason } => {
                inner.status.history_fault = Some((*at, reason.clone()));
            }
            Event::HistoryRecovered { .. } => inner.status.history_fault = None,
            Event::Started(_)
            | Event::StraysEnded(_)
            | Event::ClockJumped { .. }
            | Event::GroupChanged { .. }
            | Event::AttemptFailed { .. }
            | Event::MetricsReported { .. }
            | Event::HistoryOperated { .. }
            | Event::RunOutput { .. } => {}
        }
    }
}
