//! What waits for the processors, and what is in work. Changes nothing.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::DirectusRecords;
use super::claims::stamp_of;
use super::items::{Query, Record, and, at, key, or, record_id, text};
use crate::records::error::RecordsError;
use crate::records::values::{FileId, Pending, PendingModel, PendingVersion, QueueState, RecordId};
use crate::records::vocabulary::{Collection, State};

impl DirectusRecords {
    pub(super) fn models(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingModel>, RecordsError> {
        const ASKED: &str = "ler os modelos pendentes";
        self.prepare(Collection::Model)?;
        let due = self.due("modelo_contrato", now);
        let has = |this: &Self, field| {
            this.names
                .filter("modelo_contrato", field, ("_nnull", true.into()))
        };
        let ready = and(&[
            due.clone(),
            has(self, "arquivo_original"),
            has(self, "arquivo_com_tags"),
        ]);
        let fields = [
            "id",
            "nome",
            "arquivo_original",
            "arquivo_com_tags",
            "date_updated",
        ];
        let query = Query::of("modelo_contrato", &fields).sort(&["date_created", "id"]);
        let (found, waiting, all) = self.pending(query, (ready, due), limit, ASKED)?;
        self.remember(Collection::Model, &found);
        let model = |found: &Record| {
            Some(PendingModel {
                id: record_id(at(found, "id"))?,
                name: text(at(found, "nome")),
                original: file_id(at(found, "arquivo_original"))?,
                tagged: file_id(at(found, "arquivo_com_tags"))?,
            })
        };
        Ok(Pending {
            records: found.iter().filter_map(model).collect(),
            waiting,
            blocked: all.saturating_sub(waiting),
        })
    }

    pub(super) fn versions(
        &mut self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Pending<PendingVersion>, RecordsError> {
        const ASKED: &str = "ler as versões pendentes";
        self.prepare(Collection::Version)?;
        let due = self.due("versao", now);
        let published = self.spelled(
            "versao",
            "contrato.modelo_contrato.status",
            State::Published,
        );
        let ready = and(&[due.clone(), published]);
        let fields = [
            "id",
            "versao",
            "arquivo",
            "date_created",
            "date_updated",
            "contrato.numero",
            "contrato.titulo",
        ];
        let query = Query::of("versao", &fields).sort(&["date_created", "id"]);
        let (found, waiting, all) = self.pending(query, (ready, due), limit, ASKED)?;
        self.remember(Collection::Version, &found);
        let version = |found: &Record| {
            let contract = at(found, "contrato");
            let names = [text(&contract["numero"]), text(&contract["titulo"])];
            Some(PendingVersion {
                id: record_id(at(found, "id"))?,
                name: text(at(found, "versao")),
                contract: names
                    .into_iter()
                    .find(|name| !name.is_empty())
                    .unwrap_or_default(),
                file: file_id(at(found, "arquivo")),
                created: text(at(found, "date_created")),
            })
        };
        Ok(Pending {
            records: found.iter().filter_map(version).collect(),
            waiting,
            blocked: all.saturating_sub(waiting),
        })
    }

    /// Notes how records were when they were listed.
    fn remember(&mut self, collection: Collection, found: &[Record]) {
        let stamped = found
            .iter()
            .filter_map(|found| Some(((collection, record_id(at(found, "id"))?), stamp_of(found))));
        self.listed = stamped.collect();
    }

    /// Records that are ready, how many of those there are, and how many are due.
    fn pending(
        &mut self,
        query: Query,
        (ready, due): (Value, Value),
        limit: usize,
        asked: &str,
    ) -> Result<(Vec<Record>, usize, usize), RecordsError> {
        let told = self.told(asked);
        let ready = query.clone().filter(ready);
        let found = self.read(&ready.clone().limit(limit)).map_err(&told)?;
        let waiting = self.count(&ready).map_err(&told)?;
        let all = self.count(&query.filter(due)).map_err(&told)?;
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Ok((found, number(waiting), number(all)))
    }

    pub(super) fn state(
        &mut self,
        collection: Collection,
        now: Timestamp,
    ) -> Result<QueueState, RecordsError> {
        self.prepare(collection)?;
        let told = self.told("contar a fila");
        let name = collection.as_str();
        let waiting = self.spelled(name, "status", State::Waiting);
        let running = self.spelled(name, "status", State::Running);
        let stuck = and(&[running.clone(), self.expired(name, now)]);
        let mut count = |filter| {
            self.count(&Query::of(name, &["id"]).filter(filter))
                .map_err(&told)
        };
        let (waiting, running, stuck) = (count(waiting)?, count(running)?, count(stuck)?);
        Ok(QueueState {
            waiting,
            running: running.saturating_sub(stuck),
            stuck,
        })
    }

    /// The condition that a record waits, or is running and its lease has passed.
    fn due(&self, collection: &'static str, now: Timestamp) -> Value {
        let waiting = self.spelled(collection, "status", State::Waiting);
        let running = self.spelled(collection, "status", State::Running);
        or(&[waiting, and(&[running, self.expired(collection, now)])])
    }

    /// The condition that a record has not been changed since the lease began.
    fn expired(&self, collection: &'static str, now: Timestamp) -> Value {
        let cutoff = Value::from(
            self.cutoff(now)
                .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string(),
        );
        let is = |field: &str, operator: &str, value: &Value| {
            self.names
                .filter(collection, field, (operator, value.clone()))
        };
        let has = |field: &str| self.shape().has(collection, field);
        let empty = Value::from(true);
        match (has("date_updated"), has("date_created")) {
            (true, true) => or(&[
                is("date_updated", "_lt", &cutoff),
                and(&[
                    is("date_updated", "_null", &empty),
                    is("date_created", "_lt", &cutoff),
                ]),
            ]),
            (true, false) => is("date_updated", "_lt", &cutoff),
            (false, true) => is("date_created", "_lt", &cutoff),
            // Without any date nobody can say that a lease has passed.
            (false, false) => is("id", "_null", &empty),
        }
    }

    pub(super) fn cutoff(&self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.lease).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The condition that a status has one of the spellings of a state.
    pub(super) fn spelled(&self, collection: &str, path: &str, state: State) -> Value {
        let words = self.vocabulary.spellings(state);
        self.names.filter(collection, path, ("_in", json!(words)))
    }
}

pub(super) fn file_id(value: &Value) -> Option<FileId> {
    record_id(value).map(|id| FileId(id.0))
}

/// The key of a record as a condition.
pub(super) fn of(records: &DirectusRecords, collection: &str, path: &str, id: &RecordId) -> Value {
    records.is(collection, path, key(id))
}
