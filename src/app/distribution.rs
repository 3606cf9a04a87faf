//! Where this instance meets the others: who it is, what it brings, and where its plans go then.

use std::fs;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::running::AnyRunner;
use crate::config::Settings;
use crate::distributed::{Announcer, Distribution, Identity, Imports, Parts, Specs, announcer};
use crate::domain::{Clock, GroupBoard, Observers, Run};
use crate::engine::{Control, LocalRunner, Shutdown};
use crate::history::Recorder;

/// What exists of a group before it is joined.
pub(super) struct Group {
    pub(super) board: GroupBoard,
    pub(super) ends: UnboundedReceiver<Arc<Run>>,
}

/// What is known of the group, and who hears of this instance's runs; none when everything runs here.
pub(super) fn group(settings: &Settings, clock: &Clock) -> Option<(Group, Announcer)> {
    let distribution = settings.distribution.as_ref()?;
    let instance = instance(distribution.instance.as_deref());
    let board = GroupBoard::new(&distribution.group, &instance, clock.now());
    let (announcer, ends) = announcer();
    Some((Group { board, ends }, announcer))
}

/// How an instance is asked to plan, and to end.
pub(super) type Asked = (Control, Arc<Shutdown>);

/// Joins the group, if there is one. What plans go to, and the processors that it may be given.
pub(super) fn join(
    settings: &Settings,
    group: Option<Group>,
    (observers, clock, recorder): (&Observers, &Clock, Option<&Recorder>),
    runner: LocalRunner,
    (control, shutdown): Asked,
) -> (AnyRunner, Option<Distribution>, Specs) {
    let specs = Specs::default();
    specs.set(&settings.processors);
    let (Some(distribution), Some(group)) = (&settings.distribution, group) else {
        return (AnyRunner::Here(runner), None, specs);
    };
    let parts = Parts {
        identity: Identity {
            instance: group.board.snapshot().instance,
            host: host(),
            slots: settings.parallelism,
        },
        runner,
        specs: specs.clone(),
        imports: recorder.cloned().map(imports),
        ends: group.ends,
        control,
        shutdown,
    };
    let known = (&group.board, observers, clock);
    let (joined, runner) = Distribution::join(distribution, known, parts);
    (AnyRunner::Elsewhere(runner), Some(joined), specs)
}

fn imports(recorder: Recorder) -> Imports {
    Arc::new(move |run| {
        let recorder = recorder.clone();
        Box::pin(async move { recorder.import(run).await })
    })
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
