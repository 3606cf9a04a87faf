//! The text of what was gathered: formats 0.0.4 and OpenMetrics 1.0, from one encoder. Refuses to know what is counted.
//!
//! One encoder for both, because `le="1"` and `le="1.0"` are different series to Prometheus 2. In OpenMetrics, samples
//! may carry an exemplar; see `exemplars.rs`.

mod encode;
mod exemplars;
mod negotiate;
#[cfg(test)]
mod tests;

pub(super) use encode::encode;
pub(super) use exemplars::{Exemplar, Exemplars, Snapshot};
pub use negotiate::{Format, accepts_gzip};
