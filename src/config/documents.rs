//! What the document processors may be told: limits of untrusted files, how much of the queue one run takes, and the
//! words of the store. Refuses to know what a document is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::Section;
use super::value;
use crate::docx::Limits;
use crate::domain::collections::COLLECTIONS;

/// Entries, attributes, events and the like, at most: what a limit may be raised to.
const MOST: i64 = 1_000_000_000;
/// Deeper than this no limit may allow: an element's place is kept for each level.
const DEEPEST: i64 = 65_536;
/// Records of one run, at most.
const MOST_RECORDS: i64 = 1_000_000;

/// The states of a record, by the words that are written by default.
pub const STATES: [&str; 6] = [
    "processar",
    "em_processamento",
    "concluido",
    "erro",
    "publicado",
    "rascunho",
];
/// The categories of a modification, by the words that are written by default.
pub const CATEGORIES: [&str; 6] = [
    "inclusao",
    "remocao",
    "modificacao",
    "comentario",
    "formatacao",
    "movimentacao",
];

/// How documents are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSettings {
    /// What one file may cost.
    pub limits: Limits,
    /// The time that one document has.
    pub budget: Duration,
    /// Models that one run takes at most.
    pub models_per_run: usize,
    /// Versions that one run takes at most.
    pub versions_per_run: usize,
}

impl Default for DocumentSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            budget: Duration::from_mins(1),
            models_per_run: 10,
            versions_per_run: 50,
        }
    }
}

/// How the documents' store spells states and categories: from our word to its word, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreWords {
    /// By [`STATES`].
    pub states: BTreeMap<&'static str, String>,
    /// By [`CATEGORIES`].
    pub categories: BTreeMap<&'static str, String>,
}

/// How the documents' store calls collections and fields where it is not ours, and how its claims work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRules {
    /// How long a claimed record may stay unfinished before another run takes it.
    pub lease: Duration,
    /// How long a claim is left to settle before it is read again.
    pub settle: Duration,
    /// By our name of the collection.
    pub collections: BTreeMap<&'static str, String>,
    /// By our names of collection and field.
    pub fields: BTreeMap<(&'static str, &'static str), String>,
}

impl Default for StoreRules {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(15),
            settle: Duration::from_millis(300),
            collections: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }
}

impl Default for StoreWords {
    fn default() -> Self {
        let own = |words: [&'static str; 6]| words.map(|word| (word, word.to_owned())).into();
        Self {
            states: own(STATES),
            categories: own(CATEGORIES),
        }
    }
}

/// Reads `[documentos]`; what it does not say keeps its default.
pub(super) fn read(section: &mut Section<'_>) -> DocumentSettings {
    let mut settings = DocumentSettings::default();
    set(
        &mut settings.models_per_run,
        section.count("modelos_por_execucao", MOST_RECORDS),
    );
    set(
        &mut settings.versions_per_run,
        section.count("versoes_por_execucao", MOST_RECORDS),
    );
    set(
        &mut settings.budget,
        section.parsed("tempo", value::positive_duration),
    );
    if let Some(mut section) = section.section("limites") {
        read_limits(&mut settings.limits, &mut section);
        section.finish(&[]);
    }
    settings
}

fn read_limits(limits: &mut Limits, section: &mut Section<'_>) {
    let sizes = [
        ("arquivo", &mut limits.file_bytes),
        ("parte", &mut limits.part_bytes),
        ("total", &mut limits.total_bytes),
        ("razao_apos", &mut limits.ratio_free_bytes),
        ("valor_de_atributo", &mut limits.attribute_bytes),
        ("texto", &mut limits.text_bytes),
    ];
    for (key, limit) in sizes {
        set(limit, section.parsed(key, value::limit_size));
    }
    let counts = [
        ("entradas", &mut limits.entries, MOST),
        ("razao", &mut limits.ratio, MOST),
        ("profundidade", &mut limits.depth, DEEPEST),
        ("atributos", &mut limits.attributes, MOST),
        ("eventos", &mut limits.events, MOST),
        ("paragrafos", &mut limits.paragraphs, MOST),
        ("alteracoes", &mut limits.changes, MOST),
    ];
    for (key, limit, most) in counts {
        set(limit, section.count(key, most).map(|count| count as u64));
    }
}

/// Reads what `[registros]` says of claims and names.
pub(super) fn read_rules(store: &mut Section<'_>) -> StoreRules {
    let mut rules = StoreRules::default();
    set(
        &mut rules.lease,
        store.parsed("prazo", value::positive_duration),
    );
    set(
        &mut rules.settle,
        store.parsed("confirmacao", value::duration),
    );
    if let Some(mut section) = store.section("colecoes") {
        for (ours, _) in COLLECTIONS {
            let theirs = section.parsed(ours, value::store_word);
            rules
                .collections
                .extend(theirs.map(|theirs| (ours, theirs)));
        }
        section.finish(&[]);
    }
    if let Some(mut section) = store.section("campos") {
        for (collection, fields) in COLLECTIONS {
            let Some(mut section) = section.section(collection) else {
                continue;
            };
            for ours in fields {
                let theirs = section.parsed(ours, value::store_word);
                rules
                    .fields
                    .extend(theirs.map(|theirs| ((collection, *ours), theirs)));
            }
            section.finish(&[]);
        }
        section.finish(&[]);
    }
    rules
}

/// Reads `[registros.estados]` and `[registros.categorias]`.
pub(super) fn read_words(store: &mut Section<'_>) -> StoreWords {
    let mut words = StoreWords::default();
    for (key, words) in [
        ("estados", &mut words.states),
        ("categorias", &mut words.categories),
    ] {
        let Some(mut section) = store.section(key) else {
            continue;
        };
        for (ours, theirs) in words.iter_mut() {
            set(theirs, section.parsed(ours, value::store_word));
        }
        // Two states of one word could not be told apart; two categories may be one to an installation.
        if key == "estados" {
            refuse_twins(words, &mut section);
        }
        section.finish(&[]);
    }
    words
}

fn refuse_twins(words: &BTreeMap<&'static str, String>, section: &mut Section<'_>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (ours, theirs) in words {
        if let Some(other) = seen.insert(theirs, ours) {
            section.problem(
                ours,
                format!("{theirs:?} já é a palavra de {other}; esperada uma para cada estado"),
            );
        }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::*;

    fn read_text(text: &str) -> (DocumentSettings, StoreWords, Vec<String>) {
        let mut problems = Problems::default();
        let mut root = Section::new(text.parse().expect("TOML"), "", &mut problems);
        let mut settings = DocumentSettings::default();
        if let Some(mut section) = root.section("documentos") {
            settings = read(&mut section);
            section.finish(&[]);
        }
        let mut words = StoreWords::default();
        if let Some(mut section) = root.section("registros") {
            words = read_words(&mut section);
            section.finish(&[]);
        }
        let told = problems.finish(()).err().map_or_else(Vec::new, |error| {
            error.problems.iter().map(ToString::to_string).collect()
        });
        (settings, words, told)
    }

    #[test]
    fn every_limit_can_be_set_and_what_is_not_set_keeps_its_default() {
        let (settings, _, told) = read_text(
            "[documentos]\nmodelos_por_execucao = 3\nversoes_por_execucao = 4\ntempo = \"5s\"\n[documentos.limites]\n\
             arquivo = \"1MiB\"\nentradas = 2\nparte = 3\ntotal = 4\nrazao = 5\nrazao_apos = 6\nprofundidade = 7\n\
             atributos = 8\nvalor_de_atributo = 9\ntexto = 10\neventos = 11\nparagrafos = 12\nalteracoes = 13\n",
        );
        let limits = Limits {
            file_bytes: 1 << 20,
            entries: 2,
            part_bytes: 3,
            total_bytes: 4,
            ratio: 5,
            ratio_free_bytes: 6,
            depth: 7,
            attributes: 8,
            attribute_bytes: 9,
            text_bytes: 10,
            events: 11,
            paragraphs: 12,
            changes: 13,
        };
        assert_eq!((settings.limits, told), (limits, vec![]));
        assert_eq!((settings.models_per_run, settings.versions_per_run), (3, 4));
        assert_eq!(settings.budget, Duration::from_secs(5));
        let (settings, words, told) = read_text("[documentos.limites]\ntexto = \"1KiB\"\n");
        assert_eq!(settings.limits.text_bytes, 1024);
        assert_eq!(settings.limits.depth, Limits::default().depth);
        assert_eq!((words, told), (StoreWords::default(), vec![]));
    }

    #[test]
    fn wrong_limits_and_words_are_told_by_their_keys_all_at_once() {
        let (_, _, told) = read_text(
            "[documentos]\ntempo = 0\n[documentos.limites]\narquivo = \"muito\"\nprofundidade = 0\ntextos = 1\n\
             [registros.estados]\nprocessar = \"erro\"\nconcluido = \"é 'isto'\"\n[registros.categorias]\nadicao = \"x\"\n",
        );
        let begins = [
            "documentos.tempo: ",
            "documentos.limites.arquivo: ",
            "documentos.limites.profundidade: ",
            "documentos.limites.textos: chave desconhecida; talvez texto?",
            "registros.estados.concluido: ",
            "registros.estados.processar: ",
            "registros.categorias.adicao: chave desconhecida",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (problem, begin) in told.iter().zip(begins) {
            assert!(problem.starts_with(begin), "{problem} begins with {begin}");
        }
    }

    #[test]
    fn a_store_may_spell_states_and_categories_in_its_own_words() {
        let (_, words, told) = read_text(
            "[registros.estados]\nprocessar = \"solicitado\"\n[registros.categorias]\ninclusao = \"adicao\"\n",
        );
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(words.states["processar"], "solicitado");
        assert_eq!(words.categories["inclusao"], "adicao");
        assert_eq!(words.categories["remocao"], "remocao");
    }

    #[test]
    fn a_store_may_call_collections_and_fields_in_its_own_way_and_wrong_names_of_ours_are_told() {
        let read = |text: &str| {
            let mut problems = Problems::default();
            let mut section = Section::new(text.parse().expect("TOML"), "registros", &mut problems);
            let rules = read_rules(&mut section);
            section.finish(&[]);
            let told = problems.finish(()).err();
            (rules, told.map_or_else(Vec::new, |error| error.problems))
        };
        let (rules, told) = read(
            "prazo = \"5m\"\nconfirmacao = \"1s\"\n[colecoes]\nversao = \"versoes\"\n[campos.versao]\nobservacao = \"obs\"\n",
        );
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(
            (rules.lease, rules.settle),
            (Duration::from_mins(5), Duration::from_secs(1))
        );
        assert_eq!(rules.collections["versao"], "versoes");
        assert_eq!(rules.fields[&("versao", "observacao")], "obs");
        let (rules, told) =
            read("prazo = 0\n[campos.versao]\nobservacoes = \"x\"\n[campos.versoes]\nid = \"x\"\n");
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(rules, StoreRules::default());
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[1].contains("talvez observacao?") && told[2].contains("talvez versao?"),
            "{told:?}"
        );
    }
}
