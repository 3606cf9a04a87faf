//! The readers of facts that operators look at: console, log, metrics and their text, reports of processors, traces. Refuses to know why a fact came about.

pub mod console;
mod cumulative;
pub mod detached;
pub mod exposition;
pub mod log;
pub mod log_counts;
pub mod metrics;
mod names;
pub mod reference;
mod reports;
#[cfg(test)]
mod sink;
pub mod traces;
mod words;

pub use reports::backlog_of;
