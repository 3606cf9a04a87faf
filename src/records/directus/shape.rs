//! What an installation has: fields, words, permissions, and what it does to a row that is taken out of its parent.
//! Found out once, so that nothing is sent that would be refused. Knows no record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::request::Request;
use crate::domain::collections::COLLECTIONS;
use crate::records::names::Names;

/// The page size where the server sets no smaller one, and what it gives where it is told no number.
const PAGE: usize = 100;

/// A field of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// The words that it may hold; none if it is free, or if nobody may know.
    pub(super) words: Option<BTreeSet<String>>,
}

/// What may be done with a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permission {
    /// Not this.
    None,
    /// With every field.
    All,
    /// With these fields.
    Fields(BTreeSet<String>),
}

/// An installation, by our names of collections and fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    fields: BTreeMap<&'static str, BTreeMap<&'static str, Field>>,
    /// Collection and action; none if nobody may know.
    permissions: Option<BTreeMap<(&'static str, String), Permission>>,
    /// Rows that go when they are taken out of their parent; none if nobody may know.
    removed_with_link: BTreeSet<&'static str>,
    /// Whether `/fields` could be read.
    pub(super) knows_words: bool,
    /// Whether `/relations` could be read.
    pub(super) knows_relations: bool,
    /// Rows that the server gives at once.
    pub(super) page: usize,
    /// Rows that the server takes out of their collection with one request, at most: it looks them up without a number.
    pub(super) unlinked: usize,
}

impl Shape {
    /// Asks an installation.
    pub(super) fn ask(client: &mut Client, names: &Names) -> Result<Self, Failure> {
        let [page, unlinked] = limits(client)?;
        let mut shape = Self {
            page,
            unlinked,
            ..Self::default()
        };
        match readable(client, &["fields"])? {
            Some(fields) => {
                shape.knows_words = true;
                shape.take_fields(&fields, names);
            }
            None => shape.try_fields(client, names)?,
        }
        if let Some(relations) = readable(client, &["relations"])? {
            shape.knows_relations = true;
            shape.take_relations(&relations, names);
        }
        let permissions = readable(client, &["permissions", "me"])?;
        shape.permissions = permissions.map(|found| take_permissions(&found, names));
        Ok(shape)
    }

    /// Whether a collection has a field and we may read it.
    pub(super) fn has(&self, collection: &str, field: &str) -> bool {
        let fields = self.fields.get(collection);
        fields.is_some_and(|fields| fields.contains_key(field))
    }

    /// Whether we may write a field, as far as we may know.
    pub(super) fn may_write(&self, (collection, action): (&str, &str), field: &str) -> bool {
        self.has(collection, field)
            && match self.permission(collection, action) {
                None | Some(Permission::All) => true,
                Some(Permission::None) => false,
                Some(Permission::Fields(fields)) => fields.contains(field),
            }
    }

    /// What is permitted; none if nobody may know.
    pub(super) fn permission(&self, collection: &str, action: &str) -> Option<&Permission> {
        let permissions = self.permissions.as_ref()?;
        let mut of_it = permissions.iter();
        let found = of_it.find(|((of, may), _)| *of == collection && may == action);
        Some(found.map_or(&Permission::None, |(_, permission)| permission))
    }

    /// The words that a field may hold, if it is bound to some.
    pub(super) fn words(&self, collection: &str, field: &str) -> Option<&BTreeSet<String>> {
        self.fields.get(collection)?.get(field)?.words.as_ref()
    }

    /// Whether rows of a collection go when they are taken out of their parent.
    pub(super) fn removes_unlinked(&self, collection: &str) -> bool {
        self.removed_with_link.contains(collection)
    }

    fn take_fields(&mut self, found: &Value, names: &Names) {
        for field in found.as_array().into_iter().flatten() {
            let name = |key: &str| field[key].as_str().unwrap_or_default();
            let Some((collection, ours)) = ours(names, name("collection"), name("field")) else {
                continue;
            };
            let words = words(&field["meta"]["options"]);
            let fields = self.fields.entry(collection).or_default();
            fields.insert(ours, Field { words });
        }
    }

    /// Without the list of fields, each is found by asking for all and leaving out what is refused.
    fn try_fields(&mut self, client: &mut Client, names: &Names) -> Result<(), Failure> {
        for (collection, fields) in COLLECTIONS {
            let mut left: Vec<&'static str> = fields.to_vec();
            while !left.is_empty() {
                let asked: Vec<&str> = left
                    .iter()
                    .map(|field| names.field(collection, field))
                    .collect();
                let request = Request::get(&["items", names.collection(collection)])
                    .query("fields", asked.join(","))
                    .query("limit", "0");
                let failure = match client.json(&request) {
                    Ok(_) => break,
                    Err(failure) if failure.is_about_the_record() => failure.to_string(),
                    Err(failure) => return Err(failure),
                };
                let is_named = |field: &&'static str| {
                    failure.contains(&format!("\"{}\"", names.field(collection, field)))
                };
                let before = left.len();
                // A field may have the name of its collection, which every refusal names; `versao` is one.
                let of_field = failure.split(" in collection ").next().unwrap_or_default();
                left.retain(|field| {
                    !(is_named(field)
                        && of_field.contains(&format!("\"{}\"", names.field(collection, field))))
                });
                if left.len() == before {
                    left.clear();
                }
            }
            let known = left.into_iter().map(|field| (field, Field::default()));
            self.fields.insert(collection, known.collect());
        }
        Ok(())
    }

    fn take_relations(&mut self, found: &Value, names: &Names) {
        let owned = [
            ("modificacao", "versao"),
            ("modelo_contrato_tag", "modelo_contrato"),
        ];
        for relation in found.as_array().into_iter().flatten() {
            let is = |(collection, field): &(&str, &str)| {
                relation["collection"] == names.collection(collection)
                    && relation["field"] == names.field(collection, field)
            };
            let removes = relation["meta"]["one_deselect_action"] == "delete";
            let found = owned.into_iter().find(is).filter(|_| removes);
            self.removed_with_link
                .extend(found.map(|(collection, _)| collection));
        }
    }
}

/// Rows at once: no more than the server gives when it is told a number, and when it is not.
fn limits(client: &mut Client) -> Result<[usize; 2], Failure> {
    let info = readable(client, &["server", "info"])?.unwrap_or_default();
    Ok(["max", "default"].map(|limit| {
        let most = info["queryLimit"][limit].as_u64().filter(|most| *most > 0);
        let most = most.and_then(|most| usize::try_from(most).ok());
        most.map_or(PAGE, |most| most.min(PAGE))
    }))
}

/// What stands at a path; none where we may not look.
fn readable(client: &mut Client, path: &[&str]) -> Result<Option<Value>, Failure> {
    match client.json(&Request::get(path)) {
        Ok(mut answer) => match answer.get_mut("data") {
            Some(data) => Ok(Some(data.take())),
            None => Err(Failure::Nonsense("a resposta não tem data".to_owned())),
        },
        Err(failure) if failure.is_forbidden() || failure.is_no_route() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Our names of a collection and a field of the installation.
fn ours(names: &Names, collection: &str, field: &str) -> Option<(&'static str, &'static str)> {
    let (of, fields) = COLLECTIONS
        .into_iter()
        .find(|(ours, _)| names.collection(ours) == collection)?;
    let found = fields.iter().find(|ours| names.field(of, ours) == field)?;
    Some((of, found))
}

/// The words of a field's choices; none if it takes others, too.
fn words(options: &Value) -> Option<BTreeSet<String>> {
    let choices = options["choices"].as_array()?;
    if options["allowOther"] == true || choices.is_empty() {
        return None;
    }
    let word = |choice: &Value| choice["value"].as_str().map(str::to_owned);
    Some(choices.iter().filter_map(word).collect())
}

fn take_permissions(found: &Value, names: &Names) -> BTreeMap<(&'static str, String), Permission> {
    let mut permissions = BTreeMap::new();
    let files: (&'static str, &[&'static str]) = ("directus_files", &[]);
    for (collection, fields) in COLLECTIONS.into_iter().chain([files]) {
        let actions = found[names.collection(collection)].as_object();
        for (action, permission) in actions.into_iter().flatten() {
            let permitted = match permission["access"].as_str() {
                None | Some("none") => Permission::None,
                _ => permitted(&permission["fields"], |theirs| {
                    let mut ours = fields.iter();
                    let found = ours.find(|ours| names.field(collection, ours) == theirs);
                    found.map_or_else(|| theirs.to_owned(), |ours| (*ours).to_owned())
                }),
            };
            permissions.insert((collection, action.clone()), permitted);
        }
    }
    permissions
}

fn permitted(fields: &Value, ours: impl Fn(&str) -> String) -> Permission {
    let Some(fields) = fields.as_array() else {
        return Permission::All;
    };
    if fields.iter().any(|field| field == "*") {
        return Permission::All;
    }
    let fields = fields.iter().filter_map(Value::as_str);
    Permission::Fields(fields.map(ours).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_words_and_permissions_are_read_in_our_names() {
        let names = Names {
            collections: [("versao".to_owned(), "versoes".to_owned())].into(),
            fields: [(
                ("versao".to_owned(), "observacao".to_owned()),
                "obs".to_owned(),
            )]
            .into(),
        };
        let mut shape = Shape::default();
        let choices = json!({"choices": [{"text": "A", "value": "a"}]});
        shape.take_fields(
            &json!([
                {"collection": "versoes", "field": "obs", "meta": null},
                {"collection": "versoes", "field": "status", "meta": {"options": choices}},
                {"collection": "outra", "field": "x"},
            ]),
            &names,
        );
        let permissions = json!({"versoes": {
            "update": {"access": "full", "fields": ["status"]}, "read": {"access": "partial", "fields": ["*"]},
            "delete": {"access": "none"},
        }});
        shape.permissions = Some(take_permissions(&permissions, &names));
        assert!(shape.has("versao", "observacao") && !shape.has("versao", "relatorio_diff"));
        assert_eq!(
            shape.words("versao", "status"),
            Some(&["a".to_owned()].into())
        );
        assert!(shape.may_write(("versao", "update"), "status"));
        assert!(!shape.may_write(("versao", "update"), "observacao"));
        assert_eq!(shape.permission("versao", "read"), Some(&Permission::All));
        assert_eq!(
            shape.permission("versao", "delete"),
            Some(&Permission::None)
        );
        assert_eq!(
            shape.permission("clausula", "read"),
            Some(&Permission::None)
        );
    }

    #[test]
    fn rows_go_with_their_link_only_where_the_installation_says_so() {
        let relation = |collection: &str, field: &str, action: &str| json!({"collection": collection, "field": field, "meta": {"one_deselect_action": action}});
        let mut shape = Shape::default();
        shape.take_relations(
            &json!([
                relation("modificacao", "versao", "delete"),
                relation("modelo_contrato_tag", "modelo_contrato", "nullify")
            ]),
            &Names::default(),
        );
        assert!(shape.removes_unlinked("modificacao"));
        assert!(!shape.removes_unlinked("modelo_contrato_tag"));
    }
}
