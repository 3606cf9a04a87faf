//! Bounds on what a run may use: by control groups where they can be had, else by resource limits of the process.
//! Refuses to know why a run is bounded.
//!
//! cgroup v2 and v1 differ in their files' names only (`Documentation/admin-guide/cgroup-v2.rst`, `cgroup-v1/memory.rst`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::domain::ResourceLimits;

/// Descriptors that are enough for every limit of ours.
const DESCRIPTORS: u64 = 65_536;
/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// How memory and number of processes are bounded on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enforcement {
    /// A folder of ours in the hierarchy that bounds memory.
    memory: Option<PathBuf>,
    /// The same for the number of processes.
    pids: Option<PathBuf>,
    is_unified: bool,
    /// Descriptors that a run may have unless it is bounded, soft and hard limit; as many as we when there is none.
    files: Option<(u64, u64)>,
}

impl Enforcement {
    /// Looks for control groups that we may make, and makes a folder of ours in each.
    #[must_use]
    pub fn detect() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let name = format!("orquestrador-{}", std::process::id());
        if let Some(folder) = unified(&groups, &name) {
            return Self {
                memory: Some(folder.clone()),
                pids: Some(folder),
                is_unified: true,
                files: None,
            };
        }
        Self {
            memory: of_v1(&groups, "memory", &name),
            pids: of_v1(&groups, "pids", &name),
            is_unified: false,
            files: None,
        }
    }

    /// Lets this process have as many descriptors as it may, and runs as many as it had.
    pub(super) fn allow_descriptors(self) -> Self {
        Self {
            files: allow_descriptors(),
            ..self
        }
    }

    /// For people: what bounds what.
    #[must_use]
    pub fn words(&self) -> String {
        let version = if self.is_unified {
            "cgroup v2"
        } else {
            "cgroup v1"
        };
        let by = |folder: &Option<PathBuf>| if folder.is_some() { version } else { "rlimit" };
        format!(
            "memoria por {}, processos por {}, cpu_tempo e arquivos por rlimit",
            by(&self.memory),
            by(&self.pids)
        )
    }

    /// What the process of a run is bound by.
    pub(super) fn prepare(&self, id: u64, limits: &ResourceLimits) -> io::Result<Bounds> {
        let mut bounds = Bounds::default();
        let name = format!("execucao-{id}");
        if let Some(bytes) = limits.memory {
            match &self.memory {
                Some(folder) => {
                    bounds
                        .groups
                        .enter(&folder.join(&name), self.memory_file(), bytes)?;
                }
                None => bounds.rlimits.push((libc::RLIMIT_AS, bytes, bytes)),
            }
        }
        if let Some(count) = limits.processes {
            match &self.pids {
                Some(folder) => bounds
                    .groups
                    .enter(&folder.join(&name), "pids.max", count)?,
                None => bounds.rlimits.push((libc::RLIMIT_NPROC, count, count)),
            }
        }
        if let Some(time) = limits.cpu_time {
            let seconds = time.as_secs().max(1);
            // At the first bound SIGXCPU, which a program may act on; at the second SIGKILL.
            bounds
                .rlimits
                .push((libc::RLIMIT_CPU, seconds, seconds + 5));
        }
        let files = limits.files.map(|count| (count, count)).or(self.files);
        if let Some((soft, hard)) = files {
            bounds.rlimits.push((libc::RLIMIT_NOFILE, soft, hard));
        }
        Ok(bounds)
    }

    fn memory_file(&self) -> &'static str {
        if self.is_unified {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        }
    }

    /// Takes our folders away again, at the end of everything.
    pub(super) fn remove(&self) {
        for folder in self.memory.iter().chain(&self.pids) {
            // Unified, both are one. A folder with somebody left in it stays, which shows.
            fs::remove_dir(folder).ok();
        }
    }
}

/// Lets this process have as many descriptors as it may; the soft and hard limit that it had. A connection needs one, and so do
/// starts that wait; the usual limit of 1,024 is for programs that use `select`.
#[expect(
    clippy::must_use_candidate,
    reason = "what was allowed before matters to few"
)]
pub fn allow_descriptors() -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let wanted = hard.min(DESCRIPTORS).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).ok()?;
    Some((soft, hard))
}

/// The bounds of one run.
#[derive(Default)]
pub(super) struct Bounds {
    /// Resource, soft and hard limit.
    pub(super) rlimits: Vec<(libc::__rlimit_resource_t, u64, u64)>,
    pub(super) groups: RunGroups,
}

/// The control groups of one run. Dropped, they are taken away if nobody is left in them.
#[derive(Default)]
pub(super) struct RunGroups {
    folders: Vec<PathBuf>,
    /// `cgroup.procs` of each, for the child to enter.
    pub(super) entrances: Vec<OwnedFd>,
}

impl RunGroups {
    fn enter(&mut self, folder: &Path, file: &str, most: u64) -> io::Result<()> {
        if !self.folders.iter().any(|entered| entered == folder) {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_path_buf());
            let entrance: File = OpenOptions::new()
                .write(true)
                .open(folder.join("cgroup.procs"))?;
            self.entrances.push(entrance.into());
        }
        fs::write(folder.join(file), most.to_string())
    }

    /// Whether the kernel has killed somebody in it for want of memory.
    pub(super) fn is_oom(&self) -> bool {
        let said = |folder: &Path, file| fs::read_to_string(folder.join(file)).unwrap_or_default();
        let killed = |text: &str| {
            text.lines()
                .filter_map(|line| line.strip_prefix("oom_kill "))
                .any(|count| count != "0")
        };
        self.folders.iter().any(|folder| {
            killed(&said(folder, "memory.events")) || killed(&said(folder, "memory.oom_control"))
        })
    }
}

impl Drop for RunGroups {
    fn drop(&mut self) {
        for folder in &self.folders {
            fs::remove_dir(folder).ok();
        }
    }
}

/// Our folder in the unified hierarchy, if it bounds memory and processes.
fn unified(groups: &str, name: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let parent = Path::new(MOUNT).join(path);
    let has = |folder: &Path| {
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        ["memory", "pids"]
            .iter()
            .all(|wanted| controllers.split_whitespace().any(|found| found == *wanted))
    };
    if !has(&parent) {
        return None;
    }
    // Refused while processes are in the parent itself, unless that is the root.
    fs::write(parent.join("cgroup.subtree_control"), "+memory +pids").ok();
    let folder = made(parent.join(name))?;
    if has(&folder) && fs::write(folder.join("cgroup.subtree_control"), "+memory +pids").is_ok() {
        return Some(folder);
    }
    fs::remove_dir(&folder).ok();
    None
}

/// Our folder in the hierarchy of one controller of version 1.
fn of_v1(groups: &str, controller: &str, name: &str) -> Option<PathBuf> {
    let mut lines = groups
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let (_, path) =
        lines.find(|(controllers, _)| controllers.split(',').any(|found| found == controller))?;
    made(
        Path::new(MOUNT)
            .join(controller)
            .join(path.trim_start_matches('/'))
            .join(name),
    )
}

fn made(folder: PathBuf) -> Option<PathBuf> {
    fs::create_dir(&folder).ok().map(|()| folder)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn without_control_groups_every_bound_is_one_of_the_process() {
        let limits = ResourceLimits {
            memory: Some(1 << 20),
            cpu_time: Some(Duration::from_millis(10)),
            processes: Some(4),
            files: Some(64),
        };
        let bounds = Enforcement::default()
            .prepare(1, &limits)
            .expect("prepared");
        assert_eq!(
            bounds.rlimits,
            [
                (libc::RLIMIT_AS, 1 << 20, 1 << 20),
                (libc::RLIMIT_NPROC, 4, 4),
                (libc::RLIMIT_CPU, 1, 6),
                (libc::RLIMIT_NOFILE, 64, 64)
            ]
        );
        assert!(bounds.groups.entrances.is_empty());
        assert!(
            Enforcement::default()
                .words()
                .starts_with("memoria por rlimit")
        );
    }
}
