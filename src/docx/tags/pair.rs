//! Which opening belongs to which closing, within one story. Knows names and order, and no text.

use std::collections::{HashMap, HashSet};

use super::ProblemKind;
use super::mark::Mark;
use super::syntax::Form;

/// Two marks that belong together, by their index.
pub(super) struct Pair {
    pub(super) open: usize,
    pub(super) close: usize,
    /// Whether it stands inside a pair of its own name.
    pub(super) self_nested: bool,
}

/// How the marks of a story belong together.
#[derive(Default)]
pub(super) struct Pairing {
    /// In the order of their openings.
    pub(super) pairs: Vec<Pair>,
    /// Marks that stand alone, in order.
    pub(super) singles: Vec<usize>,
    /// Marks without a partner, or with one across another pair's border.
    pub(super) flaws: Vec<(usize, ProblemKind)>,
}

/// Pairs the marks of one story; `closed` holds the names that have a closing form anywhere in the document.
pub(super) fn pair(marks: &[Mark], closed: &HashSet<&str>) -> Pairing {
    let partners = Partners::find(marks, closed);
    let nesting = Nesting::find(marks, &partners);
    let mut pairing = Pairing::default();
    for (index, mark) in marks.iter().enumerate() {
        match (partners.closing_of.get(&index), mark.form) {
            (Some(_), _) if nesting.crossed.contains(&index) => {
                pairing.flaws.push((index, ProblemKind::Crossed));
                pairing.singles.push(index);
            }
            (Some(close), _) => {
                let self_nested = nesting.self_nested.contains(&index);
                pairing.pairs.push(Pair {
                    open: index,
                    close: *close,
                    self_nested,
                });
            }
            (None, _) if partners.opening_of.contains_key(&index) => {}
            (None, Form::Closing) => pairing.flaws.push((index, ProblemKind::Unopened)),
            (None, Form::SelfClosing) => pairing.singles.push(index),
            (None, Form::Opening) => {
                pairing.flaws.push((index, ProblemKind::Unclosed));
                pairing.singles.push(index);
            }
        }
    }
    pairing
}

/// Openings whose pair stands wrongly among the others.
#[derive(Default)]
struct Nesting {
    crossed: HashSet<usize>,
    self_nested: HashSet<usize>,
}

impl Nesting {
    fn find(marks: &[Mark], partners: &Partners) -> Self {
        let mut nesting = Self::default();
        let mut open: Vec<(usize, &str)> = Vec::new();
        let mut open_names: HashMap<&str, usize> = HashMap::new();
        for (index, mark) in marks.iter().enumerate() {
            if partners.closing_of.contains_key(&index) {
                let same = open_names.entry(&mark.key).or_default();
                if *same > 0 {
                    nesting.self_nested.insert(index);
                }
                *same += 1;
                open.push((index, &mark.key));
                continue;
            }
            let Some(opening) = partners.opening_of.get(&index) else {
                continue;
            };
            if nesting.crossed.contains(opening) {
                continue;
            }
            // What was opened after this opening and is still open closes after it: it crosses.
            while let Some((top, name)) = open.pop() {
                open_names
                    .entry(name)
                    .and_modify(|count| *count = count.saturating_sub(1));
                if top == *opening {
                    break;
                }
                nesting.crossed.insert(top);
            }
        }
        nesting
    }
}

/// Openings and closings of one name, whatever stands between them.
#[derive(Default)]
struct Partners {
    closing_of: HashMap<usize, usize>,
    opening_of: HashMap<usize, usize>,
}

impl Partners {
    fn find(marks: &[Mark], closed: &HashSet<&str>) -> Self {
        let mut found = Self::default();
        let mut open: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, mark) in marks.iter().enumerate() {
            let waiting = open.entry(&mark.key).or_default();
            let is_end = match mark.form {
                Form::SelfClosing => continue,
                Form::Closing => true,
                // Without any closing form, the second opening closes the first.
                Form::Opening => !waiting.is_empty() && !closed.contains(mark.key.as_str()),
            };
            if !is_end {
                waiting.push(index);
            } else if let Some(opening) = waiting.pop() {
                found.closing_of.insert(opening, index);
                found.opening_of.insert(index, opening);
            }
        }
        found
    }
}
