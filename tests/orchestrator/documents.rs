//! The two document processors on the embedded store, and the sub-commands that look into it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Finished, Place};

const EXAMPLES: &[&str] = &["--exemplos", "--single-run", "--modo", "sequencial"];
const SINGLE: &[&str] = &["--single-run", "--modo", "sequencial"];

fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "examples", "documentos", name]
        .iter()
        .collect()
}

fn list(place: &Place, collection: &str) -> Vec<Value> {
    let finished = place.run(&["listar", collection, "--json"]);
    finished.assert_code(0);
    match serde_json::from_str(&finished.stdout) {
        Ok(Value::Array(records)) => records,
        _ => panic!("one array was expected\n{finished}"),
    }
}

/// What a .docx never is, by name.
fn no_documents(place: &Place) -> Vec<String> {
    let whole = fs::read(example("modelo-locacao.docx")).unwrap();
    place.write("texto.docx", "isto é um texto\n");
    place.write("vazio.docx", "");
    place.write("cortado.docx", whole.get(..whole.len() / 2).unwrap());
    place.write("zip.docx", [&b"PK\x05\x06"[..], &[0; 18]].concat());
    fs::create_dir(place.join("pasta.docx")).unwrap();
    ["texto", "vazio", "cortado", "zip", "pasta", "ausente"]
        .map(|name| format!("{name}.docx"))
        .to_vec()
}

#[track_caller]
fn assert_could_not(finished: &Finished, name: &str) {
    finished.assert_code(1);
    finished.assert_complains(name);
    assert!(finished.stdout.is_empty(), "half an answer\n{finished}");
    assert!(
        finished.stderr.lines().count() <= 3,
        "not one message\n{finished}"
    );
    finished.assert_silent_about("panicked");
}

#[test]
fn the_examples_give_tags_and_a_report_at_the_first_call_and_nothing_pending_at_the_second() {
    let place = Place::new();

    let first = place.run(EXAMPLES);
    let second = place.run(EXAMPLES);

    first.assert_code(0);
    first.assert_says("exemplos importados");
    first.assert_says("tags\n");
    first.assert_says("modificações: dados/relatorios/relatorio_diff_");
    let reports = place.files("dados/relatorios");
    assert!(!reports.is_empty(), "no report was written");
    for report in &reports {
        first.assert_says(report);
    }
    second.assert_code(0);
    assert_eq!(
        second.stdout.matches("nada pendente").count(),
        2,
        "{second}"
    );
    assert_eq!(
        place.files("dados/relatorios"),
        reports,
        "a second report of the same version"
    );
}

#[test]
fn the_example_template_has_a_dozen_tags_of_every_kind() {
    let place = Place::new();
    place.run(EXAMPLES).assert_code(0);

    let tags = list(&place, "tags");

    let text = serde_json::to_string(&tags).unwrap();
    let names: Vec<_> = tags
        .iter()
        .filter_map(|tag| {
            ["tag", "nome", "tag_nome"]
                .iter()
                .find_map(|key| tag.get(key)?.as_str())
        })
        .collect();
    assert!(names.len() >= 12, "{text}");
    assert!(
        names.iter().any(|name| name.contains('-')),
        "no hyphenated tag in {names:?}"
    );
    assert!(
        names.iter().any(|name| !name.is_ascii()),
        "no accented tag in {names:?}"
    );
    let numeric = |name: &&str| {
        name.chars()
            .all(|sign| sign.is_ascii_digit() || sign == '.')
    };
    assert!(names.iter().any(numeric), "no numeric tag in {names:?}");
}

#[test]
fn the_examples_give_insertions_removals_and_changes() {
    let place = Place::new();
    place.run(EXAMPLES).assert_code(0);

    let modifications = serde_json::to_string(&list(&place, "modificacoes")).unwrap();

    for category in ["\"inclusao\"", "\"remocao\"", "\"modificacao\""] {
        assert!(
            modifications.contains(category),
            "no {category} in {modifications}"
        );
    }
}

#[test]
fn the_report_is_one_escaped_page_that_needs_no_network() {
    let place = Place::new();
    place.run(EXAMPLES).assert_code(0);

    for report in place.files("dados/relatorios") {
        let page = place.read(&report);
        assert!(
            page.to_lowercase().starts_with("<!doctype html>"),
            "{report}"
        );
        for outside in [
            "src=\"http",
            "href=\"http",
            "src=\"//",
            "href=\"//",
            "@import",
            "url(http",
        ] {
            assert!(!page.contains(outside), "{report} needs {outside}");
        }
    }
}

#[test]
fn a_bare_run_never_imports_anything() {
    let place = Place::new();

    let finished = place.run(SINGLE);

    finished.assert_code(0);
    assert_eq!(
        finished.stdout.matches("nada pendente").count(),
        2,
        "{finished}"
    );
    for collection in ["modelos", "contratos", "versoes", "tags", "modificacoes"] {
        assert_eq!(
            list(&place, collection),
            Vec::<Value>::new(),
            "{collection}"
        );
    }
}

#[test]
fn the_examples_are_not_imported_into_a_store_that_has_records() {
    let place = Place::new();
    let (original, tagged) = (
        example("modelo-locacao.docx"),
        example("modelo-locacao-com-tags.docx"),
    );
    let arguments = [
        "importar",
        "modelo",
        "--original",
        original.to_str().unwrap(),
        "--com-tags",
        tagged.to_str().unwrap(),
    ];
    place.run(&arguments).assert_code(0);

    place.run(EXAMPLES).assert_code(0);

    assert_eq!(list(&place, "modelos").len(), 1);
    assert!(
        !list(&place, "tags").is_empty(),
        "the imported template was not processed"
    );
}

#[test]
fn a_dry_run_writes_nothing_but_the_lock() {
    let place = Place::new();

    let finished = place.run(&[EXAMPLES, &["--dry-run"]].concat());

    finished.assert_code(0);
    finished.assert_says("🧪 Simulação: nada será gravado");
    let written = place.files(".");
    assert_eq!(written, ["dados/orquestrador.lock"], "{finished}");
}

#[test]
fn a_dry_run_on_pending_documents_leaves_them_pending() {
    let place = Place::new();
    let (original, tagged) = (
        example("modelo-locacao.docx"),
        example("modelo-locacao-com-tags.docx"),
    );
    let arguments = [
        "importar",
        "modelo",
        "--original",
        original.to_str().unwrap(),
        "--com-tags",
        tagged.to_str().unwrap(),
    ];
    place.run(&arguments).assert_code(0);
    let before = list(&place, "modelos");

    let finished = place.run(&[SINGLE, &["--dry-run"]].concat());

    finished.assert_code(0);
    assert_eq!(list(&place, "modelos"), before);
    assert_eq!(list(&place, "tags"), Vec::<Value>::new());
}

#[test]
fn a_file_that_is_no_document_is_1_with_its_name_for_tags_and_comparar() {
    let place = Place::new();
    let good = example("contrato-locacao-v1.docx");
    let good = good.to_str().unwrap();
    for name in no_documents(&place) {
        assert_could_not(&place.run(&["tags", &name]), &name);
        assert_could_not(&place.run(&["tags", &name, "--json"]), &name);
        assert_could_not(&place.run(&["comparar", good, &name]), &name);
        assert_could_not(
            &place.run(&["comparar", &name, good, "-o", "saida.html"]),
            &name,
        );
        assert!(!place.has("saida.html"), "half a report of {name}");
    }
}

#[test]
fn a_file_that_is_no_document_is_never_imported_not_even_in_part() {
    let place = Place::new();
    let good = example("modelo-locacao.docx");
    let good = good.to_str().unwrap();
    place.run(EXAMPLES).assert_code(0);
    let contract = list(&place, "contratos")[0]["id"]
        .to_string()
        .replace('"', "");
    let state = || {
        let kept = ["modelos", "versoes"].map(|collection| list(&place, collection));
        (kept, place.files("dados/arquivos"))
    };
    let before = state();

    for name in no_documents(&place) {
        let model = [
            "importar",
            "modelo",
            "--original",
            good,
            "--com-tags",
            &name,
        ];
        assert_could_not(&place.run(&model), &name);
        assert_could_not(
            &place.run(&["importar", "versao", "--contrato", &contract, &name]),
            &name,
        );
        assert_eq!(state(), before, "something of {name} was kept");
    }
}

#[test]
fn tags_and_comparar_work_without_any_store() {
    let place = Place::new();
    let at = |name: &str| example(name).to_str().unwrap().to_owned();

    let tags = place.run(&["tags", &at("modelo-servicos-com-tags.docx"), "--json"]);
    let compared = place.run(&[
        "comparar",
        &at("contrato-locacao-v1.docx"),
        &at("contrato-locacao-v2.docx"),
        "--json",
    ]);

    tags.assert_code(0);
    let tags: Value = serde_json::from_str(&tags.stdout).unwrap();
    assert!(
        tags["pares"]
            .as_array()
            .is_some_and(|pairs| pairs.len() >= 12),
        "{tags}"
    );
    compared.assert_code(0);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert!(
        compared["modificacoes"]
            .as_array()
            .is_some_and(|found| found.len() >= 3),
        "{compared}"
    );
    assert_eq!(place.files("."), Vec::<String>::new(), "a store was made");
}

#[test]
fn the_comparison_of_a_document_with_itself_finds_nothing() {
    let place = Place::new();
    let path = example("contrato-locacao-v1.docx");
    let path = path.to_str().unwrap();

    let finished = place.run(&["comparar", path, path, "--json"]);

    finished.assert_code(0);
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found["modificacoes"], serde_json::json!([]));
}

#[test]
fn what_the_processors_did_stands_in_the_metrics_with_every_series_of_their_closed_sets() {
    let place = Place::new();
    let arguments = [EXAMPLES, &["--arquivo-metricas", "m.prom"]].concat();

    let finished = place.run(&arguments);

    finished.assert_code(0);
    let text = fs::read_to_string(place.join("m.prom")).unwrap();
    for line in [
        "docx_documents_total{collection=\"modelo_contrato\",outcome=\"done\",processor=\"modelo_contrato\"} 1",
        "docx_documents_total{collection=\"versao\",outcome=\"done\",processor=\"automatico\"} 2",
        "docx_documents_total{collection=\"versao\",outcome=\"failed\",processor=\"automatico\"} 0",
        "docx_document_duration_seconds_count{collection=\"versao\",processor=\"automatico\",stage=\"parse\"} 4",
        "docx_queue_records{collection=\"versao\",processor=\"automatico\",state=\"stuck\"} 0",
        "docx_tag_problems_total{kind=\"unclosed\",processor=\"modelo_contrato\"} 0",
        "docx_modifications_total{category=\"movimentacao\",processor=\"automatico\"} 0",
        "docx_limit_rejections_total{limit=\"razao\",processor=\"automatico\"} 0",
        "records_requests_total{operation=\"store\",processor=\"automatico\",result=\"ok\"} 2",
        "records_requests_total{operation=\"claim\",processor=\"automatico\",result=\"error\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
    let sum = |family: &str| -> u64 {
        let numbers = text.lines().filter(|line| line.starts_with(family));
        numbers
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    let stored = list(&place, "modificacoes").len() as u64;
    assert_eq!(sum("docx_modifications_total"), stored);
    finished.assert_says(&format!("1 modelo, {} tags", sum("docx_tags_total")));
}

/// A server behind TLS that refuses every token; gives its port and its certificate, PEM.
fn refusing_server() -> (u16, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, client);
            // Who does not trust the certificate leaves here.
            if stream.read(&mut [0; 8192]).is_ok() {
                let body = "{\"errors\":[{\"message\":\"Invalid user credentials.\"}]}";
                let head = format!(
                    "HTTP/1.1 401 No\r\nContent-Length: {}\r\nConnection: close",
                    body.len()
                );
                stream
                    .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
                    .ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        }
    });
    (port, certificate.pem())
}

#[test]
fn a_directus_behind_tls_is_spoken_to_only_if_its_certificate_is_trusted() {
    let (place, (port, certificate)) = (Place::new(), refusing_server());
    place.write("ac.pem", certificate);
    let processor = |name: &str| {
        let program = place.program(&["processador", "automatico"]);
        let program = program.env(
            "DIRECTUS_BASE_URL",
            &format!("https://{name}:{port}/admin/"),
        );
        program.env("DIRECTUS_TOKEN", "segredo-de-teste")
    };

    let trusted = processor("localhost").env("SSL_CERT_FILE", "ac.pem").run();
    let unknown = processor("localhost").run();
    let other_name = processor("127.0.0.1").env("SSL_CERT_FILE", "ac.pem").run();

    trusted.assert_code(77);
    trusted.assert_complains("recusa o token");
    for refused in [&unknown, &other_name] {
        refused.assert_code(69);
        refused.assert_complains("certificate");
    }
    for finished in [trusted, unknown, other_name] {
        finished.assert_silent_about("segredo-de-teste");
    }
}
