//! The place where an attempt may leave metrics of its own: a private folder each, read once and then emptied. Refuses to
//! know what stands in the file.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;

use crate::domain::report::{MAX_REPORT, Report};

/// The folder of all attempts' folders. When it is dropped nothing is left but empty folders, which the next start uses.
#[derive(Debug)]
pub struct ReportFolder {
    path: PathBuf,
    /// Folders that nobody has and that are empty. Making one costs a file system more than all else here.
    free: Arc<Mutex<Vec<PathBuf>>>,
    made: AtomicU64,
}

impl ReportFolder {
    /// Makes `path`, for us alone, or takes it over: of what an earlier start left there only empty folders stay.
    ///
    /// # Errors
    ///
    /// It cannot be emptied or made.
    pub fn make(path: PathBuf) -> io::Result<Self> {
        let mut left = match fs::read_dir(&path) {
            Ok(left) => left.collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private().recursive(true).create(&path)?;
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let number = |entry: &DirEntry| entry.file_name().to_str()?.parse::<usize>().ok();
        left.sort_by_key(number);
        let mut free = Vec::new();
        for entry in left {
            let folder = entry.path();
            let is_folder = entry.file_type()?.is_dir();
            // Numbered without a gap, so that the next number is new.
            let is_next = number(&entry) == Some(free.len());
            if is_folder && is_next && is_empty(&folder) {
                free.push(folder);
            } else if is_folder {
                fs::remove_dir_all(&folder)?;
            } else {
                fs::remove_file(&folder)?;
            }
        }
        Ok(Self {
            made: AtomicU64::new(free.len() as u64),
            free: Arc::new(Mutex::new(free)),
            path,
        })
    }

    /// A place for one attempt, which has it alone; `name`, which no other attempt has, is that of its file.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn place(&self, name: &str) -> io::Result<ReportPlace> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let folder = if let Some(folder) = free {
            folder
        } else {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let folder = self.path.join(number.to_string());
            private().create(&folder)?;
            folder
        };
        Ok(ReportPlace {
            file: folder.join(format!("{name}.prom")),
            folder,
            free: Arc::clone(&self.free),
        })
    }
}

impl Drop for ReportFolder {
    fn drop(&mut self) {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() as u64 != self.made.load(Ordering::Relaxed) {
            remove_all(&self.path);
        }
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// The place of one attempt. What was put there goes when it is dropped.
#[derive(Debug)]
pub struct ReportPlace {
    folder: PathBuf,
    file: PathBuf,
    free: Arc<Mutex<Vec<PathBuf>>>,
}

impl ReportPlace {
    /// Where the attempt may write.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What was written, once; nothing when there is no file.
    #[must_use]
    pub fn take(&self) -> Option<Report> {
        let report = match open(&self.file) {
            Ok(Some(file)) => read(file).unwrap_or(Report::Unreadable),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Ok(None) | Err(_) => Report::Unreadable,
        };
        fs::remove_file(&self.file).ok();
        Some(report)
    }
}

impl Drop for ReportPlace {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.folder);
        // Almost always it is empty by now.
        if is_empty(&folder) {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(folder);
            return;
        }
        // Somebody may have put a million files there.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove_all(&folder))),
            Err(_) => remove_all(&folder),
        }
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn remove_all(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "a temporary folder could not be removed");
        }
        Ok(()) | Err(_) => {}
    }
}

/// A plain file, or nothing: a link leads elsewhere, and a pipe would be waited for.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let is_plain = file.metadata()?.is_file();
    Ok(is_plain.then_some(file))
}

fn read(file: File) -> io::Result<Report> {
    let limit = u64::try_from(MAX_REPORT).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(if content.len() > MAX_REPORT {
        Report::TooLarge
    } else {
        Report::Content(content.into())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder(parent: &tempfile::TempDir) -> ReportFolder {
        ReportFolder::make(parent.path().join("metricas")).expect("a folder")
    }

    #[test]
    fn what_was_written_is_read_and_nothing_is_left() {
        let parent = tempfile::tempdir().expect("a folder");
        let all = folder(&parent);
        let place = all.place("a-1").expect("a place");
        assert_eq!(place.take(), None, "no file, no report");
        fs::write(place.file(), "texto").expect("written");
        fs::write(place.file().with_extension("tmp"), "resto").expect("written");
        let mode = fs::metadata(parent.path().join("metricas/0")).expect("there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o700);
        assert_eq!(
            place.take(),
            Some(Report::Content(b"texto".as_slice().into()))
        );
        drop(place);
        assert!(
            !parent.path().join("metricas/0").exists(),
            "it was not empty"
        );
        drop(all);
        assert!(!parent.path().join("metricas").exists());
    }

    #[test]
    fn empty_folders_stay_for_the_next_start_and_nobody_else_is_given_them() {
        let parent = tempfile::tempdir().expect("a folder");
        let all = folder(&parent);
        drop([all.place("a"), all.place("b")]);
        drop(all);
        let kept = parent.path().join("metricas");
        assert_eq!(fs::read_dir(&kept).expect("there").count(), 2);
        let all = folder(&parent);
        let places: Vec<_> = ["c", "d", "e"]
            .map(|name| all.place(name).expect("a place"))
            .into_iter()
            .collect();
        let folders: std::collections::HashSet<_> = places
            .iter()
            .map(|place| place.file().parent().expect("a parent").to_path_buf())
            .collect();
        assert_eq!(folders.len(), 3);
        assert!(folders.iter().all(|folder| folder.is_dir()));
    }

    #[test]
    fn an_empty_folder_is_used_again_but_never_by_two_at_once_nor_with_the_same_path() {
        let parent = tempfile::tempdir().expect("a folder");
        let all = folder(&parent);
        let paths: Vec<_> = ["a", "b", "c"]
            .map(|name| all.place(name).expect("a place").file().to_path_buf())
            .to_vec();
        assert_eq!(
            fs::read_dir(parent.path().join("metricas"))
                .expect("there")
                .count(),
            1
        );
        assert!(paths[0] != paths[1] && paths[1] != paths[2], "{paths:?}");
        let (one, two) = (
            all.place("d").expect("a place"),
            all.place("e").expect("a place"),
        );
        assert_ne!(one.file().parent(), two.file().parent());
    }

    #[test]
    fn a_link_a_pipe_and_a_folder_are_not_read_and_a_huge_file_only_to_its_limit() {
        let parent = tempfile::tempdir().expect("a folder");
        let all = folder(&parent);
        let place = |name: &str| all.place(name).expect("a place");
        let link = place("link");
        symlink("/etc/hostname", link.file()).expect("linked");
        let pipe = place("pipe");
        nix::unistd::mkfifo(pipe.file(), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let inner = place("folder");
        fs::create_dir(inner.file()).expect("a folder");
        for place in [&link, &pipe, &inner] {
            assert_eq!(place.take(), Some(Report::Unreadable), "{place:?}");
        }
        let huge = place("huge");
        let file = File::create(huge.file()).expect("a file");
        file.set_len(1 << 30).expect("a hole of 1 GiB");
        assert_eq!(huge.take(), Some(Report::TooLarge));
    }

    #[test]
    fn what_an_earlier_start_left_behind_is_removed_at_the_next_one() {
        let parent = tempfile::tempdir().expect("a folder");
        let kept = parent.path().join("metricas");
        fs::create_dir_all(kept.join("velho")).expect("a folder");
        fs::create_dir_all(kept.join("0")).expect("a folder");
        fs::write(kept.join("0/resto"), "x").expect("written");
        fs::write(kept.join("1"), "x").expect("written");
        symlink("/etc", kept.join("00")).expect("linked");
        let _all = folder(&parent);
        assert_eq!(fs::read_dir(&kept).expect("there").count(), 0);
        assert!(
            Path::new("/etc/hostname").exists(),
            "a link is not followed"
        );
    }
}
