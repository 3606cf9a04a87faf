//! How like a tagged template is to its original, once the marks are taken out. Compares words, and nothing else.

use imara_diff::{Algorithm, Diff, InternedInput};

use super::super::model::{Document, is_hidden};
use super::story::{MOST_MARKS, StoryMarks, readable};

/// Pairs of words up to which rare words guide the search.
const HISTOGRAM_PAIRS: usize = 100_000_000;

/// How many words of a difference are quoted.
const QUOTED_WORDS: usize = 12;

/// How much of two texts is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    /// From 0 (nothing in common) to 1 (the same words in the same order).
    pub ratio: f64,
    /// The number of places at which the words differ.
    pub differences: usize,
    /// The first of them.
    pub first: Option<Difference>,
}

/// A place at which a tagged template says something else than its original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path of the paragraph in the tagged template.
    pub path: String,
    /// The words of the original, shortened; empty where it has none.
    pub original: String,
    /// The words of the tagged template, shortened; empty where it has none.
    pub tagged: String,
}

/// Compares the words of a template with those of its tagged copy, marks taken out of both.
#[must_use]
pub fn likeness(original: &Document, tagged: &Document) -> Likeness {
    let (before, after) = (words(original), words(tagged));
    let mut input = InternedInput::default();
    input.update_before(before.iter().map(|word| word.text.as_str()));
    input.update_after(after.iter().map(|word| word.text.as_str()));
    let diff = Diff::compute(algorithm(before.len(), after.len()), &input);
    let (mut differences, mut removed, mut first) = (0, 0, None);
    for hunk in diff.hunks() {
        differences += 1;
        removed += hunk.before.len();
        if first.is_none() {
            let range = |range: std::ops::Range<u32>| range.start as usize..range.end as usize;
            let place = after.get(hunk.after.start as usize).or(after.last());
            first = Some(Difference {
                path: place.map_or_else(String::new, |word| word.path(tagged)),
                original: quote(before.get(range(hunk.before)).unwrap_or_default()),
                tagged: quote(after.get(range(hunk.after)).unwrap_or_default()),
            });
        }
    }
    let all = before.len() + after.len();
    let same = before.len().saturating_sub(removed);
    Likeness {
        ratio: ratio(2 * same, all),
        differences,
        first,
    }
}

/// Rare words guide the search as far as that is quick; longer texts that differ throughout would take it minutes.
fn algorithm(before: usize, after: usize) -> Algorithm {
    if before.saturating_mul(after) <= HISTOGRAM_PAIRS {
        Algorithm::Histogram
    } else {
        Algorithm::Myers
    }
}

struct Word {
    text: String,
    story: usize,
    paragraph: usize,
}

impl Word {
    fn path(&self, document: &Document) -> String {
        document
            .stories
            .get(self.story)
            .map_or_else(String::new, |story| story.path(self.paragraph, 0))
    }
}

fn words(document: &Document) -> Vec<Word> {
    let mut words = Vec::new();
    let mut allowed = MOST_MARKS;
    for (story, found) in readable(document) {
        let text = StoryMarks::read(story, found, &mut allowed);
        let ends = text
            .starts
            .iter()
            .skip(1)
            .copied()
            .chain([text.clean.len()]);
        for (paragraph, (start, end)) in text.starts.iter().zip(ends).enumerate() {
            let clean = text.clean.get(*start..end).unwrap_or_default();
            words.extend(clean.split_whitespace().map(|word| {
                Word {
                    text: word
                        .chars()
                        .filter(|character| !is_hidden(*character))
                        .collect(),
                    story,
                    paragraph,
                }
            }));
        }
    }
    words
}

fn quote(words: &[Word]) -> String {
    let quoted: Vec<&str> = words
        .iter()
        .take(QUOTED_WORDS)
        .map(|word| word.text.as_str())
        .collect();
    let more = if words.len() > QUOTED_WORDS {
        " …"
    } else {
        ""
    };
    format!("{}{more}", quoted.join(" "))
}

/// A ratio of two counts; of nothing to nothing, everything is the same.
fn ratio(part: usize, whole: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 {
        1.0
    } else {
        float(part) / float(whole)
    }
}
