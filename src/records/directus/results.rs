//! What a processor found, stored: the list of a record's rows is set as a whole in the request that sets its status,
//! so that doing it twice is as good as once. Read back and counted.

use std::collections::HashMap;

use serde_json::Value;

use super::DirectusRecords;
use super::claims::lost;
use super::items::{Query, Record, at, key, text};
use super::queue;
use crate::records::error::RecordsError;
use crate::records::observation::Observation;
use crate::records::values::{Claim, RecordId};
use crate::records::vocabulary::{Collection, State};

/// New rows of one request, at most: the server writes a history of each.
const ROWS: usize = 400;
/// The largest request, bytes; a server takes 1 MB unless it is told otherwise.
const BYTES: usize = 600_000;

/// The rows of a record and where they hang.
#[derive(Clone, Copy)]
pub(super) struct Children {
    /// Their collection.
    pub(super) collection: &'static str,
    /// Their field that holds the record.
    pub(super) parent: &'static str,
    /// The record's field that holds them.
    pub(super) alias: &'static str,
}

/// One row as it shall be.
pub(super) enum Child {
    /// As it is.
    Same(RecordId),
    /// With these fields changed.
    Changed(RecordId, Record),
    New(Record),
}

impl DirectusRecords {
    /// Makes room before the one request that counts: removes stale rows where that request would leave them without a
    /// parent, and adds rows beyond what one request can carry. Whoever comes after a crash finds and keeps them.
    pub(super) fn shrink(
        &mut self,
        of: Children,
        claim: &Claim,
        (mut children, stale): (Vec<Child>, &[RecordId]),
    ) -> Result<Vec<Child>, RecordsError> {
        let told = self.told_of_record("gravar os resultados");
        let shape = self.shape();
        let is_removed = stale.len() <= shape.unlinked && shape.removes_unlinked(of.collection);
        if !stale.is_empty() && !is_removed {
            self.require(claim)?;
            self.remove(of.collection, stale).map_err(&told)?;
        }
        loop {
            let batch = batch(&children);
            let is_last = batch.len()
                == children
                    .iter()
                    .filter(|child| matches!(child, Child::New(_)))
                    .count();
            if is_last {
                return Ok(children);
            }
            self.require(claim)?;
            let row = |index: &usize| match children.get(*index) {
                Some(Child::New(row)) => {
                    let mut row = row.clone();
                    row.insert(of.parent.to_owned(), key(&claim.id));
                    Some(row)
                }
                _ => None,
            };
            let rows: Vec<Record> = batch.iter().filter_map(row).collect();
            let ids = self.add(of.collection, rows).map_err(&told)?;
            for (index, id) in batch.into_iter().zip(ids) {
                if let Some(child) = children.get_mut(index) {
                    *child = Child::Same(id);
                }
            }
        }
    }

    /// Stores results and status in one request.
    pub(super) fn finish(
        &mut self,
        claim: &Claim,
        observation: &Observation,
        mut change: Record,
    ) -> Result<(), RecordsError> {
        let (collection, name) = (claim.collection, claim.collection.as_str());
        change.insert("status".to_owned(), self.vocabulary.done.clone().into());
        let observation = observation.without_error();
        self.observe(collection, &observation, &mut change);
        let report = change.get("relatorio_diff").cloned();
        let told = self.told_of_record("gravar os resultados");
        match self.change(name, (&claim.id, &["id"]), change) {
            Ok(_) => {}
            Err(failure) if failure.is_ambiguous() => {
                let is_finished =
                    self.at_the_end(|records| records.is_finished(claim, report.as_ref()));
                if !is_finished? {
                    return Err(told(failure));
                }
            }
            Err(failure) => {
                self.require(claim)?;
                return Err(told(failure));
            }
        }
        self.keep_tries((collection, &claim.id), &observation)
    }

    /// Whether results whose storing had no clear answer are there.
    fn is_finished(&mut self, claim: &Claim, report: Option<&Value>) -> Result<bool, RecordsError> {
        let told = self.told("ler um registro");
        let name = claim.collection.as_str();
        let fields = ["status", "relatorio_diff"];
        let fields = if claim.collection == Collection::Version {
            &fields[..]
        } else {
            &fields[..1]
        };
        let found = self.read_one(name, (&claim.id, fields)).map_err(told)?;
        Ok(found.is_some_and(|found| {
            let state = self.vocabulary.read(&text(at(&found, "status")));
            let is_ours = report.is_none_or(|report| at(&found, "relatorio_diff") == report);
            state == State::Done && is_ours
        }))
    }

    /// Counts what was stored where it lies. A difference ends the record as failed: it must not look done.
    pub(super) fn read_back(
        &mut self,
        of: Children,
        claim: &Claim,
        expected: usize,
    ) -> Result<usize, RecordsError> {
        let told = self.told("contar o que foi gravado");
        let query = self.children(of, &claim.id, &["id"]);
        let found = self.count(&query).map_err(told)?;
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found == expected {
            return Ok(found);
        }
        let mismatch = RecordsError::CountMismatch { expected, found };
        // Somebody who took the record over is answerable for what lies there now.
        if !self.is_finished(claim, None)? {
            return Err(lost(claim));
        }
        let now = self.standing(claim.collection, &claim.id)?;
        let observation = now.map(|now| now.observation).unwrap_or_default();
        let observation = observation.with_error(&mismatch.to_string());
        self.close((claim.collection, &claim.id), &observation)?;
        Err(mismatch)
    }

    /// The rows of a record.
    pub(super) fn children(&self, of: Children, id: &RecordId, fields: &[&str]) -> Query {
        let filter = queue::of(self, of.collection, of.parent, id);
        Query::of(of.collection, fields)
            .filter(filter)
            .sort(&["sort", "id"])
    }

    /// A row without fields that the installation lacks or that may not be changed.
    pub(super) fn writable(&self, collection: &'static str, mut row: Record) -> Record {
        let shape = self.shape();
        row.retain(|field, _| shape.may_write((collection, "update"), field));
        row
    }

    pub(super) fn creatable(&self, collection: &'static str, mut row: Record) -> Record {
        let shape = self.shape();
        row.retain(|field, _| shape.may_write((collection, "create"), field));
        row
    }
}

/// Rows as the request carries them: the whole list, which replaces the one before.
pub(super) fn sent(children: Vec<Child>) -> Value {
    let sent = children.into_iter().map(|child| match child {
        Child::Same(id) => key(&id),
        Child::New(row) => Value::Object(row),
        Child::Changed(id, mut row) => {
            row.insert("id".to_owned(), key(&id));
            Value::Object(row)
        }
    });
    Value::Array(sent.collect())
}

/// The new rows that one request carries: indexes from the first new row on.
fn batch(children: &[Child]) -> Vec<usize> {
    let mut size = 0;
    let mut batch = Vec::new();
    for (index, child) in children.iter().enumerate() {
        let Child::New(row) = child else {
            continue;
        };
        size += Value::Object(row.clone()).to_string().len();
        if batch.len() == ROWS || (size > BYTES && !batch.is_empty()) {
            break;
        }
        batch.push(index);
    }
    batch
}

/// A row that keeps its key, with what differs from what lies there.
pub(super) fn change_of(id: RecordId, mut row: Record, by_id: &HashMap<RecordId, Record>) -> Child {
    if let Some(present) = by_id.get(&id) {
        row.retain(|field, value| !is_same(at(present, field), value));
    }
    if row.is_empty() {
        Child::Same(id)
    } else {
        Child::Changed(id, row)
    }
}

/// Whether two values say the same: keys may come as text or number, nothing may be an empty text.
fn is_same(present: &Value, wanted: &Value) -> bool {
    present == wanted || text(present) == text(wanted)
}
