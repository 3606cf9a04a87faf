//! The words of the collections: statuses, decisions, categories, and the mark that counts tries.
//!
//! Installations spell them differently. Reading accepts every known spelling; writing uses one, by default ours.

use std::collections::BTreeMap;

/// How long a claimed record may stay unfinished before another run takes it, in minutes.
pub const LEASE_MINUTES: i64 = 15;
/// How many times a record is tried before it ends as failed.
pub const MAX_TRIES: u32 = 3;

/// Known spellings of the status that asks for work.
pub const TRIGGER: [&str; 2] = ["processar", "solicitado"];
/// Known spellings of the status of a record that is being worked on.
pub const RUNNING: [&str; 2] = ["em_processamento", "processando"];
/// Known spellings of the status of a record whose results are stored.
pub const DONE: [&str; 2] = ["concluido", "concluído"];
/// Known spellings of the status of a record that could not be processed.
pub const FAILED: [&str; 1] = ["erro"];
/// Known spellings of the status of a model whose contracts are compared.
pub const PUBLISHED: [&str; 2] = ["publicado", "published"];
/// Known spellings of the status of a record that nobody asked to process yet.
pub const DRAFT: [&str; 2] = ["rascunho", "draft"];

/// What an analyst decides about a modification.
pub const DECISIONS: [&str; 6] = [
    "draft",
    "aceitar",
    "ressalva",
    "ajustar",
    "validacao",
    "recusar",
];
/// The decision of a modification that nobody looked at.
pub const UNDECIDED: &str = "draft";

/// The collections that are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// `modelo_contrato`
    Model,
    /// `versao`
    Version,
}

impl Collection {
    /// The collection's name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "modelo_contrato",
            Self::Version => "versao",
        }
    }

    /// The name for people, in Portuguese.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Model => "modelo",
            Self::Version => "versão",
        }
    }
}

/// What a status means, whatever its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for a processor.
    Waiting,
    /// A processor works on it.
    Running,
    /// Its results are stored.
    Done,
    /// It could not be processed.
    Failed,
    /// A model whose contracts are compared.
    Published,
    /// Nobody asked for anything yet.
    Draft,
    /// A status of the installation's own.
    Other,
}

impl State {
    /// The states that have words of their own.
    pub const WRITTEN: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Published,
        Self::Draft,
    ];

    /// The spellings that are known without being told.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Waiting => &TRIGGER,
            Self::Running => &RUNNING,
            Self::Done => &DONE,
            Self::Failed => &FAILED,
            Self::Published => &PUBLISHED,
            Self::Draft => &DRAFT,
            Self::Other => &[],
        }
    }
}

/// Known spellings of the categories of modifications, ours first.
const CATEGORIES: [&[&str]; 6] = [
    &["inclusao", "adicao", "inclusão", "adição"],
    &["remocao", "remoção", "exclusao"],
    &["modificacao", "modificação", "alteracao"],
    &["comentario", "comentário"],
    &["formatacao", "formatação"],
    &["movimentacao", "movimentação"],
];

/// The spelling that is written for each state and category; what is read may be in any known spelling, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Asks for work.
    pub trigger: String,
    /// Is being worked on.
    pub running: String,
    /// Results are stored.
    pub done: String,
    /// Could not be processed.
    pub failed: String,
    /// A model whose contracts are compared.
    pub published: String,
    /// Nobody asked for anything yet.
    pub draft: String,
    /// The word for a category, by ours; one that is absent is written as it is.
    pub categories: BTreeMap<String, String>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self {
            trigger: "processar".to_owned(),
            running: "em_processamento".to_owned(),
            done: "concluido".to_owned(),
            failed: "erro".to_owned(),
            published: "publicado".to_owned(),
            draft: "rascunho".to_owned(),
            categories: BTreeMap::new(),
        }
    }
}

impl Vocabulary {
    /// The word that is written for a state; `None` for a state of the installation's own.
    #[must_use]
    pub fn word(&self, state: State) -> Option<&str> {
        match state {
            State::Waiting => Some(&self.trigger),
            State::Running => Some(&self.running),
            State::Done => Some(&self.done),
            State::Failed => Some(&self.failed),
            State::Published => Some(&self.published),
            State::Draft => Some(&self.draft),
            State::Other => None,
        }
    }

    /// Reads a status in the configured or any known spelling, whatever its case. A configured word wins over a
    /// known spelling of another state.
    #[must_use]
    pub fn read(&self, status: &str) -> State {
        let status = status.trim().to_lowercase();
        let mut configured = State::WRITTEN.into_iter();
        let configured = configured.find(|state| self.word(*state) == Some(status.as_str()));
        let is_known = |state: &State| state.known().contains(&status.as_str());
        configured
            .or_else(|| State::WRITTEN.into_iter().find(is_known))
            .unwrap_or(State::Other)
    }

    /// Every spelling that is read as a state.
    #[must_use]
    pub fn spellings(&self, state: State) -> Vec<&str> {
        let known = state.known().iter().copied();
        let mut spellings: Vec<&str> = known.chain(self.word(state)).collect();
        spellings.retain(|spelling| self.read(spelling) == state);
        spellings.dedup();
        spellings
    }

    /// The word that is written for one of our categories.
    #[must_use]
    pub fn category<'a>(&'a self, ours: &'a str) -> &'a str {
        self.categories.get(ours).map_or(ours, String::as_str)
    }

    /// Our category for a word of the store; a word that nobody knows stays as it is.
    #[must_use]
    pub fn read_category<'a>(&'a self, word: &'a str) -> &'a str {
        let configured = self.categories.iter().find(|(_, theirs)| *theirs == word);
        if let Some((ours, _)) = configured {
            return ours;
        }
        let known = CATEGORIES
            .iter()
            .find(|spellings| spellings.contains(&word));
        known
            .and_then(|spellings| spellings.first().copied())
            .unwrap_or(word)
    }
}

/// Splits an observation into its text and the number of tries that `[TENT: n/3]` at its end counts.
#[must_use]
pub fn read_tries(observation: &str) -> (&str, u32) {
    let trimmed = observation.trim_end();
    let mark = trimmed
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once("[TENT:"));
    let Some((text, count)) = mark else {
        return (trimmed, 0);
    };
    let tries = count
        .split_once('/')
        .and_then(|(tries, _)| tries.trim().parse().ok());
    tries.map_or((trimmed, 0), |tries| (text.trim_end(), tries))
}

/// An observation with the tries counted at its end; no tries, no mark.
#[must_use]
pub fn write_tries(text: &str, tries: u32) -> String {
    match (text.trim_end(), tries) {
        (text, 0) => text.to_owned(),
        ("", tries) => format!("[TENT: {tries}/{MAX_TRIES}]"),
        (text, tries) => format!("{text} [TENT: {tries}/{MAX_TRIES}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_read_in_the_form_in_which_they_are_written() {
        for (text, tries) in [
            ("", 0),
            ("", 2),
            ("Ver com o jurídico.", 1),
            ("a [TENT: x/3]", 0),
        ] {
            assert_eq!(read_tries(&write_tries(text, tries)), (text, tries));
        }
        assert_eq!(read_tries("nota [TENT: 2/3]  \n"), ("nota", 2));
        assert_eq!(read_tries("[TENT: 1/3] depois"), ("[TENT: 1/3] depois", 0));
    }

    #[test]
    fn every_word_that_is_written_is_read_as_the_same_state() {
        let own = Vocabulary::default();
        let theirs = Vocabulary {
            trigger: "solicitado".to_owned(),
            running: "fila-2".to_owned(),
            draft: "processar".to_owned(),
            ..Vocabulary::default()
        };
        for vocabulary in [&own, &theirs] {
            for state in State::WRITTEN {
                let word = vocabulary.word(state).unwrap();
                assert_eq!(vocabulary.read(word), state);
                assert!(vocabulary.spellings(state).contains(&word));
            }
            assert_eq!(vocabulary.read(" Solicitado "), State::Waiting);
            assert_eq!(vocabulary.read("arquivado"), State::Other);
        }
        assert_eq!(theirs.spellings(State::Waiting), ["solicitado"]);
        assert_eq!(theirs.read("processar"), State::Draft);
        assert_eq!(theirs.read("em_processamento"), State::Running);
    }

    #[test]
    fn categories_are_written_as_configured_and_read_in_every_known_spelling() {
        let vocabulary = Vocabulary {
            categories: [("inclusao".to_owned(), "novo".to_owned())].into(),
            ..Vocabulary::default()
        };
        assert_eq!(vocabulary.category("inclusao"), "novo");
        assert_eq!(vocabulary.category("remocao"), "remocao");
        for word in ["novo", "adicao", "inclusao"] {
            assert_eq!(vocabulary.read_category(word), "inclusao");
        }
        assert_eq!(vocabulary.read_category("outra"), "outra");
    }
}
