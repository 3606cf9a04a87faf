//! The queue of documents among real processes: one that is killed by a document, and two that share one store.

use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Finished, Place, Running, command, processor};

const MODELS: [&str; 2] = ["processador", "modelo-contrato"];
/// What the data of a processor may take, in KiB: ample for the examples, too little for the document below.
const LITTLE: &str = "20000";
/// SIGABRT: what an allocation that fails ends in.
const ABORT: Option<i32> = Some(6);

fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "examples", "documentos", name]
        .iter()
        .collect()
}

/// A document within all limits that takes far more memory than [`LITTLE`].
fn heavy() -> Vec<u8> {
    let mut xml = String::from(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>",
    );
    let text = "cláusula de foro e de prazo ".repeat(60);
    for _ in 0..6_000 {
        xml.push_str("<w:p><w:r><w:t>");
        xml.push_str(&text);
        xml.push_str("</w:t></w:r></w:p>");
    }
    xml.push_str("</w:body></w:document>");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("word/document.xml", stored).unwrap();
    writer.write_all(xml.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn import(place: &Place, original: &str, tagged: &str) {
    let words = [
        "importar",
        "modelo",
        "--original",
        original,
        "--com-tags",
        tagged,
    ];
    place.run(&words).assert_code(0);
}

/// Copies an example to the place, under a name of its own.
fn put(place: &Place, example_name: &str, name: &str) {
    place.write(name, fs::read(example(example_name)).unwrap());
}

/// Runs the template processor with little memory, by rlimit.
fn run_with_little(place: &Place) -> Finished {
    let mut shell = command("sh");
    let line = format!(
        "ulimit -c 0; ulimit -d {LITTLE}; exec {} {}",
        env!("CARGO_BIN_EXE_orquestrador"),
        MODELS.join(" ")
    );
    shell.args(["-c", &line]).current_dir(place.path());
    Running::start(shell).wait()
}

fn store(place: &Place) -> Connection {
    Connection::open(place.join("dados/registros.db")).unwrap()
}

/// Names and statuses of all models, oldest first.
fn statuses(place: &Place) -> Vec<(String, String)> {
    let store = store(place);
    let mut rows = store
        .prepare("SELECT nome, status FROM modelo_contrato ORDER BY id")
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn status_of(place: &Place, name: &str) -> String {
    let all = statuses(place);
    let found = all.iter().find(|(model, _)| model == name);
    found.unwrap().1.clone()
}

/// Lets the lease of what runs pass.
fn pass_lease(place: &Place) {
    let sql = "UPDATE modelo_contrato SET date_updated = '2020-01-01T00:00:00.000Z' WHERE status = 'em_processamento'";
    assert_eq!(store(place).execute(sql, []).unwrap(), 1);
}

#[test]
fn a_document_that_kills_the_processor_loses_only_itself_and_is_an_error_after_the_third_try() {
    let place = Place::new();
    put(&place, "modelo-locacao.docx", "antes.docx");
    put(&place, "modelo-locacao.docx", "depois.docx");
    put(&place, "modelo-locacao-com-tags.docx", "tags.docx");
    place.write("veneno.docx", heavy());
    import(&place, "antes.docx", "tags.docx");
    import(&place, "veneno.docx", "veneno.docx");
    import(&place, "depois.docx", "tags.docx");

    let first = run_with_little(&place);
    assert_eq!(
        first.signal(),
        ABORT,
        "the document killed nothing\n{first}"
    );
    assert_eq!(status_of(&place, "antes"), "concluido");
    assert_eq!(status_of(&place, "veneno"), "em_processamento");
    assert_eq!(status_of(&place, "depois"), "processar");

    let second = run_with_little(&place);
    second.assert_code(0);
    assert_eq!(status_of(&place, "depois"), "concluido");
    assert_eq!(status_of(&place, "veneno"), "em_processamento");

    for _ in 2..=3 {
        pass_lease(&place);
        let again = run_with_little(&place);
        assert_eq!(again.signal(), ABORT, "{again}");
    }
    pass_lease(&place);
    let last = run_with_little(&place);
    last.assert_code(1);
    last.assert_complains("tentativas esgotadas");
    assert_eq!(status_of(&place, "veneno"), "erro");
    let listed = place.run(&["listar", "modelos", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let mut rows = listed.as_array().unwrap().iter();
    let poison = rows.find(|row| row["nome"] == "veneno").unwrap();
    assert_eq!(poison["observacao"], "Erro: 3 tentativas sem conclusão");
    run_with_little(&place).assert_code(0);
}

#[test]
fn two_processors_at_once_store_each_of_a_hundred_records_exactly_once() {
    let place = Place::with_config("[documentos]\nmodelos_por_execucao = 100\n");
    put(&place, "modelo-locacao.docx", "m.docx");
    put(&place, "modelo-locacao-com-tags.docx", "t.docx");
    import(&place, "m.docx", "t.docx");
    // The other 99 are the same files under other ids.
    let copy = "INSERT INTO modelo_contrato (status, nome, date_created, date_updated, arquivo_original, arquivo_com_tags)
                SELECT status, nome || ' ' || n, date_created, date_updated, arquivo_original, arquivo_com_tags
                FROM modelo_contrato, (WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < 100)
                SELECT n FROM c)";
    assert_eq!(store(&place).execute(copy, []).unwrap(), 99);
    // A trigger counts what only the store itself can see: how often a record was ended.
    store(&place)
        .execute_batch(
            "CREATE TABLE fins (modelo INTEGER);
             CREATE TRIGGER conta AFTER UPDATE OF status ON modelo_contrato WHEN new.status = 'concluido'
             BEGIN INSERT INTO fins VALUES (new.id); END;",
        )
        .unwrap();

    let runs = [(); 2].map(|()| place.program(&MODELS).start());
    let ended = runs.map(Running::wait);

    for run in &ended {
        run.assert_code(0);
    }
    let told = |run: &Finished| run.stdout.matches("semelhança com o original").count();
    let shares = ended.each_ref().map(told);
    assert_eq!(shares.iter().sum::<usize>(), 100, "{shares:?}");
    assert!(
        shares.iter().all(|share| *share > 0),
        "one did it all: {shares:?}"
    );
    let store = store(&place);
    let number = |sql: &str| -> i64 { store.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        number("SELECT count(*) FROM modelo_contrato WHERE status = 'concluido'"),
        100
    );
    assert_eq!(number("SELECT count(*) FROM fins"), 100);
    assert_eq!(number("SELECT count(DISTINCT modelo) FROM fins"), 100);
    let each = "SELECT count(*) FROM modelo_contrato_tag GROUP BY modelo_contrato";
    assert_eq!(number(&format!("SELECT count(*) FROM ({each})")), 100);
    let per_model = number(&format!(
        "SELECT min(n) FROM ({})",
        each.replace("count(*)", "count(*) AS n")
    ));
    assert_eq!(per_model, 9, "the tags of the example");
    assert_eq!(
        number("SELECT count(*) FROM modelo_contrato_tag"),
        100 * per_model
    );
}

#[test]
fn limits_words_and_counts_of_the_configuration_hold_in_the_processors_and_the_commands() {
    let place = Place::with_config(
        "[documentos]\nmodelos_por_execucao = 1\n[documentos.limites]\nparagrafos = 3\n\
         [registros.estados]\nprocessar = \"solicitado\"\nerro = \"falhou\"\n",
    );
    let tags = example("modelo-locacao-com-tags.docx");
    let refused = place.run(&["tags", tags.to_str().unwrap()]);
    refused.assert_code(1);
    refused
        .assert_complains("limite \"paragrafos\" ultrapassado em word/document.xml: no máximo 3");

    place.write(
        "largo.toml",
        "[registros.estados]\nprocessar = \"solicitado\"\n",
    );
    put(&place, "modelo-locacao.docx", "m.docx");
    put(&place, "modelo-locacao-com-tags.docx", "t.docx");
    for _ in 0..2 {
        let words = [
            "--config",
            "largo.toml",
            "importar",
            "modelo",
            "--original",
            "m.docx",
            "--com-tags",
            "t.docx",
        ];
        place.run(&words).assert_code(0);
    }
    assert_eq!(statuses(&place)[0].1, "solicitado");
    let run = place.run(&MODELS);
    run.assert_code(1);
    run.assert_complains("limite \"paragrafos\"");
    let all: Vec<String> = statuses(&place)
        .into_iter()
        .map(|(_, status)| status)
        .collect();
    assert_eq!(all, ["falhou", "solicitado"]);
}

#[test]
fn processing_leaves_no_file_of_a_document_outside_the_data_folder_and_names_no_local_address() {
    let place = Place::new();
    let run = place.run(&["--exemplos", "--single-run", "--modo", "sequencial"]);
    run.assert_code(0);
    run.assert_silent_about("127.0.0.1");
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(place.join(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("."), ["dados"]);
    for name in names("dados/arquivos") {
        let end = name.rsplit_once('.').map(|(_, end)| end);
        assert_eq!(end, Some("docx"), "{name} is no stored document");
    }
    for name in names("dados/relatorios") {
        assert!(name.starts_with("relatorio_diff_"), "{name}");
        assert!(
            !place
                .read(&format!("dados/relatorios/{name}"))
                .contains("127.0.0.1")
        );
    }
}

/// 500 versions wait for several instances of the comparing processor, each of which takes so many.
fn five_hundred_versions(instances: &str, each: usize) -> Place {
    let config = [
        "paralelismo = 4\nintervalo = \"1h\"\n".to_owned(),
        processor(
            "automatico",
            &["@orquestrador", "processador", "automatico"],
            instances,
        ),
        format!("[documentos]\nversoes_por_execucao = {each}\n"),
    ];
    let place = Place::with_config(&config.concat());
    put(&place, "modelo-locacao.docx", "m.docx");
    put(&place, "modelo-locacao-com-tags.docx", "t.docx");
    put(&place, "contrato-locacao-v1.docx", "v.docx");
    import(&place, "m.docx", "t.docx");
    for words in [
        &MODELS[..],
        &["marcar", "modelo", "1", "publicado"],
        &["importar", "contrato", "--modelo", "1", "--numero", "1"],
        &["importar", "versao", "--contrato", "1", "v.docx"],
    ] {
        place.run(words).assert_code(0);
    }
    // The other 499 are the same file in contracts of their own, so that each is compared with the template. Triggers
    // count what only the store itself can see: how often a version was ended, and every row that ever was.
    store(&place)
        .execute_batch(
            "WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < 500)
             INSERT INTO contrato (id, numero, titulo, modelo_contrato) SELECT n, n, '', 1 FROM c;
             INSERT INTO versao (status, versao, date_created, date_updated, contrato, arquivo, observacao)
             SELECT versao.status, versao, date_created, date_updated, contrato.id, arquivo, observacao
             FROM versao, contrato WHERE contrato.id > 1;
             CREATE TABLE fins (versao INTEGER);
             CREATE TRIGGER conta AFTER UPDATE OF status ON versao WHEN new.status = 'concluido'
             BEGIN INSERT INTO fins VALUES (new.id); END;
             CREATE TABLE linhas (versao INTEGER);
             CREATE TRIGGER conta_linhas AFTER INSERT ON modificacao
             BEGIN INSERT INTO linhas VALUES (new.versao); END;",
        )
        .unwrap();
    place
}

#[test]
fn two_instances_of_one_processor_store_the_results_of_five_hundred_versions_exactly_once() {
    let place = five_hundred_versions("instancias = 2", 500);
    let number = |sql: &str| -> i64 { store(&place).query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        number("SELECT count(*) FROM versao WHERE status = 'processar'"),
        500
    );

    let ended = place.program(&["--single-run", "--verbose"]).run();

    ended.assert_code(0);
    let told = |instance: &str| {
        let lines = ended.stdout.lines();
        let of_it = lines.filter(|line| line.contains(instance));
        of_it.filter(|line| line.contains("modificações")).count()
    };
    let shares = ["automatico (1 de 2) stdout", "automatico (2 de 2) stdout"].map(told);
    assert!(
        shares.iter().all(|share| *share > 1),
        "one did it all: {shares:?}\n{ended}"
    );
    for sql in [
        "SELECT count(*) FROM versao WHERE status = 'concluido' AND relatorio_diff IS NOT NULL",
        "SELECT count(*) FROM fins",
        "SELECT count(DISTINCT versao) FROM fins",
        "SELECT count(DISTINCT relatorio_diff) FROM versao",
        "SELECT count(DISTINCT versao) FROM modificacao",
    ] {
        assert_eq!(number(sql), 500, "{sql}");
    }
    let counts = "SELECT count(*) AS n FROM modificacao GROUP BY versao";
    let one = number(&format!("SELECT min(n) FROM ({counts})"));
    assert!(one > 0 && one == number(&format!("SELECT max(n) FROM ({counts})")));
    assert_eq!(number("SELECT count(*) FROM modificacao"), 500 * one);
    assert_eq!(
        number("SELECT count(*) FROM linhas"),
        500 * one,
        "rows that went again"
    );
    assert_eq!(place.files("dados/relatorios").len(), 500);
}

#[test]
fn the_instances_of_a_start_follow_the_queue_and_each_takes_as_many_versions_as_one_run_may() {
    let place = five_hundred_versions("instancias = { max = 4, alvo = 100 }", 50);
    let done = || -> i64 {
        let sql = "SELECT count(*) FROM versao WHERE status = 'concluido'";
        store(&place).query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let service = place.service(&[]);
    let desired = |status: &Value| {
        let told = &status["processadores"]["automatico"]["instancias"];
        (told["desejadas"].as_u64(), told["carga"]["fila"].as_f64())
    };
    let status = service.wait_for_cycles(1);
    assert_eq!((done(), desired(&status)), (50, (Some(4), Some(450.0))));
    service.signal(Signal::SIGUSR1);
    service.wait_for_cycles(2);
    assert_eq!(done(), 250, "four times as many as one run may take");
    service.stop();
}
