//! The loop: one task that waits for what is due next, starts it, hears how it ended, and shows all the while that it lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::control::{Control, Request, Requests};
use super::cycle::Cycles;
use super::plan::Plan;
use super::runner::Runner;
use super::track::{Flight, Key, Queue, Track};
use crate::domain::{Cycle, Event, MissReason, Restored, Trigger};

/// The longest time between two ticks of the loop.
const TICK: Duration = Duration::from_secs(5);
/// A busy loop ticks no more often than this.
const SHORTEST_TICK: Duration = Duration::from_secs(1);
/// A wall clock that is off by more than this between two looks has jumped.
const JUMP: SignedDuration = SignedDuration::from_secs(2);
/// After a jump back by less than this, times of day that have started do not start again, as in Vixie's cron.
const SMALL_JUMP: SignedDuration = SignedDuration::from_hours(3);

/// The end of a cycle.
pub(super) struct Landed {
    pub(super) key: Key,
    pub(super) flight: u64,
    pub(super) cycle: Option<Arc<Cycle>>,
}

/// The loop over cycles.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a state of its own, and they come together in any way"
)]
pub struct Scheduler<R> {
    pub(super) cycles: Arc<Cycles<R>>,
    pub(super) plan: Arc<Plan>,
    pub(super) tracks: HashMap<Key, Track>,
    /// What still flies of schedules that a reload removed: an overlap, should they come back.
    pub(super) leaving: HashMap<Key, Vec<Flight>>,
    /// By wall time: instants of patterns.
    pub(super) instants: Queue<Timestamp>,
    /// By the monotonic clock: ends of intervals.
    pub(super) intervals: Queue<Instant>,
    /// Both clocks as they were last looked at.
    pub(super) wall: Timestamp,
    pub(super) now: Instant,
    pub(super) is_paused: bool,
    /// Another instance plans.
    pub(super) is_standby: bool,
    /// A main cycle that was asked for while one was running.
    pub(super) is_wanted: bool,
    /// Last starts of the life before this one.
    pub(super) earlier: HashMap<Key, Timestamp>,
    pub(super) flying: usize,
    numbers: u64,
    pub(super) landing: UnboundedSender<Landed>,
    landed: UnboundedReceiver<Landed>,
    requests: Requests,
    ticked: Option<Instant>,
    announced: bool,
    last: Option<Arc<Cycle>>,
}

impl<R: Runner> Scheduler<R> {
    /// A loop that runs `cycles`.
    #[must_use]
    pub fn new(cycles: Cycles<R>) -> Self {
        let cycles = Arc::new(cycles);
        let (landing, landed) = unbounded_channel();
        Self {
            plan: Arc::new(cycles.plan.clone()),
            tracks: HashMap::new(),
            leaving: HashMap::new(),
            instants: Queue::new(),
            intervals: Queue::new(),
            wall: cycles.clock.now(),
            now: Instant::now(),
            is_paused: false,
            is_standby: false,
            is_wanted: false,
            earlier: HashMap::new(),
            flying: 0,
            numbers: 0,
            landing,
            landed,
            requests: Control::new().1,
            ticked: None,
            announced: false,
            last: None,
            cycles,
        }
    }

    /// Takes requests from here.
    #[must_use]
    pub fn controlled_by(self, requests: Requests) -> Self {
        Self { requests, ..self }
    }

    /// Plans nothing before it is asked to lead.
    #[must_use]
    pub fn standing_by(self) -> Self {
        Self {
            is_standby: true,
            ..self
        }
    }

    /// Goes on after an earlier life: instants of patterns since its last starts count as missed, reason `downtime`.
    #[must_use]
    pub fn after(mut self, restored: &Restored) -> Self {
        let own = restored.processors.iter();
        let own = own.filter_map(|(name, state)| Some((Some(name.clone()), state.last_start?)));
        let main = restored.main.last_start.map(|at| (None, at));
        self.earlier = own.chain(main).collect();
        self
    }

    /// Runs until a stop is asked for, or until the one cycle of a single run has ended. The last main cycle, if any ran.
    ///
    /// When it returns, no run is in flight.
    pub async fn run(mut self) -> Option<Arc<Cycle>> {
        self.tick();
        if !self.is_stopping() {
            if self.plan.single_run {
                self.start_main(
                    Trigger::Startup,
                    Duration::ZERO,
                    self.plan.processors.clone(),
                );
            } else {
                self.set_out();
            }
        }
        let alarm = Alarm::new();
        while !self.is_done() {
            self.look_at_clocks();
            self.start_due();
            self.wait(&alarm).await;
            self.tick();
        }
        self.end().await;
        self.last
    }

    pub(super) fn state(&self, event: &Event) {
        self.cycles.observers.state(event);
    }

    /// A number that was never used before.
    pub(super) fn unique(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn is_stopping(&self) -> bool {
        self.cycles.shutdown.requested.is_cancelled()
    }

    fn is_done(&self) -> bool {
        self.is_stopping() || self.plan.single_run && self.flying == 0
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self
            .ticked
            .is_none_or(|ticked| now >= ticked + SHORTEST_TICK)
        {
            self.ticked = Some(now);
            let at = self.cycles.clock.now();
            self.state(&Event::LoopTicked { at });
        }
    }

    /// Waits for the next thing to do, at most until the next tick, and deals with what has come.
    async fn wait(&mut self, alarm: &Alarm) {
        let wake = self.next_wake();
        tokio::select! {
            biased;
            () = self.cycles.shutdown.requested.cancelled() => return,
            Some(landed) = self.landed.recv() => self.land(landed),
            Some(request) = self.requests.0.recv() => self.answer(request),
            () = alarm.ring(wake) => {}
        }
        while let Ok(landed) = self.landed.try_recv() {
            self.land(landed);
        }
    }

    fn next_wake(&self) -> Instant {
        let until = |at: Timestamp| {
            let wait = Duration::try_from(at.duration_since(self.wall)).unwrap_or(Duration::ZERO);
            self.now + wait.min(TICK)
        };
        let instant = self.instants.first().map(until);
        let due = [instant, self.intervals.first()].into_iter().flatten();
        due.fold(Instant::now() + TICK, Instant::min)
    }

    fn answer(&mut self, request: Request) {
        if self.plan.single_run {
            tracing::warn!("sinal sem efeito com --single-run");
            return;
        }
        match request {
            Request::RunNow => self.run_main_now(),
            Request::TogglePause => self.toggle_pause(),
            Request::Lead { since } => self.lead(since),
            Request::StandBy => self.stand_by(),
            Request::Reload(changed) => self.reload(*changed),
        }
    }

    fn land(&mut self, landed: Landed) {
        self.flying = self.flying.saturating_sub(1);
        if landed.key.is_none() {
            self.last = landed.cycle.or(self.last.take());
        }
        let Some(track) = self.tracks.get_mut(&landed.key) else {
            return self.left(&landed.key, landed.flight);
        };
        let before = track.flights.len();
        track.flights.retain(|flight| flight.id != landed.flight);
        if self.cycles.shutdown.requested.is_cancelled() {
            return;
        }
        // A start that was skipped never flew: it changes no plan.
        if track.flights.len() < before {
            self.look_at_clocks();
            self.go_on(&landed.key);
        }
    }

    /// The end of a cycle whose schedule a reload removed.
    fn left(&mut self, key: &Key, landed: u64) {
        if let Some(flights) = self.leaving.get_mut(key) {
            flights.retain(|flight| flight.id != landed);
            if flights.is_empty() {
                self.leaving.remove(key);
            }
        }
    }

    /// Compares the clocks. After a jump every instant that was jumped over is missed, and the plan is made anew.
    pub(super) fn look_at_clocks(&mut self) {
        let (wall, now) = (self.cycles.clock.now(), Instant::now());
        let expected = self.wall + now.duration_since(self.now);
        let by = wall.duration_since(expected);
        self.now = now;
        if by.abs() <= JUMP {
            self.wall = wall;
            return;
        }
        // What had come before the jump is not part of it.
        self.wall = expected;
        self.start_due();
        self.wall = wall;
        self.state(&Event::ClockJumped { at: wall, by });
        self.instants.clear();
        if self.is_standby {
            // Nothing is planned, so nothing was jumped over.
            return;
        }
        let mut keys: Vec<_> = self
            .tracks
            .values()
            .map(|track| (track.order, track.key()))
            .collect();
        keys.sort_unstable();
        for (_, key) in keys {
            self.jump_over(&key, by);
        }
    }

    fn jump_over(&mut self, key: &Key, by: SignedDuration) {
        let wall = self.wall;
        let Some(track) = self
            .tracks
            .get_mut(key)
            .filter(|track| track.interval().is_none())
        else {
            return;
        };
        let missed = track.take_due(wall);
        if by.is_negative() {
            let is_fixed = track
                .timetable
                .as_ref()
                .is_some_and(crate::schedule::Timetable::is_fixed_time);
            let from = track.last.filter(|_| is_fixed && by.abs() < SMALL_JUMP);
            track.next = track.next_after(from.map_or(wall, |last| last.max(wall)));
        }
        self.queue_next(key);
        self.miss(key, missed, MissReason::ClockJump);
    }

    /// Nothing new starts; waits until nothing flies, ticking, and says when it is forced.
    async fn end(&mut self) {
        let shutdown = Arc::clone(&self.cycles.shutdown);
        if let Some(signal) = shutdown.signal().filter(|_| !self.announced) {
            self.announced = true;
            self.drop_backlogs();
            self.state(&Event::ShutdownStarted { signal });
        }
        if shutdown.requested.is_cancelled() {
            shutdown.told.cancel();
        }
        let mut forced = false;
        while self.flying > 0 {
            tokio::select! {
                Some(landed) = self.landed.recv() => self.land(landed),
                () = shutdown.forced.cancelled(), if !forced => {
                    forced = true;
                    self.state(&Event::ShutdownForced { signal: shutdown.forcing_signal().unwrap_or_default() });
                }
                () = tokio::time::sleep(TICK) => {}
            }
            self.tick();
        }
    }
}
