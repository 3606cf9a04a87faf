//! The same work on many machines, over NATS `JetStream`: one instance plans, all of them run.
//!
//! NATS keeps, replicates and redelivers; here is decided what its guarantees are used for. Refuses to know when a run
//! is due, and how a process is run.

mod connection;
mod leader;
mod names;
mod presence;
mod streams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::connection::Link;
use self::leader::{Election, Standing};
use self::names::Names;
use crate::config::DistributionSettings;
use crate::domain::{Clock, GroupBoard, Leader, Observers, RunId};
use crate::engine::{Control, Request};

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
}

/// The runs that this instance has, each with its processor.
#[derive(Debug, Default)]
struct Running(Mutex<BTreeMap<String, String>>);

impl Running {
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

/// A part of a group.
pub struct Distribution {
    closed: CancellationToken,
    election: JoinHandle<()>,
    presence: JoinHandle<()>,
}

impl Distribution {
    /// Joins the group: connects as soon as that can be, stands for election, says that it is there.
    ///
    /// `control` is asked to plan or to stand by.
    #[must_use]
    pub fn join(
        settings: &DistributionSettings,
        identity: Identity,
        (board, observers, clock): (&GroupBoard, &Observers, &Clock),
        control: Control,
    ) -> Self {
        let closed = CancellationToken::new();
        let link = Link::open(settings, (board, observers, clock), closed.clone());
        let now = clock.now();
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
        };
        let (standing, _) = watch::channel(Standing::default());
        let election = Election {
            shared: shared.clone(),
            standing,
            tell: Box::new(move |leads| {
                control.ask(match leads {
                    Some(since) => Request::Lead { since },
                    None => Request::StandBy,
                });
            }),
            last_seen: None,
        };
        Self {
            election: tokio::spawn(election.run(closed.clone())),
            presence: tokio::spawn(presence::run(shared, identity.host, now)),
            closed,
        }
    }

    /// Leaves the group: gives the office back, if it has it, and is silent.
    pub async fn leave(self) {
        self.closed.cancel();
        drop(timeout(FAREWELL, self.election).await);
        self.presence.abort();
    }
}
