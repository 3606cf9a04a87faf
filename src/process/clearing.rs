//! A run whose leader has ended: finds and ends whatever is left of it. Refuses to know sockets and requests.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::limits::RunGroups;
use super::orphans::{self, Mark, Process};
use super::protocol::End;
use super::reaping;
use crate::domain::Escaped;

/// How long the survivors of a run are hunted before it is reported all the same: a process may hang in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);
/// Looks in a row that must find nobody: one that is made while a chain of forks goes on can miss its only link.
const QUIET_LOOKS: u32 = 2;
/// Survivors that are reported by name; the others are only counted.
const MOST_NAMED: usize = 20;

/// A program that runs.
pub(super) struct Leader {
    pub(super) id: u64,
    /// Its mark; empty when a later attempt bears it.
    pub(super) run_id: String,
    pub(super) started: Duration,
    /// Whether its group was told to end, so that who is left in it is dying and has not escaped.
    pub(super) is_ending: bool,
    /// Whether no other run was alive at any time of its life, so that every orphan is its own.
    pub(super) is_alone: bool,
    /// The control groups that bound it.
    pub(super) groups: RunGroups,
}

/// Processes that were found outside of what had ended, each once.
#[derive(Default)]
pub(super) struct Survivors(BTreeMap<Pid, String>);

impl Survivors {
    /// Notes a process.
    pub(super) fn add(&mut self, process: &Process) {
        self.0
            .entry(process.pid)
            .or_insert_with(|| process.name.clone());
    }

    /// Whether none was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said about them.
    pub(super) fn report(&self) -> Escaped {
        let names = self
            .0
            .iter()
            .take(MOST_NAMED)
            .map(|(pid, name)| format!("{name} (pid {pid})"));
        Escaped {
            count: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
            names: names.collect(),
        }
    }
}

/// Whether a process is of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owned {
    Yes,
    No,
    /// It ended before one could tell.
    Perhaps,
}

/// A run whose leader was reaped and whose survivors are being ended.
pub(super) struct Clearing {
    pub(super) leader: Pid,
    pub(super) run: Leader,
    pub(super) ended: Duration,
    end: End,
    survivors: Survivors,
    /// Survivors at the last look.
    left: u32,
    /// Looks in a row that found nobody.
    quiet_looks: u32,
}

impl Clearing {
    /// Begins to clear the run of `leader`, which ended at `ended`.
    pub(super) fn new(leader: Pid, run: Leader, ended: Duration, end: End) -> Self {
        Self {
            leader,
            run,
            ended,
            end,
            survivors: Survivors::default(),
            left: 0,
            quiet_looks: 0,
        }
    }

    /// Whether a process is of this run: by group or session, by the mark in its environment, or because there was
    /// nobody else whose it could be.
    pub(super) fn owns(&self, process: &Process) -> Owned {
        if process.group == self.leader || process.session == self.leader {
            return Owned::Yes;
        }
        let is_adopted = process.parent == Pid::this();
        if is_adopted && self.run.is_alone {
            return Owned::Yes;
        }
        // One that is not adopted yet has a parent that is about to end; it is younger than its leader.
        if !is_adopted && process.pid <= self.leader {
            return Owned::No;
        }
        match orphans::mark(process) {
            Mark::Of(run) if !run.is_empty() && run == self.run.run_id.as_bytes() => Owned::Yes,
            // What a link of a chain of forks leaves behind is found by the next look.
            Mark::Unknown if is_adopted => Owned::Perhaps,
            Mark::Of(_) | Mark::Nobody | Mark::Unknown => Owned::No,
        }
    }

    /// Kills what belongs to this run; true while there was something to kill, or somebody who ended before one could
    /// tell whose he was.
    pub(super) fn kill_survivors(&mut self, found: &[Process]) -> bool {
        self.left = 0;
        let mut is_sure = true;
        for process in found {
            match self.owns(process) {
                Owned::No => continue,
                Owned::Perhaps => {
                    is_sure = false;
                    continue;
                }
                Owned::Yes => self.left += 1,
            }
            if !process.is_zombie {
                self.count(process);
                reaping::signal(process, Signal::SIGKILL);
            }
        }
        self.left > 0 || !is_sure
    }

    /// Notes the result of a look: whether somebody was there of whom it is not sure that he is not of this run. True
    /// when nobody was there often enough.
    pub(super) fn is_quiet(&mut self, is_somebody_there: bool) -> bool {
        self.quiet_looks = if is_somebody_there {
            0
        } else {
            self.quiet_looks + 1
        };
        self.quiet_looks >= QUIET_LOOKS
    }

    /// Counts a survivor, unless it is of a group that was told to end: that one is only slower than its leader.
    pub(super) fn count(&mut self, process: &Process) {
        if !(self.run.is_ending && process.group == self.leader) {
            self.survivors.add(process);
        }
    }

    /// Whether it has been tried for long enough.
    pub(super) fn is_hopeless(&self, now: Duration) -> bool {
        now.saturating_sub(self.ended) > PATIENCE
    }

    /// The end of the whole run.
    pub(super) fn into_end(self) -> End {
        let is_oom = self.run.groups.is_oom();
        End {
            is_oom,
            escaped: self.survivors.report(),
            left: self.left,
            ..self.end
        }
    }
}
