//! The streams that the group lives on: made by whoever is first, bounded in every direction.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};
use tokio::time::Instant;

use super::Shared;

/// The largest message that is taken, bytes: a run with its kept output.
pub(super) const LARGEST: usize = 768 * 1024;
/// Runs that may wait, and bytes of them.
const MOST_WAITING: i64 = 100_000;
const MOST_WAITING_BYTES: i64 = 256 << 20;
/// Facts that are kept, bytes of them, and for how long: who was away longer does not learn of them.
const MOST_FACTS: i64 = 200_000;
const MOST_FACT_BYTES: i64 = 1 << 30;
const FACTS_LIVE: Duration = Duration::from_hours(24);
/// A plan that was published twice within this time is kept once.
const DUPLICATES: Duration = Duration::from_mins(10);

/// A stream that was there is believed to be for so long: looking costs the server more than most of what is asked.
const FRESH: Duration = Duration::from_secs(10);

/// The streams that were there, and when that was last looked at.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<String, Instant>>);

impl Known {
    fn is_fresh(&self, name: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_some_and(|seen| seen.elapsed() < FRESH)
    }

    /// Nothing is believed any more.
    pub(super) fn forget(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
    }

    fn note(&self, name: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name, Instant::now());
    }
}

impl Shared {
    /// The stream of runs that wait; none when nobody can be asked.
    pub(super) async fn queue(&self) -> Option<Stream<()>> {
        let config = Config {
            name: self.names.queue(),
            subjects: vec![self.names.plans()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: MOST_WAITING,
            max_bytes: MOST_WAITING_BYTES,
            duplicate_window: DUPLICATES,
            ..self.bounded()
        };
        self.stream(config).await
    }

    /// The stream of what becomes of runs.
    pub(super) async fn facts(&self) -> Option<Stream<()>> {
        let config = Config {
            name: self.names.facts(),
            subjects: self.names.all_facts(),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_messages: MOST_FACTS,
            max_bytes: MOST_FACT_BYTES,
            max_age: FACTS_LIVE,
            ..self.bounded()
        };
        self.stream(config).await
    }

    /// What stands last in the queue.
    pub(super) async fn last_planned(&self) -> Option<u64> {
        let queue = self.queue().await?;
        let info = queue.get_info().await.ok()?;
        Some(info.state.last_sequence)
    }

    /// The stream below a bucket of keys and values, by the layout that NATS gives to those (ADR-8): the library makes
    /// one only after a question that servers before 2.10 answer otherwise than it understands. Reads go to the
    /// stream's leader alone, so that nobody sees an entry that was replaced.
    pub(super) async fn bucket(
        &self,
        name: &str,
        life: Duration,
        largest: usize,
    ) -> Option<Stream<()>> {
        let config = Config {
            name: format!("KV_{name}"),
            subjects: vec![format!("$KV.{name}.>")],
            max_messages_per_subject: 1,
            max_age: life,
            duplicate_window: life,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            max_message_size: i32::try_from(largest).unwrap_or(i32::MAX),
            max_messages: -1,
            max_bytes: -1,
            ..self.bounded()
        };
        self.link.known.forget();
        self.stream(config).await
    }

    fn bounded(&self) -> Config {
        Config {
            num_replicas: self.settings.replicas,
            max_message_size: i32::try_from(LARGEST).unwrap_or(i32::MAX),
            ..Config::default()
        }
    }

    /// A stream that was there a moment ago, or is now.
    async fn stream(&self, config: Config) -> Option<Stream<()>> {
        let jetstream = self.link.jetstream().await?;
        let name = config.name.clone();
        if !self.link.known.is_fresh(&name) {
            if jetstream.get_stream(&name).await.is_err() {
                let made = jetstream.create_stream(config).await;
                made.map_err(|error| self.refused(&name, &error)).ok()?;
            }
            self.link.faults.granted(&format!("stream {name}"));
            self.link.known.note(name.clone());
        }
        jetstream.get_stream_no_info(name).await.ok()
    }

    /// A stream could not be made; an answer of the server about that is told.
    fn refused(&self, name: &str, error: &CreateStreamError) {
        tracing::debug!(%error, stream = name, "no stream");
        let is_answer = matches!(
            error.kind(),
            CreateStreamErrorKind::JetStream(_) | CreateStreamErrorKind::JetStreamUnavailable
        );
        if is_answer {
            self.link.faults.denied(&format!("stream {name}"), error);
        }
    }
}
