//! The way from the first signal to the last: SIGTERM, a grace period, SIGKILL, and giving up. Refuses to know output and
//! outcomes.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::child::Ending;
use super::link::Ticket;

/// How long the spawner may take to report an end after SIGKILL: a process may hang in the kernel.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Where a run stands between its time limit and SIGKILL.
pub(super) struct Ladder {
    /// When the next step is due.
    pub(super) deadline: Instant,
    grace: Duration,
    /// Why we are ending it; none while it may run.
    pub(super) ending: Option<Ending>,
    /// When the first signal was sent.
    pub(super) asked: Option<Instant>,
    pub(super) killed: bool,
    pub(super) escalated: bool,
}

impl Ladder {
    pub(super) fn new(deadline: Instant, grace: Duration) -> Self {
        Self {
            deadline,
            grace,
            ending: None,
            asked: None,
            killed: false,
            escalated: false,
        }
    }

    pub(super) async fn terminate(&mut self, ticket: &Ticket, ending: Ending) {
        self.ending = Some(ending);
        self.asked.get_or_insert_with(Instant::now);
        self.deadline = Instant::now() + self.grace;
        self.signal(ticket, Signal::SIGTERM).await;
    }

    pub(super) async fn kill(&mut self, ticket: &Ticket, ending: Ending) {
        self.ending.get_or_insert(ending);
        self.asked.get_or_insert_with(Instant::now);
        self.killed = true;
        self.deadline = Instant::now() + KILL_PATIENCE;
        self.signal(ticket, Signal::SIGKILL).await;
    }

    /// The deadline has come: the next step. False when there is none left.
    pub(super) async fn climb(&mut self, ticket: &Ticket) -> bool {
        match self.ending {
            None => self.terminate(ticket, Ending::TimedOut).await,
            Some(ending) if !self.killed => {
                self.escalated = true;
                self.kill(ticket, ending).await;
            }
            Some(_) => return false,
        }
        true
    }

    async fn signal(&self, ticket: &Ticket, signal: Signal) {
        if let Err(error) = ticket.signal(signal).await {
            // The end of the spawner, which this is, also ends the run's reports.
            tracing::debug!(%error, %signal, "the signal could not be passed on");
        }
    }
}
