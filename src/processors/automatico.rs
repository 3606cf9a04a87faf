//! The comparing processor: finds what a version changes, stores the modifications and the report that shows them.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::clauses::{Clauses, Match};
use super::context::{Context, ProcessorError, Report};
use super::metrics::WorkMetrics;
use super::reading::{Budget, DocumentError, read};
use super::summary::{self, Words, count};
use super::work::{Done, Voice, Waiting, each, in_turn, reach, stage};
use crate::docx::report::{self, ClauseNote, Header};
use crate::docx::{self, Comparison, Document, Modification};
use crate::records::{
    Base, BaseKind, Claim, Collection, FileId, NewModification, NewReport, PendingVersion,
    RecordId, Records, StoredClause,
};

const WORDS: Words = Words {
    document: ["versão", "versões"],
    result: ["modificação", "modificações"],
    blocked: [
        "aguarda a publicação do modelo",
        "aguardam a publicação do modelo",
    ],
};

impl Waiting for PendingVersion {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn label(&self) -> String {
        format!(
            "versão {} (contrato {}, versão {})",
            self.id, self.contract, self.name
        )
    }
}

/// Processes the versions that wait, oldest first; the last line of `out` is the summary.
///
/// # Errors
///
/// The store failed. A document that fails is told on `err` and counted in the report.
pub fn run(
    context: &mut Context,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Report, ProcessorError> {
    let now = context.clock.now();
    context.metrics = WorkMetrics::of(Collection::Version);
    let (limit, instance) = (context.versions_per_run, context.instance);
    let reach = reach(limit, instance);
    let mut pending = context.ask("pending", |records| records.pending_versions(reach, now))?;
    in_turn(&mut pending.records, instance);
    let mut voice = Voice { out, err };
    let mut report = each(
        context,
        &mut voice,
        (Collection::Version, &pending.records, limit),
        process,
    )?;
    report.remaining = pending.waiting.saturating_sub(pending.records.len());
    report.blocked = pending.blocked;
    voice.say(summary::line(&report, &WORDS, context.dry_run));
    Ok(report)
}

fn process(
    context: &mut Context,
    voice: &mut Voice<'_>,
    version: &PendingVersion,
    claim: Option<&Claim>,
) -> Result<Done, DocumentError> {
    let budget = Budget::start(context);
    let base = context.ask("read", |records| records.base_of(&version.id))?;
    let (old_file, new_file) = both_files(&base, version)?;
    let old = read(context, &budget, &old_file, "documento anterior")?;
    let new = read(context, &budget, &new_file, "documento da versão")?;
    let comparison = stage(&context.metrics, "compare", || {
        docx::compare_until(&old, &new, &context.limits, &|| budget.is_over())
    });
    let comparison = comparison.map_err(|error| budget.told(error, "comparação"))?;
    budget.check()?;
    let clauses = context.ask("read", |records| records.clauses_of(&version.id))?;
    let matches = find_clauses(&comparison, &clauses);
    let rows = rows(&comparison, &matches);
    let now = context.clock.now();
    let header = header(version, &base, now);
    let html = stage(&context.metrics, "report", || {
        report::render(&comparison, (&old, &new), &header, &notes(&matches))
    });
    budget.check()?;
    let mut done = Done {
        results: rows.len(),
        warnings: new.warnings.len(),
        report: None,
    };
    if let Some(claim) = claim {
        let report = NewReport {
            name: report_name(&version.id, now),
            html,
        };
        let (metrics, records) = (&context.metrics, context.records.as_mut());
        let store =
            |records: &mut dyn Records| records.store_comparison(claim, &rows, &report, now);
        let stored = stage(metrics, "save", || metrics.request("store", records, store))?;
        for left in stored.left {
            voice.warn(format_args!(
                "aviso: {}: o relatório substituído não foi removido: {left}",
                version.label()
            ));
        }
        done.report = Some(stored.report);
    }
    context.metrics.modifications(&comparison);
    for found in &matches {
        let needs_review = found.as_ref().map(Match::needs_review);
        context.metrics.linked(needs_review);
    }
    tell(voice, version, (&base, rows.len()), &new);
    Ok(done)
}

fn tell(
    voice: &mut Voice<'_>,
    version: &PendingVersion,
    (base, results): (&Base, usize),
    new: &Document,
) {
    let (label, found) = (version.label(), count(results, WORDS.result));
    voice.say(format_args!(
        "{label}: {found}, comparada com {}",
        describe(base)
    ));
    for warning in &new.warnings {
        voice.warn(format_args!("aviso: {label}: {}", warning.message()));
    }
}

/// Both documents of a comparison; a missing one is the version's error, and nothing else takes its place.
fn both_files(base: &Base, version: &PendingVersion) -> Result<(FileId, FileId), DocumentError> {
    let new = version.file.clone();
    let new =
        new.ok_or_else(|| DocumentError::Incomplete("a versão não tem arquivo".to_owned()))?;
    let old = base.file.clone();
    let old = old.ok_or_else(|| {
        DocumentError::Incomplete(format!("{} não tem arquivo para comparar", describe(base)))
    })?;
    Ok((old, new))
}

/// The other side's name for people.
fn describe(base: &Base) -> String {
    match base.kind {
        BaseKind::Version => format!("a versão anterior {} ({})", base.id, base.name),
        BaseKind::Model => format!("o original do modelo {} ({})", base.id, base.name),
    }
}

/// The clause of each change of content, where one is found.
fn find_clauses(comparison: &Comparison, clauses: &[StoredClause]) -> Vec<Option<Match>> {
    let clauses = Clauses::new(clauses);
    comparison
        .modifications
        .iter()
        .map(|modification| clauses.find(&modification.content))
        .collect()
}

/// Rows for the changes of content, then for those of formatting, each in reading order.
fn rows(comparison: &Comparison, matches: &[Option<Match>]) -> Vec<NewModification> {
    let row = |(modification, found): (&Modification, Option<&Match>)| NewModification {
        category: modification.category.as_str().to_owned(),
        content: modification.content.clone(),
        change: modification.change.clone(),
        path_start: modification.path.clone(),
        path_end: modification.path_end.clone(),
        clause: found.map(|found| found.clause.clone()),
    };
    let content = comparison
        .modifications
        .iter()
        .zip(matches.iter().map(Option::as_ref));
    let formatting = comparison
        .formatting
        .iter()
        .map(|modification| (modification, None));
    content.chain(formatting).map(row).collect()
}

/// What the report says about the clauses.
fn notes(matches: &[Option<Match>]) -> Vec<Option<ClauseNote>> {
    let note = |found: &Match| ClauseNote {
        name: found.name.clone(),
        method: format!("palavras, {:.2}", found.score).replace('.', ","),
        needs_review: found.needs_review(),
    };
    matches
        .iter()
        .map(|found| found.as_ref().map(note))
        .collect()
}

fn header(version: &PendingVersion, base: &Base, now: Timestamp) -> Header {
    let day = |stamp: &str| {
        stamp
            .parse()
            .map(|instant| local(instant, "%d/%m/%Y"))
            .unwrap_or_default()
    };
    let old_name = match base.kind {
        BaseKind::Version => format!("Versão {}", base.name),
        BaseKind::Model => format!("Modelo {}", base.name),
    };
    Header {
        title: format!("Contrato {}, versão {}", version.contract, version.name),
        old_name,
        old_date: day(&base.created),
        new_name: format!("Versão {}", version.name),
        new_date: day(&version.created),
        generated_at: local(now, "%d/%m/%Y %H:%M:%S %Z"),
        facts: Vec::new(),
    }
}

/// An instant in the machine's time zone.
fn local(instant: Timestamp, format: &str) -> String {
    instant
        .to_zoned(TimeZone::system())
        .strftime(format)
        .to_string()
}

fn report_name(version: &RecordId, now: Timestamp) -> String {
    format!(
        "relatorio_diff_{version}_{}.html",
        local(now, "%Y%m%d_%H%M%S")
    )
}
