//! Paragraphs as sequences of tokens: words, numbers, white space, punctuation and inline objects.
//!
//! Tokens are interned, so that equal numbers mean equal text. This module knows nothing of alignment.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::super::model::{Document, Object, Paragraph};

/// Stands before and after the name of an object in a paragraph's line; the reader keeps it out of text.
pub(super) const OBJECT: char = '\u{fffc}';
/// The mark between paragraphs in the spans of a split or a merge; the reader keeps it out of text.
pub(crate) const MARK: &str = "\u{2029}";

/// What the aligner needs to know of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Word,
    Space,
    Punctuation,
    Object,
    Mark,
}

/// A token of one paragraph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) id: u32,
    /// Byte offset into the paragraph's text.
    pub(super) offset: u32,
}

/// A paragraph ready to be compared.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) tokens: Vec<Token>,
    /// Equal for equal lines.
    pub(super) key: u32,
}

/// The tokens of both documents, by number.
#[derive(Default)]
pub(super) struct Tokens<'a> {
    ids: HashMap<Cow<'a, str>, u32>,
    texts: Vec<(Cow<'a, str>, Class)>,
    keys: HashMap<Vec<u32>, u32>,
}

impl<'a> Tokens<'a> {
    /// The paragraphs of a story as lines.
    pub(super) fn lines(&mut self, paragraphs: &'a [Paragraph]) -> Vec<Line> {
        paragraphs
            .iter()
            .map(|paragraph| self.line(paragraph))
            .collect()
    }

    fn line(&mut self, paragraph: &'a Paragraph) -> Line {
        let mut tokens = Vec::new();
        for piece in pieces(paragraph) {
            match piece {
                Piece::Text(range) => self.push_text(paragraph, range, &mut tokens),
                Piece::Object(offset, name) => {
                    let id = self.intern(Cow::Owned(name), Class::Object);
                    tokens.push(Token {
                        id,
                        offset: offset_of(offset),
                    });
                }
            }
        }
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let key = self.key(ids);
        Line { tokens, key }
    }

    fn push_text(
        &mut self,
        paragraph: &'a Paragraph,
        range: Range<usize>,
        tokens: &mut Vec<Token>,
    ) {
        let mut offset = range.start;
        let mut rest = paragraph.text.get(range).unwrap_or_default();
        while let Some((class, length)) = first_token(rest) {
            let (token, after) = rest.split_at(length);
            let id = self.intern(Cow::Borrowed(token), class);
            tokens.push(Token {
                id,
                offset: offset_of(offset),
            });
            offset += length;
            rest = after;
        }
    }

    /// The number of a sequence of numbers: equal for equal sequences.
    pub(super) fn key(&mut self, ids: Vec<u32>) -> u32 {
        let next = number(self.keys.len());
        *self.keys.entry(ids).or_insert(next)
    }

    /// The number of the mark between paragraphs.
    pub(super) fn mark(&mut self) -> u32 {
        self.intern(Cow::Borrowed(MARK), Class::Mark)
    }

    fn intern(&mut self, text: Cow<'a, str>, class: Class) -> u32 {
        if let Some(id) = self.ids.get(&text) {
            return *id;
        }
        let id = number(self.texts.len());
        self.texts.push((text.clone(), class));
        self.ids.insert(text, id);
        id
    }

    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |(text, _)| text)
    }

    pub(super) fn class(&self, id: u32) -> Class {
        self.texts
            .get(id as usize)
            .map_or(Class::Punctuation, |(_, class)| *class)
    }

    /// How much a token says: the letters of a word, and little for the others.
    pub(super) fn weight(&self, id: u32) -> u32 {
        match self.class(id) {
            Class::Word => number(self.text(id).chars().count()),
            Class::Object => 8,
            Class::Space | Class::Punctuation | Class::Mark => 0,
        }
    }

    /// How many different tokens there are.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }
}

enum Piece {
    Text(Range<usize>),
    Object(usize, String),
}

/// A paragraph's text cut at its objects; a formula stands for its characters.
fn pieces(paragraph: &Paragraph) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for inline in &paragraph.objects {
        let (name, covered) = match &inline.object {
            Object::Picture { hash, .. } => (format!("imagem {hash}"), 0),
            Object::Drawing { hash } => (format!("desenho {hash}"), 0),
            Object::Footnote { .. } => ("nota de rodapé".to_owned(), 0),
            Object::Endnote { .. } => ("nota de fim".to_owned(), 0),
            Object::TextBox { .. } => ("caixa de texto".to_owned(), 0),
            Object::Math { hash, len } => {
                let text = paragraph
                    .text
                    .get(inline.offset..inline.offset + len)
                    .unwrap_or_default();
                (format!("fórmula {text} {hash}"), *len)
            }
            Object::Comment { .. } => continue,
        };
        if inline.offset > at {
            pieces.push(Piece::Text(at..inline.offset));
        }
        at = at.max(inline.offset + covered);
        pieces.push(Piece::Object(
            inline.offset,
            format!("{OBJECT}{name}{OBJECT}"),
        ));
    }
    if at < paragraph.text.len() {
        pieces.push(Piece::Text(at..paragraph.text.len()));
    }
    pieces
}

/// A paragraph as the script sees it: its text with the names of its objects.
pub(crate) fn line_text(paragraph: &Paragraph) -> String {
    let mut line = String::with_capacity(paragraph.text.len());
    for piece in pieces(paragraph) {
        match piece {
            Piece::Text(range) => line.push_str(paragraph.text.get(range).unwrap_or_default()),
            Piece::Object(_, name) => line.push_str(&name),
        }
    }
    line
}

/// A line for people: objects in brackets, without their hashes.
pub(crate) fn readable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for (index, piece) in line.split(OBJECT).enumerate() {
        if index % 2 == 0 {
            text.push_str(&piece.replace(MARK, " ¶ "));
            continue;
        }
        let is_hashed = piece.starts_with("imagem ")
            || piece.starts_with("desenho ")
            || piece.starts_with("fórmula ");
        let shown = if is_hashed {
            piece.rsplit_once(' ').map_or(piece, |(name, _)| name)
        } else {
            piece
        };
        text.push('[');
        text.push_str(shown);
        text.push(']');
    }
    text
}

/// The lines of every story: what applying and reverting a script must give.
#[must_use]
pub fn lines_of(document: &Document) -> Vec<Vec<String>> {
    document
        .stories
        .iter()
        .map(|story| story.paragraphs.iter().map(line_text).collect())
        .collect()
}

/// The class and length in bytes of the token that a text begins with.
fn first_token(text: &str) -> Option<(Class, usize)> {
    let first = text.chars().next()?;
    if is_space(first) {
        return Some((Class::Space, length_while(text, is_space)));
    }
    if is_word(first) {
        return Some((Class::Word, word_length(text)));
    }
    Some((Class::Punctuation, first.len_utf8()))
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
}

fn is_word(character: char) -> bool {
    // Combining marks and hidden characters stay inside the word they belong to.
    character.is_alphanumeric()
        || matches!(character, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{2011}')
}

fn length_while(text: &str, holds: fn(char) -> bool) -> usize {
    text.char_indices()
        .find(|(_, character)| !holds(*character))
        .map_or(text.len(), |(index, _)| index)
}

/// The length of a word; a number goes on over a separator between digits (`1.234,56`, `14.133`, `12/05/2024`).
fn word_length(text: &str) -> usize {
    let mut previous_is_digit = false;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        if !is_word(character) {
            let next_is_digit = characters
                .peek()
                .is_some_and(|(_, next)| next.is_ascii_digit());
            let goes_on =
                previous_is_digit && next_is_digit && matches!(character, '.' | ',' | '/');
            if !goes_on {
                return index;
            }
        }
        previous_is_digit = character.is_ascii_digit();
    }
    text.len()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn offset_of(offset: usize) -> u32 {
    number(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        let mut rest = text;
        let mut tokens = Vec::new();
        while let Some((_, length)) = first_token(rest) {
            let (token, after) = rest.split_at(length);
            tokens.push(token);
            rest = after;
        }
        tokens
    }

    #[test]
    fn numbers_are_one_token_and_punctuation_stands_alone() {
        assert_eq!(
            split("R$ 1.234,56, até 12/05."),
            [
                "R", "$", " ", "1.234,56", ",", " ", "até", " ", "12/05", "."
            ]
        );
    }

    #[test]
    fn an_object_is_shown_without_its_hash() {
        assert_eq!(readable("a \u{fffc}imagem 0a1b\u{fffc} b"), "a [imagem] b");
        assert_eq!(
            readable("\u{fffc}nota de rodapé\u{fffc}"),
            "[nota de rodapé]"
        );
    }
}
