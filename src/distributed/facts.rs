//! What becomes of runs, as all instances read it: ends for those who wait for them, whole runs for the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, interval, sleep, timeout};

use super::connection::PATIENCE;
use super::leader::Standing;
use super::messages::{self, Ended, Finished};
use super::{Imports, Shared, Specs};
use crate::domain::{Event, Observer, Run};

/// An end whose planner says nothing for this long is adopted by the leader.
const ORPHANED: Duration = Duration::from_secs(10);
/// Ends that may wait to be adopted.
const MOST_ORPHANS: usize = 10_000;
/// A reader that hears nothing for so long looks whether there was something to hear.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two questions of all runs that wait.
const ASKING: Duration = Duration::from_millis(5);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(500);

/// Who waits for which end.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    by_key: HashMap<String, oneshot::Sender<Box<Ended>>>,
    /// How many there may be before those are looked for for whom nobody waits any more.
    most: usize,
}

impl Waiting {
    pub(super) fn expect(&self, key: &str) -> oneshot::Receiver<Box<Ended>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.by_key.len() >= waiting.most {
            waiting.by_key.retain(|_, sender| !sender.is_closed());
            waiting.most = 2 * waiting.by_key.len() + 64;
        }
        waiting.by_key.insert(key.to_owned(), sender);
        receiver
    }

    /// How long to wait before asking about one of them: longer the more there are, so that their questions together
    /// are a few hundred a second at most.
    pub(super) fn pause(&self, least: Duration) -> Duration {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = u32::try_from(waiting.by_key.len()).unwrap_or(u32::MAX);
        least.max(ASKING.saturating_mul(all))
    }

    fn take(&self, key: &str) -> Option<oneshot::Sender<Box<Ended>>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_key.remove(key)
    }
}

impl Shared {
    /// Publishes a fact that stands alone on its subject; also when somebody else's stands there already.
    /// None when nobody confirmed it.
    pub(super) async fn state_once(&self, subject: String, bytes: Vec<u8>) -> Option<bool> {
        self.state_after(subject, bytes, 0).await
    }

    /// Publishes a fact, if what stands last on its subject is `last`; whether it was.
    pub(super) async fn state_after(
        &self,
        subject: String,
        bytes: Vec<u8>,
        last: u64,
    ) -> Option<bool> {
        let jetstream = self.link.jetstream().await?;
        let message = PublishMessage::build()
            .payload(bytes.into())
            .expected_last_subject_sequence(last);
        let answer = jetstream.send_publish(subject, message).await.ok()?;
        match answer.await {
            Ok(_) => Some(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Some(false),
            Err(_) => None,
        }
    }

    /// What stands last on a subject of facts, with its place. The outer none: nobody could be asked.
    pub(super) async fn last_fact<T: DeserializeOwned>(
        &self,
        subject: &str,
    ) -> Option<Option<(T, u64)>> {
        use async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
        let facts = self.facts().await?;
        match facts.get_last_raw_message_by_subject(subject).await {
            Ok(message) => {
                Some(messages::read(&message.payload).map(|fact| (fact, message.sequence)))
            }
            Err(error) if error.kind() == NoMessageFound => Some(None),
            Err(_) => None,
        }
    }
}

/// Reads all facts, from the oldest that is kept on, for ever.
pub(super) struct Reader {
    pub(super) shared: Shared,
    pub(super) waiting: Waiting,
    pub(super) specs: Specs,
    pub(super) imports: Option<Imports>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) orphans: BTreeMap<String, (Ended, Instant)>,
}

impl Reader {
    pub(super) async fn run(mut self) {
        let mut next = 1;
        loop {
            if self.shared.link.wait_until_up().await {
                self.read(&mut next).await;
            }
            sleep(AGAIN).await;
        }
    }

    /// Reads on from `next` until the stream breaks.
    async fn read(&mut self, next: &mut u64) -> Option<()> {
        let facts = self.shared.facts().await?;
        let last = facts.get_info().await.ok()?.state.last_sequence;
        if last + 1 < *next {
            // The server has lost what it had.
            *next = 1;
        }
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: *next,
            },
            filter_subject: self.shared.names.ends(),
            ..OrderedConfig::default()
        };
        let consumer = facts.create_consumer(config).await.ok()?;
        let mut messages = consumer.messages().await.ok()?;
        let mut tick = interval(Duration::from_secs(1));
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let message = message?.ok()?;
                    *next = message.info().ok()?.stream_sequence + 1;
                    self.hear(&message).await;
                    heard = Instant::now();
                }
                _ = tick.tick() => {
                    self.adopt().await;
                    if heard.elapsed() >= SILENCE {
                        // A consumer whose server was lost can stay silent.
                        self.is_at_the_end(*next).await?.then_some(())?;
                        heard = Instant::now();
                    }
                }
            }
        }
    }

    /// Whether no end that is kept is at `next` or behind it.
    async fn is_at_the_end(&self, next: u64) -> Option<bool> {
        let facts = timeout(PATIENCE, self.shared.facts()).await.ok()??;
        let following = facts.raw_message_builder().sequence(next);
        let following = following.next_by_subject(self.shared.names.ends()).send();
        match timeout(PATIENCE, following).await.ok()? {
            Ok(_) => Some(false),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Some(true),
            Err(_) => None,
        }
    }

    async fn hear(&mut self, message: &Message) {
        let subject = message.subject.as_str();
        let kind = subject.split('.').nth(2);
        match kind {
            Some("fim") => {
                let Some(ended) = messages::read::<Ended>(&message.payload) else {
                    return;
                };
                if let Some(waiting) = self.waiting.take(&ended.plan.key()) {
                    waiting.send(Box::new(ended)).ok();
                } else if self.orphans.len() < MOST_ORPHANS {
                    let run = ended.plan.id.as_str().to_owned();
                    self.orphans.insert(run, (ended, Instant::now()));
                }
            }
            Some("execucao") => {
                let Some(finished) = messages::read::<Finished>(&message.payload) else {
                    return;
                };
                self.orphans.remove(finished.plan.id.as_str());
                self.import(finished).await;
            }
            _ => {}
        }
    }

    /// Writes the end of a run of others into the history. What was planned in this start is there already.
    async fn import(&self, finished: Finished) {
        let spec = self.specs.get(&finished.plan.processor);
        let (Some(imports), Some(spec)) = (&self.imports, spec) else {
            return;
        };
        let is_adopted = finished.plan.term > 0;
        if (finished.plan.planner != self.shared.start || is_adopted)
            && imports(finished.run(spec)).await
        {
            self.shared.board.update(|status| status.imported += 1);
        }
    }

    /// The leader ends runs whose planner is gone: one attempt of them has ended, and nobody makes another.
    async fn adopt(&mut self) {
        let Some(term) = self.standing.borrow().term() else {
            return;
        };
        let is_due =
            |(ended, seen): &(Ended, Instant)| ended.plan.term < term && seen.elapsed() >= ORPHANED;
        let due: Vec<_> = self
            .orphans
            .iter()
            .filter(|(_, orphan)| is_due(orphan))
            .map(|(run, (ended, _))| (run.clone(), ended.clone()))
            .take(100)
            .collect();
        for (run, ended) in due {
            let bytes = messages::write_bounded(Finished::adopted(ended));
            let subject = self.shared.names.run(&run);
            if self.shared.state_once(subject, bytes).await.is_some() {
                self.orphans.remove(&run);
            }
        }
    }
}

/// Hands the ends of this instance's runs on to who publishes them.
pub struct Announcer(pub(super) UnboundedSender<Arc<Run>>);

impl Observer for Announcer {
    fn observe(&self, event: &Event) {
        if let Event::RunFinished(run) = event {
            self.0.send(Arc::clone(run)).ok();
        }
    }
}

/// Publishes the ends of runs that this instance planned, each until it is confirmed.
pub(super) async fn announce(shared: Shared, mut runs: UnboundedReceiver<Arc<Run>>) {
    while let Some(run) = runs.recv().await {
        let hash = (shared.hash)(&run.start.spec);
        let subject = shared.names.run(run.start.id.as_str());
        let bytes = messages::write_bounded(Finished::of(&run, hash, &shared.start));
        while shared
            .state_once(subject.clone(), bytes.clone())
            .await
            .is_none()
        {
            shared.link.wait_until_up().await;
            sleep(AGAIN).await;
        }
    }
}
