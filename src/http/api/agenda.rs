//! `agenda`: what will start when, and what will not, with the reason. Starts nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Exit;
use crate::cli::{stderr_line, stdout_text};
use crate::config::Loaded;
use crate::domain::{ProcessorName, Schedule, ScheduleSpec};
use crate::engine::Plan;
use crate::schedule::{Cron, Shift, Timetable, jitter, shifts, zone};

/// How far ahead changes of the clocks are told.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// One schedule, as it is shown.
struct Line {
    schedule: Schedule,
    processors: Vec<ProcessorName>,
    spec: ScheduleSpec,
    jitter: Duration,
}

/// Something that somebody should know before it happens.
struct Notice {
    kind: &'static str,
    schedule: String,
    message: String,
}

/// Shows the next `limit` starts.
pub(super) fn show(
    loaded: &Loaded,
    plan: &Plan,
    now: Timestamp,
    (limit, is_json): (usize, bool),
) -> Exit {
    let lines = lines(plan);
    let mut notices: Vec<_> = lines
        .iter()
        .flat_map(|line| notices(line, plan, now))
        .collect();
    notices.extend(dependencies(plan));
    let starts = starts(&lines, plan, now, limit);
    if is_json {
        stdout_text(&format!(
            "{}\n",
            report(&lines, &starts, &notices, &plan.zone)
        ));
        return Exit::Done;
    }
    for line in &lines {
        if let Some(interval) = line.spec.interval() {
            stdout_text(&format!(
                "{:<25} {}\n",
                format!("a cada {}s", interval.as_secs_f64()),
                whose(line)
            ));
        }
    }
    for (at, line) in &starts {
        let at = local(*at, &zone_of(&line.spec, &plan.zone));
        stdout_text(&format!("{at} {}\n", whose(line)));
    }
    for warning in loaded
        .warnings
        .iter()
        .filter(|text| !text.contains("depende_de"))
    {
        stderr_line(&format!("⚠️  {warning}"));
    }
    for notice in &notices {
        stderr_line(&format!("⚠️  {}: {}", notice.schedule, notice.message));
    }
    Exit::Done
}

fn lines(plan: &Plan) -> Vec<Line> {
    let due = plan.main_processors();
    let main = (!due.is_empty()).then(|| Line {
        schedule: Schedule::Main,
        processors: due.iter().map(|spec| spec.name.clone()).collect(),
        spec: plan.main.clone(),
        jitter: Duration::ZERO,
    });
    let own = plan.processors.iter().filter_map(|spec| {
        Some(Line {
            schedule: Schedule::Own,
            processors: vec![spec.name.clone()],
            spec: spec.timing.schedule.clone()?,
            jitter: jitter(spec.name.as_str(), spec.timing.jitter),
        })
    });
    main.into_iter().chain(own).collect()
}

/// The next instants of all patterns, in order.
fn starts<'a>(
    lines: &'a [Line],
    plan: &Plan,
    now: Timestamp,
    limit: usize,
) -> Vec<(Timestamp, &'a Line)> {
    let tables: Vec<_> = lines
        .iter()
        .map(|line| Timetable::new(&line.spec, &plan.zone, line.jitter).ok())
        .collect();
    let next = |index: usize, after| {
        Some(Reverse((
            tables.get(index)?.as_ref()?.next_after(after)?,
            index,
        )))
    };
    let mut queue: BinaryHeap<_> = (0..lines.len())
        .filter_map(|index| next(index, now))
        .collect();
    let mut starts = Vec::new();
    while let Some(Reverse((at, index))) = queue.pop().filter(|_| starts.len() < limit) {
        starts.extend(lines.get(index).map(|line| (at, line)));
        queue.extend(next(index, at));
    }
    starts
}

fn whose(line: &Line) -> String {
    let names: Vec<_> = line.processors.iter().map(ProcessorName::as_str).collect();
    match line.schedule {
        Schedule::Main => format!("ciclo: {}", names.join(", ")),
        Schedule::Own => names.join(", "),
    }
}

fn zone_of(spec: &ScheduleSpec, default: &TimeZone) -> TimeZone {
    let named = match spec {
        ScheduleSpec::Cron {
            zone: Some(name), ..
        } => zone(name),
        _ => None,
    };
    named.unwrap_or_else(|| default.clone())
}

fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// What is odd about a pattern: it never matches, or the clocks skip or repeat its times.
fn notices(line: &Line, plan: &Plan, now: Timestamp) -> Vec<Notice> {
    let ScheduleSpec::Cron { expression, .. } = &line.spec else {
        return Vec::new();
    };
    let zone = zone_of(&line.spec, &plan.zone);
    let Ok(cron) = Cron::new(expression, zone.clone()) else {
        return Vec::new();
    };
    let notice = |kind, message| Notice {
        kind,
        schedule: whose(line),
        message,
    };
    if cron.next_after(now).is_none() {
        let message = format!("a agenda {expression:?} nunca acontece: nenhuma data a satisfaz");
        return vec![notice("never", message)];
    }
    let changes = shifts(&zone, now, now + AHEAD);
    let touched = changes
        .into_iter()
        .filter(|shift| cron.is_touched_by(*shift));
    touched
        .map(|shift| shifted(&cron, shift, &zone))
        .map(|(kind, message)| notice(kind, message))
        .collect()
}

fn shifted(cron: &Cron, shift: Shift, zone: &TimeZone) -> (&'static str, String) {
    let at = local(shift.at, zone);
    match (shift.seconds > 0, cron.is_fixed_time()) {
        (true, true) => (
            "skipped",
            format!(
                "os relógios são adiantados em {at}: o horário pulado acontece uma vez, logo depois"
            ),
        ),
        (true, false) => (
            "skipped",
            format!("os relógios são adiantados em {at}: os horários pulados não acontecem"),
        ),
        (false, true) => (
            "repeated",
            format!("os relógios são atrasados em {at}: o horário repetido acontece uma vez só"),
        ),
        (false, false) => (
            "repeated",
            format!(
                "os relógios são atrasados em {at}: os horários repetidos acontecem duas vezes"
            ),
        ),
    }
}

/// Who waits in a cycle for somebody that does not come in it, or never comes at all.
fn dependencies(plan: &Plan) -> Vec<Notice> {
    let of = |name: &ProcessorName| plan.processors.iter().find(|spec| spec.name == *name);
    let mut notices = Vec::new();
    for spec in &plan.processors {
        for other in spec.depends_on.iter().filter_map(of) {
            if spec.timing.schedule.is_some() || other.timing.schedule.is_some() {
                notices.push(Notice {
                    kind: "dependency",
                    schedule: spec.name.to_string(),
                    message: format!(
                        "depende de {}, que tem outra agenda: a dependência só vale no mesmo ciclo",
                        other.name
                    ),
                });
            }
        }
    }
    notices
}

fn report(
    lines: &[Line],
    starts: &[(Timestamp, &Line)],
    notices: &[Notice],
    zone: &TimeZone,
) -> Value {
    let start = |(at, line): &(Timestamp, &Line)| {
        json!({
            "inicio": local(*at, &zone_of(&line.spec, zone)),
            "agenda": line.schedule.label(),
            "processadores": line.processors,
        })
    };
    let interval = |line: &Line| {
        Some(json!({
            "intervalo_segundos": line.spec.interval()?.as_secs_f64(),
            "agenda": line.schedule.label(),
            "processadores": line.processors,
        }))
    };
    let notice = |notice: &Notice| json!({ "tipo": notice.kind, "agenda": notice.schedule, "mensagem": notice.message });
    json!({
        "inicios": starts.iter().map(start).collect::<Vec<_>>(),
        "intervalos": lines.iter().filter_map(interval).collect::<Vec<_>>(),
        "avisos": notices.iter().map(notice).collect::<Vec<_>>(),
    })
}
