//! Keeps the head and the tail of a child's output, and the time of what is kept. Refuses to know why it was written.
//!
//! Bytes are taken as they come and are cut into lines only when somebody looks, so a flood costs no more than its copy.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::domain::{Mask, OutputLine, Stream};

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
    /// Where something is missing between head and tail, an ellipsis says so, and the torn lines at either side lose as
    /// much as the longest secret is long: half a secret is recognised by no mask.
    #[must_use]
    pub fn into_lines(mut self, mask: &Mask) -> Vec<OutputLine> {
        let is_truncated = self.truncated_bytes() > 0;
        let tail_start = self.bytes - self.tail.len() as u64;
        let mut head = std::mem::take(&mut self.head);
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        if !is_truncated {
            head.extend_from_slice(&tail);
            return self.lines_of(&head, 0, mask);
        }
        let (whole_head, torn_head) =
            head.split_at(memchr::memrchr(b'\n', &head).map_or(0, |at| at + 1));
        let (torn_tail, whole_tail) =
            tail.split_at(memchr::memchr(b'\n', &tail).map_or(tail.len(), |at| at + 1));
        let lost = mask.longest().saturating_sub(1);
        let torn_head = mask.apply(&text_of(torn_head));
        let torn_tail = mask.apply(&text_of(torn_tail));
        let head_end = torn_head.floor_char_boundary(torn_head.len().saturating_sub(lost));
        let tail_begin = torn_tail.ceil_char_boundary(lost.min(torn_tail.len()));
        let mut lines = self.lines_of(whole_head, 0, mask);
        let torn_head = format!("{}…", torn_head.split_at(head_end).0);
        lines.extend(self.lines(whole_head.len() as u64, &torn_head));
        let torn_tail = format!("…{}", torn_tail.split_at(tail_begin).1);
        lines.extend(self.lines(tail_start, &torn_tail));
        lines.extend(self.lines_of(
            whole_tail,
            tail_start + (tail.len() - whole_tail.len()) as u64,
            mask,
        ));
        lines
    }

    fn lines_of(&self, bytes: &[u8], mut offset: u64, mask: &Mask) -> Vec<OutputLine> {
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = mask.apply(&text_of(line));
            if text.is_empty() {
                lines.push(self.line(offset, ""));
            }
            lines.extend(self.lines(offset, &text));
            offset += line.len() as u64;
        }
        lines
    }

    /// The pieces of a text that was written at `offset`; none of an empty one.
    fn lines(&self, offset: u64, text: &str) -> Vec<OutputLine> {
        pieces(text)
            .into_iter()
            .map(|piece| self.line(offset, piece))
            .collect()
    }

    fn line(&self, offset: u64, text: &str) -> OutputLine {
        OutputLine {
            at: self.time_of(offset),
            stream: self.stream,
            text: text.to_owned(),
        }
    }

    fn time_of(&self, offset: u64) -> Timestamp {
        let after = self.marks.partition_point(|(begin, _)| *begin <= offset);
        self.marks
            .get(after.saturating_sub(1))
            .map_or(Timestamp::UNIX_EPOCH, |(_, at)| *at)
    }
}

/// Cuts a stream into masked lines as it comes, for those who look while it is written.
#[derive(Debug)]
pub struct LineCutter {
    mask: Mask,
    pending: Vec<u8>,
    /// What comes up to the next line end belongs to a line whose begin was left out.
    is_torn: bool,
}

impl LineCutter {
    /// Masks what it gives out.
    #[must_use]
    pub fn new(mask: Mask) -> Self {
        Self {
            mask,
            pending: Vec::new(),
            is_torn: false,
        }
    }

    /// Leaves `chunk` out, and with it all of the lines that it is part of: half a secret is recognised by no mask.
    pub fn leave_out(&mut self, chunk: &[u8]) {
        self.pending.clear();
        self.is_torn = !chunk.ends_with(b"\n");
    }

    /// The lines that `chunk` completes. A line that grows beyond 16 KiB is given out in pieces, never within a secret.
    pub fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.is_torn {
                self.is_torn = !piece.ends_with(b"\n");
                continue;
            }
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                lines.push(self.mask.apply(&text_of(&line)));
            } else if self.pending.len() >= MAX_LINE + self.mask.longest() {
                let wanted = self.pending.len() + 1 - self.mask.longest().max(1);
                let rest = self
                    .pending
                    .split_off(self.mask.safe_cut(&self.pending, wanted));
                let line = std::mem::replace(&mut self.pending, rest);
                lines.push(self.mask.apply(&text_of(&line)));
            }
        }
        lines
    }

    /// What was written after the last line end, if anything.
    pub fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.pending);
        (!line.is_empty()).then(|| self.mask.apply(&text_of(&line)))
    }
}

/// A line without its end, as valid text.
fn text_of(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// Pieces of at most [`MAX_LINE`] bytes.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_LINE));
        pieces.push(piece);
        rest = after;
    }
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
            .into_lines(&Mask::default())
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
        let lines = captured.into_lines(&Mask::default());
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
        assert_eq!(texts(captured), ["000", "001", "00…", "…7", "998", "999"]);
    }

    #[test]
    fn one_chunk_larger_than_everything_is_cut_to_both_ends() {
        let mut captured = Captured::new(Stream::Stdout, 4);
        captured.push(b"ab\ncdefghij\nkl\n", second(1));
        assert_eq!(texts(captured), ["ab", "c…", "…", "kl"]);
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

    fn secret() -> Mask {
        Mask::new([("A_TOKEN", "SECRET-VALUE")], &[])
    }

    #[test]
    fn a_flood_without_line_ends_keeps_both_ends_and_no_part_of_a_secret_at_the_tear() {
        let mut captured = Captured::new(Stream::Stdout, 40);
        captured.push(
            format!("{}SECRET-VALUE{}", "a".repeat(34), "b".repeat(500)).as_bytes(),
            second(1),
        );
        captured.push(
            format!("SECRET-VALUE{}", "c".repeat(34)).as_bytes(),
            second(2),
        );
        let texts: Vec<_> = captured
            .into_lines(&secret())
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(
            texts,
            [
                format!("{}…", "a".repeat(29)),
                format!("…{}", "c".repeat(29))
            ]
        );
    }

    #[test]
    fn a_line_that_is_given_out_in_pieces_is_never_cut_within_a_secret() {
        for shift in 0..30 {
            let mut cutter = LineCutter::new(secret());
            let text = format!(
                "{}SECRET-VALUE{}\n",
                "x".repeat(MAX_LINE - shift),
                "y".repeat(MAX_LINE)
            );
            let lines: Vec<_> = text
                .as_bytes()
                .chunks(7)
                .flat_map(|chunk| cutter.take(chunk))
                .collect();
            let all = lines.concat();
            assert!(
                lines.len() > 1
                    && all.contains("***")
                    && !all.contains("SEC")
                    && !all.contains("ALUE"),
                "{shift}"
            );
        }
    }

    #[test]
    fn what_is_left_out_takes_its_lines_with_it_so_that_no_half_of_a_secret_is_given_out() {
        let mut cutter = LineCutter::new(secret());
        assert_eq!(cutter.take(b"one\nbegin SECRET"), ["one"]);
        cutter.leave_out(b"-VALUE SECR");
        assert!(cutter.take(b"ET-VALUE still ").is_empty());
        assert_eq!(cutter.take(b"torn\nwhole SECRET-VALUE\n"), ["whole ***"]);
        cutter.leave_out(b"a whole line\n");
        assert_eq!(cutter.take(b"next\n"), ["next"]);
        cutter.leave_out(b"and no end");
        assert_eq!(cutter.rest(), None);
    }
}
