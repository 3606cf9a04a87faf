//! The documents' store in a real Directus, with a least-privilege token: what every store does, the whole main job,
//! faults on the way and in the middle, several orchestrators, the check, the import.
//!
//! `make test-directus` installs what is needed (`.ci/directus`) and runs it; without that every test here is skipped
//! and says so. Servers listen on loopback ports of their own and are ended by their ids.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "../records/mod.rs"]
mod behaviour;
mod faults;
mod group;
mod job;
mod proxy;
mod server;
mod store;
mod world;
