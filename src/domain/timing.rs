//! When a processor is due, as it was configured. Refuses to know how instants are found.

use std::time::Duration;

use super::name::ProcessorName;

/// What makes starts due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleSpec {
    /// So long after the end of the last cycle; the first at once.
    Interval(Duration),
    /// The instants of a cron pattern.
    Cron {
        /// 5 or 6 fields, or a name such as `@hourly`.
        expression: String,
        /// IANA name of the zone in which the pattern is read; the machine's own without one.
        zone: Option<String>,
    },
}

impl ScheduleSpec {
    /// The metric label of `processor_info{schedule_kind}`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interval(_) => "interval",
            Self::Cron { .. } => "cron",
        }
    }

    /// The interval, if that is what it is.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self {
            Self::Interval(interval) => Some(*interval),
            Self::Cron { .. } => None,
        }
    }
}

/// What happens when an instant of an own schedule comes while its processor still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The new start is skipped.
    #[default]
    Skip,
    /// One start waits for the end; further ones are skipped.
    Queue,
    /// The old run is cancelled, and the new one starts when it has ended.
    Replace,
}

impl Overlap {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Replace];

    /// The users' word, as in `sobreposicao`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Skip => "pular",
            Self::Queue => "enfileirar",
            Self::Replace => "substituir",
        }
    }
}

/// Which missed instants of an own schedule are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// None.
    #[default]
    None,
    /// The latest.
    One,
    /// All, one after another.
    All,
}

impl CatchUp {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::None, Self::One, Self::All];

    /// The users' word, as in `recuperar`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "nao",
            Self::One => "um",
            Self::All => "todos",
        }
    }
}

/// When a processor is due, and what if that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Its own schedule; without one it shares the main one.
    pub schedule: Option<ScheduleSpec>,
    /// The most by which its instants are put off, always the same for the same name.
    pub jitter: Duration,
    /// What if it still runs.
    pub overlap: Overlap,
    /// What if instants were missed.
    pub catch_up: CatchUp,
    /// How old a missed instant may be to be made up for.
    pub window: Duration,
    /// Freshness objective; `None` leaves it to its schedule, zero is none at all.
    pub max_staleness: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            schedule: None,
            jitter: Duration::ZERO,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            window: Duration::from_hours(1),
            max_staleness: None,
        }
    }
}

/// Why a planned start never became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissReason {
    /// The cycle before it, or the loop itself, was still busy.
    Overrun,
    /// The schedule was paused.
    Paused,
    /// The wall clock jumped over it, or the machine slept.
    ClockJump,
    /// The orchestrator was not there.
    Downtime,
    /// It would have been made up for, but was too old.
    OutsideWindow,
}

impl MissReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Overrun,
        Self::Paused,
        Self::ClockJump,
        Self::Downtime,
        Self::OutsideWindow,
    ];

    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Overrun => "overrun",
            Self::Paused => "paused",
            Self::ClockJump => "clock_jump",
            Self::Downtime => "downtime",
            Self::OutsideWindow => "outside_window",
        }
    }
}

/// Planned starts of one schedule that never happened, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The processor whose own schedule it is; none for the main one.
    pub processor: Option<ProcessorName>,
    /// Who was due and did not start.
    pub due: Vec<ProcessorName>,
    /// Why.
    pub reason: MissReason,
    /// How many.
    pub count: u64,
    /// The latest of them.
    pub planned: jiff::Timestamp,
}
