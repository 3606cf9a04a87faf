//! Live events: the parts of the overview that changed, and the lines of a run in flight, as server-sent events.
//!
//! A reader that is slow gets the latest instead of everything, so nothing piles up for it; one that takes nothing loses
//! its connection. The number of readers is bounded. All of it ends when the server is to stop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
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
    frames: watch::Sender<Arc<Vec<Part>>>,
    places: Arc<Semaphore>,
    closed: CancellationToken,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            frames: watch::Sender::default(),
            places: Arc::new(Semaphore::new(MAX_READERS.min(room() / 2))),
            closed: CancellationToken::new(),
        }
    }
}

/// Draws the overview anew when something happened and somebody looks; ends all streams when `stop` is cancelled.
pub(super) async fn run(views: Arc<Views>, stop: CancellationToken) {
    let feed = &views.feed;
    let mut bell = views.recent.bell();
    let work = async {
        loop {
            tokio::select! {
                rung = bell.changed() => if rung.is_err() { return },
                () = sleep(IDLE) => {}
            }
            if feed.frames.receiver_count() > 0 {
                feed.frames.send_replace(Arc::new(pages::parts(&views)));
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
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    if let Some(run) = asked.execucao {
        let reader = LineReader::new(views, run, (asked.de, place));
        let lines = stream::unfold(reader, LineReader::next);
        return Sse::new(lines).keep_alive(keep_alive).into_response();
    }
    let reader = PartReader {
        frames: views.feed.frames.subscribe(),
        first: Some(Arc::new(pages::parts(&views))),
        sent: HashMap::new(),
        closed: views.feed.closed.clone(),
        _place: place,
    };
    let parts = stream::unfold(reader, PartReader::next);
    Sse::new(parts).keep_alive(keep_alive).into_response()
}

/// Who reads the overview.
struct PartReader {
    frames: watch::Receiver<Arc<Vec<Part>>>,
    /// What it gets at once, so that nothing is missing that came while it loaded the page.
    first: Option<Arc<Vec<Part>>>,
    /// The hash of each part that it has.
    sent: HashMap<String, u64>,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl PartReader {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if let Some(first) = self.first.take() {
            let changes = self.changes(&first);
            return Some((Ok(event("partes", &changes)), self));
        }
        loop {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return None,
                changed = self.frames.changed() => changed.ok()?,
            }
            let frame = Arc::clone(&self.frames.borrow_and_update());
            let changes = self.changes(&frame);
            if !changes.is_empty() {
                return Some((Ok(event("partes", &changes)), self));
            }
        }
    }

    /// What it does not have yet; a part that is gone has no text.
    fn changes(&mut self, frame: &[Part]) -> Vec<(String, Option<String>)> {
        let mut changes = Vec::new();
        for part in frame {
            let hash = hash(&part.html);
            if self.sent.insert(part.id.clone(), hash) != Some(hash) {
                changes.push((part.id.clone(), Some(part.html.clone())));
            }
        }
        if self.sent.len() > frame.len() {
            let is_there = |id: &str| frame.iter().any(|part| part.id == id);
            let gone = self.sent.keys().filter(|id| !is_there(id.as_str()));
            let gone: Vec<String> = gone.cloned().collect();
            for id in gone {
                self.sent.remove(&id);
                changes.push((id, None));
            }
        }
        changes
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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

    #[test]
    fn a_reader_gets_what_changed_and_is_told_of_what_is_gone() {
        let part = |id: &str, html: &str| Part {
            id: id.to_owned(),
            html: html.to_owned(),
        };
        let feed = Feed::default();
        let mut reader = PartReader {
            frames: feed.frames.subscribe(),
            first: None,
            sent: HashMap::new(),
            closed: feed.closed.clone(),
            _place: Arc::clone(&feed.places)
                .try_acquire_owned()
                .expect("a place"),
        };
        let first = [part("a", "1"), part("b", "1")];
        assert_eq!(reader.changes(&first).len(), 2);
        assert!(reader.changes(&first).is_empty());
        let second = [part("a", "2")];
        let changes = reader.changes(&second);
        let expected = [
            ("a".to_owned(), Some("2".to_owned())),
            ("b".to_owned(), None),
        ];
        assert_eq!(changes, expected);
        assert!(reader.changes(&second).is_empty());
    }
}
