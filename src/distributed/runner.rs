//! The second way to run a processor: elsewhere. An attempt is a message, and its end another one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures_util::future::OptionFuture;
use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::Shared;
use super::facts::Waiting;
use super::leader::Standing;
use super::messages::{self, Begun, Ended, Plan, Started};
use crate::domain::{ErrorReason, Outcome, RunResult, RunStart, SkipReason, Trigger};
use crate::engine::{RunStop, Runner};

/// Plans that are published at once.
pub(super) const AT_ONCE: usize = 64;
/// Between two tries to publish.
const AGAIN: Duration = Duration::from_millis(500);
/// Between two looks at whether an attempt that says nothing is still there, while few wait.
const LOOK: Duration = Duration::from_secs(5);
/// Between two wishes to stop, which are kept nowhere.
const WISH: Duration = Duration::from_secs(1);
/// How long the end may take beyond the grace period.
const SLACK: Duration = Duration::from_secs(10);
/// A forced stop waits no longer than this.
const FORCED: Duration = Duration::from_secs(5);

/// The runner that has others run.
pub struct RemoteRunner {
    pub(super) shared: Shared,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) waiting: Waiting,
    /// Who may publish now: thousands of requests at once would be as many in memory.
    pub(super) publishing: Semaphore,
}

impl Runner for RemoteRunner {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> RunResult {
        ready.await.await;
        let Some(term) = self.standing.borrow().term() else {
            return lost("esta instância deixou de liderar antes de planejar a execução");
        };
        let hash = (self.shared.hash)(&start.spec);
        let plan = Plan::of(start, attempt, hash, (term, &self.shared.start));
        let end = self.waiting.expect(&plan.key());
        // Requests are large while they last, and thousands of runs may wait here.
        let turn = self.publishing.acquire().await;
        let published = Box::pin(self.publish(&plan, start, stop)).await;
        drop(turn);
        if let Some(result) = published {
            return result;
        }
        self.end_of(&plan, start, stop, end).await
    }
}

impl RemoteRunner {
    /// Publishes a plan until it is confirmed, or until that is of no use any more; then it is looked for as if it was.
    /// A result when it is known not to run.
    async fn publish(&self, plan: &Plan, start: &RunStart, stop: &RunStop) -> Option<RunResult> {
        let subject = self.shared.names.plan(plan.processor.as_str(), &plan.key());
        let bytes = messages::write(plan);
        let mut is_first = true;
        while self.standing.borrow().term() == Some(plan.term) && !stop.requested.is_cancelled() {
            let mut message = PublishMessage::build()
                .payload(bytes.clone().into())
                .message_id(once(plan, start));
            if let Some(trace) = plan.traceparent() {
                message = message.header("traceparent", trace);
            }
            let jetstream = self.shared.link.jetstream().await?;
            let sent = jetstream.send_publish(subject.clone(), message);
            let answer = match sent.await {
                Ok(answer) => answer.await.ok(),
                Err(_) => None,
            };
            match answer {
                Some(answer) if answer.duplicate && is_first => {
                    let text = "o mesmo instante já foi planejado por outra instância";
                    let outcome = Outcome::Skip(SkipReason::Overlap);
                    return Some(RunResult::without_process(outcome, Some(text.to_owned())));
                }
                Some(_) => return None,
                None => sleep(AGAIN).await,
            }
            is_first = false;
        }
        None
    }

    /// Waits for the end, however long that takes; asks for it when a stop is asked for.
    async fn end_of(
        &self,
        plan: &Plan,
        start: &RunStart,
        stop: &RunStop,
        end: oneshot::Receiver<Box<Ended>>,
    ) -> RunResult {
        let mut end = pin!(end);
        let mut look = pin!(sleep(self.waiting.pause(LOOK)));
        let mut deadline: Option<Instant> = None;
        let mut wish = interval(WISH);
        let mut is_forced = false;
        loop {
            let late: OptionFuture<_> = deadline.map(sleep_until).into();
            tokio::select! {
                biased;
                ended = &mut end => return ended.map_or_else(|_| lost("o leitor dos fatos terminou"), |ended| ended.result()),
                Some(()) = late => return Box::pin(self.given_up(plan, "não há notícia da execução")).await,
                () = stop.forced.cancelled(), if !is_forced => {
                    is_forced = true;
                    deadline = Some(Instant::now() + FORCED);
                    wish.reset_immediately();
                }
                () = stop.requested.cancelled(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + start.spec.grace + SLACK);
                    if Box::pin(self.withdraw(plan, stop)).await {
                        return RunResult::without_process(Outcome::Cancellation(stop.reason), None);
                    }
                    wish.reset_immediately();
                }
                _ = wish.tick(), if deadline.is_some() => self.wish(plan, is_forced).await,
                () = &mut look => {
                    if let Some(result) = Box::pin(self.look(plan)).await {
                        return result;
                    }
                    look.set(sleep(self.waiting.pause(LOOK)));
                }
            }
        }
    }

    async fn wish(&self, plan: &Plan, is_forced: bool) {
        let word = if is_forced { "forced" } else { "requested" };
        if let Some(client) = self
            .shared
            .link
            .client()
            .filter(|_| self.shared.link.is_up())
        {
            let subject = self.shared.names.stop(&plan.key());
            drop(client.publish(subject, word.into()).await);
        }
    }

    /// Takes an attempt that nobody has begun for itself, so that nobody will; whether it could.
    async fn withdraw(&self, plan: &Plan, stop: &RunStop) -> bool {
        if !self.shared.link.is_up() {
            return false;
        }
        let started = messages::write(&Started::default());
        let subject = self.shared.names.start(&plan.key());
        if self.shared.state_once(subject, started).await != Some(true) {
            return false;
        }
        let result = RunResult::without_process(Outcome::Cancellation(stop.reason), None);
        self.conclude(plan, result).await == Some(true)
    }

    /// Looks for an attempt of which nothing is heard: its end, if that was missed, or that it is nowhere any more.
    async fn look(&self, plan: &Plan) -> Option<RunResult> {
        if !self.shared.link.is_up() {
            return None;
        }
        let is_there = self.is_planned(plan).await?;
        let subject = self.shared.names.end(&plan.key());
        match self.shared.last_fact::<Ended>(&subject).await? {
            Some((ended, _)) => Some(ended.result()),
            None if is_there => None,
            None => Some(
                self.given_up(plan, "a execução não está mais na fila do NATS")
                    .await,
            ),
        }
    }

    async fn is_planned(&self, plan: &Plan) -> Option<bool> {
        let queue = self.shared.queue().await?;
        let subject = self.shared.names.plan(plan.processor.as_str(), &plan.key());
        match queue.get_last_raw_message_by_subject(&subject).await {
            Ok(_) => Some(true),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Some(false),
            Err(_) => None,
        }
    }

    /// Says that nothing more is to be heard; an end that came before wins.
    async fn given_up(&self, plan: &Plan, words: &str) -> RunResult {
        let result = lost(words);
        if self.shared.link.is_up() && self.conclude(plan, result.clone()).await == Some(false) {
            let subject = self.shared.names.end(&plan.key());
            if let Some(Some((ended, _))) = self.shared.last_fact::<Ended>(&subject).await {
                return ended.result();
            }
        }
        result
    }

    async fn conclude(&self, plan: &Plan, result: RunResult) -> Option<bool> {
        let now = self.shared.clock.now();
        let ended = Ended::of(plan.clone(), Vec::<Begun>::new(), now, result);
        let subject = self.shared.names.end(&plan.key());
        let bytes = messages::write_bounded(ended);
        self.shared.state_once(subject, bytes).await
    }
}

/// What the server keeps once: an attempt, or the instant of a pattern, which two leaders would both plan.
fn once(plan: &Plan, start: &RunStart) -> String {
    match start.cycle.trigger {
        Trigger::Cron | Trigger::Catchup => {
            let planned: Timestamp = start.cycle.started_at - start.cycle.delay;
            let second = planned.as_second();
            let number = plan.instance.number;
            format!("{}@{second}.{number}.{}", plan.processor, plan.attempt)
        }
        Trigger::Startup | Trigger::Interval | Trigger::Signal => plan.key(),
    }
}

fn lost(words: &str) -> RunResult {
    RunResult::without_process(Outcome::Error(ErrorReason::Lost), Some(words.to_owned()))
}
