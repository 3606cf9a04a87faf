//! Between an instance and its server: what goes through can be cut without a word to either side.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::pause;

/// A door that can be shut: then nothing comes through, and nobody is told.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            is_cut: Arc::default(),
            is_over: Arc::default(),
        };
        let (is_cut, is_over) = (Arc::clone(&proxy.is_cut), Arc::clone(&proxy.is_over));
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        if let Ok(server) = TcpStream::connect(upstream) {
                            client.set_nonblocking(false).ok();
                            let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                            pump(client, server, (&is_cut, &is_over));
                            pump(ends.1, ends.0, (&is_cut, &is_over));
                        }
                    }
                    Err(_) => pause(Duration::from_millis(5)),
                }
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// From now on nothing comes through, or all of it again.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    (is_cut, is_over): (&Arc<AtomicBool>, &Arc<AtomicBool>),
) {
    let (is_cut, is_over) = (Arc::clone(is_cut), Arc::clone(is_over));
    thread::spawn(move || {
        from.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let mut buffer = [0; 16384];
        while !is_over.load(Ordering::Relaxed) {
            if is_cut.load(Ordering::Relaxed) {
                pause(Duration::from_millis(5));
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    while is_cut.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed) {
                        pause(Duration::from_millis(5));
                    }
                    if to.write_all(buffer.get(..length).unwrap()).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        to.shutdown(std::net::Shutdown::Both).ok();
    });
}
