//! What the system asks of us by signals. Refuses to know what a stop takes.

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
    let unused = [
        (SignalKind::hangup(), "SIGHUP"),
        (SignalKind::user_defined1(), "SIGUSR1"),
        (SignalKind::user_defined2(), "SIGUSR2"),
    ];
    for (kind, name) in unused {
        tokio::spawn(refuse(signal(kind)?, name));
    }
    Ok(())
}

/// The default of these would end us without a word, and operators send them to others for a reload or a pause.
async fn refuse(mut signals: Signal, name: &'static str) {
    while signals.recv().await.is_some() {
        tracing::warn!(
            "{name} recebido e ignorado: recarga e pausa não estão disponíveis nesta versão"
        );
    }
}

async fn forward(mut signals: Signal, name: &'static str, shutdown: Arc<Shutdown>) {
    while signals.recv().await.is_some() {
        shutdown.request(name);
    }
}
