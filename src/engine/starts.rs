//! Every planned start ends in exactly one way: it starts, it is skipped, or it is missed. Here is decided which.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::cycle::Due;
use super::run::Gate;
use super::runner::Runner;
use super::scheduler::{Landed, Scheduler};
use super::track::{Flight, Key};
use crate::domain::{
    CatchUp, Cycle, Event, MissReason, Missed, Overlap, ProcessorSpec, Schedule, Trigger,
};

impl<R: Runner> Scheduler<R> {
    /// Starts, or counts, everything that has come.
    pub(super) fn start_due(&mut self) {
        while let Some((key, generation, _)) = self.instants.pop_due(self.wall) {
            let Some(track) = self.tracks.get_mut(&key) else {
                continue;
            };
            if track.generation == generation {
                let due = track.take_due(self.wall);
                self.queue_next(&key);
                self.come(&key, due);
            }
        }
        while let Some((key, generation, planned)) = self.intervals.pop_due(self.now) {
            let is_current = |generation_now| generation_now == generation;
            if self
                .tracks
                .get(&key)
                .is_some_and(|track| is_current(track.generation))
            {
                self.come_by_interval(&key, self.now.duration_since(planned));
            }
        }
    }

    /// Instants of a pattern that have come, oldest first: the latest is for now, the others are late.
    fn come(&mut self, key: &Key, mut due: Vec<Timestamp>) {
        if self.is_paused {
            return self.count_missed(key, &due, MissReason::Paused);
        }
        let Some(planned) = due.pop() else { return };
        self.miss(key, due, MissReason::Overrun);
        let delay = Duration::try_from(self.wall.duration_since(planned)).unwrap_or_default();
        if key.is_some() {
            self.start_own(key, Trigger::Cron, delay);
        } else if self.is_flying(key) {
            self.count_missed(key, &[planned], MissReason::Overrun);
        } else {
            self.start_main(Trigger::Cron, delay, self.plan.main_processors());
        }
    }

    fn come_by_interval(&mut self, key: &Key, delay: Duration) {
        if self.is_paused {
            self.count_missed(key, &[self.wall], MissReason::Paused);
            return self.plan_interval(key);
        }
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let trigger = match track.last {
            None => Trigger::Startup,
            Some(_) => Trigger::Interval,
        };
        track.last = Some(self.wall);
        if key.is_some() {
            self.start_own(key, trigger, delay);
        } else {
            self.start_main(trigger, delay, self.plan.main_processors());
        }
    }

    pub(super) fn is_flying(&self, key: &Key) -> bool {
        self.tracks
            .get(key)
            .is_some_and(|track| !track.flights.is_empty())
    }

    /// A main cycle; nothing flies on its track.
    pub(super) fn start_main(
        &mut self,
        trigger: Trigger,
        delay: Duration,
        processors: Vec<Arc<ProcessorSpec>>,
    ) {
        let due = Due {
            plan: Arc::clone(&self.plan),
            schedule: Schedule::Main,
            trigger,
            delay,
            processors,
            gate: Gate::default(),
        };
        self.fly(None, due, true);
    }

    /// A cycle of one processor, as its rule for overlaps wants it.
    fn start_own(&mut self, key: &Key, trigger: Trigger, delay: Duration) {
        let Some(track) = self.tracks.get(key) else {
            return;
        };
        let Some(spec) = track.spec.clone() else {
            return;
        };
        let flying = track.flights.iter();
        let mut gate = Gate::default();
        match (spec.timing.overlap, track.flights.len()) {
            (_, 0) => {}
            (Overlap::Queue, 1) => gate.after = flying.map(|flight| flight.ended.clone()).collect(),
            (Overlap::Skip | Overlap::Queue, _) => gate.is_overlap = true,
            (Overlap::Replace, _) => {
                gate.after = flying.clone().map(|flight| flight.ended.clone()).collect();
                flying.for_each(|flight| flight.replaced.cancel());
            }
        }
        let is_overlap = gate.is_overlap;
        let due = Due {
            plan: Arc::clone(&self.plan),
            schedule: Schedule::Own,
            trigger,
            delay,
            processors: vec![spec],
            gate,
        };
        self.fly(key.clone(), due, !is_overlap);
    }

    fn fly(&mut self, key: Key, due: Due, is_kept: bool) {
        let id = self.unique();
        self.flying += 1;
        let ended = CancellationToken::new();
        if let Some(track) = self.tracks.get_mut(&key).filter(|_| is_kept) {
            track.flights.push(Flight {
                id,
                replaced: due.gate.replaced.clone(),
                ended: ended.clone(),
            });
        }
        let mut landing = Landing {
            ended,
            landed: Some(Landed {
                key,
                flight: id,
                cycle: None,
            }),
            scheduler: self.landing.clone(),
        };
        let cycles = Arc::clone(&self.cycles);
        tokio::spawn(async move { landing.take(cycles.run(due).await) });
    }

    /// After the end of a cycle: what waited for it, and the next of an interval.
    pub(super) fn go_on(&mut self, key: &Key) {
        if self.is_flying(key) || self.is_standby {
            return;
        }
        if key.is_none() && std::mem::take(&mut self.is_wanted) {
            return self.start_main(Trigger::Signal, Duration::ZERO, self.plan.main_processors());
        }
        self.plan_interval(key);
        self.work_off(key);
    }

    /// Starts the oldest of the missed instants that are to be made up for, if nothing else runs.
    pub(super) fn work_off(&mut self, key: &Key) {
        while !self.is_paused && !self.is_standby && !self.is_flying(key) {
            let Some(track) = self.tracks.get_mut(key) else {
                return;
            };
            let Some(window) = track.spec.as_ref().map(|spec| spec.timing.window) else {
                return;
            };
            let Some((planned, _)) = track.backlog.pop_front() else {
                return;
            };
            let delay = Duration::try_from(self.wall.duration_since(planned)).unwrap_or_default();
            if delay > window {
                self.count_missed(key, &[planned], MissReason::OutsideWindow);
            } else {
                self.start_own(key, Trigger::Catchup, delay);
            }
        }
    }

    /// Instants that did not start when they came: made up for if that is wanted, else counted.
    pub(super) fn miss(&mut self, key: &Key, mut missed: Vec<Timestamp>, reason: MissReason) {
        let timing = self
            .tracks
            .get(key)
            .and_then(|track| Some(&track.spec.as_ref()?.timing));
        let (catch_up, window) = timing.map_or((CatchUp::None, Duration::ZERO), |timing| {
            (timing.catch_up, timing.window)
        });
        if catch_up == CatchUp::None {
            return self.count_missed(key, &missed, reason);
        }
        let oldest = self.wall - window;
        let recent = missed.split_off(missed.partition_point(|at| *at < oldest));
        self.count_missed(key, &missed, MissReason::OutsideWindow);
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        track
            .backlog
            .extend(recent.into_iter().map(|at| (at, reason)));
        let surplus = match catch_up {
            CatchUp::One => track.backlog.len().saturating_sub(1),
            CatchUp::All | CatchUp::None => 0,
        };
        let surplus: Vec<_> = track.backlog.drain(..surplus).collect();
        self.count_backlog(key, &surplus);
        self.work_off(key);
    }

    pub(super) fn count_backlog(&self, key: &Key, backlog: &[(Timestamp, MissReason)]) {
        for reason in MissReason::ALL {
            let of_reason = backlog.iter().filter(|(_, why)| *why == reason);
            let missed: Vec<_> = of_reason.map(|(at, _)| *at).collect();
            self.count_missed(key, &missed, reason);
        }
    }

    fn count_missed(&self, key: &Key, missed: &[Timestamp], reason: MissReason) {
        let Some(planned) = missed.last().copied() else {
            return;
        };
        let due = match key {
            Some(name) => vec![name.clone()],
            None => self
                .plan
                .main_processors()
                .iter()
                .map(|spec| spec.name.clone())
                .collect(),
        };
        self.state(&Event::StartMissed(Missed {
            processor: key.clone(),
            due,
            reason,
            count: missed.len() as u64,
            planned,
        }));
    }
}

/// Tells the loop of the end of a cycle, also when its task broke.
struct Landing {
    ended: CancellationToken,
    landed: Option<Landed>,
    scheduler: tokio::sync::mpsc::UnboundedSender<Landed>,
}

impl Landing {
    fn take(&mut self, cycle: Arc<Cycle>) {
        if let Some(landed) = &mut self.landed {
            landed.cycle = Some(cycle);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.ended.cancel();
        if let Some(landed) = self.landed.take() {
            self.scheduler.send(landed).ok();
        }
    }
}
