//! What metrics cost: the facts of one run, and the text of all, at 200 and 1,000 processors.
//!
//! The least is there beside the median, because a busy machine makes the median say more about the machine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement that has nothing to recover to"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orquestrador::domain::{
    Configured, CycleStart, Event, Mode, Observer as _, Outcome, OutputSpec, ProcessorName,
    ProcessorSpec, ResourceLimits, Retry, Run, RunId, RunResult, RunStart, Schedule, ScheduleSpec,
    Trigger,
};
use orquestrador::telemetry::exposition::Format;
use orquestrador::telemetry::metrics::{Known, Metrics};
use prometheus::{Encoder as _, TextEncoder};

const ROUNDS: usize = 50;
const BUCKETS: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 900.0, 1800.0, 3600.0,
];

fn spec(number: usize) -> Arc<ProcessorSpec> {
    let name = format!("p{number}");
    Arc::new(ProcessorSpec {
        name: ProcessorName::try_from(name.clone()).expect("a name"),
        label: name.clone(),
        short_label: name,
        icon: String::new(),
        command: vec!["/bin/true".to_owned()],
        timeout: Duration::from_mins(5),
        grace: Duration::from_secs(10),
        timing: orquestrador::domain::Timing::default(),
        instances: orquestrador::domain::Instances::default(),
        retry: Retry {
            attempts: 1,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            codes: Vec::new(),
        },
        depends_on: Vec::new(),
        environment: Vec::new(),
        clear_environment: false,
        secrets: Vec::new(),
        directory: PathBuf::from("."),
        accepts_dry_run: false,
        limits: ResourceLimits::default(),
        output: OutputSpec {
            memory: 1024,
            file: None,
        },
    })
}

/// Start and end of one run of each processor.
fn facts(specs: &[Arc<ProcessorSpec>]) -> Vec<[Event; 2]> {
    let at = Timestamp::now();
    let cycle = Arc::new(CycleStart {
        number: 1,
        id: String::new(),
        schedule: Schedule::Main,
        mode: Mode::Sequential,
        trigger: Trigger::Startup,
        processors: specs.len(),
        runs: specs.len(),
        started_at: at,
        delay: Duration::ZERO,
        trace: None,
    });
    let facts = specs.iter().map(|spec| {
        let start = Arc::new(RunStart {
            id: RunId::new(at),
            spec: Arc::clone(spec),
            instance: orquestrador::domain::Instance::ONLY,
            cycle: Arc::clone(&cycle),
            started_at: at,
            queue_wait: Duration::from_millis(1),
            trace: None,
        });
        let mut result = RunResult::without_process(Outcome::Success, None);
        result.duration = Duration::from_millis(3);
        let run = Arc::new(Run {
            start: Arc::clone(&start),
            was_started: true,
            result,
            finished_at: at,
        });
        [Event::RunStarted(start), Event::RunFinished(run)]
    });
    facts.collect()
}

fn nanoseconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_nanos() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    for count in [200_usize, 1_000, 10_000] {
        let specs: Vec<_> = (0..count).map(spec).collect();
        let metrics = Metrics::new(&BUCKETS);
        let configured: Vec<_> = specs
            .iter()
            .map(|spec| Configured {
                spec: Arc::clone(spec),
                max_staleness: None,
            })
            .collect();
        let known = Known {
            processors: &configured,
            main: &ScheduleSpec::Interval(Duration::from_mins(1)),
            period: None,
            mode: Mode::Sequential,
            slots: 1,
            now: Timestamp::now(),
            data_dir: PathBuf::from("/"),
        };
        metrics.expose_known(&known).expect("exposed");
        let facts = facts(&specs);
        let observe = || {
            for event in facts.iter().flatten() {
                metrics.observe(event);
            }
        };
        let first = nanoseconds(observe) / count as f64;
        let rounds = |work: &dyn Fn()| median((0..ROUNDS).map(|_| nanoseconds(work)).collect());
        let later = rounds(&observe) / count as f64;
        println!("{count} processors");
        println!("  facts of one run: {first:.0} ns the first time, {later:.0} ns later");
        let text = metrics.render(Format::Text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).count() as f64;
        let (size, lines_shown) = (text.len() as f64 / 1e6, lines);
        println!("  exposition: {lines_shown} lines, {size:.2} MB");
        // The ways take turns in each round, so that a drifting machine weighs on all alike.
        let families: Vec<_> = metrics.gather().collect();
        let ways: [(&str, &dyn Fn()); 4] = [
            ("gathering", &|| metrics.gather().for_each(drop)),
            ("the library's encoder, without gathering", &|| {
                let encoded = TextEncoder::new().encode(&families, &mut Vec::new());
                encoded.expect("encoded");
            }),
            ("text, with gathering", &|| {
                drop(metrics.render(Format::Text));
            }),
            ("OpenMetrics, with gathering", &|| {
                drop(metrics.render(Format::OpenMetrics));
            }),
        ];
        let mut taken = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            for ((_, way), taken) in ways.iter().zip(&mut taken) {
                taken.push(nanoseconds(way));
            }
        }
        for ((name, _), taken) in ways.iter().zip(taken) {
            let least = taken.iter().copied().fold(f64::INFINITY, f64::min);
            let middle = median(taken);
            println!(
                "  {name}: median {:.2} ms, {:.0} ns a line; least {:.2} ms, {:.0} ns a line",
                middle / 1e6,
                middle / lines,
                least / 1e6,
                least / lines
            );
        }
    }
}
