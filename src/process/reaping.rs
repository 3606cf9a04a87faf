//! Looks at, signals and reaps processes below this one. Refuses to know runs.

use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::orphans::{self, Process, Scope};
use super::sys;

/// Looks for children that do not die, in all, each [`PERIOD`] after the last.
const MOST_LOOKS: u32 = 1_000;
/// Milliseconds between two looks.
pub(super) const PERIOD: u16 = 2;

/// Signals exactly the process that was found: through a descriptor of it, after looking again when it began, since a
/// pid may have been given to somebody else meanwhile.
pub(super) fn signal(process: &Process, signal: Signal) {
    let Ok(handle) = sys::open_process(process.pid) else {
        return;
    };
    if orphans::read(process.pid).is_some_and(|now| now.start_time == process.start_time) {
        // It may have ended by itself, which is what was wanted.
        sys::signal_process(&handle, signal).ok();
    }
}

/// Kills every child of this process, and those that come to it when their parents die, until there is none. Bounded:
/// one that hangs in the kernel is left to whoever adopts it next.
pub(super) fn end_all_children() {
    let own = Pid::this();
    for _ in 0..MOST_LOOKS {
        while let Some((pid, _)) = exited_child() {
            sys::reap(pid).ok();
        }
        if !has_children() {
            return;
        }
        for process in orphans::find(Scope::All, |_| false)
            .iter()
            .filter(|process| process.parent == own)
        {
            // A child of ours keeps its pid until we reap it.
            nix::sys::signal::kill(process.pid, Signal::SIGKILL).ok();
        }
        poll(&mut [], PollTimeout::from(PERIOD)).ok();
    }
}

/// A child that has exited and was not reaped yet, with the number of the signal that ended it.
pub(super) fn exited_child() -> Option<(Pid, Option<i32>)> {
    sys::exited_child().ok().flatten()
}

/// Whether any child exists, living or dead.
pub(super) fn has_children() -> bool {
    sys::exited_child() != Err(Errno::ECHILD)
}

/// Time since an arbitrary point, on a clock that nobody sets.
pub(super) fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default()
}
