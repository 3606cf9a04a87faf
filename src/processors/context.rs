//! What a run of a document processor is given, and what it gives back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;

use super::metrics::WorkMetrics;
use crate::docx::Limits;
use crate::domain::{Clock, Instance};
use crate::records::{Records, RecordsError, RecordsErrorKind};

/// How many models a run takes at most.
const MODELS_PER_RUN: usize = 10;
/// How many versions a run takes at most.
const VERSIONS_PER_RUN: usize = 50;
/// How long one document may take.
const DOCUMENT_BUDGET: Duration = Duration::from_mins(1);

/// Everything that a run works with.
pub struct Context {
    /// The store; in a dry run, it is best opened read-only.
    pub records: Box<dyn Records>,
    /// Whether everything is done but writes.
    pub dry_run: bool,
    /// Wall time; a document's budget is measured on it, too.
    pub clock: Clock,
    /// Set from outside when the run must end: the record in work goes back to its trigger status.
    pub stop: Arc<AtomicBool>,
    /// What a document may cost.
    pub limits: Limits,
    /// How many models a run takes at most, oldest first.
    pub models_per_run: usize,
    /// How many versions a run takes at most, oldest first.
    pub versions_per_run: usize,
    /// Which of several runs this is that share the queue; each takes its own number of documents.
    pub instance: Instance,
    /// How long one document may take, so that it cannot starve the others.
    pub document_budget: Duration,
    /// What the run counts; made anew when it begins.
    pub metrics: WorkMetrics,
}

impl Context {
    /// A context with the documented defaults, nothing to stop it, and writes on.
    #[must_use]
    pub fn new(records: Box<dyn Records>, clock: Clock) -> Self {
        Self {
            records,
            dry_run: false,
            clock,
            stop: Arc::new(AtomicBool::new(false)),
            limits: Limits::default(),
            models_per_run: MODELS_PER_RUN,
            versions_per_run: VERSIONS_PER_RUN,
            instance: Instance::ONLY,
            document_budget: DOCUMENT_BUDGET,
            metrics: WorkMetrics::default(),
        }
    }

    /// Asks the store for something and counts it.
    pub(super) fn ask<T>(
        &mut self,
        operation: &'static str,
        ask: impl FnOnce(&mut dyn Records) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        self.metrics.request(operation, self.records.as_mut(), ask)
    }

    /// Whether the run has been asked to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("records", &self.records.location())
            .finish_non_exhaustive()
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Documents whose results are stored (in a dry run: would be).
    pub done: usize,
    /// Documents that could not be processed.
    pub failed: usize,
    /// Documents that another process took first, or that changed since they were listed.
    pub taken: usize,
    /// Documents that wait beyond this run's limit.
    pub remaining: usize,
    /// Documents that ask for work and cannot start (see [`crate::records::Pending::blocked`]).
    pub blocked: usize,
    /// What was found in the documents: tags or modifications.
    pub results: usize,
    /// Problems and warnings that were told on standard error.
    pub warnings: usize,
    /// Where the reports are, if the processor writes any.
    pub reports: Vec<String>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// What it means that the store failed at a document and went on with others.
    pub store_failure: Option<RecordsErrorKind>,
}

impl Report {
    /// Documents that this run worked on to an end.
    #[must_use]
    pub fn attempted(&self) -> usize {
        self.done + self.failed
    }
}

/// Why a run could not do its work at all. A failing document is no such reason; it is counted in [`Report::failed`].
#[derive(Debug, Error)]
pub enum ProcessorError {
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
}
