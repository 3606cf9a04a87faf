//! The entries of the list of modifications, and their counts, in the shapes that are stored and shown.

use std::collections::BTreeMap;

use serde::Serialize;

/// The kinds of modification; their names are those of the records' default vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// New text.
    Inclusao,
    /// Removed text.
    Remocao,
    /// Changed text.
    Modificacao,
    /// A comment that was added, removed or changed.
    Comentario,
    /// Formatting of text that stayed.
    Formatacao,
    /// Text that stands elsewhere, changed or not.
    Movimentacao,
}

impl Category {
    /// All of them, in the order of [`Category`].
    pub const ALL: [Self; 6] = [
        Self::Inclusao,
        Self::Remocao,
        Self::Modificacao,
        Self::Comentario,
        Self::Formatacao,
        Self::Movimentacao,
    ];

    /// The name in records, JSON and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inclusao => "inclusao",
            Self::Remocao => "remocao",
            Self::Modificacao => "modificacao",
            Self::Comentario => "comentario",
            Self::Formatacao => "formatacao",
            Self::Movimentacao => "movimentacao",
        }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modification {
    /// What kind of change it is.
    #[serde(rename = "categoria")]
    pub category: Category,
    /// The text after the change (for a changed sentence, all of it), or the removed text.
    #[serde(rename = "conteudo")]
    pub content: String,
    /// The change in words: `"30 dias" → "45 dias"`.
    #[serde(rename = "alteracao")]
    pub change: String,
    /// Where it begins: a path in the new document, or in the old one for what was removed.
    #[serde(rename = "caminho")]
    pub path: String,
    /// Where it ends.
    #[serde(rename = "caminho_fim")]
    pub path_end: String,
    /// The words that were there before; empty if there were none.
    #[serde(rename = "antes")]
    pub before: String,
    /// The words that are there now; empty if there are none.
    #[serde(rename = "depois")]
    pub after: String,
    /// The kind of story: `corpo`, `nota de rodapé` and so on.
    #[serde(rename = "local")]
    pub location: &'static str,
    /// Index into [`Script::stories`](super::Script::stories).
    #[serde(skip)]
    pub story: usize,
    /// Index into [`StoryEdit::edits`](super::StoryEdit::edits) of the edit in which it begins.
    #[serde(skip)]
    pub edit: usize,
}

/// Counts of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What an editor's revision list would count; see [`Script::revisions`](super::Script::revisions).
    #[serde(rename = "revisoes")]
    pub revisions: usize,
    /// Modifications by category; every category is there.
    #[serde(flatten)]
    pub by_category: BTreeMap<Category, usize>,
    /// Bytes of text that are the same, of all text, in thousandths.
    #[serde(rename = "semelhanca_milesimos")]
    pub likeness: u32,
}
