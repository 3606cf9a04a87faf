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
    let mut worked = 0;
    for record in records {
        if context.is_stopped() {
            report.interrupted = true;
            break;
        }
        if worked == limit {
            break;
        }
        let taking = match take(context, collection, record.id()) {
            Err(error) if context.is_stopped() => {
                let kept = Some(error).filter(|error| !matches!(error, RecordsError::Interrupted));
                tell(voice, &mut report, &record.label(), End::Stopped(kept));
                break;
            }
            taking => taking?,
        };
        let claim = match taking {
            Taking::Work(claim) => claim,
            Taking::Leave => {
                report.taken += 1;
                context.metrics.ended("taken");
                continue;
            }
            Taking::Exhausted => {
                voice.warn(format_args!(
                    "erro: {}: tentativas esgotadas",
                    record.label()
                ));
                report.failed += 1;
                context.metrics.ended("failed");
                continue;
            }
        };
        worked += 1;
        let span = document_span(collection, record);
        let _document = span.enter();
        let result = process(context, voice, record, claim.as_ref());
        if let Err(error) = &result {
            tell_span(&span, error);
            context.metrics.failed(error);
        }
        let end = conclude(context, claim.as_ref(), result)?;
        context.metrics.ended(end.outcome());
        if tell(voice, &mut report, &record.label(), end) {
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
    Lost(String),
    /// By a wish of ours; with an error if nobody knows that the record was given back.
    Stopped(Option<RecordsError>),
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

/// Closes the record, or gives it back. An error that is not the document's ends the run.
fn conclude(
    context: &mut Context,
    claim: Option<&Claim>,
    result: Result<Done, DocumentError>,
) -> Result<End, ProcessorError> {
    let now = context.clock.now();
    let error = match result {
        Ok(done) => return Ok(End::Done(done)),
        Err(error) => error,
    };
    match error {
        DocumentError::Stopped | DocumentError::Records(RecordsError::Interrupted) => {
            let kept = claim.and_then(|claim| give_back(context, claim).err());
            Ok(End::Stopped(kept))
        }
        DocumentError::Records(error @ RecordsError::ClaimLost { .. }) => {
            Ok(End::Lost(error.to_string()))
        }
        DocumentError::Records(error) if error.kind() != RecordsErrorKind::Record => {
            // The store fails, so giving back may fail, too; the lease then brings the record back.
            let kept = claim.and_then(|claim| give_back(context, claim).err());
            if context.is_stopped() {
                return Ok(End::Stopped(kept));
            }
            Err(error.into())
        }
        error => {
            let reason = error.to_string();
            let Some(claim) = claim else {
                return Ok(End::Failed(reason));
            };
            match context.ask("fail", |records| records.fail(claim, &reason, now)) {
                Err(lost @ RecordsError::ClaimLost { .. }) => Ok(End::Lost(lost.to_string())),
                failed => Ok(failed.map(|()| End::Failed(reason))?),
            }
        }
    }
}

/// Gives a record back to its trigger; one that is not ours any more needs no giving.
fn give_back(context: &mut Context, claim: &Claim) -> Result<(), RecordsError> {
    let now = context.clock.now();
    match context.ask("release", |records| records.release(claim, now)) {
        Err(RecordsError::ClaimLost { .. }) => Ok(()),
        released => released,
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
            voice.warn(format_args!("aviso: {label}: {reason}"));
        }
        End::Stopped(kept) => {
            report.interrupted = true;
            if let Some(error) = kept {
                voice.warn(format_args!(
                    "aviso: {label}: talvez não tenha sido devolvido à fila ({error}); se não foi, volta quando o prazo da reserva passar"
                ));
            }
        }
    }
    report.interrupted
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
