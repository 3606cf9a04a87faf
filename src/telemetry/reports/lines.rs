//! One line of text format 0.0.4 at a time, strictly. Refuses to know what lines belong together.
//!
//! Source: "Exposition formats" of the Prometheus documentation, section "Text-based format".

use super::Fault;

/// The longest name, label value or help text that is kept, bytes.
const MAX_TEXT: usize = 1024;
/// The most labels of one series.
const MAX_LABELS: usize = 32;

/// Labels in alphabetical order.
pub(super) type Labels = Vec<(String, String)>;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing, or something for people.
    Comment,
    Type {
        name: &'a str,
        word: &'a str,
    },
    Help {
        name: &'a str,
        text: String,
    },
    Sample(Sample<'a>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

pub(super) fn line(text: &str) -> Result<Line<'_>, Fault> {
    let text = text.trim_matches([' ', '\t']);
    match text.strip_prefix('#') {
        None if text.is_empty() => Ok(Line::Comment),
        None => sample(text).map(Line::Sample),
        Some(rest) => header(rest),
    }
}

fn header(text: &str) -> Result<Line<'_>, Fault> {
    let (keyword, rest) = word(text.trim_start_matches([' ', '\t']));
    if keyword != "TYPE" && keyword != "HELP" {
        return Ok(Line::Comment);
    }
    let (name, rest) = word(rest);
    if !is_metric_name(name) {
        return Err(Fault::Syntax);
    }
    if keyword == "TYPE" {
        let (word, rest) = word(rest);
        let is_whole = !word.is_empty() && rest.is_empty();
        return if is_whole {
            Ok(Line::Type { name, word })
        } else {
            Err(Fault::Syntax)
        };
    }
    let text = unescaped(rest, false)?;
    Ok(Line::Help { name, text })
}

/// The text up to the next blank, and what follows the blanks.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start_matches([' ', '\t']))
}

fn sample(text: &str) -> Result<Sample<'_>, Fault> {
    let is_end = |c: char| matches!(c, '{' | ' ' | '\t');
    let end = text.find(is_end).ok_or(Fault::Syntax)?;
    let (name, rest) = text.split_at_checked(end).ok_or(Fault::Syntax)?;
    if !is_metric_name(name) {
        return Err(Fault::Syntax);
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let (value, rest) = word(rest.trim_start_matches([' ', '\t']));
    if !rest.is_empty() {
        // A timestamp would make an old sample of a new one.
        let is_timestamp = rest.parse::<i64>().is_ok();
        return Err(if is_timestamp {
            Fault::Unsupported
        } else {
            Fault::Syntax
        });
    }
    let value = value.parse().map_err(|_| Fault::Syntax)?;
    Ok(Sample {
        name,
        labels,
        value,
    })
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(Labels, &str), Fault> {
    let blanks = [' ', '\t'];
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches(blanks);
        if let Some(after) = rest.strip_prefix('}') {
            break finished(labels).map(|labels| (labels, after));
        }
        let (name, after) = rest.split_once('=').ok_or(Fault::Syntax)?;
        let name = name.trim_end_matches(blanks);
        if !is_label_name(name) {
            return Err(Fault::Syntax);
        }
        let quoted = after.trim_start_matches(blanks).strip_prefix('"');
        let quoted = quoted.ok_or(Fault::Syntax)?;
        let end = closing_quote(quoted).ok_or(Fault::Syntax)?;
        let (raw, after) = quoted.split_at_checked(end).ok_or(Fault::Syntax)?;
        labels.push((name.to_owned(), unescaped(raw, true)?));
        if labels.len() > MAX_LABELS {
            return Err(Fault::TooLarge);
        }
        let after = after.strip_prefix('"').unwrap_or(after);
        rest = after.trim_start_matches(blanks);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(Fault::Syntax),
        }
    }
}

fn finished(mut labels: Labels) -> Result<Labels, Fault> {
    labels.sort();
    let mut pairs = labels.iter().zip(labels.iter().skip(1));
    if pairs.any(|(left, right)| left.0 == right.0) {
        return Err(Fault::Syntax);
    }
    Ok(labels)
}

/// Where the quotation mark stands that no backslash takes away.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_closing = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_closing
    })
}

fn unescaped(raw: &str, quotes: bool) -> Result<String, Fault> {
    if raw.len() > MAX_TEXT {
        return Err(Fault::TooLarge);
    }
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => text.push('\\'),
            Some('n') => text.push('\n'),
            Some('"') if quotes => text.push('"'),
            _ => return Err(Fault::Syntax),
        }
    }
    Ok(text)
}

fn is_metric_name(name: &str) -> bool {
    is_name(name, |byte| byte == b':')
}

fn is_label_name(name: &str) -> bool {
    is_name(name, |_| false)
}

fn is_name(name: &str, is_more: impl Fn(u8) -> bool) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || is_more(byte);
    let mut bytes = name.bytes();
    name.len() <= MAX_TEXT
        && bytes.next().is_some_and(is_start)
        && bytes.all(|byte| is_start(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_with_its_labels_in_order_and_its_escapes() {
        let read = line(r#"x_total { b = "a\"\\\n}" , a="é",} 1e3"#);
        let labels = [("a", "é"), ("b", "a\"\\\n}")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            read,
            Ok(Line::Sample(Sample {
                name: "x_total",
                labels: labels.to_vec(),
                value: 1000.0
            }))
        );
        assert_eq!(
            line("# TYPE x counter"),
            Ok(Line::Type {
                name: "x",
                word: "counter"
            })
        );
        assert_eq!(line("# anything goes"), Ok(Line::Comment));
    }

    #[test]
    fn what_is_not_of_the_format_is_refused() {
        for text in [
            "x",
            "x ",
            "1x 1",
            "x{ 1",
            "x{a} 1",
            "x{a=} 1",
            "x{a=\"b} 1",
            "x{a=\"b\\q\"} 1",
            "x{a=\"b\" c=\"d\"} 1",
            "x{a=\"b\",a=\"c\"} 1",
            "x{=\"b\"} 1",
            "x 1_000",
            "x abc",
            "x 1 abc",
            "x-y 1",
            "# TYPE x",
            "# TYPE x counter gauge",
            "# HELP 1x text",
            "\u{0}",
            "x 1 # {trace_id=\"a\"} 1",
        ] {
            assert_eq!(line(text), Err(Fault::Syntax), "{text:?}");
        }
        assert_eq!(line("x 1 1795370647500"), Err(Fault::Unsupported));
        let long = format!("x{{a=\"{}\"}} 1", "y".repeat(2000));
        assert_eq!(line(&long), Err(Fault::TooLarge));
    }
}
