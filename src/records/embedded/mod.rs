//! The embedded store: `registros.db` (`SQLite`) and the folders `arquivos/` and `relatorios/` in the data directory.
//!
//! Refuses to know what a document says: it stores rows and bytes, each operation in one transaction.

mod files;
mod listing;
mod modification_rows;
pub(super) mod notes;
mod people;
mod queue;
pub(super) mod schema;
mod tag_rows;

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use self::files::FileStore;
use super::error::RecordsError;
use super::imports::{Mark, NewClause, NewContract, NewModel, NewVersion};
use super::values::{
    Attempt, Base, Claim, ClaimResult, FileId, Listed, NewModification, NewReport, NewTag, Pending,
    PendingModel, PendingVersion, QueueState, RecordId, Row, StoredClause, StoredComparison,
    StoredReport, StoredTags,
};
use super::vocabulary::{Collection, LEASE_MINUTES, State, Vocabulary};
use super::{Access, Records};

/// The file of the database, within the data directory.
pub const DATABASE: &str = "registros.db";

/// The store on this machine.
#[derive(Debug)]
pub struct EmbeddedRecords {
    connection: Connection,
    files: FileStore,
    vocabulary: Vocabulary,
    location: String,
    lease: SignedDuration,
}

impl EmbeddedRecords {
    /// Opens the store in `data_dir`; for writing, it is created where there is none.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made or written, a file that is no database, a database of a newer program.
    pub fn open(
        data_dir: &Path,
        vocabulary: Vocabulary,
        access: Access,
    ) -> Result<Self, RecordsError> {
        let path = data_dir.join(DATABASE);
        let connection = match access {
            Access::Write => {
                fs::create_dir_all(data_dir).map_err(|error| RecordsError::Open {
                    path: data_dir.to_path_buf(),
                    reason: error.to_string(),
                })?;
                schema::open_for_writing(&path)?
            }
            Access::ReadOnly => schema::open_for_reading(&path)?,
        };
        let files = FileStore::new(data_dir);
        let location = format!("embutido ({})", files.shown(DATABASE));
        Ok(Self {
            connection,
            files,
            vocabulary,
            location,
            lease: SignedDuration::from_mins(LEASE_MINUTES),
        })
    }

    /// How long a claimed record may stay unfinished before another run takes it.
    #[must_use]
    pub fn with_lease(mut self, lease: SignedDuration) -> Self {
        self.lease = lease;
        self
    }

    /// The stamp before which a running record's lease has passed.
    fn lease_cutoff(&self, now: Timestamp) -> String {
        let cutoff = now.checked_sub(self.lease);
        stamp(cutoff.unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Writers take the lock at once, so that what they read first still holds when they write.
    fn begin(&mut self) -> Result<Transaction<'_>, RecordsError> {
        Ok(self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

impl Records for EmbeddedRecords {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn pending_models(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingModel>, RecordsError> {
        let cutoff = self.lease_cutoff(now);
        queue::pending_models(&self.connection, &self.vocabulary, limit, &cutoff)
    }

    fn pending_versions(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingVersion>, RecordsError> {
        let cutoff = self.lease_cutoff(now);
        queue::pending_versions(&self.connection, &self.vocabulary, limit, &cutoff)
    }

    fn queue(
        &mut self,
        collection: Collection,
        now: Timestamp,
    ) -> Result<QueueState, RecordsError> {
        let cutoff = self.lease_cutoff(now);
        queue::state(&self.connection, &self.vocabulary, collection, &cutoff)
    }

    fn claim(
        &mut self,
        collection: Collection,
        id: &RecordId,
        now: Timestamp,
    ) -> Result<ClaimResult, RecordsError> {
        let (vocabulary, cutoff) = (self.vocabulary.clone(), self.lease_cutoff(now));
        let transaction = self.begin()?;
        let when = (now, cutoff.as_str());
        let result = queue::claim(&transaction, &vocabulary, (collection, id), when)?;
        transaction.commit()?;
        Ok(result)
    }

    fn release(&mut self, claim: &Claim, now: Timestamp) -> Result<(), RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self.begin()?;
        queue::release(&transaction, &vocabulary, claim, now)?;
        Ok(transaction.commit()?)
    }

    fn fail(&mut self, claim: &Claim, reason: &str, now: Timestamp) -> Result<(), RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self.begin()?;
        queue::fail(&transaction, &vocabulary, (claim, reason), now)?;
        Ok(transaction.commit()?)
    }

    fn read_file(&mut self, id: &FileId, limit: u64) -> Result<Vec<u8>, RecordsError> {
        listing::read_file(&self.connection, &self.files, id, limit)
    }

    fn base_of(&mut self, version: &RecordId) -> Result<Base, RecordsError> {
        listing::base_of(&self.connection, version)
    }

    fn clauses_of(&mut self, version: &RecordId) -> Result<Vec<StoredClause>, RecordsError> {
        listing::clauses_of(&self.connection, version)
    }

    fn store_tags(
        &mut self,
        claim: &Claim,
        tags: &[NewTag],
        now: Timestamp,
    ) -> Result<StoredTags, RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self.begin()?;
        let stored = tag_rows::store_tags(&transaction, &vocabulary, (claim, tags), now)?;
        transaction.commit()?;
        Ok(stored)
    }

    fn store_comparison(
        &mut self,
        claim: &Claim,
        modifications: &[NewModification],
        report: &NewReport,
        now: Timestamp,
    ) -> Result<StoredComparison, RecordsError> {
        // The report lies on disk, whole, before any row speaks of it.
        let name = self.files.report_name(&report.name);
        self.files.write(&name, report.html.as_bytes())?;
        let vocabulary = self.vocabulary.clone();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let file = modification_rows::StoredFile {
            name: &name,
            size: report.html.len(),
        };
        let stored = modification_rows::store_comparison(
            &transaction,
            &vocabulary,
            (claim, modifications, file),
            now,
        )
        .and_then(|stored| Ok(transaction.commit().map(|()| stored)?));
        match stored {
            Ok((mut stored, replaced)) => {
                // The results are stored, so a report that was replaced and stays undoes nothing.
                if let Some(old) = replaced
                    && let Err(error) = self.files.remove(&old)
                {
                    stored.left.push(error.to_string());
                }
                stored.report = self.files.shown(&name);
                Ok(stored)
            }
            Err(error) => {
                self.files.remove(&name)?;
                Err(error)
            }
        }
    }

    fn import_model(&mut self, model: &NewModel, now: Timestamp) -> Result<RecordId, RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id = people::import_model(&transaction, &self.files, (&vocabulary, model), now)?;
        transaction.commit()?;
        Ok(id)
    }

    fn import_contract(
        &mut self,
        contract: &NewContract,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        let transaction = self.begin()?;
        let id = people::import_contract(&transaction, contract)?;
        transaction.commit()?;
        Ok(id)
    }

    fn import_version(
        &mut self,
        version: &NewVersion,
        now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id = people::import_version(&transaction, &self.files, (&vocabulary, version), now)?;
        transaction.commit()?;
        Ok(id)
    }

    fn import_clause(
        &mut self,
        clause: &NewClause,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        let transaction = self.begin()?;
        let id = people::import_clause(&transaction, clause)?;
        transaction.commit()?;
        Ok(id)
    }

    fn mark(&mut self, mark: &Mark, now: Timestamp) -> Result<(), RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let transaction = self.begin()?;
        people::mark(&transaction, &vocabulary, mark, now)?;
        Ok(transaction.commit()?)
    }

    fn model_of_contract(
        &mut self,
        contract: &RecordId,
    ) -> Result<(RecordId, State), RecordsError> {
        listing::model_of_contract(&self.connection, &self.vocabulary, contract)
    }

    fn list(
        &mut self,
        listed: Listed,
        parent: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, RecordsError> {
        listing::list(&self.connection, listed, parent, limit)
    }

    fn report(&mut self, version: &RecordId) -> Result<Option<StoredReport>, RecordsError> {
        listing::report(&self.connection, &self.files, version)
    }

    fn take_attempts(&mut self) -> Vec<Attempt> {
        Vec::new()
    }

    fn is_empty(&mut self) -> Result<bool, RecordsError> {
        listing::is_empty(&self.connection)
    }
}

/// An instant as it stands in the tables: RFC 3339 in UTC with milliseconds, so that text order is time order.
fn stamp(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The integer key of a record; text that is none is a record that does not exist.
fn key(collection: &'static str, id: &RecordId) -> Result<i64, RecordsError> {
    id.0.parse().map_err(|_| RecordsError::UnknownRecord {
        collection,
        id: id.clone(),
    })
}

/// Runs a query for one row of a record that must exist.
fn one<T>(
    connection: &Connection,
    (sql, collection, id): (&str, &'static str, &RecordId),
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<T, RecordsError> {
    let found = connection
        .query_row(sql, [key(collection, id)?], read)
        .optional()?;
    found.ok_or_else(|| RecordsError::UnknownRecord {
        collection,
        id: id.clone(),
    })
}

/// The spellings of a state for an SQL `IN`.
fn spelled(vocabulary: &Vocabulary, state: State) -> String {
    let quoted = |spelling: &str| format!("'{}'", spelling.replace('\'', "''"));
    let spellings = vocabulary.spellings(state).into_iter().map(quoted);
    format!("({})", spellings.collect::<Vec<_>>().join(","))
}

/// What was stored is counted where it lies; a difference rolls the whole transaction back.
fn read_back(
    connection: &Connection,
    sql: &str,
    id: i64,
    expected: usize,
) -> Result<usize, RecordsError> {
    let found: i64 = connection.query_row(sql, [id], |row| row.get(0))?;
    let found = usize::try_from(found).unwrap_or_default();
    if found == expected {
        Ok(found)
    } else {
        Err(RecordsError::CountMismatch { expected, found })
    }
}
