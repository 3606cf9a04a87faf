//! The unsafe room: starting a process the vfork way, forking the spawner, reaping with resource usage.
//! Refuses to decide anything; each call does one thing, and every unsafe block says why it is sound.

#![expect(
    unsafe_code,
    reason = "the one module that talks to the kernel where no safe wrapper exists"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicI32;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};

use super::protocol::{End, Step};

/// Stack of a child between clone and exec; it only makes system calls.
const CHILD_STACK: usize = 64 * 1024;

/// Where a child runs between clone and exec. One serves all, as their maker waits for each.
pub(super) struct ChildStack(Vec<u8>);

impl ChildStack {
    pub(super) fn new() -> Self {
        Self(vec![0; CHILD_STACK])
    }
}

/// Everything that a child needs, prepared before it exists, so that it allocates nothing.
pub(super) struct Image {
    /// Paths to try in order, as `execvpe` would.
    pub(super) programs: Vec<CString>,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    pub(super) directory: CString,
    pub(super) stdin: RawFd,
    pub(super) stdout: RawFd,
    pub(super) stderr: RawFd,
    /// Resource, soft and hard limit.
    pub(super) rlimits: Vec<(libc::__rlimit_resource_t, u64, u64)>,
    /// Files of control groups that it enters by writing to them.
    pub(super) entrances: Vec<RawFd>,
}

/// What parent and child share while the parent is suspended.
struct Shared<'a> {
    programs: &'a [CString],
    directory: &'a CStr,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    streams: [RawFd; 3],
    rlimits: &'a [(libc::__rlimit_resource_t, u64, u64)],
    entrances: &'a [RawFd],
    ignored: &'a [libc::c_int],
    failure: Option<(Step, i32)>,
}

/// Why a program was not started.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: i32,
    /// What was to become it, which has ended and is to be reaped.
    pub(super) child: Option<Pid>,
}

/// Starts `image` in a session and group of its own, and returns its pid once it has executed the program. Before the child
/// runs its pid stands in `place`; others may see the child a moment earlier.
///
/// `ignored` are the signals that the caller ignores ([`ignored_signals`]). All signals must be blocked in every thread of
/// the caller.
pub(super) fn start(
    image: &Image,
    ignored: &[libc::c_int],
    stack: &mut ChildStack,
    place: &AtomicI32,
) -> Result<Pid, Failure> {
    let arguments = pointers(&image.arguments);
    let environment = pointers(&image.environment);
    let mut shared = Shared {
        programs: &image.programs,
        directory: &image.directory,
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        streams: [image.stdin, image.stdout, image.stderr],
        rlimits: &image.rlimits,
        entrances: &image.entrances,
        ignored,
        failure: None,
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    // SAFETY: CLONE_VFORK suspends this thread until the child has executed or exited, so `shared`, `stack` and this
    // thread's own variables outlive the child's use of them and nobody writes them meanwhile. The stack grows down from an
    // aligned top. All signals are blocked, so no handler runs in the child on shared memory. `place` is a live integer that
    // is only accessed atomically.
    let pid = unsafe {
        let top = stack.0.as_mut_ptr().add(CHILD_STACK);
        let top = top.sub(top as usize % 16);
        libc::clone(
            child_main,
            top.cast(),
            flags,
            ptr::from_mut(&mut shared).cast(),
            place.as_ptr(),
        )
    };
    if pid < 0 {
        return Err(Failure {
            step: Step::Fork,
            errno: last_errno(),
            child: None,
        });
    }
    let pid = Pid::from_raw(pid);
    match shared.failure {
        Some((step, errno)) => Err(Failure {
            step,
            errno,
            child: Some(pid),
        }),
        None => Ok(pid),
    }
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts
        .iter()
        .map(|text| text.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// The child's life between clone and exec: system calls only, on prepared memory.
extern "C" fn child_main(shared: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` passes a pointer to its own `Shared`, and is suspended until this process executes or exits.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    shared.failure = Some(prepare_and_execute(shared));
    // SAFETY: `_exit` ends only this process and runs nothing of the parent's.
    unsafe { libc::_exit(127) }
}

/// Returns only when something failed.
fn prepare_and_execute(shared: &Shared<'_>) -> (Step, i32) {
    // SAFETY: each of these is an async-signal-safe system call on this process alone; pointers come from `Shared`.
    unsafe {
        libc::setsid();
        // The spawner's death kills its children even if it had no time to do so itself.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // What is handled goes back to its default at the exec; what is ignored would stay so.
        for signal in shared.ignored {
            libc::signal(*signal, libc::SIG_DFL);
        }
        for (target, source) in (0..).zip(shared.streams) {
            if libc::dup2(source, target) < 0 {
                return (Step::Output, last_errno());
            }
        }
        for entrance in shared.entrances {
            if libc::write(*entrance, c"0".as_ptr().cast(), 1) < 0 {
                return (Step::Limits, last_errno());
            }
        }
        for (resource, soft, hard) in shared.rlimits {
            let limit = libc::rlimit {
                rlim_cur: *soft,
                rlim_max: *hard,
            };
            if libc::setrlimit(*resource, &raw const limit) < 0 {
                return (Step::Limits, last_errno());
            }
        }
        // Descriptors that we were started with are nobody's but ours, and what is opened for another run is that one's alone,
        // also while what follows hangs. A kernel before 5.9 does not know this call; there all that we opened closes at the exec.
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0);
        if libc::chdir(shared.directory.as_ptr()) < 0 {
            return (Step::Directory, last_errno());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        let mut errno = libc::ENOENT;
        for program in shared.programs {
            libc::execve(program.as_ptr(), shared.arguments, shared.environment);
            errno = worst_exec_error(errno, last_errno());
        }
        (Step::Exec, errno)
    }
}

/// As `execvpe` reports: a program that exists and cannot be executed says more than one that is not there.
fn worst_exec_error(before: i32, now: i32) -> i32 {
    if matches!(now, libc::ENOENT | libc::ENOTDIR) {
        before
    } else {
        now
    }
}

fn last_errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or_default()
}

/// Forks this process. Must be called while it has one thread.
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: called before any other thread exists, so the child may use everything that the parent could.
    unsafe { nix::unistd::fork() }
}

/// Ends this process without running anything that the process it was forked from had registered.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` only ends the calling process.
    unsafe { libc::_exit(code) }
}

/// The signals that this process ignores, by its own will or by that of who started it.
pub(super) fn ignored_signals() -> Vec<libc::c_int> {
    let is_ignored = |signal: &libc::c_int| {
        // SAFETY: an all-zero `sigaction` is a valid value of that plain C struct.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: without a new action the call only writes the old one to a live local.
        let known = unsafe { libc::sigaction(*signal, ptr::null(), &raw mut action) } == 0;
        known && action.sa_sigaction == libc::SIG_IGN
    };
    (1..=libc::SIGRTMAX()).filter(is_ignored).collect()
}

/// A child that has exited and was not reaped yet, with the number of the signal that ended it; it is not reaped. None
/// while all live; [`Errno::ECHILD`] when there are no children.
pub(super) fn exited_child() -> nix::Result<Option<(Pid, Option<i32>)>> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: an all-zero `siginfo_t` is a valid value of that plain C struct.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // nix refuses real-time signals, and what it refuses stays in front of every other child for ever.
    // SAFETY: the pointer is to a live local of the type that waitid writes.
    Errno::result(unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) })?;
    // SAFETY: waitid has filled in these two, or left them 0 when it found nobody.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let is_signal = matches!(info.si_code, libc::CLD_KILLED | libc::CLD_DUMPED);
    Ok((pid != 0).then(|| (Pid::from_raw(pid), is_signal.then_some(status))))
}

/// Reaps `pid`, which has exited, and tells how it ended.
pub(super) fn reap(pid: Pid) -> io::Result<End> {
    let mut status = 0;
    // SAFETY: an all-zero `rusage` is a valid value of that plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals of the types that wait4 writes.
    let reaped =
        unsafe { libc::wait4(pid.as_raw(), &raw mut status, libc::WNOHANG, &raw mut usage) };
    if reaped != pid.as_raw() {
        return Err(io::Error::last_os_error());
    }
    Ok(End {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        user_micros: micros(usage.ru_utime),
        system_micros: micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
        ..End::default()
    })
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or_default()
}

/// A descriptor of a process, which stands for it and for no later one of the same pid (Linux 5.3).
pub(super) fn open_process(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match RawFd::try_from(descriptor) {
        Ok(descriptor) if descriptor >= 0 => Ok(own(descriptor)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Signals the process of a descriptor (Linux 5.1).
pub(super) fn signal_process(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let none = ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open, and without a siginfo the call reads none.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as libc::c_int,
            none,
            0,
        )
    };
    if sent == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes ownership of a descriptor that the kernel has just handed over with a message.
pub(super) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for us while receiving; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// The one descriptor that came of two, as there was no room for the other: of such a message nix gives nothing, though the
/// kernel has made that one.
pub(super) fn received_alone(control: &[u8]) -> Option<OwnedFd> {
    let size = u32::try_from(size_of::<RawFd>()).ok()?;
    // SAFETY: CMSG_LEN only computes.
    let (start, end) = unsafe { (libc::CMSG_LEN(0) as usize, libc::CMSG_LEN(size) as usize) };
    // A header begins with its length (cmsg(3)); the kernel writes none when nothing came.
    let length = usize::from_ne_bytes(*control.first_chunk()?);
    let descriptor = control.get(start..end).filter(|_| length >= end)?;
    Some(own(RawFd::from_ne_bytes(*descriptor.first_chunk()?)))
}

/// Lets go of the pages of code that only the start needed: most of an idle daemon's resident memory. Those that are needed
/// again are found in the page cache.
pub fn let_go_of_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(code) {
        // SAFETY: the range is a private mapping of a file that can be executed and was never written, so each of its pages is
        // what the file has, and the kernel maps it again at the next access, also for threads that run in it now.
        unsafe {
            let start = ptr::with_exposed_provenance_mut(start);
            libc::madvise(start, end - start.addr(), libc::MADV_DONTNEED);
        }
    }
}

/// Where a line of `/proc/PID/maps` (proc(5)) has code of a file; none when it is something else.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp" && fields.nth(2)? != "0";
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?)).filter(|(start, end)| is_code && start < end)
}

/// Sets the name that `ps` and `/proc/PID/comm` show; the kernel keeps 15 bytes.
pub fn set_process_name(name: &CStr) {
    // SAFETY: PR_SET_NAME reads a C string and keeps no pointer.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_executed_from_a_file_and_cannot_be_written_is_code() {
        let of_a_file = "00400000-0040b000 r-xp 00001000 fe:00 1234 /usr/bin/cat";
        assert_eq!(code(of_a_file), Some((0x40_0000, 0x40_b000)));
        for other in [
            "7ffc1000-7ffc3000 r-xp 00000000 00:00 0 [vdso]",
            "00400000-0040b000 rwxp 00001000 fe:00 1234 /usr/bin/cat",
            "00400000-0040b000 r--p 00001000 fe:00 1234 /usr/bin/cat",
            "00400000 r-xp 00001000 fe:00 1234 /usr/bin/cat",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn code_that_nobody_runs_leaves_the_memory_and_what_runs_goes_on() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("ours");
        for (start, end) in maps.lines().filter_map(code) {
            // SAFETY: this only has the kernel read pages of files that are mapped already.
            unsafe {
                let start = ptr::with_exposed_provenance_mut(start);
                libc::madvise(start, end - start.addr(), libc::MADV_POPULATE_READ);
            }
        }
        let before = resident_code();
        let_go_of_code();
        let after = resident_code();
        assert!(after < before / 2, "{before} KiB, then {after}");
    }

    /// KiB of our code that are in memory.
    fn resident_code() -> u64 {
        let text = std::fs::read_to_string("/proc/self/smaps").expect("ours");
        let mut is_code = false;
        let mut sum = 0;
        for line in text.lines() {
            if let Some(resident) = line.strip_prefix("Rss:") {
                let resident = resident.trim().trim_end_matches(" kB").parse::<u64>();
                sum += resident.ok().filter(|_| is_code).unwrap_or_default();
            } else if line.contains('-') {
                is_code = code(line).is_some();
            }
        }
        sum
    }
}
