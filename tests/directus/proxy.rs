//! A small HTTP proxy in front of Directus that misbehaves when it is told to: one request a connection, every so many
//! requests a fault.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::server::{now, pause};

/// How a request is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The next connections are refused for a while.
    Refused,
    /// The answer breaks off in the middle of its body.
    Reset,
    /// Nothing is answered; every other time what was asked is carried out all the same.
    BlackHole,
    /// What was asked is carried out and answered when nobody waits for it any more.
    Late,
    /// What is asked with a first line that begins like this is carried out and never answered.
    Hang(&'static str),
    /// The same, answered with a JSON that is cut.
    Cut(&'static str),
    /// What is asked with such a first line is refused as wrong.
    Wrong(&'static str),
    /// An answer with this status, and nothing is carried out.
    Status(u16),
    /// A success whose JSON is cut.
    Truncated,
    /// A success that is a page.
    Page,
}

#[derive(Default)]
struct Rule {
    fault: Option<Fault>,
    every: usize,
}

struct Shared {
    upstream: u16,
    rule: Mutex<Rule>,
    seen: AtomicUsize,
    met: AtomicUsize,
    refusing: Mutex<Option<Instant>>,
    over: AtomicBool,
}

pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::default(),
            seen: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            refusing: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(listener, port, &of_thread));
        Self {
            port,
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on every so many requests meet this fault.
    pub(crate) fn misbehave(&self, fault: Option<Fault>, every: usize) {
        *self.shared.rule.lock().unwrap() = Rule { fault, every };
        self.shared.met.store(0, Ordering::SeqCst);
    }

    /// How many requests met the fault since it was set.
    pub(crate) fn met(&self) -> usize {
        self.shared.met.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn accept(listener: TcpListener, port: u16, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    while !shared.over.load(Ordering::SeqCst) {
        let until = *shared.refusing.lock().unwrap();
        if until.is_some_and(|until| now() < until) {
            listener = None;
            pause(Duration::from_millis(5));
            continue;
        }
        let open = listener.get_or_insert_with(|| TcpListener::bind(("127.0.0.1", port)).unwrap());
        open.set_nonblocking(true).unwrap();
        match open.accept() {
            Ok((client, _)) => {
                client.set_nonblocking(false).unwrap();
                let shared = Arc::clone(shared);
                // What breaks while a fault is played is what was wanted.
                std::thread::spawn(move || drop(serve(client, &shared)));
            }
            Err(_) => pause(Duration::from_millis(1)),
        }
    }
}

fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = read_request(&mut client)?;
    let number = shared.seen.fetch_add(1, Ordering::SeqCst);
    let fault = {
        let rule = shared.rule.lock().unwrap();
        let is_meant = |fault: &Fault| match fault {
            Fault::Hang(begin) | Fault::Cut(begin) | Fault::Wrong(begin) => {
                request.starts_with(begin.as_bytes())
            }
            _ => true,
        };
        rule.fault
            .filter(|fault| number.is_multiple_of(rule.every) && is_meant(fault))
    };
    if fault.is_some() {
        shared.met.fetch_add(1, Ordering::SeqCst);
    }
    match fault {
        None => client.write_all(&forward(shared.upstream, &request)?),
        Some(Fault::Refused) => {
            *shared.refusing.lock().unwrap() = Some(now() + Duration::from_millis(700));
            client.write_all(&forward(shared.upstream, &request)?)
        }
        Some(Fault::Reset) => {
            let answer = forward(shared.upstream, &request)?;
            client.write_all(answer.get(..answer.len() - answer.len() / 4 - 1).unwrap())
        }
        Some(Fault::BlackHole) => {
            if number.is_multiple_of(2) {
                forward(shared.upstream, &request)?;
            }
            pause(Duration::from_secs(4));
            Ok(())
        }
        Some(Fault::Late) => {
            pause(Duration::from_secs(5));
            client.write_all(&forward(shared.upstream, &request)?)
        }
        Some(Fault::Hang(_)) => {
            forward(shared.upstream, &request)?;
            pause(Duration::from_secs(30));
            Ok(())
        }
        Some(fault @ (Fault::Status(_) | Fault::Wrong(_))) => {
            let status = match fault {
                Fault::Status(status) => status,
                _ => 400,
            };
            let body = format!(
                "{{\"errors\":[{{\"message\":\"falha {status} de teste\",\"extensions\":{{\"code\":\"TESTE\"}}}}]}}"
            );
            client
                .write_all(answer(&format!("{status} Teste"), "application/json", &body).as_bytes())
        }
        Some(Fault::Truncated | Fault::Cut(_)) => {
            forward(shared.upstream, &request)?;
            client.write_all(
                answer("200 OK", "application/json", "{\"data\":[{\"id\":1,\"sta").as_bytes(),
            )
        }
        Some(Fault::Page) => {
            let page = "<!DOCTYPE html><html><body>Entre na rede</body></html>";
            client.write_all(answer("200 OK", "text/html", page).as_bytes())
        }
    }
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Head and body of one request, with the wish that the connection ends after it.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap());
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap()).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4 + length.unwrap_or_default();
    while bytes.len() < whole {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap());
    }
    let mut request = format!("{head}\r\nConnection: close\r\n\r\n").into_bytes();
    request.extend_from_slice(bytes.get(end + 4..).unwrap());
    Ok(request)
}

fn forward(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", port))?;
    upstream.set_read_timeout(Some(Duration::from_secs(30)))?;
    upstream.write_all(request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}
