//! One request to Directus and what becomes of it: time and size limits, repetition, masking of the token, what each
//! attempt came to. Knows no collection.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::failure::Failure;
use super::request::{ANSWER_LIMIT, Request};
use crate::records::error::RecordsError;
use crate::records::values::{Attempt, RequestResult};

/// How often a request is made at most.
const TRIES: u32 = 4;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What a request may take when we are asked to end.
const LAST_TIMEOUT: Duration = Duration::from_secs(4);
/// What all that are begun then may take; with one that was under way it is less than the default grace period, 10 s.
const LAST_TIME: Duration = Duration::from_secs(5);
/// How often a running request looks whether we are asked to end.
const LOOK: Duration = Duration::from_millis(50);
/// The largest part of an answer that is no JSON and is told.
const TOLD: usize = 200;

/// A Directus at an address, with a token that goes nowhere else.
pub(super) struct Client {
    /// Never dropped: it would wait for a look-up of the host's name, however long that takes.
    runtime: ManuallyDrop<Runtime>,
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    stop: Arc<AtomicBool>,
    /// Whether what is asked now must be done before we end.
    pub(super) is_last: bool,
    /// When the last request must have ended, once we know that we are asked to end.
    end: Option<Instant>,
    attempts: Vec<Attempt>,
}

impl Client {
    /// A client for `url`, which no request leaves; no request is made yet.
    pub(super) fn new(
        (url, token): (&str, &SecretString),
        timeout: Duration,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, RecordsError> {
        let unusable = |reason: String| {
            RecordsError::unavailable(format!("o Directus não pode ser usado: {reason}"))
        };
        let base = base_url(url).ok_or_else(|| unusable("o endereço não é válido".to_owned()))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| unusable("o token tem caracteres que um token não tem".to_owned()))?;
        bearer.set_sensitive(true);
        // Already installed is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .user_agent(concat!("orquestrador/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .referer(false);
        if base.scheme() == "http" {
            // Nobody asks for certificates there, so none are read.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| unusable(told(&error)))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            runtime: ManuallyDrop::new(runtime),
            http,
            base,
            timeout,
            stop,
            is_last: false,
            end: None,
            attempts: Vec::new(),
        })
    }

    /// The address, without anything secret.
    pub(super) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What the requests since the last call came to.
    pub(super) fn take_attempts(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.attempts)
    }

    /// Makes a request, again where that may help, and gives the JSON that came; nothing is null.
    pub(super) fn json(&mut self, request: &Request) -> Result<Value, Failure> {
        self.repeated(request, |bytes| {
            if bytes.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&bytes).map_err(|error| nonsense(&bytes, &error))
        })
    }

    /// Makes a request, again where that may help, and gives the bytes that came.
    pub(super) fn bytes(&mut self, request: &Request) -> Result<Vec<u8>, Failure> {
        self.repeated(request, Ok)
    }

    /// Lets time pass, unless we are asked to end.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Failure> {
        let stop = Arc::clone(&self.stop);
        let is_known = self.is_last && stop.load(Ordering::Relaxed);
        let goes_on = self.runtime.block_on(async {
            tokio::select! {
                () = sleep(time) => true,
                // What must be done is done at once then.
                () = stopped(stop), if !is_known => self.is_last,
            }
        });
        if goes_on {
            Ok(())
        } else {
            Err(Failure::Interrupted)
        }
    }

    fn repeated<T>(
        &mut self,
        request: &Request,
        read: impl Fn(Vec<u8>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            let failure = match self.attempt(request, &read) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if tried == TRIES || !failure.may_pass(request.repeat) {
                return Err(failure);
            }
            // Two that met once should not meet again.
            let jitter = wait.mul_f64(f64::from(uuid::Uuid::now_v7().as_bytes()[15]) / 512.0);
            let asked = failure.retry_after().unwrap_or(wait + jitter);
            let asked = asked.min(LONGEST_WAIT);
            if self.left().is_some_and(|left| left <= asked) {
                return Err(failure);
            }
            self.wait(asked)?;
            wait *= 2;
        }
        Err(Failure::Interrupted)
    }

    /// What is left of the time before our end; none while nobody asks us to end.
    fn left(&mut self) -> Option<Duration> {
        if !self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        let end = *self.end.get_or_insert(now + LAST_TIME);
        Some(end.saturating_duration_since(now))
    }

    /// One request, told in a span and counted.
    ///
    /// When we are asked to end, only what [`Self::is_last`] is begun. A question that is under way is dropped; a change
    /// is waited for, because whether it is carried out decides what is left to do.
    fn attempt<T>(
        &mut self,
        request: &Request,
        read: impl Fn(Vec<u8>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let limit = match self.left() {
            None => self.timeout,
            Some(_) if !self.is_last => return Err(Failure::Interrupted),
            Some(Duration::ZERO) => return Err(Failure::Timeout(LAST_TIME)),
            Some(left) => left.min(LAST_TIMEOUT).min(self.timeout),
        };
        let is_waited_for = self.is_last || request.method != Method::GET;
        let stop = Arc::clone(&self.stop);
        let span = self.span(request);
        let began = Instant::now();
        let exchange = self.exchange(request).instrument(span.clone());
        let answer = self.runtime.block_on(async {
            let late = async {
                stopped(stop).await;
                if !is_waited_for {
                    return Failure::Interrupted;
                }
                sleep(LAST_TIMEOUT).await;
                Failure::Timeout(began.elapsed())
            };
            tokio::select! {
                answer = timeout(limit, exchange) => answer.unwrap_or(Err(Failure::Timeout(limit))),
                failure = late => Err(failure),
            }
        });
        let answer = answer.and_then(read);
        let result = match &answer {
            Ok(_) => RequestResult::Ok,
            Err(failure) => {
                tracing::debug!(request = request.name(), %failure, "request failed");
                span.record("otel.status_code", "ERROR");
                span.record("error.type", failure.result().as_str());
                failure.result()
            }
        };
        self.attempts.push(Attempt {
            result,
            seconds: began.elapsed().as_secs_f64(),
        });
        answer
    }

    /// The names are those of OpenTelemetry's conventions for HTTP clients.
    fn span(&self, request: &Request) -> Span {
        tracing::info_span!(
            "request",
            otel.name = request.method.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = request.method.as_str(),
            http.response.status_code = Empty,
            server.address = self.base.host_str().unwrap_or_default(),
            server.port = self.base.port_or_known_default().unwrap_or_default(),
            url.path = format!("/{}", request.path.join("/")),
        )
    }

    async fn exchange(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder = self.http.request(request.method.clone(), url);
        if let Some((kind, body)) = &request.body {
            builder = builder.header(CONTENT_TYPE, kind).body(body.clone());
        }
        let response = builder.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        Span::current().record("http.response.status_code", status.as_u16());
        let retry_after = retry_after(response.headers());
        let is_success = status.is_success();
        let limit = if is_success {
            request.limit
        } else {
            ANSWER_LIMIT
        };
        let body = read_body(response, limit).await?;
        if is_success {
            return Ok(body);
        }
        Err(Failure::refused(status.as_u16(), &body, retry_after))
    }
}

/// Answers when we are asked to end.
async fn stopped(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        sleep(LOOK).await;
    }
}

async fn read_body(mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
    if let Some(size) = response.content_length().filter(|size| *size > limit) {
        return Err(Failure::TooLarge { size, limit });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        body.extend_from_slice(&chunk);
        let size = body.len() as u64;
        if size > limit {
            return Err(Failure::TooLarge { size, limit });
        }
    }
    Ok(body)
}

/// Why no answer came, or not all of one.
fn lost(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Unreachable(told(error))
    } else {
        Failure::Broken(told(error))
    }
}

/// What an error is at its root, without the address.
fn told(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |it| it.source());
    causes
        .last()
        .map_or_else(|| "erro desconhecido".to_owned(), ToString::to_string)
}

fn nonsense(bytes: &[u8], error: &serde_json::Error) -> Failure {
    let begin = String::from_utf8_lossy(bytes.get(..TOLD.min(bytes.len())).unwrap_or_default());
    let begin = begin.trim_start().to_lowercase();
    if begin.starts_with("<!doctype") || begin.starts_with("<html") {
        return Failure::Nonsense("veio uma página HTML em vez de JSON".to_owned());
    }
    if error.is_eof() {
        return Failure::Nonsense(format!("o JSON está cortado após {} bytes", bytes.len()));
    }
    Failure::Nonsense("o que veio não é JSON".to_owned())
}

/// The time that the server asks to wait: seconds or an instant.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    let now = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let now = rfc2822::parse(now).ok()?.timestamp();
    Duration::try_from(at.duration_since(now)).ok()
}

/// The base address: people copy that of the application's page, too.
fn base_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    // A password in the address would be told wherever the address is.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().to_owned();
    let before_admin = path.split("/admin").next().filter(|_| {
        let mut parts = path.split('/');
        parts.any(|part| part == "admin")
    });
    let path = before_admin
        .unwrap_or(&path)
        .trim_end_matches('/')
        .to_owned();
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cleaned_of_the_applications_page_of_slashes_and_of_passwords() {
        for (given, cleaned) in [
            ("http://host:8055", "http://host:8055/"),
            ("http://host:8055/", "http://host:8055/"),
            ("https://host/admin/", "https://host/"),
            ("https://host/admin/content/versao?x=1#y", "https://host/"),
            ("https://host/directus/admin", "https://host/directus"),
            ("https://host/administracao/", "https://host/administracao"),
            ("https://ana:segredo@host/", "https://host/"),
        ] {
            assert_eq!(base_url(given).expect(given).as_str(), cleaned, "{given}");
        }
        assert_eq!(base_url("ftp://host"), None);
        assert_eq!(base_url("host"), None);
    }

    #[test]
    fn the_time_to_wait_is_read_as_seconds_and_as_an_instant() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let name = reqwest::header::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            retry_after(&pairs.collect())
        };
        assert_eq!(of(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let dates = [
            ("retry-after", "Mon, 02 Mar 2026 12:00:09 GMT"),
            ("date", "Mon, 02 Mar 2026 12:00:00 GMT"),
        ];
        assert_eq!(of(&dates), Some(Duration::from_secs(9)));
        assert_eq!(of(&[("retry-after", "logo")]), None);
    }

    /// A server that gives these answers in turn, one a connection; gives its address and what it was asked.
    fn server(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        use std::io::{Read as _, Write as _};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let thread = std::thread::spawn(move || {
            let serve = |answer: String| {
                let (mut client, _) = listener.accept().expect("a client");
                let mut asked = vec![0; 16 * 1024];
                let length = client.read(&mut asked).expect("a request");
                asked.truncate(length);
                client.write_all(answer.as_bytes()).ok();
                String::from_utf8(asked).expect("text")
            };
            answers.into_iter().map(serve).collect()
        });
        (address, thread)
    }

    fn answer(head: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    }

    fn client(address: &str) -> Client {
        let (token, stop) = ("segredo-7".to_owned().into(), Arc::default());
        Client::new((address, &token), Duration::from_secs(5), stop).expect("a client")
    }

    fn results(client: &mut Client) -> Vec<&'static str> {
        let attempts = client.take_attempts().into_iter();
        attempts.map(|attempt| attempt.result.as_str()).collect()
    }

    #[test]
    fn what_may_pass_is_asked_again_after_the_time_that_the_server_wants_and_each_try_is_counted() {
        let limited = answer("429 Too Many Requests\r\nRetry-After: 1", "");
        let (address, asked) = server(vec![limited, answer("200 OK", "{\"data\":[1]}")]);
        let mut client = client(&address);
        let began = Instant::now();
        let found = client.json(&Request::get(&["items", "a/b"]).query("limit", "1"));
        assert_eq!(found, Ok(serde_json::json!({"data": [1]})));
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(results(&mut client), ["rate_limited", "ok"]);
        let asked = asked.join().expect("a server");
        assert!(
            asked[1].starts_with("GET /items/a%2Fb?limit=1 HTTP/1.1"),
            "{}",
            asked[1]
        );
        assert!(
            asked[1]
                .to_lowercase()
                .contains("authorization: bearer segredo-7"),
            "{}",
            asked[1]
        );
    }

    #[test]
    fn a_redirect_is_not_followed_and_the_token_does_not_leave_the_host() {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        elsewhere.set_nonblocking(true).expect("set");
        let target = elsewhere.local_addr().expect("an address");
        let (address, asked) = server(vec![answer(
            &format!("302 Found\r\nLocation: http://{target}/"),
            "",
        )]);
        let mut client = client(&address);
        let failure = client
            .json(&Request::get(&["items", "versao"]))
            .expect_err("refused");
        assert!(
            matches!(failure, Failure::Refused { status: 302, .. }),
            "{failure:?}"
        );
        assert!(!format!("{failure:?} {failure}").contains("segredo-7"));
        asked.join().expect("a server");
        assert!(
            elsewhere.accept().is_err(),
            "somebody came to where the redirect leads"
        );
    }

    #[test]
    fn more_bytes_than_are_wanted_are_refused_with_and_without_a_told_length() {
        let told = answer("200 OK", &"x".repeat(2000));
        let untold = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
            "x".repeat(2000)
        );
        let (address, asked) = server(vec![told, untold]);
        let mut client = client(&address);
        for _ in 0..2 {
            let mut request = Request::get(&["assets", "1"]);
            request.limit = 1000;
            let refused = client.bytes(&request).expect_err("refused");
            assert!(
                matches!(refused, Failure::TooLarge { limit: 1000, .. }),
                "{refused:?}"
            );
        }
        assert_eq!(results(&mut client), ["too_large", "too_large"]);
        asked.join().expect("a server");
    }

    #[test]
    fn a_wish_to_end_interrupts_a_request_that_nobody_answers() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = client(&format!(
            "http://{}",
            silent.local_addr().expect("an address")
        ));
        let stop = Arc::clone(&client.stop);
        let stopper = std::thread::spawn(move || {
            let held = silent.accept().expect("a client");
            stop.store(true, Ordering::Relaxed);
            (held, Instant::now())
        });
        let interrupted = client.json(&Request::get(&["items"]));
        let (_held, asked) = stopper.join().expect("stopped");
        assert_eq!(interrupted, Err(Failure::Interrupted));
        let took = asked.elapsed();
        assert!(
            took < LAST_TIMEOUT / 2,
            "a question was waited for: {took:?}"
        );
    }

    #[test]
    fn a_change_under_way_is_waited_for_and_then_only_what_must_be_done_is_begun() {
        let slow = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = client(&format!(
            "http://{}",
            slow.local_addr().expect("an address")
        ));
        let stop = Arc::clone(&client.stop);
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut held, _) = slow.accept().expect("a client");
                stop.store(true, Ordering::Relaxed);
                // A client that gave up would have closed it.
                held.set_read_timeout(Some(3 * LOOK)).expect("set");
                while matches!(std::io::Read::read(&mut held, &mut [0; 1024]), Ok(1..)) {}
                std::io::Write::write_all(&mut held, answer("200 OK", "{}").as_bytes())
                    .expect("sent");
            }
            slow
        });
        let change = Request::new(Method::PATCH, &["items", "1"]);
        assert_eq!(client.json(&change), Ok(serde_json::json!({})));
        for request in [&change, &Request::get(&["items"])] {
            assert_eq!(client.json(request), Err(Failure::Interrupted));
        }
        client.is_last = true;
        assert_eq!(
            client.json(&Request::get(&["items"])),
            Ok(serde_json::json!({}))
        );
        let server = server.join().expect("a server");
        server.set_nonblocking(true).expect("set");
        assert!(server.accept().is_err(), "something else was begun");
        assert_eq!(results(&mut client), ["ok", "ok"]);
        client.end = Some(Instant::now());
        assert_eq!(client.json(&change), Err(Failure::Timeout(LAST_TIME)));
    }

    #[test]
    fn its_end_does_not_wait_for_a_name_that_is_still_looked_up() {
        let client = client("http://host.invalid");
        let (found, looked_up) = std::sync::mpsc::channel::<()>();
        // The system's look-up blocks a thread of the runtime like this.
        client.runtime.spawn_blocking(move || looked_up.recv());
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(client);
            ended.send(())
        });
        end.recv_timeout(Duration::from_secs(10)).expect("an end");
        drop(found);
    }

    /// Keeps what spans say of themselves.
    #[derive(Clone, Default)]
    struct Told(Arc<std::sync::Mutex<Vec<String>>>);

    impl tracing::field::Visit for Told {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0
                .lock()
                .expect("a lock")
                .push(format!("{field}={value:?}"));
        }
    }

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Told {
        fn on_new_span(
            &self,
            attributes: &tracing::span::Attributes<'_>,
            _: &tracing::Id,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            attributes.record(&mut self.clone());
        }

        fn on_record(
            &self,
            _: &tracing::Id,
            values: &tracing::span::Record<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            values.record(&mut self.clone());
        }
    }

    #[test]
    fn each_request_is_a_span_with_method_host_and_status() {
        use tracing_subscriber::layer::SubscriberExt as _;

        let (address, asked) = server(vec![answer("404 Not Found", "{}")]);
        let told = Told::default();
        let subscriber = tracing_subscriber::registry().with(told.clone());
        tracing::subscriber::with_default(subscriber, || {
            drop(client(&address).json(&Request::get(&["items", "versao"])));
        });
        asked.join().expect("a server");
        let told = told.0.lock().expect("a lock").clone();
        for field in [
            "http.request.method=\"GET\"",
            "server.address=\"127.0.0.1\"",
            "http.response.status_code=404",
            "error.type=\"not_found\"",
            "url.path=\"/items/versao\"",
        ] {
            assert!(
                told.iter().any(|found| found == field),
                "no {field} in {told:?}"
            );
        }
        assert!(!told.join(" ").contains("segredo-7"));
    }
}
