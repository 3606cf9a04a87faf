//! How the program ends, all in one place.

use std::process::ExitCode;

/// The exit codes of `orquestrador`; the document processors have their own in `processors::exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; in a single run, no run ended in failure, timeout, error or cancellation.
    Done,
    /// Could not do it; in a single run, at least one run ended badly.
    Failed,
    /// Bad usage or configuration; nothing was started.
    Usage,
    /// Stopped by SIGINT.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
    /// The code of a sub-command that has its own.
    Code(u8),
}

impl Exit {
    /// The code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Code(code) => code,
        }
    }

    /// The exit that stands for a stop by this signal.
    #[must_use]
    pub fn of_signal(signal: &str) -> Self {
        if signal == "SIGINT" {
            Self::Interrupted
        } else {
            Self::Terminated
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
