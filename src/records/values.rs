//! What goes into the collections and comes out of them, as plain values. Knows no store.

use std::fmt;

use serde_json::{Map, Value};

use super::vocabulary::Collection;

/// The id of a record, as the store writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub String);

/// The id of a stored file, as the store writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileId(pub String);

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for RecordId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

/// What waits in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending<T> {
    /// The records to work on now, oldest first.
    pub records: Vec<T>,
    /// How many wait in all, those beyond the limit included.
    pub waiting: usize,
    /// How many have the trigger status and cannot start: a model without both files, a version of an unpublished model.
    pub blocked: usize,
}

/// How many records of a collection are in work or ask for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// With the trigger status.
    pub waiting: u64,
    /// In work, within their lease.
    pub running: u64,
    /// In work, with a lease that has passed.
    pub stuck: u64,
}

/// A model that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingModel {
    /// Its id.
    pub id: RecordId,
    /// Its name, for messages.
    pub name: String,
    /// The document without marks.
    pub original: FileId,
    /// The document with marks.
    pub tagged: FileId,
}

/// A version that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingVersion {
    /// Its id.
    pub id: RecordId,
    /// Its name, for messages.
    pub name: String,
    /// The contract's number or title, for messages and the report.
    pub contract: String,
    /// The document; a record may lack it.
    pub file: Option<FileId>,
    /// `date_created`, RFC 3339.
    pub created: String,
}

/// The right to work on a record until the lease passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The record's collection.
    pub collection: Collection,
    /// The record.
    pub id: RecordId,
    /// The `date_updated` that the claim wrote: who finds another one has lost the record.
    pub stamp: String,
    /// Which try this is, from 1.
    pub tries: u32,
}

/// What came of asking for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimResult {
    /// It is ours.
    Ours(Claim),
    /// Another process was quicker, its status changed, or it changed since it was listed.
    Taken,
    /// It was tried too often; it has been closed as failed.
    Exhausted,
}

/// The other side of a version's comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Which record it is.
    pub kind: BaseKind,
    /// Its id.
    pub id: RecordId,
    /// Its name, for messages and the report.
    pub name: String,
    /// The document; its absence is an error of the version.
    pub file: Option<FileId>,
    /// `date_created`, RFC 3339.
    pub created: String,
}

/// The kinds of [`Base`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseKind {
    /// The contract's latest earlier version.
    Version,
    /// The original of the contract's model.
    Model,
}

/// A tag to store: one row of `modelo_contrato_tag`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTag {
    /// `tag_nome`, normalised.
    pub name: String,
    /// `caminho_tag_inicio`
    pub path_start: String,
    /// `caminho_tag_fim`
    pub path_end: String,
    /// `conteudo`
    pub content: String,
    /// `contexto`: the text around the opening mark.
    pub context: String,
    /// `posicao_inicio`: characters of the story before the opening mark.
    pub position_start: usize,
    /// `posicao_fim`: characters of the story before the end of the closing mark.
    pub position_end: usize,
    /// `linha_aproximada`: the number of the paragraph, from 1.
    pub line: usize,
}

/// A modification to store: one row of `modificacao`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewModification {
    /// `categoria`
    pub category: String,
    /// `conteudo`: the text after the change, or the removed text.
    pub content: String,
    /// `alteracao`: the change in words.
    pub change: String,
    /// `caminho_inicio`
    pub path_start: String,
    /// `caminho_fim`
    pub path_end: String,
    /// `clausula`, where it is known.
    pub clause: Option<RecordId>,
}

/// A report to store beside its modifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// The file's name, made of an id and a time.
    pub name: String,
    /// The document, self-contained HTML.
    pub html: String,
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// The file's name.
    pub name: String,
    /// Where a person finds it: a path or an address.
    pub location: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A clause of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredClause {
    /// Its id.
    pub id: RecordId,
    /// `numero`
    pub number: String,
    /// `nome`
    pub name: String,
    /// `conteudo`, or the content of its tag.
    pub content: String,
}

/// What storing tags did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredTags {
    /// Rows now stored, read back.
    pub total: usize,
    /// Rows that were there and are the same.
    pub kept: usize,
    /// Rows that kept their id and changed.
    pub updated: usize,
    /// New rows.
    pub inserted: usize,
    /// Rows of tags that are gone.
    pub removed: usize,
    /// Clauses of this model that point at a tag of it.
    pub linked_clauses: usize,
}

/// What storing a comparison did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredComparison {
    /// Rows now stored, read back.
    pub total: usize,
    /// Rows that were the same, with the analyst's decisions.
    pub kept: usize,
    /// Rows that are gone.
    pub removed: usize,
    /// Where a person finds the report: a path or an address.
    pub report: String,
    /// Replaced reports that could not be removed, each with its reason, in Portuguese.
    pub left: Vec<String>,
}

/// The collections that people look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listed {
    /// `modelo_contrato`
    Models,
    /// `contrato`
    Contracts,
    /// `versao`
    Versions,
    /// `modelo_contrato_tag`
    Tags,
    /// `modificacao`
    Modifications,
    /// `clausula`
    Clauses,
}

impl Listed {
    /// The name of one record for people, in Portuguese.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Models => "modelo",
            Self::Contracts => "contrato",
            Self::Versions => "versão",
            Self::Tags => "tag",
            Self::Modifications => "modificação",
            Self::Clauses => "cláusula",
        }
    }
}

/// A row of a collection: its fields by their names in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub Map<String, Value>);

impl Row {
    /// A field as text for people; an absent or null one is empty.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        match self.0.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// How one request to a store that is elsewhere ended: a closed set, the label of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestResult {
    /// As it should.
    Ok,
    /// There was no connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// An answer that makes no sense.
    Nonsense,
    /// The token was refused.
    Unauthorized,
    /// Not permitted, or not there.
    Forbidden,
    /// No such address.
    NotFound,
    /// Too many requests.
    RateLimited,
    /// The server failed.
    ServerError,
    /// The request was refused for another reason.
    Rejected,
    /// More bytes than were wanted.
    TooLarge,
    /// We were asked to end.
    Interrupted,
}

impl RequestResult {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::Unreachable,
        Self::Timeout,
        Self::Broken,
        Self::Nonsense,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::RateLimited,
        Self::ServerError,
        Self::Rejected,
        Self::TooLarge,
        Self::Interrupted,
    ];

    /// The label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Nonsense => "nonsense",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Rejected => "rejected",
            Self::TooLarge => "too_large",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One request to a store that is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// How it ended.
    pub result: RequestResult,
    /// How long it took.
    pub seconds: f64,
}
