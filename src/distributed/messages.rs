//! What instances say to each other: JSON with a version, bounded, and checked before it is believed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::streams::LARGEST;
use crate::domain::report::Report;
use crate::domain::{
    Attempt, CycleStart, ErrorReason, Instance, Outcome, ProcessorName, ProcessorSpec, Run, RunId,
    RunResult, RunStart, TraceContext, Usage,
};

/// The version of everything that is said here.
const VERSION: u8 = 1;
/// The longest report of a processor that travels, bytes.
const LONGEST_REPORT: usize = 128 * 1024;

/// One attempt that is to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) id: RunId,
    pub(super) attempt: u32,
    pub(super) processor: ProcessorName,
    /// The hash of the processor's configuration: whoever has another one does not take it.
    pub(super) spec: u64,
    pub(super) term: u64,
    /// The start of the instance that planned it.
    pub(super) planner: String,
    /// Which of the runs of its start it is.
    pub(super) instance: Instance,
    cycle: CycleStart,
    started_at: Timestamp,
    queue_wait: Duration,
    trace: Option<TraceContext>,
}

impl Plan {
    pub(super) fn of(
        start: &RunStart,
        attempt: u32,
        spec: u64,
        (term, planner): (u64, &str),
    ) -> Self {
        Self {
            id: start.id.clone(),
            attempt,
            processor: start.spec.name.clone(),
            spec,
            term,
            planner: planner.to_owned(),
            instance: start.instance,
            cycle: CycleStart::clone(&start.cycle),
            started_at: start.started_at,
            queue_wait: start.queue_wait,
            trace: start.trace,
        }
    }

    /// What it is called in subjects.
    pub(super) fn key(&self) -> String {
        key(&self.id, self.attempt)
    }

    /// The beginning of the run, with the processor as it is configured here.
    pub(super) fn start(&self, spec: Arc<ProcessorSpec>) -> Arc<RunStart> {
        Arc::new(RunStart {
            id: self.id.clone(),
            spec,
            instance: self.instance,
            cycle: Arc::new(self.cycle.clone()),
            started_at: self.started_at,
            queue_wait: self.queue_wait,
            trace: self.trace,
        })
    }

    pub(super) fn traceparent(&self) -> Option<String> {
        self.trace.map(|trace| trace.to_string())
    }
}

pub(super) fn key(id: &RunId, attempt: u32) -> String {
    format!("{}.{attempt}", id.as_str())
}

/// An instance that began an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) instance: String,
    pub(super) at: Timestamp,
}

/// Everybody who began an attempt, in order; the last one has it, the others were lost with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) begun: Vec<Begun>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) plan: Plan,
    pub(super) begun: Vec<Begun>,
    pub(super) at: Timestamp,
    result: RunResult,
    report: Option<String>,
    is_report_too_large: bool,
}

impl Ended {
    pub(super) fn of(plan: Plan, begun: Vec<Begun>, at: Timestamp, mut result: RunResult) -> Self {
        let taken = result.report.take();
        let (report, is_report_too_large) = match taken {
            Some(Report::Content(bytes)) if bytes.len() <= LONGEST_REPORT => {
                (String::from_utf8(bytes.to_vec()).ok(), false)
            }
            Some(Report::Content(_) | Report::TooLarge) => (None, true),
            Some(Report::Unreadable) | None => (None, false),
        };
        Self {
            plan,
            begun,
            at,
            result,
            report,
            is_report_too_large,
        }
    }

    /// The result, with the attempts that were lost before.
    pub(super) fn result(mut self) -> RunResult {
        let until = self.begun.iter().skip(1).map(|begun| begun.at);
        let lost = self.begun.iter().zip(until);
        self.result.attempts = lost
            .map(|(begun, until)| lost_attempt(begun, until))
            .collect();
        self.result.report = match (self.report, self.is_report_too_large) {
            (Some(text), _) => Some(Report::Content(text.into_bytes().into())),
            (None, true) => Some(Report::TooLarge),
            (None, false) => None,
        };
        self.result
    }
}

fn lost_attempt(begun: &Begun, until: Timestamp) -> Attempt {
    Attempt {
        number: 1,
        started_at: begun.at,
        outcome: Outcome::Error(ErrorReason::Lost),
        duration: Duration::try_from(until.duration_since(begun.at)).unwrap_or_default(),
        exit_code: None,
        usage: Usage::default(),
    }
}

/// The end of a run, all its attempts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finished {
    pub(super) plan: Plan,
    was_started: bool,
    at: Timestamp,
    result: RunResult,
}

impl Finished {
    pub(super) fn of(run: &Run, spec: u64, planner: &str) -> Self {
        let attempts = u32::try_from(run.result.attempts.len()).unwrap_or(u32::MAX);
        Self {
            plan: Plan::of(&run.start, attempts, spec, (0, planner)),
            was_started: run.was_started,
            at: run.finished_at,
            result: run.result.clone(),
        }
    }

    /// What an attempt came to whose planner is gone: that is the end of the run, since nobody tries again.
    pub(super) fn adopted(ended: Ended) -> Self {
        let (plan, at) = (ended.plan.clone(), ended.at);
        let last = ended.begun.last().cloned();
        let mut result = ended.result();
        let mut attempts = std::mem::take(&mut result.attempts);
        attempts.push(Attempt {
            number: 1,
            started_at: last.map_or(at, |begun| begun.at),
            outcome: result.outcome,
            duration: result.duration,
            exit_code: result.exit_code,
            usage: result.usage,
        });
        for (number, attempt) in (plan.attempt..).zip(&mut attempts) {
            attempt.number = number;
        }
        result.attempts = attempts;
        Self {
            plan,
            was_started: true,
            at,
            result,
        }
    }

    pub(super) fn run(self, spec: Arc<ProcessorSpec>) -> Arc<Run> {
        Arc::new(Run {
            start: self.plan.start(spec),
            was_started: self.was_started,
            result: self.result,
            finished_at: self.at,
        })
    }
}

/// What may be larger than a message can be: output is left out from the middle until it fits.
pub(super) trait Shrink {
    fn output(&mut self) -> &mut RunResult;
}

impl Shrink for Ended {
    fn output(&mut self) -> &mut RunResult {
        &mut self.result
    }
}

impl Shrink for Finished {
    fn output(&mut self) -> &mut RunResult {
        &mut self.result
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u8,
    said: T,
}

/// As bytes.
pub(super) fn write<T: Serialize>(said: &T) -> Vec<u8> {
    let envelope = Envelope {
        version: VERSION,
        said,
    };
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// As bytes that are not too many.
pub(super) fn write_bounded<T: Serialize + Shrink>(mut said: T) -> Vec<u8> {
    loop {
        let bytes = write(&said);
        let output = &mut said.output().output;
        if bytes.len() < LARGEST - 4096 || output.is_empty() {
            return bytes;
        }
        let keep = output.len() / 4;
        let tail = output.split_off(output.len() - keep);
        output.truncate(keep);
        output.extend(tail);
    }
}

/// What was said; none when it is too long, of another version or makes no sense.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > LARGEST {
        return None;
    }
    let envelope = serde_json::from_slice::<Envelope<T>>(bytes).ok()?;
    (envelope.version == VERSION).then_some(envelope.said)
}
