//! One hundred secrets of many shapes, told by children in every way that children have: nobody who reads the
//! orchestrator sees anything of one. The heart of each is a word of letters that no encoding changes, so a piece of it
//! that appears anywhere was not masked, however it was spelled.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(
    dead_code,
    unused_imports,
    reason = "these tests need a part of what others share"
)]
mod orchestrator {
    pub(crate) mod support;
}

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status};

use orchestrator::support::{LIMIT, Launch, Place, processor, try_request, wait_until};

const COUNT: usize = 100;
const SHAPES: usize = 10;
/// The length of a heart, and of the pieces of it that nobody may see.
const HEART: usize = 24;
const PIECE: usize = 8;
/// What every script says at its end, so that it is known to have been heard.
const END: &str = "fim-da-fala";

/// A variable whose value nobody is to see.
#[derive(Debug, Clone)]
struct Secret {
    number: usize,
    variable: String,
    value: String,
    hearts: Vec<String>,
}

/// Letters that look random and are the same in every run.
struct Letters(u64);

impl Letters {
    fn heart(&mut self) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut letter = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            char::from(letters[usize::try_from(self.0 >> 33).unwrap() % letters.len()])
        };
        (0..HEART).map(|_| letter()).collect()
    }
}

/// All of them: of every ten one of each shape, by turns configured, inherited under a telling name, and marked.
fn secrets() -> Vec<Secret> {
    let mut letters = Letters(0x0005_eed0_fa11_5ec8);
    let mut before = String::new();
    let make = |number: usize| {
        let first = letters.heart();
        let mut hearts = vec![first.clone()];
        let mut more = |letters: &mut Letters| {
            let heart = letters.heart();
            hearts.push(heart.clone());
            heart
        };
        let value = match number % SHAPES {
            0 => first.clone(),
            1 => format!("uma frase {first} com espaços"),
            2 => format!("\"aspas\" e '{first}' \"\""),
            3 => format!("C:\\{first}\\nova\\\\"),
            4 => format!("ção€{first}日本🔑"),
            5 => {
                let lines: Vec<_> = (0..4).map(|_| more(&mut letters) + "+/=").collect();
                let lines = lines.join("\n");
                format!(
                    "-----BEGIN PRIVATE KEY-----\n{first}\n{lines}\n-----END PRIVATE KEY-----\n"
                )
            }
            6 => format!("{first}/+=&?#% x"),
            7 => first.clone() + &(0..200).map(|_| more(&mut letters)).collect::<String>(),
            8 => format!("{before}-{first}"),
            _ => format!("\t{first}\u{1}\u{1f}x "),
        };
        if number.is_multiple_of(SHAPES) {
            before.clone_from(&first);
        }
        let variable = match number % 3 {
            0 => format!("S{number}_TOKEN"),
            1 => format!("S{number}_SENHA"),
            _ => format!("S{number}_COMUM"),
        };
        Secret {
            number,
            variable,
            value,
            hearts,
        }
    };
    (0..COUNT).map(make).collect()
}

impl Secret {
    /// Marked ones are configured and inherited by turns.
    fn is_configured(&self) -> bool {
        self.number.is_multiple_of(3) || self.number % 6 == 2
    }

    fn is_marked(&self) -> bool {
        self.number % 3 == 2
    }
}

/// Finds pieces of secrets.
struct Detector {
    secrets: Vec<Secret>,
    pieces: HashMap<Vec<u8>, usize>,
}

impl Detector {
    fn new(secrets: &[Secret]) -> Self {
        let mut pieces = HashMap::new();
        for secret in secrets {
            for heart in &secret.hearts {
                for piece in heart.as_bytes().windows(PIECE) {
                    pieces.insert(piece.to_vec(), secret.number);
                }
            }
        }
        Self {
            secrets: secrets.to_vec(),
            pieces,
        }
    }

    /// The secrets of which there is a piece in `bytes`, each with the surroundings of the first.
    fn find(&self, bytes: &[u8]) -> BTreeMap<usize, String> {
        let mut found = BTreeMap::new();
        for (at, window) in bytes.windows(PIECE).enumerate() {
            if let Some(number) = self.pieces.get(window) {
                let around = at.saturating_sub(60)..(at + 60).min(bytes.len());
                let excerpt = || String::from_utf8_lossy(&bytes[around]).into_owned();
                found.entry(*number).or_insert_with(excerpt);
            }
        }
        found
    }

    /// Panics when any of `seen`, each with the name of who sees it, holds a piece of a secret.
    #[track_caller]
    fn assert_nothing_in(&self, seen: &[(String, Vec<u8>)]) {
        let mut leaks = Vec::new();
        for (name, bytes) in seen {
            for (number, excerpt) in self.find(bytes) {
                let variable = &self.secrets[number].variable;
                leaks.push(format!(
                    "{name}: {variable}, shape {}: {excerpt:?}",
                    number % SHAPES
                ));
            }
        }
        let first: Vec<_> = leaks.iter().take(12).collect();
        assert!(
            leaks.is_empty(),
            "{} leaks, of them: {first:#?}",
            leaks.len()
        );
    }
}

/// An OTLP receiver over gRPC that keeps all that it is sent, as text.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<String>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let text = format!("{:?}\n", request.into_inner());
        self.0.lock().unwrap().push_str(&text);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    /// Listens on a free port of the loopback while the runtime lives.
    fn start() -> (Self, SocketAddr, Runtime) {
        let receiver = Self::default();
        let runtime = Runtime::new().unwrap();
        let listen = tokio::net::TcpListener::bind("127.0.0.1:0");
        let socket = runtime.block_on(listen).unwrap();
        let address = socket.local_addr().unwrap();
        let service = TraceServiceServer::new(receiver.clone());
        let incoming = tonic::transport::server::TcpIncoming::from(socket);
        let mut server = tonic::transport::Server::builder();
        runtime.spawn(server.add_service(service).serve_with_incoming(incoming));
        (receiver, address, runtime)
    }
}

/// A place in which `ways` tell their secrets; each is a name, its command, and further lines of its entry.
struct Telling {
    place: Place,
    secrets: Vec<Secret>,
    names: Vec<String>,
}

impl Telling {
    /// Children that all run `script`, which has `secrets` and the number of its shape; one for each of `shapes`.
    fn script(name: &str, script: &str, shapes: usize, more: &str) -> Self {
        Self::new(|place| {
            let file = place.write("fala.py", format!("{HEAD}{script}{TAIL}"));
            let file = file.to_str().unwrap();
            let words =
                |shape: usize| vec!["python3".to_owned(), file.to_owned(), shape.to_string()];
            let entries =
                (0..shapes).map(|shape| (format!("{name}_{shape}"), words(shape), more.to_owned()));
            entries.collect()
        })
    }

    fn new(ways: impl Fn(&Place) -> Vec<(String, Vec<String>, String)>) -> Self {
        let (place, secrets) = (Place::new(), secrets());
        let marked: Vec<_> = secrets.iter().filter(|secret| secret.is_marked()).collect();
        let marked: Vec<_> = marked.iter().map(|secret| &secret.variable).collect();
        let configured = secrets.iter().filter(|secret| secret.is_configured());
        let pair = |secret: &Secret| format!("{} = {}", secret.variable, quoted(&secret.value));
        let own = format!(
            "ambiente = {{ {} }}\nsegredos = {}\n",
            configured.map(pair).collect::<Vec<_>>().join(", "),
            serde_json::to_string(&marked).unwrap(),
        );
        let mut config = "paralelismo = 4\nintervalo = \"10m\"\n".to_owned();
        let mut names = Vec::new();
        for (name, words, more) in ways(&place) {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            config += &processor(&name, &words, &format!("{own}{more}"));
            names.push(name);
        }
        place.write("orquestrador.toml", config);
        Self {
            place,
            secrets,
            names,
        }
    }

    fn program(&self, arguments: &[&str], collector: SocketAddr) -> Launch {
        let program = self.place.program(&[arguments, &["--verbose"]].concat());
        let program = program
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("http://{collector}"),
            )
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env("RUST_LOG", "warn,orquestrador=trace");
        let inherited = self.secrets.iter().filter(|secret| !secret.is_configured());
        inherited.fold(program, |program, secret| {
            program.env(&secret.variable, &secret.value)
        })
    }

    /// Everything that readers see of one cycle, as a service and as a single run.
    fn seen(&self) -> Vec<(String, Vec<u8>)> {
        let (receiver, collector, _runtime) = Receiver::start();
        let mut seen = Vec::new();
        let running = self.program(&["--porta", "0"], collector).start();
        running.wait_for_cycles(1);
        let address = running.address();
        for path in ["/", "/status", "/logs", "/health", "/metrics"] {
            let body = wait_until(path, LIMIT, || try_request(address, "GET", path).ok());
            seen.push((path.to_owned(), body.body.into_bytes()));
        }
        let service = running.stop();
        let single = self
            .program(&["--single-run", "--log-format", "json"], collector)
            .run();
        for (name, finished) in [("service", &service), ("single run", &single)] {
            seen.push((
                format!("stdout of the {name}"),
                finished.stdout.clone().into_bytes(),
            ));
            seen.push((
                format!("stderr of the {name}"),
                finished.stderr.clone().into_bytes(),
            ));
        }
        for file in self.place.files("dados") {
            seen.push((file.clone(), fs::read(self.place.join(&file)).unwrap()));
        }
        seen.push(("history".to_owned(), self.recorded()));
        let spans = receiver.0.lock().unwrap().clone();
        for name in &self.names {
            assert!(spans.contains(&format!("run {name}")), "no span of {name}");
        }
        seen.push(("spans".to_owned(), spans.into_bytes()));
        seen
    }

    /// What `execucao` tells of every run in the history.
    fn recorded(&self) -> Vec<u8> {
        let runs = self.place.run(&["historico", "--json"]).events();
        assert!(!runs.is_empty(), "nothing is recorded");
        let details = |run: &serde_json::Value| {
            let details = self.place.run(&["execucao", run["id"].as_str().unwrap()]);
            details.assert_code(0);
            details.stdout
        };
        runs.iter().map(details).collect::<String>().into_bytes()
    }

    /// Panics when a reader sees anything of a secret, or nothing of what its children said beside it.
    #[track_caller]
    fn assert_kept(&self, beside: &[&str]) {
        self.assert_kept_by(
            &[
                "/logs",
                "history",
                "stdout of the service",
                "stdout of the single run",
            ],
            beside,
        );
    }

    /// The same, where only these readers see what the children said.
    #[track_caller]
    fn assert_kept_by(&self, readers: &[&str], beside: &[&str]) {
        let seen = self.seen();
        for reader in readers {
            let (_, bytes) = seen.iter().find(|(name, _)| name == reader).unwrap();
            let text = String::from_utf8_lossy(bytes);
            for words in beside {
                assert!(text.contains(words), "{reader} lacks {words:?}");
            }
        }
        Detector::new(&self.secrets).assert_nothing_in(&seen);
    }
}

/// A text as a basic string of TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

const HEAD: &str = r#"
import json, os, re, sys, time, urllib.parse
shape = int(sys.argv[1])
found = [(int(m.group(1)), value) for name, value in os.environ.items() if (m := re.match(r"S(\d+)_", name))]
secrets = [value for _, value in sorted(found)]
assert len(secrets) == 100, len(secrets)
def say(text, stream=1):
    data = text.encode() if isinstance(text, str) else text
    while data:
        data = data[os.write(stream, data):]
"#;

const TAIL: &str = r#"
say("\nfim-da-fala\n")
"#;

/// Enough for everything that a script says, so that all of it is shown.
const ALL_OF_IT: &str = "saida = { memoria = \"16MiB\" }";

#[test]
fn secrets_that_are_printed_as_they_are_stay_secret() {
    let script = r#"
for secret in secrets:
    say(secret + "\n")
    say("antes " + secret + " depois\n", 2)
    say("a=" + secret + ";b=" + secret + secret + "\r\n")
"#;
    Telling::script("linhas", script, 1, ALL_OF_IT).assert_kept(&[END, "***"]);
}

#[test]
fn secrets_that_are_printed_as_json_stay_secret() {
    let script = r#"
for secret in secrets:
    say(json.dumps({"texto": "x " + secret + " y"}) + "\n")
    say(json.dumps([secret], ensure_ascii=False) + "\n", 2)
say(json.dumps(secrets, indent=1) + "\n")
"#;
    Telling::script("json", script, 1, ALL_OF_IT).assert_kept(&[END, "***"]);
}

#[test]
fn secrets_that_are_printed_as_parts_of_a_url_stay_secret() {
    let script = r#"
for secret in secrets:
    for text in (urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)):
        say("GET https://exemplo.invalid/" + text + "?x=1\n")
        say("https://usuario:" + text + "@exemplo.invalid\n", 2)
"#;
    Telling::script("url", script, 1, ALL_OF_IT).assert_kept(&[END, "***"]);
}

#[test]
fn secrets_in_the_last_line_stay_secret_also_where_the_summary_is_cut() {
    let script = r#"
secret = secrets[10 + shape]
for stream in (1, 2):
    say("r" * (200 - len(secret) // 2 if shape % 2 else 20) + " resumo " + secret, stream)
sys.exit(shape % 3)
"#;
    Telling::script("resumo", script, SHAPES, "").assert_kept(&["resumo ***"]);
}

#[test]
fn secrets_across_the_end_of_the_longest_line_stay_secret() {
    let script = r#"
for number, secret in enumerate(secrets[30:60]):
    length = len(secret.encode())
    torn = (1, length // 2, length - 1)[number % 3]
    say("x" * (16384 - torn) + secret + "z" * 4096 + "\n", 1 + number % 2)
"#;
    Telling::script("comprida", script, 1, ALL_OF_IT).assert_kept(&[END, "***"]);
}

#[test]
fn secrets_in_an_output_without_line_ends_stay_secret() {
    let script = r#"
for number, secret in enumerate(secrets):
    say("x" * (1000 + 97 * number % 1234) + secret, 1)
    say("y" * (2048 - len(secret) // 8) + secret, 2)
"#;
    Telling::script("sem_fim", script, 1, ALL_OF_IT).assert_kept(&[END, "***"]);
}

#[test]
fn secrets_that_are_written_in_two_parts_stay_secret() {
    let script = r#"
for number, secret in enumerate(secrets):
    data = secret.encode()
    half = 1 + number % (len(data) - 1) if number % 2 else len(data) // 2
    say(b"em dois: " + data[:half], 1 + number % 2)
    time.sleep(0.003)
    say(data[half:] + b"\n", 1 + number % 2)
"#;
    Telling::script("partido", script, 1, ALL_OF_IT).assert_kept(&[END, "em dois: ***"]);
}

#[test]
fn secrets_at_the_edges_of_what_is_kept_of_a_flood_stay_secret() {
    let script = r#"
for stream in (1, 2):
    end = "\n" if stream == 2 else ""
    secret = secrets[20 + shape]
    half = len(secret.encode()) // 2
    flood = ("y" * 99 + (end or "y")) * 300
    last = "\nfim-da-fala\n"
    say("a" * max(0, 4096 - half - 1) + (end or "a") + secret + end + flood, stream)
    say(secret + end + "b" * max(0, 4096 - half - len(end) - len(last)) + last, stream)
os._exit(0)
"#;
    let more = "saida = { memoria = \"4KiB\" }";
    Telling::script("enchente", script, SHAPES, more).assert_kept(&[END]);
}

#[test]
fn secrets_in_what_cannot_be_started_stay_secret() {
    let ways = |_: &Place| {
        let of = |secret: Secret| {
            let (number, value) = (secret.number, secret.value);
            let path = format!("/nao/existe/{value}");
            let argument = format!("--senha={value}");
            [
                (
                    format!("comando_{number}"),
                    vec![path.clone(), argument.clone()],
                    String::new(),
                ),
                (
                    format!("nome_{number}"),
                    vec![value, argument.clone()],
                    String::new(),
                ),
                (
                    format!("pasta_{number}"),
                    vec!["/bin/true".to_owned(), argument],
                    format!("diretorio = {}", quoted(&path)),
                ),
            ]
        };
        secrets()
            .into_iter()
            .skip(30)
            .take(SHAPES)
            .flat_map(of)
            .collect()
    };
    let readers = [
        "/status",
        "stdout of the service",
        "stdout of the single run",
    ];
    Telling::new(ways).assert_kept_by(&readers, &["não foi possível iniciar"]);
}

#[test]
fn secrets_in_files_of_output_stay_secret_also_where_they_are_rotated() {
    let script = r#"
for round in range(4):
    for number, secret in enumerate(secrets):
        say("x" * (number * 37 % 900) + " " + secret + ("\n" if number % 3 else ""), 1 + number % 2)
"#;
    let more = "saida = { arquivo = true, rotacao = \"64KiB\", copias = 3 }";
    let telling = Telling::script("arquivo", script, 1, more);

    telling.assert_kept(&[END]);

    let files = telling.place.files("dados");
    let written: Vec<_> = files
        .iter()
        .filter(|file| file.contains("arquivo_0"))
        .collect();
    assert!(written.len() > 1, "not rotated: {files:?}");
}

#[test]
fn there_are_a_hundred_secrets_and_the_detector_finds_a_piece_of_each_in_every_spelling() {
    let secrets = secrets();
    let detector = Detector::new(&secrets);
    assert_eq!(secrets.len(), COUNT);
    for secret in &secrets {
        let half = secret.value.floor_char_boundary(secret.value.len() / 2);
        let json = serde_json::to_string(&secret.value).unwrap();
        let parts = secret.value.split_at(half);
        for text in [secret.value.as_str(), &json, &format!("{secret:?}")] {
            let found = detector.find(text.as_bytes());
            assert!(found.contains_key(&secret.number), "{text}");
        }
        let torn = [parts.0, parts.1]
            .map(|part| detector.find(part.as_bytes()).contains_key(&secret.number));
        assert!(torn[0] || torn[1], "{parts:?}");
    }
    assert!(detector.find(b"nothing of the kind, ***").is_empty());
}
