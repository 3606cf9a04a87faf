//! A reload: read everything anew, and hand all of it to the loop or none of it.

use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedReceiver;

use super::commands::active_file;
use super::orchestrate::plan;
use crate::config::{self, ConfigError, Environment, Flags, Settings};
use crate::domain::{Clock, Event, Observers, Reload, ReloadResult};
use crate::engine::{Control, Request};

/// What a reload needs to be decided.
pub(super) struct Reloader {
    /// Those that hold now.
    pub(super) settings: Settings,
    /// What was typed at the start; it still wins.
    pub(super) flags: Flags,
    /// The variables of the start; they still win over the file.
    pub(super) environment: Environment,
    pub(super) zone: TimeZone,
    pub(super) clock: Clock,
    pub(super) observers: Observers,
    pub(super) control: Control,
}

/// Reloads each time that it is asked for.
pub(super) async fn on_hangup(mut hangups: UnboundedReceiver<()>, mut reloader: Reloader) {
    while hangups.recv().await.is_some() {
        reloader.reload();
    }
}

impl Reloader {
    fn reload(&mut self) {
        let result = match config::load(&self.flags, &self.environment) {
            Err(error) => Err(problems(&error)),
            Ok(_) if self.settings.single_run => Err(vec![
                "--single-run: a configuração deste ciclo único não muda".to_owned(),
            ]),
            Ok(loaded) => {
                let fixed = config::unreloadable(&self.settings, &loaded.settings);
                if fixed.is_empty() {
                    Ok(loaded.settings)
                } else {
                    Err(fixed)
                }
            }
        };
        match result {
            Ok(settings) => {
                let difference = config::difference(&self.settings, &settings);
                let plan = plan(&settings, &self.zone);
                self.settings = settings;
                keep_active(&self.settings);
                self.control
                    .ask(Request::Reload(Box::new((plan, difference))));
            }
            Err(problems) => self
                .observers
                .state(&Event::ConfigReloaded(std::sync::Arc::new(Reload {
                    at: self.clock.now(),
                    result: ReloadResult::Rejected { problems },
                }))),
        }
    }
}

/// Writes down which settings hold, without secrets, for `validar --diff`.
pub(super) fn keep_active(settings: &Settings) {
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
