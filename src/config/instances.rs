//! The key `instancias` of a processor: a number, or a table that follows a backlog. Refuses to know who follows it.

use toml::{Table, Value};

use super::settings::Settings;
use super::table::Section;
use super::value::Parsed;
use crate::domain::instances::MOST_INSTANCES;
use crate::domain::{Instances, MetricSelector, Mode, Scaling};

/// What the document processors report of their queue.
const METRIC: (&str, &str, &str) = ("docx_queue_records", "state", "waiting");
/// The most items that one run can be meant to have.
const MOST_ITEMS: i64 = 1_000_000;

/// Reads the key of a `[[processador]]`.
pub(super) fn read(section: &mut Section<'_>) -> Option<Instances> {
    if !section.has_table("instancias") {
        return count(section, "instancias").map(Instances::Fixed);
    }
    let mut table = section.section("instancias")?;
    let min = count(&mut table, "min");
    let max = required(&mut table, "max", i64::from(MOST_INSTANCES));
    let target = required(&mut table, "alvo", MOST_ITEMS);
    let metric = table.parsed("metrica", selector);
    let min = min.unwrap_or(1);
    if let Some(max) = max.filter(|max| *max < min) {
        let message = format!("{min} é mais do que max, que é {max}; esperado no máximo o mesmo");
        table.problem("min", message);
    }
    table.finish(&[]);
    Some(Instances::ByLoad(Scaling {
        min,
        max: max?,
        target: target?,
        metric: metric.unwrap_or_else(default_metric),
    }))
}

fn count(section: &mut Section<'_>, key: &'static str) -> Option<u32> {
    let count = section.count(key, i64::from(MOST_INSTANCES))?;
    u32::try_from(count).ok()
}

fn required(section: &mut Section<'_>, key: &'static str, most: i64) -> Option<u32> {
    if !section.has(key) {
        section.problem(key, format!("falta; esperado um número de 1 a {most}"));
    }
    u32::try_from(section.count(key, most)?).ok()
}

fn default_metric() -> MetricSelector {
    let (name, label, value) = METRIC;
    MetricSelector {
        name: name.to_owned(),
        labels: vec![(label.to_owned(), value.to_owned())],
    }
}

/// A metric's name and, in braces, labels that its series must have.
fn selector(text: &str) -> Parsed<MetricSelector> {
    let refusal = || {
        format!(
            "{text:?} não é uma métrica; esperado por exemplo fila ou fila{{estado=\"espera\"}}"
        )
    };
    let (name, labels) = match text.trim().split_once('{') {
        None => (text.trim(), Vec::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix('}').ok_or_else(refusal)?;
            (name.trim(), labels(inner).ok_or_else(refusal)?)
        }
    };
    let is_name = is_name(name, |letter| letter == ':');
    is_name
        .then(|| MetricSelector {
            name: name.to_owned(),
            labels,
        })
        .ok_or_else(refusal)
}

fn labels(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    rest = rest.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let (value, after) = quoted.split_once('"')?;
        let is_plain = !value
            .chars()
            .any(|letter| letter == '\\' || letter.is_control());
        if !is_plain || !is_name(name.trim(), |_| false) {
            return None;
        }
        labels.push((name.trim().to_owned(), value.to_owned()));
        rest = after.trim();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(labels)
}

fn is_name(text: &str, is_more: impl Fn(char) -> bool) -> bool {
    let is_start = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || is_more(letter);
    let mut letters = text.chars();
    letters.next().is_some_and(is_start)
        && letters.all(|letter| is_start(letter) || letter.is_ascii_digit())
}

/// The key as the file would have it.
pub(super) fn shown(instances: &Instances) -> Value {
    let Some(scaling) = instances.scaling() else {
        return i64::from(instances.count(None)).into();
    };
    let numbers = [
        ("min", scaling.min),
        ("max", scaling.max),
        ("alvo", scaling.target),
    ];
    let numbers = numbers.map(|(key, number)| (key.to_owned(), i64::from(number).into()));
    let mut table = Table::from_iter(numbers);
    table.insert("metrica".to_owned(), scaling.metric.to_string().into());
    table.into()
}

/// Runs that are configured to be side by side and cannot be.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let room = settings.parallelism;
    let told = settings.processors.iter().filter_map(|spec| {
        let (name, most) = (&spec.name, spec.instances.most());
        match settings.mode {
            _ if most == 1 => None,
            Mode::Sequential => Some(format!(
                "{name}.instancias: no modo sequencial as execuções de um início vêm uma depois da outra"
            )),
            Mode::Parallel => (most as usize > room).then(|| {
                format!("{name}.instancias: até {most}, mas paralelismo = {room} deixa no máximo {room} lado a lado")
            }),
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_name_with_or_without_labels_and_is_shown_as_it_is_read() {
        for (text, shown) in [
            ("fila", "fila"),
            (" a:b_c1 { } ", "a:b_c1"),
            (
                "docx_queue_records{state=\"waiting\"}",
                "docx_queue_records{state=\"waiting\"}",
            ),
            ("f{ a = \"1, é}\" , b=\"\", }", "f{a=\"1, é}\",b=\"\"}"),
        ] {
            let read = selector(text).expect(text);
            assert_eq!(read.to_string(), shown);
            assert_eq!(selector(shown), Ok(read));
        }
        for bad in [
            "",
            "1fila",
            "fila total",
            "fila{",
            "fila}",
            "fila{a}",
            "fila{a=b}",
            "fila{a=\"b}",
            "fila{a=\"b\" c=\"d\"}",
            "fila{:=\"b\"}",
            "fila{a=\"\\\"}",
            "fila{a=\"b\"} > 3",
            "{a=\"b\"}",
        ] {
            let message = selector(bad).expect_err(bad);
            assert!(message.contains("não é uma métrica"), "{message}");
        }
    }
}
