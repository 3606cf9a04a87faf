//! What each fact changes. Knows every fact by name, so that a new one is a compile error here.

use super::{Metrics, locked};
use crate::domain::{Event, Observer, Schedule};
use crate::telemetry::log;

impl Observer for Metrics {
    fn observe(&self, event: &Event) {
        if let Some(level) = log::level(event) {
            locked(&self.state).itself.log.count(level);
        }
        match event {
            Event::LoopTicked { at } => locked(&self.state).tick = Some(*at),
            Event::StartPlanned { processor, at, .. } => self.planned(processor.as_ref(), *at),
            Event::StartMissed(missed) => self.missed(missed),
            Event::ClockJumped { .. } => locked(&self.state).schedules.jumped(),
            Event::Paused { .. } => locked(&self.state).schedules.paused(true),
            Event::Resumed { .. } => locked(&self.state).schedules.paused(false),
            Event::ConfigReloaded(reload) => self.reloaded(reload),
            Event::CycleStarted(start) => {
                let mut state = locked(&self.state);
                state.cycles.started(start);
                // An interval has no next start while its cycle runs, whatever started it; a pattern always has one.
                if start.schedule == Schedule::Main && state.schedules.counts_from_end() {
                    state.main_planned(None);
                }
            }
            Event::RunStarted(start) => {
                let mut state = locked(&self.state);
                state.cycles.left_queue();
                state.processors.started(start);
            }
            Event::RunFinished(run) => self.run_finished(run),
            Event::StraysEnded(escaped) => {
                locked(&self.state).processors.strays += u64::from(escaped.count);
            }
            Event::LoadRead(load) => locked(&self.state).processors.load_read(load),
            Event::CycleFinished(cycle) => self.cycle_finished(cycle),
            Event::PlanForgotten | Event::ShutdownStarted { .. } => {
                let mut state = locked(&self.state);
                state.cycles.next_start = None;
                state.processors.nothing_planned();
            }
            Event::Restored(restored) => self.restored(restored),
            Event::HistoryOperated {
                operation,
                duration,
                is_ok,
            } => {
                let mut state = locked(&self.state);
                state.itself.operated(*operation, *duration, *is_ok);
            }
            Event::MetricsReported { run, at, report } => self.reported(run, *at, report),
            Event::Started(_)
            | Event::AttemptFailed { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::RunOutput { .. }
            | Event::GroupChanged { .. }
            | Event::ShutdownForced { .. } => {}
        }
    }
}
