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
use crate::domain::{Event, Mode, Observer, ProcessorSpec};

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
    /// Bounds of the duration histograms, seconds.
    pub buckets: &'a [f64],
}

impl Metrics {
    /// All families, with every series that the configuration makes known at 0.
    ///
    /// # Errors
    ///
    /// A family that cannot be registered, which is a fault of this program.
    pub fn new(registry: &Registry, known: &Known<'_>) -> prometheus::Result<Self> {
        let maker = Maker(registry);
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
