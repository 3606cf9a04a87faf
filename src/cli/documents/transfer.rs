//! `importar --para directus`: everything of the embedded store, put into an empty Directus. The embedded store is read
//! only; states, tags, clauses, modifications and the analysts' decisions come along.

use std::collections::HashMap;
use std::io::Write;

use super::{CommandError, Surroundings};
use crate::records::{
    self, Access, Claim, ClaimResult, Collection, FileId, Listed, Mark, NewClause, NewContract,
    NewFile, NewModel, NewModification, NewReport, NewTag, NewVersion, RecordId, Records,
    RecordsError, Row, State, StoreSettings,
};

/// Copies from one store into the other, which must be empty: a second copy would double everything.
pub(super) fn run(
    (from, to): (&StoreSettings, &StoreSettings),
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let source = records::open(from, Access::ReadOnly)?;
    let target = records::open(to, Access::Write)?;
    let mut transfer = Transfer {
        source,
        target,
        around,
        models: HashMap::new(),
        contracts: HashMap::new(),
        clauses: HashMap::new(),
    };
    if !transfer.target.is_empty()? {
        let reason = format!(
            "{} já tem registros; a cópia só é feita para um armazenamento vazio",
            transfer.target.location()
        );
        return Err(CommandError::File(reason));
    }
    let models = transfer.models()?;
    let contracts = transfer.contracts()?;
    let versions = transfer.versions()?;
    writeln!(
        out,
        "copiado para {}: modelos {models}, contratos {contracts}, versões {versions}",
        transfer.target.location()
    )?;
    Ok(())
}

struct Transfer<'a> {
    source: Box<dyn Records>,
    target: Box<dyn Records>,
    around: &'a Surroundings<'a>,
    /// From the key there to the key here.
    models: HashMap<String, RecordId>,
    contracts: HashMap<String, RecordId>,
    clauses: HashMap<String, RecordId>,
}

impl Transfer<'_> {
    fn models(&mut self) -> Result<usize, CommandError> {
        let models = self.all(Listed::Models, None)?;
        for model in &models {
            let id = model.text("id");
            let name = model.text("nome");
            let new = NewModel {
                original: self.file(model, "arquivo_original", &format!("{name}.docx"))?,
                tagged: self.file(
                    model,
                    "arquivo_com_tags",
                    &format!("{name} (com tags).docx"),
                )?,
                name,
            };
            let now = self.around.now();
            let new = self.target.import_model(&new, now)?;
            let old = RecordId(id.clone());
            self.clauses_of(&old, &new)?;
            let tags: Vec<NewTag> = self
                .all(Listed::Tags, Some(&old))?
                .iter()
                .map(tag)
                .collect();
            if !tags.is_empty() {
                let claim = self.claim(Collection::Model, &new)?;
                self.target.store_tags(&claim, &tags, self.around.now())?;
            }
            self.mark(
                Listed::Models,
                &new,
                (model, State::Waiting, !tags.is_empty()),
            )?;
            self.models.insert(id, new);
        }
        Ok(models.len())
    }

    fn clauses_of(&mut self, old: &RecordId, new: &RecordId) -> Result<(), CommandError> {
        for clause in self.all(Listed::Clauses, Some(old))? {
            let new = NewClause {
                model: new.clone(),
                number: clause.text("numero"),
                name: clause.text("nome"),
                content: clause.text("conteudo"),
            };
            let id = self.target.import_clause(&new, self.around.now())?;
            self.clauses.insert(clause.text("id"), id);
        }
        Ok(())
    }

    fn contracts(&mut self) -> Result<usize, CommandError> {
        let contracts = self.all(Listed::Contracts, None)?;
        for contract in &contracts {
            let new = NewContract {
                model: known(&self.models, &contract.text("modelo_contrato"), "modelo")?,
                number: contract.text("numero"),
                title: contract.text("titulo"),
            };
            let id = self.target.import_contract(&new, self.around.now())?;
            self.contracts.insert(contract.text("id"), id);
        }
        Ok(contracts.len())
    }

    fn versions(&mut self) -> Result<usize, CommandError> {
        let versions = self.all(Listed::Versions, None)?;
        for version in &versions {
            let name = version.text("versao");
            let new = NewVersion {
                contract: known(&self.contracts, &version.text("contrato"), "contrato")?,
                file: self.file(version, "arquivo", &format!("versao-{name}.docx"))?,
                name: Some(name),
            };
            let id = self.target.import_version(&new, self.around.now())?;
            let is_stored = self.results(&RecordId(version.text("id")), &id)?;
            self.mark(Listed::Versions, &id, (version, State::Waiting, is_stored))?;
        }
        Ok(versions.len())
    }

    /// Modifications, decisions and report of a version; answers whether there were any.
    fn results(&mut self, old: &RecordId, new: &RecordId) -> Result<bool, CommandError> {
        let rows = self.all(Listed::Modifications, Some(old))?;
        let Some(report) = self.source.report(old)? else {
            return Ok(false);
        };
        let report = NewReport {
            name: report.name,
            html: String::from_utf8_lossy(&report.bytes).into_owned(),
        };
        let found: Vec<NewModification> = rows.iter().map(|row| self.modification(row)).collect();
        let claim = self.claim(Collection::Version, new)?;
        self.target
            .store_comparison(&claim, &found, &report, self.around.now())?;
        let stored = self
            .target
            .list(Listed::Modifications, Some(new), usize::MAX)?;
        for (row, stored) in rows.iter().zip(stored) {
            let (decision, note) = (row.text("status"), row.text("nota_analista"));
            if decision != stored.text("status") || !note.is_empty() {
                let mark = Mark {
                    listed: Listed::Modifications,
                    id: RecordId(stored.text("id")),
                    status: decision,
                    note: Some(note).filter(|note| !note.is_empty()),
                };
                self.target.mark(&mark, self.around.now())?;
            }
        }
        Ok(true)
    }

    fn modification(&self, row: &Row) -> NewModification {
        NewModification {
            category: row.text("categoria"),
            content: row.text("conteudo"),
            change: row.text("alteracao"),
            path_start: row.text("caminho_inicio"),
            path_end: row.text("caminho_fim"),
            clause: self.clauses.get(&row.text("clausula")).cloned(),
        }
    }

    fn claim(&mut self, collection: Collection, id: &RecordId) -> Result<Claim, CommandError> {
        match self.target.claim(collection, id, self.around.now())? {
            ClaimResult::Ours(claim) => Ok(claim),
            ClaimResult::Taken | ClaimResult::Exhausted => {
                let reason = "outro processo usa o Directus durante a cópia; pare os processadores e esvazie-o";
                Err(CommandError::File(reason.to_owned()))
            }
        }
    }

    /// Gives a copy the state of its source, unless it has it. Work that was not ended there is asked for here.
    fn mark(
        &mut self,
        listed: Listed,
        id: &RecordId,
        (row, waiting, is_stored): (&Row, State, bool),
    ) -> Result<(), CommandError> {
        let state = self.around.store.vocabulary.read(&row.text("status"));
        let state = match state {
            State::Running | State::Other => waiting,
            state => state,
        };
        let note = row.text("observacao");
        let note = Some(note).filter(|note| listed == Listed::Versions && !note.is_empty());
        let is_so = state == if is_stored { State::Done } else { waiting };
        let Some(word) = self
            .around
            .store
            .vocabulary
            .word(state)
            .filter(|_| !is_so || note.is_some())
        else {
            return Ok(());
        };
        let mark = Mark {
            listed,
            id: id.clone(),
            status: word.to_owned(),
            note,
        };
        Ok(self.target.mark(&mark, self.around.now())?)
    }

    /// All rows of a list, the oldest first; results in their order.
    fn all(&mut self, listed: Listed, parent: Option<&RecordId>) -> Result<Vec<Row>, RecordsError> {
        let mut rows = self.source.list(listed, parent, usize::MAX)?;
        if !matches!(listed, Listed::Tags | Listed::Modifications) {
            rows.reverse();
        }
        Ok(rows)
    }

    fn file(&mut self, row: &Row, field: &str, name: &str) -> Result<NewFile, CommandError> {
        let id = row.text(field);
        if id.is_empty() {
            let reason = format!(
                "o registro {} não tem {field}; a cópia precisa dele",
                row.text("id")
            );
            return Err(CommandError::File(reason));
        }
        let bytes = self
            .source
            .read_file(&FileId(id), self.around.limits.file_bytes)?;
        Ok(NewFile {
            name: name.replace(['/', '\\'], "-"),
            bytes,
        })
    }
}

fn known(
    keys: &HashMap<String, RecordId>,
    old: &str,
    what: &str,
) -> Result<RecordId, CommandError> {
    let missing = || CommandError::File(format!("{what} {old} não foi copiado"));
    keys.get(old).cloned().ok_or_else(missing)
}

fn tag(row: &Row) -> NewTag {
    let number = |field: &str| row.text(field).parse().unwrap_or_default();
    NewTag {
        name: row.text("tag_nome"),
        path_start: row.text("caminho_tag_inicio"),
        path_end: row.text("caminho_tag_fim"),
        content: row.text("conteudo"),
        context: row.text("contexto"),
        position_start: number("posicao_inicio"),
        position_end: number("posicao_fim"),
        line: number("linha_aproximada"),
    }
}
