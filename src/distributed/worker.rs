//! Takes runs that wait, while a slot is free, and has them run here, as long as the lease of each holds.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::PATIENCE;
use super::held::Held;
use super::messages::{self, Begun, Ended, Plan, Started};
use super::{Shared, Specs};
use crate::domain::{
    CancelReason, ErrorReason, Event, GroupChange, Outcome, ProcessorSpec, RunResult,
};
use crate::engine::{RunStop, Runner};

/// How long a request for a run waits at the server.
const EXPIRES: Duration = Duration::from_secs(2);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(500);
/// Runs that may be out at once, over all instances.
const MOST_OUT: i64 = 10_000;
/// Instances that may have begun one attempt, one after the other: it may be what kills them.
const MOST_BEGUN: usize = 5;

/// How each run here is asked to stop.
#[derive(Debug, Clone)]
struct Wishes {
    requested: CancellationToken,
    forced: CancellationToken,
}

/// Takes and runs.
pub(super) struct Worker<R> {
    pub(super) shared: Shared,
    pub(super) runner: R,
    pub(super) specs: Specs,
    pub(super) slots: Arc<Semaphore>,
    /// Nothing new is taken.
    pub(super) draining: CancellationToken,
    /// What runs here is handed back.
    pub(super) leaving: CancellationToken,
    pub(super) tasks: TaskTracker,
    wishes: Mutex<HashMap<String, Wishes>>,
}

impl<R: Runner> Worker<R> {
    pub(super) fn new(shared: Shared, runner: R, specs: Specs, slots: usize) -> Self {
        Self {
            shared,
            runner,
            specs,
            slots: Arc::new(Semaphore::new(slots)),
            draining: CancellationToken::new(),
            leaving: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wishes: Mutex::default(),
        }
    }

    /// Takes one run after the other while slots are free, until it drains.
    pub(super) async fn run(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let Some(consumer) = self.consumer().await else {
                sleep(AGAIN).await;
                continue;
            };
            while !self.draining.is_cancelled() {
                let slot = tokio::select! {
                    slot = Arc::clone(&self.slots).acquire_owned() => slot,
                    () = self.draining.cancelled() => return,
                };
                let Ok(slot) = slot else { return };
                if self.take(&consumer, slot).await.is_none() {
                    break;
                }
            }
        }
    }

    async fn consumer(&self) -> Option<Consumer<pull::Config>> {
        self.shared.link.wait_until_up().await.then_some(())?;
        let queue = self.shared.queue().await?;
        let config = pull::Config {
            durable_name: Some(self.shared.names.consumer()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.shared.settings.lease,
            max_ack_pending: MOST_OUT,
            max_deliver: -1,
            ..pull::Config::default()
        };
        let made = queue.create_consumer(config).await;
        made.inspect_err(|error| tracing::debug!(%error, "no consumer"))
            .ok()
    }

    /// Waits for one run, a short while. None when the consumer is of no use any more.
    async fn take(
        self: &Arc<Self>,
        consumer: &Consumer<pull::Config>,
        slot: OwnedSemaphorePermit,
    ) -> Option<()> {
        let sent = Instant::now();
        let batch = consumer.fetch().max_messages(1).expires(EXPIRES).messages();
        let mut batch = timeout(PATIENCE, batch).await.ok()?.ok()?;
        let message = timeout(EXPIRES + PATIENCE, batch.next()).await.ok()?;
        let Some(message) = message else {
            return self.shared.link.is_up().then_some(());
        };
        let message = message.ok()?;
        if self.draining.is_cancelled() {
            drop(message.ack_with(AckKind::Nak(None)).await);
            return None;
        }
        let worker = Arc::clone(self);
        self.tasks.spawn(async move {
            worker.deal_with(message, sent, slot).await;
        });
        Some(())
    }

    async fn deal_with(&self, message: Message, sent: Instant, slot: OwnedSemaphorePermit) {
        let plan = messages::read::<Plan>(&message.payload);
        let Some(plan) = plan.filter(|plan| self.is_of(plan, &message)) else {
            tracing::warn!(subject = %message.subject, "uma mensagem na fila não faz sentido e foi retirada");
            drop(message.double_ack_with(AckKind::Term).await);
            return;
        };
        let info = message.info();
        let (place, tries) = info.map_or((0, 0), |info| (info.stream_sequence, info.delivered));
        let lease = (sent, self.shared.settings.lease);
        let held = Held::new(message, plan, lease, slot);
        if self.shared.terms.is_void(held.plan.term, place) {
            let words = "planejada por uma instância que já não liderava";
            let result = RunResult::without_process(
                Outcome::Error(ErrorReason::Lost),
                Some(words.to_owned()),
            );
            return self.conclude(&held, Vec::new(), result).await;
        }
        let spec = self.specs.get(&held.plan.processor);
        let spec = spec.filter(|spec| (self.shared.hash)(spec) == held.plan.spec);
        let Some(spec) = spec else {
            // Whoever has the configuration of the plan takes it.
            let later = AckKind::Nak(Some(Duration::from_secs(1)));
            drop(held.message.ack_with(later).await);
            return;
        };
        let own = Begun {
            instance: self.shared.instance.clone(),
            at: self.shared.clock.now(),
        };
        if tries == 1 && self.begin_at_once(&held, &own).await {
            return self.hold(&held, spec, vec![own]).await;
        }
        self.begin(&held, spec, own).await;
    }

    /// Says that it begins what nobody had before, in the time of one question; whether it may.
    async fn begin_at_once(&self, held: &Held, own: &Begun) -> bool {
        let key = held.plan.key();
        let (start, end) = (self.shared.names.start(&key), self.shared.names.end(&key));
        let started = messages::write(&Started {
            begun: vec![own.clone()],
        });
        let told = self.shared.state_after(start, started, 0);
        let ended = self.shared.last_fact::<Ended>(&end);
        matches!(tokio::join!(told, ended), (Some(true), Some(None)))
    }

    /// Whether a plan is what its subject says.
    fn is_of(&self, plan: &Plan, message: &Message) -> bool {
        let subject = self.shared.names.plan(plan.processor.as_str(), &plan.key());
        let is_one = (1..=plan.instance.of).contains(&plan.instance.number);
        is_one && message.subject.as_str() == subject
    }

    /// Says that it begins, unless somebody has ended it already; then runs it.
    async fn begin(&self, held: &Held, spec: Arc<ProcessorSpec>, own: Begun) {
        let key = held.plan.key();
        let (start, end) = (self.shared.names.start(&key), self.shared.names.end(&key));
        while Instant::now() < held.limit() {
            let ended = self.shared.last_fact::<Ended>(&end);
            let before = self.shared.last_fact::<Started>(&start);
            let (Some(ended), Some(before)) = tokio::join!(ended, before) else {
                sleep(AGAIN).await;
                continue;
            };
            if ended.is_some() {
                drop(held.message.double_ack().await);
                return;
            }
            let (before, last) = before.unwrap_or_default();
            let mut begun = before.begun;
            if last > 0 && begun.is_empty() {
                // The planner took it back and is about to say so.
                sleep(AGAIN).await;
                continue;
            }
            if begun.last() == Some(&own) {
                // It was stored, and the answer was lost.
                return self.hold(held, spec, begun).await;
            }
            self.tell_lost(held, &begun);
            if begun.len() >= MOST_BEGUN {
                let words = format!("{MOST_BEGUN} instâncias se perderam com esta execução");
                let outcome = Outcome::Error(ErrorReason::Lost);
                let result = RunResult::without_process(outcome, Some(words));
                return self.conclude(held, begun, result).await;
            }
            begun.push(own.clone());
            let started = Started {
                begun: begun.clone(),
            };
            let bytes = messages::write(&started);
            match self.shared.state_after(start.clone(), bytes, last).await {
                Some(true) => return self.hold(held, spec, begun).await,
                Some(false) | None => sleep(AGAIN).await,
            }
        }
    }

    fn tell_lost(&self, held: &Held, begun: &[Begun]) {
        let Some(lost) = begun.last() else { return };
        self.shared.board.update(|status| status.redeliveries += 1);
        self.shared.observers.state(&Event::GroupChanged {
            at: self.shared.clock.now(),
            change: GroupChange::RunRedelivered {
                run: held.plan.id.as_str().to_owned(),
                processor: held.plan.processor.to_string(),
                instance: lost.instance.clone(),
            },
        });
    }

    /// Runs it while its lease holds, and says how it ended.
    async fn hold(&self, held: &Held, spec: Arc<ProcessorSpec>, begun: Vec<Begun>) {
        let key = held.plan.key();
        let wishes = Wishes {
            requested: CancellationToken::new(),
            forced: CancellationToken::new(),
        };
        self.wishes().insert(key.clone(), wishes.clone());
        self.shared.running.add(&held.plan);
        let lost = u32::try_from(begun.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        let attempt = held.plan.attempt.saturating_add(lost);
        let stop = RunStop {
            requested: wishes.requested.clone(),
            forced: wishes.forced.clone(),
            reason: CancelReason::Shutdown,
        };
        let start = held.plan.start(spec);
        let run = self.runner.run(&start, attempt, &stop, ready(ready(())));
        tokio::pin!(run);
        let (mut is_leaving, mut is_handed_back, mut is_over) = (false, false, false);
        let mut keep = std::pin::pin!(held.keep());
        let result = loop {
            tokio::select! {
                result = &mut run => break result,
                () = &mut keep, if !is_over => {
                    is_over = true;
                    wishes.forced.cancel();
                }
                () = self.leaving.cancelled(), if !is_leaving => {
                    is_leaving = true;
                    is_handed_back = !wishes.requested.is_cancelled();
                    wishes.requested.cancel();
                }
            }
        };
        self.wishes().remove(&key);
        self.shared.running.remove(&held.plan);
        held.free_slot();
        let is_cut = matches!(result.outcome, Outcome::Cancellation(_));
        if is_over {
            tracing::warn!(
                run = held.plan.id.as_str(),
                "o arrendamento da execução acabou sem contato com o NATS; o processo foi encerrado"
            );
        } else if is_cut && is_handed_back {
            // Somebody else makes it, from the beginning, at once.
            drop(held.message.ack_with(AckKind::Nak(None)).await);
        } else {
            self.conclude(held, begun, result).await;
        }
    }

    /// Publishes an end until it is confirmed, then takes the run out of the queue. The first end that is stored holds,
    /// whoever else comes to one.
    async fn conclude(&self, held: &Held, begun: Vec<Begun>, result: RunResult) {
        let now = self.shared.clock.now();
        let subject = self.shared.names.end(&held.plan.key());
        let ended = Ended::of(held.plan.clone(), begun, now, result);
        let bytes = messages::write_bounded(ended);
        while self
            .shared
            .state_once(subject.clone(), bytes.clone())
            .await
            .is_none()
        {
            if self.leaving.is_cancelled() && !self.shared.link.is_up() {
                return;
            }
            sleep(AGAIN).await;
        }
        drop(held.message.double_ack().await);
    }

    fn wishes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Wishes>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears who is to stop, for ever.
    pub(super) async fn listen(self: Arc<Self>) {
        let subjects = self.shared.names.stop("*.*");
        let prefix = self.shared.names.stop("");
        loop {
            if !self.shared.link.wait_until_up().await {
                return;
            }
            if let Some(client) = self.shared.link.client()
                && let Ok(mut wishes) = client.subscribe(subjects.clone()).await
            {
                while let Some(wish) = wishes.next().await {
                    let key = wish.subject.as_str().strip_prefix(&prefix);
                    let found = key.and_then(|key| self.wishes().get(key).cloned());
                    let Some(found) = found else { continue };
                    found.requested.cancel();
                    if wish.payload.as_ref() == b"forced" {
                        found.forced.cancel();
                    }
                }
            }
            sleep(AGAIN).await;
        }
    }
}
