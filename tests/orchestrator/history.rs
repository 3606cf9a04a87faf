//! What is still known after the end, also after one without warning; and that nothing that happens to the history
//! stops a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Dice, LIMIT, Place, Running, command, pause, processor, rounds, wait_until};

const SINGLE: &[&str] = &["--single-run"];

/// Every row of a query, each cell as text; the file may be in use.
fn rows(place: &Place, sql: &str) -> Vec<Vec<String>> {
    let connection = Connection::open(place.join("dados/historico.db")).unwrap();
    connection.busy_timeout(LIMIT).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let cell = |row: &rusqlite::Row<'_>, column| {
        let value: rusqlite::types::Value = row.get(column).unwrap();
        match value {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        }
    };
    let rows = select.query_map([], |row| {
        Ok((0..columns).map(|column| cell(row, column)).collect())
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn history_json(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let finished = place.run(&[&["historico", "--json"], arguments].concat());
    finished.assert_code(0);
    finished.events()
}

fn service(place: &Place, interval: &str) -> Running {
    place.service(&["--intervalo", interval])
}

fn reasons(running: &Running) -> Vec<String> {
    let reasons = running.get("/health").json()["motivos"].clone();
    serde_json::from_value(reasons).unwrap()
}

/// A place where one processor succeeds, one fails and one is skipped, and each did so twice.
fn three() -> Place {
    let config = processor("bom", &["sh", "-c", "echo 3 itens"], "")
        + &processor(
            "ruim",
            &["sh", "-c", "echo sem papel >&2; exit 3"],
            "depende_de = [\"bom\"]",
        )
        + &processor("depois", &["/bin/true"], "depende_de = [\"ruim\"]");
    let place = Place::with_config(&config);
    place.run(SINGLE).assert_code(1);
    place.run(SINGLE).assert_code(1);
    place
}

#[test]
fn each_run_is_told_newest_first_with_the_fields_that_programs_are_promised() {
    let place = three();

    let runs = history_json(&place, &[]);

    let names: Vec<_> = runs
        .iter()
        .map(|run| run["processador"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let keys: BTreeSet<_> = runs[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let promised = "id ciclo processador resultado motivo inicio duracao_segundos codigo_saida tentativas trace_id";
    assert_eq!(keys, promised.split(' ').collect());
    let instants: Vec<jiff::Timestamp> = runs
        .iter()
        .map(|run| run["inicio"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(instants.first() >= instants.last(), "{instants:?}");
    let last = |name: &str| runs.iter().find(|run| run["processador"] == name).unwrap();
    let facts = |name: &str| {
        let run = last(name);
        (
            run["resultado"].clone(),
            run["motivo"].clone(),
            run["codigo_saida"].clone(),
            run["tentativas"].clone(),
        )
    };
    assert_eq!(
        facts("bom"),
        ("success".into(), Value::Null, 0.into(), 1.into())
    );
    assert_eq!(
        facts("ruim"),
        ("failure".into(), "exit_code".into(), 3.into(), 1.into())
    );
    assert_eq!(
        facts("depois"),
        ("skip".into(), "dependency".into(), Value::Null, 0.into())
    );
    assert_eq!(history_json(&place, &["--limite", "2"]).len(), 2);
    let of_one = history_json(&place, &["--processador", "ruim"]);
    assert!(of_one.len() == 2 && of_one.iter().all(|run| run["processador"] == "ruim"));
}

#[test]
fn people_see_each_run_in_a_table_and_all_of_one_run_with_its_output() {
    let place = three();
    let table = place.run(&["historico"]);
    table.assert_code(0);
    for words in [
        "início",
        "falha (exit_code)",
        "pulada (dependency)",
        "3 itens",
        "sem papel",
    ] {
        table.assert_says(words);
    }
    let runs = history_json(&place, &["--processador", "ruim"]);
    let id = runs[0]["id"].as_str().unwrap().to_owned();
    let details = place.run(&["execucao", &id]);
    details.assert_code(0);
    for words in ["falha (exit_code)", "código de saída", "stderr | sem papel"] {
        details.assert_says(words);
    }
    let details = place.run(&["execucao", &id, "--json"]).events();
    assert_eq!(details[0]["linhas"][0]["linha"], "sem papel");
}

#[test]
fn a_run_that_is_not_known_or_not_the_only_one_is_asked_for_again() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let nobody = place.run(&["execucao", "0123"]);
    nobody.assert_code(1);
    nobody.assert_complains("nenhuma execução começa com \"0123\"");
    place
        .run(&["historico"])
        .assert_says("nenhuma execução registrada");
    assert_eq!(
        place.files("dados"),
        Vec::<String>::new(),
        "asking writes nothing"
    );

    place.run(SINGLE).assert_code(0);
    place.run(SINGLE).assert_code(0);
    let several = place.run(&["execucao", "0"]);
    several.assert_code(1);
    several.assert_complains("várias execuções começam com \"0\"");
}

#[test]
fn a_simulation_leaves_no_history() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], "aceita_dry_run = true"));
    place.run(&["--single-run", "--dry-run"]).assert_code(0);
    assert_eq!(place.files("dados"), ["dados/orquestrador.lock"]);
}

#[test]
fn the_history_is_read_while_a_daemon_writes_it_and_shows_what_runs_now() {
    let place = Place::with_config(&processor(
        "longo",
        &["sh", "-c", "touch pronto; sleep 300"],
        "",
    ));
    let running = service(&place, "1s");
    place.wait_for_file("pronto");
    let runs = history_json(&place, &[]);
    assert_eq!((runs.len(), &runs[0]["resultado"]), (1, &Value::Null));
    place.run(&["historico"]).assert_says("em andamento");
    running.stop().assert_code(0);
    let ended = history_json(&place, &[]);
    assert_eq!(
        (&ended[0]["id"], &ended[0]["resultado"], &ended[0]["motivo"]),
        (&runs[0]["id"], &"cancellation".into(), &"shutdown".into())
    );
}

#[test]
fn after_a_restart_health_and_status_know_what_failed_since_when_and_what_succeeded_last() {
    let config = processor("bom", &["/bin/true"], "") + &processor("ruim", &["false"], "");
    let place = Place::with_config(&config);
    let running = service(&place, "10m");
    running.wait_for_cycles(1);
    let before = (
        running.status()["processadores"]["bom"]["ultimo_sucesso"].clone(),
        reasons(&running),
    );
    running.stop().assert_code(0);

    // The second start has not run anything yet when it is asked.
    let slow = config
        .replace("\"/bin/true\"", "\"sleep\", \"300\"")
        .replace("\"false\"", "\"sleep\", \"300\"");
    place.write("orquestrador.toml", slow);
    let running = service(&place, "10m");
    let after = (
        running.status()["processadores"]["bom"]["ultimo_sucesso"].clone(),
        reasons(&running),
    );

    assert!(before.0.is_string(), "{before:?}");
    let since = "ruim falha desde ";
    assert!(
        before.1[0].starts_with(since) && before.1.len() == 1,
        "{before:?}"
    );
    assert_eq!(after.0, before.0);
    assert_eq!(after.1, before.1);
}

/// What the log of a killed orchestrator said of finished and of lost runs: id, outcome.
fn told(stdout: &str, event: &str) -> Vec<(String, String)> {
    let lines = stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended = lines.filter(|line| line["event"] == event);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    ended
        .map(|line| (text(&line["run"]), text(&line["outcome"])))
        .collect()
}

/// What the logs of several starts said.
#[derive(Default)]
struct Told {
    finished: BTreeMap<String, String>,
    closed: BTreeMap<String, String>,
}

impl Told {
    /// Panics when a run ends twice.
    fn add(&mut self, stdout: &str, context: &str) {
        for (id, outcome) in told(stdout, "run_finished") {
            let earlier = self.finished.insert(id.clone(), outcome);
            assert_eq!(earlier, None, "{id} ended twice; {context}");
        }
        for (id, outcome) in told(stdout, "run_lost") {
            let has_ended = self.finished.contains_key(&id);
            assert!(!has_ended, "{id} had ended; {context}");
            let earlier = self.closed.insert(id.clone(), outcome);
            assert_eq!(earlier, None, "{id} was lost twice; {context}");
        }
    }

    /// Panics unless the history says the same.
    fn assert_recorded(&self, place: &Place) {
        let recorded = rows(place, "SELECT id, outcome, coalesce(reason, '') FROM runs");
        let recorded: BTreeMap<_, _> = recorded
            .into_iter()
            .map(|row| (row[0].clone(), row))
            .collect();
        for (id, outcome) in &self.finished {
            let row = recorded.get(id);
            let row = row.unwrap_or_else(|| panic!("{id} is not recorded"));
            assert_eq!(row[1], *outcome, "{row:?}");
        }
        let open = recorded.values().filter(|row| row[1] == "-").count();
        assert_eq!(open, 0, "a run is open for ever");
        let lost = recorded.values().filter(|row| row[2] == "lost");
        let lost: BTreeSet<_> = lost.map(|row| row[0].clone()).collect();
        // A start that was killed before it said what it had closed has closed it all the same.
        let said: BTreeSet<_> = self.closed.keys().cloned().collect();
        assert!(said.is_subset(&lost), "{said:?} {lost:?}");
        let (ended, lost) = (self.finished.len(), lost.len());
        assert!(
            ended > 0 && lost > 0,
            "nothing was at risk: {ended} ended, {lost} lost"
        );
        let text = place.read("iniciadas");
        let started: Vec<_> = text.lines().collect();
        let once: BTreeSet<_> = started.iter().copied().collect();
        assert_eq!(started.len(), once.len(), "a run was run twice");
        for id in once {
            assert!(
                recorded.contains_key(id),
                "{id} was started and is not recorded"
            );
        }
    }
}

/// Kills the orchestrator at random moments under load and starts it again on the same data.
#[test]
fn a_killed_orchestrator_loses_no_finished_run_repeats_none_and_closes_what_was_open_once() {
    let quick = "echo $ORQUESTRADOR_RUN_ID >> iniciadas; head -c 3000 /dev/zero | tr '\\0' x";
    let leaving = format!("{quick}; (setsid sleep 300 &); trap '' TERM; sleep 0.05");
    let mut config = "intervalo = \"20ms\"\nparalelismo = 4\n".to_owned();
    for name in ["a", "b", "c", "d"] {
        config += &processor(name, &["sh", "-c", quick], "");
    }
    config += &processor("e", &["sh", "-c", &leaving], "carencia = \"100ms\"");
    let place = Place::with_config(&config);
    let (mut dice, mut told) = (Dice::new(), Told::default());
    for round in 0..rounds() {
        let seed = dice.0;
        let running = place.service(&["--log-format", "json"]);
        pause(Duration::from_millis(dice.below(600)));
        running.signal(Signal::SIGKILL);
        let ended = running.wait();
        told.add(
            &ended.stdout,
            &format!("round {round}, dice {seed}\n{ended}"),
        );
        // The first may be killed before it made anything.
        if place.join("dados/historico.db").exists() {
            let check = rows(&place, "PRAGMA integrity_check");
            assert_eq!(check, [["ok"]], "round {round}, dice {seed}");
        }
    }
    let end = place.run(&["--single-run", "--log-format", "json"]);
    told.add(&end.stdout, "the end");

    place.assert_nothing_is_alive();
    told.assert_recorded(&place);
}

#[test]
fn what_a_dead_orchestrator_and_a_dead_spawner_left_alive_is_ended_by_the_next_start_and_nobody_else()
 {
    let place = Place::with_config(&processor(
        "longo",
        &["sh", "-c", "touch pronto; sleep 300; :"],
        "",
    ));
    let running = service(&place, "10m");
    place.wait_for_file("pronto");
    let [spawner] = crate::support::children(running.pid())[..] else {
        panic!("not one spawner")
    };
    let id = history_json(&place, &[])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // Stopped, neither can end what it started; killed so, the run is left alone.
    running.signal(Signal::SIGSTOP);
    nix::sys::signal::kill(spawner, Signal::SIGKILL).unwrap();
    running.signal(Signal::SIGKILL);
    running.wait();
    let mut stranger = command("sleep");
    stranger
        .arg("300")
        .env("ORQUESTRADOR_RUN_ID", "de-outro-orquestrador");
    let mut stranger = Running::start(stranger);
    assert!(
        !place.survivors().is_empty(),
        "nobody was left, so nothing is shown"
    );

    place.write("orquestrador.toml", processor("longo", &["/bin/true"], ""));
    let next = place.run(&["--single-run", "--log-format", "json"]);

    next.assert_code(0);
    assert_eq!(told(&next.stdout, "run_lost"), [(id, "error".to_owned())]);
    place.assert_nothing_is_alive();
    assert!(
        !stranger.has_ended(),
        "another orchestrator's run was ended"
    );
}

#[test]
fn instants_in_the_future_count_as_now_and_are_told() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    place.run(SINGLE).assert_code(0);
    let connection = Connection::open(place.join("dados/historico.db")).unwrap();
    connection
        .execute(
            "UPDATE processor_states SET last_success = last_success + 86400000000000",
            [],
        )
        .unwrap();
    drop(connection);
    place.write("orquestrador.toml", processor("bom", &["sleep", "300"], ""));
    let running = service(&place, "10m");
    let text = running.status()["processadores"]["bom"]["ultimo_sucesso"]
        .as_str()
        .unwrap()
        .to_owned();
    let last: jiff::Timestamp = text.parse().unwrap();
    assert!(last <= jiff::Timestamp::now(), "{last}");
    assert!(
        running.stdout().contains("instantes no futuro"),
        "{}",
        running.stdout()
    );
}

#[test]
fn only_so_many_and_so_old_runs_are_kept_and_the_last_states_for_ever() {
    let both = processor("bom", &["/bin/true"], "") + &processor("saiu", &["/bin/true"], "");
    let place = Place::with_config(&both);
    place.run(SINGLE).assert_code(0);
    let config = format!(
        "[historico]\nexecucoes = 5\n{}",
        processor("bom", &["/bin/true"], "")
    );
    place.write("orquestrador.toml", config);
    for _ in 0..9 {
        place.run(SINGLE).assert_code(0);
    }
    assert_eq!(rows(&place, "SELECT count(*) FROM runs"), [["5"]]);
    assert_eq!(rows(&place, "SELECT count(*) FROM cycles"), [["5"]]);

    let connection = Connection::open(place.join("dados/historico.db")).unwrap();
    let old = "UPDATE runs SET started_at = started_at - 31 * 86400000000000 \
        WHERE id IN (SELECT id FROM runs ORDER BY id LIMIT 3)";
    connection.execute(old, []).unwrap();
    drop(connection);
    place.run(SINGLE).assert_code(0);
    assert_eq!(rows(&place, "SELECT count(*) FROM runs"), [["3"]]);
    assert_eq!(
        rows(
            &place,
            "SELECT processor FROM processor_states WHERE last_success IS NOT NULL ORDER BY 1"
        ),
        [["bom"], ["saiu"]]
    );
}

#[test]
fn a_history_of_a_newer_program_is_refused_and_left_as_it_is() {
    let place = Place::with_config(&processor("bom", &["sh", "-c", "touch correu"], ""));
    fs::create_dir(place.join("dados")).unwrap();
    let connection = Connection::open(place.join("dados/historico.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE nova (x); PRAGMA user_version = 99")
        .unwrap();
    drop(connection);
    let before = fs::read(place.join("dados/historico.db")).unwrap();
    for arguments in [SINGLE, &[]] {
        let refused = place.run(arguments);
        refused.assert_code(2);
        refused.assert_complains("versão mais nova");
    }
    let asked = place.run(&["historico"]);
    asked.assert_code(1);
    asked.assert_complains("versão mais nova");
    assert_eq!(fs::read(place.join("dados/historico.db")).unwrap(), before);
    assert!(!place.has("correu"));
}

#[test]
fn a_damaged_history_is_set_aside_told_and_begun_anew() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    fs::create_dir(place.join("dados")).unwrap();
    let garbage = "isto não é um banco de dados ".repeat(1000);
    place.write("dados/historico.db", &garbage);
    let finished = place.run(SINGLE);
    finished.assert_code(0);
    finished.assert_says("corrompido");
    let files = place.files("dados");
    let aside = files
        .iter()
        .find(|file| file.contains(".corrompido-"))
        .unwrap();
    assert_eq!(place.read(aside), garbage);
    assert_eq!(history_json(&place, &[]).len(), 1);
}

/// Runs go on while `harm` keeps the history from being written; then it is written again, without a restart.
fn survives(place: &Place, running: &Running, harm: impl FnOnce(), heal: impl FnOnce()) -> String {
    running.wait_for_cycles(2);
    harm();
    let reason = wait_until("degraded", LIMIT, || {
        reasons(running)
            .into_iter()
            .find(|reason| reason.contains("histórico"))
    });
    let cycles = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(cycles + 5);
    assert_eq!(running.get("/-/healthy").code, 200);
    heal();
    wait_until("healthy", LIMIT, || {
        let health = running.get("/health").json();
        (health["status"] == "healthy").then_some(())
    });
    let cycles = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(cycles + 2);
    let last = rows(
        place,
        "SELECT max(number) FROM cycles WHERE outcome IS NOT NULL",
    );
    let recorded: u64 = last[0][0].parse().unwrap();
    assert!(recorded > cycles, "{recorded} of {cycles}");
    assert!(
        running
            .stdout()
            .contains("O histórico voltou a ser gravado"),
        "{}",
        running.stdout()
    );
    reason
}

#[test]
fn a_history_that_somebody_else_locks_is_written_later_and_nothing_is_lost() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let running = service(&place, "100ms");
    let path = place.join("dados/historico.db");
    let blocker = std::cell::OnceCell::new();
    survives(
        &place,
        &running,
        || {
            let connection = Connection::open(&path).unwrap();
            connection.busy_timeout(LIMIT).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            blocker.set(connection).unwrap();
        },
        || blocker.get().unwrap().execute_batch("ROLLBACK").unwrap(),
    );
    let finished = running.stop();
    finished.assert_says("nada se perdeu");
    let numbers = rows(&place, "SELECT number FROM cycles ORDER BY number");
    let expected: Vec<_> = (1..=numbers.len())
        .map(|number| vec![number.to_string()])
        .collect();
    assert_eq!(numbers, expected, "cycles are missing");
}

#[test]
fn runs_that_began_while_the_history_was_locked_are_known_even_after_a_kill() {
    let begin = "echo $ORQUESTRADOR_RUN_ID >> iniciadas";
    let place = Place::with_config(&processor("bom", &["sh", "-c", begin], ""));
    let running = service(&place, "10ms");
    running.wait_for_cycles(1);
    let blocker = Connection::open(place.join("dados/historico.db")).unwrap();
    blocker.busy_timeout(LIMIT).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = || place.read("iniciadas").lines().count();
    let before = started();
    wait_until("runs beside a locked history", LIMIT, || {
        (started() >= before + 3).then_some(())
    });
    running.signal(Signal::SIGKILL);
    running.wait();
    blocker.execute_batch("ROLLBACK").unwrap();
    place.run(SINGLE).assert_code(0);

    let known = rows(
        &place,
        "SELECT runs.id FROM runs JOIN cycles ON cycle = cycles.id",
    );
    let known: BTreeSet<_> = known.into_iter().map(|mut row| row.remove(0)).collect();
    for id in place.read("iniciadas").lines() {
        assert!(known.contains(id), "{id} was started and is not recorded");
    }
    let lost = "SELECT count(*) FROM runs WHERE reason = 'lost'";
    let lost: usize = rows(&place, lost)[0][0].parse().unwrap();
    assert!(lost >= 3, "{lost}");
}

#[test]
fn a_history_that_is_removed_while_it_is_written_is_begun_anew_with_the_last_states() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let running = service(&place, "100ms");
    running.wait_for_cycles(2);
    for file in ["historico.db", "historico.db-wal", "historico.db-shm"] {
        fs::remove_file(place.join(&format!("dados/{file}"))).unwrap();
    }
    running.wait_for_line("O histórico não pode ser gravado: o arquivo foi removido ou trocado");
    running.wait_for_line("O histórico voltou a ser gravado");
    let cycles = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(cycles + 2);
    running.stop().assert_code(0);
    assert_eq!(
        rows(&place, "SELECT count(last_success) FROM processor_states"),
        [["1"]]
    );
    assert!(!history_json(&place, &[]).is_empty());
}

#[test]
fn a_history_that_is_damaged_while_it_is_written_is_set_aside_and_begun_anew() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let running = service(&place, "100ms");
    running.wait_for_cycles(2);
    // Everything is in the file, and nothing that the writer remembers of it holds any more; then all but the first
    // page is overwritten in place.
    let path = place.join("dados/historico.db");
    let connection = Connection::open(&path).unwrap();
    connection.busy_timeout(LIMIT).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    let opened = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let garbage = vec![0x5a; length - 4096];
    std::os::unix::fs::FileExt::write_all_at(&opened, &garbage, 4096).unwrap();
    running.wait_for_line("O histórico voltou a ser gravado");
    running.stop().assert_code(0);
    assert!(
        place
            .files("dados")
            .iter()
            .any(|file| file.contains(".corrompido-"))
    );
    assert_eq!(rows(&place, "PRAGMA integrity_check"), [["ok"]]);
}

/// A service whose data directory is a file system of 1 MiB of its own, which is seen from here below its root.
fn service_on_a_small_disk(place: &Place) -> (Running, PathBuf) {
    fs::create_dir(place.join("dados")).unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs dados && exec \"$@\"";
    let mut start = command("unshare");
    start
        .args(["--user", "--map-root-user", "--mount"])
        .args(["sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_orquestrador"))
        .args(["--porta", "0"])
        .current_dir(place.path())
        .env("HOME", place.path())
        .env("MARCA_DO_TESTE", place.mark());
    let running = Running::start(start);
    running.address();
    let root = format!("/proc/{}/root", running.pid());
    let folder = PathBuf::from(format!("{root}{}", place.join("dados").display()));
    (running, folder)
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_stops_no_cycle_and_is_told_until_there_is_room_again() {
    let config = format!(
        "intervalo = \"100ms\"\n{}",
        processor("bom", &["sh", "-c", "echo oi"], "")
    );
    let place = Place::with_config(&config);
    let (running, folder) = service_on_a_small_disk(&place);
    let filler = folder.join("enchimento");
    running.wait_for_cycles(2);
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        for size in [4096, 1] {
            let bytes = vec![b'x'; size];
            while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
        }
    };
    fill();
    let reason = wait_until("degraded", LIMIT, || {
        // The log may still have had room in its last page.
        fill();
        reasons(&running)
            .into_iter()
            .find(|reason| reason.contains("histórico"))
    });
    assert!(reason.contains("o disco está cheio"), "{reason}");
    let failed = "orquestrador_history_operations_total{operation=\"write\",result=\"failure\"} ";
    let exposition = running.get("/metrics").body;
    let failed = exposition
        .lines()
        .find_map(|line| line.strip_prefix(failed));
    let failed: f64 = failed.unwrap().parse().unwrap();
    assert!(failed > 0.0, "{exposition}");
    let cycles = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(cycles + 5);
    fs::remove_file(&filler).unwrap();
    running.wait_for_line("O histórico voltou a ser gravado; nada se perdeu");
    let healthy = wait_until("healthy", LIMIT, || {
        let health = running.get("/health").json();
        (health["status"] == "healthy").then_some(health)
    });
    assert_eq!(healthy["motivos"], Value::Array(Vec::new()));
    let cycles = running.status()["ciclos_executados"].as_u64().unwrap();
    running.wait_for_cycles(cycles + 1);
    // A copy, taken while nobody writes: SQLite would look for the log of a path below /proc elsewhere.
    running.signal(Signal::SIGSTOP);
    for file in ["historico.db", "historico.db-wal"] {
        fs::copy(folder.join(file), place.join(file)).unwrap();
    }
    running.signal(Signal::SIGCONT);
    let connection = Connection::open(place.join("historico.db")).unwrap();
    let recorded: u32 = connection
        .query_row(
            "SELECT count(*) FROM cycles WHERE outcome = 'success'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(
        u64::from(recorded) >= cycles,
        "{recorded} of {cycles} cycles are recorded"
    );
    drop(connection);
    running.stop().assert_code(0);
}
