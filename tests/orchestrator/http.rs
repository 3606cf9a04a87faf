//! What the service answers over HTTP, and when it does not start at all.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, Place, Running, now, processor, request, try_request, wait_until};

const PATHS: &[&str] = &[
    "/",
    "/health",
    "/-/healthy",
    "/-/ready",
    "/status",
    "/logs",
    "/metrics",
];

fn one_that_succeeds() -> Place {
    Place::with_config(&processor(
        "bom",
        &["/bin/echo", "7 itens"],
        "rotulo = \"Bom rapaz\"",
    ))
}

fn one_that_fails() -> Place {
    let script = "echo detalhe; echo disco cheio >&2; exit 3";
    Place::with_config(&processor("mau", &["sh", "-c", script], ""))
}

/// A service that was asked to stop and waits for a child that takes its time.
fn draining() -> (Place, Running) {
    let script = "trap '' TERM; touch pronto; while :; do sleep 1; done";
    let place = Place::with_config(&processor(
        "teimoso",
        &["sh", "-c", script],
        "carencia = \"5m\"",
    ));
    let running = place.service(&[]);
    running.address();
    place.wait_for_file("pronto");
    running.signal(Signal::SIGTERM);
    (place, running)
}

/// Somebody who answers one request with this, and tells what was asked; and its address.
fn one_answer(status: &str, body: &str) -> (JoinHandle<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while !asked.ends_with("\r\n\r\n") && reader.read_line(&mut asked).unwrap() > 0 {}
        stream.write_all(answer.as_bytes()).unwrap();
        asked
    });
    (answering, url)
}

#[track_caller]
fn assert_keys(object: &Value, expected: &str) {
    let found: BTreeSet<_> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let expected: BTreeSet<_> = expected.split_whitespace().collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn assert_instant(value: &Value) {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"));
    text.parse::<jiff::Timestamp>().expect("RFC 3339 with zone");
}

#[test]
fn status_has_the_keys_of_the_old_systems_readers_and_the_attempts_of_each_run() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    let status = running.wait_for_cycles(1);

    assert_keys(
        &status,
        "status modo_execucao intervalo_verificacao ciclos_executados ultimo_ciclo proximo_ciclo \
         processadores_ativos uptime_segundos sistema performance telemetria alertas distribuicao \
         processadores",
    );
    assert_keys(
        &status["sistema"],
        "uptime_segundos total_ciclos total_sucessos total_erros ultimo_ciclo",
    );
    assert_keys(
        &status["performance"],
        "tempo_medio_ciclo tempo_ultimo_ciclo",
    );
    assert_keys(&status["processadores"], "bom");
    assert_keys(
        &status["processadores"]["bom"],
        "sucesso resultado motivo resumo timestamp duracao_segundos codigo_saida execucoes sucessos \
         erros tempo_medio output trace_id link_trace ultimo_sucesso proxima_execucao tentativas \
         instancias",
    );
    assert_keys(
        &status["processadores"]["bom"]["instancias"],
        "desejadas em_execucao carga",
    );
}

#[test]
fn status_says_where_alerts_can_be_seen_and_whether_they_leave_the_machine() {
    let place = one_that_succeeds();
    for (words, places, leave) in [
        ("", serde_json::json!([]), Value::Null),
        ("maquina", serde_json::json!(["maquina"]), false.into()),
        (
            "maquina,email",
            serde_json::json!(["maquina", "email"]),
            true.into(),
        ),
    ] {
        let launch = place.program(&["--porta", "0"]);
        let running = launch.env("ORQUESTRADOR_ALERTAS", words).start();
        let alerts = running.status()["alertas"].clone();
        assert_eq!(
            (&alerts["destinos"], &alerts["externos"]),
            (&places, &leave)
        );
        running.stop().assert_code(0);
    }
    let refused = place
        .program(&[])
        .env("ORQUESTRADOR_ALERTAS", "pombo")
        .run();
    refused.assert_code(2);
    refused.assert_complains("ORQUESTRADOR_ALERTAS");
}

#[test]
fn saude_ends_with_0_only_while_a_healthy_orchestrator_answers() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let url = format!("http://{}", running.address());
    let asked = place.run(&["saude", "--url", &url]);
    asked.assert_code(0);
    asked.assert_says("ok");
    running.stop().assert_code(0);
    let asked = place.run(&["saude", "--url", &url]);
    asked.assert_code(1);
    asked.assert_complains(&url);

    let (answering, url) = one_answer("503 Service Unavailable", "em pane");
    let asked = place.run(&["saude", "--url", &url]);
    asked.assert_code(1);
    asked.assert_complains("503: em pane");
    assert!(answering.join().unwrap().starts_with("GET /-/healthy "));
}

#[test]
fn status_tells_a_success_in_values_and_instants() {
    let place = one_that_succeeds();
    let running = place.service(&["--modo", "sequencial", "--intervalo", "5m"]);
    let status = running.wait_for_status("the next cycle's time", |status| {
        let planned = status["ciclos_executados"] == 1 && status["proximo_ciclo"].is_string();
        planned.then(|| status.clone())
    });

    assert_eq!(status["status"], "running");
    assert_eq!(status["modo_execucao"], "sequencial");
    assert_eq!(status["intervalo_verificacao"].as_f64(), Some(300.0));
    assert_eq!(status["ciclos_executados"], 1);
    assert_eq!(status["processadores_ativos"], serde_json::json!([]));
    assert!(
        status["uptime_segundos"]
            .as_f64()
            .is_some_and(|seconds| seconds >= 0.0)
    );
    assert_instant(&status["ultimo_ciclo"]);
    assert_instant(&status["proximo_ciclo"]);
    let system = &status["sistema"];
    assert_eq!(
        (&system["total_ciclos"], &system["total_erros"]),
        (&1.into(), &0.into())
    );
    assert_eq!(system["total_sucessos"], 1);
    assert!(
        status["performance"]["tempo_ultimo_ciclo"]
            .as_f64()
            .is_some_and(|time| time > 0.0)
    );
    let run = &status["processadores"]["bom"];
    assert_eq!(
        (&run["sucesso"], &run["resultado"]),
        (&true.into(), &"success".into())
    );
    assert_eq!(
        (&run["codigo_saida"], &run["resumo"]),
        (&0.into(), &"7 itens".into())
    );
    assert_eq!(
        (&run["execucoes"], &run["sucessos"], &run["erros"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert!(
        run["output"]
            .as_str()
            .is_some_and(|output| output.contains("7 itens")),
        "{run}"
    );
    assert!(
        run["duracao_segundos"]
            .as_f64()
            .is_some_and(|time| time > 0.0)
    );
    assert_instant(&run["timestamp"]);
    assert_instant(&run["ultimo_sucesso"]);
}

#[test]
fn status_tells_a_failure_with_its_reason_code_and_last_words() {
    let place = one_that_fails();
    let running = place.service(&[]);
    let status = running.wait_for_cycles(1);

    let run = &status["processadores"]["mau"];
    assert_eq!(
        (&run["sucesso"], &run["resultado"]),
        (&false.into(), &"failure".into())
    );
    assert_eq!(
        (&run["motivo"], &run["codigo_saida"]),
        (&"exit_code".into(), &3.into())
    );
    assert_eq!(run["resumo"], "disco cheio");
    assert_eq!((&run["sucessos"], &run["erros"]), (&0.into(), &1.into()));
    assert!(run["ultimo_sucesso"].is_null(), "{run}");
    assert_eq!(status["sistema"]["total_erros"], 1);
}

#[test]
fn status_names_a_processor_as_active_while_it_runs_and_health_counts_it() {
    let place = Place::with_config(&processor("lento", &["sleep", "300"], ""));
    let running = place.service(&[]);

    running.wait_for_status("the active processor", |status| {
        (status["processadores_ativos"] == serde_json::json!(["lento"])).then_some(())
    });

    assert_eq!(running.get("/health").json()["processadores_ativos"], 1);
    running.stop().assert_code(0);
}

#[test]
fn the_output_in_status_is_masked_and_at_most_4_kib() {
    let script = "head -c 20000 /dev/zero | tr '\\0' 'x'; echo; echo chave $MEU_TOKEN fim";
    let more = "ambiente = { MEU_TOKEN = \"pera-55\" }";
    let place = Place::with_config(&processor("fala", &["sh", "-c", script], more));
    let running = place.service(&["--verbose"]);
    let status = running.wait_for_cycles(1);

    let output = status["processadores"]["fala"]["output"].as_str().unwrap();
    assert!(output.len() <= 4096, "{} bytes", output.len());
    assert!(output.contains("fim"), "the tail is missing: {output}");
    for path in PATHS {
        assert!(
            !running.get(path).body.contains("pera-55"),
            "{path} tells the secret"
        );
    }
    running.stop().assert_silent_about("pera-55");
}

#[test]
fn health_is_healthy_after_a_success_and_has_exactly_its_keys() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    running.wait_for_cycles(1);

    let response = running.get("/health");

    assert_eq!(response.code, 200);
    assert!(
        response
            .header("content-type")
            .starts_with("application/json")
    );
    let health = response.json();
    assert_keys(
        &health,
        "status timestamp service modo_execucao processadores_ativos motivos",
    );
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["service"], "orquestrador-processadores");
    assert_eq!(health["modo_execucao"], "paralelo");
    assert_eq!(health["processadores_ativos"], 0);
    assert_eq!(health["motivos"], serde_json::json!([]));
    assert_instant(&health["timestamp"]);
}

#[test]
fn health_is_degraded_with_200_when_a_processors_last_run_failed_and_names_it() {
    let place = one_that_fails();
    let running = place.service(&[]);
    running.wait_for_cycles(1);

    let response = running.get("/health");

    assert_eq!(response.code, 200);
    let health = response.json();
    assert_eq!(health["status"], "degraded");
    assert!(health["motivos"].to_string().contains("mau"), "{health}");
    assert_eq!(
        running.get("/-/healthy").code,
        200,
        "degraded is no reason to restart"
    );
}

#[test]
fn health_recovers_when_the_next_run_succeeds() {
    let script = "test -e consertado";
    let place = Place::with_config(&format!(
        "intervalo = \"1s\"\n{}",
        processor("vacila", &["sh", "-c", script], "")
    ));
    let running = place.service(&[]);
    let state = |running: &Running| running.get("/health").json()["status"].clone();
    wait_until("degraded", LIMIT, || {
        (state(&running) == "degraded").then_some(())
    });

    place.write("consertado", "");

    wait_until("healthy", LIMIT, || {
        (state(&running) == "healthy").then_some(())
    });
}

#[test]
fn a_service_is_ready_while_it_runs_and_answers_503_stopping_while_it_drains() {
    let (place, running) = {
        let place = one_that_succeeds();
        let running = place.service(&[]);
        (place, running)
    };
    running.wait_for_cycles(1);
    assert_eq!(running.get("/-/ready").code, 200);
    assert_eq!(running.get("/-/healthy").code, 200);
    drop((running, place));

    let (place, running) = draining();
    wait_until("not ready", LIMIT, || {
        (running.get("/-/ready").code == 503).then_some(())
    });
    assert_eq!(running.status()["status"], "stopping");
    assert_eq!(
        running.get("/-/healthy").code,
        200,
        "draining is not unhealthy"
    );
    assert!(
        running
            .get("/metrics")
            .body
            .contains("orquestrador_build_info"),
        "no last scrape"
    );
    running.signal(Signal::SIGTERM);
    running.wait().assert_code(143);
    place.assert_nothing_is_alive();
}

#[test]
fn logs_show_what_each_processor_said() {
    let place = one_that_fails();
    let running = place.service(&[]);
    running.wait_for_cycles(1);

    let response = running.get("/logs");

    assert_eq!(response.code, 200);
    for words in ["mau", "detalhe", "disco cheio"] {
        assert!(
            response.body.contains(words),
            "{words:?} is missing in {}",
            response.body
        );
    }
}

#[test]
fn the_page_tells_state_mode_and_counts_and_escapes_what_the_configuration_says() {
    let config = processor(
        "bom",
        &["/bin/echo", "ok"],
        "rotulo = \"<b>Negrito</b> & cia\"",
    ) + &processor(
        "mau",
        &["sh", "-c", "echo '<script>alert(1)</script>' >&2; exit 3"],
        "",
    );
    let place = Place::with_config(&config);
    let running = place.service(&["--modo", "sequencial"]);
    running.wait_for_cycles(1);

    let response = running.get("/");

    assert_eq!(response.code, 200);
    assert!(
        response.header("content-type").starts_with("text/html"),
        "{response:?}"
    );
    for words in ["sequencial", "&lt;b&gt;Negrito&lt;/b&gt; &amp; cia", "mau"] {
        assert!(
            response.body.contains(words),
            "{words:?} is missing in {}",
            response.body
        );
    }
    assert!(
        !response.body.contains("<script>alert(1)"),
        "{}",
        response.body
    );
}

#[test]
fn head_answers_as_get_without_a_body() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    for path in PATHS {
        let get = running.get(path);
        let head = request(running.address(), "HEAD", path);

        assert_eq!((get.code, head.code), (200, 200), "{path}");
        assert!(
            !get.body.is_empty() && head.body.is_empty(),
            "{path}: {head:?}"
        );
        assert_eq!(
            get.header("content-type"),
            head.header("content-type"),
            "{path}"
        );
    }
}

#[test]
fn every_other_method_is_405_and_every_other_path_404() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    for path in PATHS {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(
                request(running.address(), method, path).code,
                405,
                "{method} {path}"
            );
        }
    }
    for path in ["/nada", "/status/", "/metrics/x", "/..%2f..%2fetc/passwd"] {
        assert_eq!(running.get(path).code, 404, "{path}");
    }
}

#[test]
fn the_address_is_where_it_listens_and_nobody_listens_after_the_stop() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    let address = running.address();
    assert_ne!(address.port(), 0);
    assert!(address.ip().is_loopback());
    running.wait_for_cycles(1);

    running.stop().assert_code(0);

    try_request(address, "GET", "/health").expect_err("somebody still answers");
}

#[test]
fn a_taken_port_is_a_clear_error_with_2_before_any_cycle() {
    let place = Place::with_config(&processor("marca", &["sh", "-c", "touch rodou"], ""));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ways: [&[&str]; 2] = [&["--porta", &port], &["--single-run", "--porta", &port]];
    for arguments in ways {
        let finished = place.run(arguments);

        finished.assert_code(2);
        finished.assert_complains(&port);
        assert!(
            !place.has("rodou"),
            "a cycle ran before the error\n{finished}"
        );
        finished.assert_silent_about("Iniciando ciclo");
    }
}

#[test]
fn a_locked_data_directory_is_2_with_the_pid_of_the_first_and_free_again_after_a_sigkill() {
    let place = Place::with_config(&processor("lento", &["sleep", "300"], ""));
    let first = place.service(&[]);
    first.address();
    wait_until("the run", LIMIT, || {
        (!first.status()["processadores_ativos"]
            .as_array()?
            .is_empty())
        .then_some(())
    });

    for arguments in [&["--porta", "0"][..], &["--single-run"]] {
        let second = place.run(arguments);
        second.assert_code(2);
        second.assert_complains(&first.pid().to_string());
        second.assert_complains("dados");
        second.assert_silent_about("Iniciando ciclo");
    }
    first.signal(Signal::SIGKILL);
    first.wait();
    wait_until("the end of the first", LIMIT, || {
        place.survivors().is_empty().then_some(())
    });

    let third = place.service(&[]);
    third.address();
    third.stop().assert_code(0);
}

#[test]
fn two_orchestrators_on_two_data_directories_live_side_by_side() {
    let place = one_that_succeeds();
    let first = place.service(&["--dados", "a"]);
    let second = place.service(&["--dados", "b"]);

    first.wait_for_cycles(1);
    second.wait_for_cycles(1);

    first.stop().assert_code(0);
    second.stop().assert_code(0);
}

#[test]
fn the_interval_counts_from_the_end_of_a_cycle_and_cycles_go_on() {
    let script = "date +%s.%N >> inicios; sleep 0.5; date +%s.%N >> fins";
    let place = Place::with_config(&processor("ritmo", &["sh", "-c", script], ""));
    let running = place.service(&["--intervalo", "1"]);

    let status = running.wait_for_cycles(3);
    running.stop().assert_code(0);

    assert!(
        status["performance"]["tempo_medio_ciclo"]
            .as_f64()
            .is_some_and(|time| time >= 0.5)
    );
    let times = |name: &str| -> Vec<f64> {
        place
            .read(name)
            .lines()
            .map(|line| line.parse().unwrap())
            .collect()
    };
    for (end, start) in times("fins").iter().zip(times("inicios").iter().skip(1)) {
        let gap = start - end;
        assert!(
            (0.95..3.0).contains(&gap),
            "{gap} s between the end of a cycle and the next start"
        );
    }
}

#[test]
fn the_json_log_of_the_start_has_the_address() {
    let place = one_that_succeeds();
    let running = place.service(&["--log-format", "json"]);
    let line = running.wait_for_line("\"address\"");

    let event: Value = serde_json::from_str(&line).unwrap();

    let address = event["address"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://");
    assert_eq!(
        request(address.parse().unwrap(), "GET", "/health").code,
        200
    );
    for event in running.stop().events() {
        assert!(event["event"].is_string(), "{event}");
    }
}

#[test]
fn clients_that_say_nothing_hinder_neither_the_others_nor_the_stop() {
    let place = one_that_succeeds();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let half = |_| {
        let mut stream = TcpStream::connect(running.address()).unwrap();
        stream
            .write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n")
            .unwrap();
        stream
    };
    let silent: Vec<_> = (0..50).map(half).collect();

    assert_eq!(running.get("/health").code, 200);

    let asked = now();
    running.stop().assert_code(0);
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    drop(silent);
}

#[test]
fn the_stores_commands_work_while_a_service_runs() {
    let place = Place::new();
    let running = place.service(&["--exemplos"]);
    running.wait_for_cycles(1);

    let listed = place.run(&["listar", "modelos", "--json"]);

    listed.assert_code(0);
    assert!(listed.stdout.contains("concluido"), "{listed}");
    running.stop().assert_code(0);
}

#[test]
fn em_falha_parar_has_no_effect_in_a_service_and_the_start_says_so() {
    let config = "modo = \"sequencial\"\nem_falha = \"parar\"\n".to_owned()
        + &processor("mau", &["sh", "-c", "exit 3"], "")
        + &processor("depois", &["/bin/true"], "");
    let place = Place::with_config(&config);
    let running = place.service(&[]);

    let status = running.wait_for_cycles(1);

    assert_eq!(status["processadores"]["depois"]["resultado"], "success");
    let finished = running.stop();
    let said = [finished.stdout.as_str(), &finished.stderr].concat();
    assert!(
        said.contains("em_falha") || said.contains("em-falha"),
        "{finished}"
    );
}

#[test]
fn apenas_is_a_service_of_one_processor_beside_the_whole() {
    let config = processor("um", &["/bin/true"], "") + &processor("dois", &["/bin/true"], "");
    let place = Place::with_config(&config);
    let whole = place.service(&[]);
    whole.wait_for_cycles(1);

    let one = place.service(&["--apenas", "dois"]);
    let status = one.wait_for_cycles(1);

    assert_keys(&status["processadores"], "dois");
    one.stop().assert_code(0);
    whole.stop().assert_code(0);
}

#[test]
fn a_service_whose_console_nobody_reads_any_more_goes_on() {
    let place = Place::with_config(&format!(
        "intervalo = \"1s\"\n{}",
        processor("conta", &["sh", "-c", "echo x >> contas"], "")
    ));
    let running = place.service(&[]);
    let address = running.address();

    place.wait_for_file("contas");
    running.close_stdout();
    let before = place.read("contas").lines().count();

    wait_until("three more cycles", LIMIT, || {
        (place.read("contas").lines().count() >= before + 3).then_some(())
    });
    assert_eq!(
        request(address, "GET", "/health").json()["status"],
        "healthy"
    );
}

#[test]
fn a_console_that_is_stuck_holds_up_nothing_and_what_it_missed_is_counted() {
    let place = Place::with_config(&format!(
        "intervalo = \"200ms\"\n{}",
        processor("fala", &["sh", "-c", "seq 1 5000; echo x >> contas"], "")
    ));
    let running = place.service(&["--verbose"]);
    running.wait_for_cycles(1);
    running.stall_stdout(true);
    let dropped = |text: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("orquestrador_log_lines_lost_total "))?;
        line.parse().ok()
    };
    let before = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(before + 5);
    let missed = wait_until("lines that were missed", LIMIT, || {
        dropped(&running.get("/metrics").body).filter(|dropped| *dropped > 0)
    });
    running.stall_stdout(false);
    running.wait_for_cycles(before + 8);
    assert!(dropped(&running.get("/metrics").body).unwrap() >= missed);
    let ended = running.stop();
    ended.assert_code(0);
    ended.assert_says("linhas perdidas");
}

#[test]
fn a_standard_error_that_is_stuck_holds_up_no_cycle_and_no_stop() {
    // What is refused for the same reason as before is not told again.
    let bad = "echo x >> contas; case $(wc -l < contas) in *[02468]) echo nada;; \
        *) printf '# TYPE y_total counter\\ny_total NaN\\n';; esac > \"$ORQUESTRADOR_METRICS_FILE\"";
    let place = Place::with_config(&format!(
        "intervalo = \"200ms\"\n{}",
        processor("ruim", &["sh", "-c", bad], "")
    ));
    let mut running = place.service(&[]);
    running.wait_for_cycles(1);
    running.stall_stderr(true);
    running.stall_stdout(true);
    let before = running.status()["ciclos_executados"].as_u64().unwrap();

    running.wait_for_cycles(before + 5);
    running.signal(Signal::SIGTERM);
    wait_until("the end of the program", Duration::from_secs(8), || {
        running.has_ended().then_some(())
    });
    running.stall_stderr(false);
    running.stall_stdout(false);
    running.wait().assert_code(0);
}

#[test]
fn what_is_said_on_standard_error_is_there_when_the_program_has_ended() {
    let bad = "echo nada > \"$ORQUESTRADOR_METRICS_FILE\"";
    let place = Place::with_config(&processor("ruim", &["sh", "-c", bad], ""));

    let finished = place.run(&["--single-run", "--arquivo-metricas", "nao/ha/metricas.prom"]);

    finished.assert_complains("metrics of a processor were refused");
    finished.assert_complains("não pode ser gravado");
    finished.assert_code(0);
}
