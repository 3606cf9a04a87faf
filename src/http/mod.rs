//! Read-only views over HTTP. Refuses to change anything: GET and HEAD only.

mod health;
mod page;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::domain::Clock;
use crate::engine::status::StatusBoard;
use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};

/// The handler label of a request that no route matched.
const UNMATCHED: &str = "unmatched";
/// No script, no foreign resource, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What the views show.
pub struct Views {
    /// What is known now.
    pub board: Arc<StatusBoard>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Wall time.
    pub clock: Clock,
    /// The zone in which times are shown.
    pub zone: TimeZone,
}

impl Views {
    /// RFC 3339 with the offset of the zone.
    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
            .to_string()
    }
}

/// A bound address that nobody serves yet.
pub struct Listener {
    socket: TcpListener,
    /// The bound address, with the real port.
    pub address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// The address is taken, or not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Answers until `stop` is cancelled, then finishes the requests that are being answered.
    ///
    /// # Errors
    ///
    /// The listening socket broke.
    pub async fn serve(self, views: Views, stop: CancellationToken) -> io::Result<()> {
        axum::serve(self.socket, router(Arc::new(views)))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

/// Every route.
pub fn router(views: Arc<Views>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(health_report))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/status", get(status_report))
        .route("/logs", get(logs))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&views), finish))
        .with_state(views)
}

/// Counts the answer and adds the headers that every answer has.
async fn finish(
    State(views): State<Arc<Views>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let handler = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    views
        .metrics
        .count_request(handler, response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn index(State(views): State<Arc<Views>>) -> Html<String> {
    Html(page::index(&views.board.snapshot(), &views).into_string())
}

async fn health_report(State(views): State<Arc<Views>>) -> (StatusCode, Json<Value>) {
    let status = views.board.snapshot();
    let code = if status.is_stalled() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(health::report(&status, &views)))
}

async fn healthy(State(views): State<Arc<Views>>) -> (StatusCode, &'static str) {
    if views.board.snapshot().is_stalled() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "o laço de agendamento parou\n",
        )
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn ready(State(views): State<Arc<Views>>) -> (StatusCode, &'static str) {
    if health::is_ready(&views.board.snapshot()) {
        (StatusCode::OK, "pronto\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "iniciando ou encerrando\n")
    }
}

async fn status_report(State(views): State<Arc<Views>>) -> Json<Value> {
    Json(status::report(&views.board.snapshot(), &views))
}

async fn logs(State(views): State<Arc<Views>>) -> Json<Value> {
    Json(status::logs(&views.board.snapshot(), &views))
}

async fn metrics(State(views): State<Arc<Views>>) -> Response {
    match views.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn not_found() -> (StatusCode, Json<Value>) {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "erro": "endereço desconhecido; há /, /health, /status, /logs e /metrics" })),
    )
}

async fn not_allowed() -> (StatusCode, Json<Value>) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({ "erro": "só GET e HEAD" })),
    )
}
