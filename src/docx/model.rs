//! What a .docx says, as plain values: stories, paragraphs, tables, fields and warnings.
//!
//! This module knows nothing of zip, XML, tags, comparison or reports. The reader (`package`, `text`) builds these
//! values; `tags` and `compare` only look at them.
//!
//! # The text of a paragraph
//!
//! [`Paragraph::text`] is the *accepted view*: tracked insertions are in it, tracked deletions are not (they are kept in
//! [`Paragraph::deleted`]). A paragraph whose mark is deleted is joined with the one after it. Things that are not
//! ordinary characters appear so:
//!
//! | in the document | in `text` |
//! |---|---|
//! | `w:tab`, `w:ptab` | `\t` |
//! | `w:br`, `w:cr` | `\n` |
//! | `w:br` of type page or column | `\u{c}` |
//! | `w:noBreakHyphen` | U+2011 |
//! | `w:softHyphen` | U+00AD |
//! | zero-width characters | as they stand (see [`is_hidden`]) |
//! | U+2029, U+FFFC (kept for marks of our own) | `\n`, U+FFFD |
//! | `w:sym` | its character, or U+FFFD |
//! | a formula's `m:t` | its characters, under a [`Object::Math`] |
//! | pictures, notes, comments, text boxes, OLE | nothing; see [`Paragraph::objects`] |
//! | field instructions, `w:proofErr`, bookmarks | nothing |
//!
//! # Paths
//!
//! [`Document::path`] gives a place a stable name: `PART#[STORY/]bB/pP/rR@O`, for example
//! `word/document.xml#b3/p7/r2@5` or `word/footnotes.xml#nota2/b1/p1/r1@0`. `B` is the top-level block of the story
//! (paragraph or table), `P` the paragraph within the story (those in cells are counted), `R` the run within the
//! paragraph, all from 1; `O` is the number of characters before the place within that run, from 0. `STORY` is absent
//! for a body, a header and a footer, which are alone in their part; it is `caixaN` for the Nth text box of a part,
//! `notaID` for a note and `comentarioID` for a comment, by the id that the part gives it.

mod place;
mod warning;

use std::collections::BTreeMap;

pub use warning::{Warning, WarningKind};

/// A document as read: everything a processor may ask of it, without the package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// The body first, then headers, footers, footnotes, endnotes and comments; each is followed by its text boxes.
    pub stories: Vec<Story>,
    /// Content controls and merge fields in document order, all stories.
    pub fields: Vec<Field>,
    /// What a reader of the document should be told: external relationships, macros, embedded objects.
    pub warnings: Vec<Warning>,
    /// What each [`RunSpan::format`] and [`Paragraph::format`] stands for: properties in a fixed order, for people.
    pub formats: BTreeMap<u64, String>,
}

/// One stream of text that is read from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What it is.
    pub kind: StoryKind,
    /// The name of the part in the package, without a leading slash: `word/document.xml`.
    pub part: String,
    /// The id of a note or comment, the number (from 1, within its part) of a text box, else empty.
    pub id: String,
    /// Who wrote it; only comments say so.
    pub author: String,
    /// Where a note, comment or text box hangs; `None` for the others, or when nothing refers to it.
    pub anchor: Option<Place>,
    /// All paragraphs in reading order, those in table cells included.
    pub paragraphs: Vec<Paragraph>,
    /// All tables, nested ones included, in the order in which they open.
    pub tables: Vec<Table>,
}

/// The kinds of story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoryKind {
    /// The main text.
    Body,
    /// A page header.
    Header,
    /// A page footer.
    Footer,
    /// One footnote.
    Footnote,
    /// One endnote.
    Endnote,
    /// One text box, in whichever part it stands.
    TextBox,
    /// One comment.
    Comment,
}

/// A place in a document: indices into its vectors and a byte offset into the paragraph's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index into [`Document::stories`].
    pub story: usize,
    /// Index into [`Story::paragraphs`].
    pub paragraph: usize,
    /// Byte offset into [`Paragraph::text`], always on a character boundary.
    pub offset: usize,
}

/// A table of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The cell in which it stands; `None` at the top level.
    pub parent: Option<Cell>,
    /// Index of the story's top-level block that is, or contains, the table.
    pub block: usize,
    /// The number of rows of the accepted view.
    pub rows: usize,
}

/// The coordinates of a table cell, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Index into [`Story::tables`].
    pub table: usize,
    /// Row of the table, in the accepted view.
    pub row: usize,
    /// Cell of the row (not the grid column: a spanning cell counts once).
    pub column: usize,
}

/// One paragraph in the accepted view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    /// The text; see the module's table.
    pub text: String,
    /// Index of the top-level block (from 0) of the story in which it stands.
    pub block: usize,
    /// The cells around it, outermost first; empty outside tables. Never longer than the depth limit.
    pub cells: Vec<Cell>,
    /// The runs that cover `text` without gaps, in order; runs without text are left out but counted in the index.
    pub runs: Vec<RunSpan>,
    /// What stands between the characters, by offset.
    pub objects: Vec<Inline>,
    /// Hyperlinks, by their start.
    pub links: Vec<Link>,
    /// Tracked deletions (`w:del`, `w:moveFrom`), by offset, apart from `text`.
    pub deleted: Vec<Deleted>,
    /// The style's id, or empty.
    pub style: String,
    /// Key into [`Document::formats`] for the paragraph's properties (style, numbering, alignment and so on).
    pub format: u64,
}

/// A stretch of a paragraph's text that comes from one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSpan {
    /// First byte in [`Paragraph::text`].
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Index of the run in the paragraph, from 0; deleted and empty runs are counted.
    pub index: usize,
    /// Key into [`Document::formats`]; 0 for a run without properties. Equal keys are equal formatting.
    pub format: u64,
}

/// An object anchored in a paragraph. It takes no room in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline {
    /// Byte offset into [`Paragraph::text`] before which it stands.
    pub offset: usize,
    /// Index of its run in the paragraph, from 0.
    pub run: usize,
    /// What it is.
    pub object: Object,
}

/// The kinds of inline object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A picture.
    Picture {
        /// Hexadecimal hash of the bytes as they are stored in the package (never inflated), or of an external target.
        hash: String,
        /// The alternative text, or the name, or empty.
        description: String,
    },
    /// A drawing, chart, diagram or embedded object that is neither picture nor text box.
    Drawing {
        /// Hexadecimal hash of what is known of it.
        hash: String,
    },
    /// The reference to a footnote.
    Footnote {
        /// Its id in the part.
        id: String,
    },
    /// The reference to an endnote.
    Endnote {
        /// Its id in the part.
        id: String,
    },
    /// The reference to a comment.
    Comment {
        /// Its id in the part.
        id: String,
    },
    /// A text box.
    TextBox {
        /// Index into [`Document::stories`].
        story: usize,
    },
    /// A formula, whose characters are in the text from the object's offset on.
    Math {
        /// Hexadecimal hash of its structure and text.
        hash: String,
        /// Bytes of [`Paragraph::text`] that it covers.
        len: usize,
    },
}

/// A hyperlink over a stretch of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// First byte in [`Paragraph::text`].
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The address as written, or `#` and the name of a bookmark. It is never followed, and may be of any scheme.
    pub target: String,
}

/// Text that a tracked change removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Byte offset into [`Paragraph::text`] at which it stood.
    pub offset: usize,
    /// What was removed.
    pub text: String,
}

/// A content control or a merge field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which of the two.
    pub kind: FieldKind,
    /// `w:tag` of the control, else its `w:alias`; or the field's name, without quotes.
    pub name: String,
    /// The alias of a control, where it has one.
    pub alias: String,
    /// Where it begins (for a control around blocks: its first paragraph, offset 0).
    pub place: Place,
}

/// The kinds of [`Field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// `w:sdt` (ECMA-376 part 1, 17.5.2).
    ContentControl,
    /// `MERGEFIELD` (17.16.5.35), simple or complex.
    MergeField,
}

/// Whether a character is invisible inside a word: soft hyphen, zero-width space, joiners, word joiner, byte order mark.
///
/// A reader of tags skips these; U+2011 (no-break hyphen) is not hidden and stands for `-`.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

impl StoryKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Body,
        Self::Header,
        Self::Footer,
        Self::Footnote,
        Self::Endnote,
        Self::TextBox,
        Self::Comment,
    ];

    /// The name for people, in Portuguese.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Body => "corpo",
            Self::Header => "cabeçalho",
            Self::Footer => "rodapé",
            Self::Footnote => "nota de rodapé",
            Self::Endnote => "nota de fim",
            Self::TextBox => "caixa de texto",
            Self::Comment => "comentário",
        }
    }
}
