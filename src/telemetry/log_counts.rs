//! Counts of what was said, by level, before any filter: facts and our own diagnostics alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::log::Level;

/// The counts. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct LogCounts(Arc<[AtomicU64; Level::COUNTED.len()]>);

impl LogCounts {
    /// Counts one message.
    pub(super) fn count(&self, level: Level) {
        self.add(level, 1);
    }

    pub(super) fn add(&self, level: Level, count: u64) {
        if let Some(counter) = self.of(level) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, level: Level) -> u64 {
        self.of(level)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn of(&self, level: Level) -> Option<&AtomicU64> {
        let which = Level::COUNTED.iter().position(|known| *known == level)?;
        self.0.get(which)
    }

    /// The layer that counts diagnostics, whatever is written of them.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        Counting(self.clone()).with_filter(LevelFilter::INFO)
    }
}

struct Counting(LogCounts);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => return,
        };
        self.0.count(level);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn diagnostics_are_counted_by_level_though_nobody_writes_them() {
        let counts = LogCounts::default();
        let subscriber = tracing_subscriber::registry().with(counts.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("a");
            tracing::warn!("b");
            tracing::warn!("c");
            tracing::debug!("d");
        });
        let counted = Level::COUNTED.map(|level| counts.get(level));
        assert_eq!(counted, [1, 2, 0]);
    }
}
