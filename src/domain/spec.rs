//! What a processor is and how the whole is to behave, once everything has been checked. Refuses to know files and flags.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contract::OWN_BINARY;
use super::instances::Instances;
use super::name::ProcessorName;
use super::timing::Timing;

/// How the processors of one cycle are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Side by side, under the limit of parallelism.
    #[default]
    Parallel,
    /// One after another, in the order of declaration.
    Sequential,
}

impl Mode {
    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Sequential => "sequential",
        }
    }

    /// The users' word, as in `--modo` and `modo_execucao`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Parallel => "paralelo",
            Self::Sequential => "sequencial",
        }
    }
}

/// What a sequential single run does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The rest is skipped.
    Stop,
    /// The rest runs.
    Continue,
}

impl OnFailure {
    /// The users' word, as in `--em-falha`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "parar",
            Self::Continue => "continuar",
        }
    }
}

/// How log lines are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The lines that users know, in Portuguese.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word of `--log-format`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Json => "json",
        }
    }
}

/// How much of a child's output is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// Bytes kept of the head and, again, of the tail of each stream.
    pub memory: usize,
    /// Whether all of it goes to a file too.
    pub file: Option<OutputFileSpec>,
}

/// How the file of a processor's output is rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFileSpec {
    /// Bytes after which a new file is begun.
    pub rotate_at: u64,
    /// Full files that are kept.
    pub copies: usize,
}

/// Bounds on what a run may use; `None` is no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// CPU time of one process.
    pub cpu_time: Option<Duration>,
    /// Processes at once.
    pub processes: Option<u64>,
    /// Open files of one process.
    pub files: Option<u64>,
}

impl ResourceLimits {
    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// When a run that failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Before the second attempt; doubled for each further one.
    pub wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
    /// Exit codes that are tried again; every failure, timeout and error when empty.
    pub codes: Vec<i32>,
}

/// A processor with what follows for it from the whole configuration.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The processor.
    pub spec: Arc<ProcessorSpec>,
    /// How old its last success may be; none when it has no objective.
    pub max_staleness: Option<Duration>,
}

/// A configured program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorSpec {
    /// Unique within a configuration.
    pub name: ProcessorName,
    /// What people call it.
    pub label: String,
    /// The same, where space is short.
    pub short_label: String,
    /// A pictogram in front of its line.
    pub icon: String,
    /// Program and arguments; never a shell line, never empty.
    pub command: Vec<String>,
    /// Time per attempt before SIGTERM.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// What is done after a failure.
    pub retry: Retry,
    /// When it is due.
    pub timing: Timing,
    /// How many runs belong to one start.
    pub instances: Instances,
    /// Names of processors of the same cycle that must have succeeded first.
    pub depends_on: Vec<ProcessorName>,
    /// Variables added to the child's environment, in order.
    pub environment: Vec<(String, String)>,
    /// Whether the child starts from an empty environment.
    pub clear_environment: bool,
    /// Variables whose values are masked in output, beside those whose names say secret.
    pub secrets: Vec<String>,
    /// The child's working directory.
    pub directory: PathBuf,
    /// Whether the program knows how to simulate.
    pub accepts_dry_run: bool,
    /// What it may use.
    pub limits: ResourceLimits,
    /// How much of its output is kept.
    pub output: OutputSpec,
}

impl ProcessorSpec {
    /// Whether the program is this very binary.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.command
            .first()
            .is_some_and(|program| program == OWN_BINARY)
    }

    /// The longest that a run may take: every attempt up to its timeout and grace period, and the longest waits between.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        let attempt = self.timeout.saturating_add(self.grace);
        let mut sum = attempt.saturating_mul(self.retry.attempts);
        let mut wait = self.retry.wait.min(self.retry.max_wait);
        for _ in 1..self.retry.attempts {
            sum = sum.saturating_add(wait);
            wait = wait.saturating_mul(2).min(self.retry.max_wait);
        }
        sum
    }
}
