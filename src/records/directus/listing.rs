//! What is read of an installation: rows for people, and the neighbours of a record that a processor needs.

use super::DirectusRecords;
use super::failure::Failure;
use super::items::{Query, Record, and, at, key, record_id, text};
use super::queue::{self, file_id};
use super::request::Request;
use crate::domain::collections::COLLECTIONS;
use crate::records::Records as _;
use crate::records::error::RecordsError;
use crate::records::values::{
    Base, BaseKind, FileId, Listed, RecordId, Row, StoredClause, StoredReport,
};
use crate::records::vocabulary::{Collection, State};

/// The largest report that is read back, in bytes.
const REPORT_LIMIT: u64 = 1024 * 1024 * 1024;
/// Versions of one contract that share an instant, at most.
const SAME_INSTANT: usize = 50;

/// The collection of a list, and the field that holds the parent.
pub(super) fn place(listed: Listed) -> (&'static str, &'static str) {
    match listed {
        Listed::Models => ("modelo_contrato", "id"),
        Listed::Contracts => ("contrato", "modelo_contrato"),
        Listed::Versions => ("versao", "contrato"),
        Listed::Tags => ("modelo_contrato_tag", "modelo_contrato"),
        Listed::Modifications => ("modificacao", "versao"),
        Listed::Clauses => ("clausula", "modelo_contrato"),
    }
}

/// What is counted of each row: the field, and the heading.
fn counted(listed: Listed) -> Option<(&'static str, &'static str)> {
    match listed {
        Listed::Models => Some(("tags", "total_tags")),
        Listed::Contracts => Some(("versoes", "total_versoes")),
        Listed::Versions => Some(("modificacoes", "total_modificacoes")),
        Listed::Tags | Listed::Modifications | Listed::Clauses => None,
    }
}

impl DirectusRecords {
    pub(super) fn base(&mut self, version: &RecordId) -> Result<Base, RecordsError> {
        const FIELDS: [&str; 4] = ["id", "versao", "arquivo", "date_created"];
        let told = self.told_of_record("ler uma versão");
        let asked = [
            "id",
            "date_created",
            "contrato.id",
            "contrato.modelo_contrato.id",
            "contrato.modelo_contrato.nome",
            "contrato.modelo_contrato.arquivo_original",
            "contrato.modelo_contrato.date_created",
        ];
        let found = self.read_one("versao", (version, &asked)).map_err(&told)?;
        let found = found.ok_or_else(|| unknown("versão", version))?;
        let contract = record_id(&at(&found, "contrato")["id"]);
        let created = at(&found, "date_created").clone();
        if let Some(contract) = contract {
            let mut conditions = vec![
                queue::of(self, "versao", "contrato", &contract),
                self.names.filter("versao", "id", ("_neq", key(version))),
            ];
            if self.shape().has("versao", "date_created") && !created.is_null() {
                conditions.push(self.names.filter(
                    "versao",
                    "date_created",
                    ("_lte", created.clone()),
                ));
            }
            let query = Query::of("versao", &FIELDS)
                .filter(and(&conditions))
                .sort(&["-date_created", "-id"])
                .limit(SAME_INSTANT);
            let earlier = self.read(&query).map_err(&told)?;
            let of_it = order(&found);
            if let Some(base) = earlier.iter().find(|row| order(row) < of_it) {
                return Ok(base_from(BaseKind::Version, base, ("versao", "arquivo")));
            }
        }
        let model = &at(&found, "contrato")["modelo_contrato"];
        let model = model
            .as_object()
            .ok_or_else(|| unknown("modelo da versão", version))?;
        Ok(base_from(
            BaseKind::Model,
            model,
            ("nome", "arquivo_original"),
        ))
    }

    pub(super) fn clauses(
        &mut self,
        version: &RecordId,
    ) -> Result<Vec<StoredClause>, RecordsError> {
        if !self.shape().has("clausula", "modelo_contrato") {
            return Ok(Vec::new());
        }
        let told = self.told_of_record("ler as cláusulas de um modelo");
        let asked = ["contrato.modelo_contrato.id"];
        let found = self.read_one("versao", (version, &asked)).map_err(&told)?;
        let model =
            found.and_then(|found| record_id(&at(&found, "contrato")["modelo_contrato"]["id"]));
        let Some(model) = model else {
            return Ok(Vec::new());
        };
        let fields = ["id", "numero", "nome", "conteudo", "tag.conteudo"];
        let filter = queue::of(self, "clausula", "modelo_contrato", &model);
        let clauses = self
            .read(&Query::of("clausula", &fields).filter(filter))
            .map_err(&told)?;
        let clause = |row: &Record| {
            let contents = [text(at(row, "conteudo")), text(&at(row, "tag")["conteudo"])];
            Some(StoredClause {
                id: record_id(at(row, "id"))?,
                number: text(at(row, "numero")),
                name: text(at(row, "nome")),
                content: contents
                    .into_iter()
                    .find(|text| !text.is_empty())
                    .unwrap_or_default(),
            })
        };
        Ok(clauses.iter().filter_map(clause).collect())
    }

    pub(super) fn contract_model(
        &mut self,
        contract: &RecordId,
    ) -> Result<(RecordId, State), RecordsError> {
        let told = self.told("ler um contrato");
        let asked = ["id", "modelo_contrato.id", "modelo_contrato.status"];
        let found = self
            .read_one("contrato", (contract, &asked))
            .map_err(told)?;
        let found = found.ok_or_else(|| unknown("contrato", contract))?;
        let model = at(&found, "modelo_contrato");
        let id = record_id(&model["id"]).ok_or_else(|| unknown("modelo do contrato", contract))?;
        Ok((id, self.vocabulary.read(&text(&model["status"]))))
    }

    pub(super) fn rows(
        &mut self,
        listed: Listed,
        parent: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, RecordsError> {
        let told = self.told("listar registros");
        let (collection, parent_field) = place(listed);
        let all = COLLECTIONS
            .into_iter()
            .find(|(name, _)| *name == collection);
        let is_plain =
            |field: &&&str| !matches!(**field, "tags" | "clausulas" | "versoes" | "modificacoes");
        let fields: Vec<&str> = all
            .iter()
            .flat_map(|(_, fields)| fields.iter().filter(is_plain))
            .copied()
            .collect();
        // Results keep the order of the document; of the others, the newest comes first.
        let mut query = Query::of(collection, &fields).limit(limit);
        query = match listed {
            Listed::Tags => query.sort(&["-modelo_contrato", "sort", "id"]),
            Listed::Modifications => query.sort(&["-versao", "sort", "id"]),
            Listed::Models | Listed::Contracts | Listed::Versions | Listed::Clauses => {
                query.sort(&["-id"])
            }
        };
        if let Some(parent) = parent {
            query = query.filter(queue::of(self, collection, parent_field, parent));
        }
        let mut rows = self.read(&query).map_err(told)?;
        for row in &mut rows {
            self.complete(listed, row)?;
        }
        Ok(rows.into_iter().map(Row).collect())
    }

    /// Adds what a row has elsewhere: the number of its rows, and our own note of a model.
    fn complete(&mut self, listed: Listed, row: &mut Record) -> Result<(), RecordsError> {
        let Some(id) = record_id(at(row, "id")) else {
            return Ok(());
        };
        if let Some((_, heading)) = counted(listed) {
            let (rows, parent) = match listed {
                Listed::Models => ("modelo_contrato_tag", "modelo_contrato"),
                Listed::Contracts => ("versao", "contrato"),
                _ => ("modificacao", "versao"),
            };
            let told = self.told("contar registros");
            let filter = queue::of(self, rows, parent, &id);
            let count = self
                .count(&Query::of(rows, &["id"]).filter(filter))
                .map_err(told)?;
            row.insert(heading.to_owned(), count.into());
        }
        if listed == Listed::Models {
            let note = self.kept_tries(Collection::Model, &id)?;
            row.insert("observacao".to_owned(), note.text.into());
        }
        Ok(())
    }

    pub(super) fn stored_report(
        &mut self,
        version: &RecordId,
    ) -> Result<Option<StoredReport>, RecordsError> {
        let told = self.told("ler uma versão");
        let asked = ["id", "relatorio_diff"];
        let found = self.read_one("versao", (version, &asked)).map_err(&told)?;
        let found = found.ok_or_else(|| unknown("versão", version))?;
        let Some(file) = file_id(at(&found, "relatorio_diff")) else {
            return Ok(None);
        };
        let request = Request::get(&["files", &file.0]).query("fields", "filename_download");
        let name = self.client.json(&request).map_err(told)?;
        let name = text(&name["data"]["filename_download"]);
        let bytes = self.read_file(&file, REPORT_LIMIT)?;
        Ok(Some(StoredReport {
            name,
            location: self.asset(&file),
            bytes,
        }))
    }

    /// Where a person finds a file.
    pub(super) fn asset(&self, file: &FileId) -> String {
        format!("{}/assets/{file}", self.client.address())
    }

    pub(super) fn has_nothing(&mut self) -> Result<bool, RecordsError> {
        let told = self.told("contar registros");
        for collection in ["modelo_contrato", "contrato", "versao"] {
            let some = self
                .read(&Query::of(collection, &["id"]).limit(1))
                .map_err(&told)?;
            if !some.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes sure that a record exists.
    pub(super) fn existing(&mut self, listed: Listed, id: &RecordId) -> Result<(), RecordsError> {
        let told = self.told("ler um registro");
        let found = self
            .read_one(place(listed).0, (id, &["id"]))
            .map_err(told)?;
        found.map(drop).ok_or_else(|| unknown(listed.label(), id))
    }

    /// How many versions a contract has.
    pub(super) fn versions_of(&mut self, contract: &RecordId) -> Result<u64, Failure> {
        let filter = queue::of(self, "versao", "contrato", contract);
        self.count(&Query::of("versao", &["id"]).filter(filter))
    }
}

pub(super) fn unknown(collection: &'static str, id: &RecordId) -> RecordsError {
    RecordsError::UnknownRecord {
        collection,
        id: id.clone(),
    }
}

/// The order of a contract's versions: by creation, then by key.
fn order(row: &Record) -> (String, Option<i64>, String) {
    let id = text(at(row, "id"));
    (text(at(row, "date_created")), id.parse().ok(), id)
}

fn base_from(kind: BaseKind, row: &Record, (name, file): (&str, &str)) -> Base {
    Base {
        kind,
        id: record_id(at(row, "id")).unwrap_or_else(|| RecordId(String::new())),
        name: text(at(row, name)),
        file: file_id(at(row, file)),
        created: text(at(row, "date_created")),
    }
}
