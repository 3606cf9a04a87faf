//! The whole program, as its users meet it: the real binary, real children, real signals, real HTTP.
//!
//! Nothing here knows how the program is made. Every test starts the binary in an empty folder of its own, with an
//! environment that holds only what the test gives, waits for conditions, and has an outer time limit. What a test
//! started is ended by id when it is over, whatever happened.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod api;
mod browser;
mod chromium;
mod collector;
mod command_line;
mod crowds;
mod documents;
mod end_to_end;
mod exposition;
mod history;
mod http;
mod instances;
mod leaving;
mod limits;
mod metrics;
#[path = "../group/nats.rs"]
mod nats;
mod pages;
mod queue;
mod reload;
mod reports;
mod retries;
mod schedules;
mod single_run;
mod soak;
mod supervision;
mod support;
mod traces;
mod web;
