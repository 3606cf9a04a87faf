//! Read-only views over HTTP. Refuses to change anything: GET and HEAD only.

mod api;
mod asking;
mod crowd;
mod door;
mod encoding;
mod feed;
mod group;
mod health;
mod instances;
mod listener;
mod logins;
mod metrics;
mod pages;
mod problem;
pub mod recent;
mod reports;
mod seeding;
mod status;
mod tail;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

pub use api::agenda::{Agenda, Notice, PlannedInterval, PlannedStart, whose};
use door::Door;
pub use door::Security;
pub use listener::Listener;
use problem::Problem;

use self::api::words::Stamp;
use crate::domain::{Clock, GroupBoard, Run};
use crate::engine::status::StatusBoard;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{Account, ExportState};

pub use asking::Sources;
pub use feed::Feed;
pub use recent::Recent;

/// The handler label of a request that no route matched.
const UNMATCHED: &str = "unmatched";
/// Our own style, script and icon; nothing inline, no foreign resource, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the views show.
pub struct Views {
    /// What is known now.
    pub board: Arc<StatusBoard>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// What happened lately.
    pub recent: Arc<Recent>,
    /// The history and the documents' store.
    pub sources: Sources,
    /// Who reads live events.
    pub feed: Feed,
    /// Wall time.
    pub clock: Clock,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// What becomes of spans.
    pub spans: Account,
    /// What becomes of captured output that is sent as OTLP logs.
    pub output: Account,
    /// The address of a trace, with `{trace_id}` in the place of its id; empty for none.
    pub trace_link: String,
    /// Where alerts can be seen: `maquina` for this machine, `webhook`, `email`, `batimento`; empty when nobody said.
    pub alerts: Vec<String>,
    /// The group of instances; none when everything runs here.
    pub group: Option<GroupBoard>,
}

impl Views {
    /// Where the trace of `run` can be looked at, if it has one and there is such a place.
    fn trace_link(&self, run: &Run) -> Option<String> {
        let trace = run.start.trace.filter(|trace| trace.sampled)?;
        let link = self.trace_link.replace("{trace_id}", &trace.trace_id_hex());
        (!link.is_empty()).then_some(link)
    }

    /// Whether spans or lines of output are being lost.
    fn is_losing_telemetry(&self) -> bool {
        let accounts = [&self.spans, &self.output];
        let is_losing =
            |account: &&Account| matches!(account.counts().state, ExportState::Degraded { .. });
        accounts.iter().any(is_losing)
    }

    fn stamp(&self, at: Timestamp) -> Stamp {
        Stamp::new(at, &self.zone)
    }
}

/// Live events.
const EVENTS: &str = "/eventos";

/// Every route.
fn known_routes() -> impl Iterator<Item = &'static str> {
    let programs = api::routes().into_iter().map(|(route, _)| route);
    let pages = pages::ROUTES.into_iter();
    pages.chain([EVENTS, pages::assets::ROUTE]).chain(programs)
}

/// Every route, behind the door.
fn router(views: Arc<Views>, door: Arc<Door>) -> Router {
    for route in known_routes() {
        views.metrics.expose_route(route);
    }
    let pages = pages::router().route(EVENTS, get(feed::events));
    let programs = api::routes().into_iter();
    programs
        .fold(pages, |router, (route, method)| router.route(route, method))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(door, door::admit))
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
    let began = Instant::now();
    let mut response = explained(next.run(request).await);
    let handler = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let code = response.status().as_u16();
    views.metrics.count_request(handler, code, began.elapsed());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        // An answer that is stricter, or may be kept, says so itself.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What axum itself refuses, an address that is no text for one, is a problem like any other.
fn explained(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if is_plain && response.status() == StatusCode::BAD_REQUEST {
        return Problem::bad_request("o endereço ou um parâmetro não é válido").into_response();
    }
    response
}

async fn not_found() -> Problem {
    let known: Vec<_> = known_routes().collect();
    Problem::not_found(format!("endereço desconhecido; há {}", known.join(", ")))
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "só GET e HEAD")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;
    use crate::domain::{Event, Mode, Observer as _, samples};
    use crate::engine::Plan;
    use crate::records::{StoreKind, StoreSettings};
    use crate::telemetry::metrics::Known;

    fn views() -> Arc<Views> {
        let processors = ["bom", "ruim", "depois"].map(samples::spec).to_vec();
        let configured = ["bom", "ruim", "depois"].map(samples::configured);
        let known = Known {
            processors: &configured,
            main: &crate::domain::ScheduleSpec::Interval(Duration::from_mins(1)),
            period: None,
            mode: Mode::Sequential,
            slots: 1,
            now: samples::instant(),
            data_dir: "/".into(),
        };
        let metrics = Arc::new(Metrics::new(&[1.0]));
        metrics.expose_known(&known).expect("exposed");
        let plan = Plan {
            mode: Mode::Sequential,
            main: crate::domain::ScheduleSpec::Interval(Duration::from_mins(1)),
            zone: TimeZone::UTC,
            single_run: false,
            stop_at_failure: false,
            dry_run: false,
            parallelism: 1,
            planned: None,
            processors,
        };
        let board = Arc::new(StatusBoard::new(plan, samples::instant()));
        Arc::new(Views {
            board,
            metrics,
            recent: Arc::default(),
            sources: sources(),
            feed: Feed::default(),
            clock: Clock::new(samples::instant),
            zone: TimeZone::UTC,
            spans: Account::default(),
            output: Account::default(),
            trace_link: "https://tracos.exemplo/{trace_id}?de=agora".to_owned(),
            alerts: vec!["maquina".to_owned()],
            group: None,
        })
    }

    fn sources() -> Sources {
        let store = StoreSettings::new(StoreKind::Embedded, "/nowhere".into());
        Sources::new(None, store)
    }

    async fn get(views: &Arc<Views>, path: &str) -> (u16, String) {
        let request = Request::builder()
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        let response = router(Arc::clone(views), Arc::new(Door::open()))
            .oneshot(request)
            .await
            .expect("an answer");
        let code = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        (code, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_has_not_ticked_for_a_minute_is_unhealthy_and_answers_503() {
        let views = views();
        views.board.observe(&Event::LoopTicked {
            at: samples::instant(),
        });
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(
            (
                get(&views, "/health").await.0,
                get(&views, "/-/healthy").await.0
            ),
            (200, 200)
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        let (code, body) = get(&views, "/health").await;
        assert_eq!((code, get(&views, "/-/healthy").await.0), (503, 503));
        assert!(
            body.contains("\"unhealthy\"") && body.contains("parado há 61 segundos"),
            "{body}"
        );
        views.board.observe(&Event::LoopTicked {
            at: samples::instant(),
        });
        assert_eq!(get(&views, "/health").await.0, 200, "the loop turns again");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_only_between_the_first_tick_and_the_wish_to_stop() {
        let views = views();
        assert_eq!(get(&views, "/-/ready").await.0, 503);
        views.board.observe(&Event::LoopTicked {
            at: samples::instant(),
        });
        assert_eq!(get(&views, "/-/ready").await.0, 200);
        views
            .board
            .observe(&Event::ShutdownStarted { signal: "SIGTERM" });
        assert_eq!(get(&views, "/-/ready").await.0, 503);
        assert_eq!(
            get(&views, "/-/healthy").await.0,
            200,
            "draining is not ill"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_processor_degrades_health_and_stands_on_the_page_with_its_reason() {
        let views = views();
        for event in samples::cycle() {
            views.board.observe(&event);
            views.recent.observe(&event);
        }
        let (code, health) = get(&views, "/health").await;
        assert_eq!(code, 200);
        assert!(
            health.contains("\"degraded\"")
                && health.contains("ruim falha desde 22/11 18:04:07 (exit_code): sem papel"),
            "{health}"
        );
        let page = get(&views, "/").await.1;
        assert!(
            page.contains("1 processador falhando") && page.contains("sem papel"),
            "{page}"
        );
    }
}
