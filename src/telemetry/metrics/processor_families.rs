//! The families of the processors, built at gather. Knows names and labels; refuses to know when a number changes.

use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use super::super::names::{self, Family};
use super::filling::{Filling, number, seconds};
use super::histogram::Histogram;
use super::processors::{Output, Processors, Series};
use crate::domain::name::RESERVED;
use crate::domain::{LastResult, MissReason, Outcome, ScheduleSpec, Stream};

/// Every family with a `processor` label, and those that are told of the runs alone.
pub(super) const FAMILIES: [fn(&Processors) -> MetricFamily; 39] = [
    |all| {
        each(all, &names::PROCESSOR_INFO, |family, name, series| {
            let own = series.spec.timing.schedule.as_ref();
            family.gauge(&[name, own.map_or("cycle", ScheduleSpec::kind)], 1.0);
        })
    },
    |all| {
        gauge(all, &names::MAX_STALENESS, |series| {
            series.max_staleness.unwrap_or_default().as_secs_f64()
        })
    },
    |all| {
        by_reason(
            all,
            &names::STARTS_MISSED,
            &MissReason::ALL.map(MissReason::label),
            |series| &series.missed,
        )
    },
    |all| {
        gauge(all, &names::TIMEOUT, |series| {
            series.spec.timeout.as_secs_f64()
        })
    },
    |all| {
        gauge(all, &names::RUN_DEADLINE, |series| {
            series.spec.deadline().as_secs_f64()
        })
    },
    |all| {
        each(all, &names::NEXT_START, |family, name, series| {
            family.time(&[name], all.next_start(series));
        })
    },
    // How many runs the next start is to have, and why.
    |all| {
        gauge(all, &names::DESIRED_INSTANCES, |series| {
            f64::from(series.load.desired(&series.spec.instances))
        })
    },
    |all| {
        each(all, &names::BACKLOG, |family, name, series| {
            let last = series.load.last().filter(|_| follows(series));
            if let Some(backlog) = last.and_then(|load| load.backlog) {
                family.gauge(&[name], backlog);
            }
        })
    },
    |all| {
        each(all, &names::BACKLOG_MISSING, |family, name, series| {
            if follows(series) {
                let last = series.load.last();
                let is_missing = last.is_some_and(|load| load.backlog.is_none());
                family.gauge(&[name], f64::from(u8::from(is_missing)));
            }
        })
    },
    |all| {
        by_word(
            all,
            &names::RUNS,
            &Outcome::LABELS,
            |family, labels, (outcome, series)| {
                family.count(
                    labels,
                    series.runs.get(outcome).copied().unwrap_or_default(),
                );
            },
        )
    },
    |all| {
        by_reason(
            all,
            &names::RUN_FAILURES,
            &Outcome::FAILURE_REASONS,
            |series| &series.failures,
        )
    },
    |all| {
        by_reason(all, &names::RUN_SKIPS, &Outcome::SKIP_REASONS, |series| {
            &series.skips
        })
    },
    |all| {
        by_reason(
            all,
            &names::RUN_CANCELLATIONS,
            &Outcome::CANCEL_REASONS,
            |series| &series.cancellations,
        )
    },
    |all| count(all, &names::RUN_ATTEMPTS, |series| series.attempts),
    |all| count(all, &names::RUN_RETRIES, |series| series.retries),
    |all| {
        count(all, &names::KILL_ESCALATIONS, |series| {
            series.kill_escalations
        })
    },
    |all| {
        let mut escaped = Filling::of(&names::ESCAPED, all.series.len() + 1);
        for series in &all.series {
            escaped.count(&[series.spec.name.as_str()], series.escaped);
        }
        escaped.count(&[RESERVED], all.strays);
        escaped.into_family()
    },
    |all| {
        by_word(
            all,
            &names::RUN_CPU,
            &["user", "system"],
            |family, labels, (mode, series)| {
                family.counter(labels, series.cpu.get(mode).copied().unwrap_or_default());
            },
        )
    },
    |all| by_stream(all, &names::OUTPUT_BYTES, |output| output.bytes),
    |all| by_stream(all, &names::OUTPUT_LINES, |output| output.lines),
    |all| by_stream(all, &names::OUTPUT_TRUNCATED, |output| output.truncated),
    // Histograms appear at their first observation.
    |all| {
        by_word(
            all,
            &names::RUN_DURATION,
            &Outcome::LABELS,
            |family, labels, (outcome, series)| {
                let histogram = series.durations.get(outcome);
                if let Some(histogram) = histogram.filter(|histogram| !histogram.is_empty()) {
                    family.histogram(labels, &all.bounds, histogram);
                }
            },
        )
    },
    |all| waits(all, &names::RUN_QUEUE_WAIT, |series| &series.queue_wait),
    |all| waits(all, &names::RUN_STOP, |series| &series.stops),
    // Gauges that report a result are absent before there is one: 0 would claim what did not happen.
    |all| {
        result(all, &names::LAST_SUCCESS, |result| {
            f64::from(u8::from(result.outcome == Outcome::Success))
        })
    },
    |all| {
        result(all, &names::LAST_DURATION, |result| {
            result.duration.as_secs_f64()
        })
    },
    |all| {
        result(all, &names::LAST_ATTEMPT_DURATION, |result| {
            result.attempt_duration.as_secs_f64()
        })
    },
    |all| {
        result(all, &names::LAST_EXIT_CODE, |result| {
            result.exit_code.map_or(-1.0, f64::from)
        })
    },
    |all| {
        result(all, &names::RUN_MAX_RSS, |result| {
            number(result.max_rss_bytes)
        })
    },
    |all| {
        by_word(
            all,
            &names::LAST_OUTCOME,
            &Outcome::LABELS,
            |family, labels, (outcome, series)| {
                if let Some(last) = series.state.last_outcome {
                    let is_last = Outcome::LABELS.get(outcome) == Some(&last.label());
                    family.gauge(labels, f64::from(u8::from(is_last)));
                }
            },
        )
    },
    // Timestamps are there from the start: 0 says never.
    |all| {
        time(all, &names::LAST_START_TIME, |series| {
            series.state.last_start
        })
    },
    |all| {
        time(all, &names::LAST_COMPLETION_TIME, |series| {
            series.state.last_completion
        })
    },
    |all| {
        time(all, &names::LAST_SUCCESS_TIME, |series| {
            series.state.last_success
        })
    },
    |all| {
        time(all, &names::LAST_FAILURE_TIME, |series| {
            series.state.last_failure
        })
    },
    |all| {
        time(all, &names::FAILING_SINCE, |series| {
            series.state.failing_since
        })
    },
    |all| {
        gauge(all, &names::FIRST_SEEN, |series| {
            seconds(series.state.first_seen)
        })
    },
    |all| {
        time(all, &names::OLDEST_IN_FLIGHT, |series| {
            series.in_flight.first().copied()
        })
    },
    |all| {
        gauge(all, &names::RUNS_IN_FLIGHT, |series| {
            f64::from(u32::try_from(series.in_flight.len()).unwrap_or(u32::MAX))
        })
    },
    |all| {
        gauge(all, &names::CONSECUTIVE_FAILURES, |series| {
            number(series.state.consecutive_failures)
        })
    },
];

/// A family to which each processor adds a sample or none.
fn each(
    processors: &Processors,
    family: &'static Family,
    fill: impl Fn(&mut Filling, &str, &Series),
) -> MetricFamily {
    each_of(processors, (family, 1), fill)
}

/// A family to which each processor adds so many samples at most.
fn each_of(
    processors: &Processors,
    (family, samples): (&'static Family, usize),
    fill: impl Fn(&mut Filling, &str, &Series),
) -> MetricFamily {
    let mut filling = Filling::of(family, processors.series.len() * samples);
    for series in &processors.series {
        fill(&mut filling, series.spec.name.as_str(), series);
    }
    filling.into_family()
}

/// One gauge of each processor.
fn gauge(all: &Processors, family: &'static Family, of: fn(&Series) -> f64) -> MetricFamily {
    each(all, family, |family, name, series| {
        family.gauge(&[name], of(series));
    })
}

/// One counter of each processor.
fn count(all: &Processors, family: &'static Family, of: fn(&Series) -> u64) -> MetricFamily {
    each(all, family, |family, name, series| {
        family.count(&[name], of(series));
    })
}

fn time(
    all: &Processors,
    family: &'static Family,
    of: fn(&Series) -> Option<Timestamp>,
) -> MetricFamily {
    each(all, family, |family, name, series| {
        family.time(&[name], of(series));
    })
}

fn result(all: &Processors, family: &'static Family, of: fn(&LastResult) -> f64) -> MetricFamily {
    each(all, family, |family, name, series| {
        if let Some(result) = &series.state.last_result {
            family.gauge(&[name], of(result));
        }
    })
}

fn waits(all: &Processors, family: &'static Family, of: fn(&Series) -> &Histogram) -> MetricFamily {
    each(all, family, |family, name, series| {
        if !of(series).is_empty() {
            family.histogram(&[name], &all.wait_bounds, of(series));
        }
    })
}

fn by_stream(all: &Processors, family: &'static Family, of: fn(&Output) -> u64) -> MetricFamily {
    each_of(all, (family, 2), |family, name, series| {
        // In the order of their names.
        let [stdout, stderr] = &series.output;
        family.count(&[name, Stream::Stderr.label()], of(stderr));
        family.count(&[name, Stream::Stdout.label()], of(stdout));
    })
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
    each_of(processors, (family, words.len()), |family, name, series| {
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
    let mut filling = Filling::of(family, processors.series.len() * words.len());
    for (index, word) in sorted(words) {
        for series in &processors.series {
            let labels = [word, series.spec.name.as_str()];
            fill(&mut filling, &labels, (index, series));
        }
    }
    filling.into_family()
}
