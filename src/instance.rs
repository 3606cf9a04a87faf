//! One orchestrator per data directory: the lock that proves it. Refuses to know what is kept in the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;

/// The lock's file name; it holds the pid of its owner.
const LOCK_FILE: &str = "orquestrador.lock";

/// Looks at a lock whose owner is dead, each [`PERIOD`] after the last.
const LOOKS: u32 = 100;
/// Milliseconds between two looks.
const PERIOD: u16 = 50;

/// Held while this instance, or the spawner that ends its children, is alive.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Why the data directory cannot be ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be made or written.
    #[error("diretório de dados {}: não pode ser gravado: {source}; esperado um diretório com permissão de escrita", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("diretório de dados {}: já está em uso por outro orquestrador (pid {pid}); pare-o ou escolha outro com --dados", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
        /// Whose it is, or `?`.
        pid: String,
    },
}

impl InstanceLock {
    /// Makes `directory` if it is not there, and takes its lock.
    ///
    /// # Errors
    ///
    /// It cannot be written, or another instance has it.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let unwritable = |source| LockError::Unwritable {
            path: directory.to_path_buf(),
            source,
        };
        fs::create_dir_all(directory).map_err(unwritable)?;
        let options = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(directory.join(LOCK_FILE))
        };
        let mut file = options().map_err(unwritable)?;
        if let Err(pid) = wait_for_lock(&mut file).map_err(unwritable)? {
            return Err(LockError::Taken {
                path: directory.to_path_buf(),
                pid,
            });
        }
        // Written over in full width, not emptied first: some file systems wait for the disk when a file is emptied.
        let pid = format!("{:<15}\n", std::process::id());
        file.rewind()
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(unwritable)?;
        Ok(Self { _file: file })
    }
}

/// Takes the lock of `file`, or gives the pid that is written in it. Whoever was killed a moment ago may still have a
/// spawner that ends what is left of it and holds the lock meanwhile; that is waited for.
fn wait_for_lock(file: &mut File) -> io::Result<Result<(), String>> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        let owner = owner(file)?;
        if owner.parse().is_ok_and(is_alive) {
            return Ok(Err(owner));
        }
        poll(&mut [], PollTimeout::from(PERIOD)).ok();
    }
    owner(file).map(Err)
}

/// The pid in the lock file, or `?`.
fn owner(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    io::Read::by_ref(file).take(16).read_to_string(&mut text)?;
    Ok(if text.trim().is_empty() {
        "?".to_owned()
    } else {
        text.trim().to_owned()
    })
}

fn is_alive(pid: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_with_the_pid_of_the_first_until_that_one_has_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = InstanceLock::take(directory.path()).expect("free");
        let second = InstanceLock::take(directory.path())
            .expect_err("taken")
            .to_string();
        assert!(second.contains(&std::process::id().to_string()), "{second}");
        drop(first);
        InstanceLock::take(directory.path()).expect("free again");
    }
}
