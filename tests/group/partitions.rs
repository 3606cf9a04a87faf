//! What is cut off ends what it has, and goes on when it is back; chance decides who is lost when.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::nats::Nats;
use crate::proxy::Proxy;
use crate::runs::{history, with};
use crate::support::{Dice, now, pause, processor, rounds, wait_until};
use crate::world::{Instance, PATIENCE, wait_for_leader};

/// The lease of these tests.
const LEASE: Duration = Duration::from_secs(6);

/// How long the entry of a leader lives without renewal.
const LIFE: Duration = Duration::from_secs(6);

/// Lines of the file in which the processor of `with` tells its beginning, or its end.
fn lines(instance: &Instance, name: &str) -> usize {
    let path = instance.place.join(name);
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn an_instance_that_is_cut_off_ends_its_child_before_the_lease_is_over_and_another_makes_the_run() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.address);
    let config = with("5m", &["a"], "20");
    let cut = Instance::start("um", &proxy.url(), &config);
    wait_for_leader(&[&cut]);
    wait_until("the run to begin", PATIENCE, || {
        (lines(&cut, "inicios") == 1).then_some(())
    });
    let other = Instance::start("dois", &nats.url(), &config);
    wait_until("the other one to know the leader", PATIENCE, || {
        other.leader()
    });
    proxy.cut(true);
    let since = now();
    let children = || {
        let alive = cut.place.survivors();
        alive
            .iter()
            .filter(|(_, line)| line.contains("sleep 20"))
            .count()
    };
    assert!(
        children() > 0,
        "the child is to be alive when the line is cut"
    );
    wait_until("the child to be ended", PATIENCE, || {
        (children() == 0).then_some(())
    });
    let ended = since.elapsed();
    assert!(ended <= LEASE, "it lived on for {ended:?}");
    // The other one takes both: the office, and the run.
    wait_until("the other one to lead", PATIENCE, || {
        other.is_leader().then_some(())
    });
    let taken = since.elapsed();
    assert!(taken <= Duration::from_secs(10), "it took {taken:?}");
    assert_eq!(cut.metric("orquestrador_leader"), Some(0.0));
    wait_until("the run to begin there", PATIENCE, || {
        (other.metric("orquestrador_run_redeliveries_total") >= Some(1.0)).then_some(())
    });
    assert!(
        since.elapsed() >= LEASE / 2,
        "nobody may take it while the lease holds"
    );
    proxy.cut(false);
    wait_until("the lost one to be back", PATIENCE, || {
        (cut.leader().as_deref() == Some("dois")).then_some(())
    });
}

#[test]
fn a_leader_that_is_cut_off_stops_planning_before_its_entry_expires_and_its_late_plans_are_void() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.address);
    // Each attempt says whose it is, wherever it is made.
    let shared = tempfile::tempdir().unwrap();
    let script = format!(
        "echo $ORQUESTRADOR_RUN_ID >> {}/feitas",
        shared.path().display()
    );
    let entries = ["a", "b"].map(|name| processor(name, &["sh", "-c", &script], ""));
    let config = format!("intervalo = \"3s\"\n{}", entries.concat());
    let cut = Instance::start("um", &proxy.url(), &config);
    wait_for_leader(&[&cut]);
    let other = Instance::start("dois", &nats.url(), &config);
    wait_for_leader(&[&cut, &other]);
    let cycles = cut.status()["ciclos_executados"].as_u64().unwrap();
    cut.running().wait_for_cycles(cycles + 1);
    // Now nothing runs, and the next cycle is planned into the closed door.
    let before = history(&cut);
    proxy.cut(true);
    let since = now();
    let stopped = wait_until("the lost leader to stop planning", PATIENCE, || {
        (cut.metric("orquestrador_leader") == Some(0.0)).then(|| since.elapsed())
    });
    assert!(stopped < LIFE, "it stopped after {stopped:?}");
    let planned = || history(&cut).into_keys().collect::<Vec<_>>();
    let last = planned();
    wait_until("the other one to lead", PATIENCE, || {
        let (is_led, is_double) = (other.is_leader(), cut.is_leader());
        assert!(!(is_led && is_double), "two lead at once");
        is_led.then_some(())
    });
    let taken = since.elapsed();
    assert!(taken <= Duration::from_secs(10), "it took {taken:?}");
    other.running().wait_for_cycles(1);
    assert_eq!(planned(), last, "it planned without the right to");
    // Its plans come through now, behind those of who leads.
    proxy.cut(false);
    let cycles = other.status()["ciclos_executados"].as_u64().unwrap();
    other.running().wait_for_cycles(cycles + 2);
    let late = wait_until("the late runs to end", PATIENCE, || {
        let mut late = history(&cut);
        late.retain(|id, _| !before.contains_key(id));
        late.values()
            .all(|(outcome, _)| outcome != "-")
            .then_some(late)
    });
    let made = std::fs::read_to_string(shared.path().join("feitas")).unwrap();
    let void: Vec<_> = late
        .iter()
        .filter(|(_, (outcome, _))| outcome == "error")
        .map(|(id, _)| id)
        .collect();
    assert_eq!(void.len(), 2, "the plans of one cycle: {late:?}");
    for id in void {
        assert!(!made.contains(id.as_str()), "{id} was made");
    }
    let mut ids: Vec<_> = made.lines().collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "a run was made twice");
}

#[test]
fn a_renewal_that_comes_through_after_its_leader_stood_down_keeps_nobody_from_leading() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.address);
    let config = with("1s", &["a"], "0.1");
    let cut = Instance::start("um", &proxy.url(), &config);
    wait_for_leader(&[&cut]);
    let other = Instance::start("dois", &nats.url(), &config);
    wait_for_leader(&[&cut, &other]);
    proxy.cut(true);
    let since = now();
    wait_until("the lost leader to stop planning", PATIENCE, || {
        (cut.metric("orquestrador_leader") == Some(0.0)).then_some(())
    });
    // Its entry stands for a moment more, and is renewed by what waits on the line.
    proxy.cut(false);
    wait_until("a leader", PATIENCE, || {
        (cut.is_leader() || other.is_leader()).then_some(())
    });
    let taken = since.elapsed();
    assert!(taken < Duration::from_secs(9), "it took {taken:?}");
    wait_for_leader(&[&cut, &other]);
}

#[test]
fn a_follower_that_is_cut_off_loses_its_run_to_the_leader_who_stays() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.address);
    let config = with("5m", &["a", "b"], "8").replace("paralelismo = 2", "paralelismo = 1");
    // Whoever comes first leads.
    proxy.cut(true);
    let cut = Instance::start("dois", &proxy.url(), &config);
    let leader = Instance::start("um", &nats.url(), &config);
    wait_until("the one that can be reached to lead", PATIENCE, || {
        leader.is_leader().then_some(())
    });
    proxy.cut(false);
    wait_until("the run on the follower", PATIENCE, || {
        (lines(&cut, "inicios") == 1).then_some(())
    });
    let term = leader.status()["distribuicao"]["mandato"].clone();
    proxy.cut(true);
    let since = now();
    let is_alive = || {
        let alive = cut.place.survivors();
        alive.iter().any(|(_, line)| line.contains("sleep 8"))
    };
    assert!(is_alive(), "the child is to be alive when the line is cut");
    wait_until("the child to be ended", PATIENCE, || {
        (!is_alive()).then_some(())
    });
    let ended = since.elapsed();
    assert!(ended <= LEASE, "it lived on for {ended:?}");
    let runs = wait_until("both runs to end", PATIENCE, || {
        let runs = history(&leader);
        let ended = runs.values().filter(|(outcome, _)| outcome == "success");
        (ended.count() == 2).then_some(runs)
    });
    let mut attempts: Vec<_> = runs.values().map(|(_, attempts)| *attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2], "one was made again: {runs:?}");
    assert_eq!(leader.status()["distribuicao"]["mandato"], term);
    proxy.cut(false);
    wait_until("the lost one to learn of both ends", PATIENCE, || {
        (history(&cut) == runs).then_some(())
    });
}

#[test]
fn an_instance_that_stops_hands_its_runs_back_and_they_are_made_elsewhere() {
    let nats = Nats::start();
    // Each run goes on until it is let, which nobody does where it is handed back.
    let script = "echo inicio >> inicios; until test -e solto; do sleep 0.05; done";
    let entries = ["a", "b", "c", "d"].map(|name| processor(name, &["sh", "-c", script], ""));
    let config = format!("paralelismo = 2\nintervalo = \"5m\"\n{}", entries.concat());
    let start = |name| {
        let mut instance = Instance::leased(name, &nats.url(), &config, "1m");
        instance.begin();
        instance
    };
    let one = start("um");
    wait_for_leader(&[&one]);
    let mut two = start("dois");
    wait_until("two runs on each", PATIENCE, || {
        [&one, &two]
            .iter()
            .all(|instance| lines(instance, "inicios") == 2)
            .then_some(())
    });
    one.place.write("solto", "");
    let since = now();
    let stopping = two.running.take().unwrap();
    stopping.signal(Signal::SIGTERM);
    stopping.wait().assert_code(0);
    wait_until("the other two to begin there", PATIENCE, || {
        (lines(&one, "inicios") == 4).then_some(())
    });
    // Without being handed back they would wait for the end of their lease, 40 s and more.
    let taken = since.elapsed();
    assert!(taken <= Duration::from_secs(20), "it took {taken:?}");
    one.running().wait_for_cycles(1);
    let runs = history(&one);
    assert!(
        runs.values().all(|(outcome, _)| outcome == "success"),
        "{runs:?}"
    );
    let mut attempts: Vec<_> = runs.values().map(|(_, attempts)| *attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 1, 2, 2], "two were made again: {runs:?}");
}

/// Closes the line of an instance for so many milliseconds: what it runs does not outlive its lease.
fn is_cut_off(victim: &Instance, line: &Proxy, length: u64) {
    line.cut(true);
    pause(Duration::from_millis(length));
    if Duration::from_millis(length) > LEASE {
        let alive = victim.place.survivors();
        let of_runs: Vec<_> = alive
            .iter()
            .filter(|(_, line)| line.starts_with("sleep"))
            .collect();
        assert!(of_runs.is_empty(), "{of_runs:?} outlived the lease");
    }
    line.cut(false);
}

/// Until every run has one end, and all histories tell of the same.
fn wait_for_agreement(all: &[Instance; 3]) {
    wait_until("all histories to agree", PATIENCE, || {
        let known = all.each_ref().map(history);
        let mut union: BTreeMap<String, Vec<&(String, u64)>> = BTreeMap::new();
        for runs in &known {
            for (id, run) in runs {
                union.entry(id.clone()).or_default().push(run);
            }
        }
        // What its planner took with it before anybody heard of it is lost, and known to the planner alone.
        let is_settled = |runs: &Vec<&(String, u64)>| match runs.as_slice() {
            [one] => one.0 == "error",
            [one, two, three] => one.0 != "-" && one.0 == two.0 && two.0 == three.0,
            _ => false,
        };
        let open: Vec<_> = union.iter().filter(|(_, runs)| !is_settled(runs)).collect();
        (open.is_empty() && union.len() > 10).then_some(())
    });
}

#[test]
fn whoever_is_killed_or_cut_off_whenever_every_run_ends_once_and_everybody_comes_to_agree() {
    let mut dice = Dice::new();
    let mut nats = Nats::start();
    let shared = tempfile::tempdir().unwrap();
    // The lock goes with the last process of an attempt, however that ends.
    let script = format!(
        "cd {} && exec 9>$ORQUESTRADOR_RUN_ID && {{ flock -n 9 || echo $ORQUESTRADOR_RUN_ID >> sobreposicoes; }}; sleep 0.5",
        shared.path().display()
    );
    let long = script.replace("sleep 0.5", "sleep 5");
    let entries = [("a", &script), ("b", &script), ("c", &long)];
    let entries = entries.map(|(name, script)| processor(name, &["sh", "-c", script], ""));
    let config = format!("paralelismo = 2\nintervalo = \"1s\"\n{}", entries.concat());
    let lines = [(); 3].map(|()| Proxy::before(nats.address));
    let places = ["um", "dois", "tres"];
    let mut all = [0, 1, 2].map(|at| Instance::start(places[at], &lines[at].url(), &config));
    wait_for_leader(&all.each_ref());
    for round in 0..rounds() {
        pause(Duration::from_millis(dice.below(2000)));
        let victim = usize::try_from(dice.below(3)).unwrap();
        let since = now();
        let cut = match dice.below(7) {
            0 => {
                nats.kill();
                pause(Duration::from_millis(dice.below(3000)));
                nats.begin();
                now()
            }
            1..=3 => {
                let victim = &mut all[victim];
                victim.kill();
                wait_until("the end of its processes", PATIENCE, || {
                    victim.place.survivors().is_empty().then_some(())
                });
                pause(Duration::from_millis(dice.below(1000)));
                victim.begin();
                now()
            }
            _ => {
                is_cut_off(&all[victim], &lines[victim], dice.below(8500));
                since
            }
        };
        wait_until(&format!("a leader after round {round}"), PATIENCE, || {
            all.iter().any(Instance::is_leader).then_some(())
        });
        let taken = cut.elapsed();
        assert!(
            taken <= Duration::from_secs(10),
            "round {round}: {taken:?} without a leader"
        );
    }
    // What was planned last ends, and then nobody plans any more.
    let leader = wait_for_leader(&all.each_ref());
    all[leader].running().wait_for_cycles(2);
    wait_for_agreement(&all);
    let overlaps = shared.path().join("sobreposicoes");
    assert!(
        !overlaps.exists(),
        "two attempts of a run were alive at once: {}",
        std::fs::read_to_string(overlaps).unwrap()
    );
}
