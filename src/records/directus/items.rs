//! Records of an installation, read page by page and written in our names. Knows no state and no claim.

use serde_json::{Map, Value, json};

use super::DirectusRecords;
use super::failure::Failure;
use super::request::{Repeat, Request};
use crate::records::values::{FileId, RecordId};

/// The fields of a record by our names.
pub(super) type Record = Map<String, Value>;

/// What is asked of a collection.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) collection: &'static str,
    /// Paths; those that the installation lacks are left out.
    pub(super) fields: Vec<String>,
    /// In the installation's names.
    pub(super) filter: Option<Value>,
    /// Paths, each perhaps with a minus; those that the installation lacks are left out.
    pub(super) sort: Vec<&'static str>,
    /// Records at most.
    pub(super) limit: usize,
}

impl Query {
    pub(super) fn of(collection: &'static str, fields: &[&str]) -> Self {
        Self {
            collection,
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            filter: None,
            sort: vec!["id"],
            limit: usize::MAX,
        }
    }

    pub(super) fn filter(mut self, filter: Value) -> Self {
        self.filter = Some(filter);
        self
    }

    pub(super) fn sort(mut self, sort: &[&'static str]) -> Self {
        self.sort = sort.to_vec();
        self
    }

    pub(super) fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

impl DirectusRecords {
    /// The records that a query asks for, in its order.
    pub(super) fn read(&mut self, query: &Query) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        while records.len() < query.limit {
            let size = self.page().min(query.limit - records.len());
            let request = self
                .request(query)
                .query("limit", size.to_string())
                .query("offset", records.len().to_string());
            let mut answer = self.client.json(&request)?;
            let Some(Value::Array(page)) = answer.get_mut("data").map(Value::take) else {
                return Err(Failure::Nonsense("a resposta não tem registros".to_owned()));
            };
            let read = page.len();
            if read > size {
                return Err(Failure::Nonsense(format!(
                    "vieram {read} registros onde cabem {size}"
                )));
            }
            for record in page {
                let Value::Object(record) = record else {
                    return Err(Failure::Nonsense("um registro não é um objeto".to_owned()));
                };
                records.push(self.names.inward(query.collection, record));
            }
            if read < size {
                break;
            }
        }
        Ok(records)
    }

    /// How many records fit a query, whatever its limit.
    pub(super) fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        let request = self
            .request(query)
            .query("limit", "0")
            .query("meta", "filter_count");
        let answer = self.client.json(&request)?;
        let count = &answer["meta"]["filter_count"];
        count
            .as_u64()
            .or_else(|| count.as_str()?.parse().ok())
            .ok_or_else(|| Failure::Nonsense("a resposta não tem a contagem".to_owned()))
    }

    /// One record; none if it does not exist, or may not be read.
    pub(super) fn read_one(
        &mut self,
        collection: &'static str,
        (id, fields): (&RecordId, &[&str]),
    ) -> Result<Option<Record>, Failure> {
        let filter = self.is(collection, "id", key(id));
        let query = Query::of(collection, fields).filter(filter).limit(1);
        match self.read(&query) {
            Ok(records) => Ok(records.into_iter().next()),
            // A key of another kind than the collection's is no record of it.
            Err(Failure::Refused { status: 400, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Changes one record and gives it back as it is then, if we may read it.
    pub(super) fn change(
        &mut self,
        collection: &'static str,
        (id, fields): (&RecordId, &[&str]),
        record: Record,
    ) -> Result<Option<Record>, Failure> {
        let body = Value::Object(self.names.outward(collection, record));
        let path = ["items", self.names.collection(collection), &id.0];
        let request = Request::new(reqwest::Method::PATCH, &path)
            .query("fields", self.paths(collection, fields).join(","))
            .json(&body);
        let mut answer = self.client.json(&request)?;
        let Some(Value::Object(record)) = answer.get_mut("data").map(Value::take) else {
            return Ok(None);
        };
        Ok(Some(self.names.inward(collection, record)))
    }

    /// Adds records and gives their keys, in their order.
    pub(super) fn add(
        &mut self,
        collection: &'static str,
        records: Vec<Record>,
    ) -> Result<Vec<RecordId>, Failure> {
        let count = records.len();
        let records = records
            .into_iter()
            .map(|record| Value::Object(self.names.outward(collection, record)));
        let body = Value::Array(records.collect());
        let path = ["items", self.names.collection(collection)];
        let field = self.names.field(collection, "id").to_owned();
        let request = Request::new(reqwest::Method::POST, &path)
            .query("fields", field.clone())
            .json(&body);
        let answer = self.client.json(&request)?;
        let added = answer["data"].as_array().into_iter().flatten();
        let ids: Vec<RecordId> = added
            .filter_map(|record| record_id(&record[&field]))
            .collect();
        if ids.len() == count {
            return Ok(ids);
        }
        Err(Failure::Nonsense(
            "faltam as chaves do que foi incluído".to_owned(),
        ))
    }

    /// Removes records; those that are gone already are fine.
    pub(super) fn remove(
        &mut self,
        collection: &'static str,
        ids: &[RecordId],
    ) -> Result<(), Failure> {
        let path = [
            "items".to_owned(),
            self.names.collection(collection).to_owned(),
        ];
        let size = self.page();
        for ids in ids.chunks(size) {
            // A key that is gone would make the whole request be refused.
            let filter = self.names.filter(collection, "id", ("_in", keys(ids)));
            let query = Query::of(collection, &["id"]).filter(filter);
            let left = self.read(&query)?;
            let left: Vec<RecordId> = left
                .iter()
                .filter_map(|record| record_id(at(record, "id")))
                .collect();
            if left.is_empty() {
                continue;
            }
            let mut request =
                Request::new(reqwest::Method::DELETE, &[&path[0], &path[1]]).json(&keys(&left));
            request.repeat = Repeat::Undone;
            match self.client.json(&request) {
                Err(failure) if failure.is_ambiguous() && self.count(&query)? == 0 => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Uploads a file.
    pub(super) fn upload(
        &mut self,
        (name, kind, description): (&str, &str, &str),
        bytes: &[u8],
    ) -> Result<FileId, Failure> {
        let boundary = format!("orquestrador-{}", uuid::Uuid::now_v7().simple());
        let body = multipart(&boundary, (name, kind, description), bytes);
        let mut request = Request::new(reqwest::Method::POST, &["files"]).query("fields", "id");
        request.body = Some((format!("multipart/form-data; boundary={boundary}"), body));
        let answer = self.client.json(&request)?;
        let id = answer["data"]["id"]
            .as_str()
            .map(|id| FileId(id.to_owned()));
        id.ok_or_else(|| Failure::Nonsense("falta a chave do arquivo enviado".to_owned()))
    }

    /// Removes a file; one that is gone already is fine.
    pub(super) fn remove_file(&mut self, file: &FileId) -> Result<(), Failure> {
        let mut request = Request::new(reqwest::Method::DELETE, &["files", &file.0]);
        request.repeat = Repeat::Always;
        match self.client.json(&request) {
            Err(failure) if failure.is_forbidden() => Ok(()),
            other => other.map(drop),
        }
    }

    /// The condition that a field is so.
    pub(super) fn is(&self, collection: &str, path: &str, value: Value) -> Value {
        self.names.filter(collection, path, ("_eq", value))
    }

    fn request(&self, query: &Query) -> Request {
        let collection = query.collection;
        let fields: Vec<&str> = query.fields.iter().map(String::as_str).collect();
        let sort = query.sort.iter().filter_map(|path| {
            let name = path.trim_start_matches('-');
            let known = self.known(collection, name)?;
            Some(format!(
                "{}{known}",
                if name.len() < path.len() { "-" } else { "" }
            ))
        });
        // A Directus with a cache (CACHE_ENABLED) answers what it was asked before as it was then. This asks what nobody
        // asked: a name for a field that is not asked for under it.
        let nonce = uuid::Uuid::now_v7().simple().to_string();
        let mut request = Request::get(&["items", self.names.collection(collection)])
            .query("fields", self.paths(collection, &fields).join(","))
            .query("sort", sort.collect::<Vec<_>>().join(","))
            .query(
                format!("alias[{nonce}]"),
                self.names.field(collection, "id"),
            );
        if let Some(filter) = &query.filter {
            request = request.query("filter", filter.to_string());
        }
        request
    }

    /// The paths that the installation knows, in its names.
    fn paths(&self, collection: &str, fields: &[&str]) -> Vec<String> {
        let known = fields
            .iter()
            .filter_map(|path| self.known(collection, path));
        known.collect()
    }

    /// A path in the installation's names; none if a step of it is lacking.
    fn known(&self, collection: &str, path: &str) -> Option<String> {
        let mut at = Some(collection);
        for step in path.split('.') {
            // Files are not ours to describe.
            let here = at.filter(|here| *here != "directus_files");
            if here.is_some_and(|here| !self.shape().has(here, step)) {
                return None;
            }
            at = here.and_then(|here| super::target(here, step));
        }
        Some(self.names.path(collection, path).join("."))
    }
}

/// A key as it is sent: a number where it is one.
pub(super) fn key(id: &RecordId) -> Value {
    let number = id.0.parse::<i64>().ok();
    let number = number.filter(|number| number.to_string() == id.0);
    number.map_or_else(|| Value::from(id.0.clone()), Value::from)
}

pub(super) fn keys(ids: &[RecordId]) -> Value {
    Value::Array(ids.iter().map(key).collect())
}

/// A key as it comes; none for nothing.
pub(super) fn record_id(value: &Value) -> Option<RecordId> {
    match value {
        Value::String(text) if !text.is_empty() => Some(RecordId(text.clone())),
        Value::Number(number) => Some(RecordId(number.to_string())),
        _ => None,
    }
}

/// Text as it comes; nothing is empty.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A field of a record; one that is not there is null.
pub(super) fn at<'a>(record: &'a Record, field: &str) -> &'a Value {
    record.get(field).unwrap_or(&Value::Null)
}

/// A record of pairs.
pub(super) fn record<const COUNT: usize>(pairs: [(&str, Value); COUNT]) -> Record {
    let pairs = pairs.into_iter();
    pairs
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
}

/// A form with one file, after RFC 7578; the description stands before it, as Directus wants.
fn multipart(
    boundary: &str,
    (name, kind, description): (&str, &str, &str),
    bytes: &[u8],
) -> Vec<u8> {
    let name = name
        .replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    let mut body = Vec::with_capacity(bytes.len() + 512);
    if !description.is_empty() {
        let field = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{description}\r\n"
        );
        body.extend_from_slice(field.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

/// All of these conditions.
pub(super) fn and(conditions: &[Value]) -> Value {
    json!({ "_and": conditions })
}

/// One of these conditions.
pub(super) fn or(conditions: &[Value]) -> Value {
    json!({ "_or": conditions })
}
