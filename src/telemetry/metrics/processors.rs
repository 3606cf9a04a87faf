//! What the last runs of each processor came to.

use prometheus::{GaugeVec, IntGaugeVec};

use super::super::names;
use super::maker::{Maker, seconds};
use crate::domain::{Outcome, Run, RunStart};

pub(super) struct ProcessorMetrics {
    last_success: IntGaugeVec,
    last_outcome: IntGaugeVec,
    start_time: GaugeVec,
    completion_time: GaugeVec,
    success_time: GaugeVec,
    failure_time: GaugeVec,
    failing_since: GaugeVec,
    consecutive_failures: IntGaugeVec,
    last_duration: GaugeVec,
    last_exit_code: IntGaugeVec,
    max_rss: IntGaugeVec,
}

impl ProcessorMetrics {
    pub(super) fn new(maker: &Maker<'_>) -> prometheus::Result<Self> {
        let label = ["processor"];
        Ok(Self {
            last_success: maker.int_gauges(&names::LAST_SUCCESS, &label)?,
            last_outcome: maker.int_gauges(&names::LAST_OUTCOME, &["processor", "outcome"])?,
            start_time: maker.gauges(&names::LAST_START_TIME, &label)?,
            completion_time: maker.gauges(&names::LAST_COMPLETION_TIME, &label)?,
            success_time: maker.gauges(&names::LAST_SUCCESS_TIME, &label)?,
            failure_time: maker.gauges(&names::LAST_FAILURE_TIME, &label)?,
            failing_since: maker.gauges(&names::FAILING_SINCE, &label)?,
            consecutive_failures: maker.int_gauges(&names::CONSECUTIVE_FAILURES, &label)?,
            last_duration: maker.gauges(&names::LAST_DURATION, &label)?,
            last_exit_code: maker.int_gauges(&names::LAST_EXIT_CODE, &label)?,
            max_rss: maker.int_gauges(&names::RUN_MAX_RSS, &label)?,
        })
    }

    /// Timestamps are there from the start: 0 says never. Results are not: 0 would claim one that did not happen.
    pub(super) fn expose(&self, name: &str) {
        let times = [
            &self.start_time,
            &self.completion_time,
            &self.success_time,
            &self.failure_time,
            &self.failing_since,
        ];
        for gauges in times {
            gauges.with_label_values(&[name]);
        }
        self.consecutive_failures.with_label_values(&[name]);
    }

    pub(super) fn started(&self, start: &RunStart) {
        self.start_time
            .with_label_values(&[start.spec.name.as_str()])
            .set(seconds(start.started_at));
    }

    pub(super) fn finished(&self, run: &Run) {
        let name = run.start.spec.name.as_str();
        let outcome = run.result.outcome;
        for label in Outcome::LABELS {
            self.last_outcome
                .with_label_values(&[name, label])
                .set(i64::from(label == outcome.label()));
        }
        if !outcome.is_result() {
            return;
        }
        let (label, ended) = ([name], seconds(run.finished_at));
        self.last_success
            .with_label_values(&label)
            .set(i64::from(outcome == Outcome::Success));
        self.completion_time.with_label_values(&label).set(ended);
        self.last_duration
            .with_label_values(&label)
            .set(run.result.duration.as_secs_f64());
        self.last_exit_code
            .with_label_values(&label)
            .set(run.result.exit_code.map_or(-1, i64::from));
        self.max_rss
            .with_label_values(&label)
            .set(i64::try_from(run.result.usage.max_rss_bytes).unwrap_or(i64::MAX));
        let (since, streak) = (
            self.failing_since.with_label_values(&label),
            self.consecutive_failures.with_label_values(&label),
        );
        if outcome.is_bad() {
            self.failure_time.with_label_values(&label).set(ended);
            if streak.get() == 0 {
                since.set(ended);
            }
            streak.inc();
        } else {
            self.success_time.with_label_values(&label).set(ended);
            since.set(0.0);
            streak.set(0);
        }
    }
}
