//! A real Chromium behind Debian's chromedriver: started for one test, ended by id with everything that it started.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::{LIMIT, Place, Running, command, now, pause, wait_until};

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
];

/// A browser that looks at one service.
pub(crate) struct Browser {
    pub(crate) client: Client,
    address: String,
    driver: Driver,
}

/// The process of chromedriver, which ends its browser when it is ended.
struct Driver {
    child: Child,
    _folder: Place,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser carries the mark of the folder, and goes with it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A command of chromedriver that is in no standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Starts a browser; panics with what to install when there is none.
    pub(crate) async fn open(running: &Running) -> Self {
        let folder = Place::new();
        let log = folder.join("chromedriver.log");
        let file = File::create(&log).unwrap();
        let mut driver = command("chromedriver");
        let driver = driver
            .arg("--port=0")
            .env("HOME", folder.path())
            .env("MARCA_DO_TESTE", folder.mark())
            .stdout(file)
            .stderr(Stdio::null());
        let child = driver.spawn().unwrap_or_else(|error| {
            panic!(
                "chromedriver: {error}; install what .ci/pacotes names: chromium chromium-driver"
            )
        });
        let driver = Driver {
            child,
            _folder: folder,
        };
        let port = wait_until("chromedriver's port", LIMIT, || port_in(&log));
        let profile = log.with_file_name("perfil");
        Self {
            client: connect(&port, &profile).await,
            address: format!("http://{}", running.address()),
            driver,
        }
    }

    /// Loads the page at `path`.
    pub(crate) async fn go(&self, path: &str) {
        let address = format!("{}{path}", self.address);
        self.client.goto(&address).await.unwrap();
    }

    /// What a script returns; `{}` is put round it.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script returns something that is true.
    pub(crate) async fn wait_for(&self, script: &str) -> Value {
        let start = now();
        loop {
            let found = self.client.execute(script, Vec::new()).await;
            // While a page is loaded anew there is nothing to ask.
            let found = found.unwrap_or(Value::Null);
            if !matches!(found, Value::Null | Value::Bool(false)) && found != "" {
                return found;
            }
            if start.elapsed() > LIMIT {
                let page = self.ask("return document.documentElement.outerHTML").await;
                panic!("after {LIMIT:?} still waiting for {script:?} in {page}");
            }
            pause(std::time::Duration::from_millis(50));
        }
    }

    /// A command of the `DevTools` protocol.
    pub(crate) async fn devtools(&self, name: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": name, "params": parameters });
        self.extension("goog/cdp/execute", body).await
    }

    async fn extension(&self, path: &'static str, body: Value) -> Value {
        let answer = self.client.issue_cmd(Extension { path, body }).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What pages complained of since this was last asked.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        let console = self.extension("se/log", json!({ "type": "browser" })).await;
        let entries = console.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .cloned()
            .collect()
    }

    /// Ends the browser; panics if a page complained, or asked anybody else for anything.
    pub(crate) async fn close(self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "{complaints:#?}");
        let log = self
            .extension("se/log", json!({ "type": "performance" }))
            .await;
        let requests: Vec<_> = log.as_array().unwrap().iter().filter_map(request).collect();
        assert!(!requests.is_empty(), "no request was seen: {log}");
        let is_foreign = |address: &&String| !address.starts_with(&self.address);
        let foreign: Vec<_> = requests.iter().filter(is_foreign).collect();
        assert!(foreign.is_empty(), "requests to others: {foreign:?}");
        self.client.close().await.unwrap();
        drop(self.driver);
    }
}

/// The address of a request that a line of the performance log tells of.
fn request(entry: &Value) -> Option<String> {
    let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let message = &message["message"];
    let is_request = message["method"] == "Network.requestWillBeSent";
    let address = message["params"]["request"]["url"].as_str()?;
    let is_page = message["params"]["documentURL"]
        .as_str()
        .is_some_and(|url| url.starts_with("http"));
    (is_request && is_page).then(|| address.to_owned())
}

fn port_in(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let (_, rest) = text.split_once("started successfully on port ")?;
    let (port, _) = rest.split_once('\n')?;
    Some(port.trim_end_matches('.').to_owned())
}

async fn connect(port: &str, profile: &Path) -> Client {
    let mut flags: Vec<_> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    flags.push(format!("--user-data-dir={}", profile.display()));
    let wishes = json!({
        "goog:chromeOptions": { "args": flags },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    let Value::Object(wishes) = wishes else {
        unreachable!("an object")
    };
    ClientBuilder::new(HttpConnector::new())
        .capabilities(wishes)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap()
}
