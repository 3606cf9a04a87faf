//! The tags of a model, stored with the links of its clauses. Unchanged tags keep their keys.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::DirectusRecords;
use super::items::{Query, Record, at, key, record, record_id, text};
use super::queue;
use super::results::{Child, Children, change_of, sent};
use crate::records::error::RecordsError;
use crate::records::matching::{EarlierTags, fold};
use crate::records::values::{Claim, NewTag, RecordId, StoredTags};

/// The status of a tag's row; nobody decides anything about tags.
const TAG_STATUS: &str = "published";

const TAG_FIELDS: [&str; 10] = [
    "id",
    "sort",
    "tag_nome",
    "caminho_tag_inicio",
    "caminho_tag_fim",
    "conteudo",
    "contexto",
    "posicao_inicio",
    "posicao_fim",
    "linha_aproximada",
];

const TAGS: Children = Children {
    collection: "modelo_contrato_tag",
    parent: "modelo_contrato",
    alias: "tags",
};

impl DirectusRecords {
    pub(super) fn keep_tags(
        &mut self,
        claim: &Claim,
        tags: &[NewTag],
    ) -> Result<StoredTags, RecordsError> {
        let mut observation = self.require(claim)?;
        let told = self.told_of_record("ler as tags de um modelo");
        let query = self.children(TAGS, &claim.id, &TAG_FIELDS);
        let rows = self.read(&query).map_err(told)?;
        let mut stored = StoredTags::default();
        let (children, stale) = self.tag_children(tags, rows, &mut stored);
        stored.removed = stale.len();
        let links = self.clause_links(claim)?;
        let mut children = self.shrink(TAGS, claim, (children, &stale))?;
        let needs_keys = children.iter().zip(tags).any(|(child, tag)| {
            matches!(child, Child::New(_)) && links.contains_key(&fold(&tag.name))
        });
        if needs_keys {
            // Clauses can point only at rows that have keys, so the rows come first, all at once; the record stays
            // in work until its clauses are right, too.
            self.require(claim)?;
            let change = record([(TAGS.alias, sent(children))]);
            self.change_claimed(claim, change)?;
            let told = self.told_of_record("ler as tags de um modelo");
            let rows = self.read(&query).map_err(told)?;
            children = self.tag_children(tags, rows, &mut StoredTags::default()).0;
            observation = self.require(claim)?;
        }
        let linked = link(tags, &children, links);
        stored.linked_clauses = linked.len();
        self.require(claim)?;
        let mut change = record([(TAGS.alias, sent(children))]);
        let changed = self.changed_links(linked);
        let by_alias = self
            .shape()
            .may_write(("modelo_contrato", "update"), "clausulas");
        if by_alias && !changed.is_empty() {
            change.insert("clausulas".to_owned(), json!({ "update": changed }));
        } else {
            self.link_alone(changed)?;
        }
        self.finish(claim, &observation, change)?;
        let total = self.at_the_end(|records| records.read_back(TAGS, claim, tags.len()));
        stored.total = total?;
        Ok(stored)
    }

    /// The rows of a model as they shall be, and those that no tag took.
    fn tag_children(
        &self,
        tags: &[NewTag],
        rows: Vec<Record>,
        stored: &mut StoredTags,
    ) -> (Vec<Child>, Vec<RecordId>) {
        let keyed = rows
            .into_iter()
            .filter_map(|row| Some((record_id(at(&row, "id"))?, row)));
        let keyed: Vec<(RecordId, Record)> = keyed.collect();
        let known = keyed.iter().map(|(id, row)| {
            (
                id.clone(),
                text(at(row, "tag_nome")),
                text(at(row, "conteudo")),
            )
        });
        let mut earlier = EarlierTags::new(known);
        let assigned = earlier.assign(tags);
        let stale = earlier.rest();
        let by_id: HashMap<RecordId, Record> = keyed.into_iter().collect();
        let mut children = Vec::with_capacity(tags.len());
        for (sort, (tag, (id, is_same))) in (1_i64..).zip(tags.iter().zip(assigned)) {
            let Some(id) = id else {
                stored.inserted += 1;
                let mut row = tag_row(tag, sort);
                row.insert("status".to_owned(), TAG_STATUS.into());
                children.push(Child::New(self.creatable(TAGS.collection, row)));
                continue;
            };
            if is_same {
                stored.kept += 1;
            } else {
                stored.updated += 1;
            }
            let row = self.writable(TAGS.collection, tag_row(tag, sort));
            children.push(change_of(id, row, &by_id));
        }
        (children, stale)
    }

    /// The clauses of the claimed model by the names that a tag of theirs would have: key and present tag.
    fn clause_links(&mut self, claim: &Claim) -> Result<Links, RecordsError> {
        let mut links = Links::new();
        if !self.shape().has("clausula", "tag") {
            return Ok(links);
        }
        let told = self.told_of_record("ler as cláusulas de um modelo");
        let filter = queue::of(self, "clausula", "modelo_contrato", &claim.id);
        let query = Query::of("clausula", &["id", "numero", "nome", "tag"]).filter(filter);
        for clause in self.read(&query).map_err(told)? {
            let Some(id) = record_id(at(&clause, "id")) else {
                continue;
            };
            let names = ["numero", "nome"].map(|field| fold(&text(at(&clause, field))));
            let [number, name] = names;
            let clause = Clause {
                id,
                tag: record_id(at(&clause, "tag")),
                other: name.clone(),
            };
            let key = if number.is_empty() { name } else { number };
            links.entry(key).or_default().push(clause);
        }
        // A clause whose number no tag has is found by its name.
        let by_name: Vec<Clause> = links.values().flatten().cloned().collect();
        for clause in by_name {
            let named = links.entry(clause.other.clone()).or_default();
            if !named.iter().any(|known| known.id == clause.id) {
                named.push(clause);
            }
        }
        links.remove("");
        Ok(links)
    }

    /// The links that are not there yet.
    fn changed_links(&self, linked: Vec<(Clause, RecordId)>) -> Vec<Value> {
        let is_new = |(clause, tag): &(Clause, RecordId)| clause.tag.as_ref() != Some(tag);
        let (id, field) = (
            self.names.field("clausula", "id"),
            self.names.field("clausula", "tag"),
        );
        let changed = linked.into_iter().filter(is_new);
        changed
            .map(|(clause, tag)| json!({ id: key(&clause.id), field: key(&tag) }))
            .collect()
    }

    /// Links clauses where the model has no field for them.
    fn link_alone(&mut self, changed: Vec<Value>) -> Result<(), RecordsError> {
        if !self.shape().may_write(("clausula", "update"), "tag") {
            return Ok(());
        }
        let (id, tag) = (
            self.names.field("clausula", "id").to_owned(),
            self.names.field("clausula", "tag").to_owned(),
        );
        for change in changed {
            let Some(clause) = record_id(&change[&id]) else {
                continue;
            };
            let told = self.told_of_record("ligar uma cláusula");
            let change = record([("tag", change[&tag].clone())]);
            let changed = self.change("clausula", (&clause, &["id"]), change);
            changed.map_err(told)?;
        }
        Ok(())
    }
}

fn tag_row(tag: &NewTag, sort: i64) -> Record {
    record([
        ("sort", sort.into()),
        ("tag_nome", tag.name.clone().into()),
        ("caminho_tag_inicio", tag.path_start.clone().into()),
        ("caminho_tag_fim", tag.path_end.clone().into()),
        ("conteudo", tag.content.clone().into()),
        ("contexto", tag.context.clone().into()),
        ("posicao_inicio", tag.position_start.into()),
        ("posicao_fim", tag.position_end.into()),
        ("linha_aproximada", tag.line.into()),
    ])
}

/// A clause of the model, and the tag that it points at.
#[derive(Debug, Clone)]
struct Clause {
    id: RecordId,
    tag: Option<RecordId>,
    /// Its folded name.
    other: String,
}

/// Clauses by the folded names of the tags that would be theirs.
type Links = HashMap<String, Vec<Clause>>;

/// Which clause points at which row: the first tag of its number, else of its name.
fn link(tags: &[NewTag], children: &[Child], links: Links) -> Vec<(Clause, RecordId)> {
    let mut first: HashMap<String, RecordId> = HashMap::new();
    for (tag, child) in tags.iter().zip(children) {
        let (Child::Same(id) | Child::Changed(id, _)) = child else {
            continue;
        };
        first.entry(fold(&tag.name)).or_insert_with(|| id.clone());
    }
    let mut linked: HashMap<RecordId, (Clause, RecordId)> = HashMap::new();
    for (name, clauses) in links {
        let Some(tag) = first.get(&name) else {
            continue;
        };
        for clause in clauses {
            // Found by its number, a clause is not looked for by its name.
            let by_number = clause.other != name;
            if by_number || !linked.contains_key(&clause.id) {
                linked.insert(clause.id.clone(), (clause, tag.clone()));
            }
        }
    }
    linked.into_values().collect()
}
