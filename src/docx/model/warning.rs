//! What a reader of a document should be told before trusting it. It does not look for any of it.

/// Something in the package that is not followed, run or read, but told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// The part in which it was found.
    pub part: String,
    /// The target or name, as written.
    pub detail: String,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningKind {
    /// A relationship to something outside the package that is not a hyperlink (a picture, a template).
    External,
    /// A VBA project.
    Macro,
    /// An embedded object (OLE or package).
    Embedded,
    /// An `altChunk`: foreign text that Word would import on opening.
    AltChunk,
    /// A part that is referred to and absent.
    MissingPart,
}

impl WarningKind {
    /// A machine-readable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Macro => "macro",
            Self::Embedded => "embedded",
            Self::AltChunk => "alt-chunk",
            Self::MissingPart => "missing-part",
        }
    }
}

impl Warning {
    /// The warning for a person, in Portuguese.
    #[must_use]
    pub fn message(&self) -> String {
        let what = match self.kind {
            WarningKind::External => "referência externa, não seguida",
            WarningKind::Macro => "o arquivo contém macros, não executadas",
            WarningKind::Embedded => "objeto incorporado, não aberto",
            WarningKind::AltChunk => "texto importado (altChunk), não lido",
            WarningKind::MissingPart => "parte citada e ausente",
        };
        format!("{what}: {} (em {})", self.detail, self.part)
    }
}
