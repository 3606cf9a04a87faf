//! The seam between the engine and whatever runs a processor.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::{CancelReason, RunResult, RunStart};

/// How one run is asked to stop before its time.
#[derive(Debug, Clone)]
pub struct RunStop {
    /// End it, with grace.
    pub requested: CancellationToken,
    /// End it now.
    pub forced: CancellationToken,
    /// What to say about it then.
    pub reason: CancelReason,
}

/// Runs a processor now and tells how it ended.
///
/// Implemented by a local process, by a scripted runner in tests, and by any later way to run elsewhere.
pub trait Runner: Send + Sync + 'static {
    /// Makes one attempt, counted from 1, to run `start.spec`. When `stop` asks for it, ends it early and answers with a cancellation.
    ///
    /// What can be prepared may be prepared at once, but nothing is started before `ready`, which ends soon. What it gives is
    /// run to its end while the attempt runs, or when it could not be started: it tells the beginning, and nothing of
    /// the attempt is told before. After the answer nothing of the attempt is left.
    fn run(
        &self,
        start: &Arc<RunStart>,
        attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> impl Future<Output = RunResult> + Send;
}
