//! `[distribuicao]`: which servers connect the instances of a group, and how. Credentials come by variables alone.

use std::time::Duration;

use secrecy::SecretString;

use super::environment::Environment;
use super::problem::Problems;
use super::table::Section;
use super::value::{self, Parsed};

/// User of the NATS server.
pub(super) const USER: &str = "ORQUESTRADOR_NATS_USUARIO";
/// Password of that user.
pub(super) const PASSWORD: &str = "ORQUESTRADOR_NATS_PASSWORD";
/// Token of the NATS server, instead of a user.
pub(super) const TOKEN: &str = "ORQUESTRADOR_NATS_TOKEN";

/// How long a run may go without a sign of life of the instance that runs it.
const LEASE: Duration = Duration::from_secs(30);
/// The shortest and the longest lease.
const LEASES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));
/// The name of the group when none is given.
const GROUP: &str = "orquestrador";
/// The longest name, and the most servers.
const LONGEST_NAME: usize = 64;
const MOST_SERVERS: usize = 16;

/// Who may speak to the server.
#[derive(Debug, Clone)]
pub enum NatsCredentials {
    /// Nobody is asked.
    None,
    /// A user with a password.
    User {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// A token.
    Token(SecretString),
}

/// How instances find each other.
#[derive(Debug, Clone)]
pub struct DistributionSettings {
    /// Servers of NATS, each `nats://host:port`.
    pub servers: Vec<String>,
    /// In front of all names on the servers, so that several groups can share them.
    pub group: String,
    /// The name of this instance; that of the machine when none is given.
    pub instance: Option<String>,
    /// How long a run may go without a sign of life of the instance that runs it.
    pub lease: Duration,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Who may speak to the servers.
    pub credentials: NatsCredentials,
}

/// Reads the section; none when something in it makes no sense.
pub(super) fn read(section: &mut Section<'_>) -> Option<DistributionSettings> {
    let servers = servers(section);
    let lease = section.parsed("arrendamento", lease);
    let group = section.parsed("grupo", name);
    let instance = section.parsed("instancia", name);
    let replicas = section.parsed("replicas", replicas);
    Some(DistributionSettings {
        servers: servers?,
        group: group.unwrap_or_else(|| GROUP.to_owned()),
        instance,
        lease: lease.unwrap_or(LEASE),
        replicas: replicas.unwrap_or(1),
        credentials: NatsCredentials::None,
    })
}

fn servers(section: &mut Section<'_>) -> Option<Vec<String>> {
    if !section.has("servidores") {
        section.problem("servidores", "falta; esperado [\"nats://host:4222\"]");
        return None;
    }
    let texts = section.texts("servidores")?;
    if texts.is_empty() || texts.len() > MOST_SERVERS {
        let message =
            format!("esperados de 1 a {MOST_SERVERS} endereços, como [\"nats://host:4222\"]");
        section.problem("servidores", message);
        return None;
    }
    let checked: Vec<_> = texts.iter().map(|text| server(text)).collect();
    let mut servers = Vec::new();
    for one in checked {
        match one {
            Ok(server) => servers.push(server),
            Err(message) => section.problem("servidores", message),
        }
    }
    (servers.len() == texts.len()).then_some(servers)
}

/// `nats://host` or `nats://host:port`; what else a URL can hold would be ignored, or show a secret.
fn server(text: &str) -> Parsed<String> {
    if text.contains('@') {
        return Err(format!(
            "um endereço contém usuário ou senha; use as variáveis {USER} e {PASSWORD}, ou {TOKEN}"
        ));
    }
    if text.starts_with("tls://") {
        return Err(format!(
            "{text:?} pede TLS, que ainda não está disponível nesta versão; use nats:// em uma rede protegida"
        ));
    }
    let wrong =
        || format!("{text:?} não é um endereço de NATS; esperado por exemplo nats://host:4222");
    let rest = text.strip_prefix("nats://").ok_or_else(wrong)?;
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if host.is_empty() || !host.bytes().all(is_host) || !is_port {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

fn lease(text: &str) -> Parsed<Duration> {
    let lease = value::duration(text)?;
    if !(LEASES.0..=LEASES.1).contains(&lease) {
        return Err(format!("{text:?} está fora do limite; esperado de 5s a 1h"));
    }
    Ok(lease)
}

/// A word that NATS takes as a part of a subject and as the name of a stream.
fn name(text: &str) -> Parsed<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(is_allowed) {
        return Err(format!(
            "{text:?} não é um nome; esperado de 1 a {LONGEST_NAME} caracteres entre letras, algarismos, - e _"
        ));
    }
    Ok(text.to_owned())
}

fn replicas(text: &str) -> Parsed<usize> {
    let number = text
        .parse()
        .ok()
        .filter(|number| [1, 3, 5].contains(number));
    number.ok_or_else(|| format!("{text:?} não é um número de réplicas; esperado 1, 3 ou 5"))
}

/// What the variables say; half of it is an error.
pub(super) fn credentials(environment: &Environment, problems: &mut Problems) -> NatsCredentials {
    let user = environment.get(USER);
    let password = environment.get(PASSWORD);
    let token = environment.get(TOKEN);
    match (user, password, token) {
        (None, None, None) => NatsCredentials::None,
        (None, None, Some(token)) => NatsCredentials::Token(SecretString::from(token)),
        (Some(user), Some(password), None) => NatsCredentials::User {
            user: user.to_owned(),
            password: SecretString::from(password),
        },
        (_, _, Some(_)) => {
            let message = format!("já há {USER} ou {PASSWORD}; esperado só um dos dois modos");
            problems.add(TOKEN, message);
            NatsCredentials::None
        }
        _ => {
            let message = format!("esperadas as duas variáveis, {USER} e {PASSWORD}");
            problems.add(USER, message);
            NatsCredentials::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::ConfigError;

    fn section(text: &str) -> Result<Option<DistributionSettings>, Vec<String>> {
        let mut problems = Problems::default();
        let mut section = Section::new(text.parse().expect("TOML"), "distribuicao", &mut problems);
        let read = read(&mut section);
        section.finish(&[]);
        let words = |ConfigError { problems }: ConfigError| -> Vec<String> {
            problems.iter().map(ToString::to_string).collect()
        };
        problems.finish(read).map_err(words)
    }

    #[test]
    fn the_servers_are_enough_and_everything_else_has_a_default() {
        let settings = section("servidores = [\"nats://a\", \"nats://[::1]:4333\"]");
        let settings = settings.expect("right").expect("there");
        assert_eq!(settings.servers, ["nats://a", "nats://[::1]:4333"]);
        assert_eq!((settings.group.as_str(), settings.replicas), (GROUP, 1));
        assert_eq!((settings.lease, settings.instance), (LEASE, None));
    }

    #[test]
    fn every_mistake_is_told_with_its_key_and_no_password_is_repeated() {
        let cases = [
            ("", "distribuicao.servidores: falta"),
            ("servidores = []", "distribuicao.servidores: esperados"),
            ("servidores = [\"http://a\"]", "não é um endereço de NATS"),
            ("servidores = [\"nats://\"]", "não é um endereço de NATS"),
            ("servidores = [\"nats://a:0\"]", "não é um endereço de NATS"),
            ("servidores = [\"nats://a:x\"]", "não é um endereço de NATS"),
            ("servidores = [\"tls://a\"]", "TLS"),
            (
                "servidores = [\"nats://eu:xyz123@a\"]",
                "ORQUESTRADOR_NATS_USUARIO",
            ),
            (
                "servidores = [\"nats://a\"]\narrendamento = \"4s\"",
                "de 5s a 1h",
            ),
            ("servidores = [\"nats://a\"]\nreplicas = 2", "1, 3 ou 5"),
            (
                "servidores = [\"nats://a\"]\ngrupo = \"a.b\"",
                "distribuicao.grupo",
            ),
            (
                "servidores = [\"nats://a\"]\ninstancia = \"a b\"",
                "distribuicao.instancia",
            ),
            (
                "servidores = [\"nats://a\"]\nservidor = 1",
                "talvez servidores?",
            ),
        ];
        for (text, words) in cases {
            let problems = section(text).expect_err(text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(words), "{problems:?}");
            assert!(!problems[0].contains("xyz123"), "{problems:?}");
        }
    }
}
