//! The example documents that travel inside the program, for a first look without documents of one's own.
//!
//! Their sources stand in `examples/documentos`. They go into an empty store only, so that nobody's records are mixed
//! with them.

use jiff::Timestamp;
use thiserror::Error;

use crate::docx::{self, Limits, ReadError, tags};
use crate::processors::modelo_contrato::tag_rows;
use crate::records::{
    ClaimResult, Collection, Listed, Mark, NewClause, NewContract, NewFile, NewModel, NewVersion,
    RecordId, Records, RecordsError,
};

const SERVICES: &[u8] = include_bytes!("../../../examples/documentos/modelo-servicos.docx");
const SERVICES_TAGGED: &[u8] =
    include_bytes!("../../../examples/documentos/modelo-servicos-com-tags.docx");
const LEASE: &[u8] = include_bytes!("../../../examples/documentos/modelo-locacao.docx");
const LEASE_TAGGED: &[u8] =
    include_bytes!("../../../examples/documentos/modelo-locacao-com-tags.docx");
const LEASE_FIRST: &[u8] = include_bytes!("../../../examples/documentos/contrato-locacao-v1.docx");
const LEASE_SECOND: &[u8] = include_bytes!("../../../examples/documentos/contrato-locacao-v2.docx");

/// The clauses of the published template; each has the name of the tag around its text.
const LEASE_CLAUSES: [&str; 6] = [
    "objeto",
    "prazo",
    "aluguel",
    "sublocação",
    "benfeitorias",
    "foro",
];

/// What importing the examples came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleImport {
    /// The store was empty; now it has these.
    Imported {
        /// Models: one waits for its tags, one is published.
        models: usize,
        /// Versions of one contract; they wait for their comparison.
        versions: usize,
    },
    /// The store has records, so nothing was imported.
    NotEmpty,
}

impl ExampleImport {
    /// What happened, in one line for the start of the program.
    #[must_use]
    pub fn message(self) -> String {
        match self {
            Self::Imported { models, versions } => {
                format!("exemplos importados: {models} modelos, 1 contrato com {versions} versões")
            }
            Self::NotEmpty => {
                "exemplos não importados: o armazenamento já tem registros".to_owned()
            }
        }
    }
}

/// Why the examples could not be imported.
#[derive(Debug, Error)]
pub enum ExampleError {
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A document inside the program cannot be read.
    #[error("documento de exemplo ilegível: {0}")]
    Unreadable(#[from] ReadError),
    /// Another process took the published template before it was ready.
    #[error("outro processo usa o armazenamento durante a importação dos exemplos")]
    Taken,
}

/// Imports the example documents into an empty store; into any other, nothing.
///
/// # Errors
///
/// The store failed, or another process works on it at the same time.
pub fn import_examples(
    records: &mut dyn Records,
    now: Timestamp,
) -> Result<ExampleImport, ExampleError> {
    if !records.is_empty()? {
        return Ok(ExampleImport::NotEmpty);
    }
    let lease = import_lease(records, now)?;
    let contract = NewContract {
        model: lease,
        number: "EX-001".to_owned(),
        title: "Locação de sala comercial (exemplo)".to_owned(),
    };
    let contract = records.import_contract(&contract, now)?;
    for (name, bytes) in [
        ("contrato-locacao-v1.docx", LEASE_FIRST),
        ("contrato-locacao-v2.docx", LEASE_SECOND),
    ] {
        let version = NewVersion {
            contract: contract.clone(),
            name: None,
            file: file(name, bytes),
        };
        records.import_version(&version, now)?;
    }
    let services = NewModel {
        name: "Prestação de serviços (exemplo)".to_owned(),
        original: file("modelo-servicos.docx", SERVICES),
        tagged: file("modelo-servicos-com-tags.docx", SERVICES_TAGGED),
    };
    records.import_model(&services, now)?;
    Ok(ExampleImport::Imported {
        models: 2,
        versions: 2,
    })
}

/// The published template: its tags are stored and linked to its clauses, as they would be after a run.
fn import_lease(records: &mut dyn Records, now: Timestamp) -> Result<RecordId, ExampleError> {
    let model = NewModel {
        name: "Locação de sala comercial (exemplo)".to_owned(),
        original: file("modelo-locacao.docx", LEASE),
        tagged: file("modelo-locacao-com-tags.docx", LEASE_TAGGED),
    };
    let tags = tags::extract(&docx::read(LEASE_TAGGED, &Limits::default())?);
    let id = records.import_model(&model, now)?;
    for name in LEASE_CLAUSES {
        let clause = NewClause {
            model: id.clone(),
            number: String::new(),
            name: name.to_owned(),
            content: String::new(),
        };
        records.import_clause(&clause, now)?;
    }
    let ClaimResult::Ours(claim) = records.claim(Collection::Model, &id, now)? else {
        return Err(ExampleError::Taken);
    };
    records.store_tags(&claim, &tag_rows(&tags), now)?;
    let mark = Mark {
        listed: Listed::Models,
        id: id.clone(),
        status: "publicado".to_owned(),
        note: None,
    };
    records.mark(&mark, now)?;
    Ok(id)
}

fn file(name: &str, bytes: &[u8]) -> NewFile {
    NewFile {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
    }
}
