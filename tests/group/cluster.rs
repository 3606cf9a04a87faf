//! Three servers that keep everything three times: the loss of one changes nothing for long.

use std::net::SocketAddr;

use crate::nats::{Nats, free_address};
use crate::runs::{history, with};
use crate::support::{try_request, wait_until};
use crate::world::{Instance, PATIENCE, wait_for_leader};

/// Three servers, and where each tells how it is.
fn cluster() -> ([Nats; 3], [SocketAddr; 3]) {
    let health = [0; 3].map(|_| free_address());
    let routes = [0; 3].map(|_| free_address());
    let all = routes.map(|route| format!("nats://{route}")).join(",");
    let servers = [0, 1, 2].map(|number| {
        let (name, own) = (format!("n{number}"), format!("nats://{}", routes[number]));
        let port = health[number].port().to_string();
        let words = [
            "-m",
            &port,
            "-n",
            &name,
            "--cluster_name",
            "c",
            "--cluster",
            &own,
            "--routes",
            &all,
        ];
        let mut nats = Nats::stopped(&words);
        nats.begin();
        nats
    });
    (servers, health)
}

/// Until every server has all that the others have: the loss of a second one is not what is tested.
fn wait_for_copies(health: &[SocketAddr; 3]) {
    wait_until("every server to be up to date", PATIENCE, || {
        let is_well = |address: &SocketAddr| {
            try_request(*address, "GET", "/healthz").is_ok_and(|answer| answer.code == 200)
        };
        health.iter().all(is_well).then_some(())
    });
}

#[test]
fn the_loss_of_one_of_three_servers_costs_no_run_and_no_restart() {
    let (mut servers, health) = cluster();
    let urls = servers.each_ref().map(Nats::url);
    let config = with("1s", &["a", "b"], "0.3");
    let start = |name| {
        let mut instance = Instance::clustered(name, &urls, &config);
        instance.begin();
        instance
    };
    let (one, two) = (start("um"), start("dois"));
    let both = [&one, &two];
    let leader = wait_for_leader(&both);
    both[leader].running().wait_for_cycles(2);
    for lost in &mut servers {
        wait_for_copies(&health);
        lost.kill();
        let ends = |instance: &Instance| {
            let runs = history(instance);
            runs.values()
                .filter(|(outcome, _)| outcome == "success")
                .count()
        };
        let before = ends(&one);
        wait_until("work to go on without a server", PATIENCE, || {
            (ends(&one) >= before + 4).then_some(())
        });
        lost.begin();
        wait_until("a leader", PATIENCE, || {
            both.iter().any(|one| one.is_leader()).then_some(())
        });
    }
    wait_until("both to agree", PATIENCE, || {
        let (ours, theirs) = (history(&one), history(&two));
        let is_same = |(id, run): (&String, &(String, u64))| {
            run.0 != "-" && theirs.get(id).is_some_and(|other| other.0 == run.0)
        };
        ours.iter().all(is_same).then_some(())
    });
}
