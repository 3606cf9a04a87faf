//! A group of instances: the real program, several times, each in a place of its own.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Launch, Place, Running, try_request, wait_until};

/// No take-over, redelivery or recovery in these tests takes longer than this unless the program is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One instance.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) running: Option<Running>,
}

impl Instance {
    /// Started, with `config` for its processors and its schedule, and the servers at `url`.
    pub(crate) fn start(name: &str, url: &str, config: &str) -> Self {
        let mut instance = Self::stopped(name, url, config);
        instance.begin();
        instance
    }

    /// Not started yet, with several servers, each of which keeps everything.
    pub(crate) fn clustered(name: &str, urls: &[String], config: &str) -> Self {
        let section = format!(
            "[distribuicao]\nservidores = {urls:?}\ninstancia = \"{name}\"\narrendamento = \"6s\"\nreplicas = {}\n",
            urls.len()
        );
        Self {
            name: name.to_owned(),
            place: Place::with_config(&format!("{config}\n{section}")),
            running: None,
        }
    }

    pub(crate) fn stopped(name: &str, url: &str, config: &str) -> Self {
        Self::leased(name, url, config, "6s")
    }

    /// Not started yet, with a lease of its own.
    pub(crate) fn leased(name: &str, url: &str, config: &str, lease: &str) -> Self {
        let section = format!(
            "[distribuicao]\nservidores = [\"{url}\"]\ninstancia = \"{name}\"\narrendamento = \"{lease}\"\n"
        );
        Self {
            name: name.to_owned(),
            place: Place::with_config(&format!("{config}\n{section}")),
            running: None,
        }
    }

    pub(crate) fn begin(&mut self) {
        self.begin_with(&[]);
    }

    /// The same, with these variables.
    pub(crate) fn begin_with(&mut self, variables: &[(&str, &str)]) {
        let program = self.place.program(&["--porta", "0"]);
        let set = |program: Launch, (name, value): &(&str, &str)| program.env(name, value);
        self.running = Some(variables.iter().fold(program, set).start());
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Ends it without a word of farewell.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(nix::sys::signal::Signal::SIGKILL);
            drop(running);
        }
    }

    /// `/status`, while it can be had.
    pub(crate) fn status(&self) -> Value {
        let Some(running) = &self.running else {
            return Value::Null;
        };
        let answer = try_request(running.address(), "GET", "/status");
        let body = answer.map(|answer| answer.body).unwrap_or_default();
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }

    pub(crate) fn leader(&self) -> Option<String> {
        let status = self.status();
        Some(status["distribuicao"]["lider"].as_str()?.to_owned())
    }

    pub(crate) fn is_leader(&self) -> bool {
        // The name alone may be that of a start before this one.
        self.running.is_some() && self.metric("orquestrador_leader") == Some(1.0)
    }

    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let answer = try_request(self.running().address(), "GET", "/metrics");
        let text = answer.ok()?.body;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.parse().ok()
    }
}

/// Waits until all of them know the same leader, and says which of them it is.
pub(crate) fn wait_for_leader(instances: &[&Instance]) -> usize {
    wait_until("one leader that all know", PATIENCE, || {
        let leader = instances.first()?.leader()?;
        let all = instances
            .iter()
            .all(|one| one.leader().as_ref() == Some(&leader));
        let place = instances.iter().position(|one| one.name == leader);
        place.filter(|_| all)
    })
}
