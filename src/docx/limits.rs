//! How much of an untrusted file is read, and the errors that say why one was not.
//!
//! This module reads nothing: it names the limits and words the refusals.

use thiserror::Error;

/// What a file may cost. Every field has the default that the documentation states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Entries of the package.
    pub entries: u64,
    /// Bytes of one XML part, inflated.
    pub part_bytes: u64,
    /// Bytes of all parts read, inflated.
    pub total_bytes: u64,
    /// Inflated bytes for each stored byte, looked at after the first [`Limits::ratio_free_bytes`].
    pub ratio: u64,
    /// Bytes of a part for which no ratio is asked.
    pub ratio_free_bytes: u64,
    /// Nesting of elements.
    pub depth: u64,
    /// Attributes of one element.
    pub attributes: u64,
    /// Bytes of one attribute's value.
    pub attribute_bytes: u64,
    /// Bytes of one text.
    pub text_bytes: u64,
    /// Tags, and texts between tags, of all parts.
    pub events: u64,
    /// Paragraphs of all stories.
    pub paragraphs: u64,
    /// Paragraphs that two compared documents do not share: new, removed, changed or moved.
    pub changes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            file_bytes: 50 * MIB,
            entries: 2_000,
            part_bytes: 64 * MIB,
            total_bytes: 256 * MIB,
            ratio: 200,
            ratio_free_bytes: MIB,
            depth: 256,
            attributes: 256,
            attribute_bytes: MIB,
            text_bytes: 4 * MIB,
            events: 20_000_000,
            paragraphs: 200_000,
            changes: 100_000,
        }
    }
}

/// The limits by name, for messages and metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::file_bytes`]
    FileBytes,
    /// [`Limits::entries`]
    Entries,
    /// [`Limits::part_bytes`]
    PartBytes,
    /// [`Limits::total_bytes`]
    TotalBytes,
    /// [`Limits::ratio`]
    Ratio,
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::attributes`]
    Attributes,
    /// [`Limits::attribute_bytes`]
    AttributeBytes,
    /// [`Limits::text_bytes`]
    TextBytes,
    /// [`Limits::events`]
    Events,
    /// [`Limits::paragraphs`]
    Paragraphs,
    /// [`Limits::changes`]
    Changes,
    /// The caller's time ran out, or it asked to stop.
    Time,
}

impl Limit {
    /// Every limit, in the order of [`Limits`].
    pub const ALL: [Self; 13] = [
        Self::FileBytes,
        Self::Entries,
        Self::PartBytes,
        Self::TotalBytes,
        Self::Ratio,
        Self::Depth,
        Self::Attributes,
        Self::AttributeBytes,
        Self::TextBytes,
        Self::Events,
        Self::Paragraphs,
        Self::Changes,
        Self::Time,
    ];

    /// The name, as it stands in messages and as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileBytes => "arquivo",
            Self::Entries => "entradas",
            Self::PartBytes => "parte",
            Self::TotalBytes => "total",
            Self::Ratio => "razao",
            Self::Depth => "profundidade",
            Self::Attributes => "atributos",
            Self::AttributeBytes => "valor_de_atributo",
            Self::TextBytes => "texto",
            Self::Events => "eventos",
            Self::Paragraphs => "paragrafos",
            Self::Changes => "alteracoes",
            Self::Time => "tempo",
        }
    }
}

/// Why a file was not read. The messages are for the person who sent the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// A limit was passed.
    #[error("limite \"{}\" ultrapassado em {part}: no máximo {allowed}", limit.as_str())]
    Limit {
        /// Which one.
        limit: Limit,
        /// The value that holds.
        allowed: u64,
        /// The part, `arquivo` or `comparação`.
        part: String,
    },
    /// The caller asked to stop, or its time ran out.
    #[error("limite \"tempo\" ultrapassado: o trabalho foi interrompido")]
    Cancelled,
    /// A document type declaration, which no Word document has.
    #[error("{part} traz DOCTYPE, que não é aceito em documentos")]
    Dtd {
        /// The part.
        part: String,
    },
    /// Two entries of the same name, or of names that differ only in case.
    #[error("o pacote tem mais de uma entrada com o nome {name}")]
    DuplicateEntry {
        /// The name.
        name: String,
    },
    /// A part without which there is no document.
    #[error("falta a parte {name} no pacote")]
    MissingPart {
        /// The part's name or role.
        name: String,
    },
    /// A part that is not well-formed XML.
    #[error("XML inválido em {part}, byte {position}: {reason}")]
    Xml {
        /// The part.
        part: String,
        /// Byte position, as far as known.
        position: u64,
        /// What the parser says.
        reason: String,
    },
    /// A broken package.
    #[error("pacote ZIP inválido: {reason}")]
    Zip {
        /// What is wrong.
        reason: String,
    },
    /// Something else than a .docx.
    #[error("o arquivo não é um documento .docx: {reason}")]
    NotDocx {
        /// What it seems to be.
        reason: String,
    },
    /// The directory of the package lies on size or checksum.
    #[error("tamanho ou CRC de {name} não confere com o diretório do pacote")]
    SizeMismatch {
        /// The entry.
        name: String,
    },
    /// An encrypted document or entry.
    #[error("o documento está protegido por senha ({name})")]
    Encrypted {
        /// The entry, or `arquivo`.
        name: String,
    },
}

impl ReadError {
    /// A machine-readable class: `limit`, `depth`, `dtd`, `duplicate-entry`, `missing-part`, `xml`, `zip`, `not-docx`,
    /// `size-mismatch`, `encrypted` or `cancelled`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Limit {
                limit: Limit::Depth,
                ..
            } => "depth",
            Self::Limit { .. } => "limit",
            Self::Cancelled => "cancelled",
            Self::Dtd { .. } => "dtd",
            Self::DuplicateEntry { .. } => "duplicate-entry",
            Self::MissingPart { .. } => "missing-part",
            Self::Xml { .. } => "xml",
            Self::Zip { .. } => "zip",
            Self::NotDocx { .. } => "not-docx",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::Encrypted { .. } => "encrypted",
        }
    }

    /// The limit that refused the file, if one did: the label of `docx_limit_rejections_total`.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Limit { limit, .. } => Some(*limit),
            Self::Cancelled => Some(Limit::Time),
            _ => None,
        }
    }
}
