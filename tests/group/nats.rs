//! A NATS server of the test's own: on a free port of this machine, with a store that outlives it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{LIMIT, command, wait_until};

/// The server and its folder.
pub(crate) struct Nats {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    more: Vec<String>,
    server: Option<Child>,
}

impl Nats {
    /// Started, and answering.
    pub(crate) fn start() -> Self {
        let mut nats = Self::stopped(&[]);
        nats.begin();
        nats
    }

    /// Not started yet; `more` are further arguments.
    pub(crate) fn stopped(more: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("orquestrador-nats-")
            .tempdir()
            .unwrap();
        Self {
            folder,
            address: free_address(),
            more: more.iter().map(|&word| word.to_owned()).collect(),
            server: None,
        }
    }

    /// Starts it, again if need be, with what it had stored.
    pub(crate) fn begin(&mut self) {
        self.begin_with(&[]);
    }

    /// The same, with further arguments this time.
    pub(crate) fn begin_with(&mut self, more: &[&str]) {
        let port = self.address.port().to_string();
        let store = self.folder.path().join("dados");
        let log = self.folder.path().join("registro");
        let mut command = command("nats-server");
        command
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(store)
            .arg("-l")
            .arg(log)
            .args(&self.more)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn();
        self.server = Some(server.expect("nats-server can be started"));
        wait_until("NATS to answer", LIMIT, || {
            TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).ok()
        });
    }

    /// Ends it without a word of farewell.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of this machine that nobody uses.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
