//! What happened lately, gathered from the facts for the pages, and the bells that tell them to look again.
//!
//! All of it is bounded, whatever happens. Refuses to know how it is shown.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::tail::{Lines, Tail};
use crate::domain::{
    Cycle, Event, Observer, Outcome, ProcessorName, Reload, ReloadResult, Run, RunId, Schedule,
    Trigger,
};

/// Runs of one processor that are remembered.
pub(super) const RUNS: usize = 30;
/// Cycles that are remembered.
pub(super) const CYCLES: usize = 10;
/// Reloads that are remembered.
const RELOADS: usize = 5;
/// Seconds of one part of the day.
const QUARTER: i64 = 15 * 60;
/// Parts of a day.
const QUARTERS: i64 = 96;

/// A run that has ended, as far as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its id.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// From the start of its first attempt to the end of its last.
    pub duration: Duration,
}

impl Mark {
    fn of(run: &Run) -> Self {
        Self {
            id: run.start.id.as_str().to_owned(),
            started_at: run.start.started_at,
            finished_at: run.finished_at,
            outcome: run.result.outcome,
            duration: run.result.duration,
        }
    }
}

/// A cycle that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct CycleMark {
    /// Counted from 1 since the start.
    pub number: u64,
    /// Whose plan made it due.
    pub schedule: Schedule,
    /// Why it started.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// To its last run's end.
    pub duration: Duration,
    /// The worst of its runs.
    pub outcome: Outcome,
    /// Its runs: whose, which, how it ended.
    pub runs: Vec<(ProcessorName, RunId, Outcome)>,
}

impl CycleMark {
    fn of(cycle: &Cycle) -> Self {
        let of = |run: &Arc<Run>| {
            let start = &run.start;
            (
                start.spec.name.clone(),
                start.id.clone(),
                run.result.outcome,
            )
        };
        Self {
            number: cycle.start.number,
            schedule: cycle.start.schedule,
            trigger: cycle.start.trigger,
            started_at: cycle.start.started_at,
            duration: cycle.duration,
            outcome: cycle.outcome,
            runs: cycle.runs.iter().map(of).collect(),
        }
    }
}

/// What one processor did lately.
#[derive(Debug, Clone, Default)]
pub struct Lately {
    /// Its last runs, oldest first.
    pub runs: VecDeque<Arc<Mark>>,
    /// Successes without anything bad between, as far back as is known.
    pub successes_in_a_row: u64,
    /// Results of a day, by quarter of an hour since the epoch: quarter, results, successes.
    day: VecDeque<(i64, u32, u32)>,
}

impl Lately {
    fn take(&mut self, mark: Arc<Mark>) {
        if mark.outcome.is_bad() {
            self.successes_in_a_row = 0;
        } else if mark.outcome == Outcome::Success {
            self.successes_in_a_row += 1;
        }
        if mark.outcome.is_result() {
            let quarter = mark.finished_at.as_second().div_euclid(QUARTER);
            if self.day.back().is_none_or(|(last, ..)| *last < quarter) {
                self.day.push_back((quarter, 0, 0));
            }
            if let Some((_, results, successes)) = self.day.back_mut() {
                *results += 1;
                *successes += u32::from(!mark.outcome.is_bad());
            }
            while self.day.len() > usize::try_from(QUARTERS).unwrap_or_default() {
                self.day.pop_front();
            }
        }
        self.runs.push_back(mark);
        if self.runs.len() > RUNS {
            self.runs.pop_front();
        }
    }

    /// Results of the last 24 hours before `now`, and how many of them succeeded.
    #[must_use]
    pub fn of_a_day(&self, now: Timestamp) -> (u64, u64) {
        let first = now.as_second().div_euclid(QUARTER) - QUARTERS;
        let within = self.day.iter().filter(|(quarter, ..)| *quarter > first);
        within.fold((0, 0), |(results, successes), (_, more, good)| {
            (results + u64::from(*more), successes + u64::from(*good))
        })
    }

    /// The middle one of the durations of its last successes; none without one.
    #[must_use]
    pub fn usual(&self) -> Option<Duration> {
        let is_success = |mark: &&Arc<Mark>| mark.outcome == Outcome::Success;
        let successes = self.runs.iter().filter(is_success);
        let mut durations: Vec<_> = successes.map(|mark| mark.duration).collect();
        durations.sort_unstable();
        durations.get(durations.len() / 2).copied()
    }
}

/// A reload of the configuration.
#[derive(Debug, Clone)]
pub struct ReloadMark {
    /// When it was decided.
    pub at: Timestamp,
    /// Whether the new settings hold.
    pub is_applied: bool,
    /// What changed, or what was wrong.
    pub lines: Vec<String>,
}

/// A consistent look at what happened lately.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The last cycles, oldest first.
    pub cycles: VecDeque<Arc<CycleMark>>,
    /// Processors that ran.
    pub processors: BTreeMap<ProcessorName, Lately>,
    /// The last reloads, oldest first.
    pub reloads: VecDeque<ReloadMark>,
}

/// What a history knows of the time before this start.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Runs that ended, oldest first.
    pub runs: Vec<(ProcessorName, Mark)>,
}

/// The reader that gathers it.
pub struct Recent {
    look: Mutex<Look>,
    outputs: Mutex<BTreeMap<String, Tail>>,
    bell: watch::Sender<u64>,
    output_bell: watch::Sender<u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            look: Mutex::default(),
            outputs: Mutex::default(),
            bell: watch::Sender::new(0),
            output_bell: watch::Sender::new(0),
        }
    }
}

impl Recent {
    /// What happened lately.
    #[must_use]
    pub fn look(&self) -> Look {
        self.locked().clone()
    }

    /// What one processor did lately.
    #[must_use]
    pub fn of(&self, name: &ProcessorName) -> Lately {
        let look = self.locked();
        look.processors.get(name).cloned().unwrap_or_default()
    }

    /// Puts what happened before this start in front of what is known.
    pub fn seed(&self, past: Past) {
        let mut look = self.locked();
        let known = std::mem::take(&mut look.processors);
        for (name, mark) in past.runs {
            let lately = look.processors.entry(name).or_default();
            lately.take(Arc::new(mark));
        }
        // What came meanwhile is counted again, behind the past.
        for (name, lately) in known {
            let whole = look.processors.entry(name).or_default();
            for mark in lately.runs {
                whole.take(mark);
            }
        }
        drop(look);
        ring(&self.bell);
    }

    /// Rings when something changed that the overview shows.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Rings when a run that is in flight wrote something, or ended.
    pub(super) fn output_bell(&self) -> watch::Receiver<u64> {
        self.output_bell.subscribe()
    }

    /// The lines of a run in flight from the line number `from` on; none when it is not in flight.
    pub(super) fn output(&self, run: &str, from: u64) -> Option<Lines> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        Some(outputs.get(run)?.since(from))
    }

    fn locked(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outputs(&self) -> MutexGuard<'_, BTreeMap<String, Tail>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self, run: &Run) {
        self.outputs().remove(run.start.id.as_str());
        let mut look = self.locked();
        let name = run.start.spec.name.clone();
        let lately = look.processors.entry(name).or_default();
        lately.take(Arc::new(Mark::of(run)));
        drop(look);
        ring(&self.output_bell);
    }

    fn reloaded(&self, reload: &Reload) {
        let mut look = self.locked();
        let lines = match &reload.result {
            ReloadResult::Applied {
                difference,
                processors,
                ..
            } => {
                let is_configured =
                    |name: &ProcessorName| processors.iter().any(|one| one.spec.name == *name);
                look.processors.retain(|name, _| is_configured(name));
                difference.lines.clone()
            }
            ReloadResult::Rejected { problems } => problems.clone(),
        };
        look.reloads.push_back(ReloadMark {
            at: reload.at,
            is_applied: matches!(reload.result, ReloadResult::Applied { .. }),
            lines,
        });
        if look.reloads.len() > RELOADS {
            look.reloads.pop_front();
        }
    }
}

fn ring(bell: &watch::Sender<u64>) {
    bell.send_modify(|count| *count = count.wrapping_add(1));
}

impl Observer for Recent {
    fn observe(&self, event: &Event) {
        match event {
            Event::RunOutput { run, line } => {
                if let Some(tail) = self.outputs().get_mut(run.id.as_str()) {
                    tail.push(line.clone());
                }
                ring(&self.output_bell);
                return;
            }
            Event::LoopTicked { .. }
            | Event::MetricsReported { .. }
            | Event::HistoryOperated { .. } => return,
            Event::RunStarted(start) => {
                let id = start.id.as_str().to_owned();
                self.outputs().insert(id, Tail::default());
            }
            Event::RunFinished(run) => self.finished(run),
            Event::CycleFinished(cycle) => {
                let mut look = self.locked();
                look.cycles.push_back(Arc::new(CycleMark::of(cycle)));
                if look.cycles.len() > CYCLES {
                    look.cycles.pop_front();
                }
            }
            Event::ConfigReloaded(reload) => self.reloaded(reload),
            Event::Started(_)
            | Event::StartPlanned { .. }
            | Event::PlanForgotten
            | Event::CycleStarted(_)
            | Event::AttemptFailed { .. }
            | Event::StraysEnded(_)
            | Event::Restored(_)
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::StartMissed(_)
            | Event::LoadRead(_)
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ShutdownStarted { .. }
            | Event::GroupChanged { .. }
            | Event::ShutdownForced { .. } => {}
        }
        ring(&self.bell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FailureReason, OutputLine, Stream, samples};

    fn name(name: &str) -> ProcessorName {
        ProcessorName::try_from(name.to_owned()).expect("a name")
    }

    #[test]
    fn a_days_rate_forgets_what_is_older_and_a_failure_ends_the_row_of_successes() {
        let recent = Recent::default();
        let mut lately = Lately::default();
        for (hour, outcome) in [
            (0, Outcome::Success),
            (20, Outcome::Failure(FailureReason::ExitCode(1))),
            (25, Outcome::Success),
        ] {
            lately.take(Arc::new(Mark {
                id: String::new(),
                started_at: samples::instant(),
                finished_at: samples::instant() + Duration::from_hours(hour),
                outcome,
                duration: Duration::from_secs(1),
            }));
        }
        let later = samples::instant() + Duration::from_hours(25);
        assert_eq!(lately.of_a_day(later), (2, 1));
        assert_eq!(lately.successes_in_a_row, 1);
        assert!(recent.of(&name("nada")).runs.is_empty());
    }

    #[test]
    fn no_more_runs_cycles_and_reloads_are_kept_than_are_shown() {
        let recent = Recent::default();
        for _ in 0..100 {
            for event in samples::cycle() {
                recent.observe(&event);
            }
            let problems = vec!["x".to_owned()];
            let reload = Reload {
                at: samples::instant(),
                result: ReloadResult::Rejected { problems },
            };
            recent.observe(&Event::ConfigReloaded(Arc::new(reload)));
        }
        let look = recent.look();
        let kept = (look.cycles.len(), look.reloads.len());
        assert_eq!(kept, (CYCLES, RELOADS));
        assert_eq!(recent.of(&name("bom")).runs.len(), RUNS);
        assert_eq!(recent.of(&name("bom")).successes_in_a_row, 100);
    }

    #[test]
    fn the_past_stands_before_what_came_meanwhile() {
        let recent = Recent::default();
        recent.observe(&Event::RunFinished(samples::run("bom", Outcome::Success)));
        let early = Mark {
            id: "antes".to_owned(),
            started_at: samples::instant() - Duration::from_mins(5),
            finished_at: samples::instant() - Duration::from_mins(4),
            outcome: Outcome::Timeout,
            duration: Duration::from_mins(1),
        };
        recent.seed(Past {
            runs: vec![(name("bom"), early)],
        });
        let lately = recent.of(&name("bom"));
        let outcomes: Vec<_> = lately.runs.iter().map(|mark| mark.outcome).collect();
        assert_eq!(outcomes, [Outcome::Timeout, Outcome::Success]);
        assert_eq!(
            (
                lately.of_a_day(samples::instant()),
                lately.successes_in_a_row
            ),
            ((2, 1), 1)
        );
    }

    #[test]
    fn the_lines_of_a_run_are_there_from_its_start_to_its_end() {
        let recent = Recent::default();
        let start = samples::run_start("bom");
        let line = OutputLine {
            at: samples::instant(),
            stream: Stream::Stdout,
            text: "uma".to_owned(),
        };
        let run = Arc::clone(&start);
        recent.observe(&Event::RunOutput {
            run,
            line: line.clone(),
        });
        assert!(recent.output(start.id.as_str(), 0).is_none(), "not begun");
        recent.observe(&Event::RunStarted(Arc::clone(&start)));
        let run = Arc::clone(&start);
        recent.observe(&Event::RunOutput { run, line });
        let lines = recent.output(start.id.as_str(), 0).expect("in flight");
        assert_eq!((lines.new.len(), lines.next), (1, 1));
        let mut ended = Run::clone(&samples::run("bom", Outcome::Success));
        ended.start = start;
        let id = ended.start.id.clone();
        recent.observe(&Event::RunFinished(Arc::new(ended)));
        assert!(recent.output(id.as_str(), 0).is_none());
    }
}
