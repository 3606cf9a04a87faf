//! The template processor: reads a model's tagged document, stores its tags, and says what is wrong with them.

use std::io::Write;

use super::context::{Context, ProcessorError, Report};
use super::metrics::WorkMetrics;
use super::reading::{Budget, DocumentError, read};
use super::summary::{self, Words, count};
use super::work::{Done, Voice, Waiting, each, in_turn, reach, stage};
use crate::docx::tags::{self, Tag, Tags};
use crate::records::{Claim, Collection, NewTag, PendingModel, RecordId, Records};

const WORDS: Words = Words {
    document: ["modelo", "modelos"],
    result: ["tag", "tags"],
    blocked: ["não tem os dois arquivos", "não têm os dois arquivos"],
};

/// How many problems of one template are told one by one; the rest is counted.
const PROBLEMS_TOLD: usize = 50;

impl Waiting for PendingModel {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn label(&self) -> String {
        format!("modelo {} ({})", self.id, self.name)
    }
}

/// Processes the models that wait, oldest first; the last line of `out` is the summary.
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
    context.metrics = WorkMetrics::of(Collection::Model);
    let (limit, instance) = (context.models_per_run, context.instance);
    let reach = reach(limit, instance);
    let mut pending = context.ask("pending", |records| records.pending_models(reach, now))?;
    in_turn(&mut pending.records, instance);
    let mut voice = Voice { out, err };
    let mut report = each(
        context,
        &mut voice,
        (Collection::Model, &pending.records, limit),
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
    model: &PendingModel,
    claim: Option<&Claim>,
) -> Result<Done, DocumentError> {
    let budget = Budget::start(context);
    let original = read(context, &budget, &model.original, "arquivo original")?;
    let tagged = read(context, &budget, &model.tagged, "arquivo com tags")?;
    let found = stage(&context.metrics, "extract", || tags::extract(&tagged));
    budget.check()?;
    let likeness = || tags::likeness(&original, &tagged);
    let likeness = stage(&context.metrics, "compare", likeness);
    budget.check()?;
    let rows = tag_rows(&found);
    if let Some(claim) = claim {
        let now = context.clock.now();
        let (metrics, records) = (&context.metrics, context.records.as_mut());
        let store = |records: &mut dyn Records| records.store_tags(claim, &rows, now);
        stage(metrics, "save", || metrics.request("store", records, store))?;
    }
    context.metrics.tags(&found);
    let label = model.label();
    let percent = format!("{:.1}%", likeness.ratio * 100.0).replace('.', ",");
    voice.say(format_args!(
        "{label}: {}, semelhança com o original: {percent}",
        count(rows.len(), WORDS.result)
    ));
    let warnings = warn(voice, &label, &found) + warn_of_drift(voice, &label, &likeness);
    Ok(Done {
        results: rows.len(),
        warnings,
        report: None,
    })
}

/// The rows that stand for the tags of a document, in its order.
#[must_use]
pub fn tag_rows(tags: &Tags) -> Vec<NewTag> {
    tags.in_order().into_iter().map(row).collect()
}

fn row(tag: &Tag) -> NewTag {
    NewTag {
        name: tag.name.clone(),
        path_start: tag.path_start.clone(),
        path_end: tag.path_end.clone(),
        content: tag.stored_content(),
        context: tag.context.clone(),
        position_start: tag.position_start,
        position_end: tag.position_end,
        line: tag.paragraph,
    }
}

/// Tells every problem with its place and remedy; returns how many there are.
fn warn(voice: &mut Voice<'_>, label: &str, found: &Tags) -> usize {
    for problem in found.problems.iter().take(PROBLEMS_TOLD) {
        let severity = problem.kind.severity().as_str();
        voice.warn(format_args!(
            "{severity}: {label}: {} ({}, parágrafo {}, perto de \"{}\"): {}",
            problem.message, problem.part, problem.paragraph, problem.nearby, problem.remedy
        ));
    }
    if let Some(more) = found
        .problems
        .len()
        .checked_sub(PROBLEMS_TOLD)
        .filter(|more| *more > 0)
    {
        voice.warn(format_args!(
            "aviso: {label}: mais {}",
            count(more, ["problema", "problemas"])
        ));
    }
    let empty = found.pairs.is_empty() && found.singles.is_empty();
    if empty {
        voice.warn(format_args!(
            "aviso: {label}: nenhuma tag encontrada no arquivo com tags"
        ));
    }
    found.problems.len() + usize::from(empty)
}

/// Tells where the tagged copy first says something else than the original; returns the number of warnings.
fn warn_of_drift(voice: &mut Voice<'_>, label: &str, likeness: &tags::Likeness) -> usize {
    let Some(first) = &likeness.first else {
        return 0;
    };
    voice.warn(format_args!(
        "aviso: {label}: o arquivo com tags difere do original em {}; o primeiro, em {}: \"{}\" no original, \"{}\" com tags",
        count(likeness.differences, ["trecho", "trechos"]),
        first.path,
        first.original,
        first.tagged
    ));
    1
}
