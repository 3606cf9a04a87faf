//! One leader at a time, and another one soon after its loss.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::nats::Nats;
use crate::support::{now, processor, wait_until};
use crate::world::{Instance, PATIENCE, wait_for_leader};

/// The longest time without a leader that the design allows.
const TAKE_OVER: Duration = Duration::from_secs(10);

fn config() -> String {
    format!("intervalo = \"1s\"\n{}", processor("a", &["true"], ""))
}

#[test]
fn one_of_two_instances_leads_and_alone_plans_and_each_tells_of_both() {
    let nats = Nats::start();
    let one = Instance::start("um", &nats.url(), &config());
    let two = Instance::start("dois", &nats.url(), &config());
    let both = [&one, &two];
    let leader = wait_for_leader(&both);
    both[leader].running().wait_for_cycles(2);
    let follower = both[1 - leader];
    assert_eq!(follower.status()["ciclos_executados"], 0);
    assert_eq!(both[leader].metric("orquestrador_leader"), Some(1.0));
    assert_eq!(follower.metric("orquestrador_leader"), Some(0.0));
    for instance in both {
        let names = wait_until("both instances in /status", PATIENCE, || {
            let status = instance.status();
            let all = status["distribuicao"]["instancias"].as_array()?.clone();
            let names: Vec<_> = all.iter().map(|one| one["nome"].clone()).collect();
            (names.len() == 2).then_some(names)
        });
        assert_eq!(names, ["dois", "um"]);
        assert_eq!(instance.metric("orquestrador_instances"), Some(2.0));
        assert_eq!(instance.metric("orquestrador_nats_connected"), Some(1.0));
        let health = instance.running().get("/health").json();
        assert_eq!(health["status"], "healthy", "{health}");
        assert!(
            instance
                .running()
                .get("/")
                .body
                .contains("Instâncias do grupo")
        );
    }
}

#[test]
fn a_killed_leader_is_replaced_within_ten_seconds_and_one_that_is_asked_to_stop_at_once() {
    let nats = Nats::start();
    let names = ["um", "dois", "tres"];
    let mut all = names.map(|name| Instance::start(name, &nats.url(), &config()));
    let first = wait_for_leader(&all.each_ref());
    all[first].kill();
    let killed = now();
    let rest: Vec<_> = all.iter().filter(|one| one.running.is_some()).collect();
    wait_until("a new leader", PATIENCE, || {
        rest.iter().any(|one| one.is_leader()).then_some(())
    });
    let taken = killed.elapsed();
    assert!(taken <= TAKE_OVER, "it took {taken:?}");
    let second = wait_for_leader(&rest);
    rest[second].running().wait_for_cycles(1);
    let last = rest[1 - second].name.clone();
    let place = all
        .iter()
        .position(|one| one.running.is_some() && one.name != last);
    let stopping = all[place.unwrap()].running.take().unwrap();
    let asked = now();
    stopping.signal(Signal::SIGTERM);
    let heir = all.iter().find(|one| one.name == last).unwrap();
    wait_until("the last one to lead", PATIENCE, || {
        heir.is_leader().then_some(())
    });
    let taken = asked.elapsed();
    assert!(taken < Duration::from_secs(5), "it took {taken:?}");
    stopping.wait().assert_code(0);
}

#[test]
fn without_nats_nobody_plans_which_is_told_and_work_begins_when_it_comes_without_a_restart() {
    let mut nats = Nats::stopped(&[]);
    let one = Instance::start("um", &nats.url(), &config());
    let health = || one.running().get("/health").json();
    // Who only reads the console learns of it too.
    one.running().wait_for_line("o NATS não responde");
    assert_eq!(health()["status"], "degraded");
    let reasons = health()["motivos"].to_string();
    assert!(reasons.contains("sem conexão com o NATS"), "{reasons}");
    assert_eq!(one.metric("orquestrador_nats_connected"), Some(0.0));
    assert_eq!(one.status()["ciclos_executados"], 0);
    nats.begin();
    one.running().wait_for_cycles(1);
    wait_until("health", PATIENCE, || {
        (health()["status"] == "healthy").then_some(())
    });
    nats.kill();
    wait_until("the loss to be told", PATIENCE, || {
        let told = one.metric("orquestrador_nats_connected") == Some(0.0);
        (told && one.metric("orquestrador_leader") == Some(0.0)).then_some(())
    });
    let words = "sem conexão com o NATS";
    let reasons = health()["motivos"].to_string();
    assert!(reasons.contains(words), "{reasons}");
    assert!(one.running().get("/").body.contains(words), "on the page");
    assert_eq!(one.status()["distribuicao"]["conectada"], false);
    one.running().wait_for_line("Sem conexão com o NATS");
    nats.begin();
    let cycles = one.status()["ciclos_executados"].as_u64().unwrap();
    one.running().wait_for_cycles(cycles + 2);
}
