//! Those facts that are written down.

use std::sync::Arc;

use super::beginnings::Noted;
use crate::domain::{Cycle, CycleStart, Event, OutputLine, Run, RunResult, RunStart, Stream};

/// One of them.
#[derive(Debug)]
pub(super) enum Fact {
    CycleStarted(Arc<CycleStart>),
    /// It was noted before, or its commit is waited for.
    RunStarted(Arc<RunStart>, Option<Noted>),
    RunFinished(Arc<Run>),
    CycleFinished(Arc<Cycle>),
}

impl Fact {
    /// What of an event is written down; none for most.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::CycleStarted(start) => Some(Self::CycleStarted(Arc::clone(start))),
            Event::RunStarted(start) => Some(Self::RunStarted(Arc::clone(start), None)),
            Event::RunFinished(run) => Some(Self::RunFinished(Arc::clone(run))),
            Event::CycleFinished(cycle) => Some(Self::CycleFinished(Arc::clone(cycle))),
            // The attempts of a run come with its end.
            Event::Started(_)
            | Event::LoopTicked { .. }
            | Event::StartPlanned { .. }
            | Event::PlanForgotten
            | Event::RunOutput { .. }
            | Event::AttemptFailed { .. }
            | Event::MetricsReported { .. }
            | Event::StartMissed(_)
            | Event::LoadRead(_)
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConfigReloaded(_)
            | Event::StraysEnded(_)
            | Event::Restored(_)
            | Event::HistoryOperated { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::ShutdownStarted { .. }
            | Event::GroupChanged { .. }
            | Event::ShutdownForced { .. } => None,
        }
    }

    /// Whether the next start knows it although it was not committed, or can do without it.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::CycleStarted(_) | Self::RunStarted(_, Some(_)))
    }

    /// Lets go of what takes memory: of the output only what the summary is made from stays.
    pub(super) fn shrink(&mut self) {
        match self {
            Self::RunFinished(run) if run.result.output.len() > 2 => {
                let last = |stream: Stream| {
                    let mut lines = run.result.output.iter().rev();
                    lines.find(|line| line.stream == stream && !line.text.trim().is_empty())
                };
                let output: Vec<OutputLine> = [Stream::Stdout, Stream::Stderr]
                    .into_iter()
                    .filter_map(|stream| last(stream).cloned())
                    .collect();
                *run = Arc::new(Run {
                    result: RunResult {
                        output,
                        ..run.result.clone()
                    },
                    ..Run::clone(run)
                });
            }
            Self::CycleFinished(cycle) if !cycle.runs.is_empty() => {
                *cycle = Arc::new(Cycle {
                    runs: Vec::new(),
                    ..Cycle::clone(cycle)
                });
            }
            Self::RunFinished(_)
            | Self::CycleFinished(_)
            | Self::CycleStarted(_)
            | Self::RunStarted(..) => {}
        }
    }
}
