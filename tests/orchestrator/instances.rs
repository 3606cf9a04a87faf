//! Several runs of one processor in one start, as real processes.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, Place, Running, processor, wait_until};

/// Says which one it is, and waits until there are `$1` of them at the same time.
const MEETING: &str = "#!/bin/sh\n\
    echo \"$ORQUESTRADOR_INSTANCIA de $ORQUESTRADOR_INSTANCIAS\" > \"aqui-$ORQUESTRADOR_INSTANCIA\"\n\
    n=0; while [ \"$(ls aqui-* | wc -l)\" -lt \"$1\" ]; do n=$((n+1)); [ $n -gt 500 ] && exit 9; sleep 0.02; done\n";

/// All that the history knows of each run.
fn runs(place: &Place) -> Vec<Value> {
    let told = place.run(&["historico", "--json"]);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].clone();
    let details = |line| {
        let told = place.run(&["execucao", id(line).as_str().unwrap(), "--json"]);
        serde_json::from_str(&told.stdout).unwrap()
    };
    told.stdout.lines().map(details).collect()
}

#[test]
fn three_instances_run_side_by_side_with_numbers_of_their_own() {
    let place = Place::new();
    let script = place.script("encontro.sh", MEETING);
    let more = "instancias = 3";
    let text = processor("trio", &[&script, "3"], more);
    place.write("orquestrador.toml", format!("paralelismo = 3\n{text}"));
    let ended = place.run(&["--single-run"]);
    ended.assert_code(0);
    for number in 1..=3 {
        assert_eq!(
            place.read(&format!("aqui-{number}")).trim(),
            format!("{number} de 3")
        );
        ended.assert_says(&format!("trio ({number} de 3) executado com sucesso"));
    }
    let runs = runs(&place);
    let ids: BTreeSet<_> = runs.iter().map(|run| run["id"].as_str().unwrap()).collect();
    let numbers: BTreeSet<_> = runs.iter().map(|run| run["instancia"].as_u64()).collect();
    assert_eq!((ids.len(), numbers.len()), (3, 3), "{runs:?}");
    assert!(
        runs.iter()
            .all(|run| run["instancias"] == 3 && run["ciclo"] == 1)
    );
}

#[test]
fn one_bad_instance_makes_the_processor_a_failed_one_whichever_ends_last() {
    for last in ["1", "2", "3"] {
        let place = Place::new();
        // The second one fails; the last one ends when the others are long gone.
        let body = format!(
            "#!/bin/sh\n[ $ORQUESTRADOR_INSTANCIA = {last} ] && sleep 0.5\n[ $ORQUESTRADOR_INSTANCIA = 2 ] && exit 7\nexit 0\n"
        );
        let script = place.script("um-ruim.sh", &body);
        let text = processor("trio", &[&script], "instancias = 3");
        place.write(
            "orquestrador.toml",
            format!("paralelismo = 3\nintervalo = \"1h\"\n{text}"),
        );
        let service = place.service(&[]);
        let status = service.wait_for_cycles(1);
        let trio = &status["processadores"]["trio"];
        assert_eq!(
            (&trio["sucesso"], &trio["codigo_saida"], &trio["execucoes"]),
            (&Value::from(false), &Value::from(7), &Value::from(3)),
            "{last} last: {trio}"
        );
        let text = service.get("/metrics").body;
        for line in [
            "orquestrador_processor_last_run_success{processor=\"trio\"} 0",
            "orquestrador_processor_last_exit_code{processor=\"trio\"} 7",
            "orquestrador_processor_consecutive_failures{processor=\"trio\"} 1",
            "orquestrador_processor_last_success_timestamp_seconds{processor=\"trio\"} 0",
            "orquestrador_runs_total{outcome=\"success\",processor=\"trio\"} 2",
            "orquestrador_runs_total{outcome=\"failure\",processor=\"trio\"} 1",
            "orquestrador_runs_queued 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{last}: {line} in\n{text}"
            );
        }
        service.stop();
    }
}

#[test]
fn a_reload_from_three_instances_to_one_holds_from_the_next_cycle_on() {
    let place = Place::new();
    let script = place.script("conta.sh", "#!/bin/sh\necho $ORQUESTRADOR_CYCLE >> vezes\n");
    let config = |count: u32| {
        let text = processor("trio", &[&script], &format!("instancias = {count}"));
        format!("paralelismo = 3\nintervalo = \"1h\"\n{text}")
    };
    place.write("orquestrador.toml", config(3));
    let service = place.service(&[]);
    let status = service.wait_for_cycles(1);
    assert_eq!(
        status["processadores"]["trio"]["instancias"]["desejadas"], 3,
        "{status}"
    );
    place.write("orquestrador.toml", config(1));
    service.signal(Signal::SIGHUP);
    service.wait_for_line("processador trio.instancias: 3 -> 1");
    service.signal(Signal::SIGUSR1);
    let status = service.wait_for_cycles(2);
    assert_eq!(
        status["processadores"]["trio"]["instancias"]["desejadas"], 1,
        "{status}"
    );
    assert_eq!(
        place.read("vezes").split_whitespace().collect::<Vec<_>>(),
        ["1", "1", "1", "2"]
    );
    service.stop();
}

#[test]
fn instances_that_run_are_counted_and_shown_one_by_one() {
    let place = Place::new();
    let script = place.script(
        "espera.sh",
        "#!/bin/sh\ntouch aqui-$ORQUESTRADOR_INSTANCIA\nwhile [ ! -e fim ]; do sleep 0.02; done\n",
    );
    let text = processor("trio", &[&script], "instancias = 3");
    place.write(
        "orquestrador.toml",
        format!("paralelismo = 2\nintervalo = \"1h\"\n{text}"),
    );
    let service = place.service(&[]);
    wait_until("two that run", LIMIT, || {
        (place.has("aqui-1") && place.has("aqui-2")).then_some(())
    });
    let status = service.status();
    assert_eq!(
        status["processadores"]["trio"]["instancias"]["em_execucao"], 2,
        "{status}"
    );
    assert_eq!(status["processadores_ativos"], serde_json::json!(["trio"]));
    let text = service.get("/metrics").body;
    for line in [
        "orquestrador_runs_in_flight{processor=\"trio\"} 2",
        "orquestrador_runs_queued 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let page = service.get("/").body;
    assert!(
        page.contains("trio (1 de 3)") && page.contains("trio (2 de 3)"),
        "{page}"
    );
    place.write("fim", "");
    service.wait_for_cycles(1);
    service.stop();
}

#[test]
fn a_number_of_instances_that_makes_no_sense_is_told_with_every_other_problem() {
    let text = [
        processor("zero", &["true"], "instancias = 0"),
        processor("muitas", &["true"], "instancias = 65"),
        processor("texto", &["true"], "instancias = \"duas\""),
    ];
    let place = Place::with_config(&text.concat());
    let told = place.run(&["validar"]);
    told.assert_code(2);
    for words in [
        "processador[1].instancias: 0 está fora do limite; esperado de 1 a 64",
        "processador[2].instancias: 65 está fora do limite; esperado de 1 a 64",
        "processador[3].instancias: é um texto; esperado um número inteiro",
    ] {
        told.assert_complains(words);
    }
}

/// Reports what stands in the file `fila` as its queue.
const QUEUE: &str = "#!/bin/sh\nset -e\n\
    printf '# TYPE docx_queue_records gauge\ndocx_queue_records{collection=\"versao\",state=\"waiting\"} %s\n' \"$(cat fila)\" \
    > \"$ORQUESTRADOR_METRICS_FILE.tmp\"\nmv \"$ORQUESTRADOR_METRICS_FILE.tmp\" \"$ORQUESTRADOR_METRICS_FILE\"\n\
    echo x >> \"vezes-$ORQUESTRADOR_CYCLE\"\n";

fn following(place: &Place, instances: &str) -> String {
    let script = place.script("fila.sh", QUEUE);
    let text = processor("trio", &[&script], instances);
    format!("paralelismo = 8\nintervalo = \"1h\"\n{text}")
}

/// Asks for a cycle, but for the first; how many runs it had.
fn one_more(service: &Running, place: &Place, cycle: u64) -> usize {
    if cycle > 1 {
        service.signal(Signal::SIGUSR1);
    }
    service.wait_for_cycles(cycle);
    place.read(&format!("vezes-{cycle}")).lines().count()
}

fn assert_metrics(service: &Running, lines: &[&str]) {
    let text = service.get("/metrics").body;
    for line in lines {
        assert!(
            text.lines().any(|found| found == *line),
            "{line} in\n{text}"
        );
    }
}

#[test]
fn a_reported_backlog_of_a_hundred_makes_five_of_the_next_start_and_goes_down_again_one_by_one() {
    let place = Place::new();
    let text = following(&place, "instancias = { min = 1, max = 8, alvo = 20 }");
    let fixed = processor("fixo", &["true"], "instancias = 2");
    place.write("orquestrador.toml", text + &fixed);
    place.write("fila", "100");
    let service = place.service(&[]);
    assert_eq!(one_more(&service, &place, 1), 1);
    service.wait_for_line("trio: 100 na fila; instâncias no próximo início: 5 (eram 1)");
    assert_metrics(
        &service,
        &[
            "orquestrador_desired_instances{processor=\"trio\"} 5",
            "orquestrador_desired_instances{processor=\"fixo\"} 2",
            "orquestrador_processor_backlog{processor=\"trio\"} 100",
            "orquestrador_processor_backlog_missing{processor=\"trio\"} 0",
        ],
    );
    let status = service.status();
    let told = &status["processadores"]["trio"]["instancias"];
    let expected = (&Value::from(5), &Value::from(100.0));
    assert_eq!(
        (&told["desejadas"], &told["carga"]["fila"]),
        expected,
        "{told}"
    );
    let fixed = &status["processadores"]["fixo"]["instancias"];
    assert_eq!(fixed["carga"], Value::Null);
    place.write("fila", "0");
    let counts: Vec<_> = (2..=8)
        .map(|cycle| one_more(&service, &place, cycle))
        .collect();
    assert_eq!(counts, [5, 5, 5, 4, 4, 4, 3]);
    let page = service.get("/processadores/trio").body;
    assert!(
        page.contains("3, de 1 a 8; 0 na fila, 20 por instância"),
        "{page}"
    );
    service.stop();
}

#[test]
fn a_backlog_that_nobody_reports_is_a_warning_once_and_a_state_that_is_seen() {
    let place = Place::new();
    let text = following(
        &place,
        "instancias = { min = 2, max = 8, alvo = 20, metrica = 'outra{x=\"y\"}' }",
    );
    place.write("orquestrador.toml", &text);
    place.write("fila", "100");
    let service = place.service(&[]);
    assert_eq!(one_more(&service, &place, 1), 2);
    assert_metrics(
        &service,
        &[
            "orquestrador_processor_backlog_missing{processor=\"trio\"} 1",
            "orquestrador_desired_instances{processor=\"trio\"} 2",
        ],
    );
    let served = service.get("/metrics").body;
    assert!(!served.contains("orquestrador_processor_backlog{"));
    let load = service.status()["processadores"]["trio"]["instancias"]["carga"].clone();
    let expected = (&Value::from(true), &Value::Null);
    assert_eq!((&load["ausente"], &load["fila"]), expected, "{load}");
    one_more(&service, &place, 2);
    // The configuration is repaired: the backlog is followed from the next cycle on.
    let repaired = text.replace("outra{x=\"y\"}", "docx_queue_records");
    place.write("orquestrador.toml", repaired);
    service.signal(Signal::SIGHUP);
    service.wait_for_line("processador trio.instancias.metrica");
    one_more(&service, &place, 3);
    assert_metrics(
        &service,
        &["orquestrador_processor_backlog_missing{processor=\"trio\"} 0"],
    );
    assert_eq!(one_more(&service, &place, 4), 5);
    let ended = service.stop();
    let said = ended
        .stdout
        .matches("o relatório de métricas não traz outra{x=\"y\"}");
    assert_eq!(said.count(), 1, "{ended}");
}

#[test]
fn every_problem_of_a_table_of_instances_is_told_and_validar_shows_what_holds() {
    let wrong = "instancias = { min = 9, max = 3, alvo = 0, metrica = \"uma fila\", alv = 1 }";
    let bad = processor("a", &["true"], wrong) + &processor("b", &["true"], "instancias = {}");
    let place = Place::with_config(&bad);
    let told = place.run(&["validar"]);
    told.assert_code(2);
    for words in [
        "processador[1].instancias.min: 9 é mais do que max, que é 3",
        "processador[1].instancias.alvo: 0 está fora do limite; esperado de 1 a 1000000",
        "processador[1].instancias.metrica: \"uma fila\" não é uma métrica",
        "processador[1].instancias.alv: chave desconhecida; talvez alvo?",
        "processador[2].instancias.max: falta; esperado um número de 1 a 64",
        "processador[2].instancias.alvo: falta; esperado um número de 1 a 1000000",
    ] {
        told.assert_complains(words);
    }
    let good = processor("a", &["true"], "instancias = { max = 3, alvo = 20 }");
    place.write("orquestrador.toml", format!("paralelismo = 2\n{good}"));
    let told = place.run(&["validar"]);
    told.assert_code(0);
    for words in [
        "min = 1",
        "max = 3",
        "alvo = 20",
        "docx_queue_records{state=",
    ] {
        told.assert_says(words);
    }
    told.assert_complains("a.instancias: até 3, mas paralelismo = 2 deixa no máximo 2 lado a lado");
    let launch = place.program(&["validar"]);
    let told = launch.env("ORQUESTRADOR_MODO", "sequencial").run();
    told.assert_complains("a.instancias: no modo sequencial");
}

#[test]
fn runs_of_one_start_that_a_crash_left_open_are_one_failure() {
    let place = Place::new();
    let script = place.script(
        "dorme.sh",
        "#!/bin/sh\ntouch aqui-$ORQUESTRADOR_INSTANCIA\nexec sleep 60\n",
    );
    let text = processor("trio", &[&script], "instancias = 3");
    place.write(
        "orquestrador.toml",
        format!("paralelismo = 3\nintervalo = \"1h\"\n{text}"),
    );
    let service = place.service(&[]);
    wait_until("three that run", LIMIT, || {
        (1..=3)
            .all(|number| place.has(&format!("aqui-{number}")))
            .then_some(())
    });
    service.signal(Signal::SIGKILL);
    service.wait();
    let service = place.service(&[]);
    assert_metrics(
        &service,
        &[
            "orquestrador_processor_consecutive_failures{processor=\"trio\"} 1",
            "orquestrador_runs_total{outcome=\"error\",processor=\"trio\"} 3",
        ],
    );
    service.stop();
}

#[test]
fn a_processor_that_followed_its_backlog_and_is_fixed_for_a_while_begins_at_its_minimum_again() {
    let place = Place::new();
    let followed = following(&place, "instancias = { min = 1, max = 8, alvo = 20 }");
    let fixed = following(&place, "instancias = 2");
    place.write("orquestrador.toml", &followed);
    place.write("fila", "100");
    let service = place.service(&[]);
    assert_eq!(one_more(&service, &place, 1), 1);
    let desired = |count: u64| {
        service.wait_for_status("the wish", |status| {
            let told = &status["processadores"]["trio"]["instancias"]["desejadas"];
            (told.as_u64() == Some(count)).then_some(())
        });
        let line = format!("orquestrador_desired_instances{{processor=\"trio\"}} {count}");
        assert_metrics(&service, &[&line]);
    };
    desired(5);
    for (text, count) in [(&fixed, 2), (&followed, 1)] {
        place.write("orquestrador.toml", text);
        service.signal(Signal::SIGHUP);
        desired(count);
    }
    assert_eq!(one_more(&service, &place, 2), 1);
    assert_eq!(one_more(&service, &place, 3), 5);
    service.stop();
}
