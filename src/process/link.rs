//! The orchestrator's end of the conversation with its spawner. Refuses to know what a run is for.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal as KillSignal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{ForkResult, Pid};
use tokio::io::{AsyncReadExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::limits::Enforcement;
use super::protocol::{self, Report, Request, Start};
use super::reaping::{end_all_children, exited_child};
use super::spawner::SpawnerProcess;
use super::sys;
use crate::domain::Escaped;

/// How long the spawner may take to end everything when it is told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A spawner that was launched and that nobody talks to yet.
#[derive(Debug)]
pub struct SpawnerLink {
    socket: StdUnixStream,
    process: Pid,
}

/// Forks the spawner. Must be called before any thread exists.
///
/// `enforcement` says how runs are bounded. In the spawner itself this never returns: the process ends when its work is done.
pub fn launch(enforcement: Enforcement) -> io::Result<SpawnerLink> {
    let (ours, theirs) = StdUnixStream::pair()?;
    // Should the spawner be killed, its children come to us.
    set_child_subreaper(true)?;
    match sys::fork()? {
        ForkResult::Parent { child } => Ok(SpawnerLink {
            socket: ours,
            process: child,
        }),
        ForkResult::Child => {
            drop(ours);
            let served = SpawnerProcess::new(theirs, enforcement).map(SpawnerProcess::serve);
            sys::exit_now(i32::from(served.is_err()))
        }
    }
}

/// A running spawner. Clones talk to the same one; when the last is dropped, it kills what still runs and ends.
#[derive(Clone)]
pub struct Spawner(Arc<Inner>);

struct Inner {
    socket: Arc<UnixStreamWriter>,
    listeners: Arc<Listeners>,
    next_id: AtomicU64,
    gone: CancellationToken,
    process: Pid,
    reaper: JoinHandle<()>,
}

type UnixStreamWriter = AsyncMutex<tokio::net::unix::OwnedWriteHalf>;
type Listeners = Mutex<HashMap<u64, mpsc::UnboundedSender<Report>>>;

/// One started program, as the spawner speaks of it. Dropped, nobody listens any more.
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    inner: Arc<Inner>,
}

impl Spawner {
    /// Begins to talk to `link`; the receiver tells of processes that were ended and could have been of several runs.
    /// Must be called within a tokio runtime.
    pub fn attach(link: SpawnerLink) -> io::Result<(Self, mpsc::UnboundedReceiver<Escaped>)> {
        link.socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(link.socket)?.into_split();
        let listeners = Arc::new(Listeners::default());
        let gone = CancellationToken::new();
        let (strays, told) = mpsc::unbounded_channel();
        tokio::spawn(listen(reader, Arc::clone(&listeners), strays, gone.clone()));
        let inner = Inner {
            socket: Arc::new(AsyncMutex::new(writer)),
            listeners,
            next_id: AtomicU64::new(1),
            gone,
            process: link.process,
            reaper: tokio::spawn(reap_adopted(signal(SignalKind::child())?, link.process)),
        };
        Ok((Self(Arc::new(inner)), told))
    }

    /// Cancelled when the spawner has ended before us: nothing can be started any more.
    #[must_use]
    pub fn gone(&self) -> &CancellationToken {
        &self.0.gone
    }

    /// Closes the conversation and waits until the spawner, and so every process of every run, is gone.
    pub async fn close(self) {
        let process = self.0.process;
        let socket = Arc::clone(&self.0.socket);
        let end = async {
            // Shutting the writing side down is what the spawner takes for our end, whoever else holds a clone.
            drop(tokio::io::AsyncWriteExt::shutdown(&mut *socket.lock().await).await);
            self.0.gone.cancelled().await;
        };
        if timeout(PATIENCE, end).await.is_err() {
            tracing::error!("o processo que inicia os outros não terminou a tempo e foi morto");
            nix::sys::signal::kill(process, KillSignal::SIGKILL).ok();
        }
        self.0.reaper.abort();
        // Its end of the socket closes while it exits, so this waits for next to nothing.
        if let Err(error) = nix::sys::wait::waitpid(process, None) {
            tracing::debug!(%error, "the spawner was reaped by somebody else");
        }
        // When it was killed, what it had adopted has come to us.
        end_all_children();
    }

    pub(super) async fn start(
        &self,
        mut start: Start,
        streams: [OwnedFd; 2],
    ) -> io::Result<Ticket> {
        let inner = Arc::clone(&self.0);
        start.id = inner.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, reports) = mpsc::unbounded_channel();
        let ticket = Ticket {
            id: start.id,
            reports,
            inner: Arc::clone(&inner),
        };
        lock(&inner.listeners).insert(start.id, sender);
        let frame = protocol::frame(&Request::Start(Box::new(start)))?;
        inner.send(&frame, &streams).await?;
        if inner.gone.is_cancelled() {
            return Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the spawner has ended",
            ));
        }
        Ok(ticket)
    }
}

impl Ticket {
    /// Asks for a signal to the run's group.
    pub(super) async fn signal(&self, signal: KillSignal) -> io::Result<()> {
        let frame = protocol::frame(&Request::Signal {
            id: self.id,
            signal: signal as i32,
        })?;
        self.inner.send(&frame, &[]).await
    }

    /// Ends what nobody is going to wait for. The next attempt bears the same mark, so nothing of this one may be left: true
    /// when that was told within `patience`.
    pub(super) async fn give_up(&mut self, patience: Duration) -> bool {
        let ended = async {
            self.signal(KillSignal::SIGKILL).await?;
            while let Some(Report::Started { .. }) = self.reports.recv().await {}
            io::Result::Ok(())
        };
        matches!(timeout(patience, ended).await, Ok(Ok(())))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.inner.listeners).remove(&self.id);
    }
}

impl Inner {
    /// Writes a frame, with descriptors beside its first byte. Frames never mix.
    async fn send(&self, frame: &[u8], streams: &[OwnedFd]) -> io::Result<()> {
        let writer = self.socket.lock().await;
        let socket: &UnixStream = writer.as_ref();
        let descriptors: Vec<_> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        let mut sent = 0;
        while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
            let rights = [ControlMessage::ScmRights(&descriptors)];
            let control: &[_] = if sent == 0 && !descriptors.is_empty() {
                &rights
            } else {
                &[]
            };
            socket.writable().await?;
            let write = || {
                let buffers = [io::IoSlice::new(rest)];
                Ok(sendmsg::<()>(
                    socket.as_raw_fd(),
                    &buffers,
                    control,
                    MsgFlags::MSG_NOSIGNAL,
                    None,
                )?)
            };
            match socket.try_io(Interest::WRITABLE, write) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// As process 1 of a container, or after the spawner was killed, we adopt orphans: they must not stay as zombies.
async fn reap_adopted(mut ended: Signal, spawner: Pid) {
    while ended.recv().await.is_some() {
        while let Some((pid, _)) = exited_child().filter(|(pid, _)| *pid != spawner) {
            sys::reap(pid).ok();
        }
    }
}

/// Hands every report to who waits for it, until the spawner ends. Then every listener sees the end of its reports.
async fn listen(
    reader: OwnedReadHalf,
    listeners: Arc<Listeners>,
    strays: mpsc::UnboundedSender<Escaped>,
    gone: CancellationToken,
) {
    let mut reader = BufReader::new(reader);
    while let Ok(report) = read_report(&mut reader).await {
        let id = match &report {
            Report::Started { id, .. } | Report::Failed { id, .. } | Report::Ended { id, .. } => {
                *id
            }
            Report::Strays(escaped) => {
                // Nobody listens any more at the very end.
                drop(strays.send(escaped.clone()));
                continue;
            }
        };
        if let Some(listener) = lock(&listeners).get(&id) {
            // The run's future may have been dropped meanwhile.
            drop(listener.send(report));
        }
    }
    gone.cancel();
    lock(&listeners).clear();
}

async fn read_report(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Report> {
    let mut header = [0; 4];
    reader.read_exact(&mut header).await?;
    let mut body = vec![0; protocol::body_length(header)?];
    reader.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
