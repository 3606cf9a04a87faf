//! The shipped files: rules, alerts, panels and variables, read as they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The groups with a long interval of their own are evaluated as often as the others; nothing else is changed.
pub(crate) fn without_waiting(rules: &str) -> String {
    let is_kept = |line: &&str| !line.starts_with("    interval: ");
    let kept = rules.lines().filter(is_kept);
    kept.fold(String::new(), |text, line| text + line + "\n")
}

/// A query and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) place: String,
    pub(crate) expression: String,
}

/// One rule as Prometheus has read it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expression: String,
}

/// The rules in what `/api/v1/rules` answers.
pub(crate) fn rules(answer: &Value) -> Vec<Rule> {
    let groups = answer["data"]["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Rule {
            name: rule["name"].as_str().unwrap().to_owned(),
            is_alert: rule["type"] == "alerting",
            expression: rule["query"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The dashboards, each with its file's name.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let mut boards: Vec<_> = json_files(&root().join("grafana/dashboards"))
        .into_iter()
        .map(|path| {
            let board = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                board,
            )
        })
        .collect();
    boards.sort_by(|(left, _), (right, _)| left.cmp(right));
    assert_eq!(boards.len(), 4);
    boards
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect()
}

/// The panels that are no row.
pub(crate) fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    let panels = board["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row")
}

/// Every query of every panel, variable and annotation.
pub(crate) fn questions() -> Vec<Question> {
    let mut found = Vec::new();
    for (name, board) in dashboards() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                found.push(Question {
                    place: format!(
                        "{name}: {} {}",
                        panel["title"].as_str().unwrap(),
                        target["refId"].as_str().unwrap()
                    ),
                    expression: target["expr"].as_str().unwrap().to_owned(),
                });
            }
        }
        for annotation in board["annotations"]["list"].as_array().unwrap() {
            found.push(Question {
                place: format!("{name}: {}", annotation["name"].as_str().unwrap()),
                expression: annotation["expr"].as_str().unwrap().to_owned(),
            });
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                found.push(Question {
                    place: format!("{name}: ${}", variable["name"].as_str().unwrap()),
                    expression: variable_question(variable["query"]["query"].as_str().unwrap()),
                });
            }
        }
    }
    found
}

/// `label_values(metric, label)`, asked as the series that have the label.
fn variable_question(query: &str) -> String {
    let inner = query
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap();
    let (metric, label) = inner.rsplit_once(", ").unwrap();
    format!("count by ({label}) ({metric})")
}

/// An expression with Grafana's words replaced: everything is chosen, a rate spans four scrapes.
pub(crate) fn expanded(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "4s")
        .replace("$__range", "1m")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$processador", ".*")
}

/// The families that the program says it serves.
pub(crate) fn own_names(listing: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in listing.lines() {
        let (name, rest) = line.split_once(" (").unwrap_or_default();
        names.insert(name.to_owned());
        if rest.starts_with("histogram") {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    assert!(
        names.contains("orquestrador_runs_total") && names.len() > 60,
        "{names:?}"
    );
    names
}
