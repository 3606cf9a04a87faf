//! The loop: waits for the planned instant, runs a cycle, plans the next, and shows all the while that it lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::cycle::Cycles;
use super::runner::Runner;
use crate::domain::{Cycle, Event, Mode, ProcessorSpec, Trigger};
use crate::schedule::Interval;

/// The longest time between two ticks of the loop.
const TICK: Duration = Duration::from_secs(5);

/// What the engine needs of the settings.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How a cycle runs its processors.
    pub mode: Mode,
    /// From the end of a cycle to the start of the next.
    pub interval: Duration,
    /// One cycle, then the end.
    pub single_run: bool,
    /// Whether a failure stops the rest of a sequential cycle.
    pub stop_at_failure: bool,
    /// Nothing may be written.
    pub dry_run: bool,
    /// Runs side by side in parallel mode.
    pub parallelism: usize,
    /// What is run, in order.
    pub processors: Vec<Arc<ProcessorSpec>>,
}

/// The loop over cycles.
pub struct Scheduler<R> {
    cycles: Arc<Cycles<R>>,
    announced: bool,
}

impl<R: Runner> Scheduler<R> {
    /// A loop that runs `cycles`.
    #[must_use]
    pub fn new(cycles: Cycles<R>) -> Self {
        Self {
            cycles: Arc::new(cycles),
            announced: false,
        }
    }

    /// Runs until a stop is asked for, or until the one cycle of a single run has ended. The last cycle, if any ran.
    ///
    /// When it returns, no run is in flight.
    pub async fn run(mut self) -> Option<Arc<Cycle>> {
        let interval = Interval(self.cycles.plan.interval);
        let mut trigger = Trigger::Startup;
        let mut planned = Instant::now();
        let mut last = None;
        while self.wait_until(planned).await {
            let delay = planned.elapsed();
            let cycle = tokio::spawn(Arc::clone(&self.cycles).run(trigger, delay));
            last = self.watch(cycle).await.or(last);
            if self.cycles.plan.single_run || self.stopping() {
                break;
            }
            planned = interval.next(Instant::now());
            trigger = Trigger::Interval;
            let at = self.cycles.clock.now() + interval.0;
            self.state(&Event::StartPlanned {
                at,
                wait: interval.0,
            });
        }
        self.announce_shutdown();
        last
    }

    fn state(&self, event: &Event) {
        self.cycles.observers.state(event);
    }

    fn stopping(&self) -> bool {
        self.cycles.shutdown.requested.is_cancelled()
    }

    fn tick(&self) {
        self.state(&Event::LoopTicked {
            at: self.cycles.clock.now(),
        });
    }

    /// True when `planned` has come, false when a stop was asked for first.
    async fn wait_until(&mut self, planned: Instant) -> bool {
        loop {
            self.tick();
            if self.stopping() {
                return false;
            }
            let now = Instant::now();
            if now >= planned {
                return true;
            }
            tokio::select! {
                () = sleep_until(planned.min(now + TICK)) => {}
                () = self.cycles.shutdown.requested.cancelled() => {}
            }
        }
    }

    /// Waits for the end of a cycle, ticking, and says when a stop is asked for meanwhile.
    async fn watch(&mut self, mut cycle: JoinHandle<Arc<Cycle>>) -> Option<Arc<Cycle>> {
        let shutdown = Arc::clone(&self.cycles.shutdown);
        let mut forced = false;
        loop {
            tokio::select! {
                ended = &mut cycle => {
                    return ended.inspect_err(|error| tracing::error!(%error, "the task of a cycle broke")).ok();
                }
                () = shutdown.requested.cancelled(), if !self.announced => self.announce_shutdown(),
                () = shutdown.forced.cancelled(), if !forced => {
                    forced = true;
                    self.state(&Event::ShutdownForced { signal: shutdown.forcing_signal().unwrap_or_default() });
                }
                () = tokio::time::sleep(TICK) => self.tick(),
            }
        }
    }

    fn announce_shutdown(&mut self) {
        if let Some(signal) = self.cycles.shutdown.signal().filter(|_| !self.announced) {
            self.announced = true;
            self.state(&Event::ShutdownStarted { signal });
        }
    }
}
