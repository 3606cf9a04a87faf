//! The address that is listened on and the connections that come: how many, how slow, encrypted or not. Refuses to know
//! what is answered.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::crowd::{Busy, Crowd, Seat, room};
use super::door::{Door, Security};
use super::tls::Tls;
use super::{Views, feed, router, seeding};
use crate::telemetry::metrics::{Metrics, Refused};

/// The time from one request's end to the next one's whole head; longer than a usual scrape interval.
const HEAD: Duration = Duration::from_secs(20);
/// The time that TLS may take to be agreed.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The time that a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(20);
/// Bytes and headers of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// Connections that the system holds for us until they are taken.
const BACKLOG: u32 = 1024;
/// How long to wait when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// A bound address that nobody serves yet.
pub struct Listener {
    runtime: Handle,
    socket: TcpListener,
    door: Door,
    /// The bound address, with the real port.
    pub address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. `security` is looked at for every connection and every request. Answers
    /// are made on `runtime`.
    ///
    /// # Errors
    ///
    /// The address is taken, or not ours.
    pub fn bind(
        runtime: &Handle,
        address: SocketAddr,
        security: watch::Receiver<Arc<Security>>,
    ) -> io::Result<Self> {
        let _context = runtime.enter();
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // Else an orchestrator that starts again would wait for the connections of the one before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Self {
            runtime: runtime.clone(),
            socket,
            door: Door::new(security, address.ip().is_loopback()),
            address,
        })
    }

    /// Whether connections are encrypted, as things stand now.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.door.security().tls.is_some()
    }

    /// Answers until `stop` is cancelled, then finishes the requests that are being answered.
    pub fn serve(self, views: Views, stop: CancellationToken) -> JoinHandle<()> {
        self.runtime.clone().spawn(self.answer(views, stop))
    }

    async fn answer(self, views: Views, stop: CancellationToken) {
        let door = Arc::new(self.door);
        let metrics = Arc::clone(&views.metrics);
        let views = Arc::new(views);
        tokio::spawn(seeding::seed(Arc::clone(&views)));
        tokio::spawn(feed::run(Arc::clone(&views), stop.clone()));
        let host = Host {
            router: router(views, Arc::clone(&door)),
            door,
            metrics,
            stop,
        };
        let crowd = Crowd::new(room());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = host.stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => match crowd.enter() {
                        Some(seat) => {
                            connections.spawn(host.clone().receive(stream, seat));
                        }
                        None => host.metrics.refuse_connection(Refused::Crowded),
                    },
                    Err(error) => tired(&error).await,
                }
            }
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }
}

/// A connection that broke before it was taken is nothing; without descriptors or memory only time helps.
async fn tired(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        tracing::warn!("nenhuma conexão nova: {error}");
        tokio::time::sleep(EXHAUSTED).await;
    }
}

type Stream = Pin<Box<TimeoutStream<TcpStream>>>;

/// What every connection is served with.
#[derive(Clone)]
struct Host {
    router: Router,
    door: Arc<Door>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Host {
    /// One connection, from its first byte to its last.
    async fn receive(self, stream: TcpStream, seat: Arc<Seat>) {
        let _open = self.metrics.open_connection();
        // Small answers must not wait for more to come.
        stream.set_nodelay(true).ok();
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(STALL));
        let given_up = seat.given_up.clone();
        let refused = tokio::select! {
            refused = self.greet(stream, &seat) => refused,
            () = given_up.cancelled() => Some(Refused::Crowded),
        };
        if let Some(refused) = refused {
            self.metrics.refuse_connection(refused);
        }
    }

    async fn greet(&self, stream: Stream, seat: &Arc<Seat>) -> Option<Refused> {
        let security = self.door.security();
        match &security.tls {
            None => self.converse(stream, seat).await,
            // What encryption needs is large; plain connections must not pay for it.
            Some(tls) => Box::pin(self.encrypt(tls, stream, seat)).await,
        }
    }

    async fn encrypt(&self, tls: &Tls, stream: Stream, seat: &Arc<Seat>) -> Option<Refused> {
        let agreed = tokio::select! {
            agreed = tokio::time::timeout(HANDSHAKE, tls.acceptor.accept(stream)) => agreed,
            () = self.stop.cancelled() => return None,
        };
        match agreed {
            Ok(Ok(stream)) if tls.is_welcome(stream.get_ref().1) => {
                self.converse(stream, seat).await
            }
            _ => Some(Refused::Handshake),
        }
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        seat: &Arc<Seat>,
    ) -> Option<Refused> {
        let service = hyper::service::service_fn(|request| self.answer(request, seat));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_headers(HEADERS)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        let is_slow = ended.is_err_and(|error| error.is_timeout());
        is_slow.then_some(Refused::Slow)
    }

    fn answer(
        &self,
        request: hyper::Request<Incoming>,
        seat: &Arc<Seat>,
    ) -> impl Future<Output = Result<hyper::Response<Body>, Infallible>> + use<> {
        let busy = seat.busy();
        let request: Request = request.map(Body::new);
        let answer = self.router.clone().call(request);
        async move {
            let response = answer.await?;
            Ok(response.map(|body| Body::new(Answer { body, _busy: busy })))
        }
    }
}

/// The body of an answer; its connection is busy as long as it lives.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
