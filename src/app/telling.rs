//! Who is told of the facts: status board, metrics, console or log, history. Built before the first fact is stated.

use std::io;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::distribution::{self, Group};
use super::traced::Exporting;
use super::{leaving, recording, store_settings};
use crate::config::{self, Loaded, Settings, Source, StoreChoice};
use crate::domain::{Clock, Configured, Event, LogFormat, Observer, Observers, Restored, Startup};
use crate::engine::status::StatusBoard;
use crate::engine::{LiveReaders, Plan};
use crate::history::{self, History, Recorder};
use crate::http::{Feed, Listener, Recent, Sources, Views};
use crate::telemetry::console::{self, Console};
use crate::telemetry::detached::Detached;
use crate::telemetry::log::{self, JsonLog};
use crate::telemetry::log_counts::LogCounts;
use crate::telemetry::metrics::{Known, Metrics};
use crate::telemetry::traces::Traces;
use crate::telemetry::traces::output::OutputLogs;

/// Who is told, and what they show.
pub(super) struct Told {
    pub(super) observers: Observers,
    /// None when nothing may be written.
    pub(super) recorder: Option<Recorder>,
    /// What earlier starts left.
    pub(super) restored: Arc<Restored>,
    pub(super) views: Views,
    /// What exists of the group; none when everything runs here.
    pub(super) group: Option<Group>,
    /// Who is told of output while it comes; none unless somebody looks.
    pub(super) live_output: Option<LiveReaders>,
    /// Standard output.
    pub(super) lines: Detached,
}

/// Builds all readers, and tells them that everything is set up and what earlier starts left.
pub(super) fn begin(
    loaded: &Loaded,
    (notes, history): (Vec<String>, Option<History>),
    (plan, zone, clock): (&Plan, &TimeZone, &Clock),
    (exporting, listener): (&Exporting, Option<&Listener>),
) -> anyhow::Result<Told> {
    let settings = &loaded.settings;
    let board = Arc::new(StatusBoard::new(plan.clone(), clock.now()));
    let configured = plan.configured(clock.now());
    let known = known(plan, &configured, settings, clock);
    let metrics = metrics(
        settings,
        &known,
        exporting.log_counts.clone(),
        listener.is_some(),
    )?;
    metrics.tell_config(config::hash(settings));
    let (group, announcer) = distribution::group(settings, clock).unzip();
    if let Some(group) = &group {
        metrics.show_group(group.board.clone(), clock.clone());
    }
    let traces = exporting.traces.as_ref();
    let spans = traces.map(Traces::account).unwrap_or_default();
    metrics.count_spans(spans.clone());
    let output = exporting.output.clone();
    let recent = Arc::new(Recent::default());
    let first: [Arc<dyn Observer>; 2] = [board.clone(), metrics.clone()];
    let output = output.map(|output| Arc::new(output) as Arc<dyn Observer>);
    let shown = listener.map(|_| Arc::clone(&recent) as Arc<dyn Observer>);
    let announcer = announcer.map(|announcer| Arc::new(announcer) as Arc<dyn Observer>);
    let first = first.into_iter().chain(shown.clone()).chain(output);
    let first = first.chain(announcer);
    let (lines, log) = lines(settings, (clock, zone), &exporting.errors)?;
    metrics.count_lost_lines(lines.lost.clone());
    let observers = Observers::new(first.chain([log]).collect());
    let live_output = live_output(settings, &observers, shown);
    let startup = startup(loaded, notes, listener);
    observers.state(&Event::Started(Arc::new(startup)));
    let (recorder, restored) = recording::begin(history, &observers)?;
    let output = exporting.output.as_ref();
    let output = output.map(OutputLogs::account).unwrap_or_default();
    let views = Views {
        board,
        metrics,
        recent,
        sources: sources(loaded),
        feed: Feed::default(),
        clock: clock.clone(),
        zone: zone.clone(),
        spans,
        output,
        trace_link: settings.trace_link.clone(),
        alerts: settings.alerts.clone(),
        group: group.as_ref().map(|group| group.board.clone()),
    };
    Ok(Told {
        observers,
        recorder,
        restored,
        views,
        group,
        live_output,
        lines,
    })
}

/// What pages may ask: a simulation has no history.
fn sources(loaded: &Loaded) -> Sources {
    let settings = &loaded.settings;
    let history = settings.instance_dir().join(history::DATABASE);
    Sources::new(
        (!settings.dry_run).then_some(history),
        store_settings(loaded),
    )
}

/// All readers with `--verbose`; else the pages, which need no more than people can read.
fn live_output(
    settings: &Settings,
    observers: &Observers,
    shown: Option<Arc<dyn Observer>>,
) -> Option<LiveReaders> {
    let is_sampled = !settings.verbose;
    let observers = if is_sampled {
        Observers::new(vec![shown?])
    } else {
        observers.clone()
    };
    Some(LiveReaders {
        observers,
        is_sampled,
    })
}

/// The reader that counts; with everything that a scrape wants to see when there can be one.
fn metrics(
    settings: &Settings,
    known: &Known<'_>,
    log_counts: LogCounts,
    is_scraped: bool,
) -> prometheus::Result<Arc<Metrics>> {
    let metrics = Metrics::new(&settings.buckets);
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
    plan: &'a Plan,
    processors: &'a [Configured],
    settings: &Settings,
    clock: &Clock,
) -> Known<'a> {
    Known {
        processors,
        main: &plan.main,
        period: plan.period(clock.now()),
        mode: plan.mode,
        slots: plan.own_slots(),
        now: clock.now(),
        data_dir: settings.data_dir.clone(),
    }
}

/// Standard output, which counts lost lines together with `errors`, and the reader that writes to it.
fn lines(
    settings: &Settings,
    (clock, zone): (&Clock, &TimeZone),
    errors: &Detached,
) -> io::Result<(Detached, Arc<dyn Observer>)> {
    let (format, now) = (settings.log_format, clock.clone());
    let lost = move |lines| match format {
        LogFormat::Console => console::lost_lines(lines),
        LogFormat::Json => log::lost_lines(now.now(), lines),
    };
    let mut lines = Detached::new(io::stdout(), lost)?;
    lines.lost = errors.lost.clone();
    let sink = Box::new(lines.clone());
    let log: Arc<dyn Observer> = match format {
        LogFormat::Console => Arc::new(Console::new(
            sink,
            zone.clone(),
            settings.verbose,
            settings.single_run,
        )),
        LogFormat::Json => Arc::new(JsonLog::new(sink, clock.clone())),
    };
    Ok((lines, log))
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
        is_encrypted: listener.is_some_and(Listener::is_encrypted),
        notes,
        warnings: loaded.warnings.clone(),
    }
}
