//! What the system asks of us by signals. Refuses to know what a stop takes.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::engine::{Control, Request, Shutdown};

/// Passes every SIGINT and SIGTERM on to `shutdown`, every SIGUSR1 and SIGUSR2 to `control`; each SIGHUP is told by what
/// is returned. Must be called within a tokio runtime.
///
/// # Errors
///
/// The handlers cannot be installed.
pub fn listen(shutdown: &Arc<Shutdown>, control: &Control) -> io::Result<UnboundedReceiver<()>> {
    for (kind, name) in [
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::terminate(), "SIGTERM"),
    ] {
        tokio::spawn(forward(signal(kind)?, name, Arc::clone(shutdown)));
    }
    tokio::spawn(ask(
        signal(SignalKind::user_defined1())?,
        control.clone(),
        || Request::RunNow,
    ));
    tokio::spawn(ask(
        signal(SignalKind::user_defined2())?,
        control.clone(),
        || Request::TogglePause,
    ));
    let (sender, hangups) = unbounded_channel();
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move { while hangup.recv().await.is_some() && sender.send(()).is_ok() {} });
    Ok(hangups)
}

async fn ask(mut signals: Signal, control: Control, request: fn() -> Request) {
    while signals.recv().await.is_some() {
        control.ask(request());
    }
}

async fn forward(mut signals: Signal, name: &'static str, shutdown: Arc<Shutdown>) {
    while signals.recv().await.is_some() {
        shutdown.request(name);
    }
}
