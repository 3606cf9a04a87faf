//! OTLP collectors, good and bad: real sockets, real protobuf.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use nix::sys::socket::{Backlog, listen};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    pub(crate) const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// The word of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// What a collector does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// Takes it after a while.
    Slow(Duration),
    /// Reads it and never answers.
    Hangs,
    /// Answers that it is overloaded.
    Unavailable,
    /// Answers that it wants none of it.
    Rejects,
}

/// A span, and the service that sent it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) span: Span,
    pub(crate) service: String,
}

impl Received {
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.span.attributes, key)
    }

    pub(crate) fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// Whether its status is Error, and its description.
    pub(crate) fn error(&self) -> Option<&str> {
        // 2 is STATUS_CODE_ERROR.
        let status = self
            .span
            .status
            .as_ref()
            .filter(|status| status.code == 2)?;
        Some(&status.message)
    }
}

pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    text(found.value.as_ref()?)
}

pub(crate) fn text(value: &AnyValue) -> Option<String> {
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[derive(Clone)]
struct Kept {
    spans: Arc<Mutex<Vec<Received>>>,
    logs: Arc<Mutex<Vec<LogRecord>>>,
    manner: Manner,
}

impl Kept {
    /// Does what the manner says; false when the answer is no.
    async fn behave(&self) -> Result<(), Manner> {
        match self.manner {
            Manner::Takes => Ok(()),
            Manner::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Manner::Hangs => std::future::pending().await,
            Manner::Unavailable | Manner::Rejects => Err(self.manner),
        }
    }

    async fn take_spans(&self, request: ExportTraceServiceRequest) -> Result<(), Manner> {
        self.behave().await?;
        let mut spans = self.spans.lock().unwrap();
        for resource in request.resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes);
            let service = attribute(&attributes.unwrap_or_default(), "service.name");
            let service = service.unwrap_or_default();
            let all = resource.scope_spans.into_iter().flat_map(|it| it.spans);
            spans.extend(all.map(|span| Received {
                span,
                service: service.clone(),
            }));
        }
        Ok(())
    }

    async fn take_logs(&self, request: ExportLogsServiceRequest) -> Result<(), Manner> {
        self.behave().await?;
        let resources = request.resource_logs.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_logs);
        let records = scopes.flat_map(|scope| scope.log_records);
        self.logs.lock().unwrap().extend(records);
        Ok(())
    }
}

fn refusal(manner: Manner) -> Status {
    match manner {
        Manner::Unavailable => Status::unavailable("sobrecarregado"),
        _ => Status::invalid_argument("não quero"),
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let taken = self.take_spans(request.into_inner()).await;
        taken.map_err(refusal)?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Kept {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let taken = self.take_logs(request.into_inner()).await;
        taken.map_err(refusal)?;
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

/// The body as it was before its encoding.
fn plain(headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let encoding = headers.get("content-encoding");
    if encoding.is_some_and(|encoding| encoding == "gzip") {
        let mut bytes = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        decoder.read_to_end(&mut bytes).unwrap();
        return bytes;
    }
    body.to_vec()
}

fn answer(taken: Result<(), Manner>) -> axum::response::Response {
    let code = match taken {
        Ok(()) => StatusCode::OK,
        Err(Manner::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    // An empty message, which is what success is in protobuf.
    (code, [("content-type", "application/x-protobuf")]).into_response()
}

async fn http_spans(
    State(kept): State<Kept>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let request = ExportTraceServiceRequest::decode(&plain(&headers, &body)[..]).unwrap();
    answer(kept.take_spans(request).await)
}

async fn http_logs(
    State(kept): State<Kept>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let request = ExportLogsServiceRequest::decode(&plain(&headers, &body)[..]).unwrap();
    answer(kept.take_logs(request).await)
}

/// A collector that is there, on a free port of the loopback.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    kept: Kept,
    /// It serves as long as this lives.
    runtime: Option<Runtime>,
}

impl Collector {
    pub(crate) fn start(protocol: Protocol, manner: Manner) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), protocol, manner)
    }

    pub(crate) fn start_at(at: SocketAddr, protocol: Protocol, manner: Manner) -> Self {
        let kept = Kept {
            spans: Arc::default(),
            logs: Arc::default(),
            manner,
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let listening = tokio::net::TcpListener::bind(at);
        let listener = runtime.block_on(listening).unwrap();
        let address = listener.local_addr().unwrap();
        let service = kept.clone();
        match protocol {
            Protocol::Grpc => {
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let spans = TraceServiceServer::new(service.clone());
                let server = tonic::transport::Server::builder()
                    .add_service(spans.accept_compressed(CompressionEncoding::Gzip))
                    .add_service(LogsServiceServer::new(service));
                runtime.spawn(server.serve_with_incoming(incoming));
            }
            Protocol::Http => {
                let router = Router::new()
                    .route("/v1/traces", post(http_spans))
                    .route("/v1/logs", post(http_logs))
                    .with_state(service);
                runtime.spawn(async { axum::serve(listener, router).await });
            }
        }
        Self {
            address,
            kept,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn spans(&self) -> Vec<Received> {
        self.kept.spans.lock().unwrap().clone()
    }
}

impl Collector {
    pub(crate) fn logs(&self) -> Vec<LogRecord> {
        self.kept.logs.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A port that nobody listens on.
pub(crate) fn refusing() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap()
}

/// A port whose queue of connections is full and that nobody accepts from: to whoever connects, packets get lost.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _connections: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(300);
        let mut connections = Vec::new();
        while let Ok(connection) = TcpStream::connect_timeout(&address, limit) {
            connections.push(connection);
            assert!(connections.len() < 64, "it takes every connection");
        }
        Self {
            address,
            _listener: listener,
            _connections: connections,
        }
    }
}
