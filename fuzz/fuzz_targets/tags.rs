//! Any text in any runs: the tags are read without a panic, lie in order, and do not depend on how it is cut in runs.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use orquestrador_fuzz::docx::tags::{Tags, extract, likeness, to_json};
use orquestrador_fuzz::docx::{Document, Limits, read};

const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (whole, cut) = (document(&text, false), document(&text, true));
    let (one, other) = (extract(&whole), extract(&cut));
    check(&one, &whole);
    check(&other, &cut);
    let said = |tags: &Tags| {
        let problems: Vec<_> = tags
            .problems
            .iter()
            .map(|problem| (problem.kind, problem.paragraph))
            .collect();
        let named = |tags: &[orquestrador_fuzz::docx::tags::Tag]| {
            tags.iter()
                .map(|tag| (tag.name.clone(), tag.content.clone()))
                .collect::<Vec<_>>()
        };
        (named(&tags.pairs), named(&tags.singles), problems)
    };
    assert_eq!(said(&one), said(&other), "runs change nothing");
    let alike = likeness(&whole, &cut);
    assert!(alike.differences == 0 && alike.first.is_none());
    assert!(to_json(&one).is_ok());
});

fn check(tags: &Tags, document: &Document) {
    let length: usize = document.stories[0]
        .paragraphs
        .iter()
        .map(|paragraph| paragraph.text.chars().count() + 1)
        .sum();
    for tag in tags.in_order() {
        assert!(!tag.name.is_empty() && tag.path_start.starts_with("word/document.xml#"));
        assert!(tag.position_start < tag.position_end && tag.position_end <= length);
    }
    for problem in &tags.problems {
        assert!(!problem.message.is_empty() && !problem.remedy.is_empty() && problem.paragraph > 0);
    }
}

/// Lines are paragraphs; where `cut`, each `|` begins a run of its own, else it is left out. A tab begins a table.
fn document(text: &str, cut: bool) -> Document {
    let mut body = String::new();
    for line in text.split('\n') {
        let (is_cell, line) = line
            .strip_prefix('\t')
            .map_or((false, line), |line| (true, line));
        let (is_deleted, line) = line
            .strip_prefix('\r')
            .map_or((false, line), |line| (true, line));
        let mut runs = String::new();
        let pieces: Vec<&str> = if cut {
            line.split('|').collect()
        } else {
            Vec::new()
        };
        let joined = line.replace('|', "");
        let pieces = if cut { pieces } else { vec![joined.as_str()] };
        for piece in pieces {
            let clean: String = piece.chars().filter(|c| *c == '\t' || *c >= ' ').collect();
            let text = clean
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let name = if is_deleted { "delText" } else { "t" };
            runs.push_str(&format!(
                "<w:r><w:{name} xml:space=\"preserve\">{text}</w:{name}></w:r>"
            ));
        }
        let runs = if is_deleted {
            format!("<w:del>{runs}</w:del>")
        } else {
            runs
        };
        let paragraph = format!("<w:p>{runs}</w:p>");
        body.push_str(&if is_cell {
            format!("<w:tbl><w:tr><w:tc>{paragraph}</w:tc></w:tr></w:tbl>")
        } else {
            paragraph
        });
    }
    let xml = format!("<w:document xmlns:w=\"{WORD}\"><w:body>{body}</w:body></w:document>");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer
        .start_file("word/document.xml", stored)
        .expect("a new entry");
    writer.write_all(xml.as_bytes()).expect("memory takes it");
    let bytes = writer.finish().expect("memory takes it").into_inner();
    read(&bytes, &Limits::default()).expect("a made document is sound")
}
