//! The rules of tags, one test each, on documents made of plain paragraphs.

use proptest::prelude::*;

use super::super::model::{Cell, Deleted, Document, Paragraph, RunSpan, Story, StoryKind};
use super::{ProblemKind, Severity, Tags, extract, likeness};

fn paragraph(text: &str) -> Paragraph {
    let run = RunSpan {
        start: 0,
        end: text.len(),
        index: 0,
        format: 0,
    };
    Paragraph {
        text: text.to_owned(),
        runs: vec![run],
        ..Paragraph::default()
    }
}

fn document(paragraphs: &[&str]) -> Document {
    let mut story = Story::new(StoryKind::Body, "word/document.xml", "");
    for (block, text) in paragraphs.iter().enumerate() {
        story.paragraphs.push(Paragraph {
            block,
            ..paragraph(text)
        });
    }
    Document {
        stories: vec![story],
        ..Document::default()
    }
}

fn tags(paragraphs: &[&str]) -> Tags {
    extract(&document(paragraphs))
}

fn pairs(tags: &Tags) -> Vec<(&str, &str)> {
    tags.pairs
        .iter()
        .map(|pair| (pair.name.as_str(), pair.content.as_str()))
        .collect()
}

fn singles(tags: &Tags) -> Vec<&str> {
    tags.singles
        .iter()
        .map(|single| single.name.as_str())
        .collect()
}

fn kinds(tags: &Tags) -> Vec<ProblemKind> {
    tags.problems.iter().map(|problem| problem.kind).collect()
}

#[test]
fn every_form_is_read_with_white_space_inside_and_round_the_slash() {
    let found = tags(&["{{ TAG-a }}1{{ / TAG-a }} {{\u{a0}b\u{a0}/\u{a0}}} {{1.2.3}}x{{/1.2.3}}"]);
    assert_eq!(pairs(&found), [("a", "1"), ("1.2.3", "x")]);
    assert_eq!((singles(&found), kinds(&found)), (vec!["b"], vec![]));
}

#[test]
fn names_are_stored_in_lower_case_and_nfc_without_the_prefix_and_other_prefixes_stay() {
    let found = tags(&[
        "{{TAG-RAZA\u{303}O}}1{{/tag-razão}}",
        "{{CLAUSE-Objeto}}2{{/CLAUSE-Objeto}}",
    ]);
    assert_eq!(pairs(&found), [("razão", "1"), ("clause-objeto", "2")]);
    assert_eq!(kinds(&found), [ProblemKind::CaseDiffers]);
}

#[test]
fn attributes_are_read_over_in_straight_and_curly_quotes() {
    let found = tags(&["{{TAG-a opcao=\"sim\" b = “não}”}}x{{/TAG-a}} {{c d='1' /}}"]);
    assert_eq!(
        (pairs(&found), singles(&found), kinds(&found)),
        (vec![("a", "x")], vec!["c"], vec![])
    );
    assert_eq!(kinds(&tags(&["{{a b=sim}}"])), [ProblemKind::InvalidName]);
}

#[test]
fn without_a_closing_form_the_second_opening_closes_the_first() {
    let found = tags(&["{{x}} A {{x}} e {{x}}"]);
    assert_eq!(pairs(&found), [("x", " A ")]);
    assert_eq!(
        (singles(&found), kinds(&found)),
        (vec!["x"], vec![ProblemKind::Unclosed])
    );
    let closed = tags(&["{{x}} A {{x}} B {{/x}}"]);
    assert_eq!(
        (pairs(&closed), kinds(&closed)),
        (vec![("x", " B ")], vec![ProblemKind::Unclosed])
    );
}

#[test]
fn the_content_of_nested_pairs_is_without_marks_and_spans_paragraphs() {
    let found = tags(&["a {{fora}}b {{dentro}}c", "d{{/dentro}} e{{/fora}} f"]);
    assert_eq!(pairs(&found), [("fora", "b c\nd e"), ("dentro", "c\nd")]);
    assert_eq!(found.pairs[0].stored_content(), "b c d e");
    assert_eq!(found.pairs[0].path_start, "word/document.xml#b1/p1/r1@2");
    assert_eq!(found.pairs[0].path_end, "word/document.xml#b2/p2/r1@14");
    assert_eq!(
        (found.pairs[0].position_start, found.pairs[0].paragraph),
        (2, 1)
    );
}

#[test]
fn crossed_pairs_are_reported_once_and_the_outer_one_is_kept() {
    let found = tags(&["{{a}}1{{b}}2{{/a}}3{{/b}}"]);
    assert_eq!(
        (pairs(&found), singles(&found)),
        (vec![("a", "12")], vec!["b"])
    );
    assert_eq!(kinds(&found), [ProblemKind::Crossed]);
}

#[test]
fn an_opening_left_open_inside_a_pair_is_unclosed_and_not_crossed() {
    let found = tags(&["{{a}}1{{b}}2{{/a}}", "{{b}}3{{/b}}"]);
    assert_eq!(
        (pairs(&found), singles(&found)),
        (vec![("a", "12"), ("b", "3")], vec!["b"])
    );
    assert_eq!(kinds(&found), [ProblemKind::Unclosed]);
}

#[test]
fn every_mistake_of_a_document_is_reported_at_once_in_order_and_with_its_place() {
    let found = tags(&[
        "{{/a}} {{b",
        "c}} {{{d}}} {{e f}}",
        "{{g}}1{{g}}2{{/g}}3{{/g}}",
        "{{h}}1{{/h}}{{h}}2{{/h}}",
    ]);
    let expected = [
        (ProblemKind::Unopened, 1),
        (ProblemKind::BrokenDelimiter, 1),
        (ProblemKind::BrokenDelimiter, 2),
        (ProblemKind::ThirdBrace, 2),
        (ProblemKind::InvalidName, 2),
        (ProblemKind::SelfNested, 3),
        (ProblemKind::Duplicate, 4),
    ];
    let places: Vec<_> = found
        .problems
        .iter()
        .map(|problem| (problem.kind, problem.paragraph))
        .collect();
    assert_eq!(places, expected);
    assert!(
        found
            .problems
            .iter()
            .all(|problem| problem.part == "word/document.xml")
    );
    assert!(
        found
            .problems
            .iter()
            .all(|problem| !problem.remedy.is_empty() && !problem.nearby.is_empty())
    );
}

#[test]
fn braces_that_are_no_marks_stay_in_the_text() {
    let found = tags(&["{{a}}x {y} {{{z}}} w{{/a}}"]);
    assert_eq!(pairs(&found), [("a", "x {y} {{{z}}} w")]);
    assert_eq!(kinds(&found), [ProblemKind::ThirdBrace]);
}

#[test]
fn a_mark_is_found_through_hidden_characters_and_only_zero_width_ones_are_reported() {
    let soft = tags(&["{\u{ad}{va\u{ad}lor}\u{ad}}1{{/va\u{2011}lor}}{{va-lor}}"]);
    assert_eq!(singles(&soft), ["valor", "va-lor"]);
    assert!(!kinds(&soft).contains(&ProblemKind::HiddenCharacter));
    let zero = tags(&["{{va\u{200b}lor}}1{{/valor}}\u{200b}{{b /}}\u{feff}fim"]);
    assert_eq!(
        (pairs(&zero), singles(&zero)),
        (vec![("valor", "1")], vec!["b"])
    );
    assert_eq!(kinds(&zero), [ProblemKind::HiddenCharacter]);
}

#[test]
fn a_closing_mark_in_deleted_text_is_named_as_the_reason() {
    let mut deleted = document(&["{{a}}x"]);
    let pieces = ["{{/", "a}}"].map(|text| Deleted {
        offset: 6,
        text: text.to_owned(),
    });
    deleted.stories[0].paragraphs[0].deleted = pieces.to_vec();
    let found = extract(&deleted);
    assert_eq!(
        (singles(&found), kinds(&found)),
        (vec!["a"], vec![ProblemKind::ClosingDeleted])
    );
}

#[test]
fn a_pair_that_leaves_its_table_is_read_with_a_warning() {
    let mut table = document(&["{{a}}x", "y{{/a}}"]);
    table.stories[0].paragraphs[0].cells = vec![Cell {
        table: 0,
        row: 0,
        column: 0,
    }];
    let found = extract(&table);
    assert_eq!(
        (pairs(&found), kinds(&found)),
        (vec![("a", "x\ny")], vec![ProblemKind::CrossesTable])
    );
    assert_eq!(found.problems[0].kind.severity(), Severity::Warning);
}

#[test]
fn pairs_do_not_reach_from_one_story_to_another() {
    let mut two = document(&["{{a}}x"]);
    let mut note = Story::new(StoryKind::Footnote, "word/footnotes.xml", "2");
    note.paragraphs.push(paragraph("y{{/a}} {{b}}z{{/b}}"));
    two.stories.push(note);
    let found = extract(&two);
    assert_eq!(pairs(&found), [("b", "z")]);
    assert_eq!(
        kinds(&found),
        [ProblemKind::Unclosed, ProblemKind::Unopened]
    );
    let order: Vec<&str> = found
        .in_order()
        .iter()
        .map(|tag| tag.name.as_str())
        .collect();
    assert_eq!(order, ["a", "b"]);
    assert!(
        found.pairs[0]
            .path_start
            .starts_with("word/footnotes.xml#nota2/")
    );
}

#[test]
fn likeness_is_whole_without_the_marks_and_names_the_first_place_that_drifted() {
    let original = document(&["O aluguel é de R$ 100,00.", "Foro: capital."]);
    let same = likeness(
        &original,
        &document(&[
            "{{a}}O aluguel é de R$ {{b}}100,00{{/b}}.{{/a}}",
            "Foro: capital.",
        ]),
    );
    assert_eq!((same.differences, same.first.is_none()), (0, true));
    assert!((same.ratio - 1.0).abs() < f64::EPSILON);
    let drifted = likeness(
        &original,
        &document(&["{{a}}O aluguel é de R$ 200,00.{{/a}}", "Foro: interior."]),
    );
    let first = drifted.first.unwrap();
    assert_eq!(drifted.differences, 2);
    assert_eq!(
        (first.original.as_str(), first.tagged.as_str()),
        ("100,00.", "200,00.")
    );
    assert!(drifted.ratio < 1.0 && first.path.starts_with("word/document.xml#b1/p1/"));
}

#[test]
fn marks_beyond_the_limit_are_text_and_that_is_said_once() {
    let many = "{{a}}".repeat(20_001);
    let found = tags(&[&many, "{{b /}}"]);
    assert_eq!((found.pairs.len(), found.singles.len()), (10_000, 0));
    assert_eq!(
        kinds(&found)
            .iter()
            .filter(|kind| **kind == ProblemKind::TooMany)
            .count(),
        1
    );
    let braces = tags(&["}} ".repeat(30_000).as_str(), "}} {{"]);
    assert_eq!(braces.problems.len(), 20_001);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_every_pair_lies_in_order(
        texts in proptest::collection::vec("[{}/ a-cA\u{200b}\u{ad}=\"“ãé.\n-]{0,60}", 0..6)
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = tags(&texts);
        for pair in &found.pairs {
            prop_assert!(pair.position_start < pair.position_end);
            prop_assert!(!pair.name.is_empty());
        }
        let length: usize = texts.iter().map(|text| text.chars().count() + 1).sum();
        prop_assert!(found.in_order().iter().all(|tag| tag.position_end <= length));
    }

    #[test]
    fn tagging_any_words_gives_the_words_back(names in proptest::collection::vec("[a-zãé_-]{1,8}x", 1..6)) {
        let marked: Vec<String> =
            names.iter().map(|name| format!("{{{{{name}}}}}valor de {name}{{{{/{name}}}}} ")).collect();
        let text = marked.concat();
        let found = tags(&[&text]);
        let contents: Vec<String> = names.iter().map(|name| format!("valor de {name}")).collect();
        prop_assert_eq!(found.pairs.iter().map(|pair| pair.content.clone()).collect::<Vec<_>>(), contents);
    }
}
