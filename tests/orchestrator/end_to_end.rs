//! From a number to its cause, with real parts all the way: orchestrator, Prometheus, collector.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::collector::{Collector, Manner, Protocol, Received};
use crate::metrics::{encoded, prometheus};
use crate::support::{
    LIMIT, Place, Running, command, pause, processor, request, try_request, wait_until,
};

/// The two document processors as they are built in, and one that fails.
const CONFIG: &str = r#"
modo = "sequencial"
intervalo = "1h"
[[processador]]
nome = "modelo_contrato"
comando = ["@orquestrador", "processador", "modelo-contrato"]
[[processador]]
nome = "automatico"
comando = ["@orquestrador", "processador", "automatico"]
[[processador]]
nome = "mau"
comando = ["sh", "-c", "echo sem papel >&2; exit 3"]
"#;

/// The trace id of an exemplar of `processor`, as Prometheus has it.
fn exemplar(prometheus: SocketAddr, processor: &str) -> String {
    let query = format!("orquestrador_run_duration_seconds_bucket{{processor=\"{processor}\"}}");
    let path = format!(
        "/api/v1/query_exemplars?query={}&start=0&end=4000000000",
        encoded(&query)
    );
    wait_until(&format!("an exemplar of {processor}"), LIMIT, || {
        let answer: Value = request(prometheus, "GET", &path).json();
        let labels = &answer["data"][0]["exemplars"][0]["labels"];
        labels["trace_id"].as_str().map(str::to_owned)
    })
}

#[test]
fn an_exemplar_asked_from_prometheus_leads_to_the_trace_of_that_very_run_with_its_documents() {
    for protocol in Protocol::ALL {
        let place = Place::with_config(CONFIG);
        let collector = Collector::start(protocol, Manner::Takes);
        let endpoint = format!("http://{}", collector.address);
        let launch = place.program(&["--porta", "0", "--exemplos"]);
        let running = launch
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.word())
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
            .start();
        running.wait_for_cycles(1);
        let (_prometheus, address) = prometheus(&place, running.address());

        let traces = ["modelo_contrato", "automatico", "mau"].map(|name| exemplar(address, name));
        assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
        let spans = wait_until("the whole trace", LIMIT, || {
            let mut spans = collector.spans();
            spans.retain(|span| span.trace_id() == traces[0]);
            let is_whole = spans.iter().any(|span| span.span.name == "cycle");
            is_whole.then_some(spans)
        });
        assert_is_the_trace(&spans);
        running.stop().assert_code(0);
    }
}

/// Cycle, runs and documents, each where it belongs, and what failed says so.
fn assert_is_the_trace(spans: &[Received]) {
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    };
    let cycle = named("cycle");
    assert_eq!(cycle.parent(), "");
    assert_eq!(cycle.error(), Some("worst outcome of the runs: failure"));
    for name in ["modelo_contrato", "automatico"] {
        let run = named(&format!("run {name}"));
        assert_eq!((run.parent(), run.error()), (cycle.id(), None));
        assert_eq!(run.attribute("error.type"), None);
        let document = spans
            .iter()
            .find(|span| span.span.name == "document" && span.parent() == run.id());
        let document = document.unwrap_or_else(|| panic!("no document of {name}: {spans:#?}"));
        assert_eq!((document.service.as_str(), document.error()), (name, None));
        for stage in ["download", "parse", "compare", "save"] {
            let is_there = spans
                .iter()
                .any(|span| span.span.name == stage && span.parent() == document.id());
            assert!(is_there, "no {stage} of {name}: {spans:#?}");
        }
    }
    let bad = named("run mau");
    assert_eq!((bad.parent(), bad.error()), (cycle.id(), Some("sem papel")));
    assert_eq!(bad.attribute("error.type").as_deref(), Some("exit_code"));
    assert_eq!(bad.service, "orquestrador");
}

/// The collector of others, from `PyPI`.
fn rotel(place: &Place) -> (Running, SocketAddr, SocketAddr) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/pecas/rotel/rotel-agent");
    assert!(
        program.exists(),
        "{} is missing; .ci/pacotes installs it from PyPI",
        program.display()
    );
    // It takes no port 0 that it would tell; ports that were just free are asked for again when one is lost.
    for _ in 0..5 {
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [grpc, http] = free.map(|free| free.local_addr().unwrap());
        let mut agent = command(&program);
        agent
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .env("MARCA_DO_TESTE", place.mark());
        let mut running = Running::start(agent);
        for _ in 0..200 {
            if running.has_ended() {
                break;
            }
            if try_request(http, "GET", "/").is_ok() {
                return (running, grpc, http);
            }
            pause(Duration::from_millis(50));
        }
    }
    panic!("rotel does not start");
}

#[test]
fn a_collector_that_others_wrote_gets_the_same_trace_over_both_protocols() {
    let agents = Place::new();
    let (agent, grpc, http) = rotel(&agents);
    for (protocol, address) in [(Protocol::Grpc, grpc), (Protocol::Http, http)] {
        let place = Place::with_config(CONFIG);
        let launch = place.program(&["--single-run", "--exemplos", "--log-format", "json"]);
        let finished = launch
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.word())
            .run();
        finished.assert_code(1);
        assert!(finished.stderr.is_empty(), "{finished}");
        let events = finished.events();
        let trace = events.iter().find_map(|event| event["trace_id"].as_str());
        let trace = trace.expect("a trace").to_owned();
        let names = wait_until("the trace", LIMIT, || {
            let names = names_of(&agent.stdout(), &trace);
            names.contains(&"cycle".to_owned()).then_some(names)
        });
        for name in [
            "run automatico",
            "run modelo_contrato",
            "run mau",
            "document",
            "save",
        ] {
            assert!(
                names.contains(&name.to_owned()),
                "{protocol:?}: no {name} in {names:?}"
            );
        }
    }
}

/// The names of a trace's spans in what rotel prints.
fn names_of(printed: &str, trace: &str) -> Vec<String> {
    let spans = printed.split("\nSpan #").skip(1);
    let of_trace = spans.filter(|span| span.contains(trace));
    let name = |span: &str| {
        let line = span.lines().find(|line| line.trim().starts_with("Name "))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    of_trace.filter_map(name).collect()
}

/// What a query answers, with its first value.
fn first_value(prometheus: SocketAddr, promql: &str) -> Option<f64> {
    let path = format!("/api/v1/query?query={}", encoded(promql));
    let answer: Value = request(prometheus, "GET", &path).json();
    assert_eq!(answer["status"], "success", "{answer}");
    let value = answer["data"]["result"][0]["value"][1].as_str()?;
    value.parse().ok()
}

/// The expression of the alert `FirstFailure`.
const FIRST_FAILURE: &str = "increase(orquestrador_run_failures_total[10m]) > 0 \
    or (orquestrador_run_failures_total > 0 unless orquestrador_run_failures_total offset 10m)";

#[test]
fn a_first_failure_after_the_first_scrape_is_an_increase_in_a_real_prometheus() {
    let words = ["sh", "-c", "test ! -e falha"];
    let place = Place::with_config(&format!(
        "intervalo = \"1h\"\n{}",
        processor("um", &words, "")
    ));
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let (_prometheus, address) = prometheus(&place, running.address());
    let failures = "orquestrador_run_failures_total{reason=\"exit_code\"}";
    let before = wait_until("a scrape", LIMIT, || first_value(address, failures));
    assert!(before.abs() < f64::EPSILON, "{before}");
    let increase = "increase(orquestrador_run_failures_total[5m]) > 0";
    assert_eq!(first_value(address, increase), None);
    assert_eq!(first_value(address, FIRST_FAILURE), None);

    place.write("falha", "");
    running.signal(Signal::SIGUSR1);
    running.wait_for_cycles(2);

    wait_until("the increase", LIMIT, || first_value(address, increase));
    assert!(first_value(address, FIRST_FAILURE).is_some());
}

#[test]
fn a_failure_right_after_the_start_is_a_first_failure_in_a_real_prometheus() {
    let bad = processor("um", &["sh", "-c", "exit 3"], "");
    let place = Place::with_config(&format!("intervalo = \"1h\"\n{bad}"));
    let running = place.service(&[]);
    // It has failed before anybody could look.
    let status = running.wait_for_cycles(1);
    let uptime = status["uptime_segundos"].as_f64();
    let (_prometheus, address) = prometheus(&place, running.address());
    let first = wait_until("the first failure", LIMIT, || {
        first_value(address, FIRST_FAILURE)
    });
    assert!(first > 0.0, "{first} after {uptime:?} s");
    assert_eq!(
        first_value(address, "increase(orquestrador_run_failures_total[5m]) > 0"),
        None,
        "without the second half of the expression nobody would see it"
    );
}
