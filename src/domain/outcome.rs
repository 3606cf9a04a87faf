//! How a run ended: closed sets, which are also metric label values. Refuses to know what is done about it.
//!
//! The words follow `cicd.pipeline.task.run.result` of OpenTelemetry's semantic conventions.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run ended, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The program exited with code 0.
    Success,
    /// The program said that it failed, or was ended by a signal that was not ours.
    Failure(FailureReason),
    /// It ran longer than its timeout and was ended.
    Timeout,
    /// We ended it, or never started it, for a reason of our own.
    Cancellation(CancelReason),
    /// It was due and deliberately not started.
    Skip(SkipReason),
    /// We could not do our own work.
    Error(ErrorReason),
}

/// Why a run counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureReason {
    /// It exited with this code, which is not 0.
    ExitCode(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel killed it for want of memory.
    Oom,
}

/// Why a run was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// The orchestrator is stopping.
    Shutdown,
    /// A newer start of the same processor took its place.
    Replaced,
}

/// Why a run was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// A run that it depends on did not succeed.
    Dependency,
    /// The run before it, of an own schedule, has not ended.
    Overlap,
    /// This is a dry run and the processor does not say that it can do one.
    DryRun,
}

/// Why we could not do our own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorReason {
    /// The program could not be started.
    Spawn,
    /// A pipe or a file of ours failed.
    Io,
    /// The process was lost sight of: the spawner ended, or the orchestrator did.
    Lost,
}

impl Outcome {
    /// Every value of [`Outcome::label`], in the order in which they are exported.
    pub const LABELS: [&'static str; 6] = [
        "success",
        "failure",
        "timeout",
        "cancellation",
        "skip",
        "error",
    ];

    /// The reasons that failure, timeout and error may have, as in `run_failures_total{reason}`.
    pub const FAILURE_REASONS: [&'static str; 7] = [
        "exit_code",
        "signal",
        "oom",
        "timeout",
        "spawn",
        "io",
        "lost",
    ];

    /// The reasons of a skip, as in `run_skips_total{reason}`.
    pub const SKIP_REASONS: [&'static str; 3] = ["dependency", "overlap", "dry_run"];

    /// The reasons of a cancellation, as in `run_cancellations_total{reason}`.
    pub const CANCEL_REASONS: [&'static str; 2] = ["shutdown", "replaced"];

    /// The word of the closed set, as in `runs_total{outcome}`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure(_) => "failure",
            Self::Timeout => "timeout",
            Self::Cancellation(_) => "cancellation",
            Self::Skip(_) => "skip",
            Self::Error(_) => "error",
        }
    }

    /// The reason's word, as in `error.type`; a success has none.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Success => None,
            Self::Failure(FailureReason::ExitCode(_)) => Some("exit_code"),
            Self::Failure(FailureReason::Signal(_)) => Some("signal"),
            Self::Failure(FailureReason::Oom) => Some("oom"),
            Self::Timeout => Some("timeout"),
            Self::Cancellation(CancelReason::Shutdown) => Some("shutdown"),
            Self::Cancellation(CancelReason::Replaced) => Some("replaced"),
            Self::Skip(SkipReason::Dependency) => Some("dependency"),
            Self::Skip(SkipReason::Overlap) => Some("overlap"),
            Self::Skip(SkipReason::DryRun) => Some("dry_run"),
            Self::Error(ErrorReason::Spawn) => Some("spawn"),
            Self::Error(ErrorReason::Io) => Some("io"),
            Self::Error(ErrorReason::Lost) => Some("lost"),
        }
    }

    /// The outcome that was written down with these words; `None` when no version ever wrote them.
    #[must_use]
    pub fn from_words(label: &str, reason: Option<&str>, exit_code: Option<i32>) -> Option<Self> {
        let code = exit_code.unwrap_or_default();
        let candidates = [
            Self::Success,
            Self::Failure(FailureReason::ExitCode(code)),
            Self::Failure(FailureReason::Signal(code.saturating_sub(128))),
            Self::Failure(FailureReason::Oom),
            Self::Timeout,
            Self::Cancellation(CancelReason::Shutdown),
            Self::Cancellation(CancelReason::Replaced),
            Self::Skip(SkipReason::Dependency),
            Self::Skip(SkipReason::Overlap),
            Self::Skip(SkipReason::DryRun),
            Self::Error(ErrorReason::Spawn),
            Self::Error(ErrorReason::Io),
            Self::Error(ErrorReason::Lost),
        ];
        candidates
            .into_iter()
            .find(|outcome| outcome.label() == label && outcome.reason() == reason)
    }

    /// Whether this is failure, timeout or error: what an operator must look at.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failure(_) | Self::Timeout | Self::Error(_))
    }

    /// Whether the processor did run to an end of its own, so that gauges of its last run change.
    #[must_use]
    pub fn is_result(self) -> bool {
        self == Self::Success || self.is_bad()
    }

    /// The worst of a cycle's outcomes; skips change nothing, and a cycle of skips alone is a skip.
    ///
    /// From worst to best: error, failure, timeout, cancellation, success.
    #[must_use]
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes
            .into_iter()
            .max_by_key(|outcome| outcome.severity())
    }

    pub(super) fn severity(self) -> u8 {
        match self {
            Self::Skip(_) => 0,
            Self::Success => 1,
            Self::Cancellation(_) => 2,
            Self::Timeout => 3,
            Self::Failure(_) => 4,
            Self::Error(_) => 5,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_as_bad_as_its_worst_run_and_skips_change_nothing() {
        let skip = Outcome::Skip(SkipReason::Dependency);
        let failure = Outcome::Failure(FailureReason::ExitCode(3));
        assert_eq!(
            Outcome::worst([skip, Outcome::Success]),
            Some(Outcome::Success)
        );
        assert_eq!(
            Outcome::worst([Outcome::Timeout, failure, skip]),
            Some(failure)
        );
        assert_eq!(
            Outcome::worst([failure, Outcome::Error(ErrorReason::Io)]).map(Outcome::label),
            Some("error")
        );
        assert_eq!(Outcome::worst([skip, skip]), Some(skip));
        assert_eq!(Outcome::worst([]), None);
    }

    #[test]
    fn every_reason_of_a_bad_outcome_stands_in_the_exported_set() {
        let bad = [
            Outcome::Failure(FailureReason::ExitCode(1)),
            Outcome::Failure(FailureReason::Signal(9)),
            Outcome::Failure(FailureReason::Oom),
            Outcome::Timeout,
            Outcome::Error(ErrorReason::Spawn),
            Outcome::Error(ErrorReason::Io),
            Outcome::Error(ErrorReason::Lost),
        ];
        let reasons: Vec<_> = bad.iter().filter_map(|outcome| outcome.reason()).collect();
        assert_eq!(reasons, Outcome::FAILURE_REASONS);
        assert!(
            bad.iter()
                .all(|outcome| outcome.is_bad() && Outcome::LABELS.contains(&outcome.label()))
        );
    }
}
