//! Questions to the history: off the asynchronous threads, few at once, read-only.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::history::{HistoryError, HistoryReader};

/// Questions at once.
const AT_ONCE: usize = 4;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the answers are.
pub struct Sources {
    history: Option<PathBuf>,
    turns: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// Too many questions are being answered.
    #[error("há perguntas demais ao mesmo tempo; tente de novo")]
    Busy,
    /// A simulation writes no history.
    #[error("uma simulação não grava histórico")]
    NoHistory,
    /// The history could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The question did not come to an end.
    #[error("a leitura falhou")]
    Broken,
}

impl Sources {
    /// The history in the file `history`, if there is to be one.
    #[must_use]
    pub fn new(history: Option<PathBuf>) -> Self {
        Self {
            history,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Asks the history.
    pub(super) async fn history<T: Send + 'static>(
        &self,
        question: impl FnOnce(&HistoryReader) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let path = self.history.clone().ok_or(Unanswered::NoHistory)?;
        self.ask(move || Ok(question(&HistoryReader::open(&path)?)?))
            .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, Unanswered> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Unanswered::Busy);
        };
        let asked = tokio::task::spawn_blocking(move || {
            // The turn ends with the question, also when nobody waits for the answer any more.
            let _turn = turn;
            question()
        });
        asked.await.unwrap_or(Err(Unanswered::Broken))
    }
}
