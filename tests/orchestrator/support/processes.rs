//! Who is alive, by `/proc`.

use std::fs;

use nix::unistd::Pid;

/// Every living process that carries `mark` in its environment or its arguments, with its command line.
///
/// A zombie has neither, so it is not among them; see [`zombies_below`].
pub(crate) fn marked(mark: &str) -> Vec<(Pid, String)> {
    let carries = |pid: &Pid| {
        [file(*pid, "environ"), file(*pid, "cmdline")]
            .iter()
            .any(|bytes| {
                bytes
                    .windows(mark.len())
                    .any(|window| window == mark.as_bytes())
            })
    };
    let line = |pid: Pid| {
        (
            pid,
            String::from_utf8_lossy(&file(pid, "cmdline")).replace('\0', " "),
        )
    };
    all()
        .into_iter()
        .filter(|pid| *pid != Pid::this())
        .filter(carries)
        .map(line)
        .collect()
}

/// Children, grandchildren and so on of a process.
pub(crate) fn descendants(ancestor: Pid) -> Vec<Pid> {
    let parents: Vec<_> = all()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?.1)))
        .collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Children of a process.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let is_child = |pid: &Pid| stat(*pid).is_some_and(|(_, of)| of == parent);
    all().into_iter().filter(is_child).collect()
}

/// The descendants of a process that have ended and that nobody reaped.
pub(crate) fn zombies_below(ancestor: Pid) -> Vec<Pid> {
    let is_zombie = |pid: &Pid| stat(*pid).is_some_and(|(state, _)| state == 'Z');
    descendants(ancestor)
        .into_iter()
        .filter(is_zombie)
        .collect()
}

fn all() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(number).map(Pid::from_raw).collect()
}

fn file(pid: Pid, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// State and parent; the command's name between them may hold anything, so the fields count from its end.
fn stat(pid: Pid) -> Option<(char, Pid)> {
    let stat = String::from_utf8_lossy(&file(pid, "stat")).into_owned();
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, Pid::from_raw(fields.next()?.parse().ok()?)))
}
