//! The spawner process: starts programs, is the reaper of all their descendants, and outlives nobody.
//! Refuses to know timeouts and outcomes; it starts, signals, reaps and reports.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::clearing::{Clearing, Leader, Owned, Survivors};
use super::image::BaseEnvironment;
use super::limits::Enforcement;
use super::orphans::{self, Process, Scope};
use super::protocol::{self, End, Report, Request, Start, Step};
use super::reaping::{self, PERIOD, end_all_children, exited_child, has_children, monotonic};
use super::starter::{Attempt, Made, Starters};
use super::sys;

/// Requests that are answered before it is looked who has ended.
const MOST_IN_A_ROW: u32 = 64;
/// Milliseconds between two looks at starts that hang.
const HANG_PERIOD: u16 = 100;
/// Within this time of its leader's start, a run's processes have pids above the leader's.
const RECENT: Duration = Duration::from_secs(2);

pub(super) struct SpawnerProcess {
    socket: UnixStream,
    null: OwnedFd,
    children_signal: SignalFd,
    environment: BaseEnvironment,
    enforcement: Enforcement,
    running: HashMap<Pid, Leader>,
    clearing: Vec<Clearing>,
    starters: Starters,
    /// What was ended since the last report and could have been of several runs.
    strays: Survivors,
}

impl SpawnerProcess {
    /// Makes this process a session leader, subreaper, and deaf to everything but SIGKILL and its socket.
    pub(super) fn new(socket: UnixStream, enforcement: Enforcement) -> io::Result<Self> {
        SigSet::all().thread_block()?;
        nix::unistd::setsid()?;
        nix::sys::prctl::set_child_subreaper(true)?;
        sys::set_process_name(c"orq-spawner");
        let null = OwnedFd::from(
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/null")?,
        );
        nix::unistd::dup2_stdin(&null)?;
        nix::unistd::dup2_stdout(&null)?;
        nix::unistd::dup2_stderr(&null)?;
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        let children_signal =
            SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self {
            socket,
            null,
            children_signal,
            environment: BaseEnvironment::inherited(),
            enforcement: enforcement.allow_descriptors(),
            running: HashMap::new(),
            clearing: Vec::new(),
            starters: Starters::new(sys::ignored_signals())?,
            strays: Survivors::default(),
        })
    }

    /// Serves until the socket closes; then ends everything that was started.
    pub(super) fn serve(mut self) {
        // An error here means that the orchestrator cannot be reached any more, which is the same as its end.
        while let Ok(true) = self.turn() {}
        self.end_everything();
    }

    /// Waits for something to do and does it. False when the orchestrator has gone.
    fn turn(&mut self) -> io::Result<bool> {
        let timeout = if !self.clearing.is_empty() {
            PollTimeout::from(PERIOD)
        } else if self.starters.is_behind() {
            PollTimeout::from(HANG_PERIOD)
        } else {
            PollTimeout::NONE
        };
        let mut asked = self.wait(timeout)?;
        // Of many starts at one instant the last does not wait for the ends of the first.
        for _ in 0..MOST_IN_A_ROW {
            self.hear_starters()?;
            if !asked {
                break;
            }
            let Some((request, streams)) = protocol::receive(&mut self.socket)? else {
                return Ok(false);
            };
            asked = self.wait(PollTimeout::ZERO)?;
            match request {
                Request::Start(start) => self.start(*start, streams)?,
                Request::Signal { id, signal } => {
                    // Who has ended by itself was not ended by a signal that comes after that.
                    self.reap_all()?;
                    self.signal(id, signal)?;
                }
            }
        }
        self.starters.go_on();
        // Ends that come together are one signal.
        self.children_signal.read_signal().ok();
        self.reap_all()?;
        self.sweep()?;
        Ok(true)
    }

    /// Waits for a request or for an end. Whether there is a request.
    fn wait(&self, timeout: PollTimeout) -> io::Result<bool> {
        let mut watched = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.children_signal.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.starters.bell(), PollFlags::POLLIN),
        ];
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(watched.first().and_then(PollFd::any).unwrap_or(false))
    }

    /// Has a program started.
    fn start(&mut self, start: Start, streams: Vec<OwnedFd>) -> io::Result<()> {
        let id = start.id;
        let parts = (&self.enforcement, &self.environment, &self.null);
        let is_alone = self.is_idle() && self.clearing.is_empty();
        self.running
            .values_mut()
            .chain(self.clearing.iter_mut().map(|other| &mut other.run))
            .for_each(|other| {
                other.is_alone = false;
                // An attempt that could not be ended does not take the next one's processes for its own.
                if other.run_id == start.run_id {
                    other.run_id.clear();
                }
            });
        self.starters.none_is_alone();
        let begun = Attempt::new(start, streams, parts).and_then(|attempt| {
            let begun = self.starters.begin(attempt, is_alone);
            begun.map_err(|error| (Step::Fork, error.raw_os_error().unwrap_or(libc::EAGAIN)))
        });
        match begun {
            Ok(()) => Ok(()),
            Err((step, errno)) => {
                let report = Report::Failed { id, step, errno };
                protocol::write(&report, &mut self.socket)
            }
        }
    }

    /// Takes what was started.
    fn hear_starters(&mut self) -> io::Result<()> {
        self.starters.silence();
        while let Some(made) = self.starters.made() {
            self.made(made)?;
        }
        Ok(())
    }

    /// Takes a started program among the running ones, and tells how its start went.
    fn made(&mut self, made: Made) -> io::Result<()> {
        let Made {
            attempt, standing, ..
        } = made;
        let id = attempt.id;
        let report = match made.result {
            Ok(pid) => {
                let run_id = Some(attempt.run_id).filter(|_| !standing.is_given_up);
                let leader = Leader {
                    id,
                    run_id: run_id.unwrap_or_default(),
                    started: made.started,
                    is_ending: false,
                    is_alone: standing.is_alone,
                    groups: attempt.groups,
                };
                self.running.insert(pid, leader);
                Report::Started {
                    id,
                    pid: pid.as_raw(),
                }
            }
            Err(failure) => {
                // It ended by itself before it was anybody's run.
                if let Some(child) = failure.child {
                    nix::sys::wait::waitpid(child, None).ok();
                }
                let (step, errno) = (failure.step, failure.errno);
                Report::Failed { id, step, errno }
            }
        };
        protocol::write(&report, &mut self.socket)?;
        if standing.is_given_up {
            self.signal(id, libc::SIGKILL)?;
        }
        Ok(())
    }

    /// Whether no run is in flight, nor about to be.
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.starters.is_idle()
    }

    /// Signals a run's group. The leader is not reaped yet while it is in `running`, so its id is still its own. A run that
    /// has not begun is given up: no other signal comes before it is known to have.
    fn signal(&mut self, id: u64, signal: i32) -> io::Result<()> {
        let found = self.running.iter_mut().find(|(_, leader)| leader.id == id);
        if let (Some((&leader, run)), Ok(signal)) = (found, Signal::try_from(signal)) {
            run.is_ending = true;
            // A group that is gone already is what was wanted.
            signal::killpg(leader, signal).ok();
            // A stopped process acts on SIGTERM only when it goes on.
            signal::killpg(leader, Signal::SIGCONT).ok();
        } else if self.starters.give_up(id) {
            let (step, errno) = (Step::Fork, libc::ETIMEDOUT);
            return protocol::write(&Report::Failed { id, step, errno }, &mut self.socket);
        }
        Ok(())
    }

    /// Reaps every process that has exited: leaders, whose group is killed first, and adopted orphans.
    fn reap_all(&mut self) -> io::Result<()> {
        while let Some((pid, signal)) = exited_child() {
            if self.starters.is_starting(pid) {
                // It has ended already, so its start has, too, or is about to.
                let bell = PollFd::new(self.starters.bell(), PollFlags::POLLIN);
                poll(&mut [bell], PollTimeout::NONE).ok();
                self.hear_starters()?;
                continue;
            }
            let Some(run) = self.running.remove(&pid) else {
                self.reap_orphan(pid, signal)?;
                continue;
            };
            // The zombie still holds the group's id, so this cannot reach strangers.
            signal::killpg(pid, Signal::SIGKILL).ok();
            let ended = monotonic();
            let elapsed_micros =
                u64::try_from(ended.saturating_sub(run.started).as_micros()).unwrap_or(u64::MAX);
            let end = End {
                was_signalled: run.is_ending,
                elapsed_micros,
                ..sys::reap(pid)?
            };
            self.clearing.push(Clearing::new(pid, run, ended, end));
        }
        Ok(())
    }

    /// An orphan that our SIGKILL ended counts as its run's survivor, also when no look ever saw it alive.
    fn reap_orphan(&mut self, pid: Pid, signal: Option<i32>) -> io::Result<()> {
        let process = orphans::read(pid).filter(|_| signal == Some(libc::SIGKILL));
        sys::reap(pid)?;
        if let Some(process) = process
            && let Some(owner) = self
                .clearing
                .iter_mut()
                .find(|clearing| clearing.owns(&process) == Owned::Yes)
        {
            owner.count(&process);
        }
        Ok(())
    }

    /// Ends what is left of the runs that are being cleared, and reports those of which nothing is left.
    fn sweep(&mut self) -> io::Result<()> {
        self.look()?;
        // Most runs leave nobody, and the second look says so at once.
        self.reap_all()?;
        self.look()
    }

    fn look(&mut self) -> io::Result<()> {
        if self.clearing.is_empty() {
            return Ok(());
        }
        let is_certain = self.running.is_empty() && !has_children();
        let found = if is_certain {
            Vec::new()
        } else {
            self.find_orphans()
        };
        let has_strays = self.end_strays(&found);
        let now = monotonic();
        let mut index = 0;
        while let Some(clearing) = self.clearing.get_mut(index) {
            let is_alive = clearing.kill_survivors(&found) || has_strays;
            let is_over = is_certain || clearing.is_quiet(is_alive) || clearing.is_hopeless(now);
            if !is_over {
                index += 1;
                continue;
            }
            let done = self.clearing.swap_remove(index);
            self.report_strays()?;
            let report = Report::Ended {
                id: done.run.id,
                end: done.into_end(),
            };
            protocol::write(&report, &mut self.socket)?;
        }
        Ok(())
    }

    /// Once no run is in flight, nobody may be left below us, whosever it was. True while there is somebody.
    fn end_strays(&mut self, found: &[Process]) -> bool {
        let own = Pid::this();
        let is_idle = self.is_idle();
        let is_stray = |process: &&Process| {
            is_idle
                && !process.is_zombie
                && process.parent == own
                && !self
                    .clearing
                    .iter()
                    .any(|run| run.owns(process) == Owned::Yes)
        };
        let strays: Vec<_> = found.iter().filter(is_stray).collect();
        for stray in &strays {
            self.strays.add(stray);
            reaping::signal(stray, Signal::SIGKILL);
        }
        !strays.is_empty()
    }

    /// Says what was ended without a run of its own.
    fn report_strays(&mut self) -> io::Result<()> {
        if !self.strays.is_empty() {
            let strays = std::mem::take(&mut self.strays);
            protocol::write(&Report::Strays(strays.report()), &mut self.socket)?;
        }
        Ok(())
    }

    /// Processes that may belong to a run that is being cleared.
    fn find_orphans(&self) -> Vec<Process> {
        let now = monotonic();
        let is_recent = self
            .clearing
            .iter()
            .all(|clearing| now.saturating_sub(clearing.run.started) < RECENT);
        let oldest = self.clearing.iter().map(|clearing| clearing.leader).min();
        let scope = oldest
            .filter(|_| is_recent)
            .map_or(Scope::All, Scope::Above);
        let is_leader = |pid| self.running.contains_key(&pid) || self.starters.is_starting(pid);
        let mut found = orphans::find(scope, is_leader);
        if self.is_idle() && !found.iter().any(|process| process.parent == Pid::this()) {
            // Somebody is there, and is older than the runs that are being cleared.
            found = orphans::find(Scope::All, is_leader);
        }
        found
    }

    /// The orchestrator has gone: nothing that was started may be left.
    fn end_everything(&mut self) {
        for leader in self.running.keys() {
            signal::killpg(*leader, Signal::SIGKILL).ok();
        }
        // What they have started by then is a child as any other.
        self.starters.end();
        end_all_children();
        // With them go their control groups, which are empty now.
        self.running.clear();
        self.clearing.clear();
        while self.starters.made().is_some() {}
        self.enforcement.remove();
    }
}
