//! Live events: the parts of the overview that changed, and the lines of a run in flight, as server-sent events.
//!
//! A reader that is slow gets the latest instead of everything, so nothing piles up for it; one that takes nothing loses
//! its connection. The number of readers is bounded. All of it ends when the server is to stop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Views;
use super::crowd::room;
use super::pages::{self, Part};
use super::problem::Problem;

/// Readers at once, and never more than half of the connections. What they read is drawn once for all of them.
const MAX_READERS: usize = 512;
/// Between two signs of life, of which one that is not taken ends the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two looks at whether something changed that nobody told.
const IDLE: Duration = Duration::from_secs(5);
/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(400);
/// The least time between two batches of lines.
const BATCH: Duration = Duration::from_millis(200);

/// What all readers share.
pub struct Feed {
    frames: watch::Sender<Arc<Frame>>,
    /// Told of each new reader of frames.
    came: Notify,
    places: Arc<Semaphore>,
    closed: CancellationToken,
}

/// The overview as it was drawn once for everybody.
#[derive(Default)]
struct Frame {
    number: u64,
    parts: Vec<Part>,
    /// The event that tells it to whoever has the frame before; empty when nothing changed.
    change: Bytes,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            frames: watch::Sender::default(),
            came: Notify::new(),
            places: Arc::new(Semaphore::new(MAX_READERS.min(room() / 2))),
            closed: CancellationToken::new(),
        }
    }
}

impl Feed {
    fn show(&self, parts: Vec<Part>) {
        self.frames.send_modify(|frame| {
            *frame = Arc::new(Frame {
                number: frame.number + 1,
                change: told(&frame.parts, &parts),
                parts,
            });
        });
    }
}

/// The event that tells what `new` has and `old` has not: pairs of an id and its element, null where it is gone.
fn told(old: &[Part], new: &[Part]) -> Bytes {
    let mut before: HashMap<&str, &str> = old.iter().map(|part| (&*part.id, &*part.html)).collect();
    let is_new = |part: &&Part| before.remove(&*part.id) != Some(&*part.html);
    let mut changes: Vec<(&str, Option<&str>)> = (new.iter().filter(is_new))
        .map(|part| (&*part.id, Some(&*part.html)))
        .collect();
    changes.extend(before.keys().map(|id| (*id, None)));
    if changes.is_empty() {
        return Bytes::new();
    }
    // JSON, so that no line end within it ends the event.
    let data = serde_json::to_string(&changes).unwrap_or_default();
    format!("event: partes\ndata: {data}\n\n").into()
}

/// Draws the overview anew when something happened and somebody looks; ends all streams when `stop` is cancelled.
pub(super) async fn run(views: Arc<Views>, stop: CancellationToken) {
    let feed = &views.feed;
    let mut bell = views.recent.bell();
    let work = async {
        loop {
            if feed.frames.receiver_count() == 0 {
                // Nobody is woken for what nobody looks at.
                feed.came.notified().await;
                continue;
            }
            tokio::select! {
                rung = bell.changed() => if rung.is_err() { return },
                () = sleep(IDLE) => {}
            }
            if feed.frames.receiver_count() > 0 {
                feed.show(pages::parts(&views));
            }
            sleep(FRAME).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
    feed.closed.cancel();
}

/// What a reader asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// A run whose lines are wanted, instead of the overview.
    execucao: Option<String>,
    /// The number of its first wanted line.
    #[serde(default)]
    de: u64,
}

/// Answers with a stream of events.
pub(super) async fn events(
    State(views): State<Arc<Views>>,
    Query(asked): Query<Asked>,
) -> Response {
    let Ok(place) = Arc::clone(&views.feed.places).try_acquire_owned() else {
        let retry = [(header::RETRY_AFTER, "30")];
        let crowded = "há leitores demais dos eventos ao vivo";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, crowded);
        return (retry, problem).into_response();
    };
    if let Some(run) = asked.execucao {
        let reader = LineReader::new(views, run, (asked.de, place));
        let lines = stream::unfold(reader, LineReader::next);
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        return Sse::new(lines).keep_alive(keep_alive).into_response();
    }
    let reader = PartReader::new(&views, place);
    let parts = Body::from_stream(stream::unfold(reader, PartReader::next));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, parts).into_response()
}

/// Who reads the overview.
struct PartReader {
    frames: watch::Receiver<Arc<Frame>>,
    /// What it has.
    seen: Arc<Frame>,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl PartReader {
    /// It gets everything at once, so that nothing is missing that came while it loaded the page.
    fn new(views: &Views, place: OwnedSemaphorePermit) -> Self {
        let feed = &views.feed;
        let mut frames = feed.frames.subscribe();
        feed.came.notify_one();
        if feed.frames.receiver_count() == 1 {
            feed.show(pages::parts(views));
        }
        frames.mark_changed();
        Self {
            frames,
            seen: Arc::default(),
            closed: feed.closed.clone(),
            _place: place,
        }
    }

    /// The next event or sign of life, the same bytes for all who follow.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut silence = pin!(sleep(KEEP_ALIVE));
        loop {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return None,
                changed = self.frames.changed() => changed.ok()?,
                () = silence.as_mut() => return Some((Ok(Bytes::from_static(b":\n\n")), self)),
            }
            let event = self.catch_up();
            if !event.is_empty() {
                return Some((Ok(event), self));
            }
        }
    }

    fn catch_up(&mut self) -> Bytes {
        let frame = Arc::clone(&self.frames.borrow_and_update());
        let event = if frame.number == self.seen.number + 1 {
            frame.change.clone()
        } else {
            told(&self.seen.parts, &frame.parts)
        };
        self.seen = frame;
        event
    }
}

/// JSON, so that no line end within it ends the event.
fn event(name: &str, data: &impl serde::Serialize) -> Event {
    let text = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(text)
}

/// Who reads the lines of a run.
struct LineReader {
    views: Arc<Views>,
    run: String,
    next: u64,
    bell: watch::Receiver<u64>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl LineReader {
    fn new(views: Arc<Views>, run: String, (next, place): (u64, OwnedSemaphorePermit)) -> Self {
        Self {
            bell: views.recent.output_bell(),
            views,
            run,
            next,
            is_over: false,
            _place: place,
        }
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let closed = self.views.feed.closed.clone();
        if self.is_over || closed.is_cancelled() {
            return None;
        }
        loop {
            self.bell.borrow_and_update();
            let Some(lines) = self.views.recent.output(&self.run, self.next) else {
                self.is_over = true;
                return Some((Ok(Event::default().event("fim").data("{}")), self));
            };
            if !lines.new.is_empty() {
                self.next = lines.next;
                let html = pages::live_lines(&lines, &self.views).into_string();
                sleep(BATCH).await;
                return Some((Ok(event("linhas", &(lines.next, html))), self));
            }
            tokio::select! {
                biased;
                () = closed.cancelled() => return None,
                rung = self.bell.changed() => rung.ok()?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(all: &[(&str, &str)]) -> Vec<Part> {
        let part = |(id, html): &(&str, &str)| Part {
            id: (*id).to_owned(),
            html: (*html).to_owned(),
        };
        all.iter().map(part).collect()
    }

    #[test]
    fn a_reader_gets_what_changed_and_is_told_of_what_is_gone_however_far_it_is_behind() {
        let feed = Feed::default();
        let reader = || PartReader {
            frames: feed.frames.subscribe(),
            seen: Arc::default(),
            closed: feed.closed.clone(),
            _place: Arc::clone(&feed.places)
                .try_acquire_owned()
                .expect("a place"),
        };
        let (mut quick, mut slow) = (reader(), reader());
        let event = |data: &str| Bytes::from(format!("event: partes\ndata: {data}\n\n"));
        feed.show(parts(&[("a", "1"), ("b", "1"), ("c", "\n")]));
        let all = event(r#"[["a","1"],["b","1"],["c","\n"]]"#);
        assert_eq!(quick.catch_up(), all);
        assert_eq!(slow.catch_up(), all);
        feed.show(parts(&[("a", "1"), ("b", "1"), ("c", "\n")]));
        assert_eq!(quick.catch_up(), Bytes::new());
        feed.show(parts(&[("a", "2"), ("b", "1"), ("c", "\n")]));
        assert_eq!(quick.catch_up(), event(r#"[["a","2"]]"#));
        feed.show(parts(&[("a", "2"), ("c", "\n")]));
        assert_eq!(quick.catch_up(), event(r#"[["b",null]]"#));
        assert_eq!(slow.catch_up(), event(r#"[["a","2"],["b",null]]"#));
        assert_eq!(slow.catch_up(), Bytes::new());
        assert_eq!(reader().catch_up(), event(r#"[["a","2"],["c","\n"]]"#));
    }
}
