//! Several instances of the real program over a real NATS server: who leads, who runs, and what a loss leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "group/cluster.rs"]
mod cluster;
#[path = "group/faults.rs"]
mod faults;
#[path = "group/leaders.rs"]
mod leaders;
#[path = "group/nats.rs"]
mod nats;
#[expect(
    dead_code,
    unused_imports,
    reason = "these tests need a part of what others share"
)]
mod orchestrator {
    pub(crate) mod support;
}
#[path = "group/world.rs"]
mod world;

#[path = "group/partitions.rs"]
mod partitions;
#[path = "group/proxy.rs"]
mod proxy;
#[path = "group/runs.rs"]
mod runs;

use orchestrator::support;
