//! One schedule as the loop keeps it, and the queue of what is due next. Refuses to know how anything is started.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::domain::{MissReason, ProcessorName, ProcessorSpec, ScheduleSpec};
use crate::schedule::{Timetable, jitter};

/// Instants of one schedule that are counted in one go, at most: more would stop the loop.
const MOST_INSTANTS: usize = 100_000;

/// Whose schedule it is: a processor's own, or none for the main one.
pub(super) type Key = Option<ProcessorName>;

/// A cycle that has started and not ended.
pub(super) struct Flight {
    pub(super) id: u64,
    /// Cancelled when a newer start takes its place.
    pub(super) replaced: CancellationToken,
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
}

/// One schedule.
pub(super) struct Track {
    /// The processor whose own schedule it is.
    pub(super) spec: Option<Arc<ProcessorSpec>>,
    schedule: ScheduleSpec,
    /// None for a pattern that cannot be read, which the configuration refuses.
    pub(super) timetable: Option<Timetable>,
    /// Place in the order of declaration; the main schedule comes first.
    pub(super) order: usize,
    /// Entries of the queue that carry another number are stale.
    pub(super) generation: u64,
    /// The next absolute instant.
    pub(super) next: Option<Timestamp>,
    /// The last absolute instant that was dealt with.
    pub(super) last: Option<Timestamp>,
    pub(super) flights: Vec<Flight>,
    /// Missed instants that are to be made up for, with the reason why they were missed.
    pub(super) backlog: VecDeque<(Timestamp, MissReason)>,
}

impl Track {
    pub(super) fn new(
        spec: Option<Arc<ProcessorSpec>>,
        schedule: &ScheduleSpec,
        zone: &TimeZone,
        order: usize,
    ) -> Self {
        let mut track = Self {
            spec,
            schedule: schedule.clone(),
            timetable: None,
            order,
            generation: 0,
            next: None,
            last: None,
            flights: Vec::new(),
            backlog: VecDeque::new(),
        };
        track.timetable = Timetable::new(schedule, zone, track.jitter())
            .inspect_err(|error| {
                tracing::error!("a agenda {schedule:?} não pode ser lida: {error}");
            })
            .ok();
        track
    }

    /// By how much its instants are put off.
    pub(super) fn jitter(&self) -> Duration {
        let spec = self.spec.as_deref();
        spec.map_or(Duration::ZERO, |spec| {
            jitter(spec.name.as_str(), spec.timing.jitter)
        })
    }

    pub(super) fn key(&self) -> Key {
        self.spec.as_ref().map(|spec| spec.name.clone())
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        match self.timetable {
            Some(Timetable::Interval(interval)) => Some(interval),
            _ => None,
        }
    }

    pub(super) fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.timetable.as_ref()?.next_after(instant)
    }

    /// The instants that have come up to `now` and were not dealt with; the plan moves on behind them.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Timestamp> {
        let mut due = Vec::new();
        while let Some(at) = self.next.filter(|at| *at <= now) {
            due.push(at);
            self.last = Some(at);
            self.next = self.next_after(if due.len() < MOST_INSTANTS { at } else { now });
        }
        due
    }

    /// Whether `other` makes the same instants due.
    pub(super) fn has_plan_of(&self, other: &Self) -> bool {
        self.schedule == other.schedule && self.jitter() == other.jitter()
    }
}

/// An entry: when, and of the simultaneous ones, in the order of declaration.
type Entry<T> = Reverse<(T, usize, Key, u64)>;

/// What is due next, by instants of one clock.
pub(super) struct Queue<T>(BinaryHeap<Entry<T>>);

impl<T: Ord + Copy> Queue<T> {
    pub(super) fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(super) fn push(&mut self, at: T, track: &Track) {
        let entry = (at, track.order, track.key(), track.generation);
        self.0.push(Reverse(entry));
    }

    pub(super) fn first(&self) -> Option<T> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }

    /// The first entry that is due at `now`: whose, of which generation, and when it was due.
    pub(super) fn pop_due(&mut self, now: T) -> Option<(Key, u64, T)> {
        self.first().filter(|at| *at <= now)?;
        let Reverse((at, _, key, generation)) = self.0.pop()?;
        Some((key, generation, at))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
