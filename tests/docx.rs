//! The document logic against the corpus: figures that other tools reach, hostile files, and round trips.
//!
//! The corpus is not part of the project; without it these tests say so and pass. What needs no corpus is at the end.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers of tests may fail loudly, and time what they call"
)]

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orquestrador::docx::compare::{Edit, Side, lines_of, verify};
use orquestrador::docx::model::{
    Cell, FieldKind, Object, Paragraph, Story, StoryKind, WarningKind,
};
use orquestrador::docx::report::{Header, render};
use orquestrador::docx::{Category, Comparison, Document, Limit, Limits, ReadError, compare, read};
use proptest::prelude::*;

/// Pairs whose revision count is not the expected one: what is counted instead, and why.
const MISSES: [(&str, usize, &str); 1] = [(
    "WC-1450",
    2,
    "a table row was removed and a word added: the seven expected come from a comparer that pairs the rows wrongly",
)];

fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let folder =
        std::env::var_os("ORQUESTRADOR_CORPUS").map_or_else(|| beside.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "CORPUS MISSING: {} is not there, nothing was tested",
        folder.display()
    );
    None
}

fn try_read(path: &Path) -> Result<Document, ReadError> {
    read(
        &std::fs::read(path).expect("the corpus is readable"),
        &Limits::default(),
    )
}

fn open(path: &Path) -> Document {
    try_read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a CSV file of the corpus, without its heading. The first three fields have no commas.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("the corpus is readable");
    text.lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .map(|field| field.trim().to_owned())
                .collect()
        })
        .collect()
}

struct Pair {
    id: String,
    old: Document,
    new: Document,
    expected: usize,
}

fn wc_pairs(folder: &Path) -> Vec<Pair> {
    let folder = folder.join("wc");
    rows(&folder.join("expected.csv"))
        .into_iter()
        .map(|row| Pair {
            id: row[0].clone(),
            old: open(&folder.join(&row[1])),
            new: open(&folder.join(&row[2])),
            expected: row[3].parse().expect("a count"),
        })
        .collect()
}

fn documents_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("the corpus is readable") {
            let path = entry.expect("the corpus is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "docx") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn moves(comparison: &Comparison) -> usize {
    let edits = comparison
        .script
        .stories
        .iter()
        .flat_map(|story| &story.edits);
    edits
        .filter(|edit| {
            matches!(
                edit,
                Edit::Move {
                    side: Side::Arrival,
                    ..
                } | Edit::MoveModify {
                    side: Side::Arrival,
                    ..
                }
            )
        })
        .count()
}

#[test]
fn revision_counts_are_those_expected_but_for_the_misses_that_are_explained() {
    let Some(folder) = corpus() else { return };
    let misses: BTreeMap<&str, (usize, &str)> = MISSES
        .iter()
        .map(|(id, count, reason)| (*id, (*count, *reason)))
        .collect();
    let pairs = wc_pairs(&folder);
    assert_eq!(pairs.len(), 53);
    for pair in pairs {
        let (wanted, reason) = misses
            .get(pair.id.as_str())
            .copied()
            .unwrap_or((pair.expected, "as expected"));
        let found = compare(&pair.old, &pair.new).summary.revisions;
        assert_eq!(found, wanted, "{}: {reason}", pair.id);
    }
}

#[test]
fn every_pair_is_applied_and_reverted_in_order_in_both_directions() {
    let Some(folder) = corpus() else { return };
    for pair in wc_pairs(&folder) {
        let there = compare(&pair.old, &pair.new);
        assert!(
            verify(&there.script, &pair.old, &pair.new),
            "{} forwards",
            pair.id
        );
        let back = compare(&pair.new, &pair.old);
        assert!(
            verify(&back.script, &pair.new, &pair.old),
            "{} backwards",
            pair.id
        );
    }
}

#[test]
fn no_changed_pair_is_reported_as_equal_and_no_move_is_invented() {
    let Some(folder) = corpus() else { return };
    for pair in wc_pairs(&folder) {
        let comparison = compare(&pair.old, &pair.new);
        assert!(
            pair.expected == 0 || !comparison.modifications.is_empty(),
            "{} is reported as equal",
            pair.id
        );
        assert_eq!(moves(&comparison), 0, "{} has no move", pair.id);
        let same = compare(&pair.old, &pair.old);
        assert_eq!(
            (
                same.summary.revisions,
                same.modifications.len(),
                same.formatting.len()
            ),
            (0, 0, 0)
        );
    }
}

#[test]
fn the_edits_made_to_generated_contracts_are_found_one_for_one() {
    let Some(folder) = corpus() else { return };
    for name in ["s50", "m300", "l1000"] {
        let path = |end: &str| folder.join("scale").join(format!("{name}{end}"));
        let made: BTreeMap<String, usize> =
            serde_json::from_slice(&std::fs::read(path(".json")).expect("the corpus is readable"))
                .expect("counts");
        let (old, new) = (open(&path("-a.docx")), open(&path("-b.docx")));
        let comparison = compare(&old, &new);
        let found = |category| comparison.summary.by_category[&category];
        assert_eq!(moves(&comparison), made["move"], "{name}: moves");
        assert_eq!(found(Category::Movimentacao), made["move"], "{name}: moves");
        assert_eq!(found(Category::Inclusao), made["ins"], "{name}: insertions");
        assert_eq!(
            found(Category::Remocao),
            made["dele"] + made["rowdel"],
            "{name}: removals"
        );
        assert_eq!(
            found(Category::Modificacao),
            made["mod"] + made["cell"],
            "{name}: changes"
        );
        assert!(verify(&comparison.script, &old, &new), "{name}: round trip");
    }
}

/// Whether a reading ended as one of the expectations of the table says.
fn is_expected(wanted: &str, found: &Result<Document, ReadError>) -> bool {
    wanted
        .split('|')
        .any(|wanted| match (wanted.split_once(':'), found) {
            (None, Ok(_)) => matches!(wanted, "accept" | "recover"),
            (None, Err(_)) => wanted == "reject",
            (Some(("accept", "warn-external")), Ok(document)) => {
                warns(document, WarningKind::External)
            }
            (Some(("accept", "warn-macro")), Ok(document)) => warns(document, WarningKind::Macro),
            (Some(("accept", "0-tags")), Ok(document)) => document.body_text().is_empty(),
            (Some(("reject", kind)), Err(error)) => error.kind() == kind,
            _ => false,
        })
}

fn warns(document: &Document, kind: WarningKind) -> bool {
    document.warnings.iter().any(|warning| warning.kind == kind)
}

#[test]
fn hostile_files_end_as_their_table_says_within_a_second() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("malformed");
    for row in rows(&folder.join("expected.csv")) {
        let start = Instant::now();
        let found = try_read(&folder.join(&row[0]));
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{} took {:?}",
            row[0],
            start.elapsed()
        );
        let told = found.as_ref().map(|_| "read").map_err(ToString::to_string);
        assert!(
            is_expected(&row[1], &found),
            "{}: wanted {}, found {told:?}",
            row[0],
            row[1]
        );
        assert!(!told.is_err_and(|text| text.contains("root:")));
    }
}

#[test]
fn markup_in_a_document_stays_text_in_its_report() {
    let Some(folder) = corpus() else { return };
    let new = open(&folder.join("malformed/m25-html-injection.docx"));
    let old = Document::default();
    let html = render(&compare(&old, &new), (&old, &new), &Header::default(), &[]);
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "markup of the document got through"
    );
}

#[test]
fn odd_but_readable_packages_are_read() {
    let Some(folder) = corpus() else { return };
    for set in ["docx-misc", "tags", "wc"] {
        for path in documents_under(&folder.join(set)) {
            let document = open(&path);
            assert_eq!(
                document.stories.first().map(|story| story.kind),
                Some(StoryKind::Body),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn reading_stops_when_it_is_told_to() {
    let Some(folder) = corpus() else { return };
    let bytes = std::fs::read(folder.join("scale/m300-a.docx")).expect("the corpus is readable");
    let stopped = orquestrador::docx::read_until(&bytes, &Limits::default(), &|| true);
    assert_eq!(stopped, Err(ReadError::Cancelled));
}

/// A paragraph of a generated document: its words, and whether it stands in a table.
type Draft = (Vec<u8>, bool);

/// What is done to a generated document: where, how, and with which words.
type Change = (usize, u8, Vec<u8>);

fn document(drafts: &[Draft]) -> Document {
    const WORDS: [&str; 8] = [
        "contratada",
        "prazo",
        "de",
        "30 dias",
        "R$ 1.234,56",
        "multa,",
        "objeto.",
        "\u{fffd}",
    ];
    let mut story = Story::new(StoryKind::Body, "word/document.xml", "");
    let mut block = 0;
    let mut row = 0;
    for (index, (words, is_cell)) in drafts.iter().enumerate() {
        let goes_on = *is_cell && index > 0 && drafts[index - 1].1;
        row = if goes_on { row + 1 } else { 0 };
        block += usize::from(!goes_on);
        let text: Vec<&str> = words
            .iter()
            .map(|word| WORDS[usize::from(*word) % WORDS.len()])
            .collect();
        let cell = Cell {
            table: block,
            row: row / 2,
            column: row % 2,
        };
        story.paragraphs.push(Paragraph {
            text: text.join(" "),
            block,
            cells: if *is_cell { vec![cell] } else { Vec::new() },
            ..Paragraph::default()
        });
    }
    Document {
        stories: vec![story],
        ..Document::default()
    }
}

fn changed(drafts: &[Draft], changes: &[Change]) -> Vec<Draft> {
    let mut drafts = drafts.to_vec();
    for (place, kind, words) in changes {
        if drafts.is_empty() {
            drafts.push((words.clone(), false));
            continue;
        }
        let place = place % drafts.len();
        match kind % 5 {
            0 => drafts.insert(place, (words.clone(), kind % 2 == 0)),
            1 => drop(drafts.remove(place)),
            2 => drafts[place].0.extend(words),
            3 => drafts[place].0.clone_from(words),
            _ => {
                let moved = drafts.remove(place);
                drafts.insert((place * 7 + words.len()) % (drafts.len() + 1), moved);
            }
        }
    }
    drafts
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let words = prop::collection::vec(any::<u8>(), 0..14);
    prop::collection::vec((words, prop::bool::weighted(0.3)), 0..24)
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let words = prop::collection::vec(any::<u8>(), 0..10);
    prop::collection::vec(
        (
            any::<usize>().prop_map(|place| place % 64),
            any::<u8>(),
            words,
        ),
        0..10,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_script_of_generated_edits_gives_the_new_text_and_gives_back_the_old(
        drafts in drafts(),
        changes in changes(),
    ) {
        let (old, new) = (document(&drafts), document(&changed(&drafts, &changes)));
        let comparison = compare(&old, &new);
        prop_assert!(verify(&comparison.script, &old, &new));
        let is_same = lines_of(&old) == lines_of(&new);
        prop_assert!(is_same || !comparison.modifications.is_empty(), "a change of text is listed");
        prop_assert!(!is_same || comparison.modifications.is_empty() || drafts.iter().any(|draft| draft.1));
    }
}

fn plain(texts: &[&str]) -> Document {
    let mut story = Story::new(StoryKind::Body, "word/document.xml", "");
    for (block, text) in texts.iter().enumerate() {
        story.paragraphs.push(Paragraph {
            text: (*text).to_owned(),
            block,
            ..Paragraph::default()
        });
    }
    Document {
        stories: vec![story],
        ..Document::default()
    }
}

fn listed(old: &[&str], new: &[&str]) -> Vec<(Category, String)> {
    let (old, new) = (plain(old), plain(new));
    let comparison = compare(&old, &new);
    assert!(verify(&comparison.script, &old, &new));
    comparison
        .modifications
        .into_iter()
        .map(|entry| (entry.category, entry.change))
        .collect()
}

#[test]
fn a_reworded_sentence_is_one_modification() {
    let found = listed(
        &["O prazo de entrega é de 30 dias corridos, contados da assinatura. A multa é de 2%."],
        &["O prazo para entrega será de 45 dias úteis, contados da assinatura. A multa é de 2%."],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, Category::Modificacao);
}

#[test]
fn two_filled_in_fields_of_one_paragraph_are_two_modifications() {
    let found = listed(
        &[
            "Contratada: ____, com sede na cidade do Rio de Janeiro, inscrita no CNPJ sob o nº ____.",
        ],
        &[
            "Contratada: ACME Ltda, com sede na cidade do Rio de Janeiro, inscrita no CNPJ sob o nº 12.345.",
        ],
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn replaced_lines_are_paired_with_their_likes() {
    let found = listed(
        &[
            "Prazo de entrega: 30 dias corridos",
            "Valor total da proposta: R$ 100,00",
        ],
        &[
            "Prazo de entrega: 45 dias corridos",
            "Valor total da proposta: R$ 250,00",
        ],
    );
    let told: Vec<&str> = found.iter().map(|(_, change)| change.as_str()).collect();
    assert_eq!(told, ["\"30\" → \"45\"", "\"100,00\" → \"250,00\""]);
}

#[test]
fn a_sentence_of_which_little_is_left_is_still_one_modification() {
    let found = listed(
        &[
            "Cláusula primeira",
            "O prazo de vigência do contrato será de 12 meses.",
            "Cláusula segunda",
        ],
        &[
            "Cláusula primeira",
            "A vigência contratual é de 24 (vinte e quatro) meses.",
            "Cláusula segunda",
        ],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, Category::Modificacao);
}

#[test]
fn a_row_of_blanks_that_is_filled_in_is_changed_and_not_replaced() {
    let table = |rows: [[&str; 2]; 2]| {
        let cell = |text: &str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
        let row = |row: [&str; 2]| format!("<w:tr>{}</w:tr>", row.map(cell).concat());
        body(&format!("<w:tbl>{}</w:tbl>", rows.map(row).concat()))
    };
    let old = table([["Item", "Valor"], ["____", "____"]]);
    let new = table([["Item", "Valor"], ["Cadeira", "R$ 100,00"]]);
    let found: Vec<String> = compare(&old, &new)
        .modifications
        .into_iter()
        .map(|entry| entry.change)
        .collect();
    assert_eq!(
        found,
        ["\"____\" → \"Cadeira\"", "\"____\" → \"R$ 100,00\""]
    );
}

#[test]
fn lines_that_begin_with_signs_are_not_lost() {
    let found = listed(
        &["-- primeira linha do anexo", "++ segunda"],
        &["++ segunda"],
    );
    assert_eq!(
        found,
        [(
            Category::Remocao,
            "removido: \"-- primeira linha do anexo\"".to_owned()
        )]
    );
}

#[test]
fn a_paragraph_cut_in_two_is_one_modification_and_so_is_its_mending() {
    let whole =
        "A contratada entregará o objeto no prazo fixado. A contratante pagará em trinta dias.";
    let parts = [
        "A contratada entregará o objeto no prazo fixado.",
        "A contratante pagará em trinta dias.",
    ];
    assert_eq!(listed(&[whole], &parts).len(), 1);
    assert_eq!(listed(&parts, &[whole]).len(), 1);
}

#[test]
fn an_empty_old_document_gives_one_inclusion_a_paragraph() {
    let found = listed(&[], &["um", "dois"]);
    assert_eq!(
        found
            .iter()
            .map(|(category, _)| *category)
            .collect::<Vec<_>>(),
        [Category::Inclusao; 2]
    );
    assert!(listed(&[], &[]).is_empty());
}

const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("a new entry");
        writer.write_all(text.as_bytes()).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}

/// A package with a body, and further parts as `(relationship type, name within word/, XML)`.
fn package(body: &str, parts: &[(&str, &str, &str)]) -> Vec<u8> {
    let document = format!(
        "<w:document xmlns:w=\"{WORD}\" xmlns:r=\"{RELATIONS}\" \
         xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\"><w:body>{body}</w:body></w:document>"
    );
    let relationship = |(index, (kind, target, _)): (usize, &(&str, &str, &str))| {
        let mode = if target.contains(':') {
            " TargetMode=\"External\""
        } else {
            ""
        };
        format!(
            "<Relationship Id=\"r{index}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"{mode}/>"
        )
    };
    let relationships: String = parts.iter().enumerate().map(relationship).collect();
    let relationships = format!("<Relationships>{relationships}</Relationships>");
    let names: Vec<String> = parts
        .iter()
        .map(|(_, name, _)| format!("word/{name}"))
        .collect();
    let mut entries = vec![
        ("word/document.xml", document.as_str()),
        ("word/_rels/document.xml.rels", &relationships),
    ];
    let stored = names
        .iter()
        .zip(parts)
        .filter(|(_, part)| !part.1.contains(':'));
    entries.extend(stored.map(|(name, part)| (name.as_str(), part.2)));
    zipped(&entries)
}

fn body(xml: &str) -> Document {
    read(&package(xml, &[]), &Limits::default()).expect("a sound document")
}

fn texts(document: &Document) -> Vec<&str> {
    document.stories[0]
        .paragraphs
        .iter()
        .map(|paragraph| paragraph.text.as_str())
        .collect()
}

#[test]
fn tracked_changes_are_read_as_accepted_and_deletions_are_kept_apart() {
    let document = body(
        "<w:p><w:r><w:t>Prazo de </w:t></w:r><w:del><w:r><w:delText>30</w:delText></w:r></w:del>\
         <w:ins><w:r><w:t>45</w:t></w:r></w:ins><w:r><w:t> dias</w:t></w:r></w:p>",
    );
    let paragraph = &document.stories[0].paragraphs[0];
    assert_eq!(paragraph.text, "Prazo de 45 dias");
    assert_eq!(
        (
            paragraph.deleted[0].offset,
            paragraph.deleted[0].text.as_str()
        ),
        (9, "30")
    );
}

#[test]
fn a_paragraph_whose_mark_is_deleted_goes_on_in_the_next() {
    let document = body(
        "<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:r><w:t>um </w:t></w:r></w:p><w:p><w:r><w:t>dois</w:t></w:r></w:p>\
         <w:p><w:r><w:t>três</w:t></w:r></w:p>",
    );
    assert_eq!(texts(&document), ["um dois", "três"]);
}

#[test]
fn a_deleted_table_row_is_not_there() {
    let row = |mark: &str, text: &str| {
        format!("<w:tr>{mark}<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc></w:tr>")
    };
    let table = row("", "a") + &row("<w:trPr><w:del/></w:trPr>", "b") + &row("", "c");
    let document = body(&format!("<w:tbl>{table}</w:tbl>"));
    assert_eq!(texts(&document), ["a", "c"]);
    assert_eq!(
        document.stories[0].paragraphs[1].cells,
        [Cell {
            table: 0,
            row: 1,
            column: 0
        }]
    );
    assert_eq!(document.stories[0].tables[0].rows, 2);
}

#[test]
fn a_text_box_is_read_once_and_knows_where_it_hangs() {
    let content = "<w:txbxContent><w:p><w:r><w:t>dentro</w:t></w:r></w:p></w:txbxContent>";
    let document = body(&format!(
        "<w:p><w:r><w:t>fora</w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:drawing>{content}</w:drawing>\
         </mc:Choice><mc:Fallback><w:pict>{content}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    ));
    let kinds: Vec<StoryKind> = document.stories.iter().map(|story| story.kind).collect();
    assert_eq!(kinds, [StoryKind::Body, StoryKind::TextBox]);
    let anchor = document.stories[1]
        .anchor
        .expect("a text box hangs somewhere");
    assert_eq!((anchor.story, anchor.paragraph, anchor.offset), (0, 0, 4));
    assert_eq!(
        document.stories[1].path(0, 3),
        "word/document.xml#caixa1/b1/p1/r1@3"
    );
}

#[test]
fn a_path_counts_blocks_paragraphs_runs_and_characters() {
    let document = body(
        "<w:p/><w:tbl><w:tr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>çã</w:t></w:r><w:r><w:t>õé</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
    );
    assert_eq!(
        document.stories[0].path(2, 2),
        "word/document.xml#b2/p3/r1@1"
    );
    assert_eq!(
        document.stories[0].path(2, 6),
        "word/document.xml#b2/p3/r2@1"
    );
    assert_eq!(
        document.stories[0].path(9, 99),
        "word/document.xml#b2/p3/r2@2"
    );
}

#[test]
fn fields_are_found_in_pieces_and_their_instructions_are_no_text() {
    let document = body(
        "<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> MERGEF</w:instrText></w:r>\
         <w:r><w:instrText>IELD Nome </w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>\
         <w:r><w:t>«Nome»</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r></w:p>\
         <w:sdt><w:sdtPr><w:alias w:val=\"Rótulo\"/><w:tag w:val=\"cidade\"/></w:sdtPr><w:sdtContent><w:p/></w:sdtContent></w:sdt>",
    );
    let found: Vec<(FieldKind, &str)> = document
        .fields
        .iter()
        .map(|field| (field.kind, field.name.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (FieldKind::MergeField, "Nome"),
            (FieldKind::ContentControl, "cidade")
        ]
    );
    assert_eq!(texts(&document), ["«Nome»", ""]);
}

#[test]
fn strict_documents_of_any_prefix_are_read() {
    let xml = "<x:document xmlns:x=\"http://purl.oclc.org/ooxml/wordprocessingml/main\"><x:body><x:p><x:r><x:t>a &amp; b\
               </x:t></x:r></x:p></x:body></x:document>";
    let document =
        read(&zipped(&[("word/document.xml", xml)]), &Limits::default()).expect("a sound document");
    assert_eq!(texts(&document), ["a & b"]);
}

#[test]
fn notes_are_paired_by_their_references_and_not_by_their_ids() {
    let notes = |notes: &[(&str, &str)]| {
        let note = |(id, text): &(&str, &str)| {
            format!(
                "<w:footnote w:id=\"{id}\"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:footnote>"
            )
        };
        format!(
            "<w:footnotes xmlns:w=\"{WORD}\">{}</w:footnotes>",
            notes.iter().map(note).collect::<String>()
        )
    };
    let with = |body: &str, xml: &str| {
        read(
            &package(body, &[("footnotes", "footnotes.xml", xml)]),
            &Limits::default(),
        )
        .expect("a sound document")
    };
    let reference = |id: &str| format!("<w:r><w:footnoteReference w:id=\"{id}\"/></w:r>");
    let old = with(
        &format!("<w:p><w:r><w:t>texto</w:t></w:r>{}</w:p>", reference("1")),
        &notes(&[("1", "nota velha")]),
    );
    let new = with(
        &format!(
            "<w:p>{}<w:r><w:t>texto</w:t></w:r>{}</w:p>",
            reference("7"),
            reference("3")
        ),
        &notes(&[("3", "nota velha"), ("7", "nota bem nova")]),
    );
    assert!(matches!(
        old.stories[0].paragraphs[0].objects[0].object,
        Object::Footnote { .. }
    ));
    let comparison = compare(&old, &new);
    assert!(verify(&comparison.script, &old, &new));
    let found: Vec<(Category, &str)> = comparison
        .modifications
        .iter()
        .map(|entry| (entry.category, entry.content.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                Category::Modificacao,
                "[nota de rodapé]texto[nota de rodapé]"
            ),
            (Category::Inclusao, "nota bem nova")
        ]
    );
}

#[test]
fn comments_links_and_formatting_are_listed_in_their_own_ways() {
    let comments = |text: &str| {
        format!(
            "<w:comments xmlns:w=\"{WORD}\"><w:comment w:id=\"1\"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:comment></w:comments>"
        )
    };
    let with = |bold: &str, target: &str, comment: &str| {
        let body = format!(
            "<w:p><w:r><w:rPr>{bold}</w:rPr><w:t>cláusula</w:t></w:r><w:hyperlink r:id=\"r0\"><w:r><w:t>aqui</w:t></w:r>\
             </w:hyperlink></w:p>"
        );
        let parts = [
            ("hyperlink", target, ""),
            ("comments", "comments.xml", comment),
        ];
        read(&package(&body, &parts), &Limits::default()).expect("a sound document")
    };
    let old = with(
        "",
        "https://a.example/",
        &comments("rever o prazo com a área"),
    );
    let new = with(
        "<w:b/>",
        "https://b.example/",
        &comments("rever o valor com a área"),
    );
    let comparison = compare(&old, &new);
    let found: Vec<(Category, &str)> = comparison
        .modifications
        .iter()
        .chain(&comparison.formatting)
        .map(|entry| (entry.category, entry.change.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                Category::Modificacao,
                "destino do link: \"https://a.example/\" → \"https://b.example/\""
            ),
            (Category::Comentario, "\"prazo\" → \"valor\""),
            (Category::Formatacao, "sem negrito → negrito"),
        ]
    );
    assert_eq!(
        comparison.summary.revisions, 0,
        "neither comments nor formatting are revisions of content"
    );
    let json = serde_json::to_value(&comparison).expect("plain values");
    assert_eq!(json["modificacoes"][1]["categoria"], "comentario");
    assert_eq!(json["resumo"]["revisoes"], 0);
}

#[test]
fn each_limit_refuses_by_its_name() {
    let paragraph = "<w:p w:a=\"1\" w:b=\"22\" w:c=\"3\"><w:r><w:t>texto longo</w:t></w:r></w:p>";
    let bytes = package(&paragraph.repeat(300), &[]);
    let refused = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(&bytes, &limits)
            .expect_err("the limit is passed")
            .limit()
    };
    assert_eq!(
        refused(|limits| limits.file_bytes = 10),
        Some(Limit::FileBytes)
    );
    assert_eq!(refused(|limits| limits.entries = 1), Some(Limit::Entries));
    assert_eq!(
        refused(|limits| limits.part_bytes = 1_000),
        Some(Limit::PartBytes)
    );
    assert_eq!(
        refused(|limits| limits.total_bytes = 1_000),
        Some(Limit::TotalBytes)
    );
    assert_eq!(
        refused(|limits| (limits.ratio, limits.ratio_free_bytes) = (2, 100)),
        Some(Limit::Ratio)
    );
    assert_eq!(refused(|limits| limits.depth = 3), Some(Limit::Depth));
    assert_eq!(
        refused(|limits| limits.attributes = 2),
        Some(Limit::Attributes)
    );
    assert_eq!(
        refused(|limits| limits.attribute_bytes = 1),
        Some(Limit::AttributeBytes)
    );
    assert_eq!(
        refused(|limits| limits.text_bytes = 5),
        Some(Limit::TextBytes)
    );
    assert_eq!(refused(|limits| limits.events = 50), Some(Limit::Events));
    assert_eq!(
        refused(|limits| limits.paragraphs = 299),
        Some(Limit::Paragraphs)
    );
    assert!(read(&bytes, &Limits::default()).is_ok());
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let bytes = zipped(&[("word/document.xml", "<a/>"), ("WORD/Document.xml", "<a/>")]);
    assert_eq!(
        read(&bytes, &Limits::default()).map_err(|error| error.kind()),
        Err("duplicate-entry")
    );
}

#[test]
fn a_byte_changed_in_a_part_is_noticed() {
    let mut bytes = package("<w:p><w:r><w:t>valor de cem reais</w:t></w:r></w:p>", &[]);
    let crc = bytes
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .expect("a directory")
        + 16;
    bytes[crc] ^= 0xff;
    assert_eq!(
        read(&bytes, &Limits::default()).map_err(|error| error.kind()),
        Err("size-mismatch")
    );
}

mod generated;

/// Seeds of the property test; `ORQUESTRADOR_TEST_SEMENTES=100000` for the long round.
fn seeds() -> u64 {
    let set = std::env::var("ORQUESTRADOR_TEST_SEMENTES").ok();
    set.map_or(1_000, |text| text.parse().expect("a number of seeds"))
}

#[test]
fn generated_documents_and_edits_are_applied_reverted_mirrored_and_never_invented() {
    for seed in 0..seeds() {
        // From a line or two to what fills some pages.
        let length = 20 + usize::try_from(seed % 40).expect("small") * 12;
        let (old, new) = generated::pair(&generated::noise(seed, length));
        let [old, new] = [old, new]
            .map(|bytes| read(&bytes, &Limits::default()).expect("a generated document is sound"));
        let (there, back) = (compare(&old, &new), compare(&new, &old));
        assert!(verify(&there.script, &old, &new), "seed {seed}: forwards");
        assert!(verify(&back.script, &new, &old), "seed {seed}: backwards");
        let is_same = lines_of(&old) == lines_of(&new);
        assert!(
            is_same || !there.modifications.is_empty(),
            "seed {seed}: a change is listed"
        );
        for category in Category::ALL {
            let mirrored = match category {
                Category::Inclusao => Category::Remocao,
                Category::Remocao => Category::Inclusao,
                other => other,
            };
            assert_eq!(
                there.summary.by_category[&category], back.summary.by_category[&mirrored],
                "seed {seed}: {category:?} is mirrored"
            );
        }
        assert_eq!(
            there.summary.revisions, back.summary.revisions,
            "seed {seed}"
        );
        let same = compare(&old, &old);
        assert_eq!(
            (same.modifications, same.formatting),
            (vec![], vec![]),
            "seed {seed}"
        );
        assert_eq!(same.summary.revisions, 0, "seed {seed}");
    }
}

#[test]
fn documents_that_differ_in_more_paragraphs_than_the_limit_allows_are_refused_by_its_name() {
    let old: Vec<String> = (0..30)
        .map(|number| format!("cláusula {number} antiga"))
        .collect();
    let new: Vec<String> = (0..30)
        .map(|number| format!("cláusula {number} nova"))
        .collect();
    let of = |texts: &[String]| plain(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let (old, new) = (of(&old), of(&new));
    let found = |changes: u64| {
        let limits = Limits {
            changes,
            ..Limits::default()
        };
        orquestrador::docx::compare_until(&old, &new, &limits, &|| false)
    };
    let refused = found(29).expect_err("30 paragraphs differ");
    assert_eq!(refused.limit(), Some(Limit::Changes));
    assert!(refused.to_string().contains("\"alteracoes\""), "{refused}");
    assert_eq!(found(30).expect("30 are allowed").modifications.len(), 30);
}

#[test]
fn a_comparison_stops_when_it_is_told_to_in_the_middle_of_it() {
    let texts: Vec<String> = (0..500)
        .map(|number| format!("cláusula {number}"))
        .collect();
    let document = plain(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let asked = std::cell::Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) >= 100;
    let found = orquestrador::docx::compare_until(&document, &document, &Limits::default(), &stop);
    assert_eq!(found, Err(ReadError::Cancelled));
    assert!(
        asked.get() < 110,
        "asked {} times after the word to stop",
        asked.get()
    );
}

#[test]
fn the_likeness_of_long_texts_with_nothing_in_common_is_found_without_comparing_all_with_all() {
    // 30,000 words a side: with rare words as guides this took minutes, and would outlast any patience.
    let text = |step: usize| {
        let words: Vec<String> = (0..30_000_usize)
            .map(|index| format!("p{}", index * step % 50_021))
            .collect();
        words.join(" ")
    };
    let (old, new) = (text(7), text(31));
    let found = orquestrador::docx::tags::likeness(&plain(&[&old]), &plain(&[&new]));
    assert!(found.ratio < 0.5 && found.differences > 0, "{found:?}");
}
