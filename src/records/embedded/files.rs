//! The files beside the database: written whole or not at all, and never under a name that a user chose.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::super::error::RecordsError;

/// The folder of documents, within the data directory.
const DOCUMENTS: &str = "arquivos";
/// The folder of reports, within the data directory.
const REPORTS: &str = "relatorios";

/// The folders of the data directory.
#[derive(Debug)]
pub(super) struct FileStore {
    data_dir: PathBuf,
}

impl FileStore {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
        }
    }

    /// The name on disk of a document, from the id of its row.
    pub(super) fn document_name(id: i64) -> String {
        format!("{DOCUMENTS}/{id}.docx")
    }

    /// A name on disk for a report that no file has yet.
    pub(super) fn report_name(&self, name: &str) -> String {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "html"));
        let first = format!("{REPORTS}/{stem}.{extension}");
        let later = (2..).map(|number| format!("{REPORTS}/{stem}_{number}.{extension}"));
        std::iter::once(first.clone())
            .chain(later)
            .find(|name| !self.path(name).exists())
            .unwrap_or(first)
    }

    /// The path of a name on disk.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.data_dir.join(name)
    }

    /// The path as people type it: relative to the working directory where it lies below it.
    pub(super) fn shown(&self, name: &str) -> String {
        let path = self.path(name);
        let working_dir = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&working_dir)
            .unwrap_or(&path)
            .display()
            .to_string()
    }

    /// Writes a file so that its name never stands for half of it: temporary file, fsync, rename, fsync of the folder.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RecordsError> {
        let path = self.path(name);
        write_whole(&path, bytes).map_err(|source| RecordsError::File { path, source })
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, RecordsError> {
        let path = self.path(name);
        let failed = |source| RecordsError::File {
            path: path.clone(),
            source,
        };
        let mut file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > limit {
            return Err(RecordsError::TooLarge { size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Removes a file; one that is gone already is fine.
    pub(super) fn remove(&self, name: &str) -> Result<(), RecordsError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RecordsError::File { path, source })
            }
            _ => Ok(()),
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // What failed matters more than whether its remains could be removed.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}
