//! Which clause of the model a modification belongs to, by the words that both have. Knows no store and no document.

use std::collections::{HashMap, HashSet};

use crate::records::{RecordId, StoredClause};

/// From this share of common words on, a modification is linked to a clause without asking.
const AUTOMATIC: f64 = 0.8;
/// From this share on, it is linked and a person should look.
const FOR_REVIEW: f64 = 0.5;
/// Fewer words say nothing about a clause: a number in a table's cell stands in many.
const LEAST_WORDS: usize = 4;

/// A clause that was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Match {
    pub(super) clause: RecordId,
    /// The clause's number and name.
    pub(super) name: String,
    /// The share of the text's words that the clause has, from 0.5 to 1.
    pub(super) score: f64,
}

impl Match {
    /// Whether a person should look at the link.
    pub(super) fn needs_review(&self) -> bool {
        self.score < AUTOMATIC
    }
}

/// The clauses of a model, ready to be asked.
pub(super) struct Clauses<'a> {
    clauses: &'a [StoredClause],
    by_word: HashMap<String, Vec<usize>>,
}

impl<'a> Clauses<'a> {
    pub(super) fn new(clauses: &'a [StoredClause]) -> Self {
        let mut by_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, clause) in clauses.iter().enumerate() {
            for word in words(&clause.content) {
                by_word.entry(word).or_default().push(index);
            }
        }
        Self { clauses, by_word }
    }

    /// The clause that has most of a text's words, if it has enough of them; of equals, the first.
    pub(super) fn find(&self, text: &str) -> Option<Match> {
        let words = words(text);
        if words.len() < LEAST_WORDS {
            return None;
        }
        let mut common: HashMap<usize, u32> = HashMap::new();
        for index in words
            .iter()
            .filter_map(|word| self.by_word.get(word))
            .flatten()
        {
            *common.entry(*index).or_default() += 1;
        }
        let (index, count) = common
            .into_iter()
            .max_by_key(|(index, count)| (*count, std::cmp::Reverse(*index)))?;
        let score = f64::from(count) / f64::from(u32::try_from(words.len()).unwrap_or(u32::MAX));
        let clause = self.clauses.get(index).filter(|_| score >= FOR_REVIEW)?;
        let name = format!("{} {}", clause.number, clause.name)
            .trim()
            .to_owned();
        Some(Match {
            clause: clause.id.clone(),
            name,
            score,
        })
    }
}

/// The different words of a text, in lower case and without punctuation at their ends.
fn words(text: &str) -> HashSet<String> {
    let trimmed = text
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()));
    trimmed
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reworded_sentence_finds_its_clause_and_new_text_finds_none() {
        let clause = |id: &str, content: &str| StoredClause {
            id: RecordId(id.to_owned()),
            number: String::new(),
            name: String::new(),
            content: content.to_owned(),
        };
        let stored = [
            clause("1", "O foro é o da sede da locadora."),
            clause(
                "2",
                "O aluguel mensal é de R$ 3.200,00, com vencimento no quinto dia útil.",
            ),
        ];
        let clauses = Clauses::new(&stored);
        let changed = clauses
            .find("O aluguel mensal é de R$ 3.150,00, com vencimento no quinto dia útil.")
            .unwrap();
        assert_eq!(
            (changed.clause.0.as_str(), changed.needs_review()),
            ("2", false)
        );
        let reworded = clauses
            .find("O aluguel mensal de R$ 9 vence todo quinto dia do trimestre.")
            .unwrap();
        assert_eq!(
            (reworded.clause.0.as_str(), reworded.needs_review()),
            ("2", true)
        );
        assert_eq!(
            clauses.find("A locatária contratará seguro contra incêndio."),
            None
        );
        assert_eq!((clauses.find("dia útil"), clauses.find("")), (None, None));
    }
}
