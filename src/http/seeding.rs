//! What the history knows of the day before this start, given to the pages once. Without it they begin empty.

use std::sync::Arc;

use jiff::SignedDuration;

use super::Views;
use super::asking::Unanswered;
use super::recent::{Mark, Past};

/// How far back.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Runs that are read, at most: the latest.
const MOST: usize = 50_000;

/// Asks the history and tells the pages.
pub(super) async fn seed(views: Arc<Views>) {
    let until = views.board.snapshot().started_at;
    let since = until.checked_sub(DAY).unwrap_or(until);
    let past = views
        .sources
        .history(move |history| history.past((since, until), MOST));
    match past.await {
        Ok(runs) => {
            let of = |run: crate::history::PastRun| {
                let mark = Mark {
                    id: run.id,
                    started_at: run.started_at,
                    finished_at: run.finished_at,
                    outcome: run.outcome,
                    duration: run.duration,
                };
                (run.processor, mark)
            };
            let runs = runs.into_iter().map(of).collect();
            views.recent.seed(Past { runs });
        }
        Err(Unanswered::NoHistory) => {}
        Err(error) => tracing::warn!(%error, "the pages do not know what was before this start"),
    }
}
