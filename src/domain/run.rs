//! One execution of one processor: the immutable record that metric, span, log, history and page are made from.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cycle::CycleStart;
use super::instances::Instance;
use super::outcome::Outcome;
use super::report::Report;
use super::spec::ProcessorSpec;
use super::trace::TraceContext;

/// Unique over all runs of all starts; a UUID of version 7 (RFC 9562), so that ids sort by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RunId(String);

impl TryFrom<String> for RunId {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, uuid::Error> {
        let id = uuid::Uuid::try_parse(&text)?;
        Ok(Self(id.hyphenated().to_string()))
    }
}

impl RunId {
    /// A new id for a run that begins at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let instant = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
        Self(uuid::Uuid::new_v7(instant).to_string())
    }

    /// An id as it was written down.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One of a child's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a child's output, masked, without its line end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutputLine {
    /// When it was read.
    pub at: Timestamp,
    /// Where it was written.
    pub stream: Stream,
    /// Valid UTF-8; other bytes were replaced.
    pub text: String,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in user mode, of the process and of the descendants that it waited for.
    pub cpu_user: Duration,
    /// CPU time in the kernel, likewise.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes of the largest process; 0 when unknown.
    pub max_rss_bytes: u64,
}

/// A run whose process is about to be started.
#[derive(Debug, Clone)]
pub struct RunStart {
    /// The run's id.
    pub id: RunId,
    /// What is run.
    pub spec: Arc<ProcessorSpec>,
    /// Which of the runs of its start it is.
    pub instance: Instance,
    /// The cycle that it belongs to.
    pub cycle: Arc<CycleStart>,
    /// Wall time.
    pub started_at: Timestamp,
    /// From ready to started.
    pub queue_wait: Duration,
    /// The run's own span, when it is recorded.
    pub trace: Option<TraceContext>,
}

/// Processes that outlived what had started them, and were ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escaped {
    /// How many.
    pub count: u32,
    /// Some of them, each as `name (pid N)`.
    pub names: Vec<String>,
}

/// What was written to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamTotals {
    /// Bytes written.
    pub bytes: u64,
    /// Line ends written.
    pub lines: u64,
    /// Bytes written and not kept.
    pub truncated_bytes: u64,
}

impl std::ops::Add for StreamTotals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            lines: self.lines + other.lines,
            truncated_bytes: self.truncated_bytes + other.truncated_bytes,
        }
    }
}

/// One process of a run, once it has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// Wall time of its start.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// From its start to its end; zero without a process.
    pub duration: Duration,
    /// Exit code, 128+n for signal n, none without a process.
    pub exit_code: Option<i32>,
    /// What it used.
    pub usage: Usage,
}

/// How the processes of a run ended, or why there was none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// How it ended.
    pub outcome: Outcome,
    /// What stands beside the outcome for people, such as why the program could not be started.
    pub message: Option<String>,
    /// From the start of its first attempt to the end of its last; zero without a process.
    pub duration: Duration,
    /// Exit code of the last attempt, 128+n for signal n, none without a process.
    pub exit_code: Option<i32>,
    /// What all attempts used.
    pub usage: Usage,
    /// Each attempt that was made, in order. A runner fills in those alone that were lost before the one that it
    /// tells of; most never have any.
    pub attempts: Vec<Attempt>,
    /// The kept lines of the last attempt's output, masked: head and tail, in the order read.
    pub output: Vec<OutputLine>,
    /// What it wrote to standard output.
    pub stdout: StreamTotals,
    /// What it wrote to standard error.
    pub stderr: StreamTotals,
    /// Processes of the run that outlived its leader and were ended.
    pub escaped: Escaped,
    /// Whether SIGTERM was not enough.
    pub kill_escalated: bool,
    /// Of each attempt that we ended: from our first signal to the moment when nothing of it was left.
    pub stops: Vec<Duration>,
    /// What the attempt reports of itself. The engine states it apart, so that no record of a run holds on to it.
    #[serde(skip)]
    pub report: Option<Report>,
}

impl RunResult {
    /// The result of a run that never got a process.
    #[must_use]
    pub fn without_process(outcome: Outcome, message: Option<String>) -> Self {
        Self {
            outcome,
            message,
            duration: Duration::ZERO,
            exit_code: None,
            usage: Usage::default(),
            attempts: Vec::new(),
            output: Vec::new(),
            stdout: StreamTotals::default(),
            stderr: StreamTotals::default(),
            escaped: Escaped::default(),
            kill_escalated: false,
            stops: Vec::new(),
            report: None,
        }
    }
}

/// A run that has ended, also one that never got a process.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was known at its start.
    pub start: Arc<RunStart>,
    /// Whether it was handed to the runner, so that `RunStarted` was stated.
    pub was_started: bool,
    /// How it ended.
    pub result: RunResult,
    /// Wall time of its end.
    pub finished_at: Timestamp,
}

/// What tells which run of a start says how the start ended: the worst, the first of several.
pub type Rank = (u8, Reverse<u32>);

/// The longest summary, characters.
const MAX_SUMMARY: usize = 200;

impl Run {
    /// Of the runs of one start, the one of the highest rank says how it ended.
    #[must_use]
    pub fn rank(&self) -> Rank {
        let number = self.start.instance.number;
        (self.result.outcome.severity(), Reverse(number))
    }

    /// The line that a processor leaves for people: the last of standard output that says something, after a bad
    /// outcome that of standard error; else what we have to say ourselves.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let own = if self.result.outcome.is_bad() {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        let last = |stream| {
            let lines = self
                .result
                .output
                .iter()
                .rev()
                .filter(move |line| line.stream == stream);
            lines
                .map(|line| line.text.trim())
                .find(|text| !text.is_empty())
        };
        let other = self.result.outcome.is_bad().then_some(Stream::Stdout);
        let line = self
            .result
            .message
            .as_deref()
            .or_else(|| last(own))
            .or_else(|| other.and_then(last))?;
        Some(line.chars().take(MAX_SUMMARY).collect())
    }
}
