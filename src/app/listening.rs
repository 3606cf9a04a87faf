//! The HTTP side of the orchestrator's life: when it is open, where it listens, how it ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::http::{Listener, Views};

/// How long HTTP requests that are being answered may take at the end.
const HTTP_DRAIN: Duration = Duration::from_millis(500);

/// A single run opens its port only when it is asked to.
pub(super) fn is_listening(settings: &Settings) -> bool {
    !settings.single_run || settings.port_by_flag
}

/// Binds the address, unless nobody is to listen.
pub(super) async fn bind(settings: &Settings) -> anyhow::Result<Option<Listener>> {
    if !is_listening(settings) {
        return Ok(None);
    }
    let address = SocketAddr::new(settings.listen, settings.port);
    let listener = Listener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "a porta já está em uso; escolha outra com --porta, ou 0 para uma livre".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "sem permissão para esta porta; escolha outra com --porta".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "o endereço não é desta máquina; escolha outro com --escutar".to_owned()
            }
            _ => error.to_string(),
        };
        anyhow::anyhow!("não foi possível escutar em {address}: {reason}")
    })?;
    Ok(Some(listener))
}

/// The HTTP side while it is open.
pub(super) struct Http {
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Http {
    pub(super) fn serve(listener: Listener, views: Views) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: tokio::spawn(listener.serve(views, stop.clone())),
            stop,
        }
    }

    /// Requests that are being answered get a moment; whoever holds a connection open does not hold us.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(HTTP_DRAIN, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}
