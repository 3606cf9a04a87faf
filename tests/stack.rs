//! Rules, dashboards and notifications with a real Prometheus and a real Alertmanager that watch real runs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

/// The place, the program, the small HTTP client and the collector of the other tests.
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the program; not all of it is needed here"
)]
mod orchestrator {
    pub(crate) mod collector;
    pub(crate) mod support;
}
#[path = "group/nats.rs"]
mod nats;
mod watch {
    mod chain;
    mod files;
    mod parts;
    mod promql;
    mod queries;
}

use orchestrator::{collector, support};
