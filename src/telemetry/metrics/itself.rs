//! What is counted of the orchestrator itself: its HTTP side, its history, its log, its runtime.

use std::path::PathBuf;
use std::time::Duration;

use prometheus::proto::MetricFamily;

use super::super::detached::Lost;
use super::super::log::Level;
use super::super::log_counts::LogCounts;
use super::super::names;
use super::super::traces::Account;
use super::connections::Connections;
use super::filling::{Filling, number, single, single_time};
use super::histogram::{Bounds, Histogram};
use crate::domain::HistoryOperation;

/// The requests of one route.
struct Route {
    handler: String,
    codes: Vec<(u16, u64)>,
    duration: Histogram,
}

#[derive(Default)]
struct Operation {
    done: u64,
    failed: u64,
    duration: Histogram,
}

pub(super) struct Itself {
    bounds: Bounds,
    wait_bounds: Bounds,
    pub(super) slots: usize,
    pub(super) log: LogCounts,
    pub(super) lost: Lost,
    pub(super) spans: Account,
    pub(super) config_hash: u64,
    /// Where the data lies.
    pub(super) data_dir: Option<PathBuf>,
    routes: Vec<Route>,
    pub(super) connections: Connections,
    /// In the order of [`HistoryOperation::ALL`].
    history: [Operation; HistoryOperation::ALL.len()],
}

impl Itself {
    pub(super) fn new(bounds: Bounds, wait_bounds: Bounds) -> Self {
        Self {
            bounds,
            wait_bounds,
            slots: 0,
            log: LogCounts::default(),
            lost: Lost::default(),
            spans: Account::default(),
            config_hash: 0,
            data_dir: None,
            routes: Vec::new(),
            connections: Connections::default(),
            history: Default::default(),
        }
    }

    fn code(&mut self, handler: &str, code: u16) -> Option<(&mut u64, &mut Histogram)> {
        if !self.routes.iter().any(|route| route.handler == handler) {
            self.routes.push(Route {
                handler: handler.to_owned(),
                codes: Vec::new(),
                duration: Histogram::default(),
            });
        }
        let mut routes = self.routes.iter_mut();
        let route = routes.find(|route| route.handler == handler)?;
        if !route.codes.iter().any(|(known, _)| *known == code) {
            route.codes.push((code, 0));
        }
        let mut codes = route.codes.iter_mut();
        let count = codes.find(|(known, _)| *known == code)?;
        Some((&mut count.1, &mut route.duration))
    }

    pub(super) fn expose_route(&mut self, handler: &str) {
        self.code(handler, 200);
    }

    pub(super) fn count_request(&mut self, handler: &str, code: u16, elapsed: Duration) {
        let bounds = Bounds::clone(&self.wait_bounds);
        if let Some((count, duration)) = self.code(handler, code) {
            *count += 1;
            duration.observe(&bounds, elapsed.as_secs_f64());
        }
    }

    pub(super) fn operated(
        &mut self,
        operation: HistoryOperation,
        duration: Duration,
        is_ok: bool,
    ) {
        let which = HistoryOperation::ALL
            .iter()
            .position(|known| *known == operation);
        if let Some(counts) = which.and_then(|which| self.history.get_mut(which)) {
            let count = if is_ok {
                &mut counts.done
            } else {
                &mut counts.failed
            };
            *count += 1;
            counts
                .duration
                .observe(&self.bounds, duration.as_secs_f64());
        }
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let mut build = Filling::new(&names::BUILD_INFO);
        let labels = [
            env!("ORQUESTRADOR_REVISION"),
            env!("ORQUESTRADOR_RUSTC"),
            env!("CARGO_PKG_VERSION"),
        ];
        build.gauge(&labels, 1.0);
        let slots = u64::try_from(self.slots).unwrap_or(u64::MAX);
        let mut families = vec![
            build.into_family(),
            single(&names::WORKER_SLOTS, number(slots)),
            single(&names::CONFIG_HASH, number(self.config_hash)),
        ];
        families.extend(self.requests());
        families.extend(self.connections.families());
        families.extend(self.history());
        families.push(self.log_messages());
        families.push(self.lost_lines());
        families.extend(self.spans());
        families.extend(
            self.free_bytes()
                .map(|free| single(&names::DATA_FREE, free)),
        );
        families.extend(runtime());
        families
    }

    fn requests(&self) -> [MetricFamily; 2] {
        let mut requests = Filling::new(&names::HTTP_REQUESTS);
        let mut durations = Filling::new(&names::HTTP_DURATION);
        for route in &self.routes {
            for (code, count) in &route.codes {
                requests.count(&[&code.to_string(), &route.handler], *count);
            }
            durations.histogram(&[&route.handler], &self.wait_bounds, &route.duration);
        }
        [requests.into_family(), durations.into_family()]
    }

    fn history(&self) -> [MetricFamily; 2] {
        let mut operations = Filling::new(&names::HISTORY_OPERATIONS);
        let mut durations = Filling::new(&names::HISTORY_DURATION);
        for (operation, counts) in HistoryOperation::ALL.iter().zip(&self.history) {
            let label = operation.label();
            operations.count(&[label, "success"], counts.done);
            operations.count(&[label, "failure"], counts.failed);
            durations.histogram(&[label], &self.bounds, &counts.duration);
        }
        [operations.into_family(), durations.into_family()]
    }

    fn log_messages(&self) -> MetricFamily {
        let mut messages = Filling::new(&names::LOG_MESSAGES);
        for level in Level::COUNTED {
            messages.count(&[level.word()], self.log.get(level));
        }
        messages.into_family()
    }

    fn lost_lines(&self) -> MetricFamily {
        let mut lost = Filling::new(&names::LOG_LINES_LOST);
        lost.count(&[], self.lost.count());
        lost.into_family()
    }

    fn spans(&self) -> [MetricFamily; 4] {
        let counts = self.spans.counts();
        let mut spans = Filling::new(&names::OTLP_SPANS);
        spans.count(&["exported"], counts.exported);
        spans.count(&["failed"], counts.failed);
        spans.count(&["dropped"], counts.dropped);
        [
            spans.into_family(),
            single(&names::OTLP_QUEUE, number(counts.queued)),
            single(&names::OTLP_CAPACITY, number(counts.capacity)),
            single_time(&names::OTLP_LAST_SUCCESS, counts.last_success),
        ]
    }

    fn free_bytes(&self) -> Option<f64> {
        let found = nix::sys::statvfs::statvfs(self.data_dir.as_ref()?).ok()?;
        Some(number(
            found
                .blocks_available()
                .saturating_mul(found.fragment_size()),
        ))
    }
}

/// The runtime that gathers, if one does.
fn runtime() -> Vec<MetricFamily> {
    let Ok(handle) = tokio::runtime::Handle::try_current() else {
        return Vec::new();
    };
    let metrics = handle.metrics();
    let single = |family, count: usize| {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        single(family, number(count))
    };
    vec![
        single(&names::TOKIO_WORKERS, metrics.num_workers()),
        single(&names::TOKIO_TASKS, metrics.num_alive_tasks()),
        single(&names::TOKIO_QUEUE, metrics.global_queue_depth()),
    ]
}
