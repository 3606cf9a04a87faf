//! What is typed to look at a running orchestrator and to take rules and dashboards along; and those files, which are
//! part of the program. Refuses to know where they are written.

use clap::Args;

/// The job that the shipped rules name.
const JOB: &str = "orquestrador";
/// Where the shipped rules and dashboards expect the orchestrator.
const ORCHESTRATOR: &str = "http://127.0.0.1:5007";
/// Where the shipped rules expect Grafana.
const GRAFANA: &str = "http://127.0.0.1:3000";

/// A file that is part of the program: its name and its text.
pub type Embedded = (&'static str, &'static str);

const RULES: [Embedded; 3] = [
    (
        "recording.yml",
        include_str!("../../prometheus/rules/recording.yml"),
    ),
    (
        "alerts.yml",
        include_str!("../../prometheus/rules/alerts.yml"),
    ),
    ("slo.yml", include_str!("../../prometheus/rules/slo.yml")),
];

const DASHBOARDS: [Embedded; 4] = [
    (
        "visao-geral.json",
        include_str!("../../grafana/dashboards/visao-geral.json"),
    ),
    (
        "processador.json",
        include_str!("../../grafana/dashboards/processador.json"),
    ),
    (
        "documentos.json",
        include_str!("../../grafana/dashboards/documentos.json"),
    ),
    (
        "sistema.json",
        include_str!("../../grafana/dashboards/sistema.json"),
    ),
];

/// `saude`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Endereço do orquestrador [padrão: 127.0.0.1 e a porta da configuração]
    #[arg(long = "url", value_name = "URL", value_parser = address)]
    pub url: Option<String>,
}

/// `dashboards`.
#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// Diretório em que são gravados
    #[arg(short = 'o', long = "saida", value_name = "DIR")]
    pub output: std::path::PathBuf,
    /// Endereço do orquestrador, para as ligações
    #[arg(long = "url", value_name = "URL", value_parser = address, help = "Endereço do orquestrador, para as ligações [padrão: http://127.0.0.1:5007]")]
    pub url: Option<String>,
}

/// `regras`.
#[derive(Debug, Args)]
pub struct RuleArgs {
    /// Diretório em que são gravadas
    #[arg(short = 'o', long = "saida", value_name = "DIR")]
    pub output: std::path::PathBuf,
    /// Job com que o seu Prometheus coleta o orquestrador [padrão: orquestrador]
    #[arg(long = "job", value_name = "JOB", value_parser = job)]
    pub job: Option<String>,
    /// Endereço do orquestrador, para as ligações
    #[arg(long = "url", value_name = "URL", value_parser = address, help = "Endereço do orquestrador, para as ligações [padrão: http://127.0.0.1:5007]")]
    pub url: Option<String>,
    /// Endereço do Grafana, para as ligações
    #[arg(long = "grafana", value_name = "URL", value_parser = address, help = "Endereço do Grafana, para as ligações [padrão: http://127.0.0.1:3000]")]
    pub grafana: Option<String>,
}

impl DashboardArgs {
    /// The name and the text of every dashboard.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let url = self.url.as_deref().unwrap_or(ORCHESTRATOR);
        let with_address = |(name, text): Embedded| (name, text.replace(ORCHESTRATOR, url));
        DASHBOARDS.map(with_address).into()
    }
}

impl RuleArgs {
    /// The name and the text of every file of rules.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let job = self.job.as_deref().unwrap_or(JOB);
        let url = self.url.as_deref().unwrap_or(ORCHESTRATOR);
        let grafana = self.grafana.as_deref().unwrap_or(GRAFANA);
        let adapted = |(name, text): Embedded| {
            let text = text
                .replace(&format!("job=\"{JOB}\""), &format!("job=\"{job}\""))
                .replace(ORCHESTRATOR, url)
                .replace(GRAFANA, grafana);
            (name, text)
        };
        RULES.map(adapted).into()
    }
}

/// An address without a final slash. It ends up inside quotes of YAML and JSON, so it has none itself.
fn address(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]@%".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(is_plain) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("esperado um endereço como http://127.0.0.1:5007".to_owned()),
    }
}

/// The name of a job. It ends up inside quotes of `PromQL`.
fn job(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("esperados letras, dígitos e -._:/".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_the_job_and_the_addresses_that_were_asked_for() {
        let arguments = RuleArgs {
            output: "x".into(),
            job: Some("lotes".to_owned()),
            url: Some("https://lotes.exemplo".to_owned()),
            grafana: Some("https://grafana.exemplo".to_owned()),
        };
        let text: String = arguments
            .files()
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert!(text.contains("up{job=\"lotes\"}"));
        assert!(text.contains("https://lotes.exemplo/runbooks#Down"));
        assert!(text.contains("https://grafana.exemplo/d/orquestrador-"));
        assert!(
            !text.contains("job=\"orquestrador\"") && !text.contains("127.0.0.1"),
            "{text}"
        );
    }

    #[test]
    fn what_could_leave_its_quotes_is_no_address_and_no_job() {
        assert_eq!(address("http://a:1/").as_deref(), Ok("http://a:1"));
        for text in [
            "a:1",
            "http://",
            "http:///x",
            "http://a'b",
            "http://a\"b",
            "http://a b",
            "http://a\nb",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
        for text in ["", "a\"b", "a}b", "a b"] {
            assert!(job(text).is_err(), "{text:?}");
        }
    }
}
