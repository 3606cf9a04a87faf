//! Reading one document of the store within its own budget of time. Knows nothing of what the document is for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::context::Context;
use super::work::stage;
use crate::docx::{self, Document, ReadError};
use crate::domain::Clock;
use crate::records::{FileId, Records, RecordsError};

/// Why one document came to no result.
#[derive(Debug, Error)]
pub(super) enum DocumentError {
    /// The run was asked to end.
    #[error("a execução foi interrompida")]
    Stopped,
    /// The document took too long.
    #[error("o documento passou do seu tempo de {seconds} s")]
    TooSlow { seconds: u64 },
    /// The document cannot be read.
    #[error("{role}: {source}")]
    Unreadable {
        role: &'static str,
        source: ReadError,
    },
    /// The record lacks something.
    #[error("{0}")]
    Incomplete(String),
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl DocumentError {
    /// What it is, in the words of `error.type`; none for what is nobody's failure.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Stopped
            | Self::Records(RecordsError::ClaimLost { .. } | RecordsError::Interrupted) => None,
            Self::TooSlow { .. } => Some("timeout"),
            Self::Unreadable { .. } => Some("unreadable"),
            Self::Incomplete(_) => Some("incomplete"),
            Self::Records(_) => Some("records"),
        }
    }
}

/// The time that one document has.
pub(super) struct Budget {
    clock: Clock,
    stop: Arc<AtomicBool>,
    end: Timestamp,
    seconds: u64,
}

impl Budget {
    /// A budget that begins now.
    pub(super) fn start(context: &Context) -> Self {
        let length =
            SignedDuration::try_from(context.document_budget).unwrap_or(SignedDuration::MAX);
        let end = context
            .clock
            .now()
            .checked_add(length)
            .unwrap_or(Timestamp::MAX);
        let (clock, stop) = (context.clock.clone(), Arc::clone(&context.stop));
        Self {
            clock,
            stop,
            end,
            seconds: context.document_budget.as_secs(),
        }
    }

    /// Whether work on the document must end.
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.clock.now() > self.end
    }

    /// An error if work on the document must end; asked between the stages.
    pub(super) fn check(&self) -> Result<(), DocumentError> {
        if self.is_over() {
            Err(self.exceeded())
        } else {
            Ok(())
        }
    }

    /// What a document's error means to its record; `role` names the document.
    pub(super) fn told(&self, error: ReadError, role: &'static str) -> DocumentError {
        match error {
            ReadError::Cancelled => self.exceeded(),
            source => DocumentError::Unreadable { role, source },
        }
    }

    /// Why work on the document ended.
    fn exceeded(&self) -> DocumentError {
        if self.stop.load(Ordering::Relaxed) {
            return DocumentError::Stopped;
        }
        DocumentError::TooSlow {
            seconds: self.seconds,
        }
    }
}

/// Reads a document of the store; `role` names it in errors.
pub(super) fn read(
    context: &mut Context,
    budget: &Budget,
    file: &FileId,
    role: &'static str,
) -> Result<Document, DocumentError> {
    let (metrics, records) = (&context.metrics, context.records.as_mut());
    let limit = context.limits.file_bytes;
    let ask = |records: &mut dyn Records| records.read_file(file, limit);
    let bytes = stage(metrics, "download", || {
        metrics.request("read_file", records, ask)
    })?;
    metrics.read(bytes.len());
    let document = stage(metrics, "parse", || {
        docx::read_until(&bytes, &context.limits, &|| budget.is_over())
    });
    match document {
        Ok(document) => budget.check().map(|()| document),
        Err(error) => Err(budget.told(error, role)),
    }
}
