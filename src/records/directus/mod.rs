//! The store in a Directus: its REST interface, spoken so that nothing is lost when it misbehaves.
//!
//! Refuses to change the installation's schema, and to send what the installation lacks. What it finds out about the
//! installation (`shape`) is asked once, at the first use.

mod backend;
mod claims;
mod client;
mod comparisons;
mod failure;
mod items;
mod listing;
mod needs;
mod people;
mod queue;
mod request;
mod results;
mod shape;
mod tags;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use secrecy::SecretString;

pub use self::backend::{Finding, Gravity};
use self::claims::Subject;
use self::client::Client;
use self::failure::Failure;
use self::items::Record;
use self::request::Request;
use self::shape::Shape;
use super::embedded::{DATABASE, notes, schema};
use super::error::RecordsError;
use super::imports::{Mark, NewClause, NewContract, NewModel, NewVersion};
use super::names::Names;
use super::observation::Observation;
use super::values::{
    Attempt, Base, Claim, ClaimResult, FileId, Listed, NewModification, NewReport, NewTag, Pending,
    PendingModel, PendingVersion, QueueState, RecordId, Row, StoredClause, StoredComparison,
    StoredReport, StoredTags,
};
use super::vocabulary::{Collection, State, Vocabulary};
use super::{Access, Records, StoreSettings};
use crate::domain::collections::RELATIONS;

/// The store in a Directus.
pub struct DirectusRecords {
    client: Client,
    names: Names,
    vocabulary: Vocabulary,
    lease: SignedDuration,
    settle: Duration,
    /// Tries of records whose collection has no room for them.
    tries: Connection,
    shape: Option<Arc<Shape>>,
    /// The stamps of the records that were listed last, where they have one.
    listed: HashMap<(Collection, RecordId), String>,
    /// The holder of the last claim, and what its work is about.
    subject: Option<(String, Subject)>,
    /// The holder of a claim, and the stamp that a change of our own gave its record since.
    own_change: Option<(String, String)>,
}

impl DirectusRecords {
    /// A store at an address; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// An address or token that cannot be used, a data directory that cannot be written.
    pub fn open(
        (url, token): (&str, &SecretString),
        settings: &StoreSettings,
        access: Access,
    ) -> Result<Self, RecordsError> {
        let client = Client::new(
            (url, token),
            settings.request_timeout,
            Arc::clone(&settings.stop),
        )?;
        let database = settings.data_dir.join(DATABASE);
        let tries = match access {
            Access::Write => {
                std::fs::create_dir_all(&settings.data_dir).map_err(|error| {
                    RecordsError::Open {
                        path: settings.data_dir.clone(),
                        reason: error.to_string(),
                    }
                })?;
                schema::open_for_writing(&database)?
            }
            Access::ReadOnly => schema::open_for_reading(&database)?,
        };
        Ok(Self {
            client,
            names: settings.names.clone(),
            vocabulary: settings.vocabulary.clone(),
            lease: settings.lease,
            settle: settings.settle,
            tries,
            shape: None,
            listed: HashMap::new(),
            subject: None,
            own_change: None,
        })
    }

    /// Finds out what the installation has, once, and whether it can do a collection's work.
    fn prepare(&mut self, collection: Collection) -> Result<(), RecordsError> {
        if self.shape.is_none() {
            self.learn()?;
            let problems = self.hindrances(collection);
            if !problems.is_empty() {
                self.shape = None;
                return Err(RecordsError::unavailable(format!(
                    "{} não está pronto: {}; veja orquestrador validar --backend",
                    self.client.address(),
                    problems.join("; ")
                )));
            }
        }
        Ok(())
    }

    /// Finds out what the installation has.
    fn learn(&mut self) -> Result<(), RecordsError> {
        if self.shape.is_some() {
            return Ok(());
        }
        let told = self.told("ler os campos");
        let shape = Shape::ask(&mut self.client, &self.names).map_err(told)?;
        self.shape = Some(Arc::new(shape));
        Ok(())
    }

    /// What was found out; nothing before [`Self::learn`].
    fn shape(&self) -> Arc<Shape> {
        self.shape.clone().unwrap_or_default()
    }

    fn page(&self) -> usize {
        self.shape().page.max(1)
    }

    /// Does what must be done although we are asked to end, as far as there is time for it.
    fn at_the_end<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.client.is_last, true);
        let done = work(self);
        self.client.is_last = before;
        done
    }

    /// What a failure means, when we wanted `asked`.
    fn told(&self, asked: &str) -> impl Fn(Failure) -> RecordsError + use<> {
        let (address, asked) = (self.client.address().to_owned(), asked.to_owned());
        move |failure| failure.of(&address, &asked)
    }

    /// The same for what concerns one record alone.
    fn told_of_record(&self, asked: &str) -> impl Fn(Failure) -> RecordsError + use<> {
        let (address, asked) = (self.client.address().to_owned(), asked.to_owned());
        move |failure| failure.of_record(&address, &asked)
    }

    /// Whether tries and reasons of a collection stand in its records.
    fn observes(&self, collection: Collection) -> bool {
        let name = collection.as_str();
        self.shape().may_write((name, "update"), "observacao")
    }

    /// Puts an observation into a change, where the collection has room for it.
    fn observe(&self, collection: Collection, observation: &Observation, change: &mut Record) {
        if self.observes(collection) {
            change.insert("observacao".to_owned(), observation.written().into());
        }
    }

    /// Our own note of a record whose collection has no room for it.
    fn kept_tries(
        &self,
        collection: Collection,
        id: &RecordId,
    ) -> Result<Observation, RecordsError> {
        notes::read_kept(&self.tries, (&kept_name(collection), &id.0))
    }

    fn keep_tries(
        &self,
        (collection, id): (Collection, &RecordId),
        observation: &Observation,
    ) -> Result<(), RecordsError> {
        if self.observes(collection) {
            return Ok(());
        }
        notes::write_kept(&self.tries, (&kept_name(collection), &id.0), observation)
    }
}

/// The embedded store has records of the same collections and keys.
fn kept_name(collection: Collection) -> String {
    format!("directus:{}", collection.as_str())
}

/// The collection that a field leads to.
fn target(collection: &str, field: &str) -> Option<&'static str> {
    let leads = |(from, name, _): &&(&str, &str, &str)| *from == collection && *name == field;
    RELATIONS.iter().find(leads).map(|(_, _, to)| *to)
}

impl Records for DirectusRecords {
    fn location(&self) -> String {
        format!("Directus, em {}", self.client.address())
    }

    fn pending_models(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingModel>, RecordsError> {
        self.models(limit, now)
    }

    fn pending_versions(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingVersion>, RecordsError> {
        self.versions(limit, now)
    }

    fn queue(
        &mut self,
        collection: Collection,
        now: Timestamp,
    ) -> Result<QueueState, RecordsError> {
        self.state(collection, now)
    }

    fn claim(
        &mut self,
        collection: Collection,
        id: &RecordId,
        now: Timestamp,
    ) -> Result<ClaimResult, RecordsError> {
        self.take(collection, id, now)
    }

    fn release(&mut self, claim: &Claim, _now: Timestamp) -> Result<(), RecordsError> {
        self.at_the_end(|records| records.give_back(claim))
    }

    fn fail(&mut self, claim: &Claim, reason: &str, _now: Timestamp) -> Result<(), RecordsError> {
        self.at_the_end(|records| records.close_failed(claim, reason))
    }

    fn read_file(&mut self, id: &FileId, limit: u64) -> Result<Vec<u8>, RecordsError> {
        let mut request = Request::get(&["assets", &id.0]);
        request.limit = limit;
        let bytes = self.client.bytes(&request);
        bytes.map_err(|failure| failure.of_file(self.client.address(), id))
    }

    fn base_of(&mut self, version: &RecordId) -> Result<Base, RecordsError> {
        self.learn()?;
        self.base(version)
    }

    fn clauses_of(&mut self, version: &RecordId) -> Result<Vec<StoredClause>, RecordsError> {
        self.learn()?;
        self.clauses(version)
    }

    fn store_tags(
        &mut self,
        claim: &Claim,
        tags: &[NewTag],
        _now: Timestamp,
    ) -> Result<StoredTags, RecordsError> {
        self.learn()?;
        self.keep_tags(claim, tags)
    }

    fn store_comparison(
        &mut self,
        claim: &Claim,
        modifications: &[NewModification],
        report: &NewReport,
        _now: Timestamp,
    ) -> Result<StoredComparison, RecordsError> {
        self.learn()?;
        self.keep_comparison(claim, modifications, report)
    }

    fn import_model(
        &mut self,
        model: &NewModel,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        self.learn()?;
        self.new_model(model)
    }

    fn import_contract(
        &mut self,
        contract: &NewContract,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        self.learn()?;
        self.new_contract(contract)
    }

    fn import_version(
        &mut self,
        version: &NewVersion,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        self.learn()?;
        self.new_version(version)
    }

    fn import_clause(
        &mut self,
        clause: &NewClause,
        _now: Timestamp,
    ) -> Result<RecordId, RecordsError> {
        self.learn()?;
        self.new_clause(clause)
    }

    fn mark(&mut self, mark: &Mark, _now: Timestamp) -> Result<(), RecordsError> {
        self.learn()?;
        self.set_by_hand(mark)
    }

    fn model_of_contract(
        &mut self,
        contract: &RecordId,
    ) -> Result<(RecordId, State), RecordsError> {
        self.learn()?;
        self.contract_model(contract)
    }

    fn list(
        &mut self,
        listed: Listed,
        parent: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, RecordsError> {
        self.learn()?;
        self.rows(listed, parent, limit)
    }

    fn report(&mut self, version: &RecordId) -> Result<Option<StoredReport>, RecordsError> {
        self.learn()?;
        self.stored_report(version)
    }

    fn take_attempts(&mut self) -> Vec<Attempt> {
        self.client.take_attempts()
    }

    fn is_empty(&mut self) -> Result<bool, RecordsError> {
        self.learn()?;
        self.has_nothing()
    }
}
