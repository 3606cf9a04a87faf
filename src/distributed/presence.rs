//! Who is there: each instance says so every two seconds, less often in large groups, and whoever misses five is forgotten.
//!
//! It is said on a plain subject and kept nowhere: what is older than seconds is worth nothing, so there is nothing to
//! replicate, and a subscription comes back with the connection.

use std::pin::pin;
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Shared;
use crate::domain::{Member, ProcessorName};

/// Between two signs of life, and for each instance that hears them: all hear all, so what goes over the wire grows with
/// the square of their number unless large groups say it less often.
const BEAT: Duration = Duration::from_secs(2);
const BEAT_OF_EACH: Duration = Duration::from_millis(20);
/// Whoever was silent for so many of them is gone.
const SILENT_BEATS: i32 = 5;
/// The largest sign of life, bytes, and the most instances and runs that are shown.
const LARGEST: usize = 64 * 1024;
const MOST_MEMBERS: usize = 1000;
const MOST_RUNS: usize = 200;

/// A sign of life.
#[derive(Debug, Serialize, Deserialize)]
struct Sign {
    version: u8,
    instance: String,
    start: String,
    host: String,
    slots: u64,
    since: Timestamp,
    running: Vec<(String, String)>,
}

const VERSION: u8 = 1;

/// Says that this instance is there, and listens to the others, for ever.
pub(super) async fn run(shared: Shared, host: String, since: Timestamp) {
    let mut beat = pin!(sleep(Duration::ZERO));
    loop {
        if !shared.link.wait_until_up().await {
            return;
        }
        let Some(client) = shared.link.client() else {
            sleep(BEAT).await;
            continue;
        };
        let Ok(mut signs) = client.subscribe(shared.names.presence("*")).await else {
            sleep(BEAT).await;
            continue;
        };
        loop {
            tokio::select! {
                sign = signs.next() => match sign {
                    Some(message) => hear(&shared, &message),
                    None => break,
                },
                () = &mut beat => {
                    beat.set(sleep(between_beats(forget_silent(&shared))));
                    if shared.link.is_up() {
                        let sign = sign(&shared, &host, since);
                        let subject = shared.names.presence(&shared.instance);
                        drop(client.publish(subject, sign.into()).await);
                    }
                }
            }
        }
    }
}

fn sign(shared: &Shared, host: &str, since: Timestamp) -> Vec<u8> {
    let sign = Sign {
        version: VERSION,
        instance: shared.instance.clone(),
        start: shared.start.clone(),
        host: host.to_owned(),
        slots: shared.slots,
        since,
        running: shared.running.list(MOST_RUNS),
    };
    serde_json::to_vec(&sign).unwrap_or_default()
}

fn hear(shared: &Shared, message: &Message) {
    if message.payload.len() > LARGEST {
        return;
    }
    let Ok(sign) = serde_json::from_slice::<Sign>(&message.payload) else {
        return;
    };
    let is_name = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
    };
    let is_run = |(run, processor): &(String, String)| {
        is_name(run) && ProcessorName::try_from(processor.clone()).is_ok()
    };
    let is_right = sign.version == VERSION
        && is_name(&sign.instance)
        && sign.host.len() <= 256
        && sign.running.len() <= MOST_RUNS
        && sign.running.iter().all(is_run);
    if !is_right {
        return;
    }
    let now = shared.clock.now();
    let is_ours = sign.start == shared.start;
    shared.board.update(|status| {
        if sign.instance == shared.instance && !is_ours {
            status.has_namesake = true;
            return;
        }
        let place = status
            .members
            .binary_search_by(|member| member.name.as_str().cmp(&sign.instance));
        let member = Member {
            name: sign.instance,
            host: sign.host,
            slots: sign.slots,
            running: sign.running,
            since: sign.since,
            seen: now,
        };
        match place {
            Ok(at) => status.members[at] = member,
            Err(at) if status.members.len() < MOST_MEMBERS => status.members.insert(at, member),
            Err(_) => {}
        }
    });
}

/// How long an instance of so many waits until its next sign of life.
fn between_beats(members: usize) -> Duration {
    BEAT.max(BEAT_OF_EACH.saturating_mul(u32::try_from(members).unwrap_or(u32::MAX)))
}

/// How many are left.
fn forget_silent(shared: &Shared) -> usize {
    let now = shared.clock.now();
    shared.board.update(|status| {
        let beat = SignedDuration::try_from(between_beats(status.members.len()));
        let oldest = now - beat.unwrap_or_default() * SILENT_BEATS;
        status.members.retain(|member| member.seen >= oldest);
        status.members.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_group_hears_of_each_all_two_seconds_and_a_large_one_never_takes_more_than_its_share()
    {
        for (members, seconds) in [(0, 2), (1, 2), (100, 2), (200, 4), (1000, 20)] {
            assert_eq!(between_beats(members), Duration::from_secs(seconds));
        }
    }
}
