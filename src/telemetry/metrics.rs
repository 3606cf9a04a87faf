//! The facts as Prometheus metrics, in a registry that `app` owns. Refuses to know how they are served.

use std::io;

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    CounterVec, Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec,
    IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::names::{self, Family};
use crate::domain::{
    Cycle, CycleStart, Event, Mode, Observer, Outcome, ProcessorSpec, Run, RunStart, Schedule,
    Stream,
};

/// The `Content-Type` of [`Metrics::render`]: text format 0.0.4.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The reader that counts.
pub struct Metrics {
    registry: Registry,
    tick: Gauge,
    cycles: CycleMetrics,
    runs: RunMetrics,
    processors: ProcessorMetrics,
    http_requests: IntCounterVec,
}

struct CycleMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
    delay: HistogramVec,
    in_flight: IntGaugeVec,
    last_duration: Gauge,
    last_start: Gauge,
    last_completion: Gauge,
    last_success: Gauge,
    next_start: Gauge,
}

struct RunMetrics {
    total: IntCounterVec,
    failures: IntCounterVec,
    skips: IntCounterVec,
    cancellations: IntCounterVec,
    duration: HistogramVec,
    queue_wait: HistogramVec,
    in_flight: IntGaugeVec,
    cpu: CounterVec,
    output_bytes: IntCounterVec,
    output_lines: IntCounterVec,
    output_truncated: IntCounterVec,
    escaped: IntCounterVec,
    kill_escalations: IntCounterVec,
}

struct ProcessorMetrics {
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

/// What the metrics need to know before anything happens.
pub struct Known<'a> {
    /// Every processor.
    pub processors: &'a [std::sync::Arc<ProcessorSpec>],
    /// How cycles are run.
    pub mode: Mode,
    /// Runs side by side.
    pub slots: usize,
    /// Bounds of the duration histograms, seconds.
    pub buckets: &'a [f64],
}

/// Makes families and registers them.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register<C: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let collector = made?;
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(&self, family: &Family, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(family.opts(), labels))
    }

    fn gauges(&self, family: &Family, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(family.opts(), labels))
    }

    fn int_gauges(&self, family: &Family, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(family.opts(), labels))
    }

    fn gauge(&self, family: &Family) -> prometheus::Result<Gauge> {
        self.register(Gauge::with_opts(family.opts()))
    }

    fn histograms(
        &self,
        family: &Family,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::from(family.opts()).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels))
    }
}

impl Metrics {
    /// All families, with every series that the configuration makes known at 0.
    ///
    /// # Errors
    ///
    /// A family that cannot be registered, which is a fault of this program.
    pub fn new(registry: Registry, known: &Known<'_>) -> prometheus::Result<Self> {
        let maker = Maker(&registry);
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let metrics = Self {
            tick: maker.gauge(&names::TICK)?,
            cycles: CycleMetrics::new(&maker, known.buckets)?,
            runs: RunMetrics::new(&maker, known.buckets)?,
            processors: ProcessorMetrics::new(&maker)?,
            http_requests: maker.counters(&names::HTTP_REQUESTS, &["handler", "code"])?,
            registry: registry.clone(),
        };
        metrics.expose_known(&maker, known)?;
        Ok(metrics)
    }

    fn expose_known(&self, maker: &Maker<'_>, known: &Known<'_>) -> prometheus::Result<()> {
        maker
            .int_gauges(&names::BUILD_INFO, &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let slots: IntGauge = maker.register(IntGauge::with_opts(names::WORKER_SLOTS.opts()))?;
        slots.set(i64::try_from(known.slots).unwrap_or(i64::MAX));
        let info = maker.int_gauges(&names::PROCESSOR_INFO, &["processor", "schedule_kind"])?;
        let timeout = maker.gauges(&names::TIMEOUT, &["processor"])?;
        self.cycles.expose(known.mode);
        for spec in known.processors {
            let name = spec.name.as_str();
            info.with_label_values(&[name, "cycle"]).set(1);
            timeout
                .with_label_values(&[name])
                .set(spec.timeout.as_secs_f64());
            self.runs.expose(name);
            self.processors.expose(name);
        }
        Ok(())
    }

    /// Everything in text format 0.0.4.
    ///
    /// # Errors
    ///
    /// A family that cannot be encoded, which is a fault of this program.
    pub fn render(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .map_err(io::Error::other)?;
        Ok(text)
    }

    /// Counts one answered request; `handler` is the matched route, never the raw path.
    pub fn count_request(&self, handler: &str, code: u16) {
        self.http_requests
            .with_label_values(&[handler, code.to_string().as_str()])
            .inc();
    }
}

impl CycleMetrics {
    fn new(maker: &Maker<'_>, buckets: &[f64]) -> prometheus::Result<Self> {
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

    fn expose(&self, mode: Mode) {
        let main = Schedule::Main.label();
        for outcome in Outcome::LABELS {
            self.total.with_label_values(&[mode.label(), outcome, main]);
        }
        self.in_flight.with_label_values(&[main]);
        self.delay.with_label_values(&[main]);
    }

    fn started(&self, start: &CycleStart) {
        let schedule = start.schedule.label();
        self.in_flight.with_label_values(&[schedule]).inc();
        self.delay
            .with_label_values(&[schedule])
            .observe(start.delay.as_secs_f64());
        self.last_start.set(seconds(start.started_at));
        self.next_start.set(0.0);
    }

    fn finished(&self, cycle: &Cycle) {
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
        self.last_duration.set(cycle.duration.as_secs_f64());
        self.last_completion.set(seconds(cycle.finished_at));
        if cycle.outcome == Outcome::Success {
            self.last_success.set(seconds(cycle.finished_at));
        }
    }
}

impl RunMetrics {
    fn new(maker: &Maker<'_>, buckets: &[f64]) -> prometheus::Result<Self> {
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
    fn expose(&self, name: &str) {
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

    fn started(&self, start: &RunStart) {
        let name = [start.spec.name.as_str()];
        self.in_flight.with_label_values(&name).inc();
        self.queue_wait
            .with_label_values(&name)
            .observe(start.queue_wait.as_secs_f64());
    }

    fn finished(&self, run: &Run) {
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
            self.output_bytes
                .with_label_values(&labels)
                .inc_by(totals.bytes);
            self.output_lines
                .with_label_values(&labels)
                .inc_by(totals.lines);
            self.output_truncated
                .with_label_values(&labels)
                .inc_by(u64::from(totals.truncated_bytes > 0));
        }
        self.escaped
            .with_label_values(&[name])
            .inc_by(u64::from(result.escaped_processes));
        self.kill_escalations
            .with_label_values(&[name])
            .inc_by(u64::from(result.kill_escalated));
    }
}

impl ProcessorMetrics {
    fn new(maker: &Maker<'_>) -> prometheus::Result<Self> {
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
    fn expose(&self, name: &str) {
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

    fn started(&self, start: &RunStart) {
        self.start_time
            .with_label_values(&[start.spec.name.as_str()])
            .set(seconds(start.started_at));
    }

    fn finished(&self, run: &Run) {
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

impl Observer for Metrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::LoopTicked { at } => self.tick.set(seconds(*at)),
            Event::StartPlanned { at, .. } => self.cycles.next_start.set(seconds(*at)),
            Event::CycleStarted(start) => self.cycles.started(start),
            Event::RunStarted(start) => {
                self.runs.started(start);
                self.processors.started(start);
            }
            Event::RunFinished(run) => {
                // A run without a process never counted as in flight.
                if run.was_started {
                    self.runs
                        .in_flight
                        .with_label_values(&[run.start.spec.name.as_str()])
                        .dec();
                }
                self.runs.finished(run);
                self.processors.finished(run);
            }
            Event::CycleFinished(cycle) => self.cycles.finished(cycle),
            Event::ShutdownStarted { .. } => self.cycles.next_start.set(0.0),
            Event::Started(_) | Event::RunOutput { .. } | Event::ShutdownForced { .. } => {}
        }
    }
}

/// Delays and waits use the bounds up to a minute.
fn waits(buckets: &[f64]) -> Vec<f64> {
    buckets
        .iter()
        .copied()
        .filter(|bound| *bound <= 60.0)
        .collect()
}

/// Seconds since the epoch, as Prometheus has it.
fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
