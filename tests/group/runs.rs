//! Runs of a group: made on all machines, each ended once, whoever is lost.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::nats::Nats;
use crate::support::{pause, processor, wait_until};
use crate::world::{Instance, PATIENCE, wait_for_leader};

/// A processor that writes its beginning and its end where it runs.
fn tell(sleep: &str) -> [String; 3] {
    let script = format!("echo inicio >> $PWD/inicios; sleep {sleep}; echo fim >> $PWD/execucoes");
    ["sh".to_owned(), "-c".to_owned(), script]
}

/// A configuration of such processors, two side by side.
pub(crate) fn with(intervalo: &str, names: &[&str], sleep: &str) -> String {
    let words = tell(sleep);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all: Vec<_> = names
        .iter()
        .map(|name| processor(name, &words, ""))
        .collect();
    format!(
        "paralelismo = 2\nintervalo = \"{intervalo}\"\n{}",
        all.concat()
    )
}

/// The runs that an instance's history knows: id, outcome, attempts.
pub(crate) fn history(instance: &Instance) -> BTreeMap<String, (String, u64)> {
    let finished = instance
        .place
        .run(&["historico", "--json", "--limite", "100000"]);
    let runs = finished.events();
    let one = |run: &Value| {
        let outcome = run["resultado"].as_str().unwrap_or("-").to_owned();
        (
            run["id"].as_str().unwrap().to_owned(),
            (outcome, run["tentativas"].as_u64().unwrap_or(0)),
        )
    };
    runs.iter().map(one).collect()
}

#[test]
fn runs_happen_on_both_instances_and_both_histories_come_to_know_each_once() {
    let nats = Nats::start();
    let config = with("1s", &["a", "b", "c", "d"], "0.3");
    let one = Instance::start("um", &nats.url(), &config);
    let two = Instance::start("dois", &nats.url(), &config);
    let both = [&one, &two];
    let leader = wait_for_leader(&both);
    both[leader].running().wait_for_cycles(4);
    for instance in both {
        let lines = instance.place.read("execucoes").lines().count();
        assert!(lines > 0, "{} ran nothing", instance.name);
    }
    wait_until("both histories to agree", PATIENCE, || {
        let (ours, theirs) = (history(&one), history(&two));
        let ended = |runs: &BTreeMap<String, (String, u64)>| {
            runs.values()
                .filter(|(outcome, _)| outcome == "success")
                .count()
        };
        let common = ours
            .iter()
            .filter(|(id, run)| theirs.get(*id) == Some(run))
            .count();
        (common >= 16 && ended(&ours) >= 16 && ended(&theirs) >= 16).then_some(())
    });
}

#[test]
fn a_run_whose_instance_is_killed_is_made_again_elsewhere_and_its_first_attempt_is_lost() {
    let nats = Nats::start();
    let config = with("5m", &["a"], "4");
    let mut one = Instance::start("um", &nats.url(), &config);
    let mut two = Instance::start("dois", &nats.url(), &config);
    let leader = wait_for_leader(&[&one, &two]);
    let place = wait_until("the run on one of them", PATIENCE, || {
        let busy = |instance: &Instance| {
            let status = instance.status();
            let members = status["distribuicao"]["instancias"].as_array()?.clone();
            let busy = members.iter().find(|member| {
                member["execucoes"]
                    .as_array()
                    .is_some_and(|runs| !runs.is_empty())
            })?;
            Some(busy["nome"].as_str()?.to_owned())
        };
        busy(&one)
    });
    let (victim, heir) = if place == "um" {
        (&mut one, &two)
    } else {
        (&mut two, &one)
    };
    victim.kill();
    wait_until("the end of its processes", PATIENCE, || {
        victim.place.survivors().is_empty().then_some(())
    });
    let run = wait_until("the end of the run", PATIENCE, || {
        let runs = history(heir);
        let ended = runs.values().find(|(outcome, _)| outcome == "success")?;
        Some(ended.clone())
    });
    // Whoever led and was killed is followed by another leader, which begins a cycle of its own.
    assert!(run.1 >= 1, "{run:?}, the leader was {leader}");
    assert!(heir.metric("orquestrador_run_redeliveries_total") >= Some(1.0));
    let id = wait_until("both attempts in the history", PATIENCE, || {
        let mut runs = history(heir).into_iter();
        let again = runs.find(|(_, (outcome, attempts))| outcome == "success" && *attempts == 2);
        again.map(|(id, _)| id)
    });
    let details = heir.place.run(&["execucao", &id, "--json"]).events();
    let attempts = details[0]["lista_tentativas"].as_array().unwrap();
    let ends: Vec<_> = attempts
        .iter()
        .map(|attempt| (&attempt["resultado"], &attempt["motivo"]))
        .collect();
    assert_eq!(
        ends,
        [
            (&"error".into(), &"lost".into()),
            (&"success".into(), &Value::Null)
        ]
    );
}

#[test]
fn when_nats_is_killed_a_short_run_goes_on_and_work_continues_with_its_return() {
    let mut nats = Nats::start();
    let one = Instance::start("um", &nats.url(), &with("1s", &["a"], "2"));
    wait_for_leader(&[&one]);
    one.running().wait_for_cycles(1);
    let lines = |name: &str| one.place.read(name).lines().count();
    let before = lines("inicios");
    wait_until("the next run", PATIENCE, || {
        (lines("inicios") > before).then_some(())
    });
    let before = lines("execucoes");
    nats.kill();
    pause(std::time::Duration::from_secs(3));
    let after = lines("execucoes");
    assert!(
        after > before,
        "the run was ended before its lease was over"
    );
    nats.begin();
    let cycles = one.status()["ciclos_executados"].as_u64().unwrap();
    one.running().wait_for_cycles(cycles + 2);
    let lost = history(&one)
        .values()
        .filter(|(outcome, _)| outcome == "error")
        .count();
    assert_eq!(lost, 0, "{:?}", history(&one));
}
