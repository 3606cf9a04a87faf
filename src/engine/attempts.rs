//! The attempts of a run: one process after another until one succeeds, is not to be tried again, or was the last.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::OptionFuture;
use tokio::time::{Instant, sleep};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::cycle::{Cycles, Recording};
use super::runner::{RunStop, Runner};
use crate::domain::{Attempt, Event, FailureReason, Outcome, Retry, RunId, RunResult, RunStart};

impl<R: Runner> Cycles<R> {
    /// Runs `start` until it has come to its outcome. What the attempts used and wrote is summed up; the output that is
    /// kept is the last one's. `beginning` is written down before a process is started, and told.
    pub(super) async fn attempt_all(
        &self,
        start: &Arc<RunStart>,
        stop: &RunStop,
        beginning: &[Event],
    ) -> RunResult {
        let began = Instant::now();
        let mut beginning = Some(beginning);
        let retry = &start.spec.retry;
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut total: Option<RunResult> = None;
        let mut asked = 0;
        loop {
            let number = number_after(&attempts);
            let started_at = self.clock.now();
            let beginning = beginning.take().unwrap_or_default();
            let mut result = self.attempt(start, number, stop, beginning).await;
            if let Some(report) = result.report.take() {
                self.note_backlog(start, &report);
                self.observers.state(&Event::MetricsReported {
                    run: Arc::clone(start),
                    at: self.clock.now(),
                    report,
                });
            }
            asked += 1;
            // Those that were lost elsewhere before this one are no fault of the processor's, and count for no limit.
            for lost in std::mem::take(&mut result.attempts) {
                let number = number_after(&attempts);
                attempts.push(Attempt { number, ..lost });
                self.observers.state(&Event::AttemptFailed {
                    run: Arc::clone(start),
                    attempt: Attempt { number, ..lost },
                    wait: Duration::ZERO,
                });
            }
            let attempt = Attempt {
                number: number_after(&attempts),
                started_at,
                outcome: result.outcome,
                duration: result.duration,
                exit_code: result.exit_code,
                usage: result.usage,
            };
            attempts.push(attempt.clone());
            let mut sum = match total.take() {
                Some(earlier) => followed(earlier, result),
                None => result,
            };
            if asked >= retry.attempts || !is_retried(retry, attempt.outcome) {
                return whole(sum, attempts, began.elapsed());
            }
            let wait = backoff(retry, asked, &start.id);
            self.observers.state(&Event::AttemptFailed {
                run: Arc::clone(start),
                attempt,
                wait,
            });
            tokio::select! {
                // Also a wait of nothing begins no attempt that would be cancelled at once.
                biased;
                () = stop.requested.cancelled() => {
                    sum.outcome = Outcome::Cancellation(stop.reason);
                    return whole(sum, attempts, began.elapsed());
                }
                () = sleep(wait) => total = Some(sum),
            }
        }
    }

    /// One attempt; in a span of its own when there may be others.
    async fn attempt(
        &self,
        start: &Arc<RunStart>,
        number: u32,
        stop: &RunStop,
        beginning: &[Event],
    ) -> RunResult {
        // It is waited for in two ways, each of which would keep a place of its own for it.
        let running = Box::pin(self.begin(start, number, stop, beginning));
        if start.spec.retry.attempts == 1 {
            return running.await;
        }
        let span = tracing::info_span!(
            "attempt",
            otel.status_code = Empty,
            orquestrador.run.attempt = i64::from(number),
            cicd.pipeline.task.run.result = Empty,
            process.executable.name = Empty,
            process.pid = Empty,
            process.exit.code = Empty,
            error.type = Empty,
        );
        let result = running.instrument(span.clone()).await;
        record_end(&span, &result);
        result
    }

    /// The process is prepared while the beginning is written down, and started as soon as that is known to survive us. It
    /// is told once it is in the history.
    async fn begin(
        &self,
        start: &Arc<RunStart>,
        number: u32,
        stop: &RunStop,
        beginning: &[Event],
    ) -> RunResult {
        let Recording { is_safe, written } = self.write_down(beginning);
        let (before, after) = if is_safe {
            (None, Some(written))
        } else {
            (Some(written), None)
        };
        let told = async move {
            OptionFuture::from(after).await;
            self.tell(beginning);
        };
        let ready = OptionFuture::from(before).map(|_| told);
        self.runner.run(start, number, stop, ready).await
    }
}

fn number_after(attempts: &[Attempt]) -> u32 {
    let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    count.saturating_add(1)
}

fn record_end(span: &Span, result: &RunResult) {
    span.record("cicd.pipeline.task.run.result", result.outcome.label());
    if let Some(code) = result.exit_code {
        span.record("process.exit.code", i64::from(code));
    }
    if result.outcome.is_bad() {
        span.record("error.type", result.outcome.reason().unwrap_or_default());
        span.record("otel.status_code", "ERROR");
    }
}

/// Whether a result like this one is worth another attempt.
fn is_retried(retry: &Retry, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failure(FailureReason::ExitCode(code)) => {
            retry.codes.is_empty() || retry.codes.contains(&code)
        }
        Outcome::Failure(FailureReason::Signal(_) | FailureReason::Oom)
        | Outcome::Timeout
        | Outcome::Error(_) => retry.codes.is_empty(),
        Outcome::Success | Outcome::Cancellation(_) | Outcome::Skip(_) => false,
    }
}

/// Time after attempt `number`: doubled each time, at most `max_wait`, and of that between a half and the whole, so
/// that runs which failed together do not come back together.
fn backoff(retry: &Retry, number: u32, id: &RunId) -> Duration {
    let doubled = 2_u32.saturating_pow(number.saturating_sub(1));
    let longest = retry.wait.saturating_mul(doubled).min(retry.max_wait);
    // The tail of a run's id is random (RFC 9562, section 5.7).
    let dice = id.as_str().bytes().rev().take(4).fold(number, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let share = f64::from(dice % 1000) / 999.0;
    longest.mul_f64(0.5 + 0.5 * share)
}

/// The result of two attempts, the second of which says how it ended.
fn followed(earlier: RunResult, later: RunResult) -> RunResult {
    let mut usage = later.usage;
    usage.cpu_user += earlier.usage.cpu_user;
    usage.cpu_system += earlier.usage.cpu_system;
    usage.max_rss_bytes = usage.max_rss_bytes.max(earlier.usage.max_rss_bytes);
    let mut escaped = earlier.escaped;
    escaped.count = escaped.count.saturating_add(later.escaped.count);
    escaped.names.extend(later.escaped.names);
    let mut stops = earlier.stops;
    stops.extend(later.stops);
    RunResult {
        usage,
        stops,
        stdout: earlier.stdout + later.stdout,
        stderr: earlier.stderr + later.stderr,
        escaped,
        kill_escalated: earlier.kill_escalated || later.kill_escalated,
        ..later
    }
}

fn whole(sum: RunResult, attempts: Vec<Attempt>, elapsed: Duration) -> RunResult {
    // One process is measured by the spawner, more exactly than here.
    let duration = if attempts.len() > 1 {
        elapsed
    } else {
        sum.duration
    };
    RunResult {
        duration,
        attempts,
        ..sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    #[test]
    fn waits_double_up_to_their_limit_and_differ_between_runs() {
        let retry = Retry {
            attempts: 9,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(5),
            codes: Vec::new(),
        };
        for (number, longest) in [(1, 1), (2, 2), (3, 4), (4, 5), (60, 5)] {
            let waits: Vec<_> = (0..50)
                .map(|_| backoff(&retry, number, &RunId::new(samples::instant())))
                .collect();
            let longest = Duration::from_secs(longest);
            assert!(
                waits
                    .iter()
                    .all(|wait| (longest / 2..=longest).contains(wait)),
                "{waits:?}"
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }

    #[test]
    fn with_a_list_of_codes_nothing_else_is_tried_again() {
        let mut retry = samples::spec("a").retry.clone();
        let code = |code| Outcome::Failure(FailureReason::ExitCode(code));
        for outcome in [
            code(1),
            Outcome::Timeout,
            Outcome::Failure(FailureReason::Signal(9)),
        ] {
            assert!(is_retried(&retry, outcome));
        }
        retry.codes = vec![75];
        assert!(is_retried(&retry, code(75)));
        for outcome in [code(1), Outcome::Timeout, Outcome::Success] {
            assert!(!is_retried(&retry, outcome), "{outcome:?}");
        }
    }
}
