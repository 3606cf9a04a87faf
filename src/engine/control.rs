//! How the engine is asked to stop. Refuses to know where the wish comes from.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// The wish to stop, in two steps: nothing new starts and children get SIGTERM; then SIGKILL.
#[derive(Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first request.
    pub requested: CancellationToken,
    /// Cancelled by the second.
    pub forced: CancellationToken,
    first: OnceLock<&'static str>,
    second: OnceLock<&'static str>,
}

impl Shutdown {
    /// Asks for a graceful stop, or, when that was asked for already, for a forced one.
    pub fn request(&self, signal: &'static str) {
        if self.first.set(signal).is_ok() {
            self.requested.cancel();
        } else if self.second.set(signal).is_ok() {
            self.forced.cancel();
        }
    }

    /// The signal of the first request.
    #[must_use]
    pub fn signal(&self) -> Option<&'static str> {
        self.first.get().copied()
    }

    /// The signal of the second request.
    #[must_use]
    pub fn forcing_signal(&self) -> Option<&'static str> {
        self.second.get().copied()
    }
}
