//! The bad children: however a run ends, nothing of it is alive afterwards.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    Dice, LIMIT, Place, Running, children, command, descendants, now, pause, processor, rounds,
    wait_until, zombies_below,
};

/// Programs that do not want to die, by name. Each makes the file `pronto-<name>` when everything that it starts
/// is in place, and every process of it carries the mark `MARK`.
const BAD: &[(&str, &[&str])] = &[
    (
        "ignora_sigterm",
        &[
            "sh",
            "-c",
            "trap '' TERM; touch pronto-ignora_sigterm; while :; do sleep 1; done",
        ],
    ),
    (
        "filho_ignora",
        &[
            "sh",
            "-c",
            "sh -c \"trap '' TERM; touch pronto-filho_ignora; while :; do sleep 1; done\" MARK & wait",
        ],
    ),
    (
        "outra_sessao",
        &[
            "sh",
            "-c",
            "setsid sh -c \"trap '' TERM; touch pronto-outra_sessao; while :; do sleep 1; done\" MARK & sleep 300",
        ],
    ),
    ("fork_duplo", &["python3", "-c", DOUBLE_FORK, "MARK"]),
    (
        "parado",
        &["sh", "-c", "touch pronto-parado; kill -STOP $$; sleep 300"],
    ),
    ("pai_de_zumbi", &["python3", "-c", ZOMBIE_PARENT, "MARK"]),
    (
        "ninhada",
        &[
            "sh",
            "-c",
            "for i in 1 2 3 4 5 6 7 8 9 10; do sh -c \"trap '' TERM; sleep 300; :\" MARK & done; \
             touch pronto-ninhada; wait",
        ],
    ),
];

/// The grandchild has a session of its own, no parent of ours, no environment, and ignores what can be ignored.
const DOUBLE_FORK: &str = "
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve('/bin/sh', ['sh', '-c', \"trap '' TERM INT HUP; touch pronto-fork_duplo; while :; do sleep 1; done\", sys.argv[1]], {'PATH': '/usr/bin:/bin'})
    os._exit(0)
time.sleep(300)
";

const ZOMBIE_PARENT: &str = "
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os._exit(0)
open('pronto-pai_de_zumbi', 'w').close()
time.sleep(300)
";

/// All of `BAD`, at once, in a place of their own.
fn bad_children(more: &str) -> Place {
    let place = Place::new();
    let mut config = String::from("paralelismo = 16\n");
    for (name, words) in BAD {
        let words: Vec<_> = words
            .iter()
            .map(|word| word.replace("MARK", place.mark()))
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        config += &processor(name, &words, more);
    }
    place.write("orquestrador.toml", config);
    place
}

fn wait_until_all_are_ready(place: &Place) {
    for (name, _) in BAD {
        place.wait_for_file(&format!("pronto-{name}"));
    }
}

fn assert_all_were_ready(place: &Place) {
    for (name, _) in BAD {
        assert!(
            place.has(&format!("pronto-{name}")),
            "{name} was not ready in time"
        );
    }
}

const SINGLE_JSON: &[&str] = &["--single-run", "--modo", "paralelo", "--log-format", "json"];

#[test]
fn a_timeout_ends_every_bad_child_with_all_that_it_started() {
    let place = bad_children("timeout = \"3s\"\ncarencia = \"1s\"");

    let finished = place.run(SINGLE_JSON);

    finished.assert_code(1);
    place.assert_nothing_is_alive();
    assert_all_were_ready(&place);
    for (name, _) in BAD {
        assert_eq!(
            finished.outcome(name),
            ("timeout".into(), "timeout".into()),
            "{name}"
        );
    }
    assert!(
        finished.elapsed < Duration::from_secs(12),
        "{:?}",
        finished.elapsed
    );
}

#[test]
fn the_console_says_which_processor_exceeded_its_timeout() {
    let more = "timeout = \"1s\"\nrotulo = \"Dorminhoco\"";
    let place = Place::with_config(&processor("dorme", &["sleep", "300"], more));

    let finished = place.run(&["--single-run"]);

    finished.assert_code(1);
    finished.assert_says("⏰ Dorminhoco excedeu 1s");
}

#[test]
fn the_first_sigterm_ends_every_bad_child_within_its_grace_period() {
    let place = bad_children("carencia = \"1s\"");
    let running = place.program(SINGLE_JSON).start();
    wait_until_all_are_ready(&place);

    let asked = now();
    let finished = running.stop();

    finished.assert_code(143);
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    place.assert_nothing_is_alive();
    for (name, _) in BAD {
        assert_eq!(
            finished.outcome(name),
            ("cancellation".into(), "shutdown".into()),
            "{name}"
        );
    }
}

#[test]
fn a_second_signal_ends_every_bad_child_at_once_whatever_its_grace_period() {
    let place = bad_children("carencia = \"5m\"");
    let mut running = place.program(SINGLE_JSON).start();
    wait_until_all_are_ready(&place);

    running.signal(Signal::SIGTERM);
    // Two signals at once would be one; and that the first does not end it shows in time only.
    pause(Duration::from_millis(300));
    assert!(!running.has_ended(), "the grace period did not hold");
    let forced = now();
    running.signal(Signal::SIGTERM);
    let finished = running.wait();

    finished.assert_code(143);
    assert!(
        forced.elapsed() < Duration::from_secs(5),
        "{:?}",
        forced.elapsed()
    );
    place.assert_nothing_is_alive();
}

#[test]
fn sigkill_of_the_orchestrator_leaves_none_of_the_bad_children_alive() {
    let place = bad_children("carencia = \"1s\"");
    let running = place.program(SINGLE_JSON).start();
    wait_until_all_are_ready(&place);

    running.signal(Signal::SIGKILL);
    let finished = running.wait();

    assert_eq!(finished.signal(), Some(9));
    wait_until("the end of all children", Duration::from_secs(8), || {
        place.survivors().is_empty().then_some(())
    });
}

#[test]
fn an_orphan_that_holds_the_output_open_does_not_hang_the_run_and_is_ended_with_it() {
    for keep in ["", "setsid "] {
        let script = format!(
            "{keep}sh -c 'trap \"\" TERM; touch solto; sleep 300; :' & \
             until test -e solto; do sleep 0.01; done; exit 0"
        );
        let place = Place::with_config(&processor("orfao", &["sh", "-c", &script], ""));

        let finished = place.run(SINGLE_JSON);

        finished.assert_code(0);
        assert_eq!(finished.outcome("orfao"), ("success".into(), String::new()));
        assert!(
            finished.elapsed < Duration::from_secs(5),
            "{:?}",
            finished.elapsed
        );
        place.assert_nothing_is_alive();
    }
}

#[test]
fn what_a_successful_program_left_behind_is_dead_before_its_run_has_ended() {
    let sleep = format!("sleep {}", 10_000 + Dice::new().below(1_000_000_000));
    let script = "(trap '' TERM; touch a; sleep 300) & setsid sh -c 'touch b; exec sleep 300' & \
        setsid sh -c 'touch c; sleep 300; :' & until test -e a -a -e b -a -e c; do sleep 0.01; done";
    let look =
        "for e in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $e; echo; done > vivos 2> /dev/null";
    let config = processor("deixa", &["sh", "-c", script], "")
        + &processor("olha", &["sh", "-c", look], "depende_de = [\"deixa\"]");
    let place = Place::with_config(&config.replace("sleep 300", &sleep));

    place
        .run(&["--single-run", "--modo", "sequencial"])
        .assert_code(0);

    let alive = place.read("vivos");
    let alive: Vec<_> = alive.lines().filter(|line| line.contains(&sleep)).collect();
    assert_eq!(
        alive,
        Vec::<&str>::new(),
        "the next processor saw a leftover"
    );
}

#[test]
fn a_service_stops_gracefully_with_0_on_sigterm_and_on_sigint() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::with_config(&processor("lento", &["sleep", "300"], ""));
        let running = place.service(&["--log-format", "json"]);
        wait_until("the child", LIMIT, || {
            (place.survivors().len() > 1).then_some(())
        });
        running.wait_for_line("lento");

        running.signal(signal);
        let finished = running.wait();

        finished.assert_code(0);
        place.assert_nothing_is_alive();
    }
}

#[test]
fn a_service_forced_by_a_second_signal_ends_at_once_with_the_signals_code() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let script = "trap '' TERM; touch pronto; while :; do sleep 1; done";
        let more = "carencia = \"5m\"";
        let place = Place::with_config(&processor("teimoso", &["sh", "-c", script], more));
        let mut running = place.service(&[]);
        place.wait_for_file("pronto");

        running.signal(signal);
        pause(Duration::from_millis(300));
        assert!(
            !running.has_ended(),
            "one signal was enough, though the child ignores it"
        );
        let forced = now();
        running.signal(signal);
        let finished = running.wait();

        finished.assert_code(code);
        assert!(
            forced.elapsed() < Duration::from_secs(5),
            "{:?}",
            forced.elapsed()
        );
        place.assert_nothing_is_alive();
    }
}

#[test]
fn after_the_first_signal_no_new_run_starts_and_the_rest_of_the_cycle_is_cancelled() {
    let slow = "trap 'sleep 0.3; exit 0' TERM; touch pronto; while :; do sleep 0.05; done";
    let config = processor("primeiro", &["sh", "-c", slow], "")
        + &processor("segundo", &["sh", "-c", "touch fez-segundo"], "");
    let place = Place::with_config(&config);
    let running = place
        .program(&[
            "--single-run",
            "--modo",
            "sequencial",
            "--log-format",
            "json",
        ])
        .start();
    place.wait_for_file("pronto");

    let finished = running.stop();

    finished.assert_code(143);
    assert!(
        !place.has("fez-segundo"),
        "a run started after the signal\n{finished}"
    );
    for name in ["primeiro", "segundo"] {
        assert_eq!(
            finished.outcome(name),
            ("cancellation".into(), "shutdown".into()),
            "{name}"
        );
    }
}

#[test]
fn a_signal_at_a_random_moment_always_ends_the_service_in_order_and_leaves_nobody() {
    let leaves = "setsid sh -c 'touch solto; sleep 300; :' & (trap '' TERM; sleep 300; :) & \
        until test -e solto; do sleep 0.01; done";
    let stays = "sh -c \"trap '' TERM; sleep 300; :\" & setsid sleep 300 & wait";
    let config = processor("breve", &["sh", "-c", leaves], "carencia = \"100ms\"")
        + &processor("longo", &["sh", "-c", stays], "carencia = \"100ms\"")
        + &processor("nativo", &["/bin/true"], "");
    let mut dice = Dice::new();
    for round in 0..rounds() {
        let seed = dice.0;
        let place = Place::with_config(&config);
        let running = place.service(&[]);

        pause(Duration::from_millis(dice.below(250)));
        running.signal(Signal::SIGTERM);
        let finished = running.wait();

        // Before the program had said anything it may not yet have asked for its signals.
        let too_early = finished.signal() == Some(15) && finished.stdout.is_empty();
        let in_order = finished.status.code() == Some(0) || too_early;
        assert!(
            in_order,
            "round {round}, state of the dice {seed}\n{finished}"
        );
        let survivors = place.survivors();
        assert!(
            survivors.is_empty(),
            "round {round}, dice {seed}: {survivors:?}\n{finished}"
        );
    }
}

#[test]
fn sigkill_of_the_orchestrator_at_a_random_moment_leaves_nobody() {
    let stays = "sh -c \"trap '' TERM; sleep 300; :\" & setsid sleep 300 & wait";
    let config =
        processor("um", &["sh", "-c", stays], "") + &processor("dois", &["sleep", "300"], "");
    let mut dice = Dice::new();
    for round in 0..rounds().div_ceil(4) {
        let seed = dice.0;
        let place = Place::with_config(&config);
        let running = place.service(&[]);

        pause(Duration::from_millis(dice.below(250)));
        running.signal(Signal::SIGKILL);
        running.wait();

        wait_until(
            &format!("nobody, round {round}, dice {seed}"),
            Duration::from_secs(8),
            || place.survivors().is_empty().then_some(()),
        );
    }
}

#[test]
fn a_service_whose_children_leave_orphans_gathers_neither_zombies_nor_processes() {
    let script =
        "(sleep 0.01 &) ; (setsid sleep 0.01 &) ; sh -c 'sh -c \"exit 0\" & exit 0'; exit 0";
    let place = Place::with_config(&processor("orfaos", &["sh", "-c", script], ""));
    fs::write(
        place.join("orquestrador.toml"),
        format!("intervalo = \"100ms\"\n{}", place.read("orquestrador.toml")),
    )
    .unwrap();
    let running = place.service(&[]);

    running.wait_for_cycles(8);

    wait_until("no zombie", Duration::from_secs(5), || {
        zombies_below(running.pid()).is_empty().then_some(())
    });
    wait_until(
        "at most a spawner and one run",
        Duration::from_secs(5),
        || (descendants(running.pid()).len() <= 3).then_some(()),
    );
    running.stop().assert_code(0);
    place.assert_nothing_is_alive();
}

#[test]
fn a_process_of_these_tests_is_seen_by_its_environment_or_its_arguments_until_it_is_dead() {
    let place = Place::new();
    let mut by_environment = command("sleep")
        .arg("300")
        .env("MARCA_DO_TESTE", place.mark())
        .spawn()
        .unwrap();
    let mut by_argument = command("python3")
        .args(["-c", "import time; time.sleep(300)", place.mark()])
        .spawn()
        .unwrap();
    wait_until("both", LIMIT, || {
        (place.survivors().len() == 2).then_some(())
    });

    by_environment.kill().unwrap();
    wait_until("one", LIMIT, || {
        (place.survivors().len() == 1).then_some(())
    });
    assert_eq!(
        zombies_below(Pid::this())
            .iter()
            .filter(|pid| pid.as_raw().cast_unsigned() == by_environment.id())
            .count(),
        1
    );

    by_environment.wait().unwrap();
    by_argument.kill().unwrap();
    by_argument.wait().unwrap();
    assert_eq!(place.survivors(), []);
}

#[test]
fn the_death_of_the_spawner_is_told_and_leaves_nobody() {
    let stays = "sh -c \"trap '' TERM; touch a; sleep 300; :\" & setsid sh -c 'touch b; sleep 300; :' & \
        until test -e a -a -e b; do sleep 0.01; done; touch pronto; wait";
    let place = Place::with_config(&processor("um", &["sh", "-c", stays], "carencia = \"1s\""));
    let running = place.service(&[]);
    place.wait_for_file("pronto");
    let [spawner] = children(running.pid())[..] else {
        panic!("not one spawner: {:?}", children(running.pid()))
    };

    kill(spawner, Signal::SIGKILL).unwrap();
    let finished = running.wait();

    assert_ne!(
        finished.status.code(),
        Some(0),
        "a lost run is no order\n{finished}"
    );
    finished.assert_complains("❌ o processo que inicia os outros terminou");
    finished.assert_says("❌ um: o processo foi perdido de vista");
    let runs = place.run(&["historico", "--json"]).events();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(
        (&runs[0]["resultado"], &runs[0]["motivo"]),
        (&"error".into(), &"lost".into()),
        "{runs:?}"
    );
    place.assert_nothing_is_alive();
}

#[test]
fn a_spawner_that_hangs_makes_runs_fail_with_that_reason_and_does_not_keep_the_service_from_ending()
{
    let place = Place::with_config(&format!(
        "intervalo = \"1s\"\n{}",
        processor("um", &["/bin/true"], "")
    ));
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let [spawner] = children(running.pid())[..] else {
        panic!("not one spawner: {:?}", children(running.pid()))
    };

    kill(spawner, Signal::SIGSTOP).unwrap();
    running.wait_for_line("❌ um: erro interno");
    running.wait_for_line("o programa não foi iniciado em 10 s");
    let finished = running.stop();

    finished.assert_code(0);
    place.assert_nothing_is_alive();
}

/// Tells its pid and ends well as soon as it may, long before its timeout. Every attempt leaves a line.
const ENDS_WHEN_TOLD: &str = "echo x >> tentativas; echo $$ > p; mv p pronto; \
    until test -e pode-acabar; do sleep 0.02; done";

/// Has `stopped` hear nothing of the end of a run, which comes before its timeout, until that has passed.
fn assert_own_end_is_told_though_it_is_heard_late(
    stopped: impl Fn(&Running) -> Pid,
    state_at_the_end: impl Fn(&str) -> bool,
) {
    let more = "timeout = \"3s\"\ntentativas = 2\nespera = \"10ms\"";
    let place = Place::with_config(&processor("breve", &["sh", "-c", ENDS_WHEN_TOLD], more));
    let began = now();
    let running = place
        .program(&["--single-run", "--log-format", "json"])
        .start();
    place.wait_for_file("pronto");
    let stat = format!("/proc/{}/stat", place.read("pronto").trim());

    let deaf = stopped(&running);
    kill(deaf, Signal::SIGSTOP).unwrap();
    place.write("pode-acabar", "");
    wait_until("the end of the program", LIMIT, || {
        let state = fs::read_to_string(&stat).unwrap_or_default();
        state_at_the_end(&state).then_some(())
    });
    let ended = began.elapsed();
    assert!(ended < Duration::from_secs(3), "too slow: {ended:?}");
    // The timeout begins with the process, and that it has passed shows in time only.
    pause(Duration::from_millis(3500));
    kill(deaf, Signal::SIGCONT).unwrap();
    let finished = running.wait();

    assert_eq!(finished.outcome("breve"), ("success".into(), String::new()));
    assert_eq!(place.read("tentativas"), "x\n", "{finished}");
    finished.assert_code(0);
}

#[test]
fn a_run_that_ended_by_itself_is_no_timeout_though_the_orchestrator_hears_of_it_late() {
    assert_own_end_is_told_though_it_is_heard_late(Running::pid, str::is_empty);
}

#[test]
fn a_signal_that_comes_when_the_program_has_ended_makes_no_timeout_of_its_end() {
    let spawner = |running: &Running| {
        let [spawner] = children(running.pid())[..] else {
            panic!("not one spawner: {:?}", children(running.pid()))
        };
        spawner
    };
    assert_own_end_is_told_though_it_is_heard_late(spawner, |stat| stat.contains(") Z "));
}

#[test]
fn a_program_that_ends_well_when_its_timeout_ends_it_has_timed_out_all_the_same() {
    let obeys = "trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let more = "timeout = \"1s\"";
    let place = Place::with_config(&processor("obedece", &["sh", "-c", obeys], more));

    let finished = place.run(SINGLE_JSON);

    let expected = ("timeout".into(), "timeout".into());
    assert_eq!(finished.outcome("obedece"), expected);
    finished.assert_code(1);
}

/// As process 1 of a container: orphans come to it that nobody else will ever reap.
#[test]
fn as_process_1_it_reaps_what_it_adopts_and_ends_in_order() {
    let orphans = "i=0; while test $i -lt 20; do (sleep 0.01 &) ; (setsid sh -c 'sleep 0.01 & exit 0' &); i=$((i+1)); done";
    let place = Place::with_config(&processor("orfaos", &["sh", "-c", orphans], ""));
    let mut start = command("unshare");
    start
        .args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
        ])
        .arg(env!("CARGO_BIN_EXE_orquestrador"))
        .args(["--porta", "0", "--intervalo", "200ms"])
        .current_dir(place.path())
        .env("HOME", place.path())
        .env("MARCA_DO_TESTE", place.mark());
    let running = Running::start(start);
    running.wait_for_cycles(5);
    let [first] = children(running.pid())[..] else {
        panic!("not one child of unshare: {:?}", children(running.pid()))
    };
    let status = fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")),
        "not process 1: {status}"
    );

    // One that no run knows: it comes from outside, and only process 1 can reap it.
    let mut enter = command("nsenter");
    enter
        .args([
            "--user",
            "--pid",
            "--preserve-credentials",
            "--target",
            &first.to_string(),
        ])
        .args(["sh", "-c", "(sleep 0.05; touch acabou) &"]);
    assert!(enter.current_dir(place.path()).status().unwrap().success());
    place.wait_for_file("acabou");
    pause(Duration::from_millis(50));
    wait_until("no zombie", Duration::from_secs(5), || {
        zombies_below(first).is_empty().then_some(())
    });
    kill(first, Signal::SIGTERM).unwrap();
    let finished = running.wait();

    finished.assert_code(0);
    finished.assert_says("SIGTERM recebido");
    place.assert_nothing_is_alive();
}
