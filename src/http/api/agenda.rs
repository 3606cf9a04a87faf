//! What will start when, and what will not, with the reason: `/api/v1/agenda` and `agenda --json`. Starts nothing.

#![expect(unused_qualifications, reason = "as utoipa writes the parameters")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

use super::{Asked, PATIENCE, limit, words};
use crate::domain::{ProcessorName, Schedule, ScheduleSpec};
use crate::engine::Plan;
use crate::http::Views;
use crate::http::problem::Problem;
use crate::schedule::{Cron, Shift, Timetable, jitter, shifts, zone};

/// How far ahead changes of the clocks are told.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Agendas that are worked out at once: each takes a processor for as long as it has many patterns.
static TURNS: Semaphore = Semaphore::const_new(1);

/// What will start when.
#[derive(Debug, Serialize, ToSchema)]
pub struct Agenda {
    /// The next starts of patterns, in order.
    #[serde(rename = "inicios")]
    pub starts: Vec<PlannedStart>,
    /// Schedules that count from the end of a cycle.
    #[serde(rename = "intervalos")]
    pub intervals: Vec<PlannedInterval>,
    /// What somebody should know before it happens.
    #[serde(rename = "avisos")]
    pub notices: Vec<Notice>,
}

/// A start of a pattern.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlannedStart {
    /// RFC 3339, with the offset of the pattern's zone.
    #[serde(rename = "inicio")]
    #[schema(format = DateTime)]
    pub at: String,
    /// Whose schedule it is.
    #[serde(rename = "agenda")]
    #[schema(schema_with = words::schedule)]
    pub schedule: &'static str,
    /// Who starts.
    #[serde(rename = "processadores")]
    #[schema(value_type = Vec<String>)]
    pub processors: Vec<ProcessorName>,
}

/// An interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlannedInterval {
    /// From the end of a cycle to the start of the next, seconds.
    #[serde(rename = "intervalo_segundos")]
    pub seconds: f64,
    /// Whose schedule it is.
    #[serde(rename = "agenda")]
    #[schema(schema_with = words::schedule)]
    pub schedule: &'static str,
    /// Who starts.
    #[serde(rename = "processadores")]
    #[schema(value_type = Vec<String>)]
    pub processors: Vec<ProcessorName>,
}

/// Something that somebody should know before it happens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notice {
    /// What kind of thing.
    #[serde(rename = "tipo")]
    #[schema(schema_with = words::notice)]
    pub kind: &'static str,
    /// Which schedule it is about.
    #[serde(rename = "agenda")]
    pub schedule: String,
    /// For people.
    #[serde(rename = "mensagem")]
    pub message: String,
}

/// How much of the agenda.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AgendaAsked {
    /// Starts in the answer, at most.
    #[serde(rename = "limite")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 1000, default = 20)]
    limit: Option<u32>,
}

/// What will start when, by the configuration that holds now
#[utoipa::path(get, path = "/api/v1/agenda", tag = "agenda", params(AgendaAsked),
    responses((status = 200, description = "The next starts", body = Agenda)))]
pub(super) async fn planned(
    State(views): State<Arc<Views>>,
    Asked(asked): Asked<AgendaAsked>,
) -> Result<Json<Agenda>, Problem> {
    let limit = limit(asked.limit, 20, 1000)?;
    let unavailable = |reason| Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    let turn = tokio::time::timeout(PATIENCE, TURNS.acquire()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(unavailable(
            "há perguntas demais ao mesmo tempo; tente de novo",
        ));
    };
    let worked_out = tokio::task::spawn_blocking(move || {
        // The turn ends with the work, also when nobody waits for it any more.
        let _turn = turn;
        Agenda::new(&views.board.snapshot().plan, views.clock.now(), limit)
    });
    let agenda = worked_out.await;
    agenda
        .map(Json)
        .map_err(|_| unavailable("a agenda não pôde ser calculada"))
}

impl Agenda {
    /// The next `limit` starts of `plan` after `now`, and all notices.
    #[must_use]
    pub fn new(plan: &Plan, now: Timestamp, limit: usize) -> Self {
        let lines = lines(plan);
        let mut notices: Vec<_> = lines
            .iter()
            .flat_map(|line| notices(line, plan, now))
            .collect();
        notices.extend(dependencies(plan));
        let starts = starts(&lines, plan, now, limit);
        let start = |(at, line): (Timestamp, &Line)| PlannedStart {
            at: local(at, &zone_of(&line.spec, &plan.zone)),
            schedule: line.schedule.label(),
            processors: line.processors.clone(),
        };
        let interval = |line: &Line| {
            Some(PlannedInterval {
                seconds: line.spec.interval()?.as_secs_f64(),
                schedule: line.schedule.label(),
                processors: line.processors.clone(),
            })
        };
        Self {
            starts: starts.into_iter().map(start).collect(),
            intervals: lines.iter().filter_map(interval).collect(),
            notices,
        }
    }
}

/// One schedule.
struct Line {
    schedule: Schedule,
    processors: Vec<ProcessorName>,
    spec: ScheduleSpec,
    jitter: Duration,
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

/// Who starts by a schedule, for people.
#[must_use]
pub fn whose(schedule: &str, processors: &[ProcessorName]) -> String {
    let names: Vec<_> = processors.iter().map(ProcessorName::as_str).collect();
    if schedule == Schedule::Main.label() {
        format!("ciclo: {}", names.join(", "))
    } else {
        names.join(", ")
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
        schedule: whose(line.schedule.label(), &line.processors),
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
