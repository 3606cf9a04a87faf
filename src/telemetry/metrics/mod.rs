//! The facts as Prometheus metrics, in a registry that `app` owns. Refuses to know how they are served.
//!
//! Facts change plain numbers (`processors.rs`, `cycles.rs`, `itself.rs`); metric families are built from them when
//! somebody gathers. A fact must cost next to nothing, and a scrape may cost a little.

mod cycles;
mod filling;
mod histogram;
mod itself;
mod processor_families;
mod processors;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{MetricFamily, MetricType};

use self::cycles::Cycles;
use self::filling::{descriptions, single, single_time};
use self::histogram::{Bounds, waits};
use self::itself::Itself;
use self::processors::Processors;
use super::exposition::{Exemplar, Exemplars, Format, encode};
use super::log::{self, Level};
use super::log_counts::LogCounts;
use super::names;
use crate::domain::{
    Cycle, Event, Mode, Observer, ProcessorSpec, Restored, Run, Schedule, TraceContext,
};

pub(super) use self::filling::{number, seconds};

/// The reader that counts.
pub struct Metrics {
    registry: Registry,
    state: Arc<Mutex<State>>,
    exemplars: Exemplars,
}

/// What the metrics need to know before anything happens.
pub struct Known<'a> {
    /// Every processor.
    pub processors: &'a [Arc<ProcessorSpec>],
    /// How cycles are run.
    pub mode: Mode,
    /// Runs side by side.
    pub slots: usize,
    /// Wall time.
    pub now: Timestamp,
    /// Where the data lies.
    pub data_dir: PathBuf,
}

/// Everything that is counted.
struct State {
    tick: Option<Timestamp>,
    cycles: Cycles,
    processors: Processors,
    itself: Itself,
}

impl State {
    fn new(buckets: &[f64]) -> Self {
        let (bounds, wait_bounds) = (Bounds::from(buckets), waits(buckets));
        let both = || (Bounds::clone(&bounds), Bounds::clone(&wait_bounds));
        let (cycles, processors, itself) = (both(), both(), both());
        Self {
            tick: None,
            cycles: Cycles::new(cycles.0, cycles.1),
            processors: Processors::new(processors.0, processors.1),
            itself: Itself::new(itself.0, itself.1),
        }
    }

    fn families(&self) -> Vec<MetricFamily> {
        let mut families = vec![single_time(&names::TICK, self.tick)];
        families.extend(self.cycles.families());
        families.extend(processor_families::families(&self.processors));
        families.extend(self.itself.families());
        families
    }
}

/// What the registry gathers from.
struct Gathered {
    state: Arc<Mutex<State>>,
    descriptions: Vec<Desc>,
}

impl Collector for Gathered {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        locked(&self.state).families()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Metrics that know no processor yet, and that nobody can gather.
    #[must_use]
    pub fn new(registry: &Registry, buckets: &[f64]) -> Self {
        Self {
            registry: registry.clone(),
            state: Arc::new(Mutex::new(State::new(buckets))),
            exemplars: Exemplars::default(),
        }
    }

    /// Counts diagnostics with `counts`, too.
    pub fn count_log(&self, counts: LogCounts) {
        locked(&self.state).itself.log = counts;
    }

    /// Makes everything known that the configuration knows, so that it is there at 0. Only a scrape has a use for it:
    /// a run that nobody can scrape is spared it, and what is told of processors that are not known is not counted.
    ///
    /// # Errors
    ///
    /// It was done already.
    pub fn expose_known(&self, known: &Known<'_>) -> prometheus::Result<()> {
        let mut state = locked(&self.state);
        state.itself.slots = known.slots;
        state.itself.data_dir = Some(known.data_dir.clone());
        state.cycles.expose(known.mode, Schedule::Main);
        state.processors.expose(known.processors, known.now);
        drop(state);
        self.registry.register(Box::new(Gathered {
            state: Arc::clone(&self.state),
            descriptions: descriptions(names::ours())?,
        }))
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

    /// Everything, as text.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        // Before gathering, so that no exemplar is newer than its sample.
        let exemplars = self.exemplars.snapshot();
        encode(&self.gather(), &exemplars, format)
    }

    fn gather(&self) -> Vec<MetricFamily> {
        let mut families = self.registry.gather();
        let series: u64 = families.iter().map(series).sum();
        let family = single(&names::EXPOSITION_SERIES, number(series + 1));
        let place = families.partition_point(|other| other.name() < family.name());
        families.insert(place, family);
        families
    }

    /// Shows the requests of a route before the first one comes.
    pub fn expose_route(&self, handler: &str) {
        locked(&self.state).itself.expose_route(handler);
    }

    /// Counts one answered request; `handler` is the matched route, never the raw path.
    pub fn count_request(&self, handler: &str, code: u16, elapsed: Duration) {
        let mut state = locked(&self.state);
        state.itself.count_request(handler, code, elapsed);
    }

    fn run_finished(&self, run: &Run) {
        let mut state = locked(&self.state);
        if !run.was_started {
            state.cycles.left_queue();
        }
        let bucket = state.processors.finished(run);
        drop(state);
        let Some(trace) = run.start.trace.filter(|trace| trace.sampled) else {
            return;
        };
        let (name, outcome) = (run.start.spec.name.as_str(), run.result.outcome);
        let one = exemplar(trace, 1.0, run.finished_at);
        let labels = [outcome.label(), name];
        self.exemplars.keep(&names::RUNS, &labels, 0, one);
        if let Some(reason) = outcome.reason().filter(|_| outcome.is_bad()) {
            let labels = [name, reason];
            self.exemplars.keep(&names::RUN_FAILURES, &labels, 0, one);
        }
        if let Some(bucket) = bucket {
            let value = run.result.duration.as_secs_f64();
            let timed = exemplar(trace, value, run.finished_at);
            let family = &names::RUN_DURATION;
            self.exemplars.keep(family, &labels, bucket, timed);
        }
    }

    fn cycle_finished(&self, cycle: &Cycle) {
        let bucket = locked(&self.state).cycles.finished(cycle);
        let Some(trace) = cycle.start.trace.filter(|trace| trace.sampled) else {
            return;
        };
        let start = &cycle.start;
        let labels = [
            start.mode.label(),
            cycle.outcome.label(),
            start.schedule.label(),
        ];
        let one = exemplar(trace, 1.0, cycle.finished_at);
        self.exemplars.keep(&names::CYCLES, &labels, 0, one);
        let timed = exemplar(trace, cycle.duration.as_secs_f64(), cycle.finished_at);
        let family = &names::CYCLE_DURATION;
        self.exemplars.keep(family, &labels, bucket, timed);
    }

    fn planned(&self, at: Option<Timestamp>) {
        let mut state = locked(&self.state);
        state.cycles.next_start = at;
        state.processors.next_start = at;
    }

    fn restored(&self, restored: &Restored) {
        let mut state = locked(&self.state);
        let lost = u64::try_from(restored.lost.len()).unwrap_or_default();
        state.itself.log.add(Level::Error, lost);
        if restored.is_clamped {
            state.itself.log.count(Level::Warn);
        }
        state.processors.restored(restored);
        state.cycles.main = restored.main.clone();
    }
}

fn exemplar(trace: TraceContext, value: f64, at: Timestamp) -> Exemplar {
    Exemplar { trace, value, at }
}

/// How many series a family is to whoever stores it.
fn series(family: &MetricFamily) -> u64 {
    let of = |metric: &prometheus::proto::Metric| match family.get_field_type() {
        // The infinite bucket, the sum and the count stand beside the bounds.
        MetricType::HISTOGRAM => metric.get_histogram().get_bucket().len() + 3,
        _ => 1,
    };
    let sum = family.get_metric().iter().map(of).sum::<usize>();
    u64::try_from(sum).unwrap_or(u64::MAX)
}

impl Observer for Metrics {
    fn observe(&self, event: &Event) {
        if let Some(level) = log::level(event) {
            locked(&self.state).itself.log.count(level);
        }
        match event {
            Event::LoopTicked { at } => locked(&self.state).tick = Some(*at),
            Event::StartPlanned { at, .. } => self.planned(Some(*at)),
            Event::CycleStarted(start) => {
                let mut state = locked(&self.state);
                state.cycles.started(start);
                state.processors.next_start = state.cycles.next_start;
            }
            Event::RunStarted(start) => {
                let mut state = locked(&self.state);
                state.cycles.left_queue();
                state.processors.started(start);
            }
            Event::RunFinished(run) => self.run_finished(run),
            Event::StraysEnded(escaped) => {
                locked(&self.state).processors.strays += u64::from(escaped.count);
            }
            Event::CycleFinished(cycle) => self.cycle_finished(cycle),
            Event::ShutdownStarted { .. } => self.planned(None),
            Event::Restored(restored) => self.restored(restored),
            Event::HistoryOperated {
                operation,
                duration,
                is_ok,
            } => {
                let mut state = locked(&self.state);
                state.itself.operated(*operation, *duration, *is_ok);
            }
            Event::Started(_)
            | Event::AttemptFailed { .. }
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
            now: samples::instant(),
            data_dir: "/".into(),
        };
        let metrics = Metrics::new(&Registry::new(), &[1.0, 2.0, 120.0]);
        metrics.expose_known(&known).expect("exposed");
        metrics
    }

    fn text(metrics: &Metrics) -> String {
        metrics.render(Format::Text)
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
            "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"1.0\"}",
            0.0,
        ),
        (
            "run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"2.0\"}",
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
