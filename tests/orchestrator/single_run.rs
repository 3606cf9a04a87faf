//! `--single-run`: what is run, what is said about it, and the exit code.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Place, processor};

const SEQUENTIAL: &[&str] = &["--single-run", "--modo", "sequencial"];
const SEQUENTIAL_JSON: &[&str] = &[
    "--single-run",
    "--modo",
    "sequencial",
    "--log-format",
    "json",
];
const PARALLEL_JSON: &[&str] = &["--single-run", "--modo", "paralelo", "--log-format", "json"];

fn fails_with_3() -> String {
    processor(
        "quebra",
        &["/bin/sh", "-c", "echo disco cheio >&2; exit 3"],
        "rotulo = \"Quebra\"",
    )
}

fn leaves_a_file(name: &str) -> String {
    processor(name, &["/bin/sh", "-c", &format!("touch fez-{name}")], "")
}

#[test]
fn a_program_a_shell_script_and_a_python_script_are_processors_by_configuration_alone() {
    let place = Place::new();
    let shell = place.script("conta.sh", "#!/bin/sh\necho \"três itens\"\n");
    let python = place.script(
        "soma.py",
        "#!/usr/bin/env python3\nprint('soma', 20 + 22)\n",
    );
    let config = [
        processor("nativo", &["/bin/true"], "rotulo = \"Nativo\""),
        processor("casca", &[&shell], "rotulo = \"Casca\""),
        processor("cobra", &[&python], "rotulo = \"Cobra\""),
    ];
    place.write("orquestrador.toml", config.concat());

    let finished = place.run(SEQUENTIAL);

    finished.assert_code(0);
    for label in ["Nativo", "Casca", "Cobra"] {
        finished.assert_says(&format!("✅ {label} executado com sucesso"));
    }
    finished.assert_says("   três itens");
    finished.assert_says("   soma 42");
}

#[test]
fn the_console_tells_a_sequential_cycle_in_the_lines_that_users_know() {
    let place = Place::with_config(&processor(
        "nota",
        &["/bin/echo", "1 nota, 2 itens"],
        "rotulo = \"Processador de notas\"\nrotulo_curto = \"Notas\"\nicone = \"🧾\"",
    ));

    let finished = place.run(SEQUENTIAL);

    finished.assert_code(0);
    let told = [
        "🎯 Orquestrador de Processadores\n",
        "📊 Modo de execução: sequencial\n",
        "🎯 Modo single-run: executando apenas um ciclo\n",
        "🚀 Iniciando ciclo de processamento - ",
        "🧾 Executando Processador de notas...\n",
        "✅ Processador de notas executado com sucesso\n",
        "   1 nota, 2 itens\n",
        "📊 Resultados sequenciais:\n",
        "   🧾 Notas: ✅\n",
        "⏱️  Ciclo completado em ",
        "✅ Ciclo único completado\n",
    ];
    let mut rest = finished.stdout.as_str();
    for line in told {
        let found = rest.to_lowercase().find(&line.to_lowercase());
        let Some((_, after)) = found.and_then(|start| rest.split_at_checked(start)) else {
            panic!("{line:?} is missing or out of order\n{finished}")
        };
        rest = after;
    }
}

#[test]
fn a_failed_program_ends_the_run_with_1_and_the_console_says_code_and_reason() {
    let finished = Place::with_config(&fails_with_3()).run(SEQUENTIAL);

    finished.assert_code(1);
    finished.assert_says("❌ Quebra falhou: código 3");
    finished.assert_says("   disco cheio");
}

#[test]
fn with_both_processors_made_to_fail_the_code_is_1_and_the_console_says_why_of_each() {
    let second = processor(
        "rasga",
        &["/bin/sh", "-c", "echo papel rasgado >&2; exit 4"],
        "rotulo = \"Rasga\"",
    );
    let place = Place::with_config(&(fails_with_3() + &second));
    let modes: [&[&str]; 2] = [
        &["--single-run", "--modo", "paralelo"],
        &[
            "--single-run",
            "--modo",
            "sequencial",
            "--em-falha",
            "continuar",
        ],
    ];
    for mode in modes {
        let finished = place.run(mode);

        finished.assert_code(1);
        finished.assert_says("❌ Quebra falhou: código 3\n   disco cheio");
        finished.assert_says("❌ Rasga falhou: código 4\n   papel rasgado");
    }
}

#[test]
fn a_sequential_single_run_stops_at_the_first_failure_and_skips_the_rest_by_default() {
    let place = Place::with_config(&(fails_with_3() + &leaves_a_file("depois")));

    let finished = place.run(SEQUENTIAL_JSON);

    finished.assert_code(1);
    assert!(
        !place.has("fez-depois"),
        "the second processor ran\n{finished}"
    );
    assert_eq!(
        finished.outcome("depois"),
        ("skip".into(), "dependency".into())
    );
    place.run(SEQUENTIAL).assert_says("⏭️ depois pulado: ");
}

#[test]
fn with_em_falha_continuar_the_processors_after_a_failure_run() {
    let place = Place::with_config(&(fails_with_3() + &leaves_a_file("depois")));

    let finished = place.run(&[SEQUENTIAL_JSON, &["--em-falha", "continuar"]].concat());

    finished.assert_code(1);
    assert!(
        place.has("fez-depois"),
        "the second processor did not run\n{finished}"
    );
    assert_eq!(
        finished.outcome("depois"),
        ("success".into(), String::new())
    );
}

#[test]
fn in_parallel_mode_a_failure_changes_no_other_run_even_with_em_falha_parar() {
    let place = Place::with_config(&(fails_with_3() + &leaves_a_file("vizinho")));

    let finished = place.run(&[PARALLEL_JSON, &["--em-falha", "parar"]].concat());

    finished.assert_code(1);
    assert_eq!(
        finished.outcome("quebra"),
        ("failure".into(), "exit_code".into())
    );
    assert_eq!(
        finished.outcome("vizinho"),
        ("success".into(), String::new())
    );
    assert!(place.has("fez-vizinho"));
}

#[test]
fn a_processor_whose_dependency_failed_is_skipped_in_parallel_mode_too() {
    let second = leaves_a_file("filho") + "depende_de = [\"quebra\"]\n";
    let place = Place::with_config(&(fails_with_3() + &second));

    let finished = place.run(PARALLEL_JSON);

    finished.assert_code(1);
    assert_eq!(
        finished.outcome("filho"),
        ("skip".into(), "dependency".into())
    );
    assert!(!place.has("fez-filho"));
}

#[test]
fn a_program_that_ends_by_a_signal_is_a_failure_with_reason_signal() {
    let place = Place::with_config(&processor("morre", &["/bin/sh", "-c", "kill -9 $$"], ""));

    let finished = place.run(SEQUENTIAL_JSON);

    finished.assert_code(1);
    assert_eq!(
        finished.outcome("morre"),
        ("failure".into(), "signal".into())
    );
}

#[test]
fn a_command_that_cannot_be_started_is_an_error_of_spawn_and_exit_code_1() {
    let place = Place::new();
    let plain = place.write("sem_permissao.sh", "#!/bin/sh\n");
    let commands = [
        "/nao/existe/este-programa",
        "este-programa-nao-existe",
        plain.to_str().unwrap(),
    ];
    for name in commands {
        place.write(
            "orquestrador.toml",
            processor("ausente", &[name], "rotulo = \"Ausente\""),
        );

        let finished = place.run(SEQUENTIAL_JSON);

        finished.assert_code(1);
        assert_eq!(
            finished.outcome("ausente"),
            ("error".into(), "spawn".into())
        );
        let console = place.run(SEQUENTIAL);
        console.assert_code(1);
        console.assert_says("❌ Ausente");
        console.assert_says(name);
    }
}

#[test]
fn a_command_is_a_list_of_arguments_and_never_a_line_for_a_shell() {
    let words = ["/bin/echo", "$HOME; touch perigo", "a  b", "*"];
    let place = Place::with_config(&processor("eco", &words, ""));

    let finished = place.run(SEQUENTIAL);

    finished.assert_code(0);
    finished.assert_says("   $HOME; touch perigo a  b *");
    assert!(!place.has("perigo"));
}

#[test]
fn sigint_ends_a_single_run_with_130_and_sigterm_with_143() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let slow = processor(
            "lento",
            &["/bin/sh", "-c", "touch comecou; exec sleep 300"],
            "",
        );
        let place = Place::with_config(&slow);
        let running = place.program(SEQUENTIAL_JSON).start();
        place.wait_for_file("comecou");

        running.signal(signal);
        let finished = running.wait();

        finished.assert_code(code);
        assert_eq!(
            finished.outcome("lento"),
            ("cancellation".into(), "shutdown".into())
        );
        place.assert_nothing_is_alive();
    }
}

#[test]
fn a_dry_run_starts_only_who_accepts_it_tells_it_so_and_writes_nothing_but_the_lock() {
    let accepts = processor(
        "aceita",
        &["/bin/sh", "-c", "echo simula=$ORQUESTRADOR_DRY_RUN"],
        "aceita_dry_run = true",
    );
    let place = Place::with_config(&(leaves_a_file("grava") + &accepts));

    let finished = place.run(&[SEQUENTIAL, &["--dry-run"]].concat());

    finished.assert_code(0);
    finished.assert_says("🧪 Simulação: nada será gravado");
    finished.assert_says("   simula=true");
    assert!(
        !place.has("fez-grava"),
        "a processor that does not accept a dry run was started"
    );
    let written = place.files("dados");
    assert!(
        written.len() <= 1,
        "more than the lock was written: {written:?}"
    );
    let json = place.run(&[SEQUENTIAL_JSON, &["--dry-run"]].concat());
    assert_eq!(json.outcome("grava"), ("skip".into(), "dry_run".into()));
}

#[test]
fn every_variable_of_the_dry_run_makes_one() {
    let place = Place::with_config(&leaves_a_file("grava"));
    for name in ["ORQUESTRADOR_DRY_RUN", "DRY_RUN"] {
        let finished = place.program(SEQUENTIAL).env(name, "true").run();

        finished.assert_code(0);
        finished.assert_says("🧪 Simulação: nada será gravado");
        assert!(
            !place.has("fez-grava"),
            "{name} started a processor that writes"
        );
    }
}

#[test]
fn each_line_of_the_json_log_is_an_object_with_the_fields_of_its_fact() {
    let place = Place::with_config(&(processor("um", &["/bin/true"], "") + &fails_with_3()));

    let finished = place.run(PARALLEL_JSON);

    finished.assert_code(1);
    let events = finished.events();
    assert!(events.len() >= 4, "too few facts\n{finished}");
    for event in &events {
        let time = event["timestamp"].as_str().expect("timestamp");
        time.parse::<jiff::Timestamp>()
            .expect("an instant with zone");
        assert!(event["level"].is_string(), "no level: {event}");
        assert!(event["event"].is_string(), "no event: {event}");
    }
    let of_runs: Vec<_> = events
        .iter()
        .filter(|event| event["processor"].is_string())
        .collect();
    assert!(
        of_runs.len() >= 4,
        "start and end of two runs are missing\n{finished}"
    );
    for event in of_runs {
        assert!(event["cycle"].is_u64(), "no cycle: {event}");
        assert!(event["run"].is_string(), "no run: {event}");
    }
    assert_eq!(finished.outcome("um"), ("success".into(), String::new()));
}

#[test]
fn a_dead_collector_changes_no_exit_code_and_the_log_carries_the_trace() {
    let words = ["/bin/sh", "-c", "echo $TRACEPARENT"];
    let place = Place::with_config(&processor("um", &words, ""));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();

    let finished = place
        .program(SEQUENTIAL_JSON)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{closed}"))
        .run();

    finished.assert_code(0);
    let events = finished.events();
    let end = events
        .iter()
        .find(|event| event["outcome"].is_string())
        .expect("the run's end");
    let trace = end["trace_id"].as_str().expect("trace_id");
    assert_eq!(
        (trace.len(), end["span_id"].as_str().map(str::len)),
        (32, Some(16)),
        "{end}"
    );
    assert!(
        finished.stdout.contains(&format!("00-{trace}-")),
        "no TRACEPARENT\n{finished}"
    );
}

#[test]
fn a_child_is_told_who_it_is_and_gets_neither_our_options_nor_a_strangers_trace() {
    let place = Place::with_config(&processor("quem", &["/bin/sh", "-c", "env > ambiente"], ""));

    let finished = place
        .program(SEQUENTIAL)
        .env("ORQUESTRADOR_VERBOSE", "true")
        .env("ORQUESTRADOR_EM_FALHA", "parar")
        .env(
            "TRACEPARENT",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .env("DIRECTUS_TOKEN", "token-que-nao-passa")
        .env("ORQUESTRADOR_DADOS", "outros")
        .run();

    finished.assert_code(0);
    let text = place.read("ambiente");
    let variables: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(variables.get("ORQUESTRADOR_PROCESSOR"), Some(&"quem"));
    assert_eq!(variables.get("ORQUESTRADOR_CYCLE"), Some(&"1"));
    assert_eq!(variables.get("ORQUESTRADOR_ATTEMPT"), Some(&"1"));
    assert!(
        variables
            .get("ORQUESTRADOR_RUN_ID")
            .is_some_and(|id| !id.is_empty())
    );
    let not_for_children = [
        "ORQUESTRADOR_VERBOSE",
        "ORQUESTRADOR_EM_FALHA",
        "ORQUESTRADOR_DADOS",
        "TRACEPARENT",
        "DIRECTUS_TOKEN",
    ];
    for name in not_for_children {
        assert!(!variables.contains_key(name), "{name} reached the child");
    }
    assert!(
        variables.contains_key("MARCA_DO_TESTE"),
        "the ordinary environment is inherited"
    );
}

#[test]
fn the_configured_environment_and_folder_are_the_childs_and_a_cleared_one_inherits_nothing() {
    let more = "limpar_ambiente = true\nambiente = { COR = \"azul\" }\ndiretorio = \"dentro\"";
    let place = Place::with_config(&processor(
        "isolado",
        &["/bin/sh", "-c", "/usr/bin/env > v"],
        more,
    ));
    fs::create_dir(place.join("dentro")).unwrap();

    place.run(SEQUENTIAL).assert_code(0);

    let variables = place.read("dentro/v");
    assert!(variables.contains("COR=azul\n"), "{variables}");
    assert!(!variables.contains("MARCA_DO_TESTE"), "{variables}");
}

#[test]
fn a_child_leads_a_session_of_its_own_and_holds_no_descriptor_but_its_three() {
    let python = "import os\n\
        print(os.getpid() == os.getsid(0) == os.getpgid(0), os.readlink('/proc/self/fd/0'),\n\
        sorted(f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f)))";
    let place = Place::with_config(&processor("sessao", &["python3", "-c", python], ""));

    let finished = place.run(SEQUENTIAL);

    finished.assert_code(0);
    finished.assert_says("   True /dev/null ['0', '1', '2']");
}

#[test]
fn a_secret_that_a_child_prints_never_reaches_console_or_log() {
    let more = "ambiente = { SENHA_DO_BANCO = \"abacate-73\", BANCO_TOKEN = \"manga-21\" }\n\
        segredos = [\"SENHA_DO_BANCO\"]";
    let script = "echo senha $SENHA_DO_BANCO; echo token $BANCO_TOKEN >&2; echo fim $BANCO_TOKEN";
    let place = Place::with_config(&processor("fala", &["/bin/sh", "-c", script], more));
    for arguments in [SEQUENTIAL, SEQUENTIAL_JSON] {
        let finished = place.run(&[arguments, &["--verbose"]].concat());

        finished.assert_code(0);
        finished.assert_says("fim");
        finished.assert_says("senha");
        finished.assert_silent_about("abacate-73");
        finished.assert_silent_about("manga-21");
    }
}

#[test]
fn verbose_shows_every_line_of_a_child_and_the_summary_alone_without_it() {
    let script = "echo primeira; echo segunda >&2; echo última";
    let place = Place::with_config(&processor("fala", &["/bin/sh", "-c", script], ""));

    let quiet = place.run(SEQUENTIAL);
    let verbose = place.run(&[SEQUENTIAL, &["--verbose"]].concat());

    quiet.assert_says("   última");
    quiet.assert_silent_about("primeira");
    for line in ["primeira", "segunda", "última"] {
        verbose.assert_says(line);
    }
}

#[test]
fn a_single_run_opens_no_port_unless_the_flag_asks_for_one() {
    let place = Place::with_config(&processor("um", &["/bin/true"], ""));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let by_variable = place
        .program(SEQUENTIAL)
        .env("ORQUESTRADOR_PORTA", &port)
        .run();
    by_variable.assert_code(0);
    by_variable.assert_silent_about("📡 Monitoramento");

    let by_flag = place.run(&[SEQUENTIAL, &["--porta", "0"]].concat());
    by_flag.assert_code(0);
    by_flag.assert_says("📡 Monitoramento: http://127.0.0.1:");
}

#[test]
fn apenas_runs_one_processor_with_a_folder_of_its_own() {
    let place = Place::with_config(&(leaves_a_file("um") + &leaves_a_file("dois")));

    place
        .run(&[SEQUENTIAL, &["--apenas", "dois"]].concat())
        .assert_code(0);

    assert_eq!((place.has("fez-um"), place.has("fez-dois")), (false, true));
    assert!(place.has("dados/apenas/dois"), "{:?}", place.files("."));
    let unknown = place.run(&["--single-run", "--apenas", "tres"]);
    unknown.assert_code(2);
    unknown.assert_complains("tres");
}

#[test]
fn a_flood_of_output_neither_blocks_the_child_nor_grows_the_log() {
    let script = "head -c 60000000 /dev/zero | tr '\\0' 'x'; echo; echo enchente passou";
    let place = Place::with_config(&processor("enchente", &["/bin/sh", "-c", script], ""));

    let finished = place.run(SEQUENTIAL);

    finished.assert_code(0);
    finished.assert_says("   enchente passou");
    assert!(
        finished.stdout.len() < 10_000,
        "{} bytes of console",
        finished.stdout.len()
    );
}

#[test]
fn output_that_is_not_utf_8_is_shown_with_replacements_and_harms_nothing() {
    let words = ["/bin/sh", "-c", "printf 'a\\377b\\n'"];
    let place = Place::with_config(&processor("binario", &words, ""));

    let finished = place.run(SEQUENTIAL_JSON);

    finished.assert_code(0);
    assert!(
        finished
            .events()
            .iter()
            .any(|event: &Value| event.to_string().contains("a\u{fffd}b"))
    );
}

#[test]
fn in_parallel_mode_the_processors_run_side_by_side() {
    let meet = |mine: &str, other: &str| {
        let script = format!(
            "touch {mine}; i=0; until test -e {other}; do sleep 0.02; i=$((i+1)); test $i -lt 250; done"
        );
        processor(mine, &["sh", "-e", "-c", &script], "")
    };
    let place = Place::with_config(
        &("paralelismo = 2\n".to_owned() + &meet("um", "dois") + &meet("dois", "um")),
    );

    place
        .run(&["--single-run", "--modo", "paralelo"])
        .assert_code(0);
}

#[test]
fn a_sequential_cycle_and_a_parallelism_of_1_never_have_two_runs_at_once() {
    let alone = |name: &str| {
        let script = "mkdir ocupado && sleep 0.1 && rmdir ocupado";
        processor(name, &["sh", "-c", script], "")
    };
    let config = "paralelismo = 1\n".to_owned() + &alone("um") + &alone("dois") + &alone("tres");
    for mode in ["sequencial", "paralelo"] {
        let place = Place::with_config(&config);
        let finished = place.run(&["--single-run", "--modo", mode]);

        finished.assert_code(0);
        assert!(!place.has("ocupado"));
    }
}

#[test]
fn a_sequential_cycle_keeps_the_order_of_the_configuration() {
    let note = |name: &str| processor(name, &["sh", "-c", &format!("echo {name} >> ordem")], "");
    let place = Place::with_config(&["zebra", "anta", "mico"].map(note).concat());

    place.run(SEQUENTIAL).assert_code(0);

    assert_eq!(place.read("ordem"), "zebra\nanta\nmico\n");
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let place = Place::with_config(&processor("um", &["/bin/true"], ""));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());

    let finished = place
        .program(SEQUENTIAL)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .run();

    finished.assert_code(0);
    assert!(
        finished.elapsed < Duration::from_secs(6),
        "{:?}",
        finished.elapsed
    );
}
