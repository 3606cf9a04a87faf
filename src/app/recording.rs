//! Where the history meets the engine: opened before the spawner is forked, told first, closed last.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Settings;
use crate::domain::{Clock, Event, Observers, Restored};
use crate::engine::{Record, Recording};
use crate::history::{History, HistoryError, Recorder, Retention};
use crate::process;
use crate::telemetry::detached::Detached;

/// Time that writing the rest may take at the end.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// The history of this instance; none in a simulation, which writes nothing.
pub(super) fn open(settings: &Settings, clock: &Clock) -> Result<Option<History>, HistoryError> {
    if settings.dry_run {
        return Ok(None);
    }
    let names = settings.processors.iter().map(|spec| spec.name.clone());
    let configured: Vec<_> = names.collect();
    let retention = Retention {
        age: settings.history.age,
        runs: settings.history.runs,
    };
    let history = History::open(
        &settings.instance_dir(),
        &configured,
        (clock.clone(), retention),
        |open| {
            // Another instance of the group may have them on this very machine.
            if settings.distribution.is_none() {
                process::end_leftovers(open);
            }
        },
    )?;
    Ok(Some(history))
}

/// Tells what earlier starts left, and begins to write.
pub(super) fn begin(
    history: Option<History>,
    observers: &Observers,
) -> std::io::Result<(Option<Recorder>, Arc<Restored>)> {
    let Some(history) = history else {
        return Ok((None, Arc::default()));
    };
    let restored = Arc::new(history.restored.clone());
    observers.state(&Event::Restored(Arc::clone(&restored)));
    Ok((Some(history.start(observers.clone())?), restored))
}

/// The engine's view of the recorder.
pub(super) fn record(recorder: Recorder) -> Record {
    Arc::new(move |events| {
        let (is_safe, written) = recorder.record(events);
        Recording {
            is_safe,
            written: Box::pin(written),
        }
    })
}

/// Waits until all is written, a bounded time; says in `errors` when it is not.
pub(super) async fn finish(recorder: Recorder, errors: &Detached) {
    if !recorder.close(SHUTDOWN).await {
        errors.line("⚠️  o histórico não foi gravado por inteiro: o disco não responde");
    }
}
