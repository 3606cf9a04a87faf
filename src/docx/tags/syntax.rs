//! What may stand between the braces of a mark: slashes, a name, attributes. Knows nothing of where it stands.

use unicode_normalization::char::is_combining_mark;

/// The forms of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Opening,
    Closing,
    SelfClosing,
}

/// A name as it is compared and stored: NFC, lower case, without the prefix.
pub(super) fn normalise(written: &str) -> String {
    without_prefix(written).to_lowercase()
}

fn without_prefix(written: &str) -> &str {
    let (prefix, name) = written.split_at_checked(4).unwrap_or_default();
    if prefix.eq_ignore_ascii_case("tag-") {
        name
    } else {
        written
    }
}

/// Reads what stands between the braces: form and name; `None` if it is no tag.
pub(super) fn parse(inner: &str) -> Option<(Form, String)> {
    let inner = inner.trim();
    let (closing, rest) = inner
        .strip_prefix('/')
        .map_or((false, inner), |rest| (true, rest.trim_start()));
    let (alone, rest) = rest
        .strip_suffix('/')
        .map_or((false, rest), |rest| (true, rest.trim_end()));
    let name_end = rest
        .find(|character: char| !is_name(character))
        .unwrap_or(rest.len());
    let (name, attributes) = rest.split_at_checked(name_end)?;
    let form = match (closing, alone) {
        (true, true) => return None,
        (true, false) => Form::Closing,
        (false, true) => Form::SelfClosing,
        (false, false) => Form::Opening,
    };
    let named = without_prefix(name).chars().any(char::is_alphanumeric);
    (named && are_attributes(attributes)).then(|| (form, name.to_owned()))
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric()
        || is_combining_mark(character)
        || matches!(character, '_' | '-' | '.')
}

/// Whether a text is nothing, or attributes of the form `key="value"` each after white space.
fn are_attributes(text: &str) -> bool {
    let mut rest = text;
    while !rest.trim().is_empty() {
        let Some(after) = attribute(rest) else {
            return false;
        };
        rest = after;
    }
    true
}

/// Reads one attribute and returns what follows it.
fn attribute(text: &str) -> Option<&str> {
    let begun = text.trim_start();
    if begun.len() == text.len() {
        return None;
    }
    let (key, value) = begun.split_once('=')?;
    let key = key.trim_end();
    if key.is_empty() || !key.chars().all(is_name) {
        return None;
    }
    let value = value.trim_start();
    let quote = value.chars().next()?;
    let closing: &[char] = match quote {
        '"' | '“' | '”' | '„' => &['"', '“', '”'],
        '\'' | '‘' | '’' => &['\'', '‘', '’'],
        '«' => &['»'],
        _ => return None,
    };
    let inside = value.strip_prefix(quote)?;
    inside.split_once(closing).map(|(_, after)| after)
}
