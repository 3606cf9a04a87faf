//! Any bytes are a document or an error of the reader, within the limits, and never a panic.
//!
//! An input that begins with `PK` is read as it is. Any other one names entries and what they hold, and is packed
//! here, because a changed byte of a package mostly breaks a checksum and says nothing of what lies behind it.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use orquestrador_fuzz::docx::{Document, Limits, ReadError, compare::lines_of, read};

const NAMES: [&str; 16] = [
    "word/document.xml",
    "word/_rels/document.xml.rels",
    "_rels/.rels",
    "[Content_Types].xml",
    "word/footnotes.xml",
    "word/endnotes.xml",
    "word/comments.xml",
    "word/header1.xml",
    "word/footer1.xml",
    "word/_rels/header1.xml.rels",
    "word/media/image1.png",
    "word/vbaProject.bin",
    "WORD/document.xml",
    "../word/document.xml",
    "word\\document.xml",
    "word/embeddings/a.bin",
];

fuzz_target!(|bytes: &[u8]| {
    let packed;
    let file = if bytes.starts_with(b"PK") {
        bytes
    } else {
        packed = pack(bytes);
        &packed
    };
    // Small limits, so that they are met by small inputs.
    let limits = Limits {
        part_bytes: 64 * 1024,
        total_bytes: 128 * 1024,
        depth: 32,
        attributes: 16,
        attribute_bytes: 4 * 1024,
        text_bytes: 16 * 1024,
        events: 20_000,
        paragraphs: 2_000,
        ..Limits::default()
    };
    check(&read(file, &limits), &limits);
    check(&read(file, &Limits::default()), &Limits::default());
});

/// What holds of every document that was read.
fn check(found: &Result<Document, ReadError>, limits: &Limits) {
    let document = match found {
        Ok(document) => document,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.kind().is_empty());
            return;
        }
    };
    let paragraphs: usize = document
        .stories
        .iter()
        .map(|story| story.paragraphs.len())
        .sum();
    assert!(paragraphs as u64 <= limits.paragraphs + document.stories.len() as u64);
    for story in &document.stories {
        for (index, paragraph) in story.paragraphs.iter().enumerate() {
            assert!(paragraph.cells.len() as u64 <= limits.depth);
            let mut at = 0;
            for run in &paragraph.runs {
                assert!(run.start == at && run.end >= run.start, "runs have no gaps");
                at = run.end;
            }
            assert!(paragraph.runs.is_empty() || at == paragraph.text.len());
            for inline in &paragraph.objects {
                assert!(paragraph.text.is_char_boundary(inline.offset));
                assert!(!story.path(index, inline.offset).is_empty());
            }
            for link in &paragraph.links {
                assert!(paragraph.text.get(link.start..link.end).is_some());
            }
        }
    }
    assert_eq!(lines_of(document).len(), document.stories.len());
}

/// Entries, each of a byte for its name and way of storing, two for its length, and what it holds.
fn pack(mut bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (content, after) = rest.split_at(length);
        bytes = after;
        let method = if kind & 0x80 == 0 {
            zip::CompressionMethod::Stored
        } else {
            zip::CompressionMethod::Deflated
        };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        if writer
            .start_file(NAMES[usize::from(kind & 0x0f)], options)
            .is_ok()
        {
            writer.write_all(content).expect("memory takes it");
        }
    }
    writer.finish().expect("memory takes it").into_inner()
}
