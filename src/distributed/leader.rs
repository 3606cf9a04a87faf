//! Who plans: one entry with a time to live in a bucket of NATS, taken by whoever finds none, kept by its revision.
//!
//! A leader counts its right from the moment before it sent the last renewal that was confirmed, and gives it up by
//! itself a margin before the entry can have gone. Its term is the revision under which it took the entry.

use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation, Store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::domain::{Event, GroupChange, Leader};

/// How long an entry lives without renewal.
const LIFE: Duration = Duration::from_secs(6);
/// A leader stops this long before its entry can have gone.
const MARGIN: Duration = Duration::from_millis(1500);
/// Between two renewals.
const RENEWAL: Duration = Duration::from_millis(1500);
/// Between two looks of those who stand by, and between two tries after a failure.
const LOOK: Duration = Duration::from_millis(500);
/// A request for the entry may take this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// The one key.
const KEY: &str = "lider";
/// The largest entry that is read, bytes.
const LARGEST: usize = 1024;

/// Whether this instance may plan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// Its term, and until when it may plan; none while it stands by.
    leads: Option<(u64, Instant)>,
}

impl Standing {
    /// The term, while this instance may plan.
    pub(super) fn term(&self) -> Option<u64> {
        let (term, until) = self.leads?;
        (Instant::now() < until).then_some(term)
    }
}

/// What stands in the entry.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// The instance's name, for people.
    instance: String,
    /// The one start of it, which names cannot tell apart.
    start: String,
    /// Zero until it is known.
    term: u64,
    /// The last of the queue when the term began.
    fence: u64,
}

/// Stands for election until `closed`; then gives the office back.
pub(super) struct Election {
    pub(super) shared: Shared,
    pub(super) standing: watch::Sender<Standing>,
    /// Told whether this instance plans, and until when somebody else is known to have done so.
    pub(super) tell: Box<dyn Fn(Option<Option<Timestamp>>) + Send + Sync>,
    /// When somebody was last seen in office.
    pub(super) last_seen: Option<Timestamp>,
}

impl Election {
    pub(super) async fn run(mut self, closed: CancellationToken) {
        while !closed.is_cancelled() {
            let stood = tokio::select! {
                stood = self.stand_by() => stood,
                () = closed.cancelled() => return,
            };
            let Some((store, term, revision, until)) = stood else {
                sleep(LOOK).await;
                continue;
            };
            self.lead(&store, (term, revision, until), &closed).await;
        }
    }

    /// Looks until the entry is free and taken: the bucket, the term, the revision, and until when it holds.
    async fn stand_by(&mut self) -> Option<(Store, u64, u64, Instant)> {
        let store = self.store().await?;
        loop {
            match timeout(PATIENCE, store.entry(KEY)).await {
                Ok(Ok(Some(entry))) if entry.operation == Operation::Put => {
                    let is_own = |found: Entry| found.start == self.shared.start;
                    if read(&entry.value).is_some_and(is_own) {
                        // Of a term that is over, renewed by what came through late; or of one that never began. Nobody
                        // need wait for the end of its life.
                        self.give_back(&store, entry.revision).await;
                    } else {
                        self.seen(&entry.value);
                    }
                }
                Ok(Ok(_)) => {
                    if let Some((term, revision, until)) = self.take(&store).await {
                        return Some((store, term, revision, until));
                    }
                }
                // Nobody can be asked: perhaps the bucket has gone with its server.
                Ok(Err(_)) | Err(_) => {
                    self.unknown();
                    return None;
                }
            }
            sleep(LOOK).await;
        }
    }

    /// The bucket, made if need be.
    async fn store(&self) -> Option<Store> {
        self.shared.link.wait_until_up().await.then_some(())?;
        let jetstream = self.shared.link.jetstream().await?;
        let bucket = self.shared.names.bucket();
        if let Ok(store) = jetstream.get_key_value(&bucket).await {
            return Some(store);
        }
        self.shared.bucket(&bucket, LIFE, LARGEST).await?;
        jetstream.get_key_value(&bucket).await.ok()
    }

    /// Takes the free entry, if nobody is quicker.
    async fn take(&self, store: &Store) -> Option<(u64, u64, Instant)> {
        let sent = Instant::now();
        let entry = self.entry(0, 0);
        let taken = timeout(PATIENCE, store.create(KEY, entry.into())).await;
        let term = taken.ok()?.ok()?;
        // Whatever stands in the queue now was planned by who had the right to.
        let fence = timeout(PATIENCE, self.shared.last_planned()).await.ok()??;
        let entry = self.entry(term, fence);
        let renewed = timeout(PATIENCE, store.update(KEY, entry.into(), term)).await;
        let revision = renewed.ok()?.ok()?;
        let leader = Leader {
            instance: self.shared.instance.clone(),
            term,
            fence,
        };
        self.leader(leader, true);
        Some((term, revision, sent + LIFE - MARGIN))
    }

    fn entry(&self, term: u64, fence: u64) -> Vec<u8> {
        let entry = Entry {
            instance: self.shared.instance.clone(),
            start: self.shared.start.clone(),
            term,
            fence,
        };
        serde_json::to_vec(&entry).unwrap_or_default()
    }

    /// Leads while renewals come through.
    async fn lead(
        &mut self,
        store: &Store,
        (term, mut revision, mut until): (u64, u64, Instant),
        closed: &CancellationToken,
    ) {
        let fence = self.fence();
        self.standing.send_replace(Standing {
            leads: Some((term, until)),
        });
        (self.tell)(Some(self.last_seen));
        self.state(GroupChange::Leading { term });
        let mut wait = RENEWAL;
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                () = sleep_until(until) => break,
                () = closed.cancelled() => {
                    self.stand_down();
                    // Whoever stands by need not wait for the end of its life.
                    self.give_back(store, revision).await;
                    return;
                }
            }
            let sent = Instant::now();
            let entry = self.entry(term, fence);
            let renewal = store.update(KEY, entry.into(), revision);
            match timeout_at(until.min(sent + PATIENCE), renewal).await {
                Ok(Ok(next)) => {
                    (revision, until) = (next, sent + LIFE - MARGIN);
                    self.standing.send_replace(Standing {
                        leads: Some((term, until)),
                    });
                    self.last_seen = Some(self.shared.clock.now());
                    wait = RENEWAL;
                }
                Ok(Err(error)) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {
                    // A renewal whose answer was lost, or somebody else.
                    match self.own_revision(store, term).await {
                        Some(found) => revision = found,
                        None => break,
                    }
                    wait = Duration::ZERO;
                }
                Ok(Err(_)) | Err(_) => wait = LOOK / 2,
            }
        }
        self.stand_down();
    }

    async fn give_back(&self, store: &Store, revision: u64) {
        let gone = store.delete_expect_revision(KEY, Some(revision));
        drop(timeout(PATIENCE, gone).await);
    }

    /// The revision of the entry, while it is still that of this term.
    async fn own_revision(&self, store: &Store, term: u64) -> Option<u64> {
        let entry = timeout(PATIENCE, store.entry(KEY)).await.ok()?.ok()??;
        let found = read(&entry.value)?;
        (found.start == self.shared.start && found.term == term).then_some(entry.revision)
    }

    fn stand_down(&mut self) {
        self.standing.send_replace(Standing::default());
        self.last_seen = Some(self.shared.clock.now());
        (self.tell)(None);
        self.unknown();
        self.state(GroupChange::StoodDown);
    }

    fn fence(&self) -> u64 {
        let leader = self.shared.board.snapshot().leader;
        leader.map_or(0, |leader| leader.fence)
    }

    /// Somebody is in office; an entry that makes no sense is left to end its life.
    fn seen(&mut self, value: &[u8]) {
        let Some(entry) = read(value) else { return };
        self.last_seen = Some(self.shared.clock.now());
        let leader = Leader {
            instance: entry.instance,
            term: entry.term,
            fence: entry.fence,
        };
        let name = leader.instance.clone();
        // The name may be ours, and the entry that of a start before this one.
        if leader.term > 0 && self.leader(leader, false) {
            self.state(GroupChange::LeaderSeen { instance: name });
        }
    }

    /// Writes down who leads; whether that is news.
    fn leader(&self, leader: Leader, is_leader: bool) -> bool {
        self.shared.board.update(|status| {
            status.leaderless_since = None;
            status.is_leader = is_leader;
            let is_news = self.shared.terms.note(&leader);
            if is_news {
                status.leader_changes += 1;
            }
            status.leader = Some(leader);
            is_news
        })
    }

    /// Nobody is known to lead.
    fn unknown(&self) {
        let now = self.shared.clock.now();
        self.shared.board.update(|status| {
            status.is_leader = false;
            status.leader = None;
            status.leaderless_since.get_or_insert(now);
        });
    }

    fn state(&self, change: GroupChange) {
        let at = self.shared.clock.now();
        let event = Event::GroupChanged { at, change };
        self.shared.observers.state(&event);
    }
}

fn read(value: &[u8]) -> Option<Entry> {
    let entry = serde_json::from_slice::<Entry>(value.get(..value.len().min(LARGEST))?).ok()?;
    (entry.instance.len() <= 256).then_some(entry)
}
