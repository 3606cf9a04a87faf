//! What people put into an installation and decide: imports and statuses set by hand.

use serde_json::Value;

use super::DirectusRecords;
use super::failure::Failure;
use super::items::{Record, key, record, text};
use super::listing::{place, unknown};
use crate::records::error::RecordsError;
use crate::records::imports::{
    DOCX, Mark, Marked, NewClause, NewContract, NewFile, NewModel, NewVersion, marked,
};
use crate::records::observation::Observation;
use crate::records::values::{FileId, Listed, RecordId};
use crate::records::vocabulary::Collection;

impl DirectusRecords {
    pub(super) fn new_model(&mut self, model: &NewModel) -> Result<RecordId, RecordsError> {
        let original = self.send(&model.original)?;
        let tagged = self
            .send(&model.tagged)
            .inspect_err(|_| drop(self.remove_file(&original)))?;
        let new = record([
            ("status", self.vocabulary.trigger.clone().into()),
            ("nome", model.name.clone().into()),
            ("arquivo_original", original.0.clone().into()),
            ("arquivo_com_tags", tagged.0.clone().into()),
        ]);
        self.add_with_files("modelo_contrato", new, &[original, tagged])
    }

    pub(super) fn new_contract(
        &mut self,
        contract: &NewContract,
    ) -> Result<RecordId, RecordsError> {
        self.existing(Listed::Models, &contract.model)?;
        let new = record([
            ("numero", contract.number.clone().into()),
            ("titulo", contract.title.clone().into()),
            ("modelo_contrato", key(&contract.model)),
        ]);
        self.add_one("contrato", new)
    }

    pub(super) fn new_version(&mut self, version: &NewVersion) -> Result<RecordId, RecordsError> {
        self.existing(Listed::Contracts, &version.contract)?;
        let told = self.told("contar as versões de um contrato");
        let next = self.versions_of(&version.contract).map_err(told)? + 1;
        let file = self.send(&version.file)?;
        let new = record([
            ("status", self.vocabulary.trigger.clone().into()),
            (
                "versao",
                version
                    .name
                    .clone()
                    .unwrap_or_else(|| next.to_string())
                    .into(),
            ),
            ("contrato", key(&version.contract)),
            ("arquivo", file.0.clone().into()),
        ]);
        self.add_with_files("versao", new, &[file])
    }

    pub(super) fn new_clause(&mut self, clause: &NewClause) -> Result<RecordId, RecordsError> {
        self.existing(Listed::Models, &clause.model)?;
        let new = record([
            ("numero", clause.number.clone().into()),
            ("nome", clause.name.clone().into()),
            ("conteudo", clause.content.clone().into()),
            ("modelo_contrato", key(&clause.model)),
        ]);
        self.add_one("clausula", new)
    }

    fn send(&mut self, file: &NewFile) -> Result<FileId, RecordsError> {
        let told = self.told("enviar um arquivo");
        self.upload((&file.name, DOCX, ""), &file.bytes)
            .map_err(told)
    }

    /// Adds a record; its files go again if it surely was not added.
    fn add_with_files(
        &mut self,
        collection: &'static str,
        new: Record,
        files: &[FileId],
    ) -> Result<RecordId, RecordsError> {
        let told = self.told("incluir um registro");
        self.try_add(collection, new).map_err(|failure| {
            if failure.is_ambiguous() {
                return RecordsError::unavailable(format!(
                    "{}; confira se o registro foi incluído antes de importar de novo",
                    told(failure)
                ));
            }
            for file in files {
                drop(self.remove_file(file));
            }
            told(failure)
        })
    }

    fn add_one(&mut self, collection: &'static str, new: Record) -> Result<RecordId, RecordsError> {
        let told = self.told("incluir um registro");
        self.try_add(collection, new).map_err(told)
    }

    /// Adds a record with those of its fields that the installation has.
    fn try_add(&mut self, collection: &'static str, mut new: Record) -> Result<RecordId, Failure> {
        let shape = self.shape();
        new.retain(|field, _| shape.may_write((collection, "create"), field));
        let mut ids = self.add(collection, vec![new])?;
        ids.pop()
            .ok_or_else(|| Failure::Nonsense("falta a chave do registro".to_owned()))
    }

    pub(super) fn set_by_hand(&mut self, mark: &Mark) -> Result<(), RecordsError> {
        let vocabulary = self.vocabulary.clone();
        let told = self.told_of_record("mudar um status");
        let (collection, _) = place(mark.listed);
        let (change, kept) = match marked(&vocabulary, mark)? {
            Marked::Decision(decision) => {
                let mut change = record([("status", decision.into())]);
                if let Some(note) = &mark.note {
                    change.insert("nota_analista".to_owned(), note.clone().into());
                }
                (change, None)
            }
            Marked::State(collection, word) => {
                let observation = self.after_mark(collection, mark)?;
                let mut change = record([("status", word.into())]);
                self.observe(collection, &observation, &mut change);
                (change, Some((collection, observation)))
            }
        };
        self.existing(mark.listed, &mark.id)?;
        self.change(collection, (&mark.id, &["id"]), change)
            .map_err(told)?;
        if let Some((collection, observation)) = kept {
            self.keep_tries((collection, &mark.id), &observation)?;
        }
        Ok(())
    }

    /// Tries and errors are forgotten when somebody sets a status by hand; a note takes the place of the text.
    fn after_mark(
        &mut self,
        collection: Collection,
        mark: &Mark,
    ) -> Result<Observation, RecordsError> {
        if !self.observes(collection) {
            return Ok(self.kept_tries(collection, &mark.id)?.without_error());
        }
        let told = self.told("ler um registro");
        let name = collection.as_str();
        let found = self
            .read_one(name, (&mark.id, &["id", "observacao"]))
            .map_err(told)?;
        let found = found.ok_or_else(|| unknown(mark.listed.label(), &mark.id))?;
        let present = found.get("observacao").unwrap_or(&Value::Null);
        let mut observation = Observation::read(&text(present)).without_error();
        if let Some(note) = &mark.note {
            observation.text.clone_from(note);
        }
        Ok(observation)
    }
}
