//! Attempts within a run.

use std::time::Duration;

use crate::support::{Place, processor};

#[test]
fn a_run_that_succeeds_at_its_third_attempt_is_one_success_with_three_attempts_everywhere() {
    let script = "echo tentativa $ORQUESTRADOR_ATTEMPT; test $ORQUESTRADOR_ATTEMPT = 3 || exit 75";
    let more = "tentativas = 5\nespera = \"10ms\"\nrotulo = \"Instável\"";
    let place = Place::with_config(&processor("instavel", &["sh", "-c", script], more));
    let running = place.service(&["--intervalo", "10m"]);
    let status = running.wait_for_cycles(1);
    let finished = running.stop();

    finished.assert_says("🔁 Instável: tentativa 1 de 5 falhou (código 75); a próxima em ");
    finished.assert_says("🔁 Instável: tentativa 2 de 5 falhou (código 75); a próxima em ");
    finished.assert_says("✅ Instável executado com sucesso\n   tentativa 3\n");
    let of_one = &status["processadores"]["instavel"];
    assert_eq!(of_one["tentativas"], 3, "{of_one}");
    assert_eq!(
        (&of_one["execucoes"], &of_one["erros"]),
        (&1.into(), &0.into()),
        "{of_one}"
    );
    let runs = place.run(&["historico", "--json"]).events();
    assert_eq!((runs.len(), &runs[0]["tentativas"]), (1, &3.into()));
    let id = runs[0]["id"].as_str().unwrap();
    let details = place.run(&["execucao", id, "--json"]).events();
    let attempts = details[0]["lista_tentativas"].as_array().unwrap();
    let codes: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["codigo_saida"].clone())
        .collect();
    assert_eq!(codes, [75, 75, 0]);
}

#[test]
fn after_the_last_attempt_the_run_has_failed_once() {
    let place = Place::with_config(&processor("ruim", &["false"], "tentativas = 2\nespera = 0"));
    let finished = place.run(&["--single-run", "--log-format", "json"]);
    finished.assert_code(1);
    assert_eq!(
        finished.outcome("ruim"),
        ("failure".into(), "exit_code".into())
    );
    let events = finished.events();
    let count = |event: &str| events.iter().filter(|line| line["event"] == event).count();
    assert_eq!((count("attempt_failed"), count("run_finished")), (1, 1));
}

#[test]
fn with_a_list_of_exit_codes_only_these_are_tried_again() {
    let more = "tentativas = 3\nespera = 0\ncodigos_retentaveis = [75]";
    let config = processor("definitivo", &["sh", "-c", "exit 1"], more)
        + &processor("passageiro", &["sh", "-c", "exit 75"], more);
    let place = Place::with_config(&config);
    place.run(&["--single-run"]).assert_code(1);
    let runs = place.run(&["historico", "--json"]).events();
    let attempts = |name: &str| {
        runs.iter().find(|run| run["processador"] == name).unwrap()["tentativas"].clone()
    };
    assert_eq!(
        (attempts("definitivo"), attempts("passageiro")),
        (1.into(), 3.into())
    );
}

#[test]
fn a_timeout_holds_for_each_attempt_and_is_tried_again() {
    let more = "tentativas = 2\nespera = 0\ntimeout = \"200ms\"\ncarencia = \"100ms\"";
    let place = Place::with_config(&processor("lento", &["sleep", "300"], more));
    let finished = place.run(&["--single-run"]);
    finished.assert_code(1);
    finished.assert_says("tentativa 1 de 2 falhou (excedeu 200ms)");
    finished.assert_says("⏰ lento excedeu 200ms");
}

#[test]
fn a_stop_between_two_attempts_ends_the_run_at_once_as_cancelled() {
    let more = "tentativas = 2\nespera = \"10m\"\nespera_max = \"10m\"";
    let place = Place::with_config(&processor("ruim", &["false"], more));
    let running = place
        .program(&["--single-run", "--log-format", "json"])
        .start();
    running.wait_for_line("attempt_failed");
    let finished = running.stop();
    finished.assert_code(143);
    assert_eq!(
        finished.outcome("ruim"),
        ("cancellation".into(), "shutdown".into())
    );
    assert!(
        finished.elapsed < Duration::from_secs(20),
        "{:?}",
        finished.elapsed
    );
}

#[test]
fn what_cannot_be_tried_is_told_with_what_was_expected() {
    let bad =
        "tentativas = 0\nespera = \"-1s\"\nespera_max = \"oi\"\ncodigos_retentaveis = [0, 300]";
    let place = Place::with_config(&processor("ruim", &["false"], bad));
    let refused = place.run(&["validar"]);
    refused.assert_code(2);
    for key in ["tentativas", "espera", "espera_max", "codigos_retentaveis"] {
        refused.assert_complains(&format!("processador[1].{key}"));
    }
    let small = "espera = \"2m\"\nespera_max = \"1m\"";
    place.write("orquestrador.toml", processor("ruim", &["false"], small));
    let refused = place.run(&["validar"]);
    refused.assert_code(2);
    refused.assert_complains("espera_max: é menor do que espera");
}
