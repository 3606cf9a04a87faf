//! Who is told of the facts: status board, metrics, console or log, history. Built before the first fact is stated.

use std::io;
use std::sync::Arc;

use jiff::tz::TimeZone;
use prometheus::Registry;

use super::{leaving, recording};
use crate::config::{Loaded, Settings, Source, StoreChoice};
use crate::domain::{Clock, Configured, Event, LogFormat, Observer, Observers, Restored, Startup};
use crate::engine::Plan;
use crate::engine::status::StatusBoard;
use crate::history::{History, Recorder};
use crate::http::{Listener, Views};
use crate::telemetry::console::Console;
use crate::telemetry::log::JsonLog;
use crate::telemetry::log_counts::LogCounts;
use crate::telemetry::metrics::{Known, Metrics};
use crate::telemetry::traces::SpanAccount;

/// Who is told, and what they show.
pub(super) struct Told {
    pub(super) observers: Observers,
    /// None when nothing may be written.
    pub(super) recorder: Option<Recorder>,
    /// What earlier starts left.
    pub(super) restored: Arc<Restored>,
    pub(super) views: Views,
}

/// Builds all readers, and tells them that everything is set up and what earlier starts left.
pub(super) fn begin(
    loaded: &Loaded,
    (notes, history): (Vec<String>, Option<History>),
    (plan, zone, clock): (&Plan, &TimeZone, &Clock),
    (log_counts, spans, listener): (LogCounts, SpanAccount, Option<&Listener>),
) -> anyhow::Result<Told> {
    let settings = &loaded.settings;
    let board = Arc::new(StatusBoard::new(plan.clone(), clock.now()));
    let configured = plan.configured(clock.now());
    let known = known(plan, &configured, settings, clock);
    let metrics = metrics(settings, &known, log_counts, listener.is_some())?;
    metrics.count_spans(spans.clone());
    let observers = observers(settings, clock, zone, [board.clone(), metrics.clone()]);
    let startup = startup(loaded, notes, listener);
    observers.state(&Event::Started(Arc::new(startup)));
    let (recorder, restored) = recording::begin(history, &observers)?;
    let views = Views {
        board,
        metrics,
        clock: clock.clone(),
        zone: zone.clone(),
        spans,
    };
    Ok(Told {
        observers,
        recorder,
        restored,
        views,
    })
}

/// The reader that counts; with everything that a scrape wants to see when there can be one.
fn metrics(
    settings: &Settings,
    known: &Known<'_>,
    log_counts: LogCounts,
    is_scraped: bool,
) -> prometheus::Result<Arc<Metrics>> {
    let metrics = Metrics::new(&Registry::new(), &settings.buckets);
    if is_scraped {
        metrics.expose_process()?;
    }
    if is_scraped || leaving::is_wanted(settings) {
        metrics.count_log(log_counts);
        metrics.expose_known(known)?;
    }
    Ok(Arc::new(metrics))
}

fn known<'a>(
    plan: &Plan,
    processors: &'a [Configured],
    settings: &Settings,
    clock: &Clock,
) -> Known<'a> {
    Known {
        processors,
        period: plan.period(clock.now()),
        mode: plan.mode,
        slots: plan.slots(),
        now: clock.now(),
        data_dir: settings.data_dir.clone(),
    }
}

fn observers(
    settings: &Settings,
    clock: &Clock,
    zone: &TimeZone,
    first: [Arc<dyn Observer>; 2],
) -> Observers {
    let sink = Box::new(io::stdout());
    let lines: Arc<dyn Observer> = match settings.log_format {
        LogFormat::Console => Arc::new(Console::new(
            sink,
            zone.clone(),
            settings.verbose,
            settings.single_run,
        )),
        LogFormat::Json => Arc::new(JsonLog::new(sink, clock.clone())),
    };
    Observers::new(first.into_iter().chain([lines]).collect())
}

fn startup(loaded: &Loaded, notes: Vec<String>, listener: Option<&Listener>) -> Startup {
    let settings = &loaded.settings;
    let store = match &settings.store {
        StoreChoice::Embedded => format!(
            "embutido, em {}",
            settings.data_dir.join("registros.db").display()
        ),
        StoreChoice::Directus { url, .. } => format!("Directus, em {url}"),
    };
    let config = match &loaded.source {
        Source::File(path) => Some(path.clone()),
        Source::BuiltIn => None,
    };
    Startup {
        mode: settings.mode,
        single_run: settings.single_run,
        dry_run: settings.dry_run,
        config,
        store,
        address: listener.map(|listener| listener.address),
        notes,
        warnings: loaded.warnings.clone(),
    }
}
