//! Ends what an orchestrator that died left alive, should even its spawner have been killed.

use std::collections::HashSet;

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::orphans::{self, Mark, Process, Scope};
use super::reaping;
use crate::domain::RunId;

/// Looks for survivors, each [`PERIOD`] after the last.
const LOOKS: u32 = 100;
/// Milliseconds between two looks.
const PERIOD: u16 = 20;

/// Kills every process whose environment says that it is of one of these runs, again and again until there is none;
/// bounded, since a process may hang in the kernel. Others' processes are left alone.
pub fn end_leftovers(runs: &[RunId]) {
    let runs: HashSet<&[u8]> = runs.iter().map(|run| run.as_str().as_bytes()).collect();
    let is_left = |process: &Process| {
        let mark = orphans::mark(process);
        matches!(mark, Mark::Of(run) if runs.contains(run.as_slice()))
    };
    let own = Pid::this();
    for _ in 0..LOOKS {
        let found = orphans::find(Scope::All, |pid| pid == own);
        let left: Vec<_> = found.iter().filter(|process| is_left(process)).collect();
        if left.is_empty() {
            return;
        }
        for process in left {
            tracing::warn!(
                pid = process.pid.as_raw(),
                name = process.name,
                "ended what an earlier start had left alive"
            );
            reaping::signal(process, Signal::SIGKILL);
        }
        poll(&mut [], PollTimeout::from(PERIOD)).ok();
    }
}
