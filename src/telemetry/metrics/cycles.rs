//! What is counted of cycles.

use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use super::super::names;
use super::filling::{Filling, number, single, single_time};
use super::histogram::{Bounds, Histogram};
use crate::domain::{Cycle, CycleStart, MainCycleState, Mode, Outcome, Schedule};

/// The cycles of one schedule in one mode.
struct Ended {
    mode: Mode,
    schedule: Schedule,
    /// In the order of [`Outcome::LABELS`].
    totals: [u64; Outcome::LABELS.len()],
    durations: [Histogram; Outcome::LABELS.len()],
}

/// The cycles of one schedule.
struct Starts {
    schedule: Schedule,
    in_flight: u64,
    delay: Histogram,
}

pub(super) struct Cycles {
    bounds: Bounds,
    wait_bounds: Bounds,
    ended: Vec<Ended>,
    starts: Vec<Starts>,
    pub(super) main: MainCycleState,
    pub(super) next_start: Option<Timestamp>,
    /// Runs of cycles in flight that have neither started nor ended.
    pub(super) queued: u64,
}

impl Cycles {
    pub(super) fn new(bounds: Bounds, wait_bounds: Bounds) -> Self {
        Self {
            bounds,
            wait_bounds,
            ended: Vec::new(),
            starts: Vec::new(),
            main: MainCycleState::default(),
            next_start: None,
            queued: 0,
        }
    }

    /// Makes a schedule's series known before its first cycle.
    pub(super) fn expose(&mut self, mode: Mode, schedule: Schedule) {
        self.ended(mode, schedule);
        self.starts(schedule);
    }

    fn ended(&mut self, mode: Mode, schedule: Schedule) -> Option<&mut Ended> {
        let is_it = |ended: &Ended| ended.mode == mode && ended.schedule == schedule;
        if !self.ended.iter().any(is_it) {
            self.ended.push(Ended {
                mode,
                schedule,
                totals: Default::default(),
                durations: Default::default(),
            });
        }
        self.ended.iter_mut().find(|ended| is_it(ended))
    }

    fn starts(&mut self, schedule: Schedule) -> Option<&mut Starts> {
        let is_it = |starts: &Starts| starts.schedule == schedule;
        if !self.starts.iter().any(is_it) {
            self.starts.push(Starts {
                schedule,
                in_flight: 0,
                delay: Histogram::default(),
            });
        }
        self.starts.iter_mut().find(|starts| is_it(starts))
    }

    pub(super) fn started(&mut self, start: &CycleStart) {
        let bounds = Bounds::clone(&self.wait_bounds);
        if let Some(starts) = self.starts(start.schedule) {
            starts.in_flight += 1;
            starts.delay.observe(&bounds, start.delay.as_secs_f64());
        }
        self.queued += u64::try_from(start.runs).unwrap_or_default();
        if start.schedule == Schedule::Main {
            self.main.last_start = Some(start.started_at);
        }
    }

    /// A run has left the queue, started or not.
    pub(super) fn left_queue(&mut self) {
        self.queued = self.queued.saturating_sub(1);
    }

    /// Returns the bucket of the cycle's duration.
    pub(super) fn finished(&mut self, cycle: &Cycle) -> usize {
        let start = &cycle.start;
        if let Some(starts) = self.starts(start.schedule) {
            starts.in_flight = starts.in_flight.saturating_sub(1);
        }
        if start.schedule == Schedule::Main {
            self.main.finished(cycle);
        }
        let bounds = Bounds::clone(&self.bounds);
        let label = cycle.outcome.label();
        let which = Outcome::LABELS.iter().position(|known| *known == label);
        let (Some(which), Some(ended)) = (which, self.ended(start.mode, start.schedule)) else {
            return 0;
        };
        if let Some(total) = ended.totals.get_mut(which) {
            *total += 1;
        }
        let duration = cycle.duration.as_secs_f64();
        let histogram = ended.durations.get_mut(which);
        histogram.map_or(0, |histogram| histogram.observe(&bounds, duration))
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let mut totals = Filling::new(&names::CYCLES);
        let mut durations = Filling::new(&names::CYCLE_DURATION);
        for ended in &self.ended {
            let (mode, schedule) = (ended.mode.label(), ended.schedule.label());
            let each = ended.totals.iter().zip(&ended.durations);
            for (outcome, (total, duration)) in Outcome::LABELS.iter().zip(each) {
                let labels = [mode, outcome, schedule];
                totals.count(&labels, *total);
                if !duration.is_empty() {
                    durations.histogram(&labels, &self.bounds, duration);
                }
            }
        }
        let mut delays = Filling::new(&names::CYCLE_DELAY);
        let mut in_flight = Filling::new(&names::CYCLES_IN_FLIGHT);
        for starts in &self.starts {
            let label = [starts.schedule.label()];
            delays.histogram(&label, &self.wait_bounds, &starts.delay);
            in_flight.gauge(&label, number(starts.in_flight));
        }
        let mut families = vec![
            totals.into_family(),
            durations.into_family(),
            delays.into_family(),
            in_flight.into_family(),
            single(&names::RUNS_QUEUED, number(self.queued)),
            single_time(&names::CYCLE_LAST_START, self.main.last_start),
            single_time(&names::CYCLE_LAST_COMPLETION, self.main.last_completion),
            single_time(&names::CYCLE_LAST_SUCCESS, self.main.last_success),
            single_time(&names::CYCLE_NEXT_START, self.next_start),
        ];
        let duration = self.main.last_duration;
        families.extend(
            duration.map(|duration| single(&names::CYCLE_LAST_DURATION, duration.as_secs_f64())),
        );
        families
    }
}
