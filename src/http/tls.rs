//! Turns what the web configuration says of TLS into a server's side of it. Refuses to read files.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{NamedGroup, RootCertStore, ServerConfig, ServerConnection};

use crate::config::{ClientAuth, TlsConfig};

/// The server's side of TLS.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// One of these must stand in a client's certificate; empty for any.
    client_names: Vec<String>,
}

impl Tls {
    /// # Errors
    ///
    /// What is wrong, with the key of the web configuration, for people.
    pub(super) fn new(config: &TlsConfig) -> Result<Self, String> {
        let provider = Arc::new(provider(config)?);
        let versions = match (config.allows_tls12, config.allows_tls13) {
            (true, true) => vec![&TLS12, &TLS13],
            (true, false) => vec![&TLS12],
            _ => vec![&TLS13],
        };
        let chain = certificates("cert_file", &config.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(config.key.expose_secret())
            .map_err(|_| "key_file: não contém uma chave privada em PEM".to_owned())?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| format!("cipher_suites: {error}"))?;
        let builder = match clients(config, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("cert_file e key_file não servem juntos: {error}"))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            client_names: config.client_names.clone(),
        })
    }

    /// Whether the client's certificate, which was verified, bears one of the allowed names.
    pub(super) fn is_welcome(&self, connection: &ServerConnection) -> bool {
        if self.client_names.is_empty() {
            return true;
        }
        let leaf = connection
            .peer_certificates()
            .and_then(|chain| chain.first());
        let Some(certificate) = leaf.and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok())
        else {
            return false;
        };
        let has_name = |allowed: &String| {
            ServerName::try_from(allowed.as_str())
                .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
        };
        let mut names = self.client_names.iter();
        names.any(|allowed| {
            has_name(allowed) || certificate.valid_uri_names().any(|uri| uri == allowed)
        })
    }
}

/// The suites and groups that are allowed, of those that there are.
fn provider(config: &TlsConfig) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    let known: Vec<_> = provider
        .cipher_suites
        .iter()
        .map(|suite| format!("{:?}", suite.suite()))
        .collect();
    if let Some(unknown) = config
        .cipher_suites
        .iter()
        .find(|name| !known.contains(name))
    {
        let offered: Vec<_> = known
            .iter()
            .filter(|name| name.starts_with("TLS_"))
            .cloned()
            .collect();
        return Err(format!(
            "cipher_suites: {unknown:?} não é oferecido; há: {}",
            offered.join(", ")
        ));
    }
    if !config.cipher_suites.is_empty() {
        // As in Go, the list is for TLS 1.2; those of 1.3 are all good.
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some()
                || config
                    .cipher_suites
                    .contains(&format!("{:?}", suite.suite()))
        });
    }
    let group = |name: &str| match name {
        "X25519" => Ok(NamedGroup::X25519),
        "CurveP256" => Ok(NamedGroup::secp256r1),
        "CurveP384" => Ok(NamedGroup::secp384r1),
        _ => Err(format!(
            "curve_preferences: {name:?} não é oferecida; há: X25519, CurveP256, CurveP384"
        )),
    };
    let wanted: Vec<_> = config
        .curves
        .iter()
        .map(|name| group(name))
        .collect::<Result<_, _>>()?;
    if !wanted.is_empty() {
        provider
            .kx_groups
            .retain(|group| wanted.contains(&group.name()));
    }
    Ok(provider)
}

fn clients(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    if config.client_auth == ClientAuth::None {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(
        "client_ca_file",
        config.client_ca.as_deref().unwrap_or_default(),
    )? {
        roots
            .add(certificate)
            .map_err(|error| format!("client_ca_file: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match config.client_auth {
        ClientAuth::VerifyIfGiven => builder.allow_unauthenticated(),
        ClientAuth::None | ClientAuth::Require => builder,
    };
    let verifier = builder
        .build()
        .map_err(|error| format!("client_ca_file: {error}"))?;
    Ok(Some(verifier))
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{key}: não contém um certificado em PEM")),
    }
}
