//! One process from its start to its end: time limit, stop ladder, output. Refuses to know outcomes and retries.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::capture::Captured;
use super::command::{Command, StartError, request, start_error, too_late};
use super::ladder::{KILL_PATIENCE, Ladder};
use super::link::{Spawner, Ticket};
use super::protocol::{End, Report, Start};
use crate::domain::{Clock, Escaped, Stream, Usage};

/// How long output is read after the process and all of its run are gone: an unknown holder of the pipe may remain.
const DRAIN: Duration = Duration::from_millis(500);
/// How long the spawner may take to start a program: a file system may hang.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long a start may still take after a stop: nearly all take less than a hundredth of it.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// Bytes read at once: little at first, since most programs say little, more when a read fills it.
const CHUNK: std::ops::RangeInclusive<usize> = 2048..=64 * 1024;

/// How long a process may take and how much of its output is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time before SIGTERM.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Bytes kept at either end of each stream.
    pub output: usize,
}

/// How a run is asked to stop early.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// SIGTERM now, SIGKILL after the grace period.
    pub requested: CancellationToken,
    /// SIGKILL now.
    pub forced: CancellationToken,
}

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, which was not ours.
    Signaled(i32),
    /// Its time was over and we ended it.
    TimedOut,
    /// We were asked to stop and ended it.
    Stopped,
    /// The spawner ended before it said how.
    Lost,
}

/// A process that has ended, and of whose run nothing is left.
#[derive(Debug)]
pub struct Finished {
    /// Why it ended.
    pub ending: Ending,
    /// Exit code, or 128+n for signal n.
    pub exit_code: Option<i32>,
    /// What it used.
    pub usage: Usage,
    /// Start to end.
    pub duration: Duration,
    /// Whether the kernel killed something of it for want of memory, as far as it tells.
    pub is_oom: bool,
    /// Descendants that outlived it and were killed.
    pub escaped: Escaped,
    /// Processes of the run that could not be ended.
    pub left: u32,
    /// Whether SIGKILL was needed after SIGTERM.
    pub escalated: bool,
    /// From our first signal to the moment when nothing of it was left; none when it ended by itself.
    pub stop_duration: Option<Duration>,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

/// A started process.
pub struct Child {
    ticket: Ticket,
    /// Its process id, which is also that of its group and session.
    pub pid: i32,
    started: Instant,
    stdout: Receiver,
    stderr: Receiver,
}

/// What a start needs, ready to be handed over.
pub struct Prepared {
    request: Start,
    /// Our ends of its output, standard output first, and the child's.
    ours: [OwnedFd; 2],
    theirs: [OwnedFd; 2],
}

impl Prepared {
    /// Makes everything that `command` needs and that starts nothing.
    pub fn new(command: &Command) -> io::Result<Self> {
        let (stdout, stdout_of_child) = pipe()?;
        let (stderr, stderr_of_child) = pipe()?;
        Ok(Self {
            request: request(command),
            ours: [stdout, stderr],
            theirs: [stdout_of_child, stderr_of_child],
        })
    }

    /// Starts `command`, which this was made for, and returns once the program is being executed.
    pub async fn start(
        self,
        spawner: &Spawner,
        command: &Command,
        stop: &Stop,
    ) -> Result<Child, StartError> {
        let mut ticket = spawner.start(self.request, self.theirs).await?;
        let asked = async {
            stop.requested.cancelled().await;
            sleep(STOP_PATIENCE).await;
        };
        let stopped = async {
            tokio::select! {
                () = stop.forced.cancelled() => {}
                () = asked => {}
            }
        };
        let report = tokio::select! {
            biased;
            report = ticket.reports.recv() => report,
            () = sleep(START_PATIENCE) => {
                if ticket.give_up(KILL_PATIENCE).await {
                    return Err(too_late(command, START_PATIENCE));
                }
                let (start, end) = (START_PATIENCE.as_secs(), KILL_PATIENCE.as_secs());
                let late =
                    format!("o programa não foi iniciado em {start} s nem encerrado em mais {end} s");
                return Err(io::Error::new(io::ErrorKind::TimedOut, late).into());
            }
            () = stopped => {
                ticket.give_up(KILL_PATIENCE).await;
                return Err(StartError::Stopped);
            }
        };
        match report {
            Some(Report::Started { pid, .. }) => {
                // Only now, as nobody is woken for what has just begun, and others may wait for their start.
                let [stdout, stderr] = self.ours.map(Receiver::from_owned_fd_unchecked);
                let (stdout, stderr) = match stdout.and_then(|stdout| Ok((stdout, stderr?))) {
                    Ok(both) => both,
                    Err(error) => {
                        ticket.give_up(KILL_PATIENCE).await;
                        return Err(error.into());
                    }
                };
                Ok(Child {
                    ticket,
                    pid,
                    started: Instant::now(),
                    stdout,
                    stderr,
                })
            }
            Some(Report::Failed { step, errno, .. }) => Err(start_error(command, step, errno)),
            Some(Report::Ended { .. } | Report::Strays(_)) | None => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, "the spawner has ended").into())
            }
        }
    }
}

impl Child {
    /// Waits for the end, ending it when its time is over or `stop` asks for it.
    ///
    /// Returns only after the process was reaped and nothing of its run is left. `on_output` sees each chunk as it
    /// is read, and none before `told` has ended. Dropping the future leaves the process to the spawner, which kills it
    /// when the orchestrator ends.
    pub async fn wait(
        mut self,
        limits: &Limits,
        stop: &Stop,
        clock: &Clock,
        (told, mut on_output): (impl Future<Output = ()>, impl FnMut(Stream, &[u8])),
    ) -> Finished {
        let mut told = pin!(told);
        let mut is_told = false;
        let mut output = Output::new(limits.output);
        let mut ladder = Ladder::new(self.started + limits.timeout, limits.grace);
        let end = loop {
            tokio::select! {
                biased;
                () = &mut told, if !is_told => is_told = true,
                report = self.ticket.reports.recv() => break end_of(report.as_ref()),
                () = stop.forced.cancelled(), if !ladder.killed => ladder.kill(&self.ticket, Ending::Stopped).await,
                () = stop.requested.cancelled(), if ladder.ending.is_none() => {
                    ladder.terminate(&self.ticket, Ending::Stopped).await;
                }
                () = sleep_until(ladder.deadline) => {
                    if !ladder.climb(&self.ticket).await { break None; }
                }
                ready = self.stdout.readable(), if is_told && output.stdout_open => {
                    output.stdout_open = ready.is_ok() && output.read(&self.stdout, Stream::Stdout, clock, &mut on_output);
                }
                ready = self.stderr.readable(), if is_told && output.stderr_open => {
                    output.stderr_open = ready.is_ok() && output.read(&self.stderr, Stream::Stderr, clock, &mut on_output);
                }
            }
        };
        let elapsed = end
            .as_ref()
            .map(|end| Duration::from_micros(end.elapsed_micros));
        let duration = elapsed.unwrap_or_else(|| self.started.elapsed());
        let was_signalled = end.as_ref().is_some_and(|end| end.was_signalled);
        let stop_duration = ladder.asked.filter(|_| was_signalled);
        let stop_duration = stop_duration.map(|asked| asked.elapsed());
        if !is_told {
            told.await;
        }
        self.drain(&mut output, clock, &mut on_output).await;
        Finished {
            stop_duration,
            ..finished(end, &ladder, duration, output)
        }
    }

    /// Reads what is left in the pipes, until both are closed or [`DRAIN`] is over: an end of file may never come.
    async fn drain(
        &self,
        output: &mut Output,
        clock: &Clock,
        on_output: &mut impl FnMut(Stream, &[u8]),
    ) {
        let deadline = Instant::now() + DRAIN;
        while output.stdout_open || output.stderr_open {
            tokio::select! {
                biased;
                ready = self.stdout.readable(), if output.stdout_open => {
                    output.stdout_open = ready.is_ok() && output.read(&self.stdout, Stream::Stdout, clock, on_output);
                }
                ready = self.stderr.readable(), if output.stderr_open => {
                    output.stderr_open = ready.is_ok() && output.read(&self.stderr, Stream::Stderr, clock, on_output);
                }
                () = sleep_until(deadline) => break,
            }
            if Instant::now() >= deadline {
                break;
            }
        }
    }
}

/// What both streams have given so far.
struct Output {
    stdout: Captured,
    stderr: Captured,
    stdout_open: bool,
    stderr_open: bool,
    buffer: Vec<u8>,
}

impl Output {
    fn new(limit: usize) -> Self {
        Self {
            stdout: Captured::new(Stream::Stdout, limit),
            stderr: Captured::new(Stream::Stderr, limit),
            stdout_open: true,
            stderr_open: true,
            buffer: vec![0; *CHUNK.start()],
        }
    }

    /// Takes one chunk; false at the end of the stream.
    fn read(
        &mut self,
        pipe: &Receiver,
        stream: Stream,
        clock: &Clock,
        on_output: &mut impl FnMut(Stream, &[u8]),
    ) -> bool {
        match pipe.try_read(&mut self.buffer) {
            Ok(0) => false,
            Ok(count) => {
                let chunk = self.buffer.get(..count).unwrap_or_default();
                let captured = match stream {
                    Stream::Stdout => &mut self.stdout,
                    Stream::Stderr => &mut self.stderr,
                };
                captured.push(chunk, clock.now());
                on_output(stream, chunk);
                if count == self.buffer.len() && count < *CHUNK.end() {
                    self.buffer.resize(*CHUNK.end(), 0);
                }
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

fn end_of(report: Option<&Report>) -> Option<End> {
    match report {
        Some(Report::Ended { end, .. }) => Some(end.clone()),
        Some(Report::Started { .. } | Report::Failed { .. } | Report::Strays(_)) | None => None,
    }
}

fn finished(end: Option<End>, ladder: &Ladder, duration: Duration, output: Output) -> Finished {
    let ending = end
        .as_ref()
        .map_or(Ending::Lost, |end| ending_of(end, ladder));
    // The report of a leader that ended in time may come late, when others are being cleared beside it.
    let needed_kill = |end: &End| end.was_signalled && end.signal == Some(libc::SIGKILL);
    let escalated = ladder.escalated && end.as_ref().is_none_or(needed_kill);
    let end = end.unwrap_or_default();
    Finished {
        ending,
        exit_code: end.code.or(end.signal.map(|signal| 128 + signal)),
        usage: Usage {
            cpu_user: Duration::from_micros(end.user_micros),
            cpu_system: Duration::from_micros(end.system_micros),
            max_rss_bytes: end.max_rss_kib * 1024,
        },
        duration,
        is_oom: end.is_oom,
        escaped: end.escaped,
        left: end.left,
        escalated,
        stop_duration: None,
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

/// What ended by itself did so, though we may have asked for its end before we heard of it.
fn ending_of(end: &End, ladder: &Ladder) -> Ending {
    match (ladder.ending, end.signal) {
        (Some(ending), _) if end.was_signalled => ending,
        (_, Some(signal)) => Ending::Signaled(signal),
        (_, None) => Ending::Exited(end.code.unwrap_or_default()),
    }
}

/// A pipe of which we read one end and the child gets the other.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    // Our end alone: a child does not expect its output to be refused.
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}
