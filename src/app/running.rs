//! What runs the processors, and what they are given.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Environment, Loaded, Settings, Source};
use crate::distributed::RemoteRunner;
use crate::domain::{Clock, Mask, RunResult, RunStart, contract};
use crate::engine::{ChildEnvironment, LiveReaders, LocalRunner, RunStop, Runner};
use crate::process::{ReportFolder, Spawner};

/// What the engine's runs go to: this machine, or the group.
pub(super) enum AnyRunner {
    Here(LocalRunner),
    Elsewhere(RemoteRunner),
}

impl Runner for AnyRunner {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> RunResult {
        match self {
            // Of the two it is the larger one, which what runs elsewhere has no need of.
            Self::Here(runner) => Box::pin(runner.run(start, attempt, stop, ready)).await,
            Self::Elsewhere(runner) => runner.run(start, attempt, stop, ready).await,
        }
    }
}

/// What runs processors: as processes of this machine.
pub(super) fn runner(
    loaded: &Loaded,
    environment: &Environment,
    spawner: &Spawner,
    (clock, live_output): (&Clock, Option<LiveReaders>),
) -> LocalRunner {
    let settings = &loaded.settings;
    LocalRunner {
        spawner: spawner.clone(),
        clock: clock.clone(),
        environment: child_environment(loaded, environment),
        output_dir: (!settings.dry_run).then(|| settings.data_dir.join("saidas")),
        live_output,
        reports: report_folder(settings),
    }
}

/// Where attempts may leave metrics; runs do without when there can be no such folder.
fn report_folder(settings: &Settings) -> Option<ReportFolder> {
    if settings.dry_run {
        return None;
    }
    let path = std::path::absolute(settings.instance_dir().join("metricas"));
    path.and_then(ReportFolder::make)
        .inspect_err(|error| tracing::warn!(%error, "processors cannot report metrics"))
        .ok()
}

/// What children get. Ours get absolute paths, so that a working directory of their own changes nothing.
fn child_environment(loaded: &Loaded, environment: &Environment) -> ChildEnvironment {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let pair = |name: &str, path: &Path| (name.to_owned(), absolute(path).display().to_string());
    let mut for_own = vec![pair(contract::DATA_DIR, &loaded.settings.data_dir)];
    if let Source::File(path) = &loaded.source {
        for_own.push(pair(contract::CONFIG, path));
    }
    ChildEnvironment {
        secrets: Mask::new(environment.iter(), &[]),
        inherited: environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        for_own,
        keeps_trace_state: false,
        dry_run: loaded.settings.dry_run,
    }
}
