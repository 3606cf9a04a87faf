//! Two documents made of any bytes: the script gives the new text and gives back the old, in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orquestrador_fuzz::docx::compare::{lines_of, verify};
use orquestrador_fuzz::docx::report::{Header, render};
use orquestrador_fuzz::docx::{Category, Limits, compare, read};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/generated/mod.rs"]
mod generated;

fuzz_target!(|bytes: &[u8]| {
    let (old, new) = generated::pair(bytes);
    let old = read(&old, &Limits::default()).expect("a generated document is sound");
    let new = read(&new, &Limits::default()).expect("a generated document is sound");
    let there = compare(&old, &new);
    let back = compare(&new, &old);
    assert!(verify(&there.script, &old, &new), "forwards");
    assert!(verify(&back.script, &new, &old), "backwards");
    if lines_of(&old) != lines_of(&new) {
        assert!(
            !there.modifications.is_empty(),
            "a change of text is listed"
        );
    }
    let count =
        |of: &orquestrador_fuzz::docx::Comparison, category| of.summary.by_category[&category];
    for (one, other) in [
        (Category::Inclusao, Category::Remocao),
        (Category::Modificacao, Category::Modificacao),
        (Category::Movimentacao, Category::Movimentacao),
    ] {
        assert_eq!(count(&there, one), count(&back, other), "{one:?} mirrors");
        assert_eq!(count(&there, other), count(&back, one), "{other:?} mirrors");
    }
    for document in [&old, &new] {
        let same = compare(document, document);
        assert!(same.modifications.is_empty() && same.formatting.is_empty());
        assert_eq!(same.summary.revisions, 0);
    }
    let html = render(&there, (&old, &new), &Header::default(), &[]);
    assert!(
        !html.contains("<script") && !html.contains("<b> "),
        "markup of a document is text"
    );
});
