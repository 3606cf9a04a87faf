//! Where this instance meets the others: who it is, and what it joins.

use std::fs;

use crate::config::Settings;
use crate::distributed::{Distribution, Identity};
use crate::domain::{Clock, GroupBoard, Observers};
use crate::engine::Control;

/// What is known of the group; none when everything runs here.
pub(super) fn board(settings: &Settings, clock: &Clock) -> Option<GroupBoard> {
    let distribution = settings.distribution.as_ref()?;
    let instance = instance(distribution.instance.as_deref());
    Some(GroupBoard::new(&distribution.group, &instance, clock.now()))
}

/// Joins the group, if there is one.
pub(super) fn join(
    settings: &Settings,
    board: Option<GroupBoard>,
    (observers, clock): (&Observers, &Clock),
    control: Control,
) -> Option<Distribution> {
    let (distribution, board) = (settings.distribution.as_ref()?, board?);
    let identity = Identity {
        instance: board.snapshot().instance,
        host: host(),
        slots: settings.parallelism,
    };
    let known = (&board, observers, clock);
    Some(Distribution::join(distribution, identity, known, control))
}

/// The name that was given, else that of the machine, in letters that every part takes.
fn instance(given: Option<&str>) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let allowed = |letter: char| if is_allowed(letter) { letter } else { '-' };
    let name: String = given.map_or_else(host, str::to_owned);
    let name: String = name.chars().take(64).map(allowed).collect();
    if name.is_empty() {
        return "instancia".to_owned();
    }
    name
}

/// The machine's name.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
