//! A real Directus on a loopback port of its own, with a copy of the prepared database; ended by its id.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};

/// What the bootstrap gave to the two users, and to the administrator.
pub(crate) const PROCESSOR: &str = "token-do-processador";
pub(crate) const IMPORTER: &str = "token-do-importador";
pub(crate) const ADMINISTRATOR: &str = "token-do-administrador";
/// A busy machine starts it in some ten seconds.
const START: Duration = Duration::from_mins(2);

/// Where `.ci/directus` put what is needed.
fn cache() -> PathBuf {
    let folder = std::env::var_os("ORQUESTRADOR_TEST_DIRECTUS");
    let folder = folder.expect("ORQUESTRADOR_TEST_DIRECTUS: run `make test-directus`");
    let folder = PathBuf::from(folder);
    assert!(
        folder.join("node_modules/directus/cli.js").is_file(),
        "no Directus in {}; run `make test-directus`",
        folder.display()
    );
    folder
}

pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    settings: &'static [(&'static str, &'static str)],
    child: Option<Child>,
    http: Client,
}

#[expect(clippy::disallowed_methods, reason = "real servers live in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "real servers live in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

impl Server {
    /// A Directus with empty collections.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings of its own.
    pub(crate) fn start_with(settings: &'static [(&'static str, &'static str)]) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::Builder::new()
            .prefix("orquestrador-directus-")
            .tempdir()
            .unwrap();
        fs::copy(
            cache().join("preparado/data.db"),
            folder.path().join("data.db"),
        )
        .unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let http = Client::builder()
            .tls_certs_only([])
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        let mut server = Self {
            folder,
            port,
            settings,
            child: None,
            http,
        };
        server.resume();
        server
    }

    /// Starts the process again on the same data and port, and waits until it answers.
    pub(crate) fn resume(&mut self) {
        assert!(self.child.is_none());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        self.child = Some(
            self.command()
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
        let begun = now();
        while !self.is_up() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < START,
                "Directus does not start: {}",
                self.log()
            );
            pause(Duration::from_millis(100));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a real server is a real process")]
    fn command(&self) -> Command {
        let mut command = Command::new("node");
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        command
            .arg(cache().join("node_modules/directus/cli.js"))
            .arg("start")
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        for (name, value) in [
            ("DB_CLIENT", "sqlite3".to_owned()),
            ("DB_FILENAME", path("data.db")),
            ("SECRET", "segredo-de-teste-0123456789abcdef".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", self.port.to_string()),
            ("PUBLIC_URL", self.url()),
            ("STORAGE_LOCATIONS", "local".to_owned()),
            ("STORAGE_LOCAL_ROOT", path("uploads")),
            ("EXTENSIONS_PATH", path("extensions")),
            ("TELEMETRY", "false".to_owned()),
            ("LOG_LEVEL", "error".to_owned()),
        ] {
            command.env(name, value);
        }
        command.envs(self.settings.iter().copied());
        command
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn is_up(&self) -> bool {
        let answer = self.http.get(format!("{}/server/ping", self.url())).send();
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What the administrator is answered; panics when it is refused.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let address = format!("{}{path}", self.url());
        let ask = || {
            let mut request = self
                .http
                .request(method.clone(), &address)
                .bearer_auth(ADMINISTRATOR);
            if let Some(body) = body {
                request = request
                    .header("content-type", "application/json")
                    .body(body.to_string());
            }
            let answer = request.send().unwrap();
            (answer.status(), answer.text().unwrap())
        };
        let (mut status, mut text) = ask();
        for _ in 0..50 {
            // A busy machine puts Directus under pressure, and it says so.
            if status != reqwest::StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            pause(Duration::from_millis(200));
            (status, text) = ask();
        }
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str::<Value>(&text).map_or(Value::Null, |mut answer| answer["data"].take())
    }

    /// Every record of a collection, as the administrator sees them.
    pub(crate) fn items(&self, collection: &str, fields: &str) -> Vec<Value> {
        let base = if collection.starts_with("directus_") {
            format!("/{}", collection.trim_start_matches("directus_"))
        } else {
            format!("/items/{collection}")
        };
        let found = self.ask(
            "GET",
            &format!("{base}?limit=-1&sort=id&fields={fields}"),
            None,
        );
        found.as_array().unwrap().clone()
    }

    /// A person changes a record.
    pub(crate) fn change(&self, collection: &str, id: &str, change: &Value) {
        self.ask("PATCH", &format!("/items/{collection}/{id}"), Some(change));
    }

    /// Takes an optional field away, as if the installation never had it.
    pub(crate) fn drop_field(&self, collection: &str, field: &str) {
        self.ask("DELETE", &format!("/fields/{collection}/{field}"), None);
    }

    /// Takes a permission away from both tokens, or leaves only some fields of it.
    pub(crate) fn restrict(&self, collection: &str, action: &str, fields: Option<&[&str]>) {
        let found = self.ask(
            "GET",
            "/permissions?limit=-1&fields=id,collection,action",
            None,
        );
        for permission in found.as_array().unwrap() {
            // Those without a key are the system's own.
            let is_it = permission["collection"] == collection && permission["action"] == action;
            if !is_it || permission["id"].is_null() {
                continue;
            }
            let path = format!("/permissions/{}", permission["id"]);
            match fields {
                Some(fields) => self.ask("PATCH", &path, Some(&json!({ "fields": fields }))),
                None => self.ask("DELETE", &path, None),
            };
        }
    }
}

impl Drop for Server {
    #[expect(
        clippy::print_stderr,
        reason = "what the server said explains a failed test"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            eprintln!("--- Directus\n{}", log.get(from..).unwrap_or(&log));
        }
        self.kill();
    }
}
