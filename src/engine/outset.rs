//! How the loop gets its plan: at the start, after the end of an interval, by a pause, and by a reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::plan::Plan;
use super::runner::Runner;
use super::scheduler::Scheduler;
use super::track::{Key, Track};
use crate::domain::{Difference, Event, MissReason, Reload, ReloadResult, Trigger};

impl<R: Runner> Scheduler<R> {
    /// Plans everything for the first time.
    pub(super) fn set_out(&mut self) {
        self.tracks = tracks(&self.plan);
        if !self.is_standby {
            self.begin_all();
        }
    }

    fn begin_all(&mut self) {
        let mut keys: Vec<_> = self
            .tracks
            .values()
            .map(|track| (track.order, track.key()))
            .collect();
        keys.sort_unstable();
        for (_, key) in keys {
            self.begin(&key);
        }
    }

    /// Plans a schedule that is new: an interval starts at once, a pattern at its next instant.
    fn begin(&mut self, key: &Key) {
        let wall = self.wall;
        let generation = self.unique();
        let earlier = self.earlier.remove(key).filter(|at| *at < wall);
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        // A schedule of this name may have been here before, and left entries in the queue.
        track.generation = generation;
        if track.interval().is_some() && !track.flights.is_empty() {
            // The interval counts from the end of what still runs.
            return;
        }
        if track.interval().is_some() {
            let at = self.now + track.jitter();
            return self.intervals.push(at, track);
        }
        track.next = track.next_after(earlier.unwrap_or(wall));
        let missed = track.take_due(wall);
        self.queue_next(key);
        self.miss(key, missed, MissReason::Downtime);
    }

    /// Plans everything anew, as at the start. What still runs of an earlier time is followed as ever.
    pub(super) fn lead(&mut self, since: Option<Timestamp>) {
        self.look_at_clocks();
        if std::mem::take(&mut self.is_standby) {
            self.earlier = since.map_or_else(HashMap::new, |since| {
                let keys = self.tracks.keys();
                keys.map(|key| (key.clone(), since)).collect()
            });
            self.begin_all();
        }
    }

    /// Forgets what is planned; nothing of it is missed, since another instance plans it.
    pub(super) fn stand_by(&mut self) {
        self.look_at_clocks();
        self.is_standby = true;
        self.is_wanted = false;
        self.instants.clear();
        self.intervals.clear();
        for track in self.tracks.values_mut() {
            (track.next, track.last) = (None, None);
            track.backlog.clear();
        }
        self.state(&Event::PlanForgotten);
    }

    /// Queues the next instant of a pattern.
    pub(super) fn queue_next(&mut self, key: &Key) {
        let Some(track) = self.tracks.get(key) else {
            return;
        };
        let Some(at) = track.next else { return };
        self.instants.push(at, track);
        let wait = Duration::try_from(at.duration_since(self.wall)).unwrap_or_default();
        let processor = key.clone();
        self.state(&Event::StartPlanned {
            processor,
            at,
            wait,
        });
    }

    /// Queues the next start of an interval, counted from now.
    pub(super) fn plan_interval(&mut self, key: &Key) {
        let generation = self.unique();
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let Some(interval) = track.interval() else {
            return;
        };
        track.generation = generation;
        self.intervals.push(self.now + interval, track);
        self.state(&Event::StartPlanned {
            processor: key.clone(),
            at: self.wall + interval,
            wait: interval,
        });
    }

    /// A main cycle now, or right after the one that is running.
    pub(super) fn run_main_now(&mut self) {
        let generation = self.unique();
        let due = self.plan.main_processors();
        self.look_at_clocks();
        if self.is_standby {
            tracing::warn!("SIGUSR1 sem efeito: outra instância planeja");
        } else if due.is_empty() {
            tracing::warn!("SIGUSR1 sem efeito: todos os processadores têm agenda própria");
        } else if self.is_flying(&None) {
            self.is_wanted = true;
        } else {
            if let Some(track) = self
                .tracks
                .get_mut(&None)
                .filter(|track| track.interval().is_some())
            {
                // The interval counts from the end of this cycle.
                track.generation = generation;
                track.last = Some(self.wall);
            }
            self.start_main(Trigger::Signal, Duration::ZERO, due);
        }
    }

    pub(super) fn toggle_pause(&mut self) {
        self.look_at_clocks();
        self.start_due();
        self.is_paused = !self.is_paused;
        let at = self.wall;
        if self.is_paused {
            return self.state(&Event::Paused { at });
        }
        self.state(&Event::Resumed { at });
        let keys: Vec<_> = self.tracks.keys().cloned().collect();
        for key in keys {
            self.work_off(&key);
        }
    }

    /// These settings for every cycle from now on. What runs keeps its own.
    pub(super) fn reload(&mut self, (plan, difference): (Plan, Difference)) {
        self.look_at_clocks();
        self.start_due();
        self.resize(self.plan.slots(), plan.slots());
        self.cycles.loads.configured(&plan.processors);
        let result = ReloadResult::Applied {
            difference,
            mode: plan.mode,
            slots: plan.own_slots(),
            main: plan.main.clone(),
            processors: plan.configured(self.wall),
            period: plan.period(self.wall),
        };
        self.plan = Arc::new(plan);
        let at = self.wall;
        self.state(&Event::ConfigReloaded(Arc::new(Reload { at, result })));
        self.take_tracks();
    }

    fn take_tracks(&mut self) {
        let mut old = std::mem::take(&mut self.tracks);
        self.instants.clear();
        let mut new: Vec<_> = tracks(&self.plan).into_iter().collect();
        new.sort_unstable_by_key(|(_, track)| track.order);
        for (key, mut track) in new {
            let Some(before) = old.remove(&key) else {
                track.flights = self.leaving.remove(&key).unwrap_or_default();
                self.tracks.insert(key.clone(), track);
                if !self.is_standby {
                    self.begin(&key);
                }
                continue;
            };
            let is_same = track.has_plan_of(&before);
            track.generation = before.generation;
            track.last = before.last;
            track.next = before.next.filter(|_| is_same);
            track.flights = before.flights;
            track.backlog = before.backlog;
            if self.is_standby {
                self.tracks.insert(key.clone(), track);
                continue;
            }
            if !is_same {
                track.generation = self.unique();
                track.next = track.next_after(self.wall);
            }
            let is_idle = track.flights.is_empty();
            self.tracks.insert(key.clone(), track);
            self.queue_next(&key);
            if !is_same && is_idle {
                self.plan_interval(&key);
            }
        }
        for (key, track) in old {
            let backlog: Vec<_> = track.backlog.into_iter().collect();
            self.count_backlog(&key, &backlog);
            if !track.flights.is_empty() {
                self.leaving.insert(key, track.flights);
            }
        }
    }

    /// Runs that may be in flight: fewer only as those that fly end.
    fn resize(&self, old: usize, new: usize) {
        let slots = Arc::clone(&self.cycles.slots);
        slots.add_permits(new.saturating_sub(old));
        let surplus = u32::try_from(old.saturating_sub(new)).unwrap_or(u32::MAX);
        if surplus > 0 {
            tokio::spawn(async move {
                if let Ok(permits) = slots.acquire_many_owned(surplus).await {
                    permits.forget();
                }
            });
        }
    }

    /// At the end nothing is made up for any more.
    pub(super) fn drop_backlogs(&mut self) {
        let tracks = std::mem::take(&mut self.tracks);
        for (key, mut track) in tracks {
            let backlog: Vec<_> = track.backlog.drain(..).collect();
            self.count_backlog(&key, &backlog);
        }
    }
}

/// The schedules of a plan. Without anybody in it there is no main one.
fn tracks(plan: &Plan) -> HashMap<Key, Track> {
    let main = (!plan.main_processors().is_empty())
        .then(|| (None, Track::new(None, &plan.main, &plan.zone, 0)));
    let own = plan
        .processors
        .iter()
        .enumerate()
        .filter_map(|(index, spec)| {
            let schedule = spec.timing.schedule.as_ref()?;
            let track = Track::new(Some(Arc::clone(spec)), schedule, &plan.zone, index + 1);
            Some((Some(spec.name.clone()), track))
        });
    main.into_iter().chain(own).collect()
}
