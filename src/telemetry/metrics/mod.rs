//! The facts as Prometheus metrics, in a registry that `app` owns. Refuses to know how they are served.

mod cycles;
mod maker;
mod processors;
mod runs;

use std::io;
use std::sync::Arc;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder as _, Gauge, IntCounterVec, IntGauge, Registry, TextEncoder};

use self::cycles::CycleMetrics;
use self::maker::{Maker, seconds};
use self::processors::ProcessorMetrics;
use self::runs::RunMetrics;
use super::names;
use crate::domain::{Event, Mode, Observer, ProcessorSpec, ScheduleSpec};

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

/// What the metrics need to know before anything happens.
pub struct Known<'a> {
    /// Every processor.
    pub processors: &'a [Arc<ProcessorSpec>],
    /// How cycles are run.
    pub mode: Mode,
    /// Runs side by side.
    pub slots: usize,
}

impl Metrics {
    /// All families, with series from their first event on.
    ///
    /// # Errors
    ///
    /// A family that cannot be registered, which is a fault of this program.
    pub fn new(registry: &Registry, buckets: &[f64]) -> prometheus::Result<Self> {
        let maker = Maker(registry);
        let metrics = Self {
            tick: maker.gauge(&names::TICK)?,
            cycles: CycleMetrics::new(&maker, buckets)?,
            runs: RunMetrics::new(&maker, buckets)?,
            processors: ProcessorMetrics::new(&maker)?,
            http_requests: maker.counters(&names::HTTP_REQUESTS, &["handler", "code"])?,
            registry: registry.clone(),
        };
        Ok(metrics)
    }

    /// Shows at 0 every series that the configuration makes known, and what is constant. Only a scrape has a use for
    /// it, so a run that nobody can scrape is spared it.
    ///
    /// # Errors
    ///
    /// It was done already.
    pub fn expose_known(&self, known: &Known<'_>) -> prometheus::Result<()> {
        let maker = Maker(&self.registry);
        let build = [
            env!("CARGO_PKG_VERSION"),
            env!("ORQUESTRADOR_REVISION"),
            env!("ORQUESTRADOR_RUSTC"),
        ];
        maker
            .int_gauges(&names::BUILD_INFO, &["version", "revision", "rustc"])?
            .with_label_values(&build)
            .set(1);
        let slots: IntGauge = maker.register(IntGauge::with_opts(names::WORKER_SLOTS.opts()))?;
        slots.set(i64::try_from(known.slots).unwrap_or(i64::MAX));
        let info = maker.int_gauges(&names::PROCESSOR_INFO, &["processor", "schedule_kind"])?;
        let timeout = maker.gauges(&names::TIMEOUT, &["processor"])?;
        self.cycles.expose(known.mode);
        self.runs.expose_common();
        for spec in known.processors {
            let name = spec.name.as_str();
            let own = spec.timing.schedule.as_ref();
            let kind = own.map_or("cycle", ScheduleSpec::kind);
            info.with_label_values(&[name, kind]).set(1);
            timeout
                .with_label_values(&[name])
                .set(spec.timeout.as_secs_f64());
            self.runs.expose(name);
            self.processors.expose(name);
        }
        Ok(())
    }

    /// Adds the metrics of this process itself, which only a scrape has a use for.
    ///
    /// # Errors
    ///
    /// They were added already.
    pub fn expose_process(&self) -> prometheus::Result<()> {
        self.registry
            .register(Box::new(ProcessCollector::for_self()))
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

    /// Shows the requests of a route before the first one comes.
    pub fn expose_route(&self, handler: &str) {
        self.http_requests.with_label_values(&[handler, "200"]);
    }

    /// Counts one answered request; `handler` is the matched route, never the raw path.
    pub fn count_request(&self, handler: &str, code: u16) {
        self.http_requests
            .with_label_values(&[handler, code.to_string().as_str()])
            .inc();
    }
}

impl Observer for Metrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::LoopTicked { at } => self.tick.set(seconds(*at)),
            Event::StartPlanned {
                processor: None,
                at,
                ..
            } => self.cycles.next_start.set(seconds(*at)),
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
            Event::StraysEnded(escaped) => self.runs.ended_strays(escaped),
            Event::CycleFinished(cycle) => self.cycles.finished(cycle),
            Event::ShutdownStarted { .. } => self.cycles.next_start.set(0.0),
            Event::Started(_)
            | Event::AttemptFailed { .. }
            | Event::StartPlanned {
                processor: Some(_), ..
            }
            | Event::StartMissed(_)
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConfigReloaded(_)
            | Event::Restored(_)
            | Event::HistoryOperated { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::RunOutput { .. }
            | Event::ShutdownForced { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    fn metrics() -> Metrics {
        let processors = ["bom", "ruim", "depois"].map(samples::spec);
        let known = Known {
            processors: &processors,
            mode: Mode::Sequential,
            slots: 1,
        };
        let metrics = Metrics::new(&Registry::new(), &[1.0, 2.0, 120.0]).expect("registered");
        metrics.expose_known(&known).expect("exposed");
        metrics
    }

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.render().expect("rendered")).expect("text")
    }

    fn value(text: &str, series: &str) -> Option<f64> {
        let line = text.lines().find_map(|line| {
            line.strip_prefix("orquestrador_")?
                .strip_prefix(series)?
                .strip_prefix(' ')
        });
        line.map(|number| number.parse().expect("a number"))
    }

    #[test]
    fn counters_and_timestamps_are_there_at_0_before_the_first_event_and_results_are_not() {
        let text = text(&metrics());
        for series in [
            "runs_total{outcome=\"failure\",processor=\"ruim\"}",
            "run_failures_total{processor=\"ruim\",reason=\"exit_code\"}",
            "cycles_total{mode=\"sequential\",outcome=\"success\",schedule=\"main\"}",
            "processor_last_success_timestamp_seconds{processor=\"ruim\"}",
        ] {
            assert_eq!(value(&text, series), Some(0.0), "{series}");
        }
        assert_eq!(
            value(
                &text,
                "processor_info{processor=\"bom\",schedule_kind=\"cycle\"}"
            ),
            Some(1.0)
        );
        for family in [
            "processor_last_run_success",
            "processor_last_exit_code",
            "processor_last_outcome",
            "run_duration_seconds",
        ] {
            assert!(
                !text.contains(&format!("orquestrador_{family}")),
                "{family} would claim a result"
            );
        }
    }

    /// When the runs of the samples ended.
    const ENDED: f64 = 1_795_370_647.5;

    /// What one cycle of the samples comes to.
    const MOVED: &[(&str, f64)] = &[
        ("runs_total{outcome=\"success\",processor=\"bom\"}", 1.0),
        ("runs_total{outcome=\"failure\",processor=\"ruim\"}", 1.0),
        ("runs_total{outcome=\"skip\",processor=\"depois\"}", 1.0),
        (
            "run_failures_total{processor=\"ruim\",reason=\"exit_code\"}",
            1.0,
        ),
        (
            "run_failures_total{processor=\"bom\",reason=\"exit_code\"}",
            0.0,
        ),
        (
            "run_skips_total{processor=\"depois\",reason=\"dependency\"}",
            1.0,
        ),
        ("processor_last_run_success{processor=\"bom\"}", 1.0),
        ("processor_last_run_success{processor=\"ruim\"}", 0.0),
        ("processor_last_exit_code{processor=\"ruim\"}", 3.0),
        ("processor_consecutive_failures{processor=\"ruim\"}", 1.0),
        (
            "processor_failing_since_timestamp_seconds{processor=\"ruim\"}",
            ENDED,
        ),
        (
            "processor_failing_since_timestamp_seconds{processor=\"bom\"}",
            0.0,
        ),
        (
            "processor_last_success_timestamp_seconds{processor=\"bom\"}",
            ENDED,
        ),
        (
            "processor_last_outcome{outcome=\"skip\",processor=\"depois\"}",
            1.0,
        ),
        ("runs_in_flight{processor=\"bom\"}", 0.0),
        ("runs_in_flight{processor=\"depois\"}", 0.0),
        (
            "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"1\"}",
            0.0,
        ),
        (
            "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"2\"}",
            1.0,
        ),
        (
            "run_cpu_seconds_total{mode=\"user\",processor=\"bom\"}",
            0.25,
        ),
        (
            "run_output_truncated_total{processor=\"bom\",stream=\"stderr\"}",
            1.0,
        ),
        (
            "cycles_total{mode=\"sequential\",outcome=\"failure\",schedule=\"main\"}",
            1.0,
        ),
        ("cycles_in_flight{schedule=\"main\"}", 0.0),
        ("cycle_last_duration_seconds", 3.01),
        ("cycle_last_success_timestamp_seconds", 0.0),
    ];

    #[test]
    fn one_cycle_moves_exactly_what_it_should() {
        let metrics = metrics();
        for event in samples::cycle() {
            metrics.observe(&event);
        }
        let text = text(&metrics);
        for (series, expected) in MOVED.iter().copied() {
            assert_eq!(value(&text, series), Some(expected), "{series}");
        }
        assert!(
            !text.contains("processor_last_run_success{processor=\"depois\"}"),
            "a skip is no result"
        );
    }

    #[test]
    fn a_success_ends_a_streak_and_a_second_failure_keeps_its_beginning() {
        let metrics = metrics();
        let failure = crate::domain::Outcome::Timeout;
        let since = "processor_failing_since_timestamp_seconds{processor=\"ruim\"}";
        metrics.observe(&Event::RunFinished(samples::run("ruim", failure)));
        let first = value(&text(&metrics), since);
        metrics.observe(&Event::RunFinished(samples::run("ruim", failure)));
        assert_eq!(value(&text(&metrics), since), first);
        assert_eq!(
            value(
                &text(&metrics),
                "processor_consecutive_failures{processor=\"ruim\"}"
            ),
            Some(2.0)
        );
        metrics.observe(&Event::RunFinished(samples::run(
            "ruim",
            crate::domain::Outcome::Success,
        )));
        assert_eq!(value(&text(&metrics), since), Some(0.0));
        assert_eq!(
            value(
                &text(&metrics),
                "processor_consecutive_failures{processor=\"ruim\"}"
            ),
            Some(0.0)
        );
    }
}
