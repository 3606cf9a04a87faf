//! A place to start the program in, the program while it runs, and what it left when it ended.

mod client;
mod dice;
mod processes;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use client::{Response, request, request_with, try_request};
pub(crate) use dice::{Dice, rounds};
pub(crate) use processes::{children, descendants, marked, zombies_below};

/// No condition in these tests takes longer than this unless the program is wrong.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const ADDRESS_LINE: &str = "📡 Monitoramento: http";

/// Looks until `look` finds something; panics with `what` when `limit` has passed.
pub(crate) fn wait_until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < limit,
            "after {limit:?} still waiting for: {what}"
        );
        pause(Duration::from_millis(10));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real processes live in real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets real time pass: between two looks at a condition, or to choose the moment of a signal.
#[expect(
    clippy::disallowed_methods,
    reason = "real processes live in real time"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// A command that these tests start themselves; its environment holds a search path and nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test is a real process"
)]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .stdin(Stdio::null());
    command
}

/// An entry `[[processador]]`; `more` are further lines of TOML.
pub(crate) fn processor(name: &str, words: &[&str], more: &str) -> String {
    let words = serde_json::to_string(words).unwrap();
    format!("[[processador]]\nnome = \"{name}\"\ncomando = {words}\n{more}\n")
}

/// A folder of its own, in which the program is started, and the mark of everything that is started in it.
pub(crate) struct Place {
    dir: TempDir,
    mark: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("orquestrador-")
            .tempdir()
            .unwrap();
        let mark = dir.path().file_name().unwrap().to_str().unwrap().to_owned();
        Self { dir, mark }
    }

    /// A place whose `orquestrador.toml` is `text`.
    pub(crate) fn with_config(text: &str) -> Self {
        let place = Self::new();
        place.write("orquestrador.toml", text);
        place
    }

    /// The word that marks a process as started from here, in its environment or among its arguments.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// An executable file; returns its absolute path as text.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.join(name).exists()
    }

    pub(crate) fn wait_for_file(&self, name: &str) {
        wait_until(&format!("the file {name}"), LIMIT, || {
            self.has(name).then_some(())
        });
    }

    /// Every file below `name` ("." for all), relative to the place, sorted.
    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.join(name)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(
                        path.strip_prefix(self.path())
                            .unwrap()
                            .display()
                            .to_string(),
                    );
                }
            }
        }
        found.sort();
        found
    }

    /// The program with these arguments, not yet started.
    pub(crate) fn program(&self, arguments: &[&str]) -> Launch {
        let mut command = command(env!("CARGO_BIN_EXE_orquestrador"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("MARCA_DO_TESTE", &self.mark);
        Launch { command }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.program(arguments).run()
    }

    /// The program as a service on a free port, with these further arguments.
    pub(crate) fn service(&self, arguments: &[&str]) -> Running {
        let arguments = [&["--porta", "0"], arguments].concat();
        self.program(&arguments).start()
    }

    /// The program as a service on a free port, started by a shell that says `limits` first.
    pub(crate) fn limited_service(&self, limits: &str) -> Running {
        let program = env!("CARGO_BIN_EXE_orquestrador");
        let mut command = command("sh");
        command
            .args(["-c", &format!("{limits}; exec {program} --porta 0")])
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("MARCA_DO_TESTE", &self.mark);
        Running::start(command)
    }

    /// Everything alive that was started from here, each with its id and command line.
    pub(crate) fn survivors(&self) -> Vec<(Pid, String)> {
        marked(&self.mark)
    }

    /// Panics unless nothing that was started from here is alive.
    #[track_caller]
    pub(crate) fn assert_nothing_is_alive(&self) {
        let survivors = self.survivors();
        assert!(survivors.is_empty(), "still alive: {survivors:#?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for _ in 0..20 {
            let survivors = self.survivors();
            if survivors.is_empty() {
                return;
            }
            for (pid, _) in survivors {
                kill(pid, Signal::SIGKILL).ok();
            }
            pause(Duration::from_millis(10));
        }
    }
}

/// The program before its start.
pub(crate) struct Launch {
    command: Command,
}

impl Launch {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(self) -> Running {
        Running::start(self.command)
    }

    pub(crate) fn run(self) -> Finished {
        self.start().wait()
    }
}

/// A stream of a process, read by a thread as it comes.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    enough: Arc<AtomicBool>,
    stalled: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Stream {
    fn read(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let enough = Arc::new(AtomicBool::new(false));
        let stalled = Arc::new(AtomicBool::new(false));
        let (sink, stop, stall) = (
            Arc::clone(&bytes),
            Arc::clone(&enough),
            Arc::clone(&stalled),
        );
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while !stop.load(Ordering::Relaxed)
                && let Ok(length @ 1..) = source.read(&mut buffer)
            {
                sink.lock()
                    .unwrap()
                    .extend_from_slice(buffer.get(..length).unwrap());
                while stall.load(Ordering::Relaxed) {
                    pause(Duration::from_millis(5));
                }
            }
        });
        Self {
            bytes,
            enough,
            stalled,
            reader,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

/// A started program; killed by its id when dropped.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let started = now();
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}",
                command.get_program().display()
            )
        });
        let stdout = Stream::read(child.stdout.take().unwrap());
        let stderr = Stream::read(child.stderr.take().unwrap());
        Self {
            child,
            started,
            stdout,
            stderr,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Peak resident memory so far, bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Closes our end of its stdout after the next thing that it says.
    pub(crate) fn close_stdout(&self) {
        self.stdout.enough.store(true, Ordering::Relaxed);
    }

    /// Reads its stdout no more, or again; our end stays open.
    pub(crate) fn stall_stdout(&self, stalled: bool) {
        self.stdout.stalled.store(stalled, Ordering::Relaxed);
    }

    /// Reads its stderr no more, or again. Stalled, it is full to the last byte.
    pub(crate) fn stall_stderr(&self, stalled: bool) {
        self.stderr.stalled.store(stalled, Ordering::Relaxed);
        if stalled {
            let path = format!("/proc/{}/fd/2", self.pid());
            let mut options = fs::OpenOptions::new();
            // Opened anew, so that the program's own writes go on waiting.
            let mut pipe = options
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path)
                .unwrap();
            let mut full_looks = 0;
            // The reader takes once more what is there before it stalls.
            wait_until("a full pipe", LIMIT, || {
                let is_full = pipe.write(b"\n").is_err();
                full_looks = if is_full { full_looks + 1 } else { 0 };
                while pipe.write(&[b'\n'; 4096]).is_ok() {}
                while pipe.write(b"\n").is_ok() {}
                (full_looks > 10).then_some(())
            });
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until a line of stdout contains `words`.
    pub(crate) fn wait_for_line(&self, words: &str) -> String {
        wait_until(&format!("a line with {words:?}"), LIMIT, || {
            let stdout = self.stdout();
            stdout
                .lines()
                .find(|line| line.contains(words))
                .map(str::to_owned)
        })
    }

    /// The address that the start line prints.
    pub(crate) fn address(&self) -> SocketAddr {
        wait_until("the line that prints the address", LIMIT, || {
            let stdout = self.stdout();
            let (_, rest) = stdout.split_once(ADDRESS_LINE)?;
            let (address, _) = rest.split_once('\n')?;
            let (_, address) = address.split_once("://")?;
            Some(address.trim().trim_end_matches('/').parse().unwrap())
        })
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        request(self.address(), "GET", path)
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/status").json()
    }

    /// Polls `/status` until `find` finds something in it.
    pub(crate) fn wait_for_status<T>(&self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        wait_until(what, LIMIT, || find(&self.status()))
    }

    /// Waits until at least `count` cycles have ended, and returns the status that says so.
    pub(crate) fn wait_for_cycles(&self, count: u64) -> Value {
        self.wait_for_status(&format!("{count} cycles"), |status| {
            let cycles = status.get("ciclos_executados")?.as_u64()?;
            (cycles >= count).then(|| status.clone())
        })
    }

    /// Waits for the end; panics when it does not come, or when somebody holds the output open after it.
    pub(crate) fn wait(self) -> Finished {
        self.wait_within(LIMIT)
    }

    pub(crate) fn wait_within(mut self, limit: Duration) -> Finished {
        let pid = self.pid();
        let status = wait_until("the end of the program", limit, || {
            self.child.try_wait().unwrap()
        });
        let elapsed = self.started.elapsed();
        wait_until(
            "the end of the program's output",
            Duration::from_secs(5),
            || (self.stdout.reader.is_finished() && self.stderr.reader.is_finished()).then_some(()),
        );
        Finished {
            pid,
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            elapsed,
        }
    }

    /// Asks for a graceful stop and waits for it.
    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::SIGTERM);
        self.wait()
    }
}

impl Drop for Running {
    #[expect(
        clippy::print_stderr,
        reason = "what the program said explains a failed test"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "--- stdout\n{}\n--- stderr\n{}",
                self.stdout(),
                self.stderr()
            );
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A program that has ended, and everything it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pid: Pid,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
}

impl Finished {
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{self}");
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, words: &str) {
        assert!(
            self.stdout.contains(words),
            "stdout lacks {words:?}\n{self}"
        );
    }

    #[track_caller]
    pub(crate) fn assert_silent_about(&self, words: &str) {
        let found = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(!found, "{words:?} was said\n{self}");
    }

    #[track_caller]
    pub(crate) fn assert_complains(&self, words: &str) {
        assert!(
            self.stderr.contains(words),
            "stderr lacks {words:?}\n{self}"
        );
    }

    /// The lines of a JSON log; panics when a line is not one object.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("not a JSON object: {line}\n{self}"),
        };
        self.stdout.lines().map(parse).collect()
    }

    /// How the run of a processor ended, by the JSON log: outcome and reason.
    #[track_caller]
    pub(crate) fn outcome(&self, processor: &str) -> (String, String) {
        let events = self.events();
        let is_end = |event: &&Value| {
            event["processor"] == *processor && event.get("outcome").is_some_and(Value::is_string)
        };
        let Some(end) = events.iter().rfind(is_end) else {
            panic!("no line says how {processor} ended\n{self}")
        };
        let text = |key: &str| end[key].as_str().unwrap_or_default().to_owned();
        (text("outcome"), text("reason"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            pid: _,
            status,
            stdout,
            stderr,
            elapsed,
        } = self;
        write!(
            out,
            "{status} after {elapsed:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
