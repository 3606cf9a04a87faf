//! Small drawings: durations as bars, runs on a line of time. Outcomes differ by shape as well as by colour.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use super::layout::class;
use super::words;
use crate::domain::Outcome;
use crate::http::recent::{Lately, Mark};

/// Height of a sparkline.
const HEIGHT: u64 = 24;
/// Between two of its bars.
const STEP: usize = 4;
/// Width of one of them.
const BAR: usize = 3;

/// The durations of the last runs, at most `most`. What went wrong is a hollow bar, what did not run a dot.
pub(super) fn sparkline(lately: &Lately, most: usize) -> Markup {
    let skipped = lately.runs.len().saturating_sub(most);
    let runs: Vec<_> = lately.runs.iter().skip(skipped).collect();
    let longest = runs.iter().map(|mark| mark.duration).max();
    let longest = longest.unwrap_or_default().max(Duration::from_millis(1));
    let bad = runs.iter().filter(|mark| mark.outcome.is_bad()).count();
    let paths = bars(&runs, longest);
    let width = most * STEP;
    html! {
        svg.faisca role="img" aria-label=(words::sparkline(runs.len(), bad, lately.usual()))
            viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" {
            @for (class, path) in [("bom", &paths[0]), ("ruim", &paths[1]), ("neutro", &paths[2])] {
                @if !path.is_empty() { path class=(class) d=(path) {} }
            }
        }
    }
}

/// One path for each colour, each bar a box on the ground.
fn bars(runs: &[&Arc<Mark>], longest: Duration) -> [String; 3] {
    let mut paths = [String::new(), String::new(), String::new()];
    for (index, mark) in runs.iter().enumerate() {
        let height = height_of(mark.duration, longest, HEIGHT - 2);
        let (path, height) = match mark.outcome {
            Outcome::Success => (0, height.max(2)),
            Outcome::Failure(_) | Outcome::Timeout | Outcome::Error(_) => (1, height.max(5)),
            Outcome::Cancellation(_) | Outcome::Skip(_) => (2, 2),
        };
        let x = index * STEP;
        if let Some(path) = paths.get_mut(path) {
            // Writing to a string cannot fail.
            write!(path, "M{x} {HEIGHT}v-{height}h{BAR}v{height}z").ok();
        }
    }
    paths
}

/// The part of `most` that `duration` is of `longest`.
pub(super) fn height_of(duration: Duration, longest: Duration, most: u64) -> u64 {
    let longest = longest.as_micros().max(1);
    let height = duration.as_micros() * u128::from(most) / longest;
    u64::try_from(height).unwrap_or(most).min(most)
}

/// A piece of time that is drawn.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Its begin and end, milliseconds since the epoch.
    pub(super) begin: i64,
    pub(super) end: i64,
}

impl Window {
    /// Where in it an instant lies, in hundredths of a per cent.
    pub(super) fn place(self, at: i64) -> i64 {
        let length = (self.end - self.begin).max(1);
        ((at - self.begin).saturating_mul(10_000) / length).clamp(0, 10_000)
    }
}

/// A number of hundredths as `12.34%`.
pub(super) fn percent(hundredths: i64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// The runs of one processor on the line of time: a bar as long as it took, and its shape where it ended.
pub(super) fn lane(runs: &VecDeque<Arc<Mark>>, window: Window) -> Markup {
    let ends_within = |mark: &&Arc<Mark>| mark.finished_at.as_millisecond() >= window.begin;
    let runs: Vec<_> = runs.iter().filter(ends_within).collect();
    let bad = runs.iter().filter(|mark| mark.outcome.is_bad()).count();
    html! {
        svg.faixa role="img" aria-label=(words::lane(runs.len(), bad)) {
            @for mark in runs {
                @let begin = window.place(mark.started_at.as_millisecond());
                @let end = window.place(mark.finished_at.as_millisecond());
                @let label = mark.outcome.label();
                g class=(class(label)) {
                    rect x=(percent(begin)) y="9" width=(percent((end - begin).max(1))) height="6" {}
                    svg x=(percent(end)) y="4" overflow="visible" {
                        use href={ "#s-" (label) } x="-8" width="16" height="16" {}
                        title { (words::outcome(label)) ", " (super::times::span(mark.duration)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_window_are_hundredths_of_a_per_cent_and_never_outside() {
        let window = Window {
            begin: 1000,
            end: 5000,
        };
        let places = [0, 1000, 2000, 5000, 9000].map(|at| percent(window.place(at)));
        assert_eq!(places, ["0.00%", "0.00%", "25.00%", "100.00%", "100.00%"]);
        let empty = Window { begin: 7, end: 7 };
        assert_eq!(empty.place(7), 0);
    }

    #[test]
    fn a_bar_is_as_high_as_its_duration_is_long() {
        let long = Duration::from_secs(10);
        let heights = [0, 5, 10, 20].map(|s| height_of(Duration::from_secs(s), long, 22));
        assert_eq!(heights, [0, 11, 22, 22]);
    }
}
