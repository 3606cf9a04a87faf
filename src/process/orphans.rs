//! Finds processes in /proc. Refuses to decide whose they are.
//!
//! A descendant that outlives its leader is always below a child that the spawner adopted, so it is enough to look for
//! children of the spawner, again and again until there is none.

use std::fs;
use std::io::Read as _;

use nix::unistd::Pid;

use crate::domain::contract::RUN_ID;

/// The longest line of /proc that is read; 52 numbers of a process take at most 1,100 bytes.
const MAX_LINE: usize = 2048;
/// At most this much of a process's environment is read, bytes.
const MAX_ENVIRONMENT: u64 = 4 << 20;

/// What `/proc/PID/stat` says of a process (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) parent: Pid,
    pub(super) group: Pid,
    pub(super) session: Pid,
    pub(super) is_zombie: bool,
    /// The kernel's name of the program, 15 bytes at most.
    pub(super) name: String,
    /// Clock ticks after boot; tells a process from a later one of the same pid.
    pub(super) start_time: u64,
}

/// Which pids to look at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// Those given out after this one; all, when they have begun anew since.
    Above(Pid),
    /// All.
    All,
}

/// Every process in `scope` that is not `known`; those are not even looked at, since each look costs some 10 us.
pub(super) fn find(scope: Scope, known: impl Fn(Pid) -> bool) -> Vec<Process> {
    let look = |pid| {
        Some(Pid::from_raw(pid))
            .filter(|pid| !known(*pid))
            .and_then(read)
    };
    if let Scope::Above(first) = scope
        && let Some(last) = last_pid()
        && last >= first.as_raw()
    {
        return (first.as_raw()..=last).filter_map(look).collect();
    }
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(look).collect()
}

/// The process of this pid; `None` when there is none.
pub(super) fn read(pid: Pid) -> Option<Process> {
    let mut buffer = [0; MAX_LINE];
    let stat = read_line(&format!("/proc/{pid}/stat"), &mut buffer)?;
    parse_stat(pid, &String::from_utf8_lossy(stat))
}

/// A short file of /proc, in one read: asking for its size first, as `fs::read` does, costs as much again.
fn read_line<'a>(path: &str, buffer: &'a mut [u8; MAX_LINE]) -> Option<&'a [u8]> {
    let count = fs::File::open(path).ok()?.read(buffer).ok()?;
    buffer.get(..count)
}

/// The name in parentheses may itself hold parentheses and blanks, so the fields count from the last one.
fn parse_stat(pid: Pid, stat: &str) -> Option<Process> {
    let (begin, fields) = stat.rsplit_once(") ")?;
    let (_, name) = begin.split_once('(')?;
    let fields: Vec<_> = fields.split(' ').collect();
    let number = |index: usize| Some(Pid::from_raw(fields.get(index)?.parse().ok()?));
    Some(Process {
        pid,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        name: name.to_owned(),
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// The pid that the kernel gave out last: the last field of `/proc/loadavg` (proc(5)).
fn last_pid() -> Option<i32> {
    let mut buffer = [0; MAX_LINE];
    let line = std::str::from_utf8(read_line("/proc/loadavg", &mut buffer)?).ok()?;
    line.split_whitespace().last()?.parse().ok()
}

/// What a process's environment says of its run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is of this run.
    Of(Vec<u8>),
    /// It names none.
    Nobody,
    /// The process ended before its environment was read, so nobody can tell.
    Unknown,
}

/// The run that a process's environment names.
pub(super) fn mark(process: &Process) -> Mark {
    let environment = environment(process.pid);
    let mut variables = environment.split(|byte| *byte == 0);
    let named = variables.find_map(|variable| {
        variable
            .strip_prefix(RUN_ID.as_bytes())?
            .strip_prefix(b"=")
            .map(<[u8]>::to_vec)
    });
    match named {
        Some(run) => Mark::Of(run),
        None if read(process.pid).is_some_and(|now| !now.is_zombie) => Mark::Nobody,
        None => Mark::Unknown,
    }
}

/// Empty when the process has ended.
fn environment(pid: Pid) -> Vec<u8> {
    let mut environment = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) {
        // What was read before an error is all that there is to know.
        file.take(MAX_ENVIRONMENT)
            .read_to_end(&mut environment)
            .ok();
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let stat = "42 (a) b) ( c) S 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 777 1 2";
        let process = parse_stat(Pid::from_raw(42), stat).expect("a process");
        assert_eq!(
            (
                process.parent.as_raw(),
                process.group.as_raw(),
                process.session.as_raw()
            ),
            (7, 8, 9)
        );
        assert_eq!(
            (process.name.as_str(), process.start_time),
            ("a) b) ( c", 777)
        );
        assert!(!process.is_zombie);
        assert_eq!(parse_stat(Pid::from_raw(1), "nonsense"), None);
    }

    #[test]
    fn this_process_is_among_all_processes() {
        let own = Pid::this();
        assert!(
            find(Scope::All, |_| false)
                .iter()
                .any(|process| process.pid == own)
        );
        assert!(
            find(Scope::Above(own), |_| false)
                .iter()
                .any(|process| process.pid == own)
        );
    }
}
