//! The HTTP side of the orchestrator's life: when it is open, where it listens, how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{self, ConfigError, Problem, Settings};
use crate::http::{Listener, Security, Views};

/// How long HTTP requests that are being answered may take at the end.
const HTTP_DRAIN: Duration = Duration::from_millis(500);

/// What protects the HTTP side, or everything that is wrong with the web configuration.
pub(super) fn security(settings: &Settings) -> Result<Arc<Security>, ConfigError> {
    let config = config::web(&settings.web)?;
    let security = Security::new(&config, &settings.web.names).map_err(|problems| {
        let file = settings
            .web
            .file
            .as_deref()
            .unwrap_or("".as_ref())
            .display();
        let problems = problems.into_iter().map(|message| Problem {
            key: "web.config.file".to_owned(),
            message: format!("{file}: {message}"),
        });
        ConfigError {
            problems: problems.collect(),
        }
    })?;
    Ok(Arc::new(security))
}

/// A single run opens its port only when it is asked to.
fn is_listening(settings: &Settings) -> bool {
    !settings.single_run || settings.port_by_flag
}

/// A runtime of its own, so that no reader, and no answer that takes long, keeps the engine from its runs; none when nobody
/// is to listen.
pub(super) fn runtime(settings: &Settings) -> io::Result<Option<Runtime>> {
    if !is_listening(settings) {
        return Ok(None);
    }
    let mut builder = runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(1).thread_name("http");
    builder.enable_all().build().map(Some)
}

/// Binds the address for the runtime that is to answer there, if there is one.
pub(super) fn bind(
    web: Option<&Handle>,
    settings: &Settings,
    security: watch::Receiver<Arc<Security>>,
) -> anyhow::Result<Option<Listener>> {
    let Some(web) = web else { return Ok(None) };
    let address = SocketAddr::new(settings.listen, settings.port);
    let listener = Listener::bind(web, address, security).map_err(|error| {
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
    task: JoinHandle<()>,
}

impl Http {
    pub(super) fn serve(listener: Listener, views: Views) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: listener.serve(views, stop.clone()),
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
