//! What a single run leaves behind for Prometheus, which cannot scrape a process that has ended: a file, a push.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::Settings;
use crate::history;
use crate::telemetry::detached::Detached;
use crate::telemetry::metrics::Metrics;

/// How long a push may take, all of it.
const PUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long all of it may take, with a disk that does not answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The group's job (`instance` is the host's name).
const JOB: &str = "orquestrador_single";

/// Whether the settings ask for anything of it.
pub(super) fn is_wanted(settings: &Settings) -> bool {
    !settings.dry_run && (settings.metrics_file.is_some() || settings.pushgateway.is_some())
}

/// Writes and pushes what is asked for. A failure is told in `errors` and changes nothing else.
pub(super) async fn leave(settings: &Settings, metrics: Arc<Metrics>, errors: &Detached) {
    if !is_wanted(settings) {
        return;
    }
    let (settings, told) = (settings.clone(), errors.clone());
    let leaving = tokio::task::spawn_blocking(move || write(&settings, &metrics, &told));
    match timeout(TIMEOUT, leaving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => errors.line(&format!("⚠️  métricas: {error}")),
        Err(_) => errors.line(&format!(
            "⚠️  métricas: nem gravadas nem enviadas em {} s; o disco responde?",
            TIMEOUT.as_secs()
        )),
    }
}

fn write(settings: &Settings, metrics: &Metrics, errors: &Detached) {
    let text = metrics.render_lasting(|counted| {
        let summed = history::add_totals(&settings.instance_dir(), counted);
        summed
            .inspect_err(|error| {
                errors.line(&format!(
                    "⚠️  métricas: as somas dos ciclos anteriores faltam: {error}"
                ));
            })
            .ok()
    });
    if let Some(path) = &settings.metrics_file
        && let Err(error) = replace(path, &text)
    {
        errors.line(&format!(
            "⚠️  métricas: {} não pode ser gravado: {error}",
            path.display()
        ));
    }
    if let Some(url) = &settings.pushgateway
        && let Err(error) = push(url, text)
    {
        errors.line(&format!(
            "⚠️  métricas: o envio ao Pushgateway falhou: {error}"
        ));
    }
}

/// Whoever reads `path` sees the old text or the new one, never a part.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The collector of textfiles reads `*.prom` only.
    let temporary = folder
        .unwrap_or(Path::new("."))
        .join(format!(".{name}.{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        fs::remove_file(&temporary).ok();
    }
    written
}

/// Puts `text` in the place of the group that this host pushed before.
fn push(url: &str, text: String) -> Result<(), String> {
    // An address may hold a password, so no error shows it.
    let told = |error: reqwest::Error| {
        let error = error.without_url();
        let causes = std::iter::successors(std::error::Error::source(&error), |it| it.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        format!("{error}: {}", causes.join(": "))
    };
    // Only plain http is spoken here, so no certificates are read.
    let client = reqwest::blocking::Client::builder()
        .tls_certs_only([])
        .timeout(PUSH_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    let group = format!(
        "{}/metrics/job/{JOB}/instance/{}",
        url.trim_end_matches('/'),
        host()
    );
    let request = client.build().map_err(told)?.put(group);
    let answer = request
        .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        .body(text)
        .send()
        .map_err(told)?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(format!("resposta {}", answer.status()))
}

/// The host's name, as a part of a path.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.trim().chars().filter(is_plain).collect();
    if name.is_empty() {
        return "localhost".to_owned();
    }
    name
}
