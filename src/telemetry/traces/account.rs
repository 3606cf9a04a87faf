//! What became of every span, or line of output: `exported + failed + dropped + queued = produced`, at any moment. Refuses to know how
//! spans are sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::domain::Clock;

/// The longest error that is kept, characters.
const LONGEST_ERROR: usize = 300;

/// How an export is doing. What is said of spans here holds for lines of output as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportState {
    /// No endpoint, no export.
    Disabled,
    /// What was sent last arrived, or nothing was sent yet.
    Ok,
    /// Spans are being lost.
    Degraded {
        /// Since when.
        since: Timestamp,
        /// Why the last ones were lost, without secrets.
        error: String,
    },
}

/// A consistent look at the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// How the export is doing.
    pub state: ExportState,
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that were sent in vain.
    pub failed: u64,
    /// Spans that found the queue full or the export ended.
    pub dropped: u64,
    /// Spans that wait or are being sent.
    pub queued: u64,
    /// How many may wait; 0 when nothing is exported.
    pub capacity: u64,
    /// When the collector last took some.
    pub last_success: Option<Timestamp>,
}

impl Counts {
    /// Spans that ended and were to be exported.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.exported + self.failed + self.dropped + self.queued
    }
}

/// The account of one export. Cloning shares it; the default one is that of no export at all.
#[derive(Debug, Clone)]
pub struct Account(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    clock: Option<Clock>,
    is_closed: bool,
    /// What is exported, for people.
    what: &'static str,
    counts: Counts,
}

/// What an outcome changed that somebody should be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edge {
    None,
    Degraded,
    Recovered,
}

impl Default for Account {
    fn default() -> Self {
        Self::of(None, "", (ExportState::Disabled, 0))
    }
}

impl Account {
    /// The account of an export of `what`, with a queue of `capacity`.
    pub(super) fn open(clock: Clock, what: &'static str, capacity: u64) -> Self {
        Self::of(Some(clock), what, (ExportState::Ok, capacity))
    }

    fn of(clock: Option<Clock>, what: &'static str, (state, capacity): (ExportState, u64)) -> Self {
        let counts = Counts {
            state,
            exported: 0,
            failed: 0,
            dropped: 0,
            queued: 0,
            capacity,
            last_success: None,
        };
        Self(Arc::new(Mutex::new(Book {
            clock,
            is_closed: false,
            what,
            counts,
        })))
    }

    /// What is known now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.book().counts.clone()
    }

    /// Takes one span in, if there is room for it; otherwise it is counted as dropped.
    pub(super) fn admit(&self) -> (bool, Edge) {
        let mut book = self.book();
        if !book.is_closed && book.counts.queued < book.counts.capacity {
            book.counts.queued += 1;
            return (true, Edge::None);
        }
        book.counts.dropped += 1;
        let capacity = book.counts.capacity;
        let edge = book.degrade(format!("a fila de {capacity} está cheia"));
        (false, edge)
    }

    /// The collector took `count` spans.
    pub(super) fn exported(&self, count: u64) -> Edge {
        let mut book = self.book();
        book.counts.queued = book.counts.queued.saturating_sub(count);
        book.counts.exported += count;
        book.counts.last_success = book.clock.as_ref().map(Clock::now);
        match std::mem::replace(&mut book.counts.state, ExportState::Ok) {
            ExportState::Degraded { .. } => Edge::Recovered,
            ExportState::Disabled | ExportState::Ok => Edge::None,
        }
    }

    /// `count` spans were sent in vain.
    pub(super) fn failed(&self, count: u64, error: &str) -> Edge {
        let mut book = self.book();
        book.counts.queued = book.counts.queued.saturating_sub(count);
        book.counts.failed += count;
        book.degrade(shortened(error))
    }

    /// What is exported, for people.
    pub(super) fn what(&self) -> &'static str {
        self.book().what
    }

    /// From now on nothing is taken in.
    pub(super) fn close(&self) {
        self.book().is_closed = true;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn degrade(&mut self, error: String) -> Edge {
        let Some(clock) = &self.clock else {
            return Edge::None;
        };
        match &mut self.counts.state {
            ExportState::Degraded { error: last, .. } => {
                *last = error;
                Edge::None
            }
            ExportState::Disabled | ExportState::Ok => {
                let since = clock.now();
                self.counts.state = ExportState::Degraded { since, error };
                Edge::Degraded
            }
        }
    }
}

/// One line of bounded length.
fn shortened(error: &str) -> String {
    let line = error.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_ERROR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    fn account(capacity: u64) -> Account {
        Account::open(Clock::new(samples::instant), "traços", capacity)
    }

    #[test]
    fn every_span_is_in_exactly_one_place_whatever_becomes_of_it() {
        let account = account(3);
        for produced in 1..=5 {
            account.admit();
            assert_eq!(account.counts().produced(), produced);
        }
        account.exported(2);
        account.failed(1, "recusado");
        let counts = account.counts();
        assert_eq!(
            (
                counts.exported,
                counts.failed,
                counts.dropped,
                counts.queued
            ),
            (2, 1, 2, 0)
        );
        account.close();
        assert!(!account.admit().0, "a closed account takes nothing in");
        assert_eq!(
            (account.counts().dropped, account.counts().produced()),
            (3, 6)
        );
    }

    #[test]
    fn only_the_first_loss_and_the_recovery_are_edges_and_the_state_keeps_since_and_the_last_error()
    {
        let account = account(8);
        assert_eq!(account.failed(1, "primeiro"), Edge::Degraded);
        assert_eq!(account.failed(1, "segundo\n\u{1b}[2J"), Edge::None);
        let expected = ExportState::Degraded {
            since: samples::instant(),
            error: "segundo  [2J".to_owned(),
        };
        assert_eq!(account.counts().state, expected);
        assert_eq!(account.exported(1), Edge::Recovered);
        assert_eq!(account.exported(1), Edge::None);
        assert_eq!(account.counts().state, ExportState::Ok);
    }

    #[test]
    fn without_an_export_there_is_no_room_and_no_state_but_disabled() {
        let account = Account::default();
        let counts = account.counts();
        assert_eq!((counts.state, counts.capacity), (ExportState::Disabled, 0));
    }

    #[test]
    fn an_error_of_any_length_is_kept_short() {
        let account = account(1);
        account.failed(1, &"é".repeat(100_000));
        let ExportState::Degraded { error, .. } = account.counts().state else {
            unreachable!("not degraded")
        };
        assert_eq!(error.chars().count(), LONGEST_ERROR);
    }
}
