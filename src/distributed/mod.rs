//! The same work on many machines, over NATS `JetStream`: one instance plans, all of them run.
//!
//! NATS keeps, replicates and redelivers; here is decided what its guarantees are used for. Refuses to know when a run
//! is due, and how a process is run.

mod connection;
mod depth;
mod facts;
mod faults;
mod held;
mod leader;
mod messages;
mod names;
mod presence;
mod runner;
mod streams;
mod worker;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Link;
pub use self::facts::Announcer;
use self::facts::{Reader, Waiting};
use self::leader::{Election, Standing};
use self::messages::Plan;
use self::names::Names;
pub use self::runner::RemoteRunner;
use self::worker::Worker;
use crate::config::{DistributionSettings, processor_hash};
use crate::domain::{
    Clock, GroupBoard, Leader, Observers, ProcessorName, ProcessorSpec, Run, RunId,
};
use crate::engine::{Control, Request, Runner, Shutdown};

/// Giving the office back may take this long.
const FAREWELL: Duration = Duration::from_secs(2);
/// Terms that are remembered.
const MOST_TERMS: usize = 64;

/// What all parts know.
#[derive(Clone)]
struct Shared {
    settings: Arc<DistributionSettings>,
    names: Names,
    /// The name of this instance.
    instance: String,
    /// The one start of it.
    start: String,
    /// Runs that it makes side by side.
    slots: u64,
    link: Link,
    board: GroupBoard,
    observers: Observers,
    clock: Clock,
    terms: Arc<Terms>,
    running: Arc<Running>,
    /// What tells whether two instances mean the same processor.
    hash: fn(&ProcessorSpec) -> u64,
}

/// Writes the end of a run into the history of this instance; whether it was news.
pub type Imports =
    Arc<dyn Fn(Arc<Run>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// The processors, as they are configured here now. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Specs(Arc<Mutex<Vec<Arc<ProcessorSpec>>>>);

impl Specs {
    /// Takes these from now on.
    pub fn set(&self, specs: &[ProcessorSpec]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = specs.iter().cloned().map(Arc::new).collect();
    }

    fn get(&self, name: &ProcessorName) -> Option<Arc<ProcessorSpec>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|spec| spec.name == *name).cloned()
    }
}

/// The terms that were seen, with what stood in the queue when each began.
#[derive(Debug, Default)]
struct Terms(Mutex<BTreeMap<u64, u64>>);

impl Terms {
    /// Remembers a term; whether it is news.
    fn note(&self, leader: &Leader) -> bool {
        let mut terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = terms.insert(leader.term, leader.fence).is_none();
        while terms.len() > MOST_TERMS {
            terms.pop_first();
        }
        is_news
    }

    /// Whether a plan of `term` that stands at `place` came after a later term had begun.
    fn is_void(&self, term: u64, place: u64) -> bool {
        let terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut later = terms.range(term.saturating_add(1)..);
        later.any(|(_, fence)| *fence < place)
    }
}

/// The runs that this instance has, each with its processor.
#[derive(Debug, Default)]
struct Running(Mutex<BTreeMap<String, String>>);

impl Running {
    fn add(&self, plan: &Plan) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(plan.id.as_str().to_owned(), plan.processor.to_string());
    }

    fn remove(&self, plan: &Plan) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(plan.id.as_str());
    }

    fn list(&self, most: usize) -> Vec<(String, String)> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = running.iter().take(most);
        pairs
            .map(|(run, processor)| (run.clone(), processor.clone()))
            .collect()
    }
}

/// Who this instance is.
pub struct Identity {
    /// Its name in the group.
    pub instance: String,
    /// The machine.
    pub host: String,
    /// Runs that it makes side by side.
    pub slots: usize,
}

/// What an instance brings into the group.
pub struct Parts<R> {
    /// Who it is.
    pub identity: Identity,
    /// What runs processors here.
    pub runner: R,
    /// The processors.
    pub specs: Specs,
    /// Where ends of runs go that others planned; none when nothing is written.
    pub imports: Option<Imports>,
    /// The ends of runs that are planned here.
    pub ends: UnboundedReceiver<Arc<Run>>,
    /// Asked to plan or to stand by.
    pub control: Control,
    /// When to take nothing more.
    pub shutdown: Arc<Shutdown>,
}

/// Who hears of the ends of this instance's runs, and where they come out.
#[must_use]
pub fn announcer() -> (Announcer, UnboundedReceiver<Arc<Run>>) {
    let (sender, ends) = unbounded_channel();
    (Announcer(sender), ends)
}

/// How the loop hears of an election.
fn telling(control: Control) -> Box<dyn Fn(Option<Option<Timestamp>>) + Send + Sync> {
    Box::new(move |leads| {
        control.ask(match leads {
            Some(since) => Request::Lead { since },
            None => Request::StandBy,
        });
    })
}

/// A part of a group.
pub struct Distribution {
    closed: CancellationToken,
    election: JoinHandle<()>,
    /// Everything that goes on until this instance leaves.
    tasks: Vec<JoinHandle<()>>,
    /// Ends once the readers of facts are gone.
    announcing: JoinHandle<()>,
    leaving: Leaving,
}

/// How the worker is told to hand back what it has.
struct Leaving {
    asked: CancellationToken,
    tasks: TaskTracker,
    shutdown: Arc<Shutdown>,
}

impl Distribution {
    /// Joins the group: connects as soon as that can be, stands for election, takes runs. Answers with what plans go to.
    #[must_use]
    pub fn join<R: Runner>(
        settings: &DistributionSettings,
        (board, observers, clock): (&GroupBoard, &Observers, &Clock),
        parts: Parts<R>,
    ) -> (Self, RemoteRunner) {
        let closed = CancellationToken::new();
        let link = Link::open(settings, (board, observers, clock), closed.clone());
        let now = clock.now();
        let identity = parts.identity;
        let shared = Shared {
            names: Names::new(&settings.group),
            settings: Arc::new(settings.clone()),
            instance: identity.instance,
            start: RunId::new(now).as_str().to_owned(),
            slots: u64::try_from(identity.slots).unwrap_or(u64::MAX),
            link,
            board: board.clone(),
            observers: observers.clone(),
            clock: clock.clone(),
            terms: Arc::default(),
            running: Arc::default(),
            hash: processor_hash,
        };
        let (standing, stands) = watch::channel(Standing::default());
        let election = Election {
            shared: shared.clone(),
            standing,
            tell: telling(parts.control),
            last_seen: None,
        };
        let waiting = Waiting::default();
        let reader = Reader {
            shared: shared.clone(),
            waiting: waiting.clone(),
            specs: parts.specs.clone(),
            imports: parts.imports,
            standing: stands.clone(),
            orphans: BTreeMap::new(),
        };
        let worker = Worker::new(shared.clone(), parts.runner, parts.specs, identity.slots);
        let worker = Arc::new(worker);
        let leaving = Leaving {
            asked: worker.leaving.clone(),
            tasks: worker.tasks.clone(),
            shutdown: Arc::clone(&parts.shutdown),
        };
        let draining = worker.draining.clone();
        let tasks = vec![
            tokio::spawn(presence::run(shared.clone(), identity.host, now)),
            tokio::spawn(depth::watch(shared.clone())),
            tokio::spawn(reader.run()),
            tokio::spawn(Arc::clone(&worker).listen()),
            tokio::spawn(worker.run()),
            tokio::spawn(async move {
                parts.shutdown.requested.cancelled().await;
                draining.cancel();
            }),
        ];
        let group = Self {
            election: tokio::spawn(election.run(closed.clone())),
            announcing: tokio::spawn(facts::announce(shared.clone(), parts.ends)),
            tasks,
            closed,
            leaving,
        };
        let runner = RemoteRunner {
            shared,
            standing: stands,
            waiting,
            publishing: Semaphore::new(runner::AT_ONCE),
        };
        (group, runner)
    }

    /// Leaves the group: hands back what it runs, gives the office back, if it has it, and is silent.
    ///
    /// Returns when nothing runs here any more, or a bounded time after it was forced.
    pub async fn leave(self) {
        let Leaving {
            asked,
            tasks,
            shutdown,
        } = self.leaving;
        asked.cancel();
        tasks.close();
        tokio::select! {
            () = tasks.wait() => {}
            () = async {
                shutdown.forced.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
            } => {}
        }
        self.closed.cancel();
        drop(timeout(FAREWELL, self.election).await);
        // Those who hear of ends are about to go; what is confirmed by then is published.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.announcing.abort();
        for task in self.tasks {
            task.abort();
        }
    }
}
