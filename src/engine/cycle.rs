//! One pass over the processors: both modes share the same runs and differ only in how they are waited for.

use std::collections::HashMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::control::Shutdown;
use super::load::{BacklogOf, Loads};
use super::plan::Plan;
use super::run::{Ended, Gate, Planned};
use super::runner::Runner;
use crate::domain::{
    Clock, Cycle, CycleStart, Event, Instance, Mode, Observers, Outcome, ProcessorName,
    ProcessorSpec, Run, RunId, Schedule, TraceContext, Trigger,
};

/// Asks telemetry which trace a span belongs to; none when it is not recorded.
pub type TraceOf = fn(&Span) -> Option<TraceContext>;

/// Tells telemetry of a cycle's span, which nobody has entered yet, and of the cycle of its schedule before, if that
/// was recorded: what the span continues and what it follows is not the engine's to know.
pub type Relate = Box<dyn Fn(&Span, Option<TraceContext>) + Send + Sync>;

/// Has facts written down, all at once.
pub type Record = Arc<dyn Fn(&[Event]) -> Recording + Send + Sync>;

/// Facts that are being written down.
pub struct Recording {
    /// Whether the beginning of a run among them is known even if we are killed now.
    pub is_safe: bool,
    /// Ends when they were written, and after a bounded time in any case.
    pub written: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Everything that a cycle needs.
pub struct Cycles<R> {
    pub(super) plan: Plan,
    pub(super) runner: R,
    pub(super) observers: Observers,
    pub(super) clock: Clock,
    pub(super) shutdown: Arc<Shutdown>,
    pub(super) trace_of: TraceOf,
    /// None when nothing is traced.
    relate: Option<Relate>,
    /// The trace of each schedule's last cycle; the main one has no name.
    last_traces: Mutex<HashMap<Option<ProcessorName>, TraceContext>>,
    /// Who writes facts down before they are told; none when nothing may be written.
    record: Option<Record>,
    /// Reads a backlog out of what a processor reports; none when no start follows one.
    pub(super) backlog_of: Option<BacklogOf>,
    pub(super) loads: Loads,
    /// How many runs may be in flight.
    pub(super) slots: Arc<Semaphore>,
    started: AtomicU64,
}

/// One cycle before it starts.
pub(super) struct Due {
    /// The settings that hold for all of it, whatever is reloaded meanwhile.
    pub(super) plan: Arc<Plan>,
    pub(super) schedule: Schedule,
    pub(super) trigger: Trigger,
    /// Actual minus planned start.
    pub(super) delay: Duration,
    pub(super) processors: Vec<Arc<ProcessorSpec>>,
    /// What stands before its runs.
    pub(super) gate: Gate,
}

/// Runs of a cycle that stand ready for the next slots, beyond those that the slots can hold.
const AT_HAND: usize = 256;

/// The runs of one processor in a cycle: one start.
struct Set {
    spec: Arc<ProcessorSpec>,
    size: u32,
}

impl<R: Runner> Cycles<R> {
    /// Cycles of `plan` on `runner`.
    pub fn new(
        plan: Plan,
        runner: R,
        observers: Observers,
        (clock, trace_of): (Clock, TraceOf),
        shutdown: Arc<Shutdown>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(plan.slots()));
        Self {
            plan,
            runner,
            observers,
            clock,
            shutdown,
            trace_of,
            relate: None,
            last_traces: Mutex::default(),
            record: None,
            backlog_of: None,
            loads: Loads::default(),
            slots,
            started: AtomicU64::new(0),
        }
    }

    /// Has the beginnings and ends of cycles and runs written down before anybody is told of them.
    #[must_use]
    pub fn recorded(self, record: Option<Record>) -> Self {
        Self { record, ..self }
    }

    /// Has starts follow the backlog that `backlog_of` reads.
    #[must_use]
    pub fn following(self, backlog_of: BacklogOf) -> Self {
        Self {
            backlog_of: Some(backlog_of),
            ..self
        }
    }

    /// Has `relate` told of each cycle's span.
    #[must_use]
    pub fn related(self, relate: Option<Relate>) -> Self {
        Self { relate, ..self }
    }

    /// The trace of the cycle that `span` is of, related to the one before.
    fn trace(&self, span: &Span, due: &Due) -> Option<TraceContext> {
        let Some(relate) = &self.relate else {
            return (self.trace_of)(span);
        };
        let name = match due.schedule {
            Schedule::Main => None,
            Schedule::Own => due.processors.first().map(|spec| spec.name.clone()),
        };
        let mut last = self
            .last_traces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        relate(span, last.get(&name).copied());
        let trace = (self.trace_of)(span);
        if let Some(trace) = trace.filter(|trace| trace.sampled) {
            last.insert(name, trace);
        }
        trace
    }

    /// Has facts written down together, and tells them in order.
    pub(super) async fn state(&self, events: &[Event]) {
        self.write_down(events).written.await;
        self.tell(events);
    }

    /// Has facts written down, beginning at once.
    pub(super) fn write_down(&self, events: &[Event]) -> Recording {
        match &self.record {
            Some(record) if !events.is_empty() => record(events),
            _ => Recording {
                is_safe: true,
                written: Box::pin(ready(())),
            },
        }
    }

    pub(super) fn tell(&self, events: &[Event]) {
        for event in events {
            self.observers.state(event);
        }
    }

    /// Runs one cycle to its end. Every processor ends in exactly one outcome.
    pub(super) async fn run(self: Arc<Self>, due: Due) -> Arc<Cycle> {
        let id = RunId::new(self.clock.now()).as_str().to_owned();
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let span = tracing::info_span!(
            parent: None,
            "cycle",
            otel.status_code = Empty,
            otel.status_description = Empty,
            cicd.pipeline.name = "orquestrador",
            cicd.pipeline.run.id = id,
            cicd.pipeline.result = Empty,
            orquestrador.cycle.number = i64::try_from(number).unwrap_or(i64::MAX),
            orquestrador.cycle.mode = due.plan.mode.label(),
            orquestrador.cycle.trigger = due.trigger.label(),
            orquestrador.cycle.schedule = due.schedule.label(),
        );
        let sets = self.sets(&due);
        let start = Arc::new(CycleStart {
            number,
            id,
            schedule: due.schedule,
            mode: due.plan.mode,
            trigger: due.trigger,
            processors: due.processors.len(),
            runs: sets.iter().map(|set| set.size as usize).sum(),
            started_at: self.clock.now(),
            delay: due.delay,
            trace: self.trace(&span, &due),
        });
        let mut untold = vec![Event::CycleStarted(Arc::clone(&start))];
        if due.plan.mode == Mode::Parallel && start.runs > 1 {
            self.state(&std::mem::take(&mut untold)).await;
        }
        let began = Instant::now();
        let (runs, outcome, mut untold) = Arc::clone(&self)
            .run_all(&start, (due, sets), untold)
            .instrument(span.clone())
            .await;
        let cycle = Arc::new(Cycle {
            start,
            duration: began.elapsed(),
            finished_at: self.clock.now(),
            outcome,
            runs,
        });
        record_end(&span, outcome);
        drop(span);
        untold.extend(self.follow_loads(&cycle));
        untold.push(Event::CycleFinished(Arc::clone(&cycle)));
        self.state(&untold).await;
        cycle
    }

    /// The starts of a cycle, in the order of [`in_order`]. One that is refused as a whole is one run, which is skipped.
    fn sets(&self, due: &Due) -> Vec<Set> {
        let set = |spec: Arc<ProcessorSpec>| {
            let is_refused = due.gate.is_overlap || (self.plan.dry_run && !spec.accepts_dry_run);
            let size = if is_refused {
                1
            } else {
                self.loads.size_of(&spec)
            };
            Set { spec, size }
        };
        in_order(&due.processors).into_iter().map(set).collect()
    }

    /// The runs, the worst of their outcomes, and what is still to be told. `untold` is told with the first beginning.
    async fn run_all(
        self: Arc<Self>,
        start: &Arc<CycleStart>,
        (due, sets): (Due, Vec<Set>),
        mut untold: Vec<Event>,
    ) -> (Vec<Arc<Run>>, Outcome, Vec<Event>) {
        let mut ends: HashMap<ProcessorName, Vec<Ended>> = HashMap::new();
        // Polled first in the order in which they are pushed, so slots are given in the order of declaration.
        let mut waiting = FuturesUnordered::new();
        let mut runs: Vec<Arc<Run>> = Vec::new();
        let is_one_by_one = due.plan.mode == Mode::Sequential;
        // Runs that wait for nothing but a slot are made when one may come soon: each of them takes memory.
        let most = due.plan.slots() + AT_HAND;
        let (ready, mut at_hand) = (Instant::now(), 0);
        // The processor whose failure stops the rest, if failures do that here.
        let mut halted_by: Option<ProcessorName> = None;
        for (spec, instance) in sets.iter().flat_map(Set::runs) {
            let (sender, receiver) = watch::channel(None);
            let depends_on = awaited(spec, &ends);
            while depends_on.is_empty() && at_hand >= most {
                let next: Option<Arc<Run>> = waiting.next().await;
                let Some(ended) = next else { break };
                at_hand -= usize::from(awaited(&ended.start.spec, &ends).is_empty());
                runs.push(ended);
            }
            at_hand += usize::from(depends_on.is_empty());
            let planned = Planned {
                cycle: Arc::clone(start),
                spec: Arc::clone(spec),
                instance,
                // One by one they are ready one after another.
                ready: if is_one_by_one { Instant::now() } else { ready },
                depends_on,
                halted_by: halted_by.clone(),
                gate: due.gate.clone(),
                is_one_by_one,
                untold: std::mem::take(&mut untold),
                ended: sender,
            };
            ends.entry(spec.name.clone()).or_default().push(receiver);
            waiting.push(Arc::clone(&self).run_one(planned));
            if is_one_by_one {
                at_hand = 0;
                let ended = waiting.next().await;
                // The end of a run is written down together with the beginning of the next.
                untold.extend(ended.clone().map(Event::RunFinished));
                let stops =
                    |run: &&Arc<Run>| due.plan.stop_at_failure && run.result.outcome.is_bad();
                halted_by = halted_by
                    .or_else(|| Some(ended.as_ref().filter(stops)?.start.spec.name.clone()));
                runs.extend(ended);
            }
        }
        runs.extend(waiting.collect::<Vec<_>>().await);
        let names = due.processors.iter().enumerate();
        let position: HashMap<_, _> = names.map(|(index, spec)| (&spec.name, index)).collect();
        runs.sort_by_key(|run| {
            let start = &run.start;
            (position.get(&start.spec.name), start.instance.number)
        });
        let worst =
            Outcome::worst(runs.iter().map(|run| run.result.outcome)).unwrap_or(Outcome::Success);
        (runs, worst, untold)
    }
}

impl Set {
    fn runs(&self) -> impl Iterator<Item = (&Arc<ProcessorSpec>, Instance)> {
        let of = self.size;
        (1..=of).map(move |number| (&self.spec, Instance { number, of }))
    }
}

/// The ends that a run of `spec` waits for: of every run of those that it depends on.
fn awaited(
    spec: &ProcessorSpec,
    ends: &HashMap<ProcessorName, Vec<Ended>>,
) -> Vec<(ProcessorName, Ended)> {
    let of = |name| {
        ends.get(name)
            .into_iter()
            .flatten()
            .map(move |end| (name, end))
    };
    let awaited = spec.depends_on.iter().flat_map(of);
    awaited
        .map(|(name, end)| (ProcessorName::clone(name), end.clone()))
        .collect()
}

/// The order of declaration, but nothing before what it depends on. The configuration has no circles.
fn in_order(specs: &[Arc<ProcessorSpec>]) -> Vec<Arc<ProcessorSpec>> {
    let mut waiting: Vec<_> = specs.iter().collect();
    let mut ordered: Vec<Arc<ProcessorSpec>> = Vec::new();
    while !waiting.is_empty() {
        let is_done = |name: &ProcessorName| ordered.iter().any(|done| done.name == *name);
        let next = waiting
            .iter()
            .position(|spec| spec.depends_on.iter().all(is_done))
            .unwrap_or(0);
        ordered.push(Arc::clone(waiting.remove(next)));
    }
    ordered
}

fn record_end(span: &Span, outcome: Outcome) {
    span.record("cicd.pipeline.result", outcome.label());
    if outcome.is_bad() {
        span.record("otel.status_code", "ERROR");
        span.record(
            "otel.status_description",
            format!("worst outcome of the runs: {outcome}"),
        );
    }
}
