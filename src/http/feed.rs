//! Live events: the parts of the overview that changed, and the lines of a run in flight, as server-sent events.
//!
//! A reader that is slow gets the latest instead of everything, so nothing piles up for it. The number of readers is
//! bounded; whoever takes nothing for a while loses its place. All of it ends when the server is to stop.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Views;
use super::pages::{self, Part};

/// Readers at once.
pub(super) const MAX_READERS: usize = 32;
/// A reader that took nothing for so long may lose its place to another one.
const STALE: Duration = Duration::from_secs(45);
/// Between two signs of life.
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
    readers: Arc<Readers>,
    closed: CancellationToken,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            frames: watch::Sender::default(),
            readers: Arc::default(),
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
    let Some(place) = views.feed.readers.enter() else {
        let retry = [(header::RETRY_AFTER, "30")];
        return (StatusCode::SERVICE_UNAVAILABLE, retry).into_response();
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
        place,
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
    place: Place,
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
                never = self.place.seen() => match never {},
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
    place: Place,
}

impl LineReader {
    fn new(views: Arc<Views>, run: String, (next, place): (u64, Place)) -> Self {
        Self {
            bell: views.recent.output_bell(),
            views,
            run,
            next,
            is_over: false,
            place,
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
                never = self.place.seen() => match never {},
            }
        }
    }
}

/// Who reads, and when each was last seen to take something.
#[derive(Default)]
struct Readers(Mutex<(u64, BTreeMap<u64, Instant>)>);

impl Readers {
    /// A place, if one is free or was left without a word.
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut inside = self.inside();
        let now = Instant::now();
        if inside.1.len() >= MAX_READERS {
            inside.1.retain(|_, seen| now.duration_since(*seen) < STALE);
        }
        if inside.1.len() >= MAX_READERS {
            return None;
        }
        inside.0 += 1;
        let number = inside.0;
        inside.1.insert(number, now);
        drop(inside);
        Some(Place {
            number,
            readers: Arc::clone(self),
        })
    }

    fn inside(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's place; free again when it is dropped.
struct Place {
    number: u64,
    readers: Arc<Readers>,
}

impl Place {
    /// Never ends; whoever waits for it is seen each time that it is looked after.
    async fn seen(&self) -> Infallible {
        poll_fn(|_| {
            if let Some(seen) = self.readers.inside().1.get_mut(&self.number) {
                *seen = Instant::now();
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.inside().1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_readers_are_let_in_than_there_are_places_until_one_leaves_or_is_stale() {
        let readers = Arc::new(Readers::default());
        let mut places: Vec<_> = (0..MAX_READERS).map(|_| readers.enter()).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(readers.enter().is_none(), "full");
        places.pop();
        let last = readers.enter().expect("one left");
        assert!(readers.enter().is_none(), "full again");
        tokio::time::advance(STALE).await;
        // One of them is alive: its connection is looked after.
        tokio::select! {
            biased;
            never = last.seen() => match never {},
            () = std::future::ready(()) => {}
        }
        let fresh: Vec<_> = (1..MAX_READERS).map(|_| readers.enter()).collect();
        assert!(fresh.iter().all(Option::is_some));
        assert!(
            readers.enter().is_none(),
            "the one that is alive keeps its place"
        );
    }

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
            place: feed.readers.enter().expect("a place"),
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
