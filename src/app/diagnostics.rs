//! What the program says of itself, and in which zone it reads the clock.

use jiff::tz::TimeZone;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Environment;
use crate::telemetry::detached::Detached;
use crate::telemetry::log_counts::LogCounts;
use crate::telemetry::traces::Traces;

/// The zone in which people read times: that of `TZ`, else of `/etc/localtime`, which is read as it is, since finding
/// its name would mean to look through all zones of the system.
pub(super) fn local_zone(environment: &Environment) -> TimeZone {
    if environment.get("TZ").is_some() {
        return TimeZone::system();
    }
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|bytes| TimeZone::tzif("localtime", &bytes).ok())
        .unwrap_or(TimeZone::UTC)
}

/// Diagnostics of our own go to `errors`, warnings and worse unless `RUST_LOG` says otherwise. Spans do not
/// depend on it, nor do the counts, which are handed back.
pub(super) fn init_tracing(
    traces: Option<&Traces>,
    environment: &Environment,
    errors: &Detached,
) -> LogCounts {
    let counts = LogCounts::default();
    let filter = environment
        .get("RUST_LOG")
        .and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(Level::WARN));
    let writer = errors.clone();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_target(true)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry()
        .with(lines)
        .with(counts.layer());
    let installed = match traces {
        Some(traces) => subscriber.with(traces.layer()).try_init(),
        None => subscriber.try_init(),
    };
    if let Err(error) = installed {
        errors.line(&format!("⚠️  diagnósticos internos indisponíveis: {error}"));
    }
    counts
}
