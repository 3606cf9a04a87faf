//! Who gets an answer: the name by which the service is called, the login, the time that an answer may take. Refuses to
//! know what is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;

use super::logins::{Denial, Logins};
use super::problem::Problem;
use super::tls::Tls;
use crate::config::WebConfig;

/// The time that an answer may take to begin.
const ANSWER: Duration = Duration::from_secs(10);

/// What protects the HTTP side. A reload puts another one in its place as a whole.
pub struct Security {
    pub(super) tls: Option<Tls>,
    logins: Logins,
    headers: Vec<(HeaderName, HeaderValue)>,
    names: Vec<String>,
}

impl Security {
    /// From the web configuration and the names of this service besides `localhost`.
    ///
    /// # Errors
    ///
    /// What is wrong with certificates, keys and headers, for people.
    pub fn new(config: &WebConfig, names: &[String]) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let tls = config.tls.as_ref().map(Tls::new).transpose();
        let tls = tls.unwrap_or_else(|problem| {
            problems.push(format!("tls_server_config.{problem}"));
            None
        });
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => problems.push(format!(
                    "http_server_config.headers.{name}: não é o valor de um cabeçalho"
                )),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            tls,
            logins: Logins::new(&config.users),
            headers,
            names: names.to_vec(),
        })
    }
}

/// What stands between a connection and the answers.
pub(super) struct Door {
    security: watch::Receiver<Arc<Security>>,
    /// Whether only this machine can connect: then a foreign name is a page that was made to call us (DNS rebinding).
    is_local: bool,
}

impl Door {
    /// `is_local`: whether the address is a loopback one.
    pub(super) fn new(security: watch::Receiver<Arc<Security>>, is_local: bool) -> Self {
        Self { security, is_local }
    }

    /// A door without a lock.
    #[cfg(test)]
    pub(super) fn open() -> Self {
        let security = Security::new(&WebConfig::default(), &[]).expect("nothing to be wrong");
        Self::new(watch::channel(Arc::new(security)).1, false)
    }

    /// What holds now.
    pub(super) fn security(&self) -> Arc<Security> {
        Arc::clone(&self.security.borrow())
    }

    async fn refuse(
        &self,
        security: &Security,
        target: Option<&Authority>,
        headers: &HeaderMap,
    ) -> Option<Response> {
        if self.is_local && !is_own(target, headers, &security.names) {
            return Some(refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "este nome não é o deste serviço; acrescente-o a web.nomes na configuração se deve ser",
            ));
        }
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match security.logins.check(given).await {
            Ok(()) => None,
            Err(Denial::Unauthorized) => {
                let mut response = refusal(
                    StatusCode::UNAUTHORIZED,
                    "usuário ou senha faltam ou estão errados",
                );
                let challenge =
                    HeaderValue::from_static("Basic realm=\"orquestrador\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                Some(response)
            }
            Err(Denial::Busy) => {
                let text = "tentativas de entrar demais; tente de novo daqui a pouco";
                let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, text);
                let wait = HeaderValue::from_static("1");
                response.headers_mut().insert(RETRY_AFTER, wait);
                Some(response)
            }
        }
    }
}

/// Lets a request through, or says why not.
pub(super) async fn admit(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let security = door.security();
    let answer = async {
        let (target, headers) = (request.uri().authority(), request.headers());
        match door.refuse(&security, target, headers).await {
            Some(refusal) => refusal,
            None => next.run(request).await,
        }
    };
    let mut response = tokio::time::timeout(ANSWER, answer)
        .await
        .unwrap_or_else(|_| {
            let text = format!("sem resposta em {} s", ANSWER.as_secs());
            refusal(StatusCode::SERVICE_UNAVAILABLE, &text)
        });
    for (name, value) in &security.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn refusal(status: StatusCode, text: &str) -> Response {
    Problem::new(status, text.to_owned()).into_response()
}

/// Whether each name by which we were called is ours. A request without any is from HTTP/1.0, and from no browser.
fn is_own(target: Option<&Authority>, headers: &HeaderMap, names: &[String]) -> bool {
    let is_own = |authority: &Authority| is_own_name(authority.host(), names);
    let called = headers.get_all(HOST).iter().all(|host| {
        let authority = Authority::try_from(host.as_bytes());
        authority.is_ok_and(|authority| is_own(&authority))
    });
    called && target.is_none_or(is_own)
}

fn is_own_name(host: &str, names: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || names.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_those_that_were_configured_are_ours() {
        let names = ["orq.exemplo.com.br".to_owned()];
        for own in [
            "localhost",
            "LOCALHOST:5007",
            "localhost.",
            "orq.localhost",
            "127.0.0.1:5007",
            "127.9.9.9",
            "[::1]:5007",
            "orq.exemplo.com.br",
            "ORQ.exemplo.com.br:443",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(own).expect("a host"));
            assert!(is_own(None, &headers, &names), "{own}");
        }
        for foreign in [
            "exemplo.com.br",
            "localhost.exemplo.com.br",
            "xlocalhost",
            "10.0.0.7",
            "0.0.0.0",
            "[::]:5007",
            "127.0.0.1.exemplo.com",
            "a b",
            "",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(foreign).expect("a host"));
            assert!(!is_own(None, &headers, &names), "{foreign}");
        }
        assert!(is_own(None, &HeaderMap::new(), &names), "HTTP/1.0");
        let target = Authority::from_static("exemplo.com");
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        assert!(!is_own(Some(&target), &headers, &names));
    }
}
