//! The beginnings of runs that are not in the database yet, `historico.inicios`: written ahead, so that no start waits for a
//! commit, and none is unknown whenever we are killed. Refuses to know what a run has come to.
//!
//! The file has slots of one size. A beginning takes a free one with a single write, which the system's page cache keeps after
//! our death as it keeps the database's log (`synchronous = normal`), and gives it back once it was committed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{CycleStart, Instance, ProcessorName, RunId, RunStart, TraceContext};

/// The file, within the instance's directory.
pub(super) const FILE: &str = "historico.inicios";
/// Bytes of a slot; a beginning that is longer is not written ahead.
const SLOT: usize = 1024;
/// How many there are. With all of them taken, runs wait for their commit again.
const SLOTS: usize = 512;

/// What is known of a run when it begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Beginning {
    pub(super) id: RunId,
    pub(super) processor: ProcessorName,
    pub(super) instance: Instance,
    pub(super) cycle: CycleStart,
    pub(super) started_at: Timestamp,
    pub(super) queue_wait: Duration,
    pub(super) trace: Option<TraceContext>,
}

impl From<&RunStart> for Beginning {
    fn from(start: &RunStart) -> Self {
        Self {
            id: start.id.clone(),
            processor: start.spec.name.clone(),
            instance: start.instance,
            cycle: CycleStart::clone(&start.cycle),
            started_at: start.started_at,
            queue_wait: start.queue_wait,
            trace: start.trace,
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct Beginnings {
    file: File,
    free: Mutex<Vec<usize>>,
}

/// A beginning that stands in the file until this is dropped.
#[derive(Debug)]
pub(super) struct Noted {
    beginnings: Arc<Beginnings>,
    slot: usize,
}

impl Beginnings {
    /// What stands in the file of `folder`, and how many slots hold what is none; nothing where there is no file.
    pub(super) fn read(folder: &Path) -> (Vec<Beginning>, usize) {
        let content = File::open(folder.join(FILE)).map_or_else(|_| Vec::new(), content);
        let record = |slot: &[u8]| slot.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        let records = content.chunks(SLOT).filter_map(record);
        let records: Vec<_> = records.filter(|record| !record.is_empty()).collect();
        let read = records
            .iter()
            .flat_map(|record| serde_json::from_slice(record));
        let read: Vec<_> = read.collect();
        let unread = records.len() - read.len();
        (read, unread)
    }

    /// The file of `folder`, with every slot free.
    pub(super) fn begin(folder: &Path) -> io::Result<Arc<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // A file that is cut to nothing is written to the disk when it is closed (ext4(5), auto_da_alloc).
            .truncate(false)
            .open(folder.join(FILE))?;
        for (slot, bytes) in content(file.try_clone()?).chunks(SLOT).enumerate() {
            if bytes.first() != Some(&0) {
                file.write_all_at(&[0], offset(slot))?;
            }
        }
        // Taken from the end: the first slot first, so that the file stays small.
        let free = Mutex::new((0..SLOTS).rev().collect());
        Ok(Arc::new(Self { file, free }))
    }

    /// Writes a beginning down. None when that could not be done, so that its commit must be waited for.
    pub(super) fn note(self: &Arc<Self>, start: &RunStart) -> Option<Noted> {
        let mut record = serde_json::to_vec(&Beginning::from(start)).ok()?;
        record.push(0);
        if record.len() > SLOT {
            return None;
        }
        let slot = self.free().pop()?;
        let noted = Noted {
            beginnings: Arc::clone(self),
            slot,
        };
        self.file.write_all_at(&record, offset(slot)).ok()?;
        Some(noted)
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was read before an error is all that there is to know.
fn content(file: File) -> Vec<u8> {
    let mut content = Vec::new();
    file.take(offset(SLOTS)).read_to_end(&mut content).ok();
    content
}

fn offset(slot: usize) -> u64 {
    (slot * SLOT) as u64
}

impl Drop for Noted {
    fn drop(&mut self) {
        // One that stays all the same is found in the database too, which the next start sees.
        let file = &self.beginnings.file;
        file.write_all_at(&[0], offset(self.slot)).ok();
        self.beginnings.free().push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    fn names(folder: &Path) -> Vec<String> {
        let (found, _) = Beginnings::read(folder);
        found
            .into_iter()
            .map(|beginning| String::from(beginning.processor))
            .collect()
    }

    #[test]
    fn a_beginning_is_there_until_it_is_let_go_and_its_slot_serves_again() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(names(folder.path()).is_empty());
        let beginnings = Beginnings::begin(folder.path()).expect("a file");
        let first = beginnings.note(&samples::run_start("um_nome_bem_longo"));
        let second = beginnings.note(&samples::run_start("dois"));
        assert_eq!(names(folder.path()), ["um_nome_bem_longo", "dois"]);
        drop(first);
        assert_eq!(names(folder.path()), ["dois"]);
        let third = beginnings.note(&samples::run_start("tres"));
        assert_eq!(names(folder.path()), ["tres", "dois"]);
        assert!(Beginnings::begin(folder.path()).is_ok());
        assert!(names(folder.path()).is_empty(), "of an earlier start");
        drop((second, third));
    }

    #[test]
    fn with_every_slot_taken_nothing_more_is_noted_until_one_is_let_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let beginnings = Beginnings::begin(folder.path()).expect("a file");
        let start = samples::run_start("a");
        let mut noted: Vec<_> = (0..SLOTS).map(|_| beginnings.note(&start)).collect();
        assert!(noted.iter().all(Option::is_some));
        assert!(beginnings.note(&start).is_none());
        noted.pop();
        assert!(beginnings.note(&start).is_some());
    }

    #[test]
    fn what_was_not_written_whole_is_no_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let beginnings = Beginnings::begin(folder.path()).expect("a file");
        let whole = beginnings.note(&samples::run_start("inteiro"));
        let torn = beginnings.note(&samples::run_start("partido"));
        beginnings
            .file
            .write_all_at(&[0], SLOT as u64 + 100)
            .expect("written");
        assert_eq!(names(folder.path()), ["inteiro"]);
        assert_eq!(Beginnings::read(folder.path()).1, 1, "it is told");
        drop((whole, torn));
    }
}
