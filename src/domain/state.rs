//! What the runs of a processor have come to so far: the one rule by which history, metrics and page follow it.
//!
//! A skip and a cancellation are no result: they change the latest outcome and nothing else.

use std::time::Duration;

use jiff::Timestamp;

use super::cycle::Cycle;
use super::name::ProcessorName;
use super::outcome::Outcome;
use super::run::{Rank, Run, RunId, RunStart};
use super::trace::TraceContext;

/// The last states of one processor.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorState {
    /// When its configuration was first seen with this data directory.
    pub first_seen: Timestamp,
    /// Start of its last run.
    pub last_start: Option<Timestamp>,
    /// End of its last result.
    pub last_completion: Option<Timestamp>,
    /// End of its last success.
    pub last_success: Option<Timestamp>,
    /// End of its last bad result.
    pub last_failure: Option<Timestamp>,
    /// End of the first bad result since the last success.
    pub failing_since: Option<Timestamp>,
    /// Bad results since the last success.
    pub consecutive_failures: u64,
    /// Outcome of its latest run, also of one that is no result.
    pub last_outcome: Option<Outcome>,
    /// Its last result.
    pub last_result: Option<LastResult>,
    /// Runs of its last start that have ended while others of it have not.
    pub open_set: Option<OpenSet>,
}

/// Runs of one start, until the last of them has ended: they come to one result together, in whatever order they end.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSet {
    cycle: u64,
    ended: u32,
    /// The highest one.
    rank: Rank,
    end: End,
}

/// How one run ended, or all runs of one start.
#[derive(Debug, Clone, PartialEq)]
struct End {
    at: Timestamp,
    result: LastResult,
}

impl End {
    fn of(run: &Run) -> Self {
        let result = &run.result;
        let last_attempt = result.attempts.last();
        Self {
            at: run.finished_at,
            result: LastResult {
                outcome: result.outcome,
                duration: result.duration,
                attempt_duration: last_attempt.map_or(result.duration, |attempt| attempt.duration),
                exit_code: result.exit_code,
                max_rss_bytes: result.usage.max_rss_bytes,
            },
        }
    }
}

impl OpenSet {
    /// One more has ended: outcome and code are those of the worst, the rest is the most of all.
    fn with(self, run: &Run) -> Self {
        let other = End::of(run);
        let (mine, theirs) = (&self.end.result, &other.result);
        let worst = if run.rank() > self.rank { theirs } else { mine };
        let result = LastResult {
            outcome: worst.outcome,
            exit_code: worst.exit_code,
            duration: mine.duration.max(theirs.duration),
            attempt_duration: mine.attempt_duration.max(theirs.attempt_duration),
            max_rss_bytes: mine.max_rss_bytes.max(theirs.max_rss_bytes),
        };
        Self {
            ended: self.ended + 1,
            rank: self.rank.max(run.rank()),
            end: End {
                at: self.end.at.max(other.at),
                result,
            },
            ..self
        }
    }
}

/// What is kept of the last run that ended in success, failure, timeout or error.
#[derive(Debug, Clone, PartialEq)]
pub struct LastResult {
    /// How it ended.
    pub outcome: Outcome,
    /// From the start of its first attempt to the end of its last.
    pub duration: Duration,
    /// Duration of its last attempt.
    pub attempt_duration: Duration,
    /// Exit code, 128+n for signal n, none without a process.
    pub exit_code: Option<i32>,
    /// Peak resident memory, bytes.
    pub max_rss_bytes: u64,
}

impl ProcessorState {
    /// A processor that was first seen at `first_seen` and has never run.
    #[must_use]
    pub fn new(first_seen: Timestamp) -> Self {
        Self {
            first_seen,
            last_start: None,
            last_completion: None,
            last_success: None,
            last_failure: None,
            failing_since: None,
            consecutive_failures: 0,
            last_outcome: None,
            last_result: None,
            open_set: None,
        }
    }

    /// A run was started.
    pub fn started(&mut self, start: &RunStart) {
        self.last_start = Some(start.started_at);
    }

    /// A run has ended. Of several runs of one start, the last one's end changes the state, by what they came to
    /// together; until then [`ProcessorState::open_set`] holds it.
    pub fn finished(&mut self, run: &Run) {
        let end = if run.start.instance.has_others() {
            let Some(end) = self.finished_one_of_several(run) else {
                return;
            };
            end
        } else {
            End::of(run)
        };
        self.last_outcome = Some(end.result.outcome);
        if end.result.outcome.is_result() {
            self.completed(end.result.outcome, end.at);
            self.last_result = Some(end.result);
        }
    }

    /// What they came to, if it was the last one.
    fn finished_one_of_several(&mut self, run: &Run) -> Option<End> {
        let (cycle, instance) = (run.start.cycle.number, run.start.instance);
        let open = self.open_set.take().filter(|open| open.cycle == cycle);
        let set = match open {
            Some(open) => open.with(run),
            None => OpenSet {
                cycle,
                ended: 1,
                rank: run.rank(),
                end: End::of(run),
            },
        };
        if set.ended >= instance.of {
            return Some(set.end);
        }
        self.open_set = Some(set);
        None
    }

    /// A run that was open when the orchestrator died was closed.
    pub fn lost(&mut self, run: &LostRun) {
        let outcome = LostRun::OUTCOME;
        self.last_start = Some(run.started_at);
        self.last_outcome = Some(outcome);
        self.completed(outcome, run.closed_at);
        self.last_result = Some(LastResult {
            outcome,
            duration: Duration::ZERO,
            attempt_duration: Duration::ZERO,
            exit_code: None,
            max_rss_bytes: 0,
        });
    }

    fn completed(&mut self, outcome: Outcome, at: Timestamp) {
        self.last_completion = Some(at);
        if outcome.is_bad() {
            self.last_failure = Some(at);
            self.failing_since.get_or_insert(at);
            self.consecutive_failures += 1;
        } else {
            self.last_success = Some(at);
            self.failing_since = None;
            self.consecutive_failures = 0;
        }
    }

    /// Brings instants after `now` back to it: a clock was wrong when they were written. True if there was one.
    pub fn clamp(&mut self, now: Timestamp) -> bool {
        let mut is_clamped = false;
        let mut bring_back = |at: &mut Timestamp| {
            if *at > now {
                *at = now;
                is_clamped = true;
            }
        };
        bring_back(&mut self.first_seen);
        for at in [
            &mut self.last_start,
            &mut self.last_completion,
            &mut self.last_success,
            &mut self.last_failure,
            &mut self.failing_since,
        ] {
            at.as_mut().map(&mut bring_back).unwrap_or_default();
        }
        is_clamped
    }
}

/// The last states of the main schedule's cycles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MainCycleState {
    /// Start of the last one.
    pub last_start: Option<Timestamp>,
    /// End of the last one.
    pub last_completion: Option<Timestamp>,
    /// End of the last one that succeeded.
    pub last_success: Option<Timestamp>,
    /// Duration of the last one.
    pub last_duration: Option<Duration>,
}

impl MainCycleState {
    /// A main cycle has ended.
    pub fn finished(&mut self, cycle: &Cycle) {
        self.last_start = Some(cycle.start.started_at);
        self.last_completion = Some(cycle.finished_at);
        self.last_duration = Some(cycle.duration);
        if cycle.outcome == Outcome::Success {
            self.last_success = Some(cycle.finished_at);
        }
    }

    /// As [`ProcessorState::clamp`].
    pub fn clamp(&mut self, now: Timestamp) -> bool {
        let mut is_clamped = false;
        let times = [
            &mut self.last_start,
            &mut self.last_completion,
            &mut self.last_success,
        ];
        for at in times.into_iter().flatten().filter(|at| **at > now) {
            *at = now;
            is_clamped = true;
        }
        is_clamped
    }
}

/// A run that was open when the orchestrator died, closed by the next start.
#[derive(Debug, Clone, PartialEq)]
pub struct LostRun {
    /// The run.
    pub id: RunId,
    /// Of which processor.
    pub processor: ProcessorName,
    /// When it had started.
    pub started_at: Timestamp,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// Its span, when it was recorded.
    pub trace: Option<TraceContext>,
}

impl LostRun {
    /// How such a run ends.
    pub const OUTCOME: Outcome = Outcome::Error(super::outcome::ErrorReason::Lost);
}

/// What was known before this start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restored {
    /// The state of each configured processor, in the order of declaration; the lost runs are in it.
    pub processors: Vec<(ProcessorName, ProcessorState)>,
    /// That of the main schedule.
    pub main: MainCycleState,
    /// Runs that the orchestrator's death had left open, oldest first.
    pub lost: Vec<LostRun>,
    /// Whether an instant lay in the future and was brought back.
    pub is_clamped: bool,
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{CancelReason, FailureReason};
    use super::super::{Instance, samples};
    use super::*;

    fn ended(number: u32, outcome: Outcome, seconds: u64) -> Run {
        let run = Run::clone(&samples::run("a", outcome));
        let mut start = RunStart::clone(&run.start);
        start.instance = Instance { number, of: 3 };
        let mut result = run.result.clone();
        result.duration = Duration::from_secs(seconds);
        result.exit_code = i32::try_from(number).ok();
        Run {
            start: std::sync::Arc::new(start),
            result,
            finished_at: samples::instant() + Duration::from_secs(seconds),
            ..run
        }
    }

    #[test]
    fn what_several_runs_of_a_start_come_to_does_not_depend_on_the_order_in_which_they_end() {
        let failure = Outcome::Failure(FailureReason::ExitCode(3));
        let cancelled = Outcome::Cancellation(CancelReason::Shutdown);
        let good = Outcome::Success;
        let cases = [
            ([good, good, good], good, 1),
            ([good, failure, failure], failure, 2),
            ([Outcome::Timeout, good, failure], failure, 3),
            ([good, good, cancelled], cancelled, 3),
            ([cancelled, failure, good], failure, 2),
        ];
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        for (outcomes, whole, code) in cases {
            let mut states = Vec::new();
            for order in orders {
                let mut state = ProcessorState::new(samples::instant());
                for (place, index) in order.into_iter().enumerate() {
                    let number = u32::try_from(index).expect("small") + 1;
                    state.finished(&ended(number, outcomes[index], 10 - u64::from(number)));
                    assert_eq!(state.last_outcome.is_some(), place == 2, "{order:?}");
                }
                states.push(state);
            }
            assert!(
                states.windows(2).all(|pair| pair[0] == pair[1]),
                "{outcomes:?}"
            );
            let state = &states[0];
            assert_eq!(state.last_outcome, Some(whole));
            assert_eq!(state.consecutive_failures, u64::from(whole.is_bad()));
            assert_eq!(state.last_success.is_some(), whole == good);
            let last = state.last_result.as_ref();
            assert_eq!(last.is_some(), whole.is_result());
            if let Some(last) = last {
                let longest = Duration::from_secs(9);
                assert_eq!((last.exit_code, last.duration), (Some(code), longest));
                assert_eq!(state.last_completion, Some(samples::instant() + longest));
            }
        }
    }
}
