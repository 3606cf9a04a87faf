//! What the two document processors do in one run: take what waits, work on it, store what came of it, say how it went.
//!
//! Refuses to know how a run is started, supervised and configured: all of that comes in a [`Context`].

pub mod automatico;
mod clauses;
pub mod context;
pub mod exit;
mod metrics;
pub mod modelo_contrato;
mod reading;
mod summary;
mod work;

pub use context::{Context, ProcessorError, Report};
pub use exit::ProcessorExit;
pub use metrics::WorkMetrics;
