//! How the engine is asked to stop, or for something else while it runs. Refuses to know where the wish comes from.

use std::sync::OnceLock;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use crate::domain::Difference;

/// The wish to stop, in two steps: nothing new starts and children get SIGTERM; then SIGKILL.
#[derive(Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first request.
    pub requested: CancellationToken,
    /// Cancelled once everybody was told of the first: from here on runs end, so that no end is told before its reason.
    pub told: CancellationToken,
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

/// What can be asked of the loop while it runs.
#[derive(Debug)]
pub enum Request {
    /// A main cycle now.
    RunNow,
    /// No planned start happens until this is asked for again.
    TogglePause,
    /// Plans from now on; instants of patterns since then have been missed while nobody planned.
    Lead {
        /// When somebody was last known to plan; none when nobody ever was.
        since: Option<Timestamp>,
    },
    /// Plans no more until it is to lead again: what comes meanwhile is another instance's to start or to miss.
    StandBy,
    /// These settings from now on, and what they change.
    Reload(Box<(Plan, Difference)>),
}

/// Asks the loop for something. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Control(UnboundedSender<Request>);

/// The loop's end of a [`Control`].
#[derive(Debug)]
pub struct Requests(pub(super) UnboundedReceiver<Request>);

impl Control {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Requests) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), Requests(receiver))
    }

    /// Asks; a loop that has ended does not hear it.
    pub fn ask(&self, request: Request) {
        self.0.send(request).ok();
    }
}
