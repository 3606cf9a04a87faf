//! A reload: read everything anew, and hand all of it to the loop or none of it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::commands::active_file;
use super::listening::security;
use super::orchestrate::plan;
use crate::config::{self, ConfigError, Environment, Flags, Settings};
use crate::domain::{Clock, Event, Observers, Reload, ReloadResult};
use crate::engine::{Control, Request};
use crate::http::Security;

/// What a reload needs to be decided.
pub(super) struct Reloader {
    /// Those that hold now.
    pub(super) settings: Settings,
    /// What was typed at the start; it still wins.
    pub(super) flags: Flags,
    /// The variables of the start; they still win over the file.
    pub(super) environment: Environment,
    /// The zone of patterns that name none.
    pub(super) zone: TimeZone,
    pub(super) clock: Clock,
    /// Where the HTTP side looks for what protects it.
    pub(super) security: watch::Sender<Arc<Security>>,
}

impl Reloader {
    /// From now on decides each hangup: what is applied goes to `control` and is told to `applied`, what is not is told
    /// to `observers` alone.
    pub(super) fn listen(
        mut self,
        mut hangups: UnboundedReceiver<()>,
        observers: Observers,
        (control, applied): (Control, impl Fn(&Settings) + Send + 'static),
    ) {
        keep_active(&self.settings);
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                match self.decide() {
                    Ok(request) => {
                        control.ask(request);
                        applied(&self.settings);
                    }
                    Err(problems) => self.reject(problems, &observers),
                }
            }
        });
    }

    fn decide(&mut self) -> Result<Request, Vec<String>> {
        let loaded =
            config::load(&self.flags, &self.environment).map_err(|error| problems(&error))?;
        if self.settings.single_run {
            let problem = "--single-run: a configuração deste ciclo único não muda";
            return Err(vec![problem.to_owned()]);
        }
        let fixed = config::unreloadable(&self.settings, &loaded.settings);
        if !fixed.is_empty() {
            return Err(fixed);
        }
        // The files that it names may have changed although no setting has.
        let security = security(&loaded.settings).map_err(|error| problems(&error))?;
        self.security.send_replace(security);
        let difference = config::difference(&self.settings, &loaded.settings);
        self.settings = loaded.settings;
        keep_active(&self.settings);
        let plan = plan(&self.settings, &self.zone);
        Ok(Request::Reload(Box::new((plan, difference))))
    }

    fn reject(&self, problems: Vec<String>, observers: &Observers) {
        observers.state(&Event::ConfigReloaded(Arc::new(Reload {
            at: self.clock.now(),
            result: ReloadResult::Rejected { problems },
        })));
    }
}

/// Writes down which settings hold, without secrets, for `validar --diff`.
fn keep_active(settings: &Settings) {
    if settings.dry_run || settings.single_run {
        return;
    }
    let path = active_file(settings);
    if let Err(error) = std::fs::write(&path, config::show(settings)) {
        tracing::warn!("{} não pode ser gravado: {error}", path.display());
    }
}

/// Nobody uses these settings any more.
pub(super) fn forget_active(settings: &Settings) {
    if !settings.dry_run && !settings.single_run {
        std::fs::remove_file(active_file(settings)).ok();
    }
}

fn problems(error: &ConfigError) -> Vec<String> {
    error.problems.iter().map(ToString::to_string).collect()
}
