//! The suite of every store, on a Directus as it is found in different places.

use jiff::Timestamp;
use orquestrador::records::{self, Access, Names, Records, StoreKind, StoreSettings};
use serde_json::json;

use crate::behaviour::{Bench, SUITE};
use crate::server::{IMPORTER, Server};

/// A Directus as a store; every opening has its own tries, or the one folder that is given.
pub(crate) struct Installation {
    server: Server,
    folder: tempfile::TempDir,
    names: Names,
}

impl Installation {
    fn new() -> Self {
        Self {
            server: Server::start(),
            folder: tempfile::tempdir().unwrap(),
            names: Names::default(),
        }
    }

    fn empty(&self) {
        for collection in [
            "modificacao",
            "versao",
            "contrato",
            "clausula",
            "modelo_contrato_tag",
            "modelo_contrato",
        ] {
            let collection = self
                .names
                .collections
                .get(collection)
                .map_or(collection, String::as_str);
            let ids: Vec<_> = self
                .server
                .items(collection, "id")
                .iter()
                .map(|item| item["id"].clone())
                .collect();
            if !ids.is_empty() {
                self.server
                    .ask("DELETE", &format!("/items/{collection}"), Some(&json!(ids)));
            }
        }
    }

    fn behaves(&self, left_out: &[&str]) {
        for (name, behaves) in SUITE {
            if left_out.contains(&name) {
                continue;
            }
            println!("{name}");
            behaves(self);
            self.empty();
        }
    }
}

impl Bench for Installation {
    fn open(&self) -> Box<dyn Records> {
        let kind = StoreKind::Directus {
            url: self.server.url(),
            token: IMPORTER.to_owned().into(),
        };
        let settings = StoreSettings {
            settle: std::time::Duration::from_millis(20),
            names: self.names.clone(),
            ..StoreSettings::new(kind, self.folder.path().to_path_buf())
        };
        records::open(&settings, Access::Write).unwrap()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_directus_does_what_every_store_does() {
    Installation::new().behaves(&[]);
}

/// An installation as one may find it: rows that leave their parent are kept, fields are lacking or called otherwise,
/// and the token may not look at fields and relations.
#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn an_installation_that_differs_does_the_same() {
    let mut installation = Installation::new();
    let server = &installation.server;
    for (collection, field) in [
        ("modificacao", "versao"),
        ("modelo_contrato_tag", "modelo_contrato"),
    ] {
        let nullify = json!({
            "collection": collection, "field": field, "related_collection": field,
            "meta": { "one_deselect_action": "nullify" },
        });
        server.ask(
            "PATCH",
            &format!("/relations/{collection}/{field}"),
            Some(&nullify),
        );
    }
    for collection in ["directus_fields", "directus_relations"] {
        server.restrict(collection, "read", None);
    }
    for field in ["contexto", "posicao_inicio", "posicao_fim"] {
        server.drop_field("modelo_contrato_tag", field);
    }
    server.drop_field("modelo_contrato", "clausulas");
    server.drop_field("modelo_contrato", "versao");
    server.drop_field("versao", "observacao");
    let observation = json!({ "field": "obs", "type": "text", "schema": {} });
    server.ask("POST", "/fields/versao", Some(&observation));
    let key = ("versao".to_owned(), "observacao".to_owned());
    installation.names.fields.insert(key, "obs".to_owned());
    installation.behaves(&[]);
}
