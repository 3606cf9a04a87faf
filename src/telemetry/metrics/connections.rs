//! HTTP connections: how many are open, and why some were closed by us.

use std::sync::Arc;

use prometheus::proto::MetricFamily;

use super::super::names;
use super::filling::{Filling, number, single};
use super::{Metrics, locked};

/// Why a connection was closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There was no room for it.
    Crowded,
    /// No whole request came in time.
    Slow,
    /// TLS was not agreed.
    Handshake,
}

impl Refused {
    /// Every reason with its label.
    const ALL: [(Self, &'static str); 3] = [
        (Self::Crowded, "crowded"),
        (Self::Slow, "slow"),
        (Self::Handshake, "handshake"),
    ];
}

#[derive(Default)]
pub(super) struct Connections {
    open: u64,
    /// In the order of [`Refused::ALL`].
    refused: [u64; Refused::ALL.len()],
}

impl Connections {
    pub(super) fn families(&self) -> [MetricFamily; 2] {
        let mut refused = Filling::new(&names::HTTP_REFUSED);
        for ((_, label), count) in Refused::ALL.iter().zip(&self.refused) {
            refused.count(&[label], *count);
        }
        [
            single(&names::HTTP_CONNECTIONS, number(self.open)),
            refused.into_family(),
        ]
    }
}

/// A connection that is counted as open.
pub struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        locked(&self.0.state).itself.connections.open -= 1;
    }
}

impl Metrics {
    /// A connection is open until what is returned is dropped.
    #[must_use]
    pub fn open_connection(self: &Arc<Self>) -> OpenConnection {
        locked(&self.state).itself.connections.open += 1;
        OpenConnection(Arc::clone(self))
    }

    /// Counts a connection that was closed by us.
    pub fn refuse_connection(&self, why: Refused) {
        let mut state = locked(&self.state);
        for ((reason, _), count) in Refused::ALL
            .iter()
            .zip(&mut state.itself.connections.refused)
        {
            *count += u64::from(*reason == why);
        }
    }
}
