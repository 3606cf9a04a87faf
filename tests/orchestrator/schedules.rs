//! Schedules as their users meet them: own ones beside the main one, the agenda, signals, and one service per processor.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, Place, pause, processor, wait_until};

fn lines(place: &Place, name: &str) -> usize {
    if place.has(name) {
        place.read(name).lines().count()
    } else {
        0
    }
}

fn wait_for_lines(place: &Place, name: &str, count: usize) {
    wait_until(&format!("{count} lines in {name}"), LIMIT, || {
        (lines(place, name) >= count).then_some(())
    });
}

#[test]
fn an_own_schedule_starts_on_the_second_while_the_main_cycle_runs_long() {
    let text = [
        "intervalo = \"1h\"\nparalelismo = 4\n".to_owned(),
        processor("longo", &["sleep", "60"], ""),
        processor(
            "cron",
            &["sh", "-c", "date +%s.%N >> cron"],
            "agenda = \"* * * * * *\"\n",
        ),
        processor(
            "curto",
            &["sh", "-c", "echo . >> curto"],
            "intervalo = \"200ms\"\n",
        ),
    ];
    let place = Place::with_config(&text.concat());
    let service = place.service(&[]);
    wait_for_lines(&place, "cron", 4);
    wait_for_lines(&place, "curto", 4);
    let status = service.status();
    assert!(
        status["processadores"]["cron"]["proxima_execucao"].is_string(),
        "{status}"
    );
    assert_eq!(status["processadores_ativos"][0], "longo");
    service.stop().assert_code(0);
    for line in place.read("cron").lines() {
        let second: f64 = line.parse().unwrap();
        assert!(second.fract() < 0.5, "late: {line}");
    }
    place.assert_nothing_is_alive();
}

#[test]
fn a_run_that_is_still_there_is_replaced_and_nothing_of_it_is_left() {
    // Its end takes a while, and `ocupado` is there for as long.
    let script = "trap 'sleep 0.4; rmdir ocupado; exit 0' TERM; mkdir ocupado || echo . >> juntos; \
        echo . >> novo; sleep 100 & wait";
    let text = processor(
        "novo",
        &["sh", "-c", script],
        "agenda = \"* * * * * *\"\nsobreposicao = \"substituir\"\n",
    );
    let place = Place::with_config(&text);
    let service = place.service(&["--log-format", "json"]);
    wait_for_lines(&place, "novo", 3);
    let ended = service.stop();
    assert!(ended.stdout.contains("\"reason\":\"replaced\""), "{ended}");
    assert!(!place.has("juntos"), "two ran at once\n{ended}");
    place.assert_nothing_is_alive();
}

#[test]
fn sigusr1_starts_a_cycle_now_and_sigusr2_pauses_and_resumes_in_sight() {
    let text = [
        "intervalo = \"1h\"\n".to_owned(),
        processor("a", &["sh", "-c", "echo . >> a"], ""),
        processor(
            "b",
            &["sh", "-c", "echo . >> b"],
            "agenda = \"* * * * * *\"\n",
        ),
    ];
    let place = Place::with_config(&text.concat());
    let service = place.service(&[]);
    wait_for_lines(&place, "a", 1);
    service.signal(Signal::SIGUSR1);
    wait_for_lines(&place, "a", 2);
    service.signal(Signal::SIGUSR2);
    let is = |word: &'static str| move |status: &Value| (status["status"] == word).then_some(());
    service.wait_for_status("the pause", is("paused"));
    service.wait_for_line("em pausa");
    pause(Duration::from_millis(300));
    let before = lines(&place, "b");
    pause(Duration::from_millis(1500));
    assert_eq!(lines(&place, "b"), before);
    service.signal(Signal::SIGUSR2);
    service.wait_for_status("the resumption", is("running"));
    wait_for_lines(&place, "b", before + 1);
    let ended = service.stop();
    ended.assert_says("⏸️");
    ended.assert_says("em pausa");
    ended.assert_says("▶️");
}

#[test]
fn the_agenda_tells_what_starts_when_and_warns_of_dead_patterns_and_changes_of_the_clocks() {
    let text = [
        "agenda = \"0 12 * * *\"\nfuso = \"America/New_York\"\n".to_owned(),
        processor("a", &["true"], ""),
        processor("morto", &["true"], "agenda = \"0 0 31 2 *\"\n"),
        processor("madrugada", &["true"], "agenda = \"30 2 * * *\"\n"),
        processor(
            "depois",
            &["true"],
            "agenda = \"30 1 * * *\"\ndepende_de = [\"a\"]\n",
        ),
        processor("ritmo", &["true"], "intervalo = \"5s\"\n"),
    ];
    let place = Place::with_config(&text.concat());
    let shown = place.run(&["agenda", "--limite", "7"]);
    shown.assert_code(0);
    assert_eq!(
        shown
            .stdout
            .lines()
            .filter(|line| line.contains('T'))
            .count(),
        7,
        "{shown}"
    );
    shown.assert_says("ciclo: a");
    shown.assert_says("a cada 5s");
    shown.assert_complains("morto: a agenda \"0 0 31 2 *\" nunca acontece");
    shown.assert_complains("madrugada: os relógios são adiantados");
    shown.assert_complains("depois: os relógios são atrasados");
    shown.assert_complains("depois: depende de a");
    let json = place.run(&["agenda", "--json"]);
    json.assert_code(0);
    let agenda: Value = serde_json::from_str(&json.stdout).unwrap();
    let starts = agenda["inicios"].as_array().unwrap();
    assert_eq!(starts.len(), 20);
    let times: Vec<jiff::Timestamp> = starts
        .iter()
        .map(|start| start["inicio"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let kinds: Vec<_> = agenda["avisos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| notice["tipo"].as_str().unwrap())
        .collect();
    for kind in ["never", "skipped", "repeated", "dependency"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[test]
fn three_services_share_one_data_directory() {
    let text = [
        "intervalo = \"1s\"\n".to_owned(),
        processor("a", &["sh", "-c", "echo . >> a"], ""),
        processor("b", &["sh", "-c", "echo . >> b"], ""),
    ];
    let place = Place::with_config(&text.concat());
    let whole = place.service(&[]);
    let only = ["a", "b"].map(|name| place.service(&["--apenas", name]));
    wait_for_lines(&place, "a", 6);
    wait_for_lines(&place, "b", 6);
    for (service, name) in only.iter().zip(["a", "b"]) {
        let status = service.status();
        let processors = status["processadores"].as_object().unwrap();
        assert_eq!(processors.keys().collect::<Vec<_>>(), [name]);
    }
    let second = place.program(&["--porta", "0", "--apenas", "a"]).run();
    second.assert_code(2);
    for service in only {
        service.stop().assert_code(0);
    }
    assert!(whole.get("/health").json()["status"] == "healthy");
    whole.stop().assert_code(0);
    place.assert_nothing_is_alive();
}

#[test]
fn starts_that_were_due_while_it_was_not_running_are_counted_as_missed_by_downtime() {
    let place = Place::with_config(&format!(
        "intervalo = \"1h\"\n{}",
        processor(
            "cron",
            &["sh", "-c", "echo . >> cron"],
            "agenda = \"* * * * * *\"\n"
        )
    ));
    let service = place.service(&[]);
    wait_for_lines(&place, "cron", 1);
    service.stop().assert_code(0);
    pause(Duration::from_millis(3200));

    let service = place.service(&[]);
    let missed =
        "orquestrador_processor_starts_missed_total{processor=\"cron\",reason=\"downtime\"} ";
    let count = wait_until("the count", LIMIT, || {
        let exposition = service.get("/metrics").body;
        let line = exposition
            .lines()
            .find_map(|line| line.strip_prefix(missed))?;
        let count: u64 = line.parse().unwrap();
        (count > 0).then_some(count)
    });
    assert!((2..=6).contains(&count), "{count}");
    service.stop().assert_code(0);
}
