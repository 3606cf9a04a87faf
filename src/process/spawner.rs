//! The spawner process: starts programs, is the reaper of all their descendants, and outlives nobody.
//! Refuses to know timeouts and outcomes; it starts, signals, reaps and reports.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;

use super::clearing::{Clearing, Leader, Owned, Survivors};
use super::image::{BaseEnvironment, image};
use super::limits::{Enforcement, RunGroups};
use super::orphans::{self, Process, Scope};
use super::protocol::{self, End, Report, Request, Start, Step};
use super::reaping::{self, PERIOD, end_all_children, exited_child, has_children, monotonic};
use super::sys::{self, ChildStack};

/// Requests that are answered before it is looked who has ended.
const MOST_IN_A_ROW: u32 = 64;
/// Within this time of its leader's start, a run's processes have pids above the leader's.
const RECENT: Duration = Duration::from_secs(2);

pub(super) struct SpawnerProcess {
    socket: UnixStream,
    null: OwnedFd,
    children_signal: SignalFd,
    environment: BaseEnvironment,
    enforcement: Enforcement,
    /// Signals that children must not ignore with us.
    ignored: Vec<libc::c_int>,
    stack: ChildStack,
    running: HashMap<Pid, Leader>,
    clearing: Vec<Clearing>,
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
            enforcement,
            ignored: sys::ignored_signals(),
            stack: ChildStack::new(),
            running: HashMap::new(),
            clearing: Vec::new(),
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
        let timeout = if self.clearing.is_empty() {
            PollTimeout::NONE
        } else {
            PollTimeout::from(PERIOD)
        };
        let mut asked = self.wait(timeout)?;
        // Of many starts at one instant the last does not wait for the ends of the first.
        for _ in 0..MOST_IN_A_ROW {
            if !asked {
                break;
            }
            if !self.answer()? {
                return Ok(false);
            }
            asked = self.wait(PollTimeout::ZERO)?;
        }
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
        ];
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(watched.first().and_then(PollFd::any).unwrap_or(false))
    }

    fn answer(&mut self) -> io::Result<bool> {
        let Some((request, streams)) = self.receive()? else {
            return Ok(false);
        };
        match request {
            Request::Start(start) => self.start(*start, &streams)?,
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
            Ok((pid, groups)) => {
                let is_alone = self.running.is_empty() && self.clearing.is_empty();
                self.running
                    .values_mut()
                    .for_each(|other| other.is_alone = false);
                self.clearing
                    .iter_mut()
                    .for_each(|other| other.run.is_alone = false);
                let leader = Leader {
                    id: start.id,
                    run_id: start.run_id,
                    started,
                    is_ending: false,
                    is_alone,
                    groups,
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

    fn try_start(
        &mut self,
        start: &Start,
        streams: &[OwnedFd],
    ) -> Result<(Pid, RunGroups), (Step, i32)> {
        let [stdout, stderr] = streams else {
            return Err((Step::Output, libc::EBADF));
        };
        let errno = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let bounds = self.enforcement.prepare(start.id, &start.limits);
        let bounds = bounds.map_err(|error| (Step::Limits, errno(&error)))?;
        let streams = [
            self.null.as_raw_fd(),
            stdout.as_raw_fd(),
            stderr.as_raw_fd(),
        ];
        let image =
            image(start, &self.environment, &bounds, streams).ok_or((Step::Exec, libc::EINVAL))?;
        match sys::start(&image, &self.ignored, &mut self.stack) {
            Ok(pid) => Ok((pid, bounds.groups)),
            Err(failure) => {
                bounds.groups.remove();
                Err(failure)
            }
        }
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
        while let Some((pid, signal)) = exited_child() {
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
                elapsed_micros,
                ..sys::reap(pid)?
            };
            self.clearing.push(Clearing::new(pid, run, ended, end));
        }
        Ok(())
    }

    /// An orphan that our SIGKILL ended counts as its run's survivor, also when no look ever saw it alive.
    fn reap_orphan(&mut self, pid: Pid, signal: Option<Signal>) -> io::Result<()> {
        let process = orphans::read(pid).filter(|_| signal == Some(Signal::SIGKILL));
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
        let is_stray = |process: &&Process| {
            !process.is_zombie
                && process.parent == own
                && !self
                    .clearing
                    .iter()
                    .any(|run| run.owns(process) == Owned::Yes)
        };
        let strays: Vec<_> = found
            .iter()
            .filter(|_| self.running.is_empty())
            .filter(is_stray)
            .collect();
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
        let is_leader = |pid| self.running.contains_key(&pid);
        let mut found = orphans::find(scope, is_leader);
        if self.running.is_empty() && !found.iter().any(|process| process.parent == Pid::this()) {
            // Somebody is there, and is older than the runs that are being cleared.
            found = orphans::find(Scope::All, is_leader);
        }
        found
    }

    /// The orchestrator has gone: nothing that was started may be left.
    fn end_everything(self) {
        for leader in self.running.keys() {
            signal::killpg(*leader, Signal::SIGKILL).ok();
        }
        end_all_children();
        for clearing in self.clearing {
            clearing.into_end();
        }
        self.enforcement.remove();
    }
}
