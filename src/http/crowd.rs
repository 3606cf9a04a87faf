//! How many connections may be open, and who goes when one more comes. Refuses to know what is said on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::resource::{Resource, getrlimit};
use tokio_util::sync::CancellationToken;

/// Connections that may be open at once, where the descriptors allow it.
const CONNECTIONS: usize = 2_048;

/// Everybody who is connected.
pub(super) struct Crowd {
    most: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    open: usize,
    next: u64,
    /// Those without a request, in the order in which they began to wait.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    /// Cancelled when the place is needed for somebody else.
    pub(super) given_up: CancellationToken,
    /// The number among those that wait, while the connection waits.
    waiting: Mutex<Option<u64>>,
}

/// A request that is being answered: its connection keeps its place.
pub(super) struct Busy(Arc<Seat>);

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            seats: Mutex::default(),
        })
    }

    /// A place for a new connection. When all are taken, the connection that has waited longest without a request
    /// gives up its own; none if every connection is being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut seats = self.seats();
        if seats.open >= self.most {
            let (_, oldest) = seats.waiting.pop_first()?;
            oldest.cancel();
        }
        seats.open += 1;
        let given_up = CancellationToken::new();
        let number = seats.wait(&given_up);
        Some(Arc::new(Seat {
            crowd: Arc::clone(self),
            given_up,
            waiting: Mutex::new(Some(number)),
        }))
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn wait(&mut self, token: &CancellationToken) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, token.clone());
        number
    }
}

impl Seat {
    /// The place is kept until what is returned is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        if let Some(number) = self.number().take() {
            self.crowd.seats().waiting.remove(&number);
        }
        Busy(Arc::clone(self))
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let number = self.0.crowd.seats().wait(&self.0.given_up);
        *self.0.number() = Some(number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let number = self.number().take();
        let mut seats = self.crowd.seats();
        seats.open -= 1;
        if let Some(number) = number {
            seats.waiting.remove(&number);
        }
    }
}

/// Connections that there is room for: half of the descriptors, since runs, history and telemetry need some too.
pub(super) fn room() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    let descriptors = limit.map_or(u64::MAX, |(soft, _)| soft);
    usize::try_from(descriptors / 2)
        .unwrap_or(CONNECTIONS)
        .clamp(8, CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_takes_the_place_of_the_one_that_waited_longest_and_never_of_one_that_is_answered() {
        let crowd = Crowd::new(2);
        let first = crowd.enter().expect("room");
        let second = crowd.enter().expect("room");
        let answered = first.busy();
        let third = crowd.enter().expect("the second's place");
        assert!(second.given_up.is_cancelled() && !first.given_up.is_cancelled());
        drop(second);
        let also_answered = third.busy();
        assert!(crowd.enter().is_none(), "both are being answered");
        drop(answered);
        let fourth = crowd.enter().expect("the first waits again");
        assert!(first.given_up.is_cancelled());
        drop((first, also_answered, third, fourth));
        assert_eq!(crowd.seats().open, 0);
        assert!(crowd.seats().waiting.is_empty());
    }
}
