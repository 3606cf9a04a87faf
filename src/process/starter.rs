//! The threads that start programs. Whoever starts one waits until it is being executed: of many that are due at one instant
//! the next need not wait for that too, and when a file system hangs, nobody but its own program waits. Refuses to know what
//! becomes of what was started.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::image::{BaseEnvironment, image};
use super::limits::{Enforcement, RunGroups};
use super::protocol::{Start, Step};
use super::reaping::{PERIOD, monotonic};
use super::sys::{self, ChildStack, Failure, Image};

/// Starts that are made beside each other. More share the processors with what they start, and nothing begins sooner.
const AT_ONCE: usize = 2;
/// A start that takes this long hangs. Then all that wait are made at once, as they may hang too.
const HANGS: Duration = Duration::from_millis(200);
/// Threads at most: as many starts may hang.
const MOST_THREADS: usize = 512;
/// Looks for the ends of the last starts when everything ends, each [`PERIOD`] after the last.
const MOST_LOOKS: u32 = 500;
/// They call nothing deep.
const STACK: usize = 128 * 1024;

/// One start, ready to be made.
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) run_id: String,
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
        let [stdout, stderr] = streams.as_slice() else {
            return Err((Step::Output, libc::EMFILE));
        };
        let errno = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let bounds = enforcement.prepare(start.id, &start.limits);
        let bounds = bounds.map_err(|error| (Step::Limits, errno(&error)))?;
        let numbers = [stdin, stdout, stderr].map(AsRawFd::as_raw_fd);
        let image = image(&start, environment, &bounds, numbers);
        let image = image.ok_or((Step::Exec, libc::EINVAL))?;
        Ok(Self {
            id: start.id,
            run_id: start.run_id,
            image,
            groups: bounds.groups,
            _streams: streams,
        })
    }
}

/// A start that was made.
pub(super) struct Made {
    pub(super) attempt: Attempt,
    /// When that began.
    pub(super) started: Duration,
    /// The pid of the program, or why it was not started.
    pub(super) result: Result<Pid, Failure>,
    pub(super) standing: Standing,
}

/// How a start stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Whether no other run was in flight since.
    pub(super) is_alone: bool,
    /// Whether nobody waits for it any more.
    pub(super) is_given_up: bool,
}

/// The threads, and what they are to start.
pub(super) struct Starters {
    shared: Arc<Shared>,
    threads: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Somebody waits for a thread, or everything ends.
    came: Condvar,
    /// Has been rung for each start that was made.
    bell: EventFd,
    /// As in [`sys::start`].
    ignored: Vec<libc::c_int>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Attempt, Standing)>,
    in_hand: Vec<InHand>,
    /// In the order in which they were made.
    made: VecDeque<Made>,
    is_over: bool,
}

/// A start that a thread makes.
struct InHand {
    id: u64,
    started: Duration,
    standing: Standing,
    /// The process that is being started, 0 before there is one.
    child: Arc<AtomicI32>,
}

impl Starters {
    /// No thread yet. `ignored` as in [`sys::start`]; all signals must be blocked.
    pub(super) fn new(ignored: Vec<libc::c_int>) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let shared = Shared {
            state: Mutex::default(),
            came: Condvar::new(),
            bell: EventFd::from_flags(flags)?,
            ignored,
        };
        Ok(Self {
            shared: Arc::new(shared),
            threads: 0,
        })
    }

    /// Has it started as soon as a thread is free.
    pub(super) fn begin(&mut self, attempt: Attempt, is_alone: bool) -> io::Result<()> {
        if self.threads == 0 {
            self.add_thread()?;
        }
        let standing = Standing {
            is_alone,
            is_given_up: false,
        };
        self.shared.lock().waiting.push_back((attempt, standing));
        self.make_threads();
        self.shared.came.notify_one();
        Ok(())
    }

    /// Has more starts made beside those that hang, and ends what was given up. Must be called now and then while
    /// [`Self::is_behind`].
    pub(super) fn go_on(&mut self) {
        let state = self.shared.lock();
        let in_hand = state.in_hand.iter();
        in_hand
            .filter(|start| start.standing.is_given_up)
            .for_each(InHand::kill);
        let is_free = !state.waiting.is_empty() && state.places() > 0;
        drop(state);
        if is_free {
            self.make_threads();
            self.shared.came.notify_all();
        }
    }

    /// Makes the threads that those who wait need. Without one they wait longer.
    fn make_threads(&mut self) {
        let state = self.shared.lock();
        let wanted = state.in_hand.len() + state.waiting.len().min(state.places());
        drop(state);
        while self.threads < wanted.min(MOST_THREADS) && self.add_thread().is_ok() {}
    }

    fn add_thread(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        Builder::new()
            .stack_size(STACK)
            .spawn(move || shared.work())?;
        self.threads += 1;
        Ok(())
    }

    /// Readable when something was made.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }

    /// Whether starts wait for a thread, or for their end though they were given up.
    pub(super) fn is_behind(&self) -> bool {
        let state = self.shared.lock();
        let mut in_hand = state.in_hand.iter();
        !state.waiting.is_empty() || in_hand.any(|start| start.standing.is_given_up)
    }

    /// Whether nothing is being started, nor waits for it, nor was made and not heard of. What was given up may hang for ever.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        let mut in_hand = state.in_hand.iter();
        state.waiting.is_empty()
            && state.made.is_empty()
            && in_hand.all(|start| start.standing.is_given_up)
    }

    /// Whether `pid` is a process whose start was not heard of.
    pub(super) fn is_starting(&self, pid: Pid) -> bool {
        let state = self.shared.lock();
        let is_made = |made: &Made| match &made.result {
            Ok(started) => *started == pid,
            Err(failure) => failure.child == Some(pid),
        };
        let mut children = state.in_hand.iter().map(|start| &start.child);
        children.any(|child| child.load(Ordering::Acquire) == pid.as_raw())
            || state.made.iter().any(is_made)
    }

    /// Notes that another run is in flight.
    pub(super) fn none_is_alone(&self) {
        let mut state = self.shared.lock();
        state.each_standing(|_, standing| standing.is_alone = false);
    }

    /// Gives up a start: nobody waits for it any more. Whether that is all, as it waited for a thread; else [`Self::go_on`] ends
    /// it.
    pub(super) fn give_up(&self, id: u64) -> bool {
        let mut state = self.shared.lock();
        let waiting = state.waiting.iter().position(|(other, _)| other.id == id);
        if let Some(index) = waiting {
            state.waiting.remove(index);
            return true;
        }
        state.each_standing(|other, standing| standing.is_given_up |= other == id);
        false
    }

    /// What was made first of what was not heard of.
    pub(super) fn made(&self) -> Option<Made> {
        self.shared.lock().made.pop_front()
    }

    /// Forgets that the bell was rung. What was made before that is to be heard of after it.
    pub(super) fn silence(&self) {
        self.shared.bell.read().ok();
    }

    /// Ends what is being started, and the threads, with which all that they have started is killed (PDEATHSIG). Bounded: one
    /// may hang in the kernel.
    pub(super) fn end(&self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        state.waiting.clear();
        drop(state);
        self.shared.came.notify_all();
        for _ in 0..MOST_LOOKS {
            let state = self.shared.lock();
            if state.in_hand.is_empty() {
                return;
            }
            state.in_hand.iter().for_each(InHand::kill);
            drop(state);
            poll(&mut [], PollTimeout::from(PERIOD)).ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread. It ends with the spawner only: what it has started is killed with it (PDEATHSIG, prctl(2)).
    fn work(&self) {
        let mut stack = ChildStack::new();
        while let Some((attempt, child)) = self.next() {
            let result = sys::start(&attempt.image, &self.ignored, &mut stack, &child);
            self.lock().end(attempt, result);
            self.bell.write(1).ok();
        }
    }

    /// Waits for a start to make; none when everything ends.
    fn next(&self) -> Option<(Attempt, Arc<AtomicI32>)> {
        let mut state = self.lock();
        while !state.is_over {
            if state.places() > 0
                && let Some((attempt, standing)) = state.waiting.pop_front()
            {
                let child = Arc::new(AtomicI32::new(0));
                state.in_hand.push(InHand {
                    id: attempt.id,
                    started: monotonic(),
                    standing,
                    child: Arc::clone(&child),
                });
                return Some((attempt, child));
            }
            let waited = self.came.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl State {
    /// Starts that may be made beside those that are being made.
    fn places(&self) -> usize {
        let now = monotonic();
        // One that cannot be killed may hang for ever.
        let awaited = self.in_hand.iter();
        let awaited = awaited.filter(|start| !start.standing.is_given_up);
        if awaited
            .clone()
            .any(|start| now.saturating_sub(start.started) > HANGS)
        {
            return MOST_THREADS;
        }
        AT_ONCE.saturating_sub(awaited.count())
    }

    fn each_standing(&mut self, mut change: impl FnMut(u64, &mut Standing)) {
        let waiting = self.waiting.iter_mut();
        waiting.for_each(|(attempt, standing)| change(attempt.id, standing));
        let in_hand = self.in_hand.iter_mut();
        in_hand.for_each(|start| change(start.id, &mut start.standing));
        let made = self.made.iter_mut();
        made.for_each(|made| change(made.attempt.id, &mut made.standing));
    }

    /// A start has been made.
    fn end(&mut self, attempt: Attempt, result: Result<Pid, Failure>) {
        let index = self.in_hand.iter().position(|start| start.id == attempt.id);
        if let Some(start) = index.map(|index| self.in_hand.swap_remove(index)) {
            let InHand {
                started, standing, ..
            } = start;
            self.made.push_back(Made {
                attempt,
                started,
                result,
                standing,
            });
        }
    }
}

impl InHand {
    /// Kills what is being started: an exec may hang. Nobody reaps it before its start is heard of, so the pid is its own.
    fn kill(&self) {
        let child = self.child.load(Ordering::Acquire);
        if child > 0 {
            signal::kill(Pid::from_raw(child), Signal::SIGKILL).ok();
        }
    }
}
