//! What keeps an instance out of its group is said aloud: credentials, and streams that the server cannot keep.

use std::time::Duration;

use crate::nats::Nats;
use crate::support::{Running, pause, processor, wait_until};
use crate::world::{Instance, PATIENCE};

const REFUSED: &str = "o NATS recusa as credenciais";

fn config() -> String {
    format!("intervalo = \"1s\"\n{}", processor("a", &["true"], ""))
}

fn started(name: &str, nats: &Nats, variables: &[(&str, &str)]) -> Instance {
    let mut instance = Instance::stopped(name, &nats.url(), &config());
    instance.begin_with(variables);
    instance
}

/// Waits until the line of a fault was said, and looks whether health and page say it too.
fn assert_told(running: &Running, words: &str) {
    running.wait_for_line(words);
    let health = running.get("/health").json();
    assert_eq!(health["status"], "degraded");
    let reasons = health["motivos"].to_string();
    assert!(reasons.contains(words), "{reasons}");
    let page = running.get("/").body;
    assert!(page.contains(words), "the page lacks {words:?}");
}

/// Everything that an instance shows to anybody.
fn shown(instance: &Instance) -> String {
    let running = instance.running();
    let paths = ["/", "/status", "/health", "/metrics", "/logs"];
    let pages = paths.map(|path| running.get(path).body).concat();
    let settings = instance.place.run(&["validar"]);
    format!(
        "{pages}{}{}{}{}",
        running.stdout(),
        running.stderr(),
        settings.stdout,
        settings.stderr
    )
}

#[test]
fn a_wrong_password_is_said_once_everywhere_the_right_one_works_and_neither_is_shown() {
    let nats = {
        let mut nats = Nats::stopped(&["--user", "operador", "--pass", "certa-9173"]);
        nats.begin();
        nats
    };
    let with = |name, password| {
        let variables = [
            ("ORQUESTRADOR_NATS_USUARIO", "operador"),
            ("ORQUESTRADOR_NATS_PASSWORD", password),
        ];
        started(name, &nats, &variables)
    };
    let (wrong, right) = (with("um", "errada-4411"), with("dois", "certa-9173"));
    assert_told(wrong.running(), REFUSED);
    right.running().wait_for_cycles(2);
    // It goes on trying, since a server may be told of a user, and says no more of it.
    pause(Duration::from_secs(2));
    let said = wrong.running().stdout();
    assert_eq!(said.matches(REFUSED).count(), 1, "{said}");
    assert_eq!(wrong.metric("orquestrador_nats_connected"), Some(0.0));
    assert_eq!(wrong.status()["ciclos_executados"], 0);
    for instance in [&wrong, &right] {
        let shown = shown(instance);
        for secret in ["errada-4411", "certa-9173"] {
            assert!(!shown.contains(secret), "{secret} is shown");
        }
    }
}

#[test]
fn a_server_that_wants_a_token_gets_it_and_who_has_none_or_another_one_is_told() {
    let mut nats = Nats::stopped(&["--auth", "bilhete-7702"]);
    nats.begin();
    let token = |value| [("ORQUESTRADOR_NATS_TOKEN", value)];
    let none = started("um", &nats, &[]);
    let other = started("dois", &nats, &token("outro-1185"));
    let right = started("tres", &nats, &token("bilhete-7702"));
    right.running().wait_for_cycles(1);
    for instance in [&none, &other] {
        assert_told(instance.running(), REFUSED);
        assert!(!shown(instance).contains("outro-1185"));
    }
    assert!(!shown(&right).contains("bilhete-7702"));
}

#[test]
fn a_server_that_comes_back_with_a_password_is_said_to_refuse_and_one_without_to_be_there_again() {
    let mut nats = Nats::start();
    let one = started("um", &nats, &[]);
    one.running().wait_for_cycles(1);
    nats.kill();
    nats.begin_with(&["--user", "operador", "--pass", "nova"]);
    assert_told(one.running(), REFUSED);
    nats.kill();
    nats.begin();
    let cycles = one.status()["ciclos_executados"].as_u64().unwrap();
    one.running().wait_for_cycles(cycles + 1);
    wait_until("health", PATIENCE, || {
        let health = one.running().get("/health").json();
        (health["status"] == "healthy").then_some(())
    });
}

#[test]
fn more_replicas_than_there_are_servers_are_said_to_be_refused_instead_of_waited_for() {
    let nats = Nats::start();
    let urls = [nats.url(), nats.url(), nats.url()];
    let mut one = Instance::clustered("um", &urls, &config());
    one.begin();
    assert_told(one.running(), "o NATS recusa um pedido do grupo: stream");
    assert_told(one.running(), "replicas");
    assert_eq!(one.metric("orquestrador_nats_connected"), Some(1.0));
    assert_eq!(one.metric("orquestrador_leader"), Some(0.0));
}
