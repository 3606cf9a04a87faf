//! What is counted of runs.

use prometheus::{CounterVec, HistogramVec, IntCounterVec, IntGaugeVec};

use super::super::names;
use super::maker::{Maker, waits};
use crate::domain::name::RESERVED;
use crate::domain::{Escaped, Outcome, Run, RunStart, Stream};

pub(super) struct RunMetrics {
    total: IntCounterVec,
    failures: IntCounterVec,
    skips: IntCounterVec,
    cancellations: IntCounterVec,
    duration: HistogramVec,
    queue_wait: HistogramVec,
    pub(super) in_flight: IntGaugeVec,
    cpu: CounterVec,
    output_bytes: IntCounterVec,
    output_lines: IntCounterVec,
    output_truncated: IntCounterVec,
    escaped: IntCounterVec,
    kill_escalations: IntCounterVec,
}

impl RunMetrics {
    pub(super) fn new(maker: &Maker<'_>, buckets: &[f64]) -> prometheus::Result<Self> {
        let reason = ["processor", "reason"];
        let stream = ["processor", "stream"];
        Ok(Self {
            total: maker.counters(&names::RUNS, &["processor", "outcome"])?,
            failures: maker.counters(&names::RUN_FAILURES, &reason)?,
            skips: maker.counters(&names::RUN_SKIPS, &reason)?,
            cancellations: maker.counters(&names::RUN_CANCELLATIONS, &reason)?,
            duration: maker.histograms(&names::RUN_DURATION, &["processor", "outcome"], buckets)?,
            queue_wait: maker.histograms(
                &names::RUN_QUEUE_WAIT,
                &["processor"],
                &waits(buckets),
            )?,
            in_flight: maker.int_gauges(&names::RUNS_IN_FLIGHT, &["processor"])?,
            cpu: maker.register(CounterVec::new(
                names::RUN_CPU.opts(),
                &["processor", "mode"],
            ))?,
            output_bytes: maker.counters(&names::OUTPUT_BYTES, &stream)?,
            output_lines: maker.counters(&names::OUTPUT_LINES, &stream)?,
            output_truncated: maker.counters(&names::OUTPUT_TRUNCATED, &stream)?,
            escaped: maker.counters(&names::ESCAPED, &["processor"])?,
            kill_escalations: maker.counters(&names::KILL_ESCALATIONS, &["processor"])?,
        })
    }

    /// The first event of each kind must be visible to `increase()`, so its series exist before it.
    pub(super) fn expose(&self, name: &str) {
        for outcome in Outcome::LABELS {
            self.total.with_label_values(&[name, outcome]);
        }
        for reason in Outcome::FAILURE_REASONS {
            self.failures.with_label_values(&[name, reason]);
        }
        for reason in Outcome::SKIP_REASONS {
            self.skips.with_label_values(&[name, reason]);
        }
        for reason in Outcome::CANCEL_REASONS {
            self.cancellations.with_label_values(&[name, reason]);
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            for counter in [
                &self.output_bytes,
                &self.output_lines,
                &self.output_truncated,
            ] {
                counter.with_label_values(&[name, stream.label()]);
            }
        }
        for mode in ["user", "system"] {
            self.cpu.with_label_values(&[name, mode]);
        }
        self.in_flight.with_label_values(&[name]);
        self.escaped.with_label_values(&[name]);
        self.kill_escalations.with_label_values(&[name]);
    }

    pub(super) fn started(&self, start: &RunStart) {
        let name = [start.spec.name.as_str()];
        self.in_flight.with_label_values(&name).inc();
        self.queue_wait
            .with_label_values(&name)
            .observe(start.queue_wait.as_secs_f64());
    }

    pub(super) fn finished(&self, run: &Run) {
        let name = run.start.spec.name.as_str();
        let result = &run.result;
        let outcome = result.outcome;
        self.total.with_label_values(&[name, outcome.label()]).inc();
        let reasons = match outcome {
            Outcome::Success => None,
            Outcome::Failure(_) | Outcome::Timeout | Outcome::Error(_) => Some(&self.failures),
            Outcome::Skip(_) => Some(&self.skips),
            Outcome::Cancellation(_) => Some(&self.cancellations),
        };
        if let (Some(counter), Some(reason)) = (reasons, outcome.reason()) {
            counter.with_label_values(&[name, reason]).inc();
        }
        if matches!(
            outcome,
            Outcome::Success | Outcome::Failure(_) | Outcome::Timeout
        ) {
            self.duration
                .with_label_values(&[name, outcome.label()])
                .observe(result.duration.as_secs_f64());
        }
        self.used(name, run);
    }

    /// The series that belong to no processor.
    pub(super) fn expose_common(&self) {
        self.escaped.with_label_values(&[RESERVED]);
    }

    /// Processes whose run nobody can tell.
    pub(super) fn ended_strays(&self, escaped: &Escaped) {
        self.escaped
            .with_label_values(&[RESERVED])
            .inc_by(u64::from(escaped.count));
    }

    fn used(&self, name: &str, run: &Run) {
        let result = &run.result;
        self.cpu
            .with_label_values(&[name, "user"])
            .inc_by(result.usage.cpu_user.as_secs_f64());
        self.cpu
            .with_label_values(&[name, "system"])
            .inc_by(result.usage.cpu_system.as_secs_f64());
        for (stream, totals) in [
            (Stream::Stdout, result.stdout),
            (Stream::Stderr, result.stderr),
        ] {
            let labels = [name, stream.label()];
            add(&self.output_bytes, &labels, totals.bytes);
            add(&self.output_lines, &labels, totals.lines);
            add(
                &self.output_truncated,
                &labels,
                u64::from(totals.truncated_bytes > 0),
            );
        }
        add(&self.escaped, &[name], u64::from(result.escaped.count));
        add(
            &self.kill_escalations,
            &[name],
            u64::from(result.kill_escalated),
        );
    }
}

/// Looking a series up costs more than the rest of the count, so it is not done for nothing.
fn add(counter: &IntCounterVec, labels: &[&str], count: u64) {
    if count > 0 {
        counter.with_label_values(labels).inc_by(count);
    }
}
