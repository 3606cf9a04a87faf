//! How an installation calls collections and fields, translated at the edge: inside, the program's own names hold.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::collections::RELATIONS;

/// The names of an installation where they differ from ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// By our name of the collection.
    pub collections: BTreeMap<String, String>,
    /// By our names of collection and field.
    pub fields: BTreeMap<(String, String), String>,
}

/// One of the two directions.
type Rename = fn(&Names, &str, Map<String, Value>) -> Map<String, Value>;

impl Names {
    /// The installation's name of a collection.
    pub(super) fn collection<'a>(&'a self, ours: &'a str) -> &'a str {
        self.collections.get(ours).map_or(ours, String::as_str)
    }

    /// The installation's name of a field.
    pub(super) fn field<'a>(&'a self, collection: &str, ours: &'a str) -> &'a str {
        let key = (collection.to_owned(), ours.to_owned());
        self.fields.get(&key).map_or(ours, String::as_str)
    }

    /// A path through relations, each step in the installation's name: `contrato.modelo_contrato.status`.
    pub(super) fn path(&self, collection: &str, path: &str) -> Vec<String> {
        let mut at = collection;
        let mut steps = Vec::new();
        for step in path.split('.') {
            steps.push(self.field(at, step).to_owned());
            at = target(at, step).unwrap_or_default();
        }
        steps
    }

    /// A condition on one field: `{"contrato": {"status": {"_eq": value}}}`.
    pub(super) fn filter(
        &self,
        collection: &str,
        path: &str,
        (operator, value): (&str, Value),
    ) -> Value {
        let steps = self.path(collection, path).into_iter().rev();
        steps.fold(
            json!({ operator: value }),
            |inner, step| json!({ step: inner }),
        )
    }

    /// A record as the installation calls its fields.
    pub(super) fn outward(
        &self,
        collection: &str,
        record: Map<String, Value>,
    ) -> Map<String, Value> {
        let rename = |(key, value): (String, Value)| {
            let inner = target(collection, &key);
            let name = self.field(collection, &key).to_owned();
            (name, self.renamed(inner, value, Self::outward))
        };
        record.into_iter().map(rename).collect()
    }

    /// A record of the installation as we call its fields.
    pub(super) fn inward(
        &self,
        collection: &str,
        record: Map<String, Value>,
    ) -> Map<String, Value> {
        let ours = |theirs: &str| {
            let of_it = self.fields.iter().filter(|((of, _), _)| of == collection);
            let mut found = of_it.filter(|(_, name)| *name == theirs);
            found
                .next()
                .map_or_else(|| theirs.to_owned(), |((_, field), _)| field.clone())
        };
        let rename = |(key, value): (String, Value)| {
            let name = ours(&key);
            let inner = target(collection, &name);
            let value = self.renamed(inner, value, Self::inward);
            (name, value)
        };
        record.into_iter().map(rename).collect()
    }

    /// Renames within a related record, or within several.
    fn renamed(&self, collection: Option<&'static str>, value: Value, rename: Rename) -> Value {
        match (collection, value) {
            (Some(collection), Value::Object(record)) => {
                Value::Object(rename(self, collection, record))
            }
            (Some(_), Value::Array(records)) => {
                let records = records.into_iter();
                let renamed = records.map(|record| self.renamed(collection, record, rename));
                Value::Array(renamed.collect())
            }
            (_, value) => value,
        }
    }
}

/// The collection that a field leads to.
fn target(collection: &str, field: &str) -> Option<&'static str> {
    let leads = |(from, name, _): &&(&str, &str, &str)| *from == collection && *name == field;
    RELATIONS.iter().find(leads).map(|(_, _, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_hold_on_the_way_out_and_ours_on_the_way_in_through_every_relation() {
        let field = |of: &str, ours: &str, theirs: &str| {
            ((of.to_owned(), ours.to_owned()), theirs.to_owned())
        };
        let names = Names {
            collections: [("versao".to_owned(), "versoes_doc".to_owned())].into(),
            fields: [
                field("versao", "observacao", "obs"),
                field("contrato", "numero", "codigo"),
                field("modificacao", "categoria", "tipo"),
                field("modelo_contrato", "status", "situacao"),
            ]
            .into(),
        };
        assert_eq!(names.collection("versao"), "versoes_doc");
        assert_eq!(
            names.filter(
                "versao",
                "contrato.modelo_contrato.status",
                ("_in", json!(["x"]))
            ),
            json!({"contrato": {"modelo_contrato": {"situacao": {"_in": ["x"]}}}})
        );
        let ours = json!({"observacao": "a", "contrato": {"numero": "7"}, "modificacoes": [3, {"categoria": "remocao"}]});
        let theirs = json!({"obs": "a", "contrato": {"codigo": "7"}, "modificacoes": [3, {"tipo": "remocao"}]});
        let map = |value: &Value| value.as_object().cloned().expect("an object");
        assert_eq!(names.outward("versao", map(&ours)), map(&theirs));
        assert_eq!(names.inward("versao", map(&theirs)), map(&ours));
    }
}
