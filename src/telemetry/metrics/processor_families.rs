//! The families of the processors, built at gather. Knows names and labels; refuses to know when a number changes.

use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use super::super::names::{self, Family};
use super::filling::{Filling, number, seconds};
use super::histogram::Histogram;
use super::processors::{Output, Processors, Series};
use crate::domain::name::RESERVED;
use crate::domain::{LastResult, MissReason, Outcome, ScheduleSpec, Stream};

/// A family to which each processor adds its samples.
fn each(
    processors: &Processors,
    family: &'static Family,
    fill: impl Fn(&mut Filling, &str, &Series),
) -> MetricFamily {
    let mut filling = Filling::new(family);
    for series in &processors.series {
        fill(&mut filling, series.spec.name.as_str(), series);
    }
    filling.into_family()
}

pub(super) fn configured(processors: &Processors) -> Vec<MetricFamily> {
    vec![
        each(
            processors,
            &names::PROCESSOR_INFO,
            |family, name, series| {
                let own = series.spec.timing.schedule.as_ref();
                family.gauge(&[name, own.map_or("cycle", ScheduleSpec::kind)], 1.0);
            },
        ),
        each(processors, &names::MAX_STALENESS, |family, name, series| {
            let objective = series.max_staleness.unwrap_or_default();
            family.gauge(&[name], objective.as_secs_f64());
        }),
        by_reason(
            processors,
            &names::STARTS_MISSED,
            &MissReason::ALL.map(MissReason::label),
            |series| &series.missed,
        ),
        each(processors, &names::TIMEOUT, |family, name, series| {
            family.gauge(&[name], series.spec.timeout.as_secs_f64());
        }),
        each(processors, &names::RUN_DEADLINE, |family, name, series| {
            family.gauge(&[name], series.spec.deadline().as_secs_f64());
        }),
        each(processors, &names::NEXT_START, |family, name, series| {
            family.time(&[name], processors.next_start(series));
        }),
    ]
}

/// How many runs the next start is to have, and why.
pub(super) fn loads(processors: &Processors) -> Vec<MetricFamily> {
    vec![
        each(
            processors,
            &names::DESIRED_INSTANCES,
            |family, name, series| {
                let desired = series.load.desired(&series.spec.instances);
                family.gauge(&[name], f64::from(desired));
            },
        ),
        each(processors, &names::BACKLOG, |family, name, series| {
            let last = series.load.last().filter(|_| follows(series));
            if let Some(backlog) = last.and_then(|load| load.backlog) {
                family.gauge(&[name], backlog);
            }
        }),
        each(
            processors,
            &names::BACKLOG_MISSING,
            |family, name, series| {
                if follows(series) {
                    let is_missing = series
                        .load
                        .last()
                        .is_some_and(|load| load.backlog.is_none());
                    family.gauge(&[name], f64::from(u8::from(is_missing)));
                }
            },
        ),
    ]
}

/// Whether the number of its runs follows a backlog.
fn follows(series: &Series) -> bool {
    series.spec.instances.scaling().is_some()
}

/// One sample for each word of a closed set, in the order of the labels `[processor, word]`.
fn by_reason(
    processors: &Processors,
    family: &'static Family,
    words: &[&str],
    counts: impl Fn(&Series) -> &[u64],
) -> MetricFamily {
    let words = sorted(words);
    each(processors, family, |family, name, series| {
        let counts = counts(series);
        for (index, word) in &words {
            family.count(
                &[name, word],
                counts.get(*index).copied().unwrap_or_default(),
            );
        }
    })
}

/// The words of a closed set in the order in which a registry wants them, each with its place in the set.
fn sorted<'a>(words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut sorted: Vec<_> = words.iter().copied().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, word)| *word);
    sorted
}

/// A family whose first label is a word and whose second one is the processor: word by word.
fn by_word(
    processors: &Processors,
    family: &'static Family,
    words: &[&str],
    fill: impl Fn(&mut Filling, &[&str], (usize, &Series)),
) -> MetricFamily {
    let mut filling = Filling::new(family);
    for (index, word) in sorted(words) {
        for series in &processors.series {
            let labels = [word, series.spec.name.as_str()];
            fill(&mut filling, &labels, (index, series));
        }
    }
    filling.into_family()
}

pub(super) fn outcomes(processors: &Processors) -> Vec<MetricFamily> {
    vec![by_word(
        processors,
        &names::RUNS,
        &Outcome::LABELS,
        |family, labels, (outcome, series)| {
            family.count(
                labels,
                series.runs.get(outcome).copied().unwrap_or_default(),
            );
        },
    )]
}

pub(super) fn reasons(processors: &Processors) -> Vec<MetricFamily> {
    let (failures, skips) = (Outcome::FAILURE_REASONS, Outcome::SKIP_REASONS);
    let cancelled = Outcome::CANCEL_REASONS;
    vec![
        by_reason(processors, &names::RUN_FAILURES, &failures, |series| {
            &series.failures
        }),
        by_reason(processors, &names::RUN_SKIPS, &skips, |series| {
            &series.skips
        }),
        by_reason(
            processors,
            &names::RUN_CANCELLATIONS,
            &cancelled,
            |series| &series.cancellations,
        ),
    ]
}

pub(super) fn counted(processors: &Processors) -> Vec<MetricFamily> {
    let count = |family, of: fn(&Series) -> u64| {
        each(processors, family, |family, name, series| {
            family.count(&[name], of(series));
        })
    };
    let mut escaped = Filling::new(&names::ESCAPED);
    for series in &processors.series {
        escaped.count(&[series.spec.name.as_str()], series.escaped);
    }
    escaped.count(&[RESERVED], processors.strays);
    vec![
        count(&names::RUN_ATTEMPTS, |series| series.attempts),
        count(&names::RUN_RETRIES, |series| series.retries),
        count(&names::KILL_ESCALATIONS, |series| series.kill_escalations),
        escaped.into_family(),
        by_word(
            processors,
            &names::RUN_CPU,
            &["user", "system"],
            |family, labels, (mode, series)| {
                family.counter(labels, series.cpu.get(mode).copied().unwrap_or_default());
            },
        ),
    ]
}

pub(super) fn written(processors: &Processors) -> Vec<MetricFamily> {
    let by_stream = |family, count: fn(&Output) -> u64| {
        each(processors, family, |family, name, series| {
            // In the order of their names.
            let [stdout, stderr] = &series.output;
            family.count(&[name, Stream::Stderr.label()], count(stderr));
            family.count(&[name, Stream::Stdout.label()], count(stdout));
        })
    };
    vec![
        by_stream(&names::OUTPUT_BYTES, |output| output.bytes),
        by_stream(&names::OUTPUT_LINES, |output| output.lines),
        by_stream(&names::OUTPUT_TRUNCATED, |output| output.truncated),
    ]
}

/// Histograms appear at their first observation.
pub(super) fn durations(processors: &Processors) -> Vec<MetricFamily> {
    vec![by_word(
        processors,
        &names::RUN_DURATION,
        &Outcome::LABELS,
        |family, labels, (outcome, series)| {
            let histogram = series.durations.get(outcome);
            if let Some(histogram) = histogram.filter(|histogram| !histogram.is_empty()) {
                family.histogram(labels, &processors.bounds, histogram);
            }
        },
    )]
}

/// As with [`durations`].
pub(super) fn waits(processors: &Processors) -> Vec<MetricFamily> {
    let waits = |family, of: fn(&Series) -> &Histogram| {
        each(processors, family, |family, name, series| {
            if !of(series).is_empty() {
                family.histogram(&[name], &processors.wait_bounds, of(series));
            }
        })
    };
    vec![
        waits(&names::RUN_QUEUE_WAIT, |series| &series.queue_wait),
        waits(&names::RUN_STOP, |series| &series.stops),
    ]
}

/// Gauges that report a result are absent before there is one: 0 would claim what did not happen.
pub(super) fn last(processors: &Processors) -> Vec<MetricFamily> {
    let result = |family, of: fn(&LastResult) -> f64| {
        each(processors, family, |family, name, series| {
            if let Some(result) = &series.state.last_result {
                family.gauge(&[name], of(result));
            }
        })
    };
    vec![
        result(&names::LAST_SUCCESS, |result| {
            f64::from(u8::from(result.outcome == Outcome::Success))
        }),
        result(&names::LAST_DURATION, |result| {
            result.duration.as_secs_f64()
        }),
        result(&names::LAST_ATTEMPT_DURATION, |result| {
            result.attempt_duration.as_secs_f64()
        }),
        result(&names::LAST_EXIT_CODE, |result| {
            result.exit_code.map_or(-1.0, f64::from)
        }),
        result(&names::RUN_MAX_RSS, |result| number(result.max_rss_bytes)),
        by_word(
            processors,
            &names::LAST_OUTCOME,
            &Outcome::LABELS,
            |family, labels, (outcome, series)| {
                if let Some(last) = series.state.last_outcome {
                    let is_last = Outcome::LABELS.get(outcome) == Some(&last.label());
                    family.gauge(labels, f64::from(u8::from(is_last)));
                }
            },
        ),
    ]
}

/// Timestamps are there from the start: 0 says never.
pub(super) fn times(processors: &Processors) -> Vec<MetricFamily> {
    let time = |family, of: fn(&Series) -> Option<Timestamp>| {
        each(processors, family, |family, name, series| {
            family.time(&[name], of(series));
        })
    };
    vec![
        time(&names::LAST_START_TIME, |series| series.state.last_start),
        time(&names::LAST_COMPLETION_TIME, |series| {
            series.state.last_completion
        }),
        time(&names::LAST_SUCCESS_TIME, |series| {
            series.state.last_success
        }),
        time(&names::LAST_FAILURE_TIME, |series| {
            series.state.last_failure
        }),
        time(&names::FAILING_SINCE, |series| series.state.failing_since),
        each(processors, &names::FIRST_SEEN, |family, name, series| {
            family.gauge(&[name], seconds(series.state.first_seen));
        }),
        time(&names::OLDEST_IN_FLIGHT, |series| {
            series.in_flight.first().copied()
        }),
        each(
            processors,
            &names::RUNS_IN_FLIGHT,
            |family, name, series| {
                let count = u64::try_from(series.in_flight.len()).unwrap_or(u64::MAX);
                family.gauge(&[name], number(count));
            },
        ),
        each(
            processors,
            &names::CONSECUTIVE_FAILURES,
            |family, name, series| {
                family.gauge(&[name], number(series.state.consecutive_failures));
            },
        ),
    ]
}
