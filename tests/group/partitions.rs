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
fn an_instance_that_stops_hands_its_runs_back_and_they_are_made_elsewhere() {
    let nats = Nats::start();
    let config = with("5m", &["a", "b", "c", "d"], "3");
    let one = Instance::start("um", &nats.url(), &config);
    wait_for_leader(&[&one]);
    let mut two = Instance::start("dois", &nats.url(), &config);
    wait_until("the second one to work", PATIENCE, || {
        (lines(&two, "inicios") > 0).then_some(())
    });
    let stopping = two.running.take().unwrap();
    stopping.signal(Signal::SIGTERM);
    stopping.wait().assert_code(0);
    one.running().wait_for_cycles(1);
    let runs = history(&one);
    assert_eq!(runs.len(), 4, "{runs:?}");
    assert!(
        runs.values().all(|(outcome, _)| outcome == "success"),
        "{runs:?}"
    );
}

#[test]
fn whoever_is_killed_whenever_every_run_ends_once_and_everybody_comes_to_agree() {
    let mut dice = Dice::new();
    let mut nats = Nats::start();
    let shared = tempfile::tempdir().unwrap();
    // The lock goes with the last process of an attempt, however that ends.
    let script = format!(
        "cd {} && exec 9>$ORQUESTRADOR_RUN_ID && {{ flock -n 9 || echo $ORQUESTRADOR_RUN_ID >> sobreposicoes; }}; sleep 0.5",
        shared.path().display()
    );
    let entries = ["a", "b", "c"].map(|name| processor(name, &["sh", "-c", &script], ""));
    let config = format!("paralelismo = 2\nintervalo = \"1s\"\n{}", entries.concat());
    let mut all = ["um", "dois", "tres"].map(|name| Instance::start(name, &nats.url(), &config));
    wait_for_leader(&all.each_ref());
    for round in 0..rounds() {
        pause(Duration::from_millis(dice.below(2000)));
        match dice.below(4) {
            0 => {
                nats.kill();
                pause(Duration::from_millis(dice.below(3000)));
                nats.begin();
            }
            which => {
                let victim = &mut all[usize::try_from(which).unwrap() - 1];
                victim.kill();
                wait_until("the end of its processes", PATIENCE, || {
                    victim.place.survivors().is_empty().then_some(())
                });
                pause(Duration::from_millis(dice.below(1000)));
                victim.begin();
            }
        }
        let cut = now();
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
    let overlaps = shared.path().join("sobreposicoes");
    assert!(
        !overlaps.exists(),
        "two attempts of a run were alive at once: {}",
        std::fs::read_to_string(overlaps).unwrap()
    );
}
