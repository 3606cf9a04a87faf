//! The connection to NATS: made, made again, and whether it stands. Refuses to know what goes over it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, ServerError};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::streams::Known;
use crate::config::{DistributionSettings, NatsCredentials};
use crate::domain::{Clock, Event, GroupBoard, GroupChange, Observers};

/// A request that has no answer after this time has none.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at a connection that says nothing; two that miss are its end.
const PING: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(500);

/// The connection, whichever stands now. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Link {
    current: watch::Receiver<Option<Client>>,
    up: watch::Receiver<bool>,
    pub(super) faults: Faults,
    /// The streams that were seen over it.
    pub(super) known: Arc<Known>,
}

/// Tells whether the connection stands, once for each change.
struct Teller {
    up: watch::Sender<bool>,
    faults: Faults,
    known: Arc<Known>,
}

impl Teller {
    fn tell(&self, is_up: bool) {
        let at = self.faults.clock.now();
        if is_up {
            self.faults.connected();
            // A server that was away may have lost what it had.
            self.known.forget();
        }
        let is_news = self.up.send_replace(is_up) != is_up;
        if !is_news {
            return;
        }
        self.faults.board.update(|status| {
            status.is_connected = is_up;
            status.connection_since = Some(at);
            if !is_up {
                status.waiting = None;
            }
        });
        let change = if is_up {
            GroupChange::Connected
        } else {
            self.faults.lost();
            GroupChange::Disconnected
        };
        self.faults
            .observers
            .state(&Event::GroupChanged { at, change });
    }

    /// The server complains about something that was sent.
    fn hear(&self, error: &ServerError) {
        tracing::debug!(%error, "NATS");
        match error {
            ServerError::AuthorizationViolation => self.faults.refused(),
            // A subject that the user may not use. All else is followed by the end of the connection.
            ServerError::Other(text) if is_about_permissions(text) => {
                self.faults.denied("permissions", text);
            }
            ServerError::Other(_) | ServerError::SlowConsumer(_) => {}
        }
    }

    /// The library could not make the connection anew, and says so by the words of the error's kind alone.
    fn hear_of_return(&self, text: &str) {
        tracing::debug!(text, "no connection to NATS");
        if text == ConnectErrorKind::AuthorizationViolation.to_string() {
            self.faults.refused();
        }
    }
}

fn is_about_permissions(text: &str) -> bool {
    text.to_ascii_lowercase()
        .starts_with("permissions violation")
}

impl Link {
    /// Connects, and goes on trying until `closed`; the end of a connection is told like its beginning.
    pub(super) fn open(
        settings: &DistributionSettings,
        known: (&GroupBoard, &Observers, &Clock),
        closed: CancellationToken,
    ) -> Self {
        let (sender, current) = watch::channel(None);
        let (up, is_up) = watch::channel(false);
        let (faults, streams) = (Faults::new(known), Arc::<Known>::default());
        let teller = Arc::new(Teller {
            up,
            faults: faults.clone(),
            known: Arc::clone(&streams),
        });
        let settings = settings.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = keep(&settings, &sender, &teller) => {}
                () = closed.cancelled() => {}
            }
        });
        Self {
            current,
            up: is_up,
            faults,
            known: streams,
        }
    }

    /// `JetStream` over the connection; waits for the first one.
    pub(super) async fn jetstream(&self) -> Option<Context> {
        let mut current = self.current.clone();
        let client = current.wait_for(Option::is_some).await.ok()?.clone()?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        Some(context)
    }

    /// The same, if there was a connection before.
    pub(super) fn client(&self) -> Option<Client> {
        self.current.borrow().clone()
    }

    /// Whether the connection stands.
    pub(super) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until the connection stands; false when it never will again.
    pub(super) async fn wait_until_up(&self) -> bool {
        let mut up = self.up.clone();
        up.wait_for(|is_up| *is_up).await.is_ok()
    }
}

/// Connects for ever. The library makes lost connections anew by itself; what it gives up is begun again here.
async fn keep(
    settings: &DistributionSettings,
    current: &watch::Sender<Option<Client>>,
    teller: &Arc<Teller>,
) {
    loop {
        let ended = CancellationToken::new();
        let options = options(settings, Arc::clone(teller), ended.clone());
        match options.connect(&settings.servers).await {
            Ok(client) => {
                current.send_replace(Some(client));
                teller.tell(true);
                ended.cancelled().await;
                teller.tell(false);
            }
            Err(error) => {
                // The text may name the server, never a password.
                tracing::debug!(%error, "no connection to NATS");
                if is_refusal(error.kind()) {
                    teller.faults.refused();
                } else {
                    teller.faults.unreachable();
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether the server answers, and does not want this instance.
fn is_refusal(kind: ConnectErrorKind) -> bool {
    matches!(
        kind,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation
    )
}

fn options(
    settings: &DistributionSettings,
    teller: Arc<Teller>,
    ended: CancellationToken,
) -> ConnectOptions {
    let options = match &settings.credentials {
        NatsCredentials::None => ConnectOptions::new(),
        NatsCredentials::User { user, password } => ConnectOptions::with_user_and_password(
            user.clone(),
            password.expose_secret().to_owned(),
        ),
        NatsCredentials::Token(token) => {
            ConnectOptions::with_token(token.expose_secret().to_owned())
        }
    };
    options
        .name("orquestrador")
        .ping_interval(PING)
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .reconnect_delay_callback(|attempts| {
            let tenths = u64::try_from(attempts).unwrap_or(10).min(10);
            Duration::from_millis(100 * tenths)
        })
        .event_callback(move |event| {
            match event {
                async_nats::Event::Connected => teller.tell(true),
                async_nats::Event::Disconnected => teller.tell(false),
                async_nats::Event::Closed => ended.cancel(),
                async_nats::Event::ServerError(error) => teller.hear(&error),
                async_nats::Event::ClientError(ClientError::Other(text)) => {
                    teller.hear_of_return(&text);
                }
                async_nats::Event::LameDuckMode
                | async_nats::Event::Draining
                | async_nats::Event::SlowConsumer(_)
                | async_nats::Event::ClientError(_) => {
                    tracing::debug!(%event, "NATS");
                }
            }
            std::future::ready(())
        })
}
