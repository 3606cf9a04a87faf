//! The keys that say when something is due, at both levels of the file. Refuses to know how instants are found.

use super::defaults;
use super::table::Section;
use super::value;
use crate::domain::{CatchUp, Overlap, ScheduleSpec, Timing};

/// The main schedule, if the file names one, and the zone that holds where no other is named.
pub(super) fn main(root: &mut Section<'_>) -> (Option<ScheduleSpec>, Option<String>) {
    let zone = root.parsed("fuso", value::zone);
    (schedule(root, zone.as_deref()), zone)
}

/// When a processor is due; `zone` is that of the main level.
pub(super) fn of_processor(section: &mut Section<'_>, zone: Option<&str>) -> Timing {
    let base = Timing::default();
    let has_zone = section.has("fuso");
    let own_zone = section.parsed("fuso", value::zone);
    if has_zone && !section.has("agenda") {
        section.problem(
            "fuso",
            "só vale com uma agenda no mesmo nível; esperada também a chave agenda",
        );
    }
    Timing {
        schedule: schedule(section, own_zone.as_deref().or(zone)),
        jitter: section
            .parsed("variacao", value::duration)
            .unwrap_or(base.jitter),
        overlap: section
            .parsed("sobreposicao", overlap)
            .unwrap_or(base.overlap),
        catch_up: section
            .parsed("recuperar", catch_up)
            .unwrap_or(base.catch_up),
        window: section
            .parsed("janela", value::positive_duration)
            .unwrap_or(base.window),
        max_staleness: section.parsed("max_defasagem", value::duration),
    }
}

fn schedule(section: &mut Section<'_>, zone: Option<&str>) -> Option<ScheduleSpec> {
    let both = section.has("agenda") && section.has("intervalo");
    let interval = section.parsed("intervalo", value::positive_duration);
    let expression = section.parsed("agenda", value::cron);
    if both {
        section.problem(
            "agenda",
            "está ao lado de intervalo; esperado só um dos dois no mesmo nível",
        );
    }
    let cron = expression.map(|expression| ScheduleSpec::Cron {
        expression,
        zone: zone.map(str::to_owned),
    });
    cron.or(interval.map(ScheduleSpec::Interval))
}

fn overlap(text: &str) -> value::Parsed<Overlap> {
    let mut choices = Overlap::ALL.into_iter();
    choices.find(|choice| choice.word() == text).ok_or_else(|| {
        format!("{text:?} não é uma opção; esperado pular, enfileirar ou substituir")
    })
}

fn catch_up(text: &str) -> value::Parsed<CatchUp> {
    let mut choices = CatchUp::ALL.into_iter();
    choices
        .find(|choice| choice.word() == text)
        .ok_or_else(|| format!("{text:?} não é uma opção; esperado nao, um ou todos"))
}

/// What somebody should know of the timing of `specs`: keys that have no effect where they stand.
pub(super) fn warnings(specs: &[crate::domain::ProcessorSpec]) -> Vec<String> {
    let of = |name: &crate::domain::ProcessorName| specs.iter().find(|spec| spec.name == *name);
    let mut warnings = Vec::new();
    for spec in specs {
        let timing = &spec.timing;
        let name = &spec.name;
        let is_cron = matches!(timing.schedule, Some(ScheduleSpec::Cron { .. }));
        let inert = [
            (
                "variacao",
                !timing.jitter.is_zero() && timing.schedule.is_none(),
            ),
            (
                "sobreposicao",
                timing.overlap != Overlap::default() && !is_cron,
            ),
            (
                "recuperar",
                timing.catch_up != CatchUp::default() && !is_cron,
            ),
        ];
        for (key, _) in inert.into_iter().filter(|(_, is_inert)| *is_inert) {
            let needed = if key == "variacao" {
                "agenda ou intervalo próprios"
            } else {
                "agenda própria"
            };
            warnings.push(format!("{name}.{key} só tem efeito com {needed}"));
        }
        for other in spec.depends_on.iter().filter_map(of) {
            if spec.timing.schedule.is_some() || other.timing.schedule.is_some() {
                warnings.push(format!(
                    "{name}.depende_de: {} tem outra agenda; a dependência só vale dentro do mesmo ciclo, como em --single-run",
                    other.name
                ));
            }
        }
    }
    warnings
}

/// The main schedule when nobody says anything.
pub(super) const DEFAULT: ScheduleSpec = ScheduleSpec::Interval(defaults::INTERVAL);
