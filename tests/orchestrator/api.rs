//! The JSON that programs read, as its document describes it: pages, filters, one run, the agenda, and why there is no
//! answer. What generates requests from the document is schemathesis, which others wrote.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json as value};

use crate::nats::Nats;
use crate::support::{
    Finished, LIMIT, Place, Response, Running, command, pause, processor, request, rounds,
    wait_until,
};

/// Requests are the same in each run of the tests.
const SEED: &str = "20261123";
/// How long schemathesis may take.
const PATIENCE: Duration = Duration::from_mins(4);

fn busy_place() -> Place {
    let fails = ["sh", "-c", "echo certo; echo errado >&2; exit 3"];
    Place::with_config(&format!(
        "intervalo = \"100ms\"\n{}{}{}{}{}",
        processor("bom", &["sh", "-c", "seq 1 30"], ""),
        processor("ruim", &fails, "tentativas = 2\nespera = \"1ms\"\n"),
        processor("depois", &["true"], "depende_de = [\"ruim\"]\n"),
        processor("lento", &["sleep", "9"], "timeout = \"50ms\"\n"),
        processor(
            "raro",
            &["true"],
            "agenda = \"0 12 1 1 *\"\nfuso = \"America/New_York\"\n"
        ),
    ))
}

fn busy() -> (Place, Running) {
    let place = busy_place();
    let running = place.service(&[]);
    running.wait_for_cycles(6);
    (place, running)
}

fn json(running: &Running, path: &str) -> Value {
    let response = running.get(path);
    assert_eq!(response.code, 200, "{path}: {}", response.body);
    assert_eq!(
        response.header("content-type"),
        "application/json",
        "{path}"
    );
    response.json()
}

fn assert_problem(response: &Response, code: u16, words: &str) {
    assert_eq!(response.code, code, "{}", response.body);
    assert_eq!(response.header("content-type"), "application/problem+json");
    let problem = response.json();
    assert_eq!(problem["status"], code);
    assert_eq!(problem["type"], "about:blank");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{words:?} is not in {detail:?}");
}

fn strings(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[key].as_str().unwrap_or("null").to_owned())
        .collect()
}

/// Has nothing start any more, and waits until nothing runs; all runs.
fn quieten(running: &Running) -> Value {
    running.signal(Signal::SIGUSR2);
    let whole = || json(running, "/api/v1/execucoes?limite=1000")["execucoes"].clone();
    wait_until("the end of the last cycle", LIMIT, || {
        let (runs, status) = (whole(), running.status());
        pause(Duration::from_millis(300));
        let is_quiet = status["status"] == "paused" && status["processadores_ativos"] == value!([]);
        (is_quiet && runs == whole()).then_some(runs)
    })
}

/// Has schemathesis ask what `document` describes.
fn schemathesis(place: &Place, document: &str, arguments: &[&str]) -> Finished {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pecas/schemathesis");
    assert!(
        parts.exists(),
        "{} is missing; .ci/pacotes installs it from PyPI",
        parts.display()
    );
    let mut python = command("python3");
    python
        .args(["-m", "schemathesis.cli", "run", "--no-color", document])
        .args(["--checks", "all", "--seed", SEED, "--request-timeout", "10"])
        .args(["--max-examples", &rounds().to_string()])
        .args(arguments)
        .env("PYTHONPATH", &parts)
        .env("HOME", place.path())
        .env("MARCA_DO_TESTE", place.mark())
        .current_dir(place.path());
    Running::start(python).wait_within(PATIENCE)
}

fn document(running: &Running) -> String {
    format!("http://{}/api/openapi.json", running.address())
}

#[test]
fn schemathesis_notices_an_answer_that_the_document_does_not_describe() {
    let (place, running) = busy();
    let mut doctored = json(&running, "/api/openapi.json");
    let status = &mut doctored["components"]["schemas"]["StatusReport"];
    let properties = status["properties"].as_object_mut().unwrap();
    properties.remove("performance").unwrap();
    let keys = status["required"].as_array_mut().unwrap();
    keys.retain(|key| key != "performance");
    place.write("openapi.json", doctored.to_string());
    let url = format!("http://{}", running.address());
    let arguments = [
        "--url",
        &url,
        "--include-path",
        "/status",
        "--phases",
        "fuzzing",
    ];
    let finished = schemathesis(&place, "openapi.json", &arguments);
    finished.assert_code(1);
    finished.assert_says("performance");
}

#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let (place, running) = busy();
    // Live events have no end.
    let arguments = ["--exclude-path", "/eventos"];
    let finished = schemathesis(&place, &document(&running), &arguments);
    finished.assert_code(0);
    // GET and HEAD; it has loaded the document itself by one of them already.
    let document = json(&running, "/api/openapi.json");
    let paths = document["paths"].as_object().unwrap().len();
    finished.assert_says(&format!("Tested: {}", 2 * (paths - 1) - 1));
    assert_eq!(running.get("/health").code, 200, "it is still there");
}

#[test]
fn of_a_group_it_is_answered_as_the_document_says_too() {
    let nats = Nats::start();
    let place = Place::with_config(&format!(
        "intervalo = \"500ms\"\n{}[distribuicao]\nservidores = [\"{}\"]\ninstancia = \"um\"\n",
        processor("a", &["sleep", "5"], ""),
        nats.url()
    ));
    let running = place.service(&[]);
    // Until there is something in all that is told of a group.
    running.wait_for_status("a run of the group", |status| {
        let group = &status["distribuicao"];
        let runs = group["instancias"][0]["execucoes"].as_array()?.len();
        (group["lider"] == "um" && runs == 1).then_some(())
    });
    let arguments = [
        "--include-path-regex",
        "^/(status|health)$",
        "--phases",
        "coverage,fuzzing",
    ];
    let finished = schemathesis(&place, &document(&running), &arguments);
    finished.assert_code(0);
    finished.assert_says("Tested: 4");
    assert!(json(&running, "/status")["distribuicao"].is_object());
}

#[test]
fn one_run_and_pages_that_exist_are_answered_as_the_document_says() {
    let (place, running) = busy();
    let run = json(&running, "/api/v1/execucoes?processador=ruim&limite=1");
    let run = run["execucoes"][0]["id"].as_str().unwrap().to_owned();
    let cycle = json(&running, "/api/v1/ciclos?limite=1");
    let cycle = cycle["ciclos"][0]["id"].as_str().unwrap().to_owned();
    place.write(
        "schemathesis.toml",
        format!("[parameters]\nid = \"{run}\"\nciclo = \"{cycle}\"\nantes = \"{run}\"\n"),
    );
    let arguments = [
        "--include-path-regex",
        "^/api/v1/",
        "--phases",
        "coverage,fuzzing",
    ];
    let finished = schemathesis(&place, &document(&running), &arguments);
    finished.assert_code(0);
    finished.assert_says("Tested: 8");
}

#[test]
fn pages_of_runs_follow_each_other_until_the_first_run_and_nothing_is_left_out() {
    let (_place, running) = busy();
    let whole = quieten(&running);
    let expected = strings(&whole, "id");
    let mut found = Vec::new();
    let mut path = "/api/v1/execucoes?limite=7".to_owned();
    loop {
        let page = json(&running, &path);
        let ids = strings(&page["execucoes"], "id");
        assert!(ids.len() <= 7);
        found.extend(ids);
        let Some(next) = page["proximo"].as_str() else {
            break;
        };
        path = format!("/api/v1/execucoes?limite=7&antes={next}");
    }
    assert_eq!(found, expected);
    assert!(found.is_sorted_by(|newer, older| newer > older));
    let cycles = json(&running, "/api/v1/ciclos?limite=100");
    let mut of_cycles: Vec<_> = cycles["ciclos"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|cycle| strings(&cycle["execucoes"], "id"))
        .collect();
    of_cycles.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(of_cycles, expected, "each run stands in its cycle");
}

#[test]
fn runs_are_filtered_by_processor_outcome_and_cycle() {
    let (_place, running) = busy();
    let runs =
        |query: &str| json(&running, &format!("/api/v1/execucoes?{query}"))["execucoes"].clone();
    let bad = runs("processador=ruim&resultado=failure");
    assert!(bad.as_array().unwrap().len() >= 5);
    assert!(
        strings(&bad, "processador")
            .iter()
            .all(|name| name == "ruim")
    );
    assert!(
        strings(&bad, "motivo")
            .iter()
            .all(|reason| reason == "exit_code")
    );
    assert!(
        strings(&runs("resultado=timeout"), "processador")
            .iter()
            .all(|name| name == "lento")
    );
    assert!(
        strings(&runs("resultado=skip"), "motivo")
            .iter()
            .all(|reason| reason == "dependency")
    );
    assert_eq!(runs("processador=ninguem"), value!([]));
    let cycles = json(&running, "/api/v1/ciclos?limite=3")["ciclos"].clone();
    let cycle = &cycles[2];
    assert_eq!(cycle["resultado"], "failure");
    assert_eq!(cycle["agenda"], "main");
    let of_cycle = runs(&format!("ciclo={}", cycle["id"].as_str().unwrap()));
    let mut names = strings(&of_cycle, "processador");
    names.sort_unstable();
    assert_eq!(names, ["bom", "depois", "lento", "ruim"]);
}

#[test]
fn one_run_comes_with_its_attempts_and_its_output_and_the_words_of_the_command_line() {
    let (place, running) = busy();
    let list = json(
        &running,
        "/api/v1/execucoes?processador=ruim&resultado=failure&limite=1",
    );
    let id = list["execucoes"][0]["id"].as_str().unwrap().to_owned();
    let run = json(&running, &format!("/api/v1/execucoes/{id}"));
    assert_eq!(strings(&run["linhas"], "linha"), ["certo", "errado"]);
    assert_eq!(
        strings(&run["lista_tentativas"], "motivo"),
        ["exit_code"; 2]
    );
    assert_eq!(
        (run["tentativas"].as_u64(), run["codigo_saida"].as_i64()),
        (Some(2), Some(3))
    );
    let told = place.run(&["execucao", &id, "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told, run, "one concept has one name everywhere");
    for unknown in ["0193", "0193539e-1111-7222-8333-444444444444", "%ff"] {
        let answer = running.get(&format!("/api/v1/execucoes/{unknown}"));
        assert_problem(&answer, 404, "nenhuma execução");
    }
}

#[test]
fn the_agenda_is_that_of_the_command_line_and_of_the_configuration_that_holds() {
    let (place, running) = busy();
    let told = place.run(&["agenda", "--json", "--limite", "3"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["inicios"].as_array().unwrap().len(), 3);
    assert_eq!(json(&running, "/api/v1/agenda?limite=3"), told);
    let config = place
        .read("orquestrador.toml")
        .replace("0 12 1 1 *", "0 13 2 2 *");
    place.write("orquestrador.toml", config);
    running.signal(Signal::SIGHUP);
    wait_until("the new agenda", LIMIT, || {
        let start = json(&running, "/api/v1/agenda?limite=1")["inicios"][0]["inicio"].clone();
        start
            .as_str()
            .unwrap()
            .contains("-02-02T13:00:00")
            .then_some(())
    });
}

#[test]
fn the_last_lines_of_one_processor_are_told_when_they_are_asked_for() {
    let (_place, running) = busy();
    let logs = json(&running, "/logs?processador=bom&limite=3");
    let lines = &logs["processadores"]["bom"]["linhas"];
    assert_eq!(strings(lines, "linha"), ["28", "29", "30"]);
    assert_eq!(logs["processadores"].as_object().unwrap().len(), 1);
    assert_eq!(
        json(&running, "/logs")["processadores"]
            .as_object()
            .unwrap()
            .len(),
        5
    );
    assert_problem(
        &running.get("/logs?processador=ninguem"),
        404,
        "nenhum processador",
    );
}

#[test]
fn a_request_that_is_wrong_is_a_problem_that_says_what_was_expected() {
    let (_place, running) = busy();
    for (path, words) in [
        ("/api/v1/execucoes?limite=0", "de 1 a 1000"),
        ("/api/v1/execucoes?limite=1001", "de 1 a 1000"),
        ("/api/v1/execucoes?limite=muitas", "limite"),
        ("/api/v1/execucoes?resultado=falha", "success, failure"),
        ("/api/v1/execucoes?processador=A", "a-z"),
        (
            "/api/v1/execucoes?antes=x",
            "antes: esperado um identificador",
        ),
        ("/api/v1/execucoes?procesador=bom", "procesador"),
        ("/api/v1/ciclos?limite=101", "de 1 a 100"),
        ("/api/v1/agenda?limite=-1", "limite"),
        ("/logs?limite=10001", "de 1 a 10000"),
    ] {
        assert_problem(&running.get(path), 400, words);
    }
    assert_problem(&running.get("/nada"), 404, "/api/v1/execucoes");
    let posted = request(running.address(), "POST", "/api/v1/execucoes");
    assert_problem(&posted, 405, "só GET e HEAD");
    assert_eq!(posted.header("allow"), "GET,HEAD");
}

#[test]
fn a_history_that_is_not_there_or_cannot_be_read_is_a_503_with_its_reason() {
    let place = busy_place();
    let running = place.service(&["--dry-run"]);
    running.wait_for_cycles(1);
    for path in ["/api/v1/execucoes", "/api/v1/ciclos"] {
        assert_problem(&running.get(path), 503, "uma simulação não grava histórico");
    }
    assert_eq!(running.get("/api/v1/agenda").code, 200);
    running.stop();

    let (place, running) = busy();
    quieten(&running);
    let database = place.join("dados/historico.db");
    for file in ["historico.db", "historico.db-wal", "historico.db-shm"] {
        std::fs::remove_file(place.join("dados").join(file)).unwrap();
    }
    std::fs::write(&database, "isto não é um banco de dados\n".repeat(500)).unwrap();
    let answer = running.get("/api/v1/execucoes");
    assert_problem(&answer, 503, "o histórico não pode ser lido");
    assert_ne!(running.get("/status").code, 503);
}
