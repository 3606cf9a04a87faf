//! A run that is held, and until when: its lease.
//!
//! The lease counts from before the request that brought the run, then from before each renewal that was confirmed, so
//! it ends here before the server can give the run to somebody else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

use super::connection::PATIENCE;
use super::messages::Plan;

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

/// A run that is held, and until when.
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) plan: Plan,
    confirmed: Mutex<Instant>,
    length: Duration,
    /// What its process takes of this instance; given back at the end of that, before the end is told.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Held {
    /// Of the message that a request of the time `sent` has brought.
    pub(super) fn new(
        message: Message,
        plan: Plan,
        (sent, length): (Instant, Duration),
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            message,
            plan,
            confirmed: Mutex::new(sent),
            length,
            slot: Mutex::new(Some(slot)),
        }
    }

    /// Until when nobody else can have it.
    fn until(&self) -> Instant {
        let confirmed = *self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed + self.length
    }

    pub(super) fn free_slot(&self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
    }

    /// When its process must begin to end, so that nothing of it is left when the lease is over.
    pub(super) fn limit(&self) -> Instant {
        self.until() - (self.length / 5).max(Duration::from_secs(1))
    }

    async fn renew(&self) -> bool {
        let sent = Instant::now();
        let renewal = self.message.double_ack_with(AckKind::Progress);
        let patience = PATIENCE.min(self.length / 6);
        let is_done = matches!(timeout(patience, renewal).await, Ok(Ok(())));
        // What is confirmed too late may be somebody else's lease.
        if is_done && sent < self.limit() {
            *self
                .confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = sent;
        }
        is_done
    }

    /// Renews until that was in vain for too long.
    pub(super) async fn keep(&self) {
        loop {
            let wait = if self.renew().await {
                self.length / 3
            } else {
                AGAIN
            };
            let left = self.limit().saturating_duration_since(Instant::now());
            sleep(wait.min(left)).await;
            if Instant::now() >= self.limit() {
                return;
            }
        }
    }
}
