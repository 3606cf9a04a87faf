//! Marks in the text of one paragraph: what stands between double braces, and braces that are no marks.
//!
//! Knows nothing of pairs: a mark is an opening, a closing or a single, and no more.

use unicode_normalization::UnicodeNormalization;

use super::super::model::{Paragraph, is_hidden};
use super::ProblemKind;
use super::story::MOST_MARKS;
use super::syntax::{Form, normalise, parse};

/// The soft hyphen is put in by hyphenation, not by a person: it is read over without a word.
const SOFT_HYPHEN: char = '\u{ad}';
/// The no-break hyphen stands for a hyphen.
const NO_BREAK_HYPHEN: char = '\u{2011}';
/// How much of a broken mark is quoted, in characters.
const QUOTED: usize = 40;

/// A well-formed mark.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) form: Form,
    /// The name as written, in NFC.
    pub(super) written: String,
    /// The name as compared and stored.
    pub(super) key: String,
    /// Index of the paragraph in its story.
    pub(super) paragraph: usize,
    /// First byte in the paragraph's text.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// Where it stood, in bytes of the story's text without marks; the scanner of a paragraph leaves it at 0.
    pub(super) clean: usize,
    /// Characters of the story before it; set with `clean`.
    pub(super) position_start: usize,
    /// Characters of the story before its end; set with `clean`.
    pub(super) position_end: usize,
}

/// Something about one mark, or about braces that are none.
pub(super) struct Flaw {
    pub(super) kind: ProblemKind,
    pub(super) start: usize,
    pub(super) text: String,
}

/// What a paragraph holds.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) marks: Vec<Mark>,
    pub(super) flaws: Vec<Flaw>,
}

/// Finds the first marks of one text, sound and broken, about `most` of them.
pub(super) fn scan(text: &str, paragraph: usize, most: usize) -> Scan {
    if most == 0 || memchr::memchr2(b'{', b'}', text.as_bytes()).is_none() {
        return Scan::default();
    }
    let mut scanner = Scanner {
        letters: visible(text),
        text,
        paragraph,
        found: Scan::default(),
    };
    let mut at = 0;
    while let Some(letter) = scanner.letters.get(at) {
        at = match letter.character {
            '{' => scanner.opening(at),
            '}' => scanner.stray(at),
            _ => at + 1,
        };
        if scanner.found.marks.len() + scanner.found.flaws.len() >= most {
            break;
        }
    }
    scanner.found
}

/// The names that closing marks in a paragraph's deleted text close.
pub(super) fn deleted_closings(paragraph: &Paragraph) -> Vec<String> {
    let mut joined = String::new();
    let mut last = None;
    for deleted in &paragraph.deleted {
        // Pieces of one deletion stand at one offset; two deletions must not grow into one mark.
        if last.is_some_and(|offset| offset != deleted.offset) {
            joined.push('\n');
        }
        last = Some(deleted.offset);
        joined.push_str(&deleted.text);
    }
    let marks = scan(&joined, 0, MOST_MARKS).marks.into_iter();
    marks
        .filter(|mark| mark.form == Form::Closing)
        .map(|mark| mark.key)
        .collect()
}

/// A character that counts, and where it stands.
#[derive(Clone, Copy)]
struct Letter {
    character: char,
    offset: usize,
    /// Whether an invisible character other than a soft hyphen stands before it.
    after_hidden: bool,
}

/// The characters that a reader sees.
fn visible(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    let mut after_hidden = false;
    for (offset, character) in text.char_indices() {
        if is_hidden(character) {
            after_hidden |= character != SOFT_HYPHEN;
            continue;
        }
        let character = if character == NO_BREAK_HYPHEN {
            '-'
        } else {
            character
        };
        letters.push(Letter {
            character,
            offset,
            after_hidden,
        });
        after_hidden = false;
    }
    letters
}

struct Scanner<'a> {
    letters: Vec<Letter>,
    text: &'a str,
    paragraph: usize,
    found: Scan,
}

impl Scanner<'_> {
    /// Reads what begins with a brace; returns where to go on.
    fn opening(&mut self, at: usize) -> usize {
        let braces = self.braces(at, '{');
        let inside = at + braces;
        if braces == 1 {
            return inside;
        }
        let (end, closing) = self.end_of_mark(inside);
        if braces > 2 || closing > 2 {
            self.flaw(ProblemKind::ThirdBrace, at, end + closing);
            return end + closing;
        }
        if closing < 2 {
            self.flaw(ProblemKind::BrokenDelimiter, at, end);
            return end;
        }
        self.mark(at, (inside, end), end + closing);
        end + closing
    }

    /// Closing braces that nothing opened.
    fn stray(&mut self, at: usize) -> usize {
        let end = at + self.braces(at, '}');
        if end - at >= 2 {
            let from = at.saturating_sub(QUOTED / 2);
            let kind = ProblemKind::BrokenDelimiter;
            let text = self.slice(from, end).to_owned();
            self.found.flaws.push(Flaw {
                kind,
                start: self.offset(at),
                text,
            });
        }
        end
    }

    /// Where a mark ends: the index of its closing braces and their number, 0 if another mark or the paragraph's end
    /// comes first.
    fn end_of_mark(&self, inside: usize) -> (usize, usize) {
        let mut at = inside;
        while let Some(letter) = self.letters.get(at) {
            let braces = match letter.character {
                '}' => self.braces(at, '}'),
                '{' if self.braces(at, '{') >= 2 => return (at, 0),
                _ => 1,
            };
            if letter.character == '}' && braces >= 2 {
                return (at, braces);
            }
            at += braces;
        }
        (at, 0)
    }

    fn braces(&self, at: usize, brace: char) -> usize {
        let rest = self.letters.get(at..).unwrap_or_default();
        rest.iter()
            .take_while(|letter| letter.character == brace)
            .count()
    }

    fn mark(&mut self, at: usize, (inside, end): (usize, usize), after: usize) {
        let letters = self.letters.get(inside..end).unwrap_or_default();
        let inner = letters.iter().map(|letter| letter.character);
        let inner = if inner.clone().all(|character| character.is_ascii()) {
            let mut plain = String::with_capacity(letters.len());
            plain.extend(inner);
            plain
        } else {
            inner.nfc().collect()
        };
        let Some((form, written)) = parse(&inner) else {
            self.flaw(ProblemKind::InvalidName, at, after);
            return;
        };
        let hidden = self
            .letters
            .get(at + 1..after)
            .unwrap_or_default()
            .iter()
            .any(|letter| letter.after_hidden);
        if hidden {
            self.flaw(ProblemKind::HiddenCharacter, at, after);
        }
        self.found.marks.push(Mark {
            form,
            key: normalise(&written),
            written,
            paragraph: self.paragraph,
            start: self.offset(at),
            end: self.offset(after),
            clean: 0,
            position_start: 0,
            position_end: 0,
        });
    }

    fn flaw(&mut self, kind: ProblemKind, from: usize, to: usize) {
        let text = self.slice(from, to.min(from + QUOTED)).to_owned();
        self.found.flaws.push(Flaw {
            kind,
            start: self.offset(from),
            text,
        });
    }

    fn offset(&self, at: usize) -> usize {
        // The end of a mark is the end of its last brace, not the next visible character.
        let end_of_last = |letter: &Letter| letter.offset + letter.character.len_utf8();
        match (
            self.letters.get(at),
            at.checked_sub(1).and_then(|last| self.letters.get(last)),
        ) {
            (Some(letter), Some(last)) if letter.after_hidden && last.character == '}' => {
                end_of_last(last)
            }
            (Some(letter), _) => letter.offset,
            (None, Some(last)) if last.character == '}' => end_of_last(last),
            (None, _) => self.text.len(),
        }
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        self.text
            .get(self.offset(from)..self.offset(to))
            .unwrap_or_default()
    }
}
