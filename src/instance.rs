//! One orchestrator per data directory: the lock that proves it. Refuses to know what is kept in the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock's file name; it holds the pid of its owner.
const LOCK_FILE: &str = "orquestrador.lock";

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
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.take(16).read_to_string(&mut pid).map_err(unwritable)?;
                let pid = if pid.trim().is_empty() {
                    "?".to_owned()
                } else {
                    pid.trim().to_owned()
                };
                return Err(LockError::Taken {
                    path: directory.to_path_buf(),
                    pid,
                });
            }
            Err(fs::TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(unwritable)?;
        writeln!(file, "{}", std::process::id()).map_err(unwritable)?;
        Ok(Self { _file: file })
    }
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
