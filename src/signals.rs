//! What the system asks of us: SIGINT and SIGTERM. Refuses to know what a stop takes.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::Shutdown;

/// Passes every SIGINT and SIGTERM on to `shutdown`. Must be called within a tokio runtime.
///
/// # Errors
///
/// The handlers cannot be installed.
pub fn listen(shutdown: &Arc<Shutdown>) -> io::Result<()> {
    for (kind, name) in [
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::terminate(), "SIGTERM"),
    ] {
        tokio::spawn(forward(signal(kind)?, name, Arc::clone(shutdown)));
    }
    Ok(())
}

async fn forward(mut signals: Signal, name: &'static str, shutdown: Arc<Shutdown>) {
    while signals.recv().await.is_some() {
        shutdown.request(name);
    }
}
