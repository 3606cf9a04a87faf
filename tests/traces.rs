//! Traces against a real OTLP receiver over gRPC: one trace a cycle, its runs in it, the children within theirs.

#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tonic::{Request, Response, Status};

/// A receiver that keeps every span.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request
            .into_inner()
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        self.0
            .lock()
            .expect("unpoisoned")
            .extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    /// Listens on a free port of the loopback.
    async fn start() -> (Self, SocketAddr) {
        let receiver = Self::default();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = socket.local_addr().expect("an address");
        let incoming = tonic::transport::server::TcpIncoming::from(socket);
        let service = TraceServiceServer::new(receiver.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        (receiver, address)
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

const CONFIG: &str = r#"
[[processador]]
nome = "bom"
comando = ["sh", "-c", "echo traceparent=$TRACEPARENT service=$OTEL_SERVICE_NAME"]
[[processador]]
nome = "ruim"
comando = ["sh", "-c", "echo sem papel >&2; exit 3"]
"#;

/// One cycle in an environment of these variables alone.
async fn single_run(folder: &Path, variables: Vec<(&'static str, String)>) -> Output {
    let config = folder.join("teste.toml");
    fs::write(&config, CONFIG).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orquestrador"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(variables)
        .current_dir(folder);
    command
        .args([
            "--single-run",
            "--modo",
            "sequencial",
            "--log-format",
            "json",
            "--config",
        ])
        .arg(config);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("joined")
        .expect("started")
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn endpoint(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("RUST_LOG", "error".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_one_trace_with_a_span_a_run_and_the_failed_one_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (receiver, address) = Receiver::start().await;
    let output = single_run(folder.path(), endpoint(address)).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let spans = receiver.spans();
    let named = |name: &str| {
        spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| unreachable!("no span {name}: {spans:#?}"))
    };
    let (cycle, good, bad) = (named("cycle"), named("run bom"), named("run ruim"));
    assert_eq!(spans.len(), 3);
    assert!(cycle.parent_span_id.is_empty());
    for run in [good, bad] {
        assert_eq!(
            (&run.trace_id, &run.parent_span_id),
            (&cycle.trace_id, &cycle.span_id)
        );
    }
    assert_eq!(
        attribute(cycle, "cicd.pipeline.result").as_deref(),
        Some("failure")
    );
    assert_eq!(attribute(bad, "error.type").as_deref(), Some("exit_code"));
    assert_eq!(attribute(bad, "process.exit.code").as_deref(), Some("3"));
    assert!(attribute(good, "process.pid").is_some());
    let status = bad.status.as_ref().expect("a status");
    assert_eq!(
        (status.code(), status.message.as_str()),
        (StatusCode::Error, "sem papel")
    );
    assert_eq!(
        good.status.as_ref().map_or(
            StatusCode::Unset,
            opentelemetry_proto::tonic::trace::v1::Status::code
        ),
        StatusCode::Unset
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_gets_the_trace_context_of_its_own_run_and_the_log_names_the_same_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let (receiver, address) = Receiver::start().await;
    let output = single_run(folder.path(), endpoint(address)).await;
    let spans = receiver.spans();
    let run = spans
        .iter()
        .find(|span| span.name == "run bom")
        .expect("a span");
    let expected = format!("00-{}-{}-01", hex(&run.trace_id), hex(&run.span_id));
    let log = String::from_utf8(output.stdout).expect("text");
    let finished = log
        .lines()
        .find(|line| line.contains("run_finished") && line.contains("bom"))
        .expect("a line");
    let finished: serde_json::Value = serde_json::from_str(finished).expect("JSON");
    assert_eq!(
        finished["summary"],
        format!("traceparent={expected} service=bom")
    );
    assert_eq!(finished["trace_id"], hex(&run.trace_id));
    assert_eq!(finished["span_id"], hex(&run.span_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_or_when_switched_off_nothing_is_traced_and_an_inherited_context_is_not_passed_on()
 {
    let foreign = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
    let (receiver, address) = Receiver::start().await;
    let with = |more: (&'static str, &str)| {
        [endpoint(address), vec![(more.0, more.1.to_owned())]].concat()
    };
    let cases = [
        Vec::new(),
        with(("OTEL_SDK_DISABLED", "true")),
        with(("OTEL_TRACES_EXPORTER", "none")),
    ];
    for mut variables in cases {
        let folder = tempfile::tempdir().expect("a folder");
        variables.push(("TRACEPARENT", foreign.clone()));
        let output = single_run(folder.path(), variables.clone()).await;
        let log = String::from_utf8(output.stdout).expect("text");
        assert!(
            log.contains("traceparent= service=bom"),
            "{variables:?}: {log}"
        );
        assert!(!log.contains("trace_id"), "{variables:?}: {log}");
    }
    assert_eq!(receiver.spans(), Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_changes_neither_outcome_nor_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let output = single_run(folder.path(), endpoint(free)).await;
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stdout).expect("text");
    assert!(
        log.lines()
            .any(|line| line.contains("run_finished") && line.contains("\"success\"")),
        "{log}"
    );
}
