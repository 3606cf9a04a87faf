//! Metrics that processors report of themselves: a file per attempt, read strictly, summed over attempts, served beside
//! ours. Files are hostile until proven otherwise: whatever stands in them, ours stay as they are.
//!
//! Counters and histograms are increments of one attempt and are summed; the gauges of an accepted file replace all
//! gauges of its processor. A file is accepted whole or refused whole, but for reserved names and labels, which are left
//! out. See `docs/metrics.md`.

mod assemble;
mod backlog;
mod fault;
mod kept;
mod lines;
#[cfg(test)]
mod tests;

pub(super) use assemble::parse;
pub use backlog::backlog_of;
pub(super) use fault::Fault;
pub(super) use kept::Reports;
