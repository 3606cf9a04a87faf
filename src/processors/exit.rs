//! The exit codes of the document processors, all in one place. After `sysexits.h` where that has a word for it.

use super::context::{ProcessorError, Report};
use crate::records::{RecordsError, RecordsErrorKind};

/// How a document processor ends, for the process that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ProcessorExit {
    /// Everything that waited was processed, or nothing waited.
    Done = 0,
    /// At least one document could not be processed; the others were.
    SomeFailed = 1,
    /// The call or the configuration is wrong.
    Usage = 2,
    /// The store cannot be reached or opened (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// It may work when tried again, or the run was stopped (`EX_TEMPFAIL`).
    Temporary = 75,
    /// The store refuses the token (`EX_NOPERM`).
    TokenRefused = 77,
}

impl ProcessorExit {
    /// The code that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit that a run's result stands for.
    #[must_use]
    pub fn of(result: &Result<Report, ProcessorError>) -> Self {
        match result {
            Ok(report) if report.interrupted => Self::Temporary,
            Ok(report) => match report.store_failure {
                Some(kind) => Self::of_kind(kind),
                None if report.failed > 0 => Self::SomeFailed,
                None => Self::Done,
            },
            Err(ProcessorError::Records(error)) => Self::of_store(error),
        }
    }

    /// The exit that an error of the store itself stands for.
    #[must_use]
    pub fn of_store(error: &RecordsError) -> Self {
        Self::of_kind(error.kind())
    }

    fn of_kind(kind: RecordsErrorKind) -> Self {
        match kind {
            RecordsErrorKind::Unavailable => Self::Unavailable,
            RecordsErrorKind::Temporary => Self::Temporary,
            RecordsErrorKind::TokenRefused => Self::TokenRefused,
            RecordsErrorKind::Record => Self::SomeFailed,
        }
    }
}
