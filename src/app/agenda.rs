//! `agenda`: what will start when, and what will not, with the reason. Starts nothing.

use jiff::Timestamp;

use super::Exit;
use crate::cli::{stderr_line, stdout_text};
use crate::config::Loaded;
use crate::engine::Plan;
use crate::http::{Agenda, whose};

/// Shows the next `limit` starts.
pub(super) fn show(
    loaded: &Loaded,
    plan: &Plan,
    now: Timestamp,
    (limit, is_json): (usize, bool),
) -> Exit {
    let agenda = Agenda::new(plan, now, limit);
    if is_json {
        return match serde_json::to_string(&agenda) {
            Ok(text) => {
                stdout_text(&format!("{text}\n"));
                Exit::Done
            }
            Err(error) => {
                stderr_line(&format!("❌ {error}"));
                Exit::Failed
            }
        };
    }
    for line in &agenda.intervals {
        let interval = format!("a cada {}s", line.seconds);
        let whose = whose(line.schedule, &line.processors);
        stdout_text(&format!("{interval:<25} {whose}\n"));
    }
    for start in &agenda.starts {
        let whose = whose(start.schedule, &start.processors);
        stdout_text(&format!("{} {whose}\n", start.at));
    }
    let is_told = |text: &&String| !text.contains("depende_de");
    for warning in loaded.warnings.iter().filter(is_told) {
        stderr_line(&format!("⚠️  {warning}"));
    }
    for notice in &agenda.notices {
        stderr_line(&format!("⚠️  {}: {}", notice.schedule, notice.message));
    }
    Exit::Done
}
