//! What people put into the collections and decide, as plain values. Knows no store.

use super::error::RecordsError;
use super::values::{Listed, RecordId};
use super::vocabulary::{Collection, DECISIONS, State, Vocabulary};

/// The media type of a .docx.
pub(super) const DOCX: &str =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// The statuses that a person may set on a model.
const MODEL_STATES: [State; 5] = [
    State::Waiting,
    State::Published,
    State::Done,
    State::Failed,
    State::Draft,
];
/// The statuses that a person may set on a version.
const VERSION_STATES: [State; 4] = [State::Waiting, State::Done, State::Failed, State::Draft];

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name for people; no path is ever made of it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A model to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewModel {
    /// `nome`
    pub name: String,
    /// `arquivo_original`
    pub original: NewFile,
    /// `arquivo_com_tags`
    pub tagged: NewFile,
}

/// A contract to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContract {
    /// `modelo_contrato`
    pub model: RecordId,
    /// `numero`
    pub number: String,
    /// `titulo`
    pub title: String,
}

/// A version to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// `contrato`
    pub contract: RecordId,
    /// `versao`; `None` takes the next number of the contract.
    pub name: Option<String>,
    /// `arquivo`
    pub file: NewFile,
}

/// A clause to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClause {
    /// `modelo_contrato`
    pub model: RecordId,
    /// `numero`
    pub number: String,
    /// `nome`
    pub name: String,
    /// `conteudo`
    pub content: String,
}

/// A status that a person sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// `modelo_contrato`, `versao` or `modificacao`.
    pub listed: Listed,
    /// The record.
    pub id: RecordId,
    /// The status in any known spelling.
    pub status: String,
    /// `observacao` of a version, `nota_analista` of a modification; `None` leaves what is there.
    pub note: Option<String>,
}

/// What a [`Mark`] means to the store.
pub(super) enum Marked<'a> {
    /// A model or version gets this word as its status.
    State(Collection, &'a str),
    /// A modification gets this decision.
    Decision(&'static str),
}

/// Reads a status that a person gives.
///
/// # Errors
///
/// One that the collection does not have, with those that it has.
pub(super) fn marked<'a>(
    vocabulary: &'a Vocabulary,
    mark: &Mark,
) -> Result<Marked<'a>, RecordsError> {
    let (collection, states): (_, &[State]) = match mark.listed {
        Listed::Models => (Collection::Model, &MODEL_STATES),
        Listed::Versions => (Collection::Version, &VERSION_STATES),
        Listed::Modifications => {
            let decision = mark.status.trim().to_lowercase();
            let known = DECISIONS.into_iter().find(|known| *known == decision);
            let known = known.map(Marked::Decision);
            return known.ok_or_else(|| unknown_status(mark, &DECISIONS));
        }
        Listed::Contracts | Listed::Tags | Listed::Clauses => {
            return Err(unknown_status(mark, &[]));
        }
    };
    let states_words = states.iter().filter_map(|state| vocabulary.word(*state));
    let words: Vec<&str> = states_words.collect();
    let state = vocabulary.read(&mark.status);
    let word = vocabulary.word(state).filter(|_| states.contains(&state));
    let word = word.ok_or_else(|| unknown_status(mark, &words))?;
    Ok(Marked::State(collection, word))
}

fn unknown_status(mark: &Mark, allowed: &[&str]) -> RecordsError {
    RecordsError::UnknownStatus {
        collection: mark.listed.label(),
        status: mark.status.clone(),
        allowed: allowed.join(", "),
    }
}
