//! The selectors of a `PromQL` expression, as far as looking for dead ones needs it: no parser, a reader of words.

use std::collections::BTreeSet;

/// Words that stand where a metric's name could stand.
const KEYWORDS: [&str; 12] = [
    "and",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
];
/// After these a list of labels follows.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "on",
    "without",
    "ignoring",
    "group_left",
    "group_right",
];

/// Every selector of `expression`: the name, with its braces when it has them; a nameless one begins with its braces.
pub(crate) fn selectors(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            rest = after_string(rest);
        } else if c == '[' {
            rest = after(rest, ']');
        } else if c == '{' {
            let braces = braces(rest);
            found.insert(braces.to_owned());
            rest = &rest[braces.len()..];
        } else if c.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after_word) = rest.split_at(end);
            let next = after_word.trim_start();
            if BEFORE_LABELS.contains(&word) {
                rest = if next.starts_with('(') {
                    after(next, ')')
                } else {
                    after_word
                };
            } else if KEYWORDS.contains(&word) || next.starts_with('(') {
                rest = after_word;
            } else if next.starts_with('{') {
                let braces = braces(next);
                found.insert(format!("{word}{braces}"));
                rest = &next[braces.len()..];
            } else if followed_by_labels(word, next) {
                rest = after_word;
            } else {
                found.insert(word.to_owned());
                rest = after_word;
            }
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// `sum by (x) (...)`: the function's name is followed by a word.
fn followed_by_labels(word: &str, next: &str) -> bool {
    ["sum", "min", "max", "avg", "count", "count_values"].contains(&word)
        && BEFORE_LABELS.iter().any(|label| next.starts_with(label))
}

/// The name that a selector begins with.
pub(crate) fn name(selector: &str) -> &str {
    selector.split('{').next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn after(text: &str, end: char) -> &str {
    text.find(end).map_or("", |at| &text[at + end.len_utf8()..])
}

/// What follows the string that `text` begins with.
fn after_string(text: &str) -> &str {
    let quote = text.chars().next().unwrap_or('"');
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return &text[at + 1..];
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

/// The braces that `text` begins with, with everything between them.
fn braces(text: &str) -> &str {
    let mut rest = &text[1..];
    loop {
        match rest.find(['"', '}']) {
            None => return text,
            Some(at) if rest[at..].starts_with('}') => {
                return &text[..=text.len() - rest.len() + at];
            }
            Some(at) => rest = after_string(&rest[at..]),
        }
    }
}

#[test]
fn the_selectors_of_an_expression_are_found_and_nothing_else() {
    let expression = "histogram_quantile(0.95, sum by (job, le) (rate(a_bucket{x=~\"b}c\", y=\"d\"}[5m]))) > 0.9 * b \
                      and on (job) label_replace(c, \"n\", \"$1\", \"o\", \"p\") unless d offset 1h or e == bool 0 \
                      and {__name__!~\"f\"}";
    let found: Vec<_> = selectors(expression).into_iter().collect();
    assert_eq!(
        found,
        [
            "a_bucket{x=~\"b}c\", y=\"d\"}",
            "b",
            "c",
            "d",
            "e",
            "{__name__!~\"f\"}"
        ]
    );
}
