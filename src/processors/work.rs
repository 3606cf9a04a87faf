//! The loop that both processors share: claim a record, work on it, give it back or close it. Knows no document.

use std::fmt::Display;
use std::io::Write;

use tracing::Span;
use tracing::field::Empty;

use super::context::{Context, ProcessorError, Report};
use super::metrics::WorkMetrics;
use super::reading::DocumentError;
use crate::domain::Instance;
use crate::records::{Claim, ClaimResult, Collection, RecordId, RecordsError, RecordsErrorKind};

/// Where a run speaks: facts and the summary to `out`, warnings and errors to `err`.
pub(super) struct Voice<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
}

impl Voice<'_> {
    /// A fact. A reader that is gone must not undo the work, so a failed write is no error.
    pub(super) fn say(&mut self, line: impl Display) {
        drop(writeln!(self.out, "{line}"));
    }

    /// A warning or an error, with the same indulgence.
    pub(super) fn warn(&mut self, line: impl Display) {
        drop(writeln!(self.err, "{line}"));
    }
}

/// A store that fails at so many documents in a row fails, and not at something that is theirs.
const MOST_FAILURES: u32 = 2;

/// What one document gave.
#[derive(Default)]
pub(super) struct Done {
    pub(super) results: usize,
    pub(super) warnings: usize,
    pub(super) report: Option<String>,
}

/// A record that waits, as the loop needs to know it.
pub(super) trait Waiting {
    /// Its id.
    fn id(&self) -> &RecordId;
    /// Its name for people.
    fn label(&self) -> String;
}

/// How many records all runs of this one's start look at, if each takes `limit` of them.
pub(super) fn reach(limit: usize, instance: Instance) -> usize {
    limit.saturating_mul(instance.of as usize)
}

/// The records in the order of this run: each of several begins at a place of its own, so that they do not all ask for
/// the same one, and comes to the others' when it has done its part.
pub(super) fn in_turn<T>(records: &mut [T], instance: Instance) {
    let before = instance.number.saturating_sub(1) as usize;
    records.rotate_left(records.len() * before / instance.of.max(1) as usize);
}

/// Works on each record in turn, on at most `limit` of its own. The `claim` that `process` gets is `None` in a dry run: it must store nothing then.
pub(super) fn each<T: Waiting>(
    context: &mut Context,
    voice: &mut Voice<'_>,
    (collection, records, limit): (Collection, &[T], usize),
    mut process: impl FnMut(
        &mut Context,
        &mut Voice<'_>,
        &T,
        Option<&Claim>,
    ) -> Result<Done, DocumentError>,
) -> Result<Report, ProcessorError> {
    let mut report = Report::default();
    let (mut worked, mut failures) = (0, 0);
    for record in records {
        if context.is_stopped() {
            report.interrupted = true;
            break;
        }
        if worked == limit {
            break;
        }
        let label = record.label();
        let end = match turn(context, voice, (collection, record), &mut process) {
            Ok(end) => {
                failures = 0;
                end
            }
            Err(StoreFailure { error, kept }) => {
                failures += 1;
                if let Some(kept) = &kept {
                    tell_kept(voice, &label, kept);
                }
                let is_refused = error.kind() == RecordsErrorKind::TokenRefused;
                if kept.is_some() || is_refused || failures == MOST_FAILURES {
                    return Err(error.into());
                }
                report.store_failure = Some(error.kind());
                End::Failed(format!("{error}; continua na fila"))
            }
        };
        worked += usize::from(!matches!(end, End::Lost(None)));
        context.metrics.ended(end.outcome());
        if tell(voice, &mut report, &label, end) {
            break;
        }
    }
    let now = context.clock.now();
    match context.ask("queue", |records| records.queue(collection, now)) {
        // The next run will count it.
        Err(RecordsError::Interrupted) => {}
        state => context.metrics.queue(state?),
    }
    Ok(report)
}

/// One record's turn: claimed, worked on, closed or given back.
fn turn<T: Waiting>(
    context: &mut Context,
    voice: &mut Voice<'_>,
    (collection, record): (Collection, &T),
    process: &mut impl FnMut(
        &mut Context,
        &mut Voice<'_>,
        &T,
        Option<&Claim>,
    ) -> Result<Done, DocumentError>,
) -> Result<End, StoreFailure> {
    let claim = match take(context, collection, record.id()) {
        Ok(Taking::Work(claim)) => claim,
        Ok(Taking::Leave) => return Ok(End::Lost(None)),
        Ok(Taking::Exhausted) => return Ok(End::Failed("tentativas esgotadas".to_owned())),
        Err(RecordsError::Interrupted) => return Ok(End::Stopped(None)),
        Err(error) if context.is_stopped() => return Ok(End::Stopped(Some(error.to_string()))),
        Err(error) => {
            return match error.kind() {
                RecordsErrorKind::Record => Ok(End::Failed(error.to_string())),
                // It may have been claimed, and nobody answers who could say it.
                RecordsErrorKind::Unavailable => Err(StoreFailure {
                    kept: Some(error.to_string()),
                    error,
                }),
                _ => Err(StoreFailure { error, kept: None }),
            };
        }
    };
    let span = document_span(collection, record);
    let _document = span.enter();
    let result = process(context, voice, record, claim.as_ref());
    if let Err(error) = &result {
        tell_span(&span, error);
        context.metrics.failed(error);
    }
    conclude(context, claim.as_ref(), result)
}

fn document_span(collection: Collection, record: &impl Waiting) -> Span {
    tracing::info_span!(
        "document",
        otel.status_code = Empty,
        otel.status_description = Empty,
        error.type = Empty,
        orquestrador.document.collection = collection.as_str(),
        orquestrador.document.id = record.id().0.as_str(),
    )
}

/// A stop and a lost claim are no failures of the document.
fn tell_span(span: &Span, error: &DocumentError) {
    let Some(kind) = error.kind() else {
        return;
    };
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", error.to_string());
}

/// Does one step of a document's work, timed and in a span of its own.
pub(super) fn stage<T>(metrics: &WorkMetrics, name: &'static str, work: impl FnOnce() -> T) -> T {
    tracing::info_span!("stage", otel.name = name).in_scope(|| metrics.timed(name, work))
}

enum Taking {
    Work(Option<Claim>),
    Leave,
    Exhausted,
}

fn take(
    context: &mut Context,
    collection: Collection,
    id: &RecordId,
) -> Result<Taking, RecordsError> {
    if context.dry_run {
        return Ok(Taking::Work(None));
    }
    let now = context.clock.now();
    let claim = context.ask("claim", |records| records.claim(collection, id, now))?;
    Ok(match claim {
        ClaimResult::Ours(claim) => Taking::Work(Some(claim)),
        ClaimResult::Taken => Taking::Leave,
        ClaimResult::Exhausted => Taking::Exhausted,
    })
}

/// How a record's turn ended.
enum End {
    Done(Done),
    Failed(String),
    /// Another process has it, or it changed; with the reason if that came out while we worked.
    Lost(Option<String>),
    /// By a wish of ours; with the reason if nobody knows that the record was given back.
    Stopped(Option<String>),
}

/// The store failed while it was a record's turn.
struct StoreFailure {
    error: RecordsError,
    /// Why nobody knows that the record was given back.
    kept: Option<String>,
}

impl End {
    /// The word of `docx_documents_total{outcome}`.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Lost(_) => "taken",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// Closes the record, or gives it back.
fn conclude(
    context: &mut Context,
    claim: Option<&Claim>,
    result: Result<Done, DocumentError>,
) -> Result<End, StoreFailure> {
    let now = context.clock.now();
    let error = match result {
        Ok(done) => return Ok(End::Done(done)),
        Err(error) => error,
    };
    match error {
        DocumentError::Stopped | DocumentError::Records(RecordsError::Interrupted) => {
            Ok(End::Stopped(give_back(context, claim)))
        }
        DocumentError::Records(error @ RecordsError::ClaimLost { .. }) => {
            Ok(End::Lost(Some(error.to_string())))
        }
        DocumentError::Records(error) if error.kind() != RecordsErrorKind::Record => {
            // The store fails, so giving back may fail, too; the lease then brings the record back.
            let kept = give_back(context, claim);
            if context.is_stopped() {
                Ok(End::Stopped(kept))
            } else {
                Err(StoreFailure { error, kept })
            }
        }
        error => {
            let reason = error.to_string();
            let Some(claim) = claim else {
                return Ok(End::Failed(reason));
            };
            match context.ask("fail", |records| records.fail(claim, &reason, now)) {
                Err(lost @ RecordsError::ClaimLost { .. }) => Ok(End::Lost(Some(lost.to_string()))),
                Err(error) => Err(StoreFailure {
                    kept: Some(error.to_string()),
                    error,
                }),
                Ok(()) => Ok(End::Failed(reason)),
            }
        }
    }
}

/// Gives a record back to its trigger, and why nobody knows that it was; one that is not ours any more needs no giving.
fn give_back(context: &mut Context, claim: Option<&Claim>) -> Option<String> {
    let (claim, now) = (claim?, context.clock.now());
    match context.ask("release", |records| records.release(claim, now)) {
        Ok(()) | Err(RecordsError::ClaimLost { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Counts and tells; answers whether the run ends here.
fn tell(voice: &mut Voice<'_>, report: &mut Report, label: &str, end: End) -> bool {
    match end {
        End::Done(done) => {
            report.done += 1;
            report.results += done.results;
            report.warnings += done.warnings;
            report.reports.extend(done.report);
        }
        End::Failed(reason) => {
            report.failed += 1;
            voice.warn(format_args!("erro: {label}: {reason}"));
        }
        End::Lost(reason) => {
            report.taken += 1;
            if let Some(reason) = reason {
                voice.warn(format_args!("aviso: {label}: {reason}"));
            }
        }
        End::Stopped(kept) => {
            report.interrupted = true;
            if let Some(reason) = kept {
                tell_kept(voice, label, &reason);
            }
        }
    }
    report.interrupted
}

fn tell_kept(voice: &mut Voice<'_>, label: &str, reason: &str) {
    voice.warn(format_args!(
        "aviso: {label}: talvez não tenha sido devolvido à fila ({reason}); se não foi, volta quando o prazo da reserva passar"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_of_a_start_begin_at_places_of_their_own_and_come_to_all_records() {
        let order = |number, of| {
            let mut records: Vec<u32> = (0..7).collect();
            in_turn(&mut records, Instance { number, of });
            records
        };
        assert_eq!(order(1, 1), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(order(1, 3), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(order(2, 3), [2, 3, 4, 5, 6, 0, 1]);
        assert_eq!(order(3, 3), [4, 5, 6, 0, 1, 2, 3]);
        let mut none: [u32; 0] = [];
        in_turn(&mut none, Instance { number: 3, of: 3 });
        assert_eq!(reach(50, Instance { number: 2, of: 4 }), 200);
    }

    #[test]
    fn what_makes_no_sense_as_an_instance_is_none() {
        assert_eq!(
            Instance::from_texts("2", "3"),
            Some(Instance { number: 2, of: 3 })
        );
        for (number, of) in [("0", "3"), ("4", "3"), ("1", "65"), ("", "1"), ("1", "x")] {
            assert_eq!(Instance::from_texts(number, of), None, "{number} {of}");
        }
    }
}
