//! A second place to start programs from: whoever starts one waits until it is being executed, and of many that are due at
//! one instant the next need not wait for that too. Refuses to know what becomes of them.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::Builder;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::image::{BaseEnvironment, image};
use super::limits::{Enforcement, RunGroups};
use super::protocol::{Start, Step};
use super::reaping::{PERIOD, monotonic};
use super::sys::{self, ChildStack, Failure, Image};

/// Looks for the end of its last start when everything ends, each [`PERIOD`] after the last.
const MOST_LOOKS: u32 = 500;
/// It calls nothing deep.
const STACK: usize = 128 * 1024;

/// One start, ready to be made.
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) run_id: String,
    /// When it was asked for.
    pub(super) started: Duration,
    pub(super) image: Image,
    pub(super) groups: RunGroups,
    /// What the image names by number.
    pub(super) _streams: Vec<OwnedFd>,
}

impl Attempt {
    /// Makes everything that the start needs.
    pub(super) fn new(
        start: Start,
        streams: Vec<OwnedFd>,
        (enforcement, environment, stdin): (&Enforcement, &BaseEnvironment, &OwnedFd),
    ) -> Result<Self, (Step, i32)> {
        let started = monotonic();
        let [stdout, stderr] = streams.as_slice() else {
            return Err((Step::Output, libc::EBADF));
        };
        let errno = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let bounds = enforcement.prepare(start.id, &start.limits);
        let bounds = bounds.map_err(|error| (Step::Limits, errno(&error)))?;
        let numbers = [stdin, stdout, stderr].map(AsRawFd::as_raw_fd);
        let Some(image) = image(&start, environment, &bounds, numbers) else {
            bounds.groups.remove();
            return Err((Step::Exec, libc::EINVAL));
        };
        Ok(Self {
            id: start.id,
            run_id: start.run_id,
            started,
            image,
            groups: bounds.groups,
            _streams: streams,
        })
    }
}

/// A start that was made, and the pid of the program or why it was not started.
pub(super) type Made = (Attempt, Result<Pid, Failure>);

/// The thread that starts programs beside the spawner's own.
pub(super) struct Helper {
    attempts: Sender<Attempt>,
    made: Receiver<Made>,
    /// Has a byte for each that was made.
    bell: PipeReader,
    /// The process that is being started, 0 when there is none.
    child: Arc<AtomicI32>,
    /// The run that it has in hand.
    pub(super) busy_with: Option<u64>,
}

impl Helper {
    /// Makes the thread. `ignored` as in [`sys::start`]; all signals must be blocked.
    pub(super) fn new(ignored: Vec<libc::c_int>) -> io::Result<Self> {
        let (attempts, asked) = channel::<Attempt>();
        let (told, made) = channel();
        let (bell, mut ring) = io::pipe()?;
        let child = Arc::new(AtomicI32::new(0));
        let place = Arc::clone(&child);
        let work = move || {
            let mut stack = ChildStack::new();
            for attempt in asked {
                let result = sys::start(&attempt.image, &ignored, &mut stack, &place);
                if told.send((attempt, result)).is_err() {
                    return;
                }
                ring.write_all(&[1]).ok();
            }
        };
        Builder::new().stack_size(STACK).spawn(work)?;
        Ok(Self {
            attempts,
            made,
            bell,
            child,
            busy_with: None,
        })
    }

    /// Has it started now; gives it back when there is something else in hand.
    pub(super) fn begin(&mut self, attempt: Attempt) -> Option<Attempt> {
        if self.busy_with.is_some() {
            return Some(attempt);
        }
        self.busy_with = Some(attempt.id);
        let refused = self.attempts.send(attempt).err()?;
        self.busy_with = None;
        Some(refused.0)
    }

    /// Readable when something was made.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Whether `pid` is the process that is being started.
    pub(super) fn is_starting(&self, pid: Pid) -> bool {
        self.busy_with.is_some() && self.child.load(Ordering::Acquire) == pid.as_raw()
    }

    /// What has become of what it had in hand; nothing, if that is not known and not to be waited for.
    pub(super) fn made(&mut self, waits: bool) -> Option<Made> {
        self.busy_with?;
        let made = match self.made.try_recv() {
            Err(TryRecvError::Empty) if waits => self.made.recv().ok(),
            Err(TryRecvError::Empty) => return None,
            made => made.ok(),
        };
        self.busy_with = None;
        self.child.store(0, Ordering::Release);
        if made.is_some() {
            self.bell.read_exact(&mut [0]).ok();
        }
        made
    }

    /// Kills what is being started: an exec may hang. Nobody reaps it before its start is heard of, so the pid is its own.
    pub(super) fn kill(&self) {
        let child = self.child.load(Ordering::Acquire);
        if child > 0 {
            signal::kill(Pid::from_raw(child), Signal::SIGKILL).ok();
        }
    }

    /// Ends what is being started, and the thread. Bounded: one may hang in the kernel.
    pub(super) fn end(mut self) {
        // Nothing comes to the thread any more.
        self.attempts = channel().0;
        for _ in 0..MOST_LOOKS {
            self.kill();
            // The channel closes with the thread.
            let made = self.made.recv_timeout(Duration::from_millis(PERIOD.into()));
            if matches!(made, Err(RecvTimeoutError::Disconnected)) {
                return;
            }
        }
    }
}
