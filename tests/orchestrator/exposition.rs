//! `/metrics` as its readers ask for it: formats, encodings, exemplars.

use std::io::{Read, Write};
use std::process::Stdio;

use flate2::read::GzDecoder;

use crate::metrics::{encoded, prometheus};
use crate::support::{
    LIMIT, Place, Response, Running, command, processor, request, request_with, wait_until,
};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What Prometheus 2.42 sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// A service whose one run has ended, in a recorded trace that nobody receives.
fn traced() -> (Place, Running) {
    let words = ["sh", "-c", "echo traço $TRACEPARENT"];
    let place = Place::with_config(&processor("bom", &words, ""));
    let program = place.program(&["--porta", "0", "--intervalo", "10m"]);
    let running = program
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .start();
    running.wait_for_cycles(1);
    (place, running)
}

fn asked(running: &Running, headers: &[(&str, &str)]) -> Response {
    request_with(running.address(), "GET", "/metrics", headers)
}

#[test]
fn the_format_is_the_one_that_accept_asks_for_and_text_without_it() {
    let (_place, running) = traced();
    for (accept, content_type) in [
        (PROMETHEUS, OPEN_METRICS),
        ("application/openmetrics-text", OPEN_METRICS),
        ("*/*", TEXT),
        ("text/plain, application/openmetrics-text;q=0.1", TEXT),
    ] {
        let answer = asked(&running, &[("Accept", accept)]);
        assert_eq!(answer.code, 200);
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
        assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
        let is_open = content_type == OPEN_METRICS;
        assert_eq!(answer.body.ends_with("\n# EOF\n"), is_open, "{accept}");
    }
    let head = request_with(
        running.address(),
        "HEAD",
        "/metrics",
        &[("Accept", PROMETHEUS)],
    );
    assert_eq!((head.code, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), OPEN_METRICS);
}

#[test]
fn gzip_is_sent_to_whom_asks_for_it_and_says_the_same() {
    let (_place, running) = traced();
    let headers = [("Accept-Encoding", "gzip"), ("Accept", PROMETHEUS)];
    let answer = asked(&running, &headers);
    assert_eq!(answer.header("content-encoding"), "gzip");
    let mut text = String::new();
    let mut decoder = GzDecoder::new(answer.bytes.as_slice());
    decoder.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.len() > 3 * answer.bytes.len(), "{} bytes", text.len());
    assert_eq!(asked(&running, &[]).header("content-encoding"), "");
}

#[test]
fn the_reference_parser_of_openmetrics_reads_every_sample() {
    let (_place, running) = traced();
    let text = asked(&running, &[("Accept", PROMETHEUS)]).body;
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        families = list(parse(sys.stdin.read()))\n\
        print(sum(len(family.samples) for family in families), sum(bool(s.exemplar) for f in families for s in f.samples))";
    let mut python = command("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is missing");
    let mut input = python.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "install the Debian package python3-prometheus-client if it is missing: {said}\n{text}"
    );
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    let exemplars = text.matches(" # {trace_id=").count();
    assert!(exemplars >= 4, "{exemplars} exemplars in\n{text}");
    let counted = String::from_utf8_lossy(&output.stdout);
    assert_eq!(counted.trim(), format!("{samples} {exemplars}"));
    let series = format!("\norquestrador_exposition_series {samples}\n");
    assert!(text.contains(&series), "{series} in\n{text}");
}

#[test]
fn prometheus_stores_the_trace_that_the_run_was_part_of_as_exemplar() {
    let (place, running) = traced();
    let logs = running.get("/logs").body;
    let (_, rest) = logs.split_once("traço 00-").expect("a traceparent");
    let trace_id = rest.get(..32).unwrap();
    let (_prometheus, address) = prometheus(&place, running.address());
    let query = encoded("orquestrador_run_duration_seconds_bucket");
    let path = format!("/api/v1/query_exemplars?query={query}&start=0&end=9999999999");
    wait_until("the exemplar", LIMIT, || {
        let answer = request(address, "GET", &path).json();
        let exemplar = &answer["data"][0]["exemplars"][0]["labels"];
        (exemplar["trace_id"] == trace_id).then_some(())
    });
}
