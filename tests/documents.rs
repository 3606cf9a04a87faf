//! The documents' side as its users see it: tags, store, processors, command line. Uses the library's public face only.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and say what they could not look at"
)]

#[path = "records/mod.rs"]
mod behaviour;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use orquestrador::cli::documents::examples::{ExampleImport, import_examples};
use orquestrador::cli::documents::{self, DocumentCommand, Surroundings};
use orquestrador::docx::tags::{self, Severity, Tags};
use orquestrador::docx::{self, Limits};
use orquestrador::domain::Clock;
use orquestrador::processors::{
    Context, ProcessorError, ProcessorExit, Report, automatico, modelo_contrato,
};
use orquestrador::records::{
    self, Access, BaseKind, ClaimResult, Collection, NewFile, NewModel, NewModification, NewReport,
    RecordId, Records, RecordsError, StoreKind, StoreSettings, Vocabulary,
};
use serde::Deserialize;
use serde_json::Value;

/// The shared documents, or `None` where they are absent, which is said.
fn corpus(set: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let root = std::env::var_os("ORQUESTRADOR_CORPUS").map_or(default, PathBuf::from);
    let folder = root.join(set);
    if !folder.is_dir() {
        println!(
            "AUSENTE: {} (defina ORQUESTRADOR_CORPUS); este teste nada verificou",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_case_of_the_tag_corpus_gives_the_pairs_fields_and_kinds_of_problem_that_it_states() {
    let Some(folder) = corpus("tags/ptbr-synthetic") else {
        return;
    };
    let bytes = std::fs::read(folder.join("expected.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(cases.len(), 24);
    for case in &cases {
        let bytes = std::fs::read(folder.join(&case.file)).unwrap();
        case.check(&tags::extract(
            &docx::read(&bytes, &Limits::default()).unwrap(),
        ));
    }
}

#[derive(Deserialize)]
struct Case {
    file: String,
    pairs: Vec<CasePair>,
    singles: Vec<String>,
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct CasePair {
    name: String,
    content: String,
    part: String,
}

impl Case {
    fn check(&self, found: &Tags) {
        let file = &self.file;
        assert_eq!(found.pairs.len(), self.pairs.len(), "{file}");
        for (pair, expected) in found.pairs.iter().zip(&self.pairs) {
            assert_eq!(
                (&pair.written, pair.stored_content()),
                (&expected.name, collapse(&expected.content)),
                "{file}"
            );
            assert!(pair.part.contains(&expected.part), "{file}: {}", pair.part);
        }
        let json: Value = serde_json::from_str(&tags::to_json(found).unwrap()).unwrap();
        let field = |field: &Value| match field["tipo"].as_str().unwrap() {
            "sdt" => format!("sdt:{}", field["nome"].as_str().unwrap()),
            kind => format!("{kind} {}", field["nome"].as_str().unwrap()),
        };
        let fields: Vec<String> = json["campos"]
            .as_array()
            .unwrap()
            .iter()
            .map(field)
            .collect();
        assert_eq!(fields, self.singles, "{file}");
        let mut problems: Vec<_> = found
            .problems
            .iter()
            .map(|problem| (problem.kind.as_str(), problem.kind.severity()))
            .collect();
        problems.dedup();
        let severity = |text: &str| {
            if text.ends_with("(warning)") {
                Severity::Warning
            } else {
                Severity::Error
            }
        };
        let expected: Vec<_> = self
            .errors
            .iter()
            .map(|text| (kind_of(text), severity(text)))
            .collect();
        assert_eq!(problems, expected, "{file}");
    }
}

/// The kind that a case of the corpus means, in our words.
fn kind_of(expected: &str) -> &'static str {
    let kinds = [
        ("unclosed", "unclosed"),
        ("malformed delimiter", "malformed_delimiter"),
        ("duplicate", "duplicate"),
        ("case differs", "case_differs"),
        ("invisible character", "invisible_character"),
        ("tag crosses table", "table_boundary"),
    ];
    kinds
        .iter()
        .find(|(start, _)| expected.starts_with(start))
        .map(|(_, kind)| *kind)
        .unwrap()
}

#[test]
fn templates_of_another_engine_are_read_without_a_panic() {
    let Some(folder) = corpus("tags/docx-templates") else {
        return;
    };
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Ok(document) = docx::read(&bytes, &Limits::default()) {
            assert!(tags::to_json(&tags::extract(&document)).is_ok());
            read += 1;
        }
    }
    assert!(read >= 60, "only {read} were read");
}

// ---------------------------------------------------------------------------------------------------------------------
// The store and the processors.

struct Place {
    folder: tempfile::TempDir,
    instant: Arc<AtomicI64>,
    vocabulary: Vocabulary,
}

impl Place {
    /// An empty data directory at an instant of its own.
    fn new() -> Self {
        let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            instant: Arc::new(AtomicI64::new(start.as_second())),
            vocabulary: Vocabulary::default(),
        }
    }

    /// A data directory with the example documents.
    fn with_examples() -> Self {
        let place = Self::new();
        let import = import_examples(place.open().as_mut(), place.now()).unwrap();
        assert_eq!(
            import,
            ExampleImport::Imported {
                models: 2,
                versions: 2
            }
        );
        place
    }

    fn settings(&self) -> StoreSettings {
        StoreSettings {
            vocabulary: self.vocabulary.clone(),
            ..StoreSettings::new(StoreKind::Embedded, self.folder.path().join("dados"))
        }
    }

    fn open(&self) -> Box<dyn Records> {
        records::open(&self.settings(), Access::Write).unwrap()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.instant.load(Ordering::SeqCst)).unwrap()
    }

    fn pass(&self, minutes: i64) {
        self.instant.fetch_add(minutes * 60, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let instant = Arc::clone(&self.instant);
        Clock::new(move || Timestamp::from_second(instant.load(Ordering::SeqCst)).unwrap())
    }

    fn context(&self) -> Context {
        Context::new(self.open(), self.clock())
    }

    /// Runs the template processor; gives its report, its last line and what it told on standard error.
    fn run_models(&self) -> (Report, String, String) {
        Self::run(&mut self.context(), modelo_contrato::run)
    }

    /// Runs the comparing processor.
    fn run_versions(&self) -> (Report, String, String) {
        Self::run(&mut self.context(), automatico::run)
    }

    fn run(context: &mut Context, processor: Processor) -> (Report, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let report = processor(context, &mut out, &mut err).unwrap();
        let out = String::from_utf8(out).unwrap();
        (
            report,
            out.lines().last().unwrap().to_owned(),
            String::from_utf8(err).unwrap(),
        )
    }

    /// Runs a command line; gives exit code, standard output and standard error.
    fn command(&self, line: &[&str]) -> (u8, String, String) {
        let cli = Cli::try_parse_from(std::iter::once("orquestrador").chain(line.iter().copied()))
            .unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = self.run_command(cli.command, &mut out, &mut err);
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    fn run_command(
        &self,
        command: DocumentCommand,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> u8 {
        let around = Surroundings {
            store: &self.settings(),
            limits: &Limits::default(),
            budget: Duration::from_mins(1),
            now: &|| self.now(),
        };
        documents::run(command, &around, out, err)
    }

    fn json(&self, line: &[&str]) -> Value {
        let (code, out, err) = self.command(line);
        assert_eq!((code, err.as_str()), (0, ""));
        serde_json::from_str(&out).unwrap()
    }

    fn sql(&self, statement: &str) {
        let path = self.folder.path().join("dados/registros.db");
        rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(statement)
            .unwrap();
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("dados").join(folder)) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

type Processor = fn(&mut Context, &mut dyn Write, &mut dyn Write) -> Result<Report, ProcessorError>;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: DocumentCommand,
}

fn example(name: &str) -> String {
    format!("{}/examples/documentos/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn strings<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row[field].as_str().unwrap())
        .collect()
}

fn numbers(rows: &Value, field: &str) -> Vec<Option<i64>> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row[field].as_i64())
        .collect()
}

impl behaviour::Bench for Place {
    fn open(&self) -> Box<dyn Records> {
        Place::open(self)
    }

    fn now(&self) -> Timestamp {
        // A second for each look: claims of one instant could not be told apart.
        self.instant.fetch_add(1, Ordering::SeqCst);
        Place::now(self)
    }
}

#[test]
fn the_embedded_store_does_what_every_store_does() {
    for (name, behaves) in behaviour::SUITE {
        println!("{name}");
        behaves(&Place::new());
    }
}

#[test]
fn the_examples_are_imported_once_processed_once_and_then_nothing_is_pending() {
    let place = Place::with_examples();
    assert_eq!(
        import_examples(place.open().as_mut(), place.now()).unwrap(),
        ExampleImport::NotEmpty
    );
    let (report, summary, err) = place.run_models();
    assert_eq!(
        (report.done, summary.as_str(), err.as_str()),
        (1, "1 modelo, 14 tags", "")
    );
    let (report, summary, err) = place.run_versions();
    assert_eq!(
        (
            report.done,
            report.failed,
            report.reports.len(),
            err.as_str()
        ),
        (2, 0, 2, "")
    );
    assert!(
        summary.starts_with(&format!("2 versões, {} modificações: ", report.results)),
        "{summary}"
    );
    assert!(report.results >= 8, "{summary}");
    assert!(report.reports.iter().all(|path| Path::new(path).is_file()));
    assert_eq!(place.run_models().1, "nada pendente");
    assert_eq!(place.run_versions().1, "nada pendente");
}

#[test]
fn the_example_template_has_nested_numeric_hyphenated_accented_and_split_tags() {
    let place = Place::with_examples();
    place.run_models();
    let tags = place.json(&["listar", "tags", "--de", "2", "--json"]);
    let names = strings(&tags, "tag_nome");
    for name in [
        "partes",
        "contratante",
        "razão-social",
        "1",
        "1.1",
        "1.2",
        "valor-mensal",
        "preço-elétrica",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let package = std::fs::read(example("modelo-servicos-com-tags.docx")).unwrap();
    let document = docx::read(&package, &Limits::default()).unwrap();
    let split = tags::extract(&document)
        .pairs
        .into_iter()
        .find(|pair| pair.name == "contratante")
        .unwrap();
    assert_eq!(split.stored_content(), "Empresa Exemplo Ltda.");
    assert!(
        !String::from_utf8_lossy(&package).contains("{{TAG-contratante}}"),
        "the mark should be split over runs"
    );
}

#[test]
fn the_examples_show_each_kind_of_edit_between_the_two_versions() {
    let place = Place::with_examples();
    place.run_versions();
    let rows = place.json(&["listar", "modificacoes", "--de", "2", "--json"]);
    let categories = strings(&rows, "categoria");
    for category in ["inclusao", "remocao", "modificacao"] {
        assert!(
            categories.contains(&category),
            "{category} is missing in {categories:?}"
        );
    }
    let contents = strings(&rows, "conteudo").join("\n");
    for text in ["3.150,00", "DO SEGURO", "DA SUBLOCAÇÃO", "36 meses", "2"] {
        assert!(contents.contains(text), "{text} is missing in {contents}");
    }
}

#[test]
fn an_imported_model_becomes_tags_and_then_a_published_base_of_comparison() {
    let place = Place::new();
    let (original, tagged) = (
        example("modelo-locacao.docx"),
        example("modelo-locacao-com-tags.docx"),
    );
    let line = [
        "importar",
        "modelo",
        "--original",
        &original,
        "--com-tags",
        &tagged,
        "--nome",
        "Locação",
    ];
    let (code, out, err) = place.command(&line);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("modelo 1 importado: Locação\n")
            && out.contains("marcar modelo 1 publicado"),
        "{out}"
    );
    assert_eq!(place.run_models().1, "1 modelo, 9 tags");
    assert_eq!(
        place
            .command(&[
                "importar", "contrato", "--modelo", "1", "--numero", "7/2026"
            ])
            .0,
        0
    );
    let version = example("contrato-locacao-v1.docx");
    let (_, out, _) = place.command(&["importar", "versao", "--contrato", "1", &version]);
    assert!(
        out.contains("orquestrador marcar modelo 1 publicado"),
        "{out}"
    );
    assert_eq!(
        place.run_versions().1,
        "nada pendente; 1 versão aguarda a publicação do modelo"
    );
    assert_eq!(place.command(&["marcar", "modelo", "1", "publicado"]).0, 0);
    let (report, _, _) = place.run_versions();
    assert_eq!(report.done, 1);
    let (code, location, _) = place.command(&["relatorio", "1"]);
    let target = place.folder.path().join("copia.html");
    let copied = place.command(&["relatorio", "1", "-o", target.to_str().unwrap()]);
    assert_eq!((code, copied.0), (0, 0));
    let html = std::fs::read_to_string(&target).unwrap();
    assert_eq!(html, std::fs::read_to_string(location.trim()).unwrap());
    assert!(
        html.to_lowercase().starts_with("<!doctype html>")
            && html.contains("Papelaria Imaginária Ltda.")
    );
}

#[test]
fn a_report_is_named_by_the_version_and_the_time_and_replaces_the_one_before() {
    let place = Place::with_examples();
    place.run_versions();
    let first = place.files("relatorios");
    assert_eq!(first.len(), 2);
    let name = first[0].file_name().unwrap().to_str().unwrap().to_owned();
    let digits = name
        .strip_prefix("relatorio_diff_1_")
        .unwrap()
        .strip_suffix(".html")
        .unwrap();
    assert!(
        digits.len() == 15 && digits.replace('_', "").parse::<u64>().is_ok(),
        "{name}"
    );
    // Within the same second the name would be the same: the old report must not go with the new one's name.
    place.command(&["marcar", "versao", "1", "processar"]);
    let (report, _, _) = place.run_versions();
    let second = place.files("relatorios");
    assert_eq!(second.len(), 2);
    assert!(
        !first[0].exists()
            && second
                .iter()
                .any(|path| path.ends_with(file_name(&report.reports[0])))
    );
}

#[test]
fn a_replaced_report_that_cannot_be_removed_undoes_nothing_and_is_told() {
    let place = Place::with_examples();
    place.run_versions();
    let old = place.files("relatorios").remove(0);
    std::fs::remove_file(&old).unwrap();
    // No file can be removed there.
    std::fs::create_dir(&old).unwrap();
    place.command(&["marcar", "versao", "1", "processar"]);
    let (report, _, err) = place.run_versions();
    assert_eq!((report.done, report.taken), (1, 0), "{err}");
    assert!(
        err.contains("o relatório substituído não foi removido")
            && err.contains(old.file_name().unwrap().to_str().unwrap()),
        "{err}"
    );
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[test]
fn processing_again_keeps_the_analysts_decisions_and_replaces_what_changed() {
    let place = Place::with_examples();
    place.run_versions();
    let before = place.json(&["listar", "modificacoes", "--de", "2", "--json"]);
    let (kept, gone) = (before[0]["id"].to_string(), before[1]["id"].to_string());
    assert_eq!(
        place
            .command(&[
                "marcar",
                "modificacao",
                &kept,
                "ressalva",
                "--nota",
                "ver com o jurídico"
            ])
            .0,
        0
    );
    place.sql(&format!(
        "UPDATE modificacao SET alteracao = 'outra' WHERE id = {gone}"
    ));
    place.pass(1);
    place.command(&["marcar", "versao", "2", "processar"]);
    place.run_versions();
    let after = place.json(&["listar", "modificacoes", "--de", "2", "--json"]);
    assert_eq!(
        after.as_array().unwrap().len(),
        before.as_array().unwrap().len()
    );
    let decided = after
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == before[0]["id"])
        .unwrap();
    assert_eq!(
        (
            decided["status"].as_str(),
            decided["nota_analista"].as_str()
        ),
        (Some("ressalva"), Some("ver com o jurídico"))
    );
    assert!(
        after
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["id"] != before[1]["id"])
    );
    assert_eq!(
        numbers(&after, "sort"),
        (1..=i64::try_from(after.as_array().unwrap().len()).unwrap())
            .map(Some)
            .collect::<Vec<_>>()
    );
}

#[test]
fn tags_that_did_not_change_keep_their_ids_and_the_clauses_that_point_at_them() {
    let place = Place::with_examples();
    let before = place.json(&["listar", "tags", "--de", "1", "--json"]);
    let clauses = |place: &Place| -> Vec<(String, Option<i64>)> {
        let connection =
            rusqlite::Connection::open(place.folder.path().join("dados/registros.db")).unwrap();
        let mut statement = connection
            .prepare("SELECT nome, tag FROM clausula ORDER BY id")
            .unwrap();
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let linked = clauses(&place);
    assert!(
        linked.len() == 6 && linked.iter().all(|(_, tag)| tag.is_some()),
        "{linked:?}"
    );
    place.sql("UPDATE modelo_contrato_tag SET tag_nome = 'antiga' WHERE tag_nome = 'locadora'");
    place.sql("UPDATE modelo_contrato_tag SET conteudo = 'outro' WHERE tag_nome = 'prazo'");
    place.command(&["marcar", "modelo", "1", "processar"]);
    place.run_models();
    let after = place.json(&["listar", "tags", "--de", "1", "--json"]);
    let pairs = |rows: &Value| -> Vec<(String, i64)> {
        let id = |row: &Value| {
            (
                row["tag_nome"].as_str().unwrap().to_owned(),
                row["id"].as_i64().unwrap(),
            )
        };
        rows.as_array().unwrap().iter().map(id).collect()
    };
    let (before, after) = (pairs(&before), pairs(&after));
    assert_eq!(before[1..], after[1..]);
    assert_eq!(after[0].0, "locadora");
    assert_ne!(after[0].1, before[0].1);
    assert_eq!(clauses(&place), linked);
}

#[test]
fn a_modification_is_linked_to_the_clause_whose_words_it_has() {
    let place = Place::with_examples();
    place.run_versions();
    let connection =
        rusqlite::Connection::open(place.folder.path().join("dados/registros.db")).unwrap();
    let sql = "SELECT m.conteudo, c.nome FROM modificacao m LEFT JOIN clausula c ON c.id = m.clausula WHERE m.versao = 2";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let linked: Vec<(String, Option<String>)> = rows.map(Result::unwrap).collect();
    let clause_of = |text: &str| {
        linked
            .iter()
            .find(|(content, _)| content.contains(text))
            .unwrap()
            .1
            .as_deref()
    };
    assert_eq!(clause_of("3.150,00"), Some("aluguel"));
    assert_eq!(clause_of("É vedada a sublocação"), Some("sublocação"));
    assert_eq!(clause_of("contratará seguro"), None);
    assert_eq!(clause_of("DO SEGURO"), None);
}

#[test]
fn publishing_a_model_without_tags_is_done_with_a_warning() {
    let place = Place::with_examples();
    let (code, out, err) = place.command(&["marcar", "modelo", "2", "publicado"]);
    assert_eq!((code, out.as_str()), (0, "modelo 2: publicado\n"));
    assert!(err.contains("o modelo 2 não tem tags"), "{err}");
    let (_, _, err) = place.command(&["marcar", "modelo", "1", "publicado"]);
    assert_eq!(err, "");
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name_and_left_as_it_is() {
    let place = Place::new();
    let database = place.folder.path().join("dados/registros.db");
    std::fs::create_dir(place.folder.path().join("dados")).unwrap();
    std::fs::write(&database, "isto não é um banco de dados, é um texto").unwrap();
    for access in [Access::Write, Access::ReadOnly] {
        let error = records::open(&place.settings(), access).err().unwrap();
        assert!(error.to_string().contains("registros.db: "), "{error}");
        assert_eq!(ProcessorExit::of_store(&error), ProcessorExit::Unavailable);
    }
    assert_eq!(
        std::fs::read_to_string(database).unwrap(),
        "isto não é um banco de dados, é um texto"
    );
}

#[test]
fn clauses_of_another_model_are_never_linked() {
    let place = Place::with_examples();
    place.sql(
        "INSERT INTO clausula (nome, modelo_contrato) VALUES ('TAG-Valor-Mensal', 2), ('prazo', 2)",
    );
    place.sql("INSERT INTO clausula (numero, modelo_contrato) VALUES ('1.2', 2), ('1.2', 1)");
    place.run_models();
    let connection =
        rusqlite::Connection::open(place.folder.path().join("dados/registros.db")).unwrap();
    let sql = "SELECT t.tag_nome FROM clausula c LEFT JOIN modelo_contrato_tag t ON t.id = c.tag
               WHERE c.id > 6 ORDER BY c.id";
    let mut statement = connection.prepare(sql).unwrap();
    let linked: Vec<Option<String>> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        linked,
        [
            Some("valor-mensal".to_owned()),
            None,
            Some("1.2".to_owned()),
            None
        ]
    );
}

#[test]
fn a_document_that_fails_stops_no_other_and_the_run_says_how_many_of_how_many() {
    let place = Place::with_examples();
    // The first file of the waiting model, and the document of the first version.
    for (file, text) in [(6, "isto não é um documento"), (3, "PK")] {
        std::fs::write(
            place
                .folder
                .path()
                .join(format!("dados/arquivos/{file}.docx")),
            text,
        )
        .unwrap();
    }
    let (report, summary, err) = place.run_models();
    assert_eq!((report.done, report.failed), (0, 1));
    assert_eq!(summary, "falha em 1 de 1 modelos");
    assert!(
        err.starts_with("erro: modelo 2 (Prestação de serviços (exemplo)): arquivo com tags: "),
        "{err}"
    );
    let models = place.json(&["listar", "modelos", "--json"]);
    assert_eq!(strings(&models, "status"), ["erro", "publicado"]);
    assert!(
        models[0]["observacao"]
            .as_str()
            .unwrap()
            .starts_with("Erro: arquivo com tags")
    );
    assert_eq!(models[0]["total_tags"], 0);
    let (report, summary, _) = place.run_versions();
    // The second version is compared with the first, whose document is broken: no fallback.
    assert_eq!(
        (report.done, report.failed, summary.as_str()),
        (0, 2, "falha em 2 de 2 versões")
    );
    assert_eq!(place.files("relatorios").len(), 0);
}

#[test]
fn a_model_that_was_repaired_forgets_the_error_of_its_earlier_try() {
    let place = Place::with_examples();
    let file = place.folder.path().join("dados/arquivos/6.docx");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, "x").unwrap();
    place.run_models();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(place.run_models().1, "nada pendente");
    place.command(&["marcar", "modelo", "2", "solicitado"]);
    assert_eq!(place.run_models().1, "1 modelo, 14 tags");
    assert_eq!(
        place.json(&["listar", "modelos", "--json"])[0]["observacao"],
        ""
    );
}

#[test]
fn a_model_whose_file_is_gone_or_broken_at_the_next_processing_keeps_the_tags_it_had() {
    let place = Place::with_examples();
    let before = place.json(&["listar", "tags", "--de", "1", "--json"]);
    assert!(!before.as_array().unwrap().is_empty());
    for broken in [Some("x"), None] {
        for file in place.files("arquivos") {
            match broken {
                Some(text) => std::fs::write(file, text).unwrap(),
                None => std::fs::remove_file(file).unwrap(),
            }
        }
        place.command(&["marcar", "modelo", "1", "processar"]);
        let (report, _, err) = place.run_models();
        assert!(report.failed > 0, "{err}");
        let statuses = strings_of(&place.json(&["listar", "modelos", "--json"]), "status");
        assert!(
            statuses.iter().all(|status| status == "erro"),
            "{statuses:?}"
        );
        assert_eq!(
            place.json(&["listar", "tags", "--de", "1", "--json"]),
            before
        );
    }
}

fn strings_of(rows: &Value, field: &str) -> Vec<String> {
    strings(rows, field)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn hyphenated_accented_dotted_and_prefixed_names_are_all_stored_and_none_is_lost_in_silence() {
    let names = [
        "prazo-de-entrega",
        "razão_social",
        "1.2.3",
        "valor.total",
        "CLAUSE-Foro",
    ];
    let paragraphs = names.map(|name| {
        format!("<w:p><w:r><w:t>{{{{TAG-{name}}}}}x{{{{/TAG-{name}}}}}</w:t></w:r></w:p>")
    });
    let text = paragraphs.concat();
    let place = Place::new();
    let file = |name: &str| NewFile {
        name: name.to_owned(),
        bytes: packed(&text),
    };
    let model = NewModel {
        name: "nomes".to_owned(),
        original: file("a.docx"),
        tagged: file("b.docx"),
    };
    place.open().import_model(&model, place.now()).unwrap();
    let (report, _, err) = place.run_models();
    assert_eq!((report.done, report.results), (1, names.len()), "{err}");
    let mut stored = strings_of(&place.json(&["listar", "tags", "--json"]), "tag_nome");
    let mut wanted = names.map(str::to_lowercase).to_vec();
    stored.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(stored, wanted);
}

/// A package of a body.
fn packed(body: &str) -> Vec<u8> {
    let word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file(
            "word/document.xml",
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
    write!(
        writer,
        "<w:document xmlns:w=\"{word}\"><w:body>{body}</w:body></w:document>"
    )
    .unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_earlier_version_without_a_file_is_an_error_and_nothing_takes_its_place() {
    let place = Place::with_examples();
    place.sql("UPDATE versao SET arquivo = NULL WHERE id = 1");
    let (report, _, err) = place.run_versions();
    assert_eq!((report.done, report.failed), (0, 2));
    assert!(
        err.contains("a versão não tem arquivo")
            && err.contains("a versão anterior 1 (1) não tem arquivo"),
        "{err}"
    );
    let versions = place.json(&["listar", "versoes", "--json"]);
    assert!(
        strings(&versions, "observacao")
            .iter()
            .all(|text| text.starts_with("Erro: ")),
        "{versions}"
    );
}

#[test]
fn a_version_is_compared_with_the_latest_earlier_one_and_the_first_with_the_models_original() {
    let place = Place::with_examples();
    place.pass(1);
    place.command(&[
        "importar",
        "versao",
        "--contrato",
        "1",
        &example("contrato-locacao-v1.docx"),
    ]);
    let mut records = place.open();
    let mut base_of = |id: &str| {
        let base = records.base_of(&RecordId(id.to_owned())).unwrap();
        (base.kind, base.id.0)
    };
    assert_eq!(base_of("3"), (BaseKind::Version, "2".to_owned()));
    assert_eq!(base_of("2"), (BaseKind::Version, "1".to_owned()));
    assert_eq!(base_of("1"), (BaseKind::Model, "1".to_owned()));
}

#[test]
fn a_dry_run_does_everything_but_writes() {
    let place = Place::with_examples();
    let database = place.folder.path().join("dados/registros.db");
    let dump = || {
        place.json(&["listar", "modelos", "--json"]).to_string()
            + &place.json(&["listar", "versoes", "--json"]).to_string()
    };
    let before = (dump(), std::fs::read(&database).unwrap());
    let records = records::open(&place.settings(), Access::ReadOnly).unwrap();
    let mut context = Context {
        dry_run: true,
        ..Context::new(records, place.clock())
    };
    let (report, summary, _) = Place::run(&mut context, modelo_contrato::run);
    assert_eq!(
        (report.done, summary.as_str()),
        (1, "simulação, nada gravado: 1 modelo, 14 tags")
    );
    let (report, summary, _) = Place::run(&mut context, automatico::run);
    assert!(
        report.done == 2
            && report.reports.is_empty()
            && summary.starts_with("simulação, nada gravado: 2 versões")
    );
    assert_eq!(before, (dump(), std::fs::read(&database).unwrap()));
    assert_eq!(place.files("relatorios").len(), 0);
}

#[test]
fn looking_at_a_store_that_does_not_exist_creates_nothing() {
    let place = Place::new();
    assert_eq!(
        place.json(&["listar", "modelos", "--json"]),
        Value::Array(Vec::new())
    );
    let records = records::open(&place.settings(), Access::ReadOnly).unwrap();
    let mut context = Context {
        dry_run: true,
        ..Context::new(records, place.clock())
    };
    assert_eq!(
        Place::run(&mut context, modelo_contrato::run).1,
        "simulação, nada gravado: nada pendente"
    );
    assert!(!place.folder.path().join("dados").exists());
}

#[test]
fn a_stop_gives_the_claimed_record_back_to_its_trigger_status_without_counting_a_try() {
    let place = Place::with_examples();
    let mut context = place.context();
    // The clock is asked before each document: the stop comes while the first one is in work.
    let (stop, clock, asked) = (Arc::clone(&context.stop), place.clock(), AtomicI64::new(0));
    context.clock = Clock::new(move || {
        stop.store(asked.fetch_add(1, Ordering::SeqCst) >= 2, Ordering::SeqCst);
        clock.now()
    });
    let result = automatico::run(&mut context, &mut Vec::new(), &mut Vec::new());
    assert_eq!(ProcessorExit::of(&result), ProcessorExit::Temporary);
    let versions = place.json(&["listar", "versoes", "--json"]);
    assert_eq!(strings(&versions, "status"), ["processar", "processar"]);
    assert_eq!(strings(&versions, "observacao"), ["", ""]);
    assert_eq!(place.run_versions().0.done, 2);
}

#[test]
fn a_document_that_takes_longer_than_its_budget_fails_and_the_others_go_on() {
    let place = Place::with_examples();
    let mut context = place.context();
    context.document_budget = Duration::from_mins(1);
    let (clock, asked) = (place.clock(), AtomicI64::new(0));
    context.clock = Clock::new(move || {
        // From its budget's start on, the first document meets a clock that has gone on by an hour.
        let late = asked.fetch_add(1, Ordering::SeqCst) == 3;
        clock.now() + jiff::SignedDuration::from_hours(i64::from(late))
    });
    let (report, _, err) = Place::run(&mut context, automatico::run);
    assert_eq!((report.done, report.failed), (1, 1));
    assert!(err.contains("passou do seu tempo de 60 s"), "{err}");
}

#[test]
fn only_one_of_several_processes_gets_a_record() {
    let place = Place::with_examples();
    let id: RecordId = "1".parse().unwrap();
    let claims: Vec<ClaimResult> = std::thread::scope(|scope| {
        let claim = || {
            place
                .open()
                .claim(Collection::Version, &id, place.now())
                .unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let ours = claims
        .iter()
        .filter(|claim| matches!(claim, ClaimResult::Ours(_)))
        .count();
    assert_eq!((ours, claims.len()), (1, 8));
    assert_eq!(
        strings(&place.json(&["listar", "versoes", "--json"]), "status"),
        ["processar", "em_processamento"]
    );
}

#[test]
fn a_store_that_does_not_exist_is_created_once_by_processes_that_open_it_together() {
    for _ in 0..100 {
        let place = Place::new();
        let gate = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let open = || {
                gate.wait();
                place.open().is_empty().unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
    }
}

#[test]
fn a_record_whose_lease_passed_is_taken_again_and_ends_in_error_after_the_third_try() {
    for collection in [Collection::Version, Collection::Model] {
        let place = Place::with_examples();
        let id: RecordId = "2".parse().unwrap();
        let take = || place.open().claim(collection, &id, place.now()).unwrap();
        for tries in 1..=3 {
            let ClaimResult::Ours(claim) = take() else {
                panic!("try {tries} of {collection:?}")
            };
            assert_eq!(claim.tries, tries);
            place.pass(14);
            assert_eq!(take(), ClaimResult::Taken);
            place.pass(2);
        }
        if collection == Collection::Version {
            let observation = place.json(&["listar", "versoes", "--json"])[0]["observacao"].clone();
            assert_eq!(observation, "[TENT: 3/3]");
        }
        assert_eq!(take(), ClaimResult::Exhausted);
        let listed = if collection == Collection::Version {
            "versoes"
        } else {
            "modelos"
        };
        let row = place.json(&["listar", listed, "--json"])[0].clone();
        assert_eq!(
            (row["status"].as_str(), row["observacao"].as_str()),
            (Some("erro"), Some("Erro: 3 tentativas sem conclusão"))
        );
    }
}

#[test]
fn a_processor_that_lost_its_record_stores_nothing() {
    let place = Place::with_examples();
    let mut records = place.open();
    let id: RecordId = "2".parse().unwrap();
    let ClaimResult::Ours(slow) = records
        .claim(Collection::Version, &id, place.now())
        .unwrap()
    else {
        panic!()
    };
    place.pass(16);
    let ClaimResult::Ours(quick) = records
        .claim(Collection::Version, &id, place.now())
        .unwrap()
    else {
        panic!()
    };
    let report = NewReport {
        name: "relatorio_diff_2_x.html".to_owned(),
        html: "<!doctype html>".to_owned(),
    };
    let rows = vec![NewModification {
        category: "inclusao".to_owned(),
        ..NewModification::default()
    }];
    let lost = records.store_comparison(&slow, &rows, &report, place.now());
    assert!(
        matches!(lost, Err(RecordsError::ClaimLost { .. })),
        "{lost:?}"
    );
    assert_eq!(place.files("relatorios").len(), 0);
    let stored = records
        .store_comparison(&quick, &rows, &report, place.now())
        .unwrap();
    assert_eq!((stored.total, place.files("relatorios").len()), (1, 1));
}

#[test]
fn what_cannot_be_stored_whole_leaves_the_earlier_results_as_they_were() {
    let place = Place::with_examples();
    place.run_versions();
    let before = place.json(&["listar", "modificacoes", "--json"]);
    let reports = place.files("relatorios");
    place.command(&["marcar", "versao", "2", "processar"]);
    place.sql("CREATE TRIGGER cheio BEFORE UPDATE ON modificacao BEGIN SELECT raise(ABORT, 'disco cheio'); END");
    let result = automatico::run(&mut place.context(), &mut Vec::new(), &mut Vec::new());
    assert_eq!(ProcessorExit::of(&result), ProcessorExit::Unavailable);
    assert_eq!(place.json(&["listar", "modificacoes", "--json"]), before);
    assert_eq!(place.files("relatorios"), reports);
    assert_eq!(
        strings(&place.json(&["listar", "versoes", "--json"]), "status")[0],
        "processar"
    );
}

#[test]
fn rows_that_are_not_there_when_they_are_counted_undo_everything() {
    let place = Place::with_examples();
    place.sql(
        "CREATE TRIGGER some AFTER INSERT ON modelo_contrato_tag WHEN NEW.sort = 3
               BEGIN DELETE FROM modelo_contrato_tag WHERE id = NEW.id; END",
    );
    let (report, _, err) = place.run_models();
    assert_eq!((report.done, report.failed), (0, 1));
    assert!(
        err.contains("14 linhas foram gravadas e 13 lidas de volta"),
        "{err}"
    );
    assert_eq!(
        place.json(&["listar", "tags", "--de", "2", "--json"]),
        Value::Array(Vec::new())
    );
    assert_eq!(
        strings(&place.json(&["listar", "modelos", "--json"]), "status")[0],
        "erro"
    );
}

#[test]
fn at_most_ten_models_are_taken_in_one_run_oldest_first() {
    let place = Place::new();
    let bytes = std::fs::read(example("modelo-locacao.docx")).unwrap();
    let file = || NewFile {
        name: "a.docx".to_owned(),
        bytes: bytes.clone(),
    };
    for number in 1..=12 {
        let model = NewModel {
            name: format!("m{number}"),
            original: file(),
            tagged: file(),
        };
        place.pass(1);
        place.open().import_model(&model, place.now()).unwrap();
    }
    let (report, summary, err) = place.run_models();
    assert_eq!((report.done, report.remaining), (10, 2));
    assert_eq!(summary, "10 modelos, 0 tags, 10 avisos; mais 2 aguardam");
    assert!(
        err.lines()
            .all(|line| line.contains("nenhuma tag encontrada")),
        "{err}"
    );
    let status = place.json(&["listar", "modelos", "--json"]);
    assert_eq!(
        strings(&status, "status")[..3],
        ["processar", "processar", "concluido"]
    );
}

#[test]
fn a_store_of_a_newer_program_is_refused_and_left_as_it_is() {
    let place = Place::with_examples();
    place.sql("PRAGMA user_version = 99");
    for access in [Access::Write, Access::ReadOnly] {
        let error = records::open(&place.settings(), access).err().unwrap();
        assert!(
            matches!(error, RecordsError::NewerSchema { found: 99, .. }),
            "{error}"
        );
        assert_eq!(ProcessorExit::of_store(&error), ProcessorExit::Unavailable);
    }
    let (code, out, err) = place.command(&["listar", "modelos"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("registros.db foi gravado por uma versão mais nova"),
        "{err}"
    );
}

#[test]
fn a_directus_that_is_down_ends_the_run_as_unavailable_and_the_token_is_told_nowhere() {
    let place = Place::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/admin/", closed.local_addr().unwrap());
    drop(closed);
    let kind = StoreKind::Directus {
        url: url.clone(),
        token: "segredo".to_owned().into(),
    };
    let settings = StoreSettings {
        kind,
        ..place.settings()
    };
    let records = records::open(&settings, Access::Write).unwrap();
    let address = url.replace("/admin/", "");
    assert_eq!(records.location(), format!("Directus, em {address}"));
    let mut context = Context::new(records, place.clock());
    let result = automatico::run(&mut context, &mut Vec::new(), &mut Vec::new());
    assert_eq!(ProcessorExit::of(&result), ProcessorExit::Unavailable);
    let told = result.err().unwrap().to_string();
    assert!(
        told.contains(&address) && told.contains("sem conexão"),
        "{told}"
    );
    let metrics = context.metrics.text().unwrap();
    let line = "records_requests_total{operation=\"pending\",result=\"unreachable\"} 4";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    for text in [told, metrics, format!("{settings:?}{context:?}")] {
        assert!(!text.contains("segredo"), "{text}");
    }
}

#[test]
fn a_file_that_is_no_document_is_refused_by_name_and_nothing_is_stored() {
    let place = Place::new();
    let good = example("modelo-locacao.docx");
    let path = |name: &str, bytes: &[u8]| {
        let path = place.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = std::fs::read(&good).unwrap();
    let large = path("grande.docx", b"");
    std::fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(50 * 1024 * 1024 + 1)
        .unwrap();
    let cases = [
        (path("texto.docx", "só texto".as_bytes()), ""),
        (path("vazio.docx", b""), "está vazio"),
        (path("cortado.docx", &whole[..whole.len() / 2]), ""),
        (
            place.folder.path().to_str().unwrap().to_owned(),
            "é um diretório",
        ),
        (
            place
                .folder
                .path()
                .join("nada.docx")
                .to_str()
                .unwrap()
                .to_owned(),
            "não existe",
        ),
        (large, "o limite \"arquivo\""),
    ];
    for (file, expected) in cases {
        let lines: [&[&str]; 3] = [
            &[
                "importar",
                "modelo",
                "--original",
                &good,
                "--com-tags",
                &file,
            ],
            &["tags", &file, "--json"],
            &["comparar", &good, &file],
        ];
        for line in lines {
            let (code, out, err) = place.command(line);
            assert_eq!(
                (code, out.as_str(), err.lines().count()),
                (1, "", 1),
                "{line:?}: {err}"
            );
            assert!(
                err.starts_with(&format!("erro: {file}: ")) && err.contains(expected),
                "{err}"
            );
        }
    }
    assert!(!place.folder.path().join("dados").exists());
}

#[test]
fn a_status_or_record_that_does_not_exist_is_said_with_what_may_be_given() {
    let place = Place::with_examples();
    let (code, _, err) = place.command(&["marcar", "modelo", "1", "pronto"]);
    assert_eq!(code, 2);
    assert_eq!(
        err,
        "erro: status \"pronto\" desconhecido para modelo; use um destes: processar, publicado, concluido, erro, rascunho\n"
    );
    assert_eq!(
        place.command(&["marcar", "modificacao", "1", "talvez"]).0,
        2
    );
    assert_eq!(
        place
            .command(&["marcar", "modelo", "1", "publicado", "--nota", "x"])
            .0,
        2
    );
    let (code, _, err) = place.command(&["marcar", "versao", "9", "processar"]);
    assert_eq!((code, err.as_str()), (1, "erro: versão 9 não existe\n"));
    assert_eq!(place.command(&["relatorio", "2"]).0, 1);
    assert_eq!(
        place
            .command(&["importar", "contrato", "--modelo", "x", "--numero", "1"])
            .2,
        "erro: modelo x não existe\n"
    );
}

#[test]
fn a_list_longer_than_its_limit_says_so_and_json_stays_pure() {
    let place = Place::with_examples();
    let (code, out, err) = place.command(&["listar", "tags", "--limite", "3", "--json"]);
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, rows.as_array().unwrap().len()), (0, 3));
    assert_eq!(
        err,
        "aviso: há mais registros; mostrados 3 (use --limite)\n"
    );
    let (_, table, err) = place.command(&["listar", "contratos"]);
    assert_eq!((table.lines().count(), err.as_str()), (2, ""));
    assert!(table.contains("EX-001"));
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let place = Place::with_examples();
    let mut err = Vec::new();
    let command = Cli::try_parse_from(["orquestrador", "listar", "tags"])
        .unwrap()
        .command;
    assert_eq!(place.run_command(command, &mut Closed, &mut err), 0);
    assert!(err.is_empty());
    assert_eq!(
        modelo_contrato::run(&mut place.context(), &mut Closed, &mut Closed)
            .unwrap()
            .done,
        1
    );
}

#[test]
fn tags_of_a_file_are_shown_for_eyes_and_as_json() {
    let place = Place::new();
    let file = example("modelo-servicos-com-tags.docx");
    let json = place.json(&["tags", &file, "--json"]);
    let first = &json["pares"][0];
    assert_eq!(
        (first["nome"].as_str(), first["parte"].as_str()),
        (Some("partes"), Some("word/document.xml"))
    );
    assert_eq!(first["caminho_inicio"], "word/document.xml#b2/p2/r1@0");
    assert_eq!(json["avulsas"][0]["nome"], "assinatura");
    assert_eq!(
        (
            json["campos"].as_array().unwrap().len(),
            json["problemas"].as_array().unwrap().len()
        ),
        (0, 0)
    );
    let (code, out, err) = place.command(&["tags", &file]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.ends_with("pares: 13, avulsas: 1, campos: 0, problemas: 0\n"),
        "{out}"
    );
}

#[test]
fn two_files_are_compared_for_eyes_as_json_and_as_a_report_and_the_result_can_be_verified() {
    let place = Place::new();
    let (old, new) = (
        example("contrato-locacao-v1.docx"),
        example("contrato-locacao-v2.docx"),
    );
    let json = place.json(&["comparar", &old, &new, "--json", "--verificar"]);
    let changes = json["modificacoes"].as_array().unwrap();
    assert!(
        changes.len() >= 6
            && changes
                .iter()
                .all(|row| row["caminho"].as_str().unwrap().contains('#'))
    );
    assert!(json["formatacao"].is_array() && json["resumo"]["revisoes"].as_u64().unwrap() > 0);
    let report = place.folder.path().join("r.html");
    let (code, out, _) = place.command(&[
        "comparar",
        &old,
        &new,
        "-o",
        report.to_str().unwrap(),
        "--verificar",
    ]);
    assert_eq!(code, 0);
    assert!(out.contains("verificado"), "{out}");
    assert!(
        std::fs::read_to_string(report)
            .unwrap()
            .contains("3.150,00")
    );
}
