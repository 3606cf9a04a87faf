//! What is counted of the plan itself: pauses, clock jumps, starts that never came, reloads.

use std::time::Duration;

use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use super::super::names;
use super::filling::{Filling, number, single, single_time};
use crate::domain::{MissReason, Missed, Reload, ReloadResult, Schedule, ScheduleSpec};

/// Planned starts that never ran, in the order of [`MissReason::ALL`].
pub(super) type MissedCounts = [u64; MissReason::ALL.len()];

pub(super) fn add_missed(counts: &mut MissedCounts, missed: &Missed) {
    let place = MissReason::ALL
        .iter()
        .position(|reason| *reason == missed.reason);
    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
        *count += missed.count;
    }
}

#[derive(Default)]
pub(super) struct Schedules {
    is_paused: bool,
    jumps: u64,
    main_missed: MissedCounts,
    own_missed: MissedCounts,
    /// What makes main cycles due.
    pub(super) main: Option<ScheduleSpec>,
    /// Shortest time between two main cycles; none under an interval.
    pub(super) period: Option<Duration>,
    reloads_applied: u64,
    reloads_rejected: u64,
    is_rejected: bool,
    /// When the settings that hold were read.
    pub(super) loaded_at: Option<Timestamp>,
}

impl Schedules {
    /// Whether main cycles are due some time after the end of the one before.
    pub(super) fn counts_from_end(&self) -> bool {
        let main = self.main.as_ref();
        main.is_some_and(|main| main.interval().is_some())
    }

    pub(super) fn paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(super) fn jumped(&mut self) {
        self.jumps += 1;
    }

    pub(super) fn missed(&mut self, missed: &Missed) {
        let counts = if missed.processor.is_some() {
            &mut self.own_missed
        } else {
            &mut self.main_missed
        };
        add_missed(counts, missed);
    }

    pub(super) fn reloaded(&mut self, reload: &Reload) {
        match &reload.result {
            ReloadResult::Applied { period, .. } => {
                self.reloads_applied += 1;
                self.is_rejected = false;
                self.loaded_at = Some(reload.at);
                self.period = *period;
            }
            ReloadResult::Rejected { .. } => {
                self.reloads_rejected += 1;
                self.is_rejected = true;
            }
        }
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let mut missed = Filling::new(&names::CYCLES_MISSED);
        for (schedule, counts) in [
            (Schedule::Main, self.main_missed),
            (Schedule::Own, self.own_missed),
        ] {
            for (reason, count) in MissReason::ALL.iter().zip(counts) {
                missed.count(&[reason.label(), schedule.label()], count);
            }
        }
        let mut jumps = Filling::new(&names::CLOCK_JUMPS);
        jumps.count(&[], self.jumps);
        let mut reloads = Filling::new(&names::CONFIG_RELOADS);
        reloads.count(&["applied"], self.reloads_applied);
        reloads.count(&["rejected"], self.reloads_rejected);
        let period = self.period.unwrap_or_default().as_secs_f64();
        vec![
            missed.into_family(),
            jumps.into_family(),
            reloads.into_family(),
            single(&names::PAUSED, number(u64::from(self.is_paused))),
            single(&names::CYCLE_PERIOD, period),
            single(
                &names::CONFIG_SUCCESSFUL,
                number(u64::from(!self.is_rejected)),
            ),
            single_time(&names::CONFIG_SUCCESS_TIME, self.loaded_at),
        ]
    }
}
