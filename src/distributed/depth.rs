//! How many runs wait, and since when the oldest of them does.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use jiff::Timestamp;
use tokio::time::sleep;

use super::Shared;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Looks for ever.
pub(super) async fn watch(shared: Shared) {
    loop {
        let depth = if shared.link.is_up() {
            look(&shared).await
        } else {
            None
        };
        shared.board.update(|status| {
            status.waiting = depth.map(|(waiting, _)| waiting);
            status.oldest = depth.and_then(|(_, oldest)| oldest);
        });
        sleep(LOOK).await;
    }
}

async fn look(shared: &Shared) -> Option<(u64, Option<Timestamp>)> {
    let queue = shared.queue().await?;
    let name = shared.names.consumer();
    let consumer = queue.get_consumer::<pull::Config>(&name).await.ok()?;
    let info = consumer.cached_info();
    if info.num_pending == 0 {
        return Some((0, None));
    }
    let next = info.delivered.stream_sequence + 1;
    let subject = shared.names.plans();
    let oldest = queue
        .raw_message_builder()
        .sequence(next)
        .next_by_subject(subject)
        .send()
        .await;
    let at = oldest
        .ok()
        .and_then(|message| Timestamp::from_second(message.time.unix_timestamp()).ok());
    Some((info.num_pending, at))
}
