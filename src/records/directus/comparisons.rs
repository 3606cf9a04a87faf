//! The modifications of a version and the report that shows them. What an analyst decided keeps its row as it is.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::DirectusRecords;
use super::failure::Failure;
use super::items::{Record, at, key, record, record_id, text};
use super::queue::file_id;
use super::request::Request;
use super::results::{Child, Children, change_of, sent};
use crate::records::error::{RecordsError, RecordsErrorKind};
use crate::records::matching::EarlierModifications;
use crate::records::observation::Observation;
use crate::records::values::{
    Claim, FileId, NewModification, NewReport, RecordId, StoredComparison,
};
use crate::records::vocabulary::UNDECIDED;

/// What tells a report of ours from a file of somebody else.
const REPORT: &str = "orquestrador: relatório da versão ";

const MODIFICATION_FIELDS: [&str; 8] = [
    "id",
    "sort",
    "categoria",
    "conteudo",
    "alteracao",
    "clausula",
    "caminho_inicio",
    "caminho_fim",
];

const MODIFICATIONS: Children = Children {
    collection: "modificacao",
    parent: "versao",
    alias: "modificacoes",
};

impl DirectusRecords {
    pub(super) fn keep_comparison(
        &mut self,
        claim: &Claim,
        modifications: &[NewModification],
        report: &NewReport,
    ) -> Result<StoredComparison, RecordsError> {
        let observation = self.require(claim)?;
        let told = self.told_of_record("ler uma versão");
        let found = self
            .read_one("versao", (&claim.id, &["relatorio_diff"]))
            .map_err(told)?;
        let old = found.and_then(|found| file_id(at(&found, "relatorio_diff")));
        let told = self.told_of_record("ler as modificações de uma versão");
        let query = self.children(MODIFICATIONS, &claim.id, &MODIFICATION_FIELDS);
        let rows = self.read(&query).map_err(told)?;
        let mut stored = StoredComparison::default();
        let (children, stale) = self.modification_children(modifications, rows, &mut stored);
        stored.removed = stale.len();
        let file = self.send_report(claim, report)?;
        let kept = self.store_rows(claim, &observation, (children, &stale), &file);
        if let Err(error) = kept {
            self.at_the_end(|records| records.withdraw(claim, &file, &error));
            return Err(error);
        }
        let expected = modifications.len();
        let total = self.at_the_end(|records| {
            stored.left = records.clear_reports(claim, old, &file);
            records.read_back(MODIFICATIONS, claim, expected)
        });
        stored.total = total?;
        stored.report = self.asset(&file);
        Ok(stored)
    }

    fn store_rows(
        &mut self,
        claim: &Claim,
        observation: &Observation,
        (children, stale): (Vec<Child>, &[RecordId]),
        file: &FileId,
    ) -> Result<(), RecordsError> {
        let children = self.shrink(MODIFICATIONS, claim, (children, stale))?;
        self.require(claim)?;
        let change = record([
            (MODIFICATIONS.alias, sent(children)),
            ("relatorio_diff", file.0.clone().into()),
        ]);
        self.finish(claim, observation, change)
    }

    /// The rows of a version as they shall be, and those that no modification took.
    fn modification_children(
        &self,
        modifications: &[NewModification],
        rows: Vec<Record>,
        stored: &mut StoredComparison,
    ) -> (Vec<Child>, Vec<RecordId>) {
        let keyed = rows
            .into_iter()
            .filter_map(|row| Some((record_id(at(&row, "id"))?, row)));
        let keyed: Vec<(RecordId, Record)> = keyed.collect();
        let known = keyed.iter().map(|(id, row)| {
            let field = |name| text(at(row, name));
            (
                id.clone(),
                (field("categoria"), field("conteudo"), field("alteracao")),
            )
        });
        let mut earlier = EarlierModifications::new(&self.vocabulary, known);
        let by_id: HashMap<RecordId, Record> = keyed.iter().cloned().collect();
        let mut children = Vec::with_capacity(modifications.len());
        for (sort, modification) in (1_i64..).zip(modifications) {
            let category = self.category(&modification.category);
            let mut row = modification_row(modification, sort);
            let Some(id) = earlier.take(modification, self.vocabulary.read_category(&category))
            else {
                for (field, value) in [
                    ("status", Value::from(UNDECIDED)),
                    ("categoria", category.into()),
                    ("conteudo", modification.content.clone().into()),
                    ("alteracao", modification.change.clone().into()),
                ] {
                    row.insert(field.to_owned(), value);
                }
                children.push(Child::New(self.creatable(MODIFICATIONS.collection, row)));
                continue;
            };
            stored.kept += 1;
            // A clause that a person chose stays.
            let has_clause = by_id
                .get(&id)
                .is_some_and(|row| !at(row, "clausula").is_null());
            if has_clause {
                row.remove("clausula");
            }
            children.push(change_of(
                id,
                self.writable(MODIFICATIONS.collection, row),
                &by_id,
            ));
        }
        (children, earlier.rest().collect())
    }

    /// The installation's word for a category; a movement is a modification where it has no word for it.
    pub(super) fn category(&self, ours: &str) -> String {
        let word = self.vocabulary.category(ours);
        let shape = self.shape();
        let words = shape.words(MODIFICATIONS.collection, "categoria");
        if ours == "movimentacao" && words.is_some_and(|words| !words.contains(word)) {
            return self.vocabulary.category("modificacao").to_owned();
        }
        word.to_owned()
    }

    fn send_report(&mut self, claim: &Claim, report: &NewReport) -> Result<FileId, RecordsError> {
        let told = self.told_of_record("enviar o relatório");
        let description = format!("{REPORT}{}", claim.id);
        let about = (report.name.as_str(), "text/html", description.as_str());
        self.upload(about, report.html.as_bytes()).map_err(told)
    }

    /// Removes a report that no record speaks of; if that cannot be known or done now, the next success does it.
    ///
    /// What had no answer may still be carried out. To give the record back waits for what is under way, and what comes
    /// later is refused, because the report that it links is gone.
    fn withdraw(&mut self, claim: &Claim, file: &FileId, error: &RecordsError) {
        if error.kind() != RecordsErrorKind::Record && self.give_back(claim).is_err() {
            return;
        }
        let linked = self.read_one("versao", (&claim.id, &["id", "relatorio_diff"]));
        let is_free = |found: Option<Record>| {
            found.is_none_or(|found| file_id(at(&found, "relatorio_diff")).as_ref() != Some(file))
        };
        if linked.is_ok_and(is_free) {
            drop(self.remove_file(file));
        }
    }

    /// Removes the report that was replaced, and those of runs that did not come to their end. What cannot be removed
    /// undoes nothing: the results are stored.
    fn clear_reports(&mut self, claim: &Claim, old: Option<FileId>, file: &FileId) -> Vec<String> {
        let left = self.reports_of(&claim.id).unwrap_or_default();
        let mut gone: Vec<FileId> = left
            .into_iter()
            .chain(old)
            .filter(|left| left != file)
            .collect();
        gone.dedup();
        let left = gone.into_iter().filter_map(|file| {
            let failure = self.remove_file(&file).err()?;
            Some(format!("{}: {failure}", file.0))
        });
        left.collect()
    }

    /// The files that are reports of ours of a version.
    fn reports_of(&mut self, version: &RecordId) -> Result<Vec<FileId>, Failure> {
        let filter = json!({ "description": { "_eq": format!("{REPORT}{version}") } });
        let request = Request::get(&["files"])
            .query("fields", "id")
            .query("filter", filter.to_string())
            .query("limit", self.page().to_string());
        let answer = self.client.json(&request)?;
        let files = answer["data"].as_array().into_iter().flatten();
        Ok(files.filter_map(|file| file_id(&file["id"])).collect())
    }
}

/// What a modification that is there may be given anew: neither what it says nor what was decided.
fn modification_row(modification: &NewModification, sort: i64) -> Record {
    let mut row = record([
        ("sort", sort.into()),
        ("caminho_inicio", modification.path_start.clone().into()),
        ("caminho_fim", modification.path_end.clone().into()),
    ]);
    if let Some(clause) = &modification.clause {
        row.insert("clausula".to_owned(), key(clause));
    }
    row
}
