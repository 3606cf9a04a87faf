//! Composition root: builds everything, owns the registry and the clock, and decides the order of the shutdown.
//!
//! [`run`] picks the command; `orchestrate` is the life of the orchestrator from its lock to its exit code.

mod agenda;
mod commands;
mod diagnostics;
mod distribution;
mod exit;
mod leaving;
mod listening;
mod orchestrate;
mod recording;
mod reload;
mod running;
mod stack;
mod telling;
mod traced;

use jiff::{SignedDuration, Timestamp};

pub use exit::Exit;

use crate::cli::{Command, CommandLine, history, stderr_line};
use crate::config::{
    self, Environment, Flags, Loaded, STATES, StoreChoice, StoreRules, StoreWords,
};
use crate::domain::Clock;
use crate::records::{Names, StoreKind, StoreSettings, Vocabulary};

/// Does what the command line asks for.
#[must_use]
pub fn run(command_line: CommandLine, environment: &Environment) -> Exit {
    // Whose cryptography TLS uses is said once; nobody has said it before.
    drop(rustls::crypto::ring::default_provider().install_default());
    match command_line.command {
        Some(Command::Health(arguments)) => {
            stack::health(arguments.url, &command_line.flags, environment)
        }
        Some(Command::Dashboards(arguments)) => stack::write(&arguments.output, arguments.files()),
        Some(Command::Rules(arguments)) => stack::write(&arguments.output, arguments.files()),
        command => with_settings(command, command_line.flags, environment),
    }
}

/// The commands that the configuration has a say in.
fn with_settings(command: Option<Command>, flags: Flags, environment: &Environment) -> Exit {
    let loaded = match config::load(&flags, environment) {
        Ok(loaded) => loaded,
        Err(error) => {
            stderr_line(&format!("❌ {error}"));
            return Exit::Usage;
        }
    };
    match command {
        None => orchestrate::run(loaded, flags, environment),
        Some(Command::Validate { backend: true, .. }) => commands::check_backend(&loaded),
        Some(Command::Validate { diff: true, .. }) => commands::show_difference(&loaded),
        Some(Command::Validate { .. }) => commands::validate(&loaded, environment),
        Some(Command::Agenda { limit, json }) => {
            let plan = orchestrate::plan(&loaded.settings, &diagnostics::local_zone(environment));
            agenda::show(&loaded, &plan, clock().now(), (limit, json))
        }
        Some(Command::Processor { name }) => commands::processor(name, &loaded, environment),
        Some(Command::History(arguments)) => {
            commands::history(&loaded, environment, |reader, zone, out| {
                history::latest(&arguments, reader, zone, out)
            })
        }
        Some(Command::Run(arguments)) => {
            commands::history(&loaded, environment, |reader, zone, out| {
                history::one(&arguments, reader, zone, out)
            })
        }
        Some(Command::Metrics { markdown }) => commands::metrics(markdown),
        Some(Command::Documents(command)) => commands::documents(command, &loaded),
        Some(Command::Health(_) | Command::Dashboards(_) | Command::Rules(_)) => Exit::Usage,
    }
}

/// The one place that asks the system for the time.
fn clock() -> Clock {
    Clock::new(Timestamp::now)
}

/// The documents' store, as the records know it.
fn store_settings(loaded: &Loaded) -> StoreSettings {
    let kind = match &loaded.settings.store {
        StoreChoice::Embedded => StoreKind::Embedded,
        StoreChoice::Directus { url, token } => StoreKind::Directus {
            url: url.clone(),
            token: token.clone(),
        },
    };
    let rules = &loaded.settings.store_rules;
    StoreSettings {
        vocabulary: vocabulary(&loaded.settings.store_words),
        names: names(&loaded.settings.store_rules),
        lease: SignedDuration::try_from(rules.lease).unwrap_or(SignedDuration::MAX),
        settle: rules.settle,
        request_timeout: loaded.settings.request_timeout,
        ..StoreSettings::new(kind, loaded.settings.data_dir.clone())
    }
}

/// What the store calls otherwise than we do.
fn names(rules: &StoreRules) -> Names {
    let collections = rules.collections.iter();
    let fields = rules.fields.iter();
    Names {
        collections: collections
            .map(|(ours, theirs)| ((*ours).to_owned(), theirs.clone()))
            .collect(),
        fields: fields
            .map(|((of, ours), theirs)| (((*of).to_owned(), (*ours).to_owned()), theirs.clone()))
            .collect(),
    }
}

/// The words of the store; the configuration has one for each of ours.
fn vocabulary(words: &StoreWords) -> Vocabulary {
    let state = |ours: &str| {
        let word = words.states.get(ours);
        word.map_or_else(|| ours.to_owned(), Clone::clone)
    };
    let [trigger, running, done, failed, published, draft] = STATES.map(state);
    let categories = words.categories.iter();
    Vocabulary {
        trigger,
        running,
        done,
        failed,
        published,
        draft,
        categories: categories
            .map(|(ours, theirs)| ((*ours).to_owned(), theirs.clone()))
            .collect(),
    }
}
