//! The documents' collections behind one trait: what waits, who works on it, what came of it.
//!
//! Refuses to know what a document says, who asks, and how the program is configured: times, limits and results are
//! handed in, and [`StoreSettings`] is all that opening needs.

pub mod directus;
pub mod embedded;
pub mod error;
pub mod imports;
mod matching;
pub mod names;
mod observation;
pub mod values;
pub mod vocabulary;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub use directus::{DirectusRecords, Finding, Gravity};
pub use embedded::EmbeddedRecords;
pub use error::{RecordsError, RecordsErrorKind};
pub use imports::{Mark, NewClause, NewContract, NewFile, NewModel, NewVersion};
pub use names::Names;
pub use values::{
    Attempt, Base, BaseKind, Claim, ClaimResult, FileId, Listed, NewModification, NewReport,
    NewTag, Pending, PendingModel, PendingVersion, QueueState, RecordId, RequestResult, Row,
    StoredClause, StoredComparison, StoredReport, StoredTags,
};
pub use vocabulary::{Collection, State, Vocabulary};

/// Where the documents are kept, and where this program keeps its own files.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Which store it is.
    pub kind: StoreKind,
    /// The data directory; `registros.db`, `arquivos/` and `relatorios/` live in it.
    pub data_dir: PathBuf,
    /// How it spells states and categories.
    pub vocabulary: Vocabulary,
    /// How it calls collections and fields, where it is not ours.
    pub names: Names,
    /// How long a claimed record may stay unfinished before another run takes it.
    pub lease: SignedDuration,
    /// How long a claim waits before it looks whether it holds, where the store has no conditional change.
    pub settle: Duration,
    /// How long one request to a store that is elsewhere may take.
    pub request_timeout: Duration,
    /// Set from outside when requests must end.
    pub stop: Arc<AtomicBool>,
}

impl StoreSettings {
    /// A store with the documented defaults.
    #[must_use]
    pub fn new(kind: StoreKind, data_dir: PathBuf) -> Self {
        Self {
            kind,
            data_dir,
            vocabulary: Vocabulary::default(),
            names: Names::default(),
            lease: SignedDuration::from_mins(vocabulary::LEASE_MINUTES),
            settle: Duration::from_millis(300),
            request_timeout: Duration::from_secs(30),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// The kinds of store.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// `SQLite` and a folder of files.
    Embedded,
    /// A Directus installation, spoken to over REST.
    Directus {
        /// Its base address.
        url: String,
        /// The static bearer token.
        token: SecretString,
    },
}

/// What the opener means to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and write; the store is created where there is none.
    Write,
    /// Read only; nothing is created, and a store that does not exist is an empty one.
    ReadOnly,
}

/// Opens the store that `settings` describe.
///
/// # Errors
///
/// A store that cannot be opened, or that a newer version of the program wrote. A Directus is not asked anything yet.
pub fn open(settings: &StoreSettings, access: Access) -> Result<Box<dyn Records>, RecordsError> {
    let vocabulary = settings.vocabulary.clone();
    match &settings.kind {
        StoreKind::Embedded => {
            let records = EmbeddedRecords::open(&settings.data_dir, vocabulary, access)?;
            Ok(Box::new(records.with_lease(settings.lease)))
        }
        StoreKind::Directus { url, token } => {
            let records = DirectusRecords::open((url, token), settings, access)?;
            Ok(Box::new(records))
        }
    }
}

/// Whether a Directus is fit for the processors, line by line; a store on this machine needs no such check.
///
/// # Errors
///
/// A store that cannot even be asked: an unusable address or data directory.
pub fn check(settings: &StoreSettings) -> Result<Vec<Finding>, RecordsError> {
    match &settings.kind {
        StoreKind::Embedded => Ok(Vec::new()),
        StoreKind::Directus { url, token } => {
            let records = DirectusRecords::open((url, token), settings, Access::ReadOnly);
            Ok(records?.check())
        }
    }
}

/// The collections, as the processors and the command line see them.
///
/// Every operation that writes is atomic as far as the store allows: it happened whole, or what is there of it is
/// taken up by the next run; a record is done only when its results are stored. `now` is wall time; it becomes
/// `date_created` and `date_updated`, and decides whether a lease has passed.
pub trait Records: Send {
    /// What and where the store is, for the start line, in Portuguese.
    fn location(&self) -> String;

    /// Models that wait with both files set, oldest first, at most `limit`; those whose lease passed are among them.
    fn pending_models(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingModel>, RecordsError>;

    /// Versions that wait and whose contract's model is published, oldest first, at most `limit`.
    fn pending_versions(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingVersion>, RecordsError>;

    /// How much of a collection is in work or asks for it.
    fn queue(&mut self, collection: Collection, now: Timestamp)
    -> Result<QueueState, RecordsError>;

    /// Takes one record for work, only if it still waits or its lease has passed.
    ///
    /// A record that was tried [`vocabulary::MAX_TRIES`] times without an end is closed as failed instead.
    fn claim(
        &mut self,
        collection: Collection,
        id: &RecordId,
        now: Timestamp,
    ) -> Result<ClaimResult, RecordsError>;

    /// Gives a claimed record back to its trigger status; the try does not count.
    fn release(&mut self, claim: &Claim, now: Timestamp) -> Result<(), RecordsError>;

    /// Ends a claimed record as failed, with the reason where the collection has room for it.
    fn fail(&mut self, claim: &Claim, reason: &str, now: Timestamp) -> Result<(), RecordsError>;

    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// An absent file, or one of more than `limit` bytes.
    fn read_file(&mut self, id: &FileId, limit: u64) -> Result<Vec<u8>, RecordsError>;

    /// What a version is compared with: the contract's latest earlier version, else its model's original.
    fn base_of(&mut self, version: &RecordId) -> Result<Base, RecordsError>;

    /// The clauses of a version's model, with the content of their tag where they have one.
    fn clauses_of(&mut self, version: &RecordId) -> Result<Vec<StoredClause>, RecordsError>;

    /// Replaces the tags of a claimed model, links its clauses, and sets it to done.
    ///
    /// Tags that are the same keep their id; the number of rows is read back before anything is committed.
    fn store_tags(
        &mut self,
        claim: &Claim,
        tags: &[NewTag],
        now: Timestamp,
    ) -> Result<StoredTags, RecordsError>;

    /// Stores the report and the modifications of a claimed version, and sets it to done.
    ///
    /// Modifications that are the same keep id, status, note and clause; the number of rows is read back.
    fn store_comparison(
        &mut self,
        claim: &Claim,
        modifications: &[NewModification],
        report: &NewReport,
        now: Timestamp,
    ) -> Result<StoredComparison, RecordsError>;

    /// Adds a model.
    fn import_model(&mut self, model: &NewModel, now: Timestamp) -> Result<RecordId, RecordsError>;

    /// Adds a contract of an existing model.
    fn import_contract(
        &mut self,
        contract: &NewContract,
        now: Timestamp,
    ) -> Result<RecordId, RecordsError>;

    /// Adds a version to an existing contract.
    fn import_version(
        &mut self,
        version: &NewVersion,
        now: Timestamp,
    ) -> Result<RecordId, RecordsError>;

    /// Adds a clause to an existing model.
    fn import_clause(
        &mut self,
        clause: &NewClause,
        now: Timestamp,
    ) -> Result<RecordId, RecordsError>;

    /// Sets a status by hand.
    fn mark(&mut self, mark: &Mark, now: Timestamp) -> Result<(), RecordsError>;

    /// The model of a contract, and the state that decides whether its versions are processed.
    fn model_of_contract(&mut self, contract: &RecordId)
    -> Result<(RecordId, State), RecordsError>;

    /// Rows of a collection, newest first, at most `limit`, of one parent if `parent` is given.
    fn list(
        &mut self,
        listed: Listed,
        parent: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, RecordsError>;

    /// The latest report of a version; `None` when it has none yet.
    fn report(&mut self, version: &RecordId) -> Result<Option<StoredReport>, RecordsError>;

    /// What the requests since the last call came to; nothing for a store that makes none.
    fn take_attempts(&mut self) -> Vec<Attempt>;

    /// Whether no collection has a record.
    fn is_empty(&mut self) -> Result<bool, RecordsError>;
}
