//! The web configuration file: TLS, users and headers of the HTTP side, in the format of Prometheus' exporter-toolkit.
//! Reads it and every file that it names, within bounds; refuses to know what a certificate or a hash is worth.
//!
//! Source of the format: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretSlice;
use toml::Table;

use super::file::{self, ReadProblem};
use super::problem::{ConfigError, Problems};
use super::table::Section;
use super::value::Parsed;

/// The name under which problems of the file are told.
const KEY: &str = "web.config.file";
/// Headers that the format knows.
const HEADERS: [&str; 5] = [
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
    "Content-Security-Policy",
];

/// Where the web configuration is, and the names by which the service may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSettings {
    /// The web configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// Names of this service besides `localhost` and loopback addresses, in lower case.
    pub names: Vec<String>,
}

/// What the web configuration file says, with the content of the files that it names.
#[derive(Debug, Default)]
pub struct WebConfig {
    /// How connections are encrypted; none for plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Headers that every answer gets.
    pub headers: Vec<(String, String)>,
    /// Users and the bcrypt hashes of their passwords; empty for no login.
    pub users: Vec<(String, String)>,
}

/// How connections are encrypted.
pub struct TlsConfig {
    /// The certificate and its chain, PEM.
    pub certificate: Vec<u8>,
    /// The key of the certificate, PEM.
    pub key: SecretSlice<u8>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The certificates that sign those of clients, PEM.
    pub client_ca: Option<Vec<u8>>,
    /// One of these must stand among the subject alternative names of a client's certificate; empty for any.
    pub client_names: Vec<String>,
    /// Whether TLS 1.2 may be spoken.
    pub allows_tls12: bool,
    /// Whether TLS 1.3 may be spoken.
    pub allows_tls13: bool,
    /// Names of the suites of TLS 1.2 that may be used, as Go spells them; empty for all.
    pub cipher_suites: Vec<String>,
    /// Names of the curves that may be used, as Go spells them; empty for all.
    pub curves: Vec<String>,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsConfig")
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
}

/// What is asked of clients; those policies of the format that verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate.
    None,
    /// A certificate that was given must be valid.
    VerifyIfGiven,
    /// A valid certificate.
    Require,
}

/// Reads the web configuration; without a file, all is open.
///
/// # Errors
///
/// Every problem of the file and of those that it names, at once.
pub fn web(settings: &WebSettings) -> Result<WebConfig, ConfigError> {
    let mut problems = Problems::default();
    let config = settings
        .file
        .as_deref()
        .and_then(|path| read(path, &mut problems));
    problems.finish(config.unwrap_or_default())
}

fn read(path: &Path, problems: &mut Problems) -> Option<WebConfig> {
    let text = file::read_text(path).map_err(|error| said(path, &error));
    let text = problems.check(KEY, text)?;
    let table = problems.check(KEY, parse(path, &text))?;
    let mut root = Section::new(table, path.display().to_string(), problems);
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = WebConfig {
        tls: root
            .section("tls_server_config")
            .map(|section| tls(section, folder)),
        headers: root
            .section("http_server_config")
            .map(http)
            .unwrap_or_default(),
        users: users(&mut root),
    };
    root.finish(&["rate_limit"]);
    Some(config)
}

/// YAML's own words may quote the text, which holds hashes and keys: only the place is told.
fn parse(path: &Path, text: &str) -> Parsed<Table> {
    let is_blank = |line: &str| matches!(line.trim(), "" | "---") || line.trim().starts_with('#');
    if text.lines().all(is_blank) {
        return Ok(Table::new());
    }
    serde_saphyr::from_str(text).map_err(|error: serde_saphyr::Error| {
        let place = error.location().map_or(String::new(), |at| {
            format!(", linha {}, coluna {}", at.line(), at.column())
        });
        format!(
            "{}: não é uma configuração em YAML{place}; esperadas tls_server_config, http_server_config ou basic_auth_users",
            path.display()
        )
    })
}

fn said(path: &Path, error: &ReadProblem) -> String {
    format!("{}: {error}", path.display())
}

/// A file that the configuration names, relative to its own folder.
fn named(section: &mut Section<'_>, key: &'static str, folder: &Path) -> Option<Vec<u8>> {
    let path = folder.join(section.text(key)?);
    match file::read_text(&path) {
        Ok(text) => Some(text.into_bytes()),
        Err(error) => {
            section.problem(key, said(&path, &error));
            None
        }
    }
}

/// PEM from `key`, or from the file that `file_key` names; exactly one of them.
fn pem(
    section: &mut Section<'_>,
    (key, file_key): (&'static str, &'static str),
    folder: &Path,
) -> Option<Vec<u8>> {
    let has_both = section.has(key) && section.has(file_key);
    let inline = section.text(key).map(String::into_bytes);
    let read = named(section, file_key, folder);
    if has_both {
        section.problem(file_key, format!("esperada só uma: {key} ou {file_key}"));
    }
    inline.or(read)
}

fn tls(mut section: Section<'_>, folder: &Path) -> TlsConfig {
    for keys in [["cert", "cert_file"], ["key", "key_file"]] {
        if let [inline, file] = keys
            && !section.has(inline)
            && !section.has(file)
        {
            section.problem(file, "falta; esperado o caminho de um arquivo PEM");
        }
    }
    let certificate = pem(&mut section, ("cert", "cert_file"), folder);
    let key = pem(&mut section, ("key", "key_file"), folder);
    let client_auth = section.parsed("client_auth_type", client_auth);
    let client_ca = pem(&mut section, ("client_ca", "client_ca_file"), folder);
    let client_auth = client_auth.unwrap_or(ClientAuth::None);
    match (client_auth, &client_ca) {
        (ClientAuth::Require | ClientAuth::VerifyIfGiven, None) => section.problem(
            "client_ca_file",
            "falta ou não pôde ser lido; client_auth_type exige os certificados que assinam os dos clientes",
        ),
        (ClientAuth::None, Some(_)) => section.problem(
            "client_auth_type",
            "client_ca_file só vale com VerifyClientCertIfGiven ou RequireAndVerifyClientCert",
        ),
        _ => {}
    }
    let least = section.parsed("min_version", version).unwrap_or(2);
    let most = section.parsed("max_version", version).unwrap_or(3);
    if least > most {
        section.problem("min_version", "é maior do que max_version");
    }
    let config = TlsConfig {
        certificate: certificate.unwrap_or_default(),
        key: key.unwrap_or_default().into(),
        client_auth,
        client_ca,
        client_names: section.texts("client_allowed_sans").unwrap_or_default(),
        allows_tls12: least == 2,
        allows_tls13: most == 3,
        cipher_suites: section.texts("cipher_suites").unwrap_or_default(),
        curves: section.texts("curve_preferences").unwrap_or_default(),
    };
    // Go decides the order by itself today; the key stays for files that have it.
    section.boolean("prefer_server_cipher_suites");
    section.finish(&[]);
    config
}

fn client_auth(text: &str) -> Parsed<ClientAuth> {
    match text {
        "" | "NoClientCert" => Ok(ClientAuth::None),
        "VerifyClientCertIfGiven" => Ok(ClientAuth::VerifyIfGiven),
        "RequireAndVerifyClientCert" => Ok(ClientAuth::Require),
        "RequestClientCert" | "RequireAnyClientCert" => Err(format!(
            "{text:?} aceita qualquer certificado e nada prova; esperado RequireAndVerifyClientCert"
        )),
        _ => Err(format!(
            "{text:?} não é conhecido; esperado NoClientCert, VerifyClientCertIfGiven ou RequireAndVerifyClientCert"
        )),
    }
}

/// The minor version of TLS 1.
fn version(text: &str) -> Parsed<u8> {
    match text {
        "TLS12" => Ok(2),
        "TLS13" => Ok(3),
        _ => Err(format!("{text:?} não é oferecida; esperado TLS12 ou TLS13")),
    }
}

fn http(mut section: Section<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if let Some(mut given) = section.section("headers") {
        for name in HEADERS {
            if let Some(value) = given.text(name) {
                headers.push((name.to_owned(), value));
            }
        }
        given.finish(&[]);
    }
    // Whether HTTP/2 is spoken is up to both sides; here it is not.
    section.boolean("http2");
    section.finish(&[]);
    headers
}

fn users(root: &mut Section<'_>) -> Vec<(String, String)> {
    let given = root.table("basic_auth_users").unwrap_or_default();
    let mut users = Vec::new();
    for (name, hash) in given {
        let problem = if name.is_empty() || name.contains(':') {
            Some("não é um nome de usuário; esperado um texto sem ':'")
        } else if !hash.as_str().is_some_and(is_hash) {
            Some(
                "não é um hash bcrypt; esperado por exemplo o que htpasswd -nBC 10 usuario escreve",
            )
        } else {
            None
        };
        match problem {
            Some(problem) => root
                .problems()
                .add(format!("basic_auth_users.{name}"), problem),
            None => users.push((name, hash.as_str().unwrap_or_default().to_owned())),
        }
    }
    users
}

/// `$2b$10$`, 22 characters of salt and 31 of hash; 2a, 2x and 2y are older spellings of 2b.
fn is_hash(text: &str) -> bool {
    let parts: Vec<_> = text.split('$').collect();
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'/');
    let ["", "2a" | "2b" | "2x" | "2y", cost, rest] = parts[..] else {
        return false;
    };
    let cost = cost.parse().ok().filter(|_| cost.len() == 2);
    cost.is_some_and(|cost: u8| (4..=31).contains(&cost))
        && rest.len() == 53
        && rest.bytes().all(is_letter)
}
