//! Who is there: each instance says so every two seconds, and whoever is silent for ten is forgotten.
//!
//! It is said on a plain subject and kept nowhere: what is older than seconds is worth nothing, so there is nothing to
//! replicate, and a subscription comes back with the connection.

use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::domain::{Member, ProcessorName};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// Whoever was silent for this long is gone.
const SILENCE: SignedDuration = SignedDuration::from_secs(10);
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
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if !shared.link.wait_until_up().await {
            return;
        }
        let Some(client) = shared.link.client() else {
            beat.tick().await;
            continue;
        };
        let Ok(mut signs) = client.subscribe(shared.names.presence("*")).await else {
            beat.tick().await;
            continue;
        };
        loop {
            tokio::select! {
                sign = signs.next() => match sign {
                    Some(message) => hear(&shared, &message),
                    None => break,
                },
                _ = beat.tick() => {
                    forget_silent(&shared);
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

fn forget_silent(shared: &Shared) {
    let oldest = shared.clock.now() - SILENCE;
    shared.board.update(|status| {
        status.members.retain(|member| member.seen >= oldest);
    });
}
