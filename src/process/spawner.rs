//! The spawner process: starts programs, is the reaper of all their descendants, and outlives nobody.
//! Refuses to know timeouts and outcomes; it starts, signals, reaps and reports.

use std::collections::{HashMap, HashSet};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::image::{BaseEnvironment, image};
use super::orphans::{self, Process, Scope};
use super::protocol::{self, End, Report, Request, Start, Step};
use super::sys;

/// How often a run that is being cleared of survivors is looked at again, milliseconds.
const SWEEP_PERIOD: u16 = 2;
/// Looks at one run's survivors before it is reported all the same: a process may hang in the kernel.
const MAX_SWEEPS: u32 = 1_000;
/// Within this time of its leader's start, a run's processes have pids above the leader's.
const RECENT: Duration = Duration::from_secs(2);

/// A program that runs.
struct Leader {
    id: u64,
    run_id: String,
    started: Duration,
    /// Whether its group was told to end, so that who is left in it is dying and has not escaped.
    is_ending: bool,
}

/// A run whose leader was reaped and whose survivors are being ended.
struct Clearing {
    leader: Pid,
    run: Leader,
    end: End,
    survivors: HashSet<Pid>,
    sweeps: u32,
}

pub(super) struct SpawnerProcess {
    socket: UnixStream,
    null: OwnedFd,
    children_signal: SignalFd,
    environment: BaseEnvironment,
    running: HashMap<Pid, Leader>,
    clearing: Vec<Clearing>,
}

impl SpawnerProcess {
    /// Makes this process a session leader, subreaper, and deaf to everything but SIGKILL and its socket.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
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
            running: HashMap::new(),
            clearing: Vec::new(),
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
        let timeout = if self.clearing.is_empty() {
            PollTimeout::NONE
        } else {
            PollTimeout::from(SWEEP_PERIOD)
        };
        let asked = {
            let mut watched = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.children_signal.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut watched, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            watched.first().and_then(PollFd::any).unwrap_or(false)
        };
        while let Ok(Some(_)) = self.children_signal.read_signal() {}
        self.reap_all()?;
        self.sweep()?;
        if asked { self.answer() } else { Ok(true) }
    }

    fn answer(&mut self) -> io::Result<bool> {
        let Some((request, streams)) = self.receive()? else {
            return Ok(false);
        };
        match request {
            Request::Start(start) => self.start(start, &streams)?,
            Request::Signal { id, signal } => self.signal(id, signal),
        }
        Ok(true)
    }

    /// Reads one request with the descriptors beside it; `None` at the end of the conversation.
    fn receive(&mut self) -> io::Result<Option<(Request, Vec<OwnedFd>)>> {
        let mut header = [0_u8; 4];
        let mut control = nix::cmsg_space!([RawFd; 2]);
        let mut buffers = [IoSliceMut::new(&mut header)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
        let message = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut buffers,
            Some(&mut control),
            flags,
        )?;
        if message.bytes < 4 {
            return Ok(None);
        }
        let mut streams = Vec::new();
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                streams.extend(descriptors.into_iter().map(sys::own));
            }
        }
        Ok(Some((
            protocol::read_body(header, &mut self.socket)?,
            streams,
        )))
    }

    fn start(&mut self, start: Start, streams: &[OwnedFd]) -> io::Result<()> {
        let started = monotonic();
        let report = match self.try_start(&start, streams) {
            Ok(pid) => {
                let leader = Leader {
                    id: start.id,
                    run_id: start.run_id,
                    started,
                    is_ending: false,
                };
                self.running.insert(pid, leader);
                Report::Started {
                    id: start.id,
                    pid: pid.as_raw(),
                }
            }
            Err((step, errno)) => Report::Failed {
                id: start.id,
                step,
                errno,
            },
        };
        protocol::write(&report, &mut self.socket)
    }

    fn try_start(&self, start: &Start, streams: &[OwnedFd]) -> Result<Pid, (Step, i32)> {
        let [stdout, stderr] = streams else {
            return Err((Step::Output, libc::EBADF));
        };
        let descriptors = [
            self.null.as_raw_fd(),
            stdout.as_raw_fd(),
            stderr.as_raw_fd(),
        ];
        let image =
            image(start, &self.environment, descriptors).ok_or((Step::Exec, libc::EINVAL))?;
        sys::start(&image)
    }

    /// Signals a run's group. The leader is not reaped yet while it is in `running`, so its id is still its own.
    fn signal(&mut self, id: u64, signal: i32) {
        let found = self.running.iter_mut().find(|(_, leader)| leader.id == id);
        if let (Some((&leader, run)), Ok(signal)) = (found, Signal::try_from(signal)) {
            run.is_ending = true;
            // A group that is gone already is what was wanted.
            signal::killpg(leader, signal).ok();
            // A stopped process acts on SIGTERM only when it goes on.
            signal::killpg(leader, Signal::SIGCONT).ok();
        }
    }

    /// Reaps every process that has exited: leaders, whose group is killed first, and adopted orphans.
    fn reap_all(&mut self) -> io::Result<()> {
        while let Some(pid) = exited_child() {
            let Some(run) = self.running.remove(&pid) else {
                self.reap_orphan(pid)?;
                continue;
            };
            // The zombie still holds the group's id, so this cannot reach strangers.
            signal::killpg(pid, Signal::SIGKILL).ok();
            let elapsed = monotonic().saturating_sub(run.started).as_micros();
            let elapsed_micros = u64::try_from(elapsed).unwrap_or(u64::MAX);
            let end = End {
                elapsed_micros,
                ..sys::reap(pid)?
            };
            self.clearing.push(Clearing {
                leader: pid,
                run,
                end,
                survivors: HashSet::new(),
                sweeps: 0,
            });
        }
        Ok(())
    }

    /// An orphan that our SIGKILL ended counts as its run's survivor, also when no scan ever saw it alive.
    fn reap_orphan(&mut self, pid: Pid) -> io::Result<()> {
        let process = orphans::read(pid);
        let end = sys::reap(pid)?;
        if let (Some(process), Some(libc::SIGKILL)) = (process, end.signal) {
            for clearing in &mut self.clearing {
                if clearing.owns_by_group(&process) {
                    clearing.count(&process);
                }
            }
        }
        Ok(())
    }

    /// Ends what is left of the runs that are being cleared, and reports those of which nothing is left.
    fn sweep(&mut self) -> io::Result<()> {
        if self.clearing.is_empty() {
            return Ok(());
        }
        let found = if self.running.is_empty() && !has_children() {
            Vec::new()
        } else {
            self.find_orphans()
        };
        // With no leader left, whatever is still below us belongs to a run that is being cleared.
        let claims_all = self.running.is_empty();
        let mut index = 0;
        while let Some(clearing) = self.clearing.get_mut(index) {
            clearing.sweeps += 1;
            if clearing.kill_survivors(&found, claims_all) && clearing.sweeps < MAX_SWEEPS {
                index += 1;
                continue;
            }
            let done = self.clearing.swap_remove(index);
            let escaped = u32::try_from(done.survivors.len()).unwrap_or(u32::MAX);
            let report = Report::Ended {
                id: done.run.id,
                end: End {
                    escaped,
                    ..done.end
                },
            };
            protocol::write(&report, &mut self.socket)?;
        }
        Ok(())
    }

    /// Processes that may belong to a run that is being cleared.
    fn find_orphans(&self) -> Vec<Process> {
        let now = monotonic();
        let recent = self
            .clearing
            .iter()
            .all(|clearing| now.saturating_sub(clearing.run.started) < RECENT);
        let oldest = self.clearing.iter().map(|clearing| clearing.leader).min();
        let scope = oldest.filter(|_| recent).map_or(Scope::All, Scope::Above);
        let mut found = orphans::find(scope);
        found.retain(|process| !self.running.contains_key(&process.pid));
        found
    }

    /// The orchestrator has gone: nothing that was started may be left.
    fn end_everything(&self) {
        for leader in self.running.keys() {
            signal::killpg(*leader, Signal::SIGKILL).ok();
        }
        end_all_children();
    }
}

/// Kills every child of this process, and those that come to it when their parents die, until there is none. Bounded:
/// one that hangs in the kernel is left to whoever adopts it next.
pub(super) fn end_all_children() {
    let own = Pid::this();
    for _ in 0..MAX_SWEEPS {
        while let Some(pid) = exited_child() {
            sys::reap(pid).ok();
        }
        if !has_children() {
            return;
        }
        for process in orphans::find(Scope::All)
            .iter()
            .filter(|process| process.parent == own)
        {
            signal::kill(process.pid, Signal::SIGKILL).ok();
        }
        poll(&mut [], PollTimeout::from(SWEEP_PERIOD)).ok();
    }
}

impl Clearing {
    /// Kills what belongs to this run; true while there was something to kill.
    fn kill_survivors(&mut self, found: &[Process], claims_all: bool) -> bool {
        let own = Pid::this();
        let mut alive = false;
        for process in found {
            let adopted = process.parent == own
                && (claims_all
                    || orphans::run_id(process.pid).as_deref() == Some(self.run.run_id.as_bytes()));
            if !adopted && !self.owns_by_group(process) {
                continue;
            }
            alive = true;
            if process.is_zombie {
                continue;
            }
            self.count(process);
            // Its pid is its own: an adopted process is not reaped by anybody but us, and one of the group that is
            // not adopted has a living parent of the same run.
            signal::kill(process.pid, Signal::SIGKILL).ok();
        }
        alive
    }

    /// Counts a survivor once.
    fn count(&mut self, process: &Process) {
        if !(self.run.is_ending && process.group == self.leader) {
            self.survivors.insert(process.pid);
        }
    }

    fn owns_by_group(&self, process: &Process) -> bool {
        process.group == self.leader || process.session == self.leader
    }
}

/// A child that has exited and was not reaped yet.
pub(super) fn exited_child() -> Option<Pid> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, flags) {
        Ok(WaitStatus::StillAlive) | Err(_) => None,
        Ok(status) => status.pid(),
    }
}

/// Whether any child exists, living or dead.
fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) != Err(Errno::ECHILD)
}

/// Time since an arbitrary point, on a clock that nobody sets.
fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default()
}
