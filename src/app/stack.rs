//! `saude`, `dashboards`, `regras`: what stands beside a running orchestrator.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Exit;
use crate::cli::{stderr_line, stdout_text};
use crate::config::{self, ConfigError, Environment, Flags};

/// How long an orchestrator may take to say that it is healthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(4);
/// What is read of its answer, bytes.
const MAX_ANSWER: u64 = 4096;

/// `saude`: asks `/-/healthy`, and ends with 0 only after 200. Without `url` the configuration is asked for the port.
pub(super) fn health(url: Option<String>, flags: &Flags, environment: &Environment) -> Exit {
    let is_own = url.is_none();
    let url = match url {
        Some(url) => url,
        None => match own_address(flags, environment) {
            Ok(url) => url,
            Err(error) => {
                stderr_line(&format!("❌ {error}"));
                return Exit::Usage;
            }
        },
    };
    match ask(&url, is_own) {
        Ok(text) => {
            stdout_text(&text);
            Exit::Done
        }
        Err(error) => {
            stderr_line(&format!("❌ {url}: {error}"));
            Exit::Failed
        }
    }
}

/// Where the orchestrator of this configuration listens on this machine.
fn own_address(flags: &Flags, environment: &Environment) -> Result<String, ConfigError> {
    let settings = config::load(flags, environment)?.settings;
    let is_encrypted = config::web(&settings.web)?.tls.is_some();
    let scheme = if is_encrypted { "https" } else { "http" };
    Ok(format!("{scheme}://127.0.0.1:{}", settings.port))
}

/// The answer of `url`; of our `own` address, where nobody else can listen, the certificate may be for any name.
fn ask(url: &str, is_own: bool) -> Result<String, String> {
    use std::io::Read as _;

    let told = |error: reqwest::Error| {
        let error = error.without_url();
        let causes = std::iter::successors(std::error::Error::source(&error), |it| it.source());
        let last = causes.last().map(ToString::to_string);
        last.unwrap_or_else(|| error.to_string())
    };
    let client = reqwest::blocking::Client::builder()
        .timeout(HEALTH_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_danger_accept_invalid_certs(is_own)
        .build()
        .map_err(told)?;
    let answer = client
        .get(format!("{url}/-/healthy"))
        .send()
        .map_err(told)?;
    let code = answer.status();
    let mut text = String::new();
    let read = answer.take(MAX_ANSWER).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if code == reqwest::StatusCode::OK {
        return Ok(text);
    }
    Err(format!("{}: {}", code.as_u16(), text.trim()))
}

/// `dashboards`, `regras`: writes files below `folder` and tells each one.
pub(super) fn write(folder: &Path, files: Vec<(&'static str, String)>) -> Exit {
    let written = fs::create_dir_all(folder)
        .map_err(|error| (folder.to_path_buf(), error))
        .and_then(|()| {
            files.into_iter().try_for_each(|(name, text)| {
                let path = folder.join(name);
                fs::write(&path, text).map_err(|error| (path.clone(), error))?;
                stdout_text(&format!("{}\n", path.display()));
                Ok(())
            })
        });
    match written {
        Ok(()) => Exit::Done,
        Err((path, error)) => {
            stderr_line(&format!("❌ {}: {error}", path.display()));
            Exit::Failed
        }
    }
}
