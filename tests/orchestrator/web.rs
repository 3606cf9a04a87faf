//! The HTTP side where others can reach it: TLS, logins, headers, names, and what happens when their file is wrong.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::metrics::{prometheus_with, query};
use crate::support::{LIMIT, Place, processor, request, request_with, wait_until};

const PASSWORD: &str = "abre-te sésamo";

/// Somebody who signs certificates.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for these names and its key, PEM.
fn certificate(issuer: &Issuer<'_, KeyPair>, names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn users() -> String {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    format!("basic_auth_users:\n  ana: {hash}\n")
}

fn login(password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("ana:{password}"));
    format!("Basic {pair}")
}

fn place() -> Place {
    Place::with_config(&processor("bom", &["true"], ""))
}

/// A place with a certificate for this machine, and who signed it.
fn place_with_certificate() -> (Place, Authority) {
    let authority = authority();
    let place = place();
    let (certificate, key) = certificate(&authority, &["localhost", "127.0.0.1"]);
    place.write("servidor.crt", certificate);
    place.write("servidor.key", key);
    place.write("ac.crt", authority.pem());
    (place, authority)
}

const TLS: &str = "tls_server_config:\n  cert_file: servidor.crt\n  key_file: servidor.key\n";

/// The code that `GET /status` gets under the name `host`.
fn code_for(address: SocketAddr, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.get(9..12).unwrap_or_default().to_owned()
}

/// `GET path` over TLS; the whole answer as text.
fn get_tls(
    address: SocketAddr,
    (authority, own): (&str, Option<&(String, String)>),
    path: &str,
    password: &str,
) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
    roots.add(trusted).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut stream = StreamOwned::new(connection, stream);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
        login(password)
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_real_prometheus_scrapes_over_tls_with_basic_auth_and_a_client_certificate() {
    let (place, authority) = place_with_certificate();
    let clients = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ac.crt\n";
    place.write("web.yml", [TLS, clients, &users()].concat());
    let service = place.service(&["--web.config.file", "web.yml"]);
    service.wait_for_line("Monitoramento: https://");
    let (certificate, key) = certificate(&authority, &["prometheus.exemplo"]);
    place.write("cliente.crt", certificate);
    place.write("cliente.key", key);
    let file = |name: &str| place.join(name).display().to_string();
    let scrape = |key: &str| {
        format!(
            "  scheme: https\n  basic_auth: {{username: ana, password: '{PASSWORD}'}}\n  \
             tls_config: {{ca_file: {}, server_name: localhost{key}}}\n",
            file("ac.crt")
        )
    };
    let keys = format!(
        ", cert_file: {}, key_file: {}",
        file("cliente.crt"),
        file("cliente.key")
    );
    let (scraping, address) = prometheus_with(&place, service.address(), &scrape(&keys));
    wait_until("a scrape that came through", LIMIT, || {
        (query(address, "up") == Some(1.0)).then_some(())
    });
    wait_until("a metric of the service", LIMIT, || {
        query(
            address,
            "orquestrador_http_requests_total{code=\"200\",handler=\"/metrics\"}",
        )
    });
    drop(scraping);

    let (_scraping, address) = prometheus_with(&place, service.address(), &scrape(""));
    wait_until("a scrape that was refused", LIMIT, || {
        (query(address, "up") == Some(0.0)).then_some(())
    });
    service.stop().assert_code(0);
}

#[test]
fn without_a_valid_certificate_or_login_nothing_is_answered_and_each_is_counted() {
    let (place, authority) = place_with_certificate();
    let clients = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ac.crt\n  \
                   client_allowed_sans: [\"bia.exemplo\"]\n";
    place.write("web.yml", [TLS, clients, &users()].concat());
    let service = place
        .program(&["--porta", "0"])
        .env("ORQUESTRADOR_WEB_CONFIG_FILE", "web.yml")
        .start();
    let address = service.address();
    let welcome = certificate(&authority, &["bia.exemplo"]);
    let get = |own: Option<&(String, String)>, password| {
        get_tls(address, (&authority.pem(), own), "/metrics", password)
    };
    let is_refused = |answer: io::Result<String>| answer.is_err() || answer.unwrap().is_empty();
    assert!(is_refused(get(None, PASSWORD)), "no certificate");
    let stranger = self::authority();
    let foreign = certificate(&stranger, &["bia.exemplo"]);
    assert!(
        is_refused(get(Some(&foreign), PASSWORD)),
        "signed by a stranger"
    );
    let unwelcome = certificate(&authority, &["eva.exemplo"]);
    assert!(is_refused(get(Some(&unwelcome), PASSWORD)), "another name");
    let wrong = get(Some(&welcome), "errada").unwrap();
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    assert!(
        wrong
            .to_lowercase()
            .contains("www-authenticate: basic realm=\"orquestrador\""),
        "{wrong}"
    );
    assert!(!wrong.contains("orquestrador_"), "{wrong}");
    let right = get(Some(&welcome), PASSWORD).unwrap();
    assert!(right.starts_with("HTTP/1.1 200 "), "{right}");
    for line in [
        "orquestrador_http_connections_refused_total{reason=\"handshake\"} 3",
        "orquestrador_http_requests_total{code=\"401\",handler=\"/metrics\"} 1",
        "orquestrador_http_connections 1",
    ] {
        assert!(right.contains(line), "{line} in {right}");
    }
    service.stop().assert_code(0);
}

#[test]
fn a_wrong_web_configuration_is_told_whole_and_nothing_starts() {
    let place = place();
    place.write("lixo.pem", "lixo");
    let cases = [
        ("", None, "arquivo não encontrado"),
        (
            "a: b: $2y$10$segredo",
            Some("linha 1"),
            "não é uma configuração em YAML",
        ),
        (
            "tls_server_config: {}\nbasic_auth_users: {ana: senha, \"a:b\": x}\noutro: 1\nrate_limit: {}\n",
            Some("tls_server_config.cert_file: falta"),
            "basic_auth_users.ana: não é um hash bcrypt",
        ),
        (
            "tls_server_config:\n  cert_file: nada.crt\n  key_file: lixo.pem\n  min_version: TLS10\n  \
             client_auth_type: RequireAnyClientCert\n",
            Some("tls_server_config.min_version: \"TLS10\""),
            "nada.crt: arquivo não encontrado",
        ),
        (
            "tls_server_config:\n  cert_file: lixo.pem\n  key_file: lixo.pem\n",
            None,
            "cert_file: não contém um certificado em PEM",
        ),
        (
            "http_server_config:\n  headers:\n    X-Outro: a\n",
            None,
            "http_server_config.headers.X-Outro: chave desconhecida",
        ),
    ];
    for (text, more, words) in cases {
        if !text.is_empty() {
            place.write("web.yml", text);
        }
        let ended = place.run(&["--porta", "0", "--web.config.file", "web.yml"]);
        ended.assert_code(2);
        ended.assert_complains(words);
        ended.assert_complains(more.unwrap_or_default());
        ended.assert_silent_about("segredo");
        ended.assert_silent_about("Ciclo");
        let checked = place.run(&["validar"]);
        checked.assert_code(0);
        let file = place
            .program(&["--web.config.file", "web.yml", "validar"])
            .run();
        file.assert_code(1);
        file.assert_complains(words);
    }
    assert!(!place.has("dados"), "nothing was begun");
}

#[test]
fn a_reload_takes_a_new_certificate_and_new_users_and_keeps_the_old_ones_when_they_are_wrong() {
    let (place, first) = place_with_certificate();
    place.write("web.yml", TLS);
    let service = place.service(&["--web.config.file", "web.yml"]);
    let address = service.address();
    let code = |authority: &Authority, password: &str| {
        let answer = get_tls(address, (&authority.pem(), None), "/status", password).ok()?;
        answer.get(9..12).map(str::to_owned)
    };
    assert_eq!(code(&first, "").as_deref(), Some("200"));
    let port = address.port().to_string();
    let healthy = ["--porta", &port, "--web.config.file", "web.yml", "saude"];
    place.run(&healthy).assert_code(0);

    let second = authority();
    let (renewed, key) = certificate(&second, &["localhost"]);
    place.write("servidor.crt", renewed);
    service.signal(Signal::SIGHUP);
    service.wait_for_line("cert_file e key_file não servem juntos");
    assert_eq!(
        code(&first, "").as_deref(),
        Some("200"),
        "the old pair is kept"
    );

    place.write("servidor.key", key);
    place.write("web.yml", [TLS, &users()].concat());
    service.signal(Signal::SIGHUP);
    wait_until("the new certificate", LIMIT, || code(&second, PASSWORD));
    assert_eq!(
        code(&first, PASSWORD),
        None,
        "the old authority is no longer enough"
    );
    assert_eq!(code(&second, PASSWORD).as_deref(), Some("200"));
    assert_eq!(code(&second, "").as_deref(), Some("401"));
    service.stop().assert_code(0);
}

#[test]
fn on_loopback_only_the_names_of_this_machine_are_answered() {
    let place = Place::with_config(
        &[
            "[web]\nnomes = [\"Orq.Exemplo.com.br\"]\n",
            &processor("bom", &["true"], ""),
        ]
        .concat(),
    );
    let service = place.service(&[]);
    let address = service.address();
    let code = |host: &str| code_for(address, host);
    for own in ["localhost", "127.0.0.1:5007", "[::1]", "orq.exemplo.com.br"] {
        assert_eq!(code(own), "200", "{own}");
    }
    for foreign in ["mau.exemplo", "10.0.0.1", "localhost.mau.exemplo"] {
        assert_eq!(code(foreign), "421", "{foreign}");
    }
    service.stop().assert_code(0);
}

#[test]
fn who_listens_in_the_open_is_warned_and_headers_of_the_file_stand_in_every_answer() {
    let place = place();
    let open = place.service(&["--escutar", "0.0.0.0"]);
    open.wait_for_line("sem TLS e sem senha");
    let local = ([127, 0, 0, 1], open.address().port()).into();
    assert_eq!(code_for(local, "qualquer.exemplo"), "200");
    open.stop().assert_code(0);

    place.write(
        "web.yml",
        "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000\n    \
         X-Frame-Options: deny\n",
    );
    let service = place.service(&["--web.config.file", "web.yml"]);
    for (path, code) in [("/status", 200), ("/nada", 404)] {
        let answer = request(service.address(), "GET", path);
        assert_eq!(answer.code, code);
        assert_eq!(
            answer.header("strict-transport-security"),
            "max-age=31536000"
        );
        assert_eq!(answer.header("x-frame-options"), "deny");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    service.stop().assert_silent_about("sem TLS");
}

#[test]
fn no_environment_argument_or_secret_is_answered_anywhere() {
    let place = Place::with_config(&processor(
        "bom",
        &["sh", "-c", "echo \"vi $MEU_TOKEN\"", "argumento-sigiloso"],
        "ambiente = { MEU_TOKEN = \"ficha-secreta\", COR = \"verde-musgo\" }",
    ));
    place.write("web.yml", users());
    let service = place.service(&["--web.config.file", "web.yml"]);
    let get = |path: &str| {
        let login = login(PASSWORD);
        request_with(service.address(), "GET", path, &[("Authorization", &login)])
    };
    wait_until("a run in the log", LIMIT, || {
        get("/logs").body.contains("vi ***").then_some(())
    });
    for path in [
        "/",
        "/status",
        "/logs",
        "/metrics",
        "/health",
        "/-/healthy",
        "/nada",
    ] {
        let answer = get(path);
        assert_ne!(answer.code, 401);
        for secret in [
            "ficha-secreta",
            "verde-musgo",
            "argumento-sigiloso",
            PASSWORD,
            "$2b$",
        ] {
            assert!(
                !answer.body.contains(secret),
                "{secret} in {path}: {}",
                answer.body
            );
        }
    }
    service.stop().assert_silent_about("ficha-secreta");
}
