//! What the system asks of us by signals. Refuses to know what a stop takes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::engine::{Control, Request, Shutdown};

/// SIGHUPs that came before anybody could listen. Without it the first one would end the program.
pub struct EarlyHangups(Arc<AtomicBool>);

impl EarlyHangups {
    /// From now on a SIGHUP is remembered.
    ///
    /// # Errors
    ///
    /// The handler cannot be installed.
    pub fn hold() -> io::Result<Self> {
        let held = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&held))?;
        Ok(Self(held))
    }
}

/// Passes every SIGINT and SIGTERM on to `shutdown`, every SIGUSR1 and SIGUSR2 to `control`; each SIGHUP, also
/// an early one, is told by what is returned. Must be called within a tokio runtime.
///
/// # Errors
///
/// The handlers cannot be installed.
pub fn listen(
    shutdown: &Arc<Shutdown>,
    control: &Control,
    early: &EarlyHangups,
) -> io::Result<UnboundedReceiver<()>> {
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
    if early.0.load(Ordering::Relaxed) {
        sender.send(()).ok();
    }
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
