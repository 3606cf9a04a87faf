//! Why this instance has no part in the group: told once for each reason, shown until it has gone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{Clock, Event, GroupBoard, GroupChange, GroupFault, Observers};

/// The longest reason that is told, letters.
const LONGEST: usize = 200;

/// Reasons that are told between two connections.
const MOST: usize = 50;

/// Where faults are told. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Faults {
    pub(super) board: GroupBoard,
    pub(super) observers: Observers,
    pub(super) clock: Clock,
    /// What was told, by what it is about, and has not gone.
    told: Arc<Mutex<BTreeSet<String>>>,
}

impl Faults {
    pub(super) fn new((board, observers, clock): (&GroupBoard, &Observers, &Clock)) -> Self {
        Self {
            board: board.clone(),
            observers: observers.clone(),
            clock: clock.clone(),
            told: Arc::default(),
        }
    }

    /// The server refuses the credentials.
    pub(super) fn refused(&self) {
        self.tell("credentials", GroupFault::Refused);
    }

    /// No server answers, and none did before.
    pub(super) fn unreachable(&self) {
        self.tell("servers", GroupFault::Unreachable);
    }

    /// Shows that no server answers, which is told by the end of the connection.
    pub(super) fn lost(&self) {
        self.board
            .update(|status| status.fault = Some(GroupFault::Unreachable));
    }

    /// The server refused a request about `what`; its words are not trusted to be few.
    pub(super) fn denied(&self, what: &str, words: &impl ToString) {
        let words: String = words.to_string().chars().take(LONGEST).collect();
        let reason = format!("{what}: {words}");
        self.tell(what, GroupFault::Denied { reason });
    }

    /// What was refused about `what` is granted.
    pub(super) fn granted(&self, what: &str) {
        let is_last = {
            let mut told = self.told();
            told.remove(what) && told.is_empty()
        };
        if is_last {
            self.board.update(|status| status.fault = None);
        }
    }

    /// A server answers.
    pub(super) fn connected(&self) {
        self.told().clear();
        self.board.update(|status| status.fault = None);
    }

    /// Shows why, and tells it if nothing about `what` was told before.
    fn tell(&self, what: &str, fault: GroupFault) {
        let is_news = {
            let mut told = self.told();
            told.len() < MOST && told.insert(what.to_owned())
        };
        self.board
            .update(|status| status.fault = Some(fault.clone()));
        if is_news {
            let (at, change) = (self.clock.now(), GroupChange::Failed { fault });
            self.observers.state(&Event::GroupChanged { at, change });
        }
    }

    fn told(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
