//! What is counted of cycles.

use prometheus::{Gauge, HistogramVec, IntCounterVec, IntGaugeVec};

use super::super::names;
use super::maker::{Maker, seconds, waits};
use crate::domain::{Cycle, CycleStart, Mode, Outcome, Schedule, Trigger};

pub(super) struct CycleMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
    delay: HistogramVec,
    in_flight: IntGaugeVec,
    last_duration: Gauge,
    last_start: Gauge,
    last_completion: Gauge,
    last_success: Gauge,
    pub(super) next_start: Gauge,
}

impl CycleMetrics {
    pub(super) fn new(maker: &Maker<'_>, buckets: &[f64]) -> prometheus::Result<Self> {
        let labels = ["mode", "outcome", "schedule"];
        Ok(Self {
            total: maker.counters(&names::CYCLES, &labels)?,
            duration: maker.histograms(&names::CYCLE_DURATION, &labels, buckets)?,
            delay: maker.histograms(&names::CYCLE_DELAY, &["schedule"], &waits(buckets))?,
            in_flight: maker.int_gauges(&names::CYCLES_IN_FLIGHT, &["schedule"])?,
            last_duration: maker.gauge(&names::CYCLE_LAST_DURATION)?,
            last_start: maker.gauge(&names::CYCLE_LAST_START)?,
            last_completion: maker.gauge(&names::CYCLE_LAST_COMPLETION)?,
            last_success: maker.gauge(&names::CYCLE_LAST_SUCCESS)?,
            next_start: maker.gauge(&names::CYCLE_NEXT_START)?,
        })
    }

    pub(super) fn expose(&self, mode: Mode) {
        let main = Schedule::Main.label();
        for outcome in Outcome::LABELS {
            self.total.with_label_values(&[mode.label(), outcome, main]);
        }
        self.in_flight.with_label_values(&[main]);
        self.delay.with_label_values(&[main]);
    }

    pub(super) fn started(&self, start: &CycleStart) {
        let schedule = start.schedule.label();
        self.in_flight.with_label_values(&[schedule]).inc();
        self.delay
            .with_label_values(&[schedule])
            .observe(start.delay.as_secs_f64());
        if start.schedule == Schedule::Main {
            self.last_start.set(seconds(start.started_at));
            // An interval has no next start while its cycle runs; a pattern always has one.
            if matches!(start.trigger, Trigger::Startup | Trigger::Interval) {
                self.next_start.set(0.0);
            }
        }
    }

    pub(super) fn finished(&self, cycle: &Cycle) {
        let start = &cycle.start;
        let labels = [
            start.mode.label(),
            cycle.outcome.label(),
            start.schedule.label(),
        ];
        self.total.with_label_values(&labels).inc();
        self.duration
            .with_label_values(&labels)
            .observe(cycle.duration.as_secs_f64());
        self.in_flight
            .with_label_values(&[start.schedule.label()])
            .dec();
        if start.schedule != Schedule::Main {
            return;
        }
        self.last_duration.set(cycle.duration.as_secs_f64());
        self.last_completion.set(seconds(cycle.finished_at));
        if cycle.outcome == Outcome::Success {
            self.last_success.set(seconds(cycle.finished_at));
        }
    }
}
