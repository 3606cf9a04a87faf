//! What a Directus may do to us, played by a proxy; SIGKILL of either side; several orchestrators on one Directus.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::proxy::{Fault, Proxy};
use crate::server::{Server, now, pause};
use crate::world::{Site, World, finish, requests};

/// Claims that are given up soon, so that a test need not wait for a quarter of an hour.
const SHORT: &str = "prazo = \"6s\"\nconfirmacao = \"50ms\"";
const METRICS: [&str; 7] = [
    "--single-run",
    "--modo",
    "sequencial",
    "--em-falha",
    "continuar",
    "--arquivo-metricas",
    "m.prom",
];

/// Every `number`th row is decided by an analyst.
fn decide(world: &mut World, server: &Server, number: usize) {
    for row in server.items("modificacao", "id").iter().step_by(number) {
        world.decide(server, row, "ressalva");
    }
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn whatever_the_backend_answers_every_record_ends_right_and_each_fault_is_seen_in_a_metric_and_told()
 {
    let server = Server::start();
    let mut world = World::populate(&server, 2, 2);
    let proxy = Proxy::before(server.port());
    let site = Site::new(proxy.url(), SHORT);
    World::settle(&server, &site);
    world.assert_right(&server);
    decide(&mut world, &server, 3);
    // The sums of all runs of this site.
    let mut before: BTreeMap<&str, u64> = BTreeMap::new();
    for (fault, result) in [
        (Fault::Refused, "unreachable"),
        (Fault::Reset, "broken"),
        (Fault::BlackHole, "timeout"),
        (Fault::Late, "timeout"),
        (Fault::Status(401), "unauthorized"),
        (Fault::Status(403), "forbidden"),
        (Fault::Status(404), "not_found"),
        (Fault::Status(429), "rate_limited"),
        (Fault::Status(500), "server_error"),
        (Fault::Truncated, "nonsense"),
        (Fault::Page, "nonsense"),
    ] {
        world.ask_again(&server);
        proxy.misbehave(Some(fault), 9);
        let finished = site.run(&METRICS);
        let met = proxy.met();
        proxy.misbehave(None, 1);
        let metrics = std::fs::read_to_string(site.folder.path().join("m.prom")).unwrap();
        let sum = requests(&metrics, result);
        let counted = sum - before.insert(result, sum).unwrap_or_default();
        println!(
            "{fault:?}: {met} met, {counted} counted as {result}, exit {:?}",
            finished.code
        );
        assert!(met > 0 && counted > 0, "{fault:?} {finished:?}\n{metrics}");
        match finished.code {
            // Repetition took care of it.
            Some(0) => {}
            Some(1) => assert!(
                finished.out.contains("erro: ") || finished.err.contains("erro: "),
                "{finished:?}"
            ),
            _ => panic!("{fault:?}: {finished:?}"),
        }
        if fault == Fault::Late {
            // What is still on its way must have arrived.
            pause(Duration::from_secs(6));
        }
        World::settle(&server, &site);
        world.assert_right(&server);
    }
}

/// Numbers by chance, repeatable by their seed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("ORQUESTRADOR_TEST_SEMENTE")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ 0x9E37_79B9);
        println!("ORQUESTRADOR_TEST_SEMENTE={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

pub(crate) fn rounds() -> u64 {
    let text = std::env::var("ORQUESTRADOR_TEST_RODADAS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(20)
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn sigkill_of_directus_and_of_the_processor_at_any_moment_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let mut world = World::populate(&server, 2, 3);
    let site = Site::new(server.url(), SHORT);
    World::settle(&server, &site);
    decide(&mut world, &server, 4);
    let mut dice = Dice::new();
    let rounds = rounds();
    for round in 1..=rounds {
        // Every other round finds what the one before it left.
        if round % 2 == 1 {
            world.ask_again(&server);
        }
        let rows = server.items("modificacao", "id");
        let chosen = usize::try_from(dice.below(rows.len() as u64)).unwrap();
        let victim = dice.below(3);
        let arguments: &[&str] = match victim {
            0 => &["processador", "automatico"],
            1 => &["processador", "modelo-contrato"],
            _ => &["--single-run", "--modo", "paralelo"],
        };
        let child = site.start(arguments);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        pause(Duration::from_millis(dice.below(500)));
        world.decide(&server, &rows[chosen], "aceitar");
        let moment = dice.below(if victim == 1 { 700 } else { 3000 });
        pause(Duration::from_millis(moment));
        let kills_server = dice.below(2) == 0;
        if kills_server {
            server.kill();
        } else {
            // One that has ended already is no failure of the round.
            kill(pid, Signal::SIGKILL).ok();
        }
        let finished = finish(child);
        let open_after = if kills_server {
            server.resume();
            World::open(&server)
        } else {
            World::open(&server)
        };
        println!(
            "round {round} of {rounds}: {arguments:?}, server {kills_server}, code {:?}, open {open_after}",
            finished.code
        );
        if kills_server && finished.code == Some(0) {
            assert!(!finished.err.contains("erro: "), "{finished:?}");
        }
    }
    World::settle(&server, &site);
    world.assert_right(&server);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_stop_at_any_moment_gives_back_what_was_claimed_and_counts_no_try() {
    let server = Server::start();
    let world = World::populate(&server, 2, 3);
    // What is not given back stays in work far longer than this test.
    let site = Site::new(server.url(), "confirmacao = \"50ms\"");
    World::settle(&server, &site);
    let mut dice = Dice::new();
    let rounds = rounds();
    let mut stopped = 0;
    for round in 1..=rounds {
        // New tags of a clause are stored in two steps.
        let all = json!({ "query": { "limit": -1 } });
        server.ask("DELETE", "/items/modelo_contrato_tag", Some(&all));
        world.ask_again(&server);
        let arguments: &[&str] = match round % 3 {
            0 => &["--single-run", "--modo", "paralelo"],
            1 => &["processador", "automatico"],
            _ => &["processador", "modelo-contrato"],
        };
        let child = site.start(arguments);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let moment = dice.below(if round % 3 == 2 { 400 } else { 1500 });
        pause(Duration::from_millis(moment));
        kill(pid, Signal::SIGTERM).ok();
        let asked = now();
        let finished = finish(child);
        let took = asked.elapsed();
        println!(
            "round {round} of {rounds}: {arguments:?} after {moment} ms, code {:?} in {took:?}",
            finished.code
        );
        // The default grace period; whoever takes longer is killed with its claim.
        assert!(took < Duration::from_secs(10), "{finished:?}");
        stopped += u64::from(finished.code != Some(0));
        for collection in ["versao", "modelo_contrato"] {
            for record in server.items(collection, "*") {
                assert_ne!(
                    record["status"], "em_processamento",
                    "{record} {finished:?}"
                );
                assert_ne!(record["status"], "erro", "{record} {finished:?}");
                let observation = record["observacao"].as_str().unwrap_or_default();
                assert!(!observation.contains("TENT"), "a try was counted: {record}");
            }
        }
    }
    assert!(stopped > 0, "every run was quicker than its stop");
    World::settle(&server, &site);
    world.assert_right(&server);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_stop_ends_a_run_whose_directus_hangs_within_its_grace_period() {
    let server = Server::start();
    let world = World::populate(&server, 2, 3);
    let proxy = Proxy::before(server.port());
    let site = Site::new(proxy.url(), SHORT);
    // A claim, an upload, a question, each carried out without an answer.
    for method in ["PATCH", "POST", "GET"] {
        world.ask_again(&server);
        let mut command = site.command(&["processador", "automatico"]);
        // Longer than the grace period.
        let child = command.env("REQUEST_TIMEOUT", "20").spawn().unwrap();
        let begun = now();
        let is_claimed = || {
            let versions = server.items("versao", "status");
            let is_it = |version: &serde_json::Value| version["status"] == "em_processamento";
            versions.iter().any(is_it)
        };
        while method == "GET" && !is_claimed() {
            assert!(begun.elapsed() < Duration::from_mins(1));
        }
        proxy.misbehave(Some(Fault::Hang(method)), 1);
        while proxy.met() == 0 {
            assert!(begun.elapsed() < Duration::from_mins(1));
            pause(Duration::from_millis(5));
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let asked = now();
        let finished = finish(child);
        let took = asked.elapsed();
        println!("{method}: ended in {took:?}: {finished:?}");
        assert!(took < Duration::from_secs(10), "{finished:?}");
        assert_eq!(finished.code, Some(75), "{finished:?}");
        // Whether it was given back can be asked, unless nothing is answered.
        assert_eq!(is_claimed(), method == "GET", "{finished:?}");
        assert_eq!(
            finished.err.contains("reserva"),
            method == "GET",
            "{finished:?}"
        );
        proxy.misbehave(None, 1);
        World::settle(&server, &site);
        world.assert_right(&server);
    }
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn two_orchestrators_store_the_results_of_200_records_exactly_once() {
    let server = Server::start();
    let world = World::populate(&server, 20, 10);
    assert_eq!(world.versions.len(), 200);
    let sites = [(); 2].map(|()| Site::new(server.url(), "confirmacao = \"100ms\""));
    let raced: u64 = std::thread::scope(|scope| {
        let work = |site| move || work_until_idle(site);
        let threads: Vec<_> = sites.iter().map(|site| scope.spawn(work(site))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.sum()
    });
    println!("records that the other one was quicker with: {raced}");
    assert!(raced > 0, "they never met");
    world.assert_right(&server);
}

/// Runs until nothing is pending; gives how many records the other one had.
fn work_until_idle(site: &Site) -> u64 {
    let mut raced = 0;
    for _ in 0..20 {
        let finished = site.run(&METRICS);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let metrics = std::fs::read_to_string(site.folder.path().join("m.prom")).unwrap();
        let taken = "docx_documents_total{collection=\"versao\",outcome=\"taken\"";
        let line = metrics
            .lines()
            .find(|line| line.starts_with(taken))
            .unwrap();
        raced = line.rsplit(' ').next().unwrap().parse().unwrap();
        if finished.out.matches("nada pendente").count() == 2 {
            break;
        }
    }
    raced
}
