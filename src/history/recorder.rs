//! Hands facts to the writer, and waits for it no longer than a run may. Refuses to know how they are written.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::beginnings::Beginnings;
use super::fact::Fact;
use crate::domain::{Event, Run};

/// How long a run waits for its end, or for a beginning that is not known elsewhere, to be written down.
const PATIENCE: Duration = Duration::from_millis(100);
/// Facts that may be on their way to the writer.
const CAPACITY: usize = 4096;

/// What the writer is told.
pub(super) enum Message {
    /// Write now, and say so when it was tried.
    Write(oneshot::Sender<()>),
    /// Write what is there by then after a while.
    Nudge,
    /// Write the end of a run of others down, if it is news; say whether it is.
    Import(Arc<Run>, oneshot::Sender<bool>),
    /// Write what is left and end.
    End(oneshot::Sender<()>),
}

/// What the writer and those who speak to it share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Facts that the writer has not taken yet.
    queue: Mutex<Vec<Fact>>,
    /// The writer was told of facts that can wait, and has not taken them yet.
    pub(super) is_nudged: AtomicBool,
    /// Facts that could not even be handed over, since the last recovery.
    pub(super) refused: AtomicU64,
    /// Somebody waited in vain for an answer, and none has come since.
    pub(super) is_stuck: AtomicBool,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Vec<Fact>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands facts to the writer. Clones speak to the same one.
#[derive(Clone)]
pub struct Recorder {
    sender: Sender<Message>,
    shared: Arc<Shared>,
    beginnings: Option<Arc<Beginnings>>,
}

impl Recorder {
    pub(super) fn new(
        sender: Sender<Message>,
        shared: Arc<Shared>,
        beginnings: Option<Arc<Beginnings>>,
    ) -> Self {
        Self {
            sender,
            shared,
            beginnings,
        }
    }

    /// Has facts written down, all or none. Whether the beginning of a run among them is known from now on, whatever happens;
    /// and a future that ends when writing was tried, or after 100 ms: a slow history stops no run, and one that does not
    /// answer at all is not waited for again until it does. Beginnings that are known are not waited for: the future, when it
    /// is first polled, has them written within 50 ms, together with what comes until then.
    pub fn record(&self, events: &[Event]) -> (bool, impl Future<Output = ()> + Send + use<>) {
        let mut facts: Vec<_> = events.iter().filter_map(Fact::of).collect();
        let mut is_safe = false;
        for fact in &mut facts {
            if let Fact::RunStarted(start, noted) = fact {
                *noted = self.beginnings.as_ref().and_then(|file| file.note(start));
                is_safe = noted.is_some();
            }
        }
        let is_begun = facts
            .iter()
            .any(|fact| matches!(fact, Fact::RunStarted(..)));
        let is_urgent = !facts.iter().all(Fact::is_known);
        self.hand_over(facts);
        // Where nobody waits for it, the writer is woken once the run was started.
        let early = (is_urgent && !is_safe).then(|| self.have_written());
        let recorder = self.clone();
        let written = async move {
            let answer = match early {
                Some(answer) => answer,
                None if is_urgent => recorder.have_written(),
                None if is_begun => return recorder.have_written_soon(),
                None => return,
            };
            let Some(answer) = answer else { return };
            if timeout(PATIENCE, answer).await.is_err() {
                recorder.shared.is_stuck.store(true, Ordering::Relaxed);
            }
        };
        (is_safe, written)
    }

    /// Has the end of a run written down that another instance planned. One that has an end already keeps it, but for
    /// one that an earlier start of this instance gave up as lost. Whether it was news.
    pub async fn import(&self, run: Arc<Run>) -> bool {
        let (sender, answer) = oneshot::channel();
        let is_sent = self.sender.send(Message::Import(run, sender)).is_ok();
        is_sent && answer.await.unwrap_or_default()
    }

    /// Has the writer take facts when it is woken next, all or none.
    fn hand_over(&self, facts: Vec<Fact>) {
        let mut queue = self.shared.queue();
        if queue.len() + facts.len() <= CAPACITY {
            queue.extend(facts);
        } else {
            let count = facts.len() as u64;
            self.shared.refused.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Has the writer write now. None when it is not to be waited for.
    fn have_written(&self) -> Option<oneshot::Receiver<()>> {
        if self.shared.is_stuck.load(Ordering::Relaxed) {
            self.have_written_soon();
            return None;
        }
        let (sender, answer) = oneshot::channel();
        self.sender.send(Message::Write(sender)).ok()?;
        Some(answer)
    }

    /// Has the writer write when it will. It is woken once for all that comes until it does.
    fn have_written_soon(&self) {
        if !self.shared.is_nudged.swap(true, Ordering::Relaxed) {
            // Without a writer there is nobody to wake.
            self.sender.send(Message::Nudge).ok();
        }
    }

    /// Waits until all is written, at most `budget`. False when time ran out.
    pub async fn close(self, budget: Duration) -> bool {
        let (sender, answer) = oneshot::channel();
        if self.sender.send(Message::End(sender)).is_err() {
            return false;
        }
        timeout(budget, answer).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::time::Instant;

    use super::super::{DATABASE, History, HistoryReader, Retention, RunQuery};
    use super::*;
    use crate::domain::{Clock, HistoryOperation, Observer, Observers, Outcome, samples};

    /// How often something was written.
    #[derive(Default)]
    struct Writes(Mutex<Vec<bool>>);

    impl Observer for Writes {
        fn observe(&self, event: &Event) {
            if let Event::HistoryOperated {
                operation: HistoryOperation::Write,
                is_ok,
                ..
            } = event
            {
                self.0.lock().expect("not poisoned").push(*is_ok);
            }
        }
    }

    fn recorder(folder: &Path, writes: &Arc<Writes>) -> Recorder {
        let retention = Retention {
            age: Duration::MAX,
            runs: u64::MAX,
        };
        let clock = Clock::new(samples::instant);
        let history = History::open(folder, &[], (clock, retention), |_| ()).expect("opened");
        let readers: Vec<Arc<dyn Observer>> = vec![Arc::clone(writes) as _];
        history.start(Observers::new(readers)).expect("started")
    }

    #[tokio::test]
    async fn the_beginning_of_a_short_run_is_safe_at_once_and_written_together_with_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let writes = Arc::new(Writes::default());
        let recorder = recorder(folder.path(), &writes);
        // The first transaction of all waits for nothing.
        let first = samples::run("primeira", Outcome::Success);
        recorder.record(&[Event::RunFinished(first)]).1.await;
        let run = samples::run("bom", Outcome::Success);
        let (is_safe, told) = recorder.record(&[Event::RunStarted(Arc::clone(&run.start))]);
        assert!(is_safe);
        told.await;
        assert_eq!(Beginnings::read(folder.path()).0.len(), 1);
        recorder.record(&[Event::RunFinished(run)]).1.await;
        assert_eq!(*writes.0.lock().expect("not poisoned"), [true, true]);
        assert!(Beginnings::read(folder.path()).0.is_empty());
        assert!(recorder.close(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn the_beginning_of_a_long_run_is_written_while_it_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = recorder(folder.path(), &Arc::default());
        // The first transaction of all waits for nothing.
        let first = samples::run("primeira", Outcome::Success);
        recorder.record(&[Event::RunFinished(first)]).1.await;
        let start = samples::run_start("bom");
        let (_, told) = recorder.record(&[Event::RunStarted(Arc::clone(&start))]);
        told.await;
        let reader = HistoryReader::open(&folder.path().join(DATABASE)).expect("opened");
        let is_there = || {
            let query = RunQuery {
                limit: 2,
                ..RunQuery::default()
            };
            let found = reader.runs(&query).expect("asked");
            found.iter().any(|run| run.id == start.id.as_str())
        };
        // Well before the writer looks by itself whether there is anything to do.
        let deadline = Instant::now() + Duration::from_secs(4);
        while !is_there() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(is_there(), "its turn comes without the end of a run");
    }
}
