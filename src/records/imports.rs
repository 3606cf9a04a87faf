//! What people put into the collections and decide, as plain values. Knows no store.

use super::values::{Listed, RecordId};

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
