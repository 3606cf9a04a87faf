//! The real parts around the program: a Prometheus, an Alertmanager, and somebody who is notified.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::files;
use crate::support::{
    LIMIT, Place, Running, command, now, pause, request, try_request, wait_until,
};

/// A server that takes no port 0 that it would tell: a port that was just free is asked for again when it was lost.
fn server(
    name: &str,
    start: impl Fn(SocketAddr) -> std::process::Command,
) -> (Running, SocketAddr) {
    let found = command(name).arg("--version").output();
    found.unwrap_or_else(|_| panic!("{name} is missing; install the Debian package {name}"));
    for _ in 0..5 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut running = Running::start(start(address));
        let began = now();
        while began.elapsed() < LIMIT && !running.has_ended() {
            if try_request(address, "GET", "/-/ready").is_ok_and(|response| response.code == 200) {
                return (running, address);
            }
            pause(Duration::from_millis(50));
        }
    }
    panic!("{name} does not start");
}

/// Alertmanager with the shipped routes and inhibitions, but waiting a second where those wait longer, so that a test can
/// see a notification come and go; it notifies `webhook`.
pub(crate) fn alertmanager(place: &Place, webhook: SocketAddr) -> (Running, SocketAddr) {
    let mut config = String::new();
    for line in files::text("prometheus/alertmanager.yml").lines() {
        let (key, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        let line = match key.split_once(':') {
            Some((key @ ("group_wait" | "group_interval"), _)) => {
                format!("{}{key}: 1s", " ".repeat(indent))
            }
            _ => line.to_owned(),
        };
        config.push_str(&line);
        config.push('\n');
        if key == "- name: operador" {
            config += "    webhook_configs: [{url: 'http://ENDEREÇO/'}]
";
        }
    }
    assert!(config.contains("webhook_configs"), "{config}");
    let config = config.replace("ENDEREÇO", &webhook.to_string());
    let config = place.write("alertmanager.yml", config);
    let storage = place.join("alertmanager");
    server("prometheus-alertmanager", |address| {
        let mut server = command("prometheus-alertmanager");
        server
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", storage.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .env("MARCA_DO_TESTE", place.mark());
        server
    })
}

/// Prometheus with the shipped rules, changed by `change`, that scrapes each second.
pub(crate) fn prometheus(
    place: &Place,
    orchestrator: SocketAddr,
    alertmanager: SocketAddr,
    change: impl Fn(&str) -> String,
) -> (Running, SocketAddr) {
    std::fs::create_dir_all(place.join("rules")).unwrap();
    for name in ["recording", "alerts", "slo", "stack"] {
        let rules = files::text(&format!("prometheus/rules/{name}.yml"));
        place.write(&format!("rules/{name}.yml"), change(&rules));
    }
    server("prometheus", |address| {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules/*.yml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n\
             scrape_configs:\n\
             - {{job_name: orquestrador, static_configs: [{{targets: ['{orchestrator}']}}]}}\n\
             - {{job_name: prometheus, static_configs: [{{targets: ['{address}']}}]}}\n\
             - {{job_name: alertmanager, static_configs: [{{targets: ['{alertmanager}']}}]}}\n"
        );
        let config = place.write("prometheus.yml", config);
        let mut server = command("prometheus");
        server
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .env("MARCA_DO_TESTE", place.mark());
        server
    })
}

/// What an expression came to at each second since `start` (Unix time).
pub(crate) fn range(
    prometheus: SocketAddr,
    expression: &str,
    start: i64,
) -> Result<Vec<Value>, String> {
    let end = jiff::Timestamp::now().as_second() + 1;
    let path = format!(
        "/api/v1/query_range?query={}&start={start}&end={end}&step=1",
        encoded(expression)
    );
    let answer = request(prometheus, "GET", &path).json();
    if answer["status"] == "success" {
        return Ok(answer["data"]["result"].as_array().unwrap().clone());
    }
    Err(answer["error"].as_str().unwrap_or("no answer").to_owned())
}

/// A query as it stands in an address.
fn encoded(promql: &str) -> String {
    let encode = |byte: u8| format!("%{byte:02X}");
    promql.bytes().map(encode).collect::<Vec<_>>().concat()
}

/// Somebody who is notified: keeps every alert of every notification.
pub(crate) struct Webhook {
    pub(crate) address: SocketAddr,
    alerts: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&alerts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(notification) = receive(stream) {
                    let alerts = notification["alerts"].as_array().unwrap();
                    kept.lock().unwrap().extend(alerts.iter().cloned());
                }
            }
        });
        Self { address, alerts }
    }

    /// Waits until an alert of this name with these labels was told as `status`.
    pub(crate) fn wait_for(&self, status: &str, name: &str, labels: &[(&str, &str)]) -> Value {
        let what = format!("{name} {labels:?} {status}");
        wait_until(&what, 2 * LIMIT, || {
            let alerts = self.alerts.lock().unwrap();
            let fits = |alert: &&Value| {
                let has = |(label, value): &(&str, &str)| alert["labels"][label] == *value;
                alert["status"] == status
                    && alert["labels"]["alertname"] == name
                    && labels.iter().all(has)
            };
            alerts.iter().find(fits).cloned()
        })
    }
}

/// Reads one request with a body, and answers 200.
fn receive(stream: TcpStream) -> Option<Value> {
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    reader.into_inner().write_all(answer).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Sends JSON and returns the status line.
pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().to_owned()
}
