//! What is known of a group of instances: who is there, who leads, how the queue is. Refuses to know what connects them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Why an instance has no part in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupFault {
    /// No server answers.
    Unreachable,
    /// The server does not know the user, the password or the token, or wants some.
    Refused,
    /// The server answers, and refuses a request that nothing goes without.
    Denied {
        /// In the server's words.
        reason: String,
    },
}

impl GroupFault {
    /// The word for machines.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Denied { .. } => "denied",
        }
    }

    /// Whether it may pass by itself, with nobody mending anything.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unreachable)
    }

    /// What is wrong and what to do, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Unreachable => {
                "o NATS não responde; nada é planejado nem recebido até que responda".to_owned()
            }
            Self::Refused => "o NATS recusa as credenciais desta instância; confira \
                              ORQUESTRADOR_NATS_USUARIO e ORQUESTRADOR_NATS_PASSWORD, ou \
                              ORQUESTRADOR_NATS_TOKEN, e reinicie-a"
                .to_owned(),
            Self::Denied { reason } => format!("o NATS recusa um pedido do grupo: {reason}"),
        }
    }
}

/// Something that changed in the group, as one instance sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupChange {
    /// The server answers.
    Connected,
    /// The server does not answer any more, or never did.
    Disconnected,
    /// This instance has no part in the group, for a reason that is new.
    Failed {
        /// Why.
        fault: GroupFault,
    },
    /// This instance plans from now on.
    Leading {
        /// The number of its time in office, larger than any before.
        term: u64,
    },
    /// This instance plans no more.
    StoodDown,
    /// Another instance plans.
    LeaderSeen {
        /// Its name.
        instance: String,
    },
    /// An instance was lost in the middle of a run, which was given out again.
    RunRedelivered {
        /// The run.
        run: String,
        /// Of which processor.
        processor: String,
        /// Who had it.
        instance: String,
    },
}

/// Another instance, or this one, as it told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the group.
    pub name: String,
    /// The machine that it is on.
    pub host: String,
    /// Runs that it makes side by side.
    pub slots: u64,
    /// The runs that it has, each with its processor.
    pub running: Vec<(String, String)>,
    /// When it started.
    pub since: Timestamp,
    /// When it was last heard of.
    pub seen: Timestamp,
}

/// Who plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The name of the instance.
    pub instance: String,
    /// The number of its time in office.
    pub term: u64,
    /// What stood last in the queue when it began: plans of earlier terms behind it are void.
    pub fence: u64,
}

/// What is known of the group now.
#[derive(Debug, Clone, Default)]
pub struct GroupStatus {
    /// The name of the group.
    pub group: String,
    /// The name of this instance.
    pub instance: String,
    /// Whether the server answers.
    pub is_connected: bool,
    /// Since when it does, or does not.
    pub connection_since: Option<Timestamp>,
    /// Why this instance has no part in the group; none while it has, or nothing is known yet.
    pub fault: Option<GroupFault>,
    /// Whether this instance plans.
    pub is_leader: bool,
    /// Who plans, as far as is known.
    pub leader: Option<Leader>,
    /// Since when nobody does.
    pub leaderless_since: Option<Timestamp>,
    /// Whether somebody else bears the name of this instance.
    pub has_namesake: bool,
    /// Everybody who was heard of lately, by name.
    pub members: Vec<Member>,
    /// Runs that wait for an instance; none when nobody could be asked.
    pub waiting: Option<u64>,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// How often the leader changed, as far as this instance saw.
    pub leader_changes: u64,
    /// Runs that were given out again after the loss of an instance, and that this instance took.
    pub redeliveries: u64,
    /// Ends that other instances have reported and this one could read.
    pub imported: u64,
}

/// The group's status, shared between who keeps it and who shows it. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct GroupBoard(Arc<Mutex<GroupStatus>>);

impl GroupBoard {
    /// Of an instance that has heard of nobody yet.
    #[must_use]
    pub fn new(group: &str, instance: &str, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(GroupStatus {
            group: group.to_owned(),
            instance: instance.to_owned(),
            connection_since: Some(now),
            leaderless_since: Some(now),
            ..GroupStatus::default()
        })))
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> GroupStatus {
        self.locked().clone()
    }

    /// Changes what is known.
    pub fn update<T>(&self, change: impl FnOnce(&mut GroupStatus) -> T) -> T {
        change(&mut self.locked())
    }

    fn locked(&self) -> MutexGuard<'_, GroupStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
