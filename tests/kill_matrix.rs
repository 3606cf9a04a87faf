//! The kill matrix: every program that does not want to die, and every way in which its run can end. Each cell starts
//! the real binary with the real program, and looks whether anybody is alive afterwards and whether it was said and
//! counted as it was. The cells of a replaced run are in `kill_matrix_replacement.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "matrix/children.rs"]
mod children;
#[expect(
    dead_code,
    unused_imports,
    reason = "these tests need a part of what others share"
)]
mod orchestrator {
    pub(crate) mod support;
}

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use serde_json::Value;

use children::{ALL, Bad, Leader, SLACK, counter, survivors};
use orchestrator::support::{
    Finished, LIMIT, Place, Running, children, command, now, pause, processor, request, wait_until,
    zombies_below,
};

const TIMEOUT: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_millis(700);

/// One module a row, one test a column.
macro_rules! rows {
    ($($row:ident = $bad:ident;)*) => {
        $(mod $row {
            use crate::children::$bad;

            #[test]
            fn leaves_nobody_after_its_timeout() {
                crate::times_out(&$bad);
            }

            #[test]
            fn leaves_nobody_after_a_graceful_shutdown() {
                crate::is_shut_down(&$bad);
            }

            #[test]
            fn leaves_nobody_after_a_second_signal() {
                crate::is_shut_down_at_once(&$bad);
            }

            #[test]
            fn leaves_nobody_after_sigkill_of_the_orchestrator() {
                crate::loses_the_orchestrator(&$bad);
            }
        })*
    };
}

rows! {
    who_ignores_sigterm = IGNORES_SIGTERM;
    whose_child_ignores_sigterm = CHILD_IGNORES_SIGTERM;
    who_leaves_the_session = SETSID;
    who_forks_twice_and_clears_its_environment = DOUBLE_FORK;
    who_is_stopped = STOPPED;
    who_has_zombies = ZOMBIE_PARENT;
    whose_stdout_is_held_open = HOLDS_STDOUT;
    who_forks_in_a_loop = FORKS;
    who_leaves_the_session_in_a_loop = LEAVES_IN_A_LOOP;
}

fn times_out(bad: &Bad) {
    let more = format!("timeout = \"{TIMEOUT:?}\"\ncarencia = \"{GRACE:?}\"");
    let place = place(bad, Leader::Prompt, &more);
    let running = service(&place);
    let _stranger = bad.wait_until_ready(&place);

    let end = wait_for_end(&running, bad.name);

    let alive = survivors(&place);
    assert!(
        alive.is_empty(),
        "alive when its run had ended: {alive:#?}\n{end}"
    );
    bad.assert_end(&end, "timeout", "timeout", bad.is_deaf);
    let grace = if bad.is_deaf { GRACE } else { Duration::ZERO };
    assert_took(&end, TIMEOUT + grace..TIMEOUT + grace + SLACK);
    wait_until("no zombie", Duration::from_secs(2), || {
        zombies_below(running.pid()).is_empty().then_some(())
    });
    assert_timeout_counted(&scrape(&running), bad);
    running.stop().assert_code(0);
    place.assert_nothing_is_alive();
}

fn is_shut_down(bad: &Bad) {
    let more = format!("carencia = \"{GRACE:?}\"");
    let place = place(bad, Leader::Prompt, &more);
    let running = service(&place);
    let _stranger = bad.wait_until_ready(&place);

    let asked = now();
    let finished = running.stop();

    let grace = if bad.is_deaf { GRACE } else { Duration::ZERO };
    let took = asked.elapsed();
    place.assert_nothing_is_alive();
    finished.assert_code(0);
    let end = end_in(&finished, bad.name);
    bad.assert_end(&end, "cancellation", "shutdown", bad.is_deaf);
    assert!(
        (grace..grace + SLACK).contains(&took),
        "{took:?}\n{finished}"
    );
}

fn is_shut_down_at_once(bad: &Bad) {
    let place = place(bad, Leader::Slow, "carencia = \"5m\"");
    let mut running = service(&place);
    let _stranger = bad.wait_until_ready(&place);

    running.signal(Signal::SIGTERM);
    running.wait_for_line("shutdown_started");
    // That the grace period holds shows in time only.
    pause(Duration::from_millis(200));
    assert!(!running.has_ended(), "one signal was enough");
    let forced = now();
    running.signal(Signal::SIGTERM);
    let finished = running.wait();

    let took = forced.elapsed();
    place.assert_nothing_is_alive();
    finished.assert_code(143);
    // Nobody waited to see whether SIGTERM would have been enough.
    bad.assert_end(
        &end_in(&finished, bad.name),
        "cancellation",
        "shutdown",
        false,
    );
    assert!(took < SLACK, "{took:?}\n{finished}");
}

fn loses_the_orchestrator(bad: &Bad) {
    let place = place(bad, Leader::Prompt, "carencia = \"5m\"");
    let running = service(&place);
    let _stranger = bad.wait_until_ready(&place);

    running.signal(Signal::SIGKILL);
    let lost = now();
    let finished = running.wait();

    assert_eq!(finished.signal(), Some(9));
    let left = Duration::from_secs(5).saturating_sub(lost.elapsed());
    wait_until("the end of all that it started", left, || {
        place.survivors().is_empty().then_some(())
    });
}

#[test]
fn while_a_shutdown_waits_for_one_run_the_metrics_count_those_that_it_has_ended() {
    let more = format!("carencia = \"{GRACE:?}\"");
    let place = Place::new();
    let slow = "trap '' TERM; touch pronto-ultimo; while :; do sleep 0.2; done";
    let mut config = "paralelismo = 16\nintervalo = \"10m\"\n".to_owned();
    config += &processor("ultimo", &["sh", "-c", slow], "carencia = \"10s\"");
    for bad in ALL {
        config += &bad.entry(&place, Leader::Prompt, &more);
    }
    place.write("orquestrador.toml", config);
    let running = service(&place);
    place.wait_for_file("pronto-ultimo");
    let _strangers: Vec<_> = ALL.iter().map(|bad| bad.wait_until_ready(&place)).collect();

    running.signal(Signal::SIGTERM);
    for bad in ALL {
        wait_for_end(&running, bad.name);
    }
    let exposition = scrape(&running);
    running.signal(Signal::SIGTERM);
    let finished = running.wait();

    finished.assert_code(143);
    place.assert_nothing_is_alive();
    for bad in ALL {
        let labels = [("processor", bad.name)];
        let cancelled = [labels[0], ("reason", "shutdown")];
        assert_eq!(
            counter(&exposition, "run_cancellations_total", &cancelled),
            1,
            "{bad:?}"
        );
        let escalations = counter(&exposition, "run_kill_escalations_total", &labels);
        assert_eq!(escalations, u64::from(bad.is_deaf), "{bad:?}");
        let escaped = counter(&exposition, "run_escaped_processes_total", &labels);
        // Who cleared its environment beside other runs may be nobody's.
        let least = if bad.name == "fork_duplo" {
            0
        } else {
            *bad.escaped.start()
        };
        assert!(
            (least..=*bad.escaped.end()).contains(&escaped),
            "{escaped} {bad:?}"
        );
    }
}

#[test]
fn who_cleared_its_environment_beside_other_runs_is_counted_once_and_dead_when_none_is_in_flight() {
    let place = Place::new();
    let bad = &children::DOUBLE_FORK;
    let beside = "until test -e pode-acabar; do sleep 0.05; done";
    let config = "paralelismo = 2\nintervalo = \"10m\"\n".to_owned()
        + &processor("vizinho", &["sh", "-c", beside], "")
        + &bad.entry(&place, Leader::Prompt, "timeout = \"2s\"");
    place.write("orquestrador.toml", config);
    let running = service(&place);
    wait_for_end(&running, bad.name);
    assert!(bad.is_ready(&place));

    place.write("pode-acabar", "");
    let beside = wait_for_end(&running, "vizinho");

    assert_eq!(beside["outcome"], "success", "{beside}");
    let alive = survivors(&place);
    assert!(alive.is_empty(), "{alive:#?}\n{}", running.stdout());
    let exposition = wait_until("the count", Duration::from_secs(5), || {
        let exposition = scrape(&running);
        let of = |name| {
            counter(
                &exposition,
                "run_escaped_processes_total",
                &[("processor", name)],
            )
        };
        (of(bad.name) + of("unknown") == 1).then(|| exposition.clone())
    });
    let innocent = counter(
        &exposition,
        "run_escaped_processes_total",
        &[("processor", "vizinho")],
    );
    assert_eq!(innocent, 0);
    running.stop().assert_code(0);
    place.assert_nothing_is_alive();
}

#[test]
fn what_a_leader_leaves_in_its_group_dies_of_one_signal() {
    let bad = &children::WITNESSED;
    let place = place(bad, Leader::Prompt, "carencia = \"5m\"");
    let running = service(&place);
    bad.wait_until_ready(&place);

    let finished = running.stop();

    place.assert_nothing_is_alive();
    assert!(
        !place.has("viu-a-morte"),
        "one of the group was alive to see another die\n{finished}"
    );
}

#[test]
fn of_many_that_are_due_at_one_instant_none_is_taken_for_what_another_left() {
    let place = Place::new();
    let mut config = "modo = \"paralelo\"\nparalelismo = 24\nintervalo = \"10ms\"\n".to_owned();
    for number in 0..24 {
        config += &processor(&format!("breve_{number}"), &["true"], "");
    }
    place.write("orquestrador.toml", config);
    let running = service(&place);

    wait_until("100 cycles", LIMIT, || {
        let said = running.stdout();
        let cycles = events(&said).filter(|event| event["event"] == "cycle_finished");
        (cycles.count() >= 100).then_some(())
    });
    let exposition = scrape(&running);
    let finished = running.stop();

    let ends: Vec<_> = events(&finished.stdout)
        .filter(|event| event["event"] == "run_finished" && event["outcome"] != "cancellation")
        .collect();
    assert!(ends.len() >= 2400, "{} ends", ends.len());
    for end in ends {
        assert_eq!(end["outcome"], "success", "{end}");
    }
    let unknown = ("processor", "unknown");
    let escaped = counter(&exposition, "run_escaped_processes_total", &[unknown]);
    assert_eq!(escaped, 0);
}

/// Opens a program in such a way that whoever would execute it waits for the kernel, as for a file system that does not answer:
/// a lease (fcntl(2)) is given back when its holder wishes, or after 45 s.
const HOLDS_A_LEASE: &str = "import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
program = open(sys.argv[1], 'r+')
fcntl.fcntl(program, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()";

/// A script that nobody can begin while the returned process lives.
fn held_script(place: &Place) -> (String, std::process::Child) {
    let script = place.script("preso", "#!/bin/sh\ntouch rodou");
    let mut holder = command("python3")
        .args(["-c", HOLDS_A_LEASE, &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    (script, holder)
}

/// Whoever still waits for the script begins it.
fn release(mut holder: std::process::Child) {
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn starts_that_hang_in_their_file_system_are_given_up_and_hold_up_no_other_run() {
    let place = Place::new();
    let (script, holder) = held_script(&place);
    let mut config = "modo = \"paralelo\"\nparalelismo = 32\n".to_owned();
    let short = "timeout = \"2s\"\ncarencia = \"700ms\"";
    config += &processor("vizinho", &["sleep", "1000"], short);
    for number in 0..20 {
        config += &processor(&format!("preso_{number}"), &[&script], "");
    }
    config += &processor("depois", &["true"], "");
    place.write("orquestrador.toml", config);

    let finished = place.run(&["--single-run", "--log-format", "json"]);
    release(holder);

    finished.assert_code(1);
    place.assert_nothing_is_alive();
    assert!(!place.has("rodou"), "it began after all\n{finished}");
    for number in 0..20 {
        let end = end_in(&finished, &format!("preso_{number}"));
        assert_eq!(
            (&end["outcome"], &end["reason"]),
            (&"error".into(), &"spawn".into()),
            "{end}"
        );
        let summary = end["summary"].as_str().unwrap();
        assert!(summary.contains("não começou em 10 s"), "{end}");
    }
    // It was signalled while the others hung.
    let beside = end_in(&finished, "vizinho");
    assert_eq!(beside["outcome"], "timeout", "{beside}");
    let after = end_in(&finished, "depois");
    assert_eq!(after["outcome"], "success", "{after}");
    let at = |event: &Value| -> Timestamp { event["timestamp"].as_str().unwrap().parse().unwrap() };
    let mut all = events(&finished.stdout);
    let began = all.find(|event| event["event"] == "cycle_started").unwrap();
    // Those that hang do so for 10 s.
    for (end, most) in [(&after, 5), (&beside, 7)] {
        let taken = at(end).duration_since(at(&began));
        assert!(taken < SignedDuration::from_secs(most), "{taken:?}: {end}");
    }
    finished.assert_silent_about("não terminou a tempo");
}

#[test]
fn a_spawner_without_descriptors_to_spare_fails_the_starts_that_need_them_and_goes_on() {
    let place = Place::new();
    let (script, holder) = held_script(&place);
    let mut config = "modo = \"paralelo\"\nparalelismo = 32\nagenda = \"0 0 1 1 *\"\n".to_owned();
    for number in 0..20 {
        config += &processor(&format!("preso_{number}"), &[&script], "");
    }
    place.write("orquestrador.toml", config);
    let running = service(&place);
    let spawner = wait_until("the spawner", LIMIT, || {
        children(running.pid()).first().copied()
    });
    scrape(&running);
    let allow = |descriptors: u32| {
        let soft = format!("--nofile={descriptors}:");
        let set = command("prlimit")
            .args([&soft, "--pid", &spawner.to_string()])
            .status();
        assert!(set.unwrap().success());
    };
    allow(30);
    let cycle = |number| {
        wait_until("the end of the cycle", LIMIT, || {
            let said = running.stdout();
            let mut ends = events(&said).filter(|event| event["event"] == "cycle_finished");
            ends.nth(number)
        })
    };

    running.signal(Signal::SIGUSR1);
    running.wait_for_line("Too many open files");
    release(holder);
    let first = cycle(0);
    allow(1_000);
    running.signal(Signal::SIGUSR1);
    let second = cycle(1);
    let finished = running.stop();

    assert_eq!(first["outcome"], "error", "{first}");
    assert_eq!(second["outcome"], "success", "{second}\n{finished}");
    assert!(place.has("rodou"), "the script can be begun\n{finished}");
    finished.assert_code(0);
    place.assert_nothing_is_alive();
}

#[test]
fn a_spawner_with_room_for_one_of_two_descriptors_keeps_none_of_a_start_that_fails() {
    let place = Place::new();
    let config = "agenda = \"0 0 1 1 *\"\n".to_owned() + &processor("breve", &["true"], "");
    place.write("orquestrador.toml", config);
    let running = service(&place);
    let spawner = wait_until("the spawner", LIMIT, || {
        children(running.pid()).first().copied()
    });
    scrape(&running);
    let open = || {
        let folder = std::fs::read_dir(format!("/proc/{spawner}/fd")).unwrap();
        let numbers = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        numbers
            .map(|number| number.parse::<usize>().unwrap())
            .collect::<Vec<_>>()
    };
    let before = open();
    let first_free = (0..=before.len())
        .find(|number| !before.contains(number))
        .unwrap();
    let soft = format!("--nofile={}:", first_free + 1);
    let set = command("prlimit")
        .args([&soft, "--pid", &spawner.to_string()])
        .status();
    assert!(set.unwrap().success());

    running.signal(Signal::SIGUSR1);
    let end = wait_for_end(&running, "breve");

    assert_eq!(end["outcome"], "error", "{end}");
    assert_eq!(open().len(), before.len());
    running.stop().assert_code(0);
}

#[test]
fn a_stop_ends_a_start_that_hangs_as_cancelled() {
    let place = Place::new();
    let (script, holder) = held_script(&place);
    place.write(
        "orquestrador.toml",
        "intervalo = \"10m\"\n".to_owned() + &processor("preso", &[&script], ""),
    );
    let running = service(&place);
    running.wait_for_line("run_started");

    let finished = running.stop();
    release(holder);

    finished.assert_code(0);
    place.assert_nothing_is_alive();
    assert!(!place.has("rodou"), "it began after all\n{finished}");
    let end = end_in(&finished, "preso");
    assert_eq!(
        (&end["outcome"], &end["reason"]),
        (&"cancellation".into(), &"shutdown".into()),
        "{end}"
    );
}

#[test]
fn who_leaves_the_session_in_a_loop_is_dead_at_the_end_of_its_run_also_beside_another_run() {
    let bad = &children::LEAVES_IN_A_LOOP;
    let deaf = "trap '' TERM; touch pronto-vizinho; while :; do sleep 0.2; done";
    // A look that comes between two links sees nobody, which takes luck.
    for round in 0..8 {
        let place = Place::new();
        let config = "paralelismo = 2\nintervalo = \"10m\"\n".to_owned()
            + &processor("vizinho", &["sh", "-c", deaf], "carencia = \"5m\"")
            + &bad.entry(&place, Leader::Prompt, "");
        place.write("orquestrador.toml", config);
        let running = service(&place);
        place.wait_for_file("pronto-vizinho");
        bad.wait_until_ready(&place);

        running.signal(Signal::SIGTERM);
        let end = wait_for_end(&running, bad.name);

        let alive = survivors(&place);
        assert!(
            alive.is_empty(),
            "round {round}, alive when its run had ended: {alive:#?}\n{end}"
        );
        bad.assert_end(&end, "cancellation", "shutdown", false);
        running.signal(Signal::SIGTERM);
        running.wait().assert_code(143);
        place.assert_nothing_is_alive();
    }
}

#[test]
fn a_run_ends_with_its_leader_though_a_stranger_holds_its_output_open() {
    let place = Place::with_config(&processor("breve", &["sh", "-c", WAITS], ""));
    let running = place
        .program(&["--single-run", "--log-format", "json"])
        .start();
    let _stranger = hold_stdout(&place);

    place.write("pode-acabar", "");
    let asked = now();
    let finished = running.wait();

    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
    finished.assert_code(0);
    let end = end_in(&finished, "breve");
    assert_eq!(
        (&end["outcome"], &end["summary"]),
        (&"success".into(), &"dito".into()),
        "{end}"
    );
    assert_eq!(end["escaped_processes"], 0, "{end}");
}

#[test]
fn a_run_ends_with_its_leader_though_a_stranger_floods_its_output() {
    let place = Place::with_config(&processor("breve", &["sh", "-c", WAITS], ""));
    let running = place
        .program(&["--single-run", "--log-format", "json"])
        .start();
    let stranger = hold_stdout(&place);
    let flood = std::thread::spawn(move || {
        let mut stranger = stranger;
        // Ends when nobody reads any more.
        while std::io::Write::write_all(&mut stranger, &[b'x'; 4096]).is_ok() {}
    });

    place.write("pode-acabar", "");
    let asked = now();
    let finished = running.wait();

    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
    finished.assert_code(0);
    assert_eq!(
        end_in(&finished, "breve")["outcome"],
        "success",
        "{finished}"
    );
    wait_until("the end of the flood", LIMIT, || {
        flood.is_finished().then_some(())
    });
}

/// A number that has no name, and that what decodes signals by their names does not know.
const REAL_TIME: &str = "signal.SIGRTMIN + 1";

#[test]
fn a_leader_that_a_real_time_signal_ends_has_failed_by_its_number_and_holds_up_no_later_run() {
    let script = format!("import os, signal; os.kill(os.getpid(), {REAL_TIME})");
    let place = followed(&script);

    let finished = place.run(&["--single-run", "--log-format", "json"]);

    let end = end_in(&finished, "primeiro");
    assert_eq!(
        (&end["outcome"], &end["reason"]),
        (&"failure".into(), &"signal".into()),
        "{end}"
    );
    assert_eq!(end["exit_code"], 128 + real_time_signal(), "{end}");
    assert_next_succeeds_at_once(&finished);
    finished.assert_code(1);
    let words = format!("falhou: sinal {}", real_time_signal());
    place.run(&["--single-run"]).assert_says(&words);
}

#[test]
fn an_orphan_that_a_real_time_signal_ends_holds_up_neither_its_run_nor_a_later_one() {
    let script = format!(
        "import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    while os.getppid() == os.getsid(0):
        time.sleep(0.005)
    open('morre', 'w').close()
    os.kill(os.getpid(), {REAL_TIME})
while not os.path.exists('morre'):
    time.sleep(0.005)
time.sleep(0.1)"
    );
    let place = followed(&script);

    let finished = place.run(&["--single-run", "--log-format", "json"]);

    assert_eq!(
        end_in(&finished, "primeiro")["outcome"],
        "success",
        "{finished}"
    );
    assert_next_succeeds_at_once(&finished);
    finished.assert_code(0);
}

fn real_time_signal() -> i32 {
    libc::SIGRTMIN() + 1
}

/// A place in which one run of Python follows another of `true`.
fn followed(script: &str) -> Place {
    let short = "timeout = \"3s\"\ncarencia = \"500ms\"";
    let config = "modo = \"sequencial\"\nem_falha = \"continuar\"\n".to_owned()
        + &processor("primeiro", &["python3", "-S", "-E", "-c", script], short)
        + &processor("depois", &["true"], short);
    Place::with_config(&config)
}

#[track_caller]
fn assert_next_succeeds_at_once(finished: &Finished) {
    let next = end_in(finished, "depois");
    assert_eq!(next["outcome"], "success", "{next}\n{finished}");
    assert_took(&next, Duration::ZERO..Duration::from_secs(1));
}

const WAITS: &str =
    "echo dito; echo $$ > p; mv p pronto; until test -e pode-acabar; do sleep 0.02; done";

fn hold_stdout(place: &Place) -> std::fs::File {
    place.wait_for_file("pronto");
    let pipe = format!("/proc/{}/fd/1", place.read("pronto").trim());
    std::fs::OpenOptions::new().write(true).open(pipe).unwrap()
}

/// A place with one bad processor, which starts once.
fn place(bad: &Bad, leader: Leader, more: &str) -> Place {
    let place = Place::new();
    let entry = bad.entry(&place, leader, more);
    place.write("orquestrador.toml", format!("intervalo = \"10m\"\n{entry}"));
    place
}

fn service(place: &Place) -> Running {
    place.service(&["--log-format", "json"])
}

/// The line that tells the end of a processor's run, once it is written.
fn wait_for_end(running: &Running, processor: &str) -> Value {
    let what = format!("the end of {processor}");
    wait_until(&what, Duration::from_secs(10), || {
        find_end(&running.stdout(), processor)
    })
}

#[track_caller]
fn end_in(finished: &Finished, processor: &str) -> Value {
    find_end(&finished.stdout, processor)
        .unwrap_or_else(|| panic!("{processor} has no end\n{finished}"))
}

fn find_end(log: &str, processor: &str) -> Option<Value> {
    events(log).find(|event| event["event"] == "run_finished" && event["processor"] == processor)
}

/// Whole lines of a log; the last one may still be in the writing.
fn events(log: &str) -> impl Iterator<Item = Value> {
    log.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

fn scrape(running: &Running) -> String {
    let address: SocketAddr = wait_until("the address", LIMIT, || {
        let started = events(&running.stdout()).find(|event| event["event"] == "started")?;
        started["address"].as_str()?.parse().ok()
    });
    request(address, "GET", "/metrics").body
}

/// Panics unless one timeout is counted, and what it took to end the run, and nothing else.
#[track_caller]
fn assert_timeout_counted(exposition: &str, bad: &Bad) {
    let own = ("processor", bad.name);
    let count = |family, labels: &[_]| counter(exposition, family, labels);
    assert_eq!(
        count("run_failures_total", &[own, ("reason", "timeout")]),
        1
    );
    assert_eq!(
        count("run_cancellations_total", &[own, ("reason", "shutdown")]),
        0
    );
    assert_eq!(
        count("run_kill_escalations_total", &[own]),
        u64::from(bad.is_deaf)
    );
    let escaped = count("run_escaped_processes_total", &[own]);
    assert!(bad.escaped.contains(&escaped), "{escaped} {bad:?}");
    let unknown = ("processor", "unknown");
    assert_eq!(count("run_escaped_processes_total", &[unknown]), 0);
}

#[track_caller]
fn assert_took(end: &Value, range: std::ops::Range<Duration>) {
    let took = Duration::from_secs_f64(end["duration_seconds"].as_f64().unwrap());
    assert!(range.contains(&took), "{took:?} is not in {range:?}: {end}");
}
