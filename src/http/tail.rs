//! The last lines of a run that is in flight, numbered, so that whoever looks again sees what is new.

use std::collections::VecDeque;

use crate::domain::OutputLine;

/// Lines that are kept.
const MAX_LINES: usize = 500;
/// Bytes that are kept.
const MAX_BYTES: usize = 64 * 1024;

/// The last lines of one run.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<OutputLine>,
    bytes: usize,
    /// The number of the first kept line.
    first: u64,
}

/// Lines that somebody has not seen yet.
#[derive(Debug)]
pub(super) struct Lines {
    /// The number of the line after the last one.
    pub(super) next: u64,
    /// How many came between what was seen and the first of these, and are not kept.
    pub(super) missed: u64,
    /// In the order read.
    pub(super) new: Vec<OutputLine>,
}

impl Tail {
    pub(super) fn push(&mut self, line: OutputLine) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || (self.bytes > MAX_BYTES && self.lines.len() > 1) {
            if let Some(gone) = self.lines.pop_front() {
                self.bytes -= gone.text.len();
                self.first += 1;
            }
        }
    }

    pub(super) fn since(&self, from: u64) -> Lines {
        let begin = from.max(self.first);
        let skipped = usize::try_from(begin - self.first).unwrap_or(usize::MAX);
        Lines {
            next: self.first + self.lines.len() as u64,
            missed: self.first.saturating_sub(from),
            new: self.lines.iter().skip(skipped).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Stream, samples};

    fn line(text: String) -> OutputLine {
        OutputLine {
            at: samples::instant(),
            stream: Stream::Stdout,
            text,
        }
    }

    #[test]
    fn who_looks_again_sees_what_is_new_and_how_much_was_missed() {
        let mut tail = Tail::default();
        tail.push(line("0".to_owned()));
        let first = tail.since(0);
        assert_eq!((first.next, first.missed, first.new.len()), (1, 0, 1));
        assert!(tail.since(first.next).new.is_empty());
        for number in 1..=1000 {
            tail.push(line(number.to_string()));
        }
        let later = tail.since(first.next);
        assert_eq!((later.next, later.missed), (1001, 500));
        assert_eq!(later.new.len(), MAX_LINES);
        assert_eq!(
            later.new.first().map(|line| line.text.as_str()),
            Some("501")
        );
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(line("x".repeat(16 * 1024)));
        }
        assert_eq!((tail.lines.len(), tail.bytes), (4, MAX_BYTES));
    }
}
