//! Keeps the head and the tail of a child's output, and the time of what is kept. Refuses to know why it was written.
//!
//! Bytes are taken as they come and are cut into lines only when somebody looks, so a flood costs no more than its copy.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::domain::{OutputLine, Stream};

/// The longest line that is shown in one piece, bytes.
const MAX_LINE: usize = 16 * 1024;

/// Marks of time that are kept for a tail; older ones are thinned out with the bytes that they mark.
const MAX_MARKS: usize = 1024;

/// The kept output of one stream.
#[derive(Debug)]
pub struct Captured {
    stream: Stream,
    limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Where a chunk began, counted in bytes of the whole stream, and when it was read.
    marks: VecDeque<(u64, Timestamp)>,
    /// Bytes written in all.
    pub bytes: u64,
    /// Line ends written in all.
    pub lines: u64,
}

impl Captured {
    /// Keeps `limit` bytes at either end.
    #[must_use]
    pub fn new(stream: Stream, limit: usize) -> Self {
        Self {
            stream,
            limit,
            head: Vec::new(),
            tail: VecDeque::new(),
            marks: VecDeque::new(),
            bytes: 0,
            lines: 0,
        }
    }

    /// Takes what was read at `at`.
    pub fn push(&mut self, chunk: &[u8], at: Timestamp) {
        if self.marks.back().is_none_or(|(_, last)| *last != at) {
            self.marks.push_back((self.bytes, at));
            if self.marks.len() > MAX_MARKS {
                // The first mark belongs to the head, which is kept for ever.
                self.marks.remove(1);
            }
        }
        self.bytes += chunk.len() as u64;
        self.lines += memchr::memchr_iter(b'\n', chunk).count() as u64;
        let room = self.limit.saturating_sub(self.head.len()).min(chunk.len());
        let (head, rest) = chunk.split_at(room);
        self.head.extend_from_slice(head);
        let kept = rest.split_at(rest.len().saturating_sub(self.limit)).1;
        let surplus = (self.tail.len() + kept.len()).saturating_sub(self.limit);
        self.tail.drain(..surplus);
        self.tail.extend(kept);
    }

    /// Bytes that were written and are not kept.
    #[must_use]
    pub fn truncated_bytes(&self) -> u64 {
        self.bytes - self.head.len() as u64 - self.tail.len() as u64
    }

    /// The kept lines, masked, each with the time of its first byte.
    ///
    /// Where something is missing between head and tail, the torn lines at either side are left out: half a line
    /// could hold half a secret, which no mask recognises.
    #[must_use]
    pub fn into_lines(mut self, mask: &dyn Fn(&str) -> String) -> Vec<OutputLine> {
        let truncated = self.truncated_bytes() > 0;
        let tail_start = self.bytes - self.tail.len() as u64;
        let mut head = std::mem::take(&mut self.head);
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        if !truncated {
            head.extend_from_slice(&tail);
            return self.lines_of(&head, 0, mask);
        }
        let head_end = head
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let tail_begin = tail
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(tail.len(), |at| at + 1);
        let mut lines = self.lines_of(head.split_at(head_end).0, 0, mask);
        lines.extend(self.lines_of(
            tail.split_at(tail_begin).1,
            tail_start + tail_begin as u64,
            mask,
        ));
        lines
    }

    fn lines_of(
        &self,
        bytes: &[u8],
        mut offset: u64,
        mask: &dyn Fn(&str) -> String,
    ) -> Vec<OutputLine> {
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let at = self.time_of(offset);
            offset += line.len() as u64;
            let text = mask(&text_of(line));
            for piece in pieces(&text) {
                lines.push(OutputLine {
                    at,
                    stream: self.stream,
                    text: piece.to_owned(),
                });
            }
        }
        lines
    }

    fn time_of(&self, offset: u64) -> Timestamp {
        let after = self.marks.partition_point(|(begin, _)| *begin <= offset);
        self.marks
            .get(after.saturating_sub(1))
            .map_or(Timestamp::UNIX_EPOCH, |(_, at)| *at)
    }
}

/// Cuts a stream into lines as it comes, for those who look while it is written.
#[derive(Debug, Default)]
pub struct LineCutter(Vec<u8>);

impl LineCutter {
    /// The lines that `chunk` completes. A line that grows beyond 16 KiB is given out in pieces.
    pub fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.0.len() >= MAX_LINE {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// What was written after the last line end, if anything.
    pub fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.0);
        (!line.is_empty()).then(|| text_of(&line))
    }
}

/// A line without its end, as valid text.
fn text_of(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// Pieces of at most [`MAX_LINE`] bytes; an empty line is one empty piece.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > MAX_LINE {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_LINE));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn texts(captured: Captured) -> Vec<String> {
        captured
            .into_lines(&str::to_owned)
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    #[test]
    fn all_of_a_short_output_is_kept_with_the_time_of_each_line() {
        let mut captured = Captured::new(Stream::Stdout, 16);
        captured.push(b"one\ntw", second(1));
        captured.push(b"o\r\nthree", second(2));
        assert_eq!(
            (captured.bytes, captured.lines, captured.truncated_bytes()),
            (14, 2, 0)
        );
        let lines = captured.into_lines(&str::to_owned);
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.text.as_str(), line.at.as_second()))
            .collect();
        assert_eq!(seen, [("one", 1), ("two", 1), ("three", 2)]);
    }

    #[test]
    fn a_flood_keeps_its_first_and_last_lines_and_counts_the_rest() {
        let mut captured = Captured::new(Stream::Stdout, 10);
        for number in 0..1000 {
            captured.push(format!("{number:03}\n").as_bytes(), second(number));
        }
        assert_eq!((captured.bytes, captured.truncated_bytes()), (4000, 3980));
        assert_eq!(texts(captured), ["000", "001", "998", "999"]);
    }

    #[test]
    fn one_chunk_larger_than_everything_is_cut_to_both_ends() {
        let mut captured = Captured::new(Stream::Stdout, 4);
        captured.push(b"ab\ncdefghij\nkl\n", second(1));
        assert_eq!(texts(captured), ["ab", "kl"]);
    }

    #[test]
    fn a_long_line_is_cut_at_character_boundaries_and_bad_bytes_are_replaced() {
        let mut captured = Captured::new(Stream::Stderr, 1 << 20);
        captured.push("é".repeat(10_000).as_bytes(), second(1));
        captured.push(b"\n\xff\n", second(1));
        let lines = texts(captured);
        assert_eq!(
            lines.iter().map(String::len).collect::<Vec<_>>(),
            [16_384, 3_616, 3]
        );
        assert_eq!(lines[2], "\u{fffd}");
    }
}
