//! Questions to the history and to the documents' store: off the asynchronous threads, few at once, read-only.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::history::{HistoryError, HistoryReader};
use crate::records::{self, Access, Records, RecordsError, StoreSettings, Vocabulary};

/// Questions at once.
const AT_ONCE: usize = 4;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the answers are.
pub struct Sources {
    history: Option<PathBuf>,
    store: StoreSettings,
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
    /// The store could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The question did not come to an end.
    #[error("a leitura falhou")]
    Broken,
}

impl Sources {
    /// The history in the file `history`, if there is to be one, and the store.
    #[must_use]
    pub fn new(history: Option<PathBuf>, store: StoreSettings) -> Self {
        Self {
            history,
            store,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// How the store spells states.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.store.vocabulary
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

    /// Asks the documents' store.
    pub(super) async fn records<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Records) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let store = self.store.clone();
        self.ask(move || {
            let mut records = records::open(&store, Access::ReadOnly)?;
            Ok(question(records.as_mut())?)
        })
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
