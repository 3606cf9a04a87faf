//! Every query of every panel, variable, annotation, rule and alert, on a Prometheus that watches an orchestrator in which
//! everything happens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::files::{self, Question, Rule};
use super::parts::{self, Webhook};
use super::promql::{name, selectors};
use crate::collector::{Collector, Manner, Protocol};
use crate::nats::Nats;
use crate::support::{LIMIT, Place, Running, pause, request, wait_until};

/// Runs that succeed, fail, time out, try again, are skipped, go on, and report metrics; and the documents. All of it in a
/// group of one.
const CONFIG: &str = r#"
modo = "paralelo"
intervalo = "1s"
paralelismo = 8
[[processador]]
nome = "modelo_contrato"
comando = ["@orquestrador", "processador", "modelo-contrato"]
[[processador]]
nome = "automatico"
comando = ["@orquestrador", "processador", "automatico"]
[[processador]]
nome = "instavel"
comando = ["sh", "-c", "if [ -e feito ]; then rm feito; exit 3; else touch feito; fi"]
[[processador]]
nome = "depois"
comando = ["true"]
depende_de = ["instavel"]
[[processador]]
nome = "bom"
comando = ["sh", "-c", "printf '# TYPE itens_total counter\\nitens_total 3\\n# TYPE fila gauge\\nfila 30\\n' > $ORQUESTRADOR_METRICS_FILE"]
intervalo = "300ms"
instancias = { max = 2, alvo = 20, metrica = "fila" }
[[processador]]
nome = "mau"
comando = ["sh", "-c", "exit 3"]
intervalo = "500ms"
tentativas = 2
espera = "10ms"
[[processador]]
nome = "lento"
comando = ["sleep", "60"]
intervalo = "1s"
timeout = "1s"
[[processador]]
nome = "longo"
comando = ["sleep", "600"]
intervalo = "1s"
timeout = "10m"
"#;

/// Queries that may return nothing here, each with its reason.
const MAY_BE_EMPTY: [(&str, &str); 1] = [(
    "Recomeços",
    "an annotation that is there only after the orchestrator was started again",
)];

/// Everything that is needed to ask.
struct Watched {
    prometheus: SocketAddr,
    start: i64,
    own: BTreeSet<String>,
    rules: Vec<Rule>,
    _running: [Running; 3],
    _collector: Collector,
    _webhook: Webhook,
}

fn watched(place: &Place) -> Watched {
    let start = jiff::Timestamp::now().as_second();
    let collector = Collector::start(Protocol::ALL[0], Manner::Takes);
    let launch = place.program(&["--porta", "0", "--exemplos"]);
    let orchestrator = launch
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://{}", collector.address),
        )
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", Protocol::ALL[0].word())
        .start();
    let own = files::own_names(&place.run(&["metricas"]).stdout);
    let webhook = Webhook::start();
    let (manager, alertmanager) = parts::alertmanager(place, webhook.address);
    let (server, prometheus) = parts::prometheus(
        place,
        orchestrator.address(),
        alertmanager,
        files::without_waiting,
    );
    let scraped = "docx_clause_links_total";
    wait_until("the documents' report", LIMIT, || {
        let found = parts::range(prometheus, scraped, start);
        (!found.unwrap().is_empty()).then_some(())
    });
    // What was counted before the first scrape is no increase, so one document is worked on again.
    let again = ["marcar", "versao", "2", "processar"];
    place.run(&again).assert_code(0);
    // Long enough for the rarest of them: a mean over 20 runs, and the rules that are made from other rules.
    wait_until("the slowest recording rule", Duration::from_mins(1), || {
        let found = parts::range(
            prometheus,
            "processor:orquestrador_run_duration_seconds:mean1d",
            start,
        );
        (!found.unwrap().is_empty()).then_some(())
    });
    pause(Duration::from_secs(4));
    let rules = files::rules(&request(prometheus, "GET", "/api/v1/rules").json());
    Watched {
        prometheus,
        start,
        own,
        rules,
        _running: [orchestrator, manager, server],
        _collector: collector,
        _webhook: webhook,
    }
}

#[test]
fn every_query_of_every_panel_variable_rule_and_alert_is_understood_and_has_something_to_ask() {
    let nats = Nats::start();
    let group = format!("[distribuicao]\nservidores = [\"{}\"]\n", nats.url());
    let place = Place::with_config(&format!("{CONFIG}{group}"));
    let watched = watched(&place);
    let mut wrong = Vec::new();
    for question in files::questions() {
        wrong.extend(wrong_with_question(&watched, &question));
    }
    for rule in &watched.rules {
        wrong.extend(wrong_with_rule(&watched, rule));
    }
    let unhealthy = unhealthy_rules(watched.prometheus);
    assert!(
        wrong.is_empty() && unhealthy.is_empty(),
        "{wrong:#?}\n{unhealthy:#?}"
    );
    // Whoever looks for dead names must find one.
    let invented = unknown_name(&watched, "rate(orquestrador_inventado_total[1m])");
    assert_eq!(invented.as_deref(), Some("orquestrador_inventado_total"));
    assert!(files::questions().len() > 100 && watched.rules.len() > 50);
}

fn wrong_with_question(watched: &Watched, question: &Question) -> Option<String> {
    let expression = files::expanded(&question.expression);
    let told = |problem: String| Some(format!("{}: {problem}: {expression}", question.place));
    if let Some(unknown) = unknown_name(watched, &expression) {
        return told(format!("nobody serves {unknown}"));
    }
    let found = match parts::range(watched.prometheus, &expression, watched.start) {
        Ok(found) => found,
        Err(error) => return told(error),
    };
    let may_be_empty = MAY_BE_EMPTY
        .iter()
        .any(|(place, _)| question.place.ends_with(place));
    if found.is_empty() && !may_be_empty {
        return told("no data".to_owned());
    }
    None
}

/// An alert has no data while nothing is wrong; so each of the things that it looks at must have some.
fn wrong_with_rule(watched: &Watched, rule: &Rule) -> Option<String> {
    let told = |problem: String| Some(format!("{}: {problem}: {}", rule.name, rule.expression));
    if let Some(unknown) = unknown_name(watched, &rule.expression) {
        return told(format!("nobody serves {unknown}"));
    }
    let mut asked: Vec<_> = selectors(&rule.expression).into_iter().collect();
    if !rule.is_alert {
        asked.push(rule.name.clone());
    }
    for selector in asked {
        match parts::range(watched.prometheus, &selector, watched.start) {
            Ok(found) if found.is_empty() => return told(format!("no data in {selector}")),
            Ok(_) => {}
            Err(error) => return told(error),
        }
    }
    parts::range(watched.prometheus, &rule.expression, watched.start)
        .err()
        .and_then(told)
}

/// The first name of `expression` that neither the program, nor a rule, nor a part of the stack serves.
fn unknown_name(watched: &Watched, expression: &str) -> Option<String> {
    let is_known = |name: &str| {
        let is_recorded = watched
            .rules
            .iter()
            .any(|rule| !rule.is_alert && rule.name == name);
        let is_of_prometheus = [
            "up",
            "scrape_duration_seconds",
            "scrape_samples_scraped",
            "ALERTS",
            "ALERTS_FOR_STATE",
        ];
        let is_of_others = ["docx_", "records_", "prometheus_", "alertmanager_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        name.is_empty()
            || watched.own.contains(name)
            || is_recorded
            || is_of_prometheus.contains(&name)
            || (is_of_others && is_served(watched, name))
    };
    let selectors = selectors(expression);
    let unknown = selectors
        .iter()
        .map(|selector| name(selector))
        .find(|name| !is_known(name));
    unknown.map(str::to_owned)
}

/// Whether anything that was scraped has this name.
fn is_served(watched: &Watched, name: &str) -> bool {
    parts::range(watched.prometheus, name, watched.start).is_ok_and(|found| !found.is_empty())
}

fn unhealthy_rules(prometheus: SocketAddr) -> Vec<Value> {
    let answer = request(prometheus, "GET", "/api/v1/rules").json();
    let groups = answer["data"]["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .filter(|rule| rule["health"] != "ok")
        .cloned()
        .collect()
}
