//! A reload that cannot hurt: whole or not at all, and what runs is not disturbed.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{LIMIT, Place, pause, processor, wait_until};

fn config(more: &str) -> String {
    let text = [
        "intervalo = \"1h\"\n".to_owned(),
        processor("fica", &["sh", "-c", "echo . >> fica"], ""),
        more.to_owned(),
    ];
    text.concat()
}

#[test]
fn a_valid_file_is_applied_whole_and_the_difference_is_told() {
    let place = Place::with_config(&config(&processor("sai", &["true"], "")));
    let service = place.service(&[]);
    service.wait_for_cycles(1);
    let added = processor(
        "entra",
        &["sh", "-c", "echo . >> entra"],
        "agenda = \"* * * * * *\"\n",
    );
    place.write("orquestrador.toml", config(&added).replace("1h", "2h"));
    let told = place.run(&["validar", "--diff"]);
    told.assert_code(0);
    told.assert_says("processador sai: retirado");
    service.signal(Signal::SIGHUP);
    service.wait_for_line("Configuração recarregada:");
    place.wait_for_file("entra");
    let status = service.status();
    assert_eq!(status["intervalo_verificacao"], 7200.0, "{status}");
    let processors = status["processadores"].as_object().unwrap();
    assert!(
        processors.contains_key("entra") && !processors.contains_key("sai"),
        "{status}"
    );
    assert_eq!(status["processadores"]["fica"]["execucoes"], 1);
    let same = place.run(&["validar", "--diff"]);
    same.assert_says("nada mudaria");
    let ended = service.stop();
    ended.assert_says("processador entra: acrescentado");
    ended.assert_says("processador sai: retirado");
    ended.assert_says("intervalo: \"3600s\" -> \"7200s\"");
    place.run(&["validar", "--diff"]).assert_code(1);
}

#[test]
fn an_invalid_file_or_one_that_needs_a_restart_changes_nothing_and_says_every_problem() {
    let place = Place::with_config(&config(""));
    let service = place
        .program(&["--log-format", "json"])
        .env("ORQUESTRADOR_PORTA", "0")
        .env("ORQUESTRADOR_LOG_FORMAT", "json")
        .start();
    wait_until("a run", LIMIT, || place.has("fica").then_some(()));
    let told = |words: &str| {
        wait_until(words, LIMIT, || {
            service.stdout().contains(words).then_some(())
        });
    };
    for (text, words) in [
        ("isto não é TOML".to_owned(), "não é TOML válido"),
        (
            config("") + &processor("x", &["true"], "agenda = \"61 * * * *\"\ntimeuot = 3\n"),
            "minuto 0-59",
        ),
        (
            format!("escutar = \"127.0.0.2\"\n{}", config("")),
            "escutar: ",
        ),
        (format!("dados = \"outros\"\n{}", config("")), "dados: "),
    ] {
        place.write("orquestrador.toml", text);
        service.signal(Signal::SIGHUP);
        told(words);
    }
    assert!(
        service.stdout().contains("talvez timeout"),
        "all problems at once"
    );
    // The variable still wins over the file, so that this is no change of the port.
    place.write("orquestrador.toml", format!("porta = 1\n{}", config("")));
    service.signal(Signal::SIGHUP);
    told("\"result\":\"applied\"");
    service.signal(Signal::SIGUSR1);
    wait_until("another run", LIMIT, || {
        (place.read("fica").lines().count() == 2).then_some(())
    });
    let ended = service.stop();
    ended.assert_code(0);
    let rejected = ended
        .events()
        .into_iter()
        .filter(|event| event["result"] == "rejected")
        .count();
    assert_eq!(rejected, 4, "{ended}");
}

#[test]
fn a_run_of_a_removed_processor_ends_undisturbed_and_then_it_is_gone() {
    let slow = processor(
        "sai",
        &["sh", "-c", "touch comecou; sleep 2; touch acabou"],
        "",
    );
    let place = Place::with_config(&config(&slow));
    let service = place.service(&[]);
    place.wait_for_file("comecou");
    place.write("orquestrador.toml", config(""));
    service.signal(Signal::SIGHUP);
    service.wait_for_line("Configuração recarregada:");
    assert!(
        service.status()["processadores"]["sai"].is_object(),
        "it still runs"
    );
    place.wait_for_file("acabou");
    service.wait_for_status("it to be gone", |status| {
        status["processadores"].get("sai").is_none().then_some(())
    });
    let cycle = service.wait_for_cycles(1);
    assert_eq!(cycle["ciclos_executados"], 1);
    service.stop().assert_code(0);
}

/// The counters of an exposition, by series.
fn counters(text: &str) -> Vec<(String, f64)> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = series.filter_map(|line| line.rsplit_once(' '));
    let counters =
        pairs.filter(|(series, _)| series.split('{').next().unwrap().ends_with("_total"));
    counters
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Panics unless the gauges say what the decision `number` was: every third one is a rejection.
#[track_caller]
fn assert_gauges(exposition: &str, number: usize) {
    let is_valid = !number.is_multiple_of(3);
    let successful = u8::from(is_valid);
    let rejected = number / 3;
    let mut expected = vec![
        format!("config_last_reload_successful {successful}"),
        format!("config_reloads_total{{result=\"rejected\"}} {rejected}"),
    ];
    if is_valid {
        let timeout = 60 + number;
        expected.push(format!(
            "processor_timeout_seconds{{processor=\"troca\"}} {timeout}"
        ));
    }
    for line in expected {
        let line = format!("orquestrador_{line}");
        assert!(exposition.lines().any(|found| found == line), "no {line}");
    }
}

#[test]
fn a_hundred_valid_and_invalid_reloads_under_load_disturb_no_run_and_no_counter() {
    let load = processor("carga", &["sleep", "0.15"], "intervalo = \"50ms\"\n");
    let good = |number: usize| {
        let timeout = format!("timeout = \"{}s\"\n", 60 + number);
        let extra = processor("extra", &["sleep", "0.1"], "intervalo = \"100ms\"\n");
        config(
            &(processor(
                "troca",
                &["sleep", "0.1"],
                &(timeout + "intervalo = \"100ms\"\n"),
            ) + &load
                + if number.is_multiple_of(2) { &extra } else { "" }),
        )
    };
    let place = Place::with_config(&good(0));
    let service = place.service(&[]);
    service.wait_for_cycles(1);
    let mut before: Vec<(String, f64)> = Vec::new();
    for number in 1..=100 {
        let is_valid = number % 3 != 0;
        let text = if is_valid {
            good(number)
        } else {
            format!("{}\nmodo = \"turbo\"\n", "intervalo = -1")
        };
        place.write("orquestrador.toml", text);
        let decided = || {
            let stdout = service.stdout();
            stdout.matches("Configuração recarregada").count()
                + stdout.matches("Recarga recusada").count()
        };
        let already = decided();
        service.signal(Signal::SIGHUP);
        wait_until("the decision", LIMIT, || {
            (decided() > already).then_some(())
        });
        let exposition = service.get("/metrics").body;
        assert_gauges(&exposition, number);
        let after = counters(&exposition);
        // Whoever is removed takes its series along, and begins anew when it comes back.
        let stays = |(series, _): &&(String, f64)| !series.contains("processor=\"extra\"");
        for (series, value) in before.iter().filter(stays) {
            let now = after
                .iter()
                .find(|(name, _)| name == series)
                .map(|(_, value)| *value);
            assert!(
                now.is_none_or(|now| now >= *value),
                "{series}: {value} -> {now:?}"
            );
        }
        before = after;
        pause(Duration::from_millis(10));
    }
    let ended = service.stop();
    ended.assert_code(0);
    assert_eq!(ended.stdout.matches("Configuração recarregada").count(), 67);
    assert_eq!(ended.stdout.matches("Recarga recusada").count(), 33);
    let (before, _) = ended.stdout.split_once("SIGTERM recebido").unwrap();
    assert!(before.matches("carga executado com sucesso").count() >= 8);
    for bad in ["falhou", "cancelado", "excedeu", "não foi iniciado"] {
        assert!(!before.contains(bad), "{bad}\n{ended}");
    }
    place.assert_nothing_is_alive();
}

#[test]
fn the_hash_of_the_settings_is_the_same_for_the_same_settings_and_changes_with_an_applied_reload() {
    let hash = |service: &crate::support::Running| -> u64 {
        let text = service.get("/metrics").body;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("orquestrador_config_hash "));
        line.expect("a hash").parse().unwrap()
    };
    let place = Place::with_config(&config(""));
    let other = Place::with_config(&config(""));
    let (service, twin) = (place.service(&[]), other.service(&[]));
    let before = hash(&service);
    assert_eq!(hash(&twin), before);
    assert!((1..1 << 48).contains(&before), "{before}");

    place.write("orquestrador.toml", config("").replace("1h", "0h"));
    service.signal(Signal::SIGHUP);
    wait_until("the rejection", LIMIT, || {
        let text = service.get("/metrics").body;
        text.contains("orquestrador_config_reloads_total{result=\"rejected\"} 1")
            .then_some(())
    });
    assert_eq!(hash(&service), before, "what was rejected does not hold");

    place.write("orquestrador.toml", config("").replace("1h", "2h"));
    service.signal(Signal::SIGHUP);
    wait_until("another hash", LIMIT, || {
        (hash(&service) != before).then_some(())
    });
}

#[test]
fn a_hangup_right_after_the_start_never_ends_the_program() {
    for delay in 0..20 {
        let place = Place::with_config(&config(""));
        let service = place.service(&[]);
        // The handler is the first thing that is made after the configuration was read.
        wait_until("the handler of SIGHUP", LIMIT, || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).ok()?;
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
            (caught & 1 == 1).then_some(())
        });
        pause(Duration::from_millis(delay % 5));
        service.signal(Signal::SIGHUP);
        service.wait_for_line("Configuração recarregada");
        service.stop().assert_code(0);
    }
}
