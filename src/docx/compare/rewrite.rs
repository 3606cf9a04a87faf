//! The spans of a changed paragraph, or of several paragraphs that became others.

use super::script::{Op, Span};
use super::spans::hunks;
use super::tokens::{Line, Token, Tokens};

/// The spans that turn the old lines into the new ones; lines are joined by a mark.
pub(super) fn spans(tokens: &mut Tokens<'_>, old: &[&Line], new: &[&Line]) -> Vec<Span> {
    let mark = tokens.mark();
    let (left, right) = (joined(old, mark), joined(new, mark));
    let ids = |tokens: &[Token]| tokens.iter().map(|token| token.id).collect::<Vec<u32>>();
    let hunks = hunks(&ids(&left), &ids(&right), tokens);
    let mut writer = Writer {
        tokens,
        left: &left,
        right: &right,
        spans: Vec::new(),
    };
    let (mut from_old, mut from_new) = (0, 0);
    for hunk in hunks {
        writer.push(Op::Equal, (from_old, from_new), hunk.old.start - from_old);
        writer.push(Op::Delete, (hunk.old.start, hunk.new.start), hunk.old.len());
        writer.push(Op::Insert, (hunk.old.end, hunk.new.start), hunk.new.len());
        (from_old, from_new) = (hunk.old.end, hunk.new.end);
    }
    writer.push(Op::Equal, (from_old, from_new), left.len() - from_old);
    writer.spans
}

fn joined(lines: &[&Line], mark: u32) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            tokens.push(Token {
                id: mark,
                offset: 0,
            });
        }
        tokens.extend(&line.tokens);
    }
    tokens
}

struct Writer<'t, 'a> {
    tokens: &'t Tokens<'a>,
    left: &'t [Token],
    right: &'t [Token],
    spans: Vec<Span>,
}

impl Writer<'_, '_> {
    fn push(&mut self, op: Op, (old, new): (usize, usize), count: usize) {
        if count == 0 {
            return;
        }
        let taken = if op == Op::Insert {
            self.right.get(new..new + count)
        } else {
            self.left.get(old..old + count)
        };
        let text = taken
            .unwrap_or_default()
            .iter()
            .map(|token| self.tokens.text(token.id))
            .collect();
        let span = Span {
            op,
            text,
            old: self.offset(self.left, old),
            new: self.offset(self.right, new),
        };
        self.spans.push(span);
    }

    /// The offset of a token; past the last one, the end of it.
    fn offset(&self, side: &[Token], index: usize) -> usize {
        match (side.get(index), side.last()) {
            (Some(token), _) => token.offset as usize,
            (None, Some(last)) => last.offset as usize + self.tokens.text(last.id).len(),
            (None, None) => 0,
        }
    }
}
