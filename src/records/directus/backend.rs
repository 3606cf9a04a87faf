//! Whether an installation is fit for the processors, and what to do where it is not. Changes nothing.

use super::DirectusRecords;
use super::needs::{
    MODEL_FIELDS, MODIFICATION_IDENTITY, OPTIONAL_FIELDS, PERMISSIONS, TAG_IDENTITY, VERSION_FIELDS,
};
use super::request::Request;
use super::shape::Permission;
use crate::records::error::{RecordsError, RecordsErrorKind};
use crate::records::vocabulary::{Collection, DECISIONS, State};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// As it should be.
    Fine,
    /// The processors work around it.
    Notice,
    /// The processors cannot do their work.
    Fault,
}

/// One line of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub gravity: Gravity,
    /// What was found, in Portuguese.
    pub text: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

impl Finding {
    fn new(gravity: Gravity, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (text, remedy) = (text.into(), remedy.into());
        Self {
            gravity,
            text,
            remedy,
        }
    }
}

impl DirectusRecords {
    /// What would keep a collection's processor from working at all.
    pub(super) fn hindrances(&self, collection: Collection) -> Vec<String> {
        let mut problems = self.missing(collection);
        problems.extend(self.nameless(collection));
        problems.extend(
            self.foreign_words(collection)
                .into_iter()
                .map(|finding| finding.text),
        );
        problems
    }

    /// Looks at everything that the processors need; nothing is changed.
    pub fn check(&mut self) -> Vec<Finding> {
        let address = self.client.address().to_owned();
        if let Err(failure) = self.client.bytes(&Request::get(&["server", "ping"])) {
            let remedy = "confira DIRECTUS_BASE_URL, a rede e se o Directus está no ar";
            return vec![Finding::new(
                Gravity::Fault,
                format!("{address}: {failure}"),
                remedy,
            )];
        }
        let mut findings = vec![Finding::new(
            Gravity::Fine,
            format!("{address} responde"),
            "",
        )];
        if let Err(error) = self.learn() {
            findings.push(refusal(&error));
            return findings;
        }
        findings.push(Finding::new(Gravity::Fine, "o token é aceito", ""));
        findings.extend(self.check_permissions());
        findings.extend(self.check_fields());
        for collection in [Collection::Model, Collection::Version] {
            findings.extend(self.foreign_words(collection));
        }
        findings.extend(self.check_knowledge());
        if findings
            .iter()
            .all(|finding| finding.gravity != Gravity::Fault)
        {
            let text = "permissões, campos e valores de status bastam aos dois processadores";
            findings.push(Finding::new(Gravity::Fine, text, ""));
        }
        findings
    }

    fn check_permissions(&self) -> Vec<Finding> {
        let shape = self.shape();
        let mut findings = Vec::new();
        for (collection, action, fields) in PERMISSIONS {
            let name = self.names.collection(collection);
            let lacking: Vec<&str> = match shape.permission(collection, action) {
                None | Some(Permission::All) => continue,
                Some(Permission::None) => {
                    let remedy = format!("dê à política do token a ação {action} em {name}");
                    findings.push(Finding::new(
                        Gravity::Fault,
                        format!("permissão que falta: {action} em {name}"),
                        remedy,
                    ));
                    continue;
                }
                Some(Permission::Fields(permitted)) => {
                    let is_lacking = |field: &&&str| {
                        !permitted.contains(**field)
                            && (shape.has(collection, field) || action == "read")
                    };
                    fields
                        .iter()
                        .filter(is_lacking)
                        .map(|field| self.names.field(collection, field))
                        .collect()
                }
            };
            if !lacking.is_empty() {
                let lacking = lacking.join(", ");
                let remedy = format!("inclua estes campos na ação {action} em {name}");
                findings.push(Finding::new(
                    Gravity::Fault,
                    format!("permissão que falta: {action} em {name}, campos {lacking}"),
                    remedy,
                ));
            }
        }
        findings
    }

    fn check_fields(&self) -> Vec<Finding> {
        let mut missing = self.missing(Collection::Model);
        for problem in self.missing(Collection::Version) {
            if !missing.contains(&problem) {
                missing.push(problem);
            }
        }
        let remedy =
            "crie o campo, dê ao token a leitura dele, ou diga o seu nome em [registros.campos]";
        let faults = missing
            .into_iter()
            .map(|text| Finding::new(Gravity::Fault, text, remedy));
        let shape = self.shape();
        let optional = OPTIONAL_FIELDS
            .into_iter()
            .filter(|(collection, field, _)| !shape.has(collection, field));
        let notices = optional.map(|(collection, field, lost)| {
            let text = format!(
                "campo opcional que falta: {}.{}",
                self.names.collection(collection),
                self.names.field(collection, field)
            );
            Finding::new(Gravity::Notice, text, format!("nada a fazer: {lost}"))
        });
        faults.chain(notices).collect()
    }

    fn check_knowledge(&self) -> Vec<Finding> {
        let shape = self.shape();
        let mut findings = Vec::new();
        if !shape.knows_words {
            let text =
                "o token não lê directus_fields: os valores de status não puderam ser conferidos";
            findings.push(Finding::new(
                Gravity::Notice,
                text,
                "dê à política do token a ação read em directus_fields",
            ));
        }
        if !shape.knows_relations {
            let text = "o token não lê directus_relations: linhas que saem são apagadas em uma requisição à parte";
            findings.push(Finding::new(
                Gravity::Notice,
                text,
                "dê à política do token a ação read em directus_relations",
            ));
        }
        findings
    }

    /// Fields that a collection's processor cannot do without and that are not there for us.
    fn missing(&self, collection: Collection) -> Vec<String> {
        let needed: &[(&str, &[&str])] = match collection {
            Collection::Model => &MODEL_FIELDS,
            Collection::Version => &VERSION_FIELDS,
        };
        let shape = self.shape();
        let mut problems = Vec::new();
        for (collection, fields) in needed {
            let lacking = fields.iter().filter(|field| !shape.has(collection, field));
            let lacking: Vec<&str> = lacking
                .map(|field| self.names.field(collection, field))
                .collect();
            let name = self.names.collection(collection);
            if lacking.len() == fields.len() {
                problems.push(format!("a coleção {name} falta ou não pode ser lida"));
            } else if !lacking.is_empty() {
                problems.push(format!(
                    "em {name} faltam ou não podem ser lidos: {}",
                    lacking.join(", ")
                ));
            }
        }
        problems
    }

    /// What a row would be stored without, so that the next processing would not know it again.
    fn nameless(&self, collection: Collection) -> Option<String> {
        let (rows, identity) = match collection {
            Collection::Model => TAG_IDENTITY,
            Collection::Version => MODIFICATION_IDENTITY,
        };
        let shape = self.shape();
        let is_lacking =
            |field: &&&str| shape.has(rows, field) && !shape.may_write((rows, "create"), field);
        let lacking: Vec<&str> = identity
            .iter()
            .filter(is_lacking)
            .map(|field| self.names.field(rows, field))
            .collect();
        let (name, lacking_names) = (self.names.collection(rows), lacking.join(", "));
        (!lacking.is_empty())
            .then(|| format!("permissão que falta: create em {name}, campos {lacking_names}"))
    }

    /// Words that would be written and that the installation does not take.
    fn foreign_words(&self, collection: Collection) -> Vec<Finding> {
        let states = [State::Waiting, State::Running, State::Done, State::Failed];
        let words = states
            .iter()
            .filter_map(|state| self.vocabulary.word(*state));
        let name = collection.as_str();
        let mut findings = self.foreign(
            name,
            "status",
            &words.collect::<Vec<_>>(),
            "[registros.estados]",
        );
        if collection == Collection::Version {
            let ours = [
                "inclusao",
                "remocao",
                "modificacao",
                "comentario",
                "formatacao",
                "movimentacao",
            ];
            let categories: Vec<String> = ours.iter().map(|ours| self.category(ours)).collect();
            let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
            findings.extend(self.foreign(
                "modificacao",
                "categoria",
                &categories,
                "[registros.categorias]",
            ));
            findings.extend(self.foreign(
                "modificacao",
                "status",
                &DECISIONS[..1],
                "as opções do campo",
            ));
        }
        findings
    }

    fn foreign(
        &self,
        collection: &str,
        field: &str,
        words: &[&str],
        section: &str,
    ) -> Vec<Finding> {
        let shape = self.shape();
        let Some(known) = shape.words(collection, field) else {
            return Vec::new();
        };
        let mut foreign: Vec<&str> = words
            .iter()
            .filter(|word| !known.contains(**word))
            .copied()
            .collect();
        foreign.dedup();
        if foreign.is_empty() {
            return Vec::new();
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let text = format!(
            "{}.{} não aceita {}; aceita: {}",
            self.names.collection(collection),
            self.names.field(collection, field),
            foreign.join(", "),
            known.join(", ")
        );
        let remedy =
            format!("diga a palavra da instalação em {section}, ou acrescente a opção ao campo");
        vec![Finding::new(Gravity::Fault, text, remedy)]
    }
}

fn refusal(error: &RecordsError) -> Finding {
    let remedy = match error.kind() {
        RecordsErrorKind::TokenRefused => {
            "confira DIRECTUS_TOKEN: o token estático de um usuário ativo"
        }
        RecordsErrorKind::Temporary => "tente de novo; se persistir, veja os logs do Directus",
        _ => "confira se DIRECTUS_BASE_URL é o endereço de um Directus",
    };
    Finding::new(Gravity::Fault, error.to_string(), remedy)
}
