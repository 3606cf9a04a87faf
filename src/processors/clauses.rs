//! Which clause of the model a modification belongs to, by the words that both have. Knows no store and no document.

use std::collections::{HashMap, HashSet};

use crate::records::{RecordId, StoredClause};

/// From this share of common words on, a modification is linked to a clause without asking.
const AUTOMATIC: f64 = 0.8;

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
    pub(super) fn find(&self, text: &str) -> Option<RecordId> {
        let words = words(text);
        let mut common: HashMap<usize, u32> = HashMap::new();
        for index in words
            .iter()
            .filter_map(|word| self.by_word.get(word))
            .flatten()
        {
            *common.entry(*index).or_default() += 1;
        }
        let best = common
            .into_iter()
            .max_by_key(|(index, count)| (*count, std::cmp::Reverse(*index)));
        let (index, count) = best?;
        let all = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let enough = f64::from(count) >= AUTOMATIC * f64::from(all);
        self.clauses
            .get(index)
            .filter(|_| enough)
            .map(|clause| clause.id.clone())
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
        let changed = "O aluguel mensal é de R$ 3.150,00, com vencimento no quinto dia útil.";
        assert_eq!(clauses.find(changed), Some(RecordId("2".to_owned())));
        assert_eq!(
            clauses.find("A locatária contratará seguro contra incêndio."),
            None
        );
        assert_eq!(clauses.find(""), None);
    }
}
