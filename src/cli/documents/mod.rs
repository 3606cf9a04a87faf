//! The commands that people use on documents: put them in, look, decide, take reports out, and look at single files.
//!
//! Refuses to know how settings are found and where the exit code goes: the store is handed in, a code is handed back.

mod args;
pub mod examples;
mod import;
mod listing;
mod local;
mod output;
mod transfer;

use std::io::{self, Write};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

pub use args::{
    CompareArgs, DocumentCommand, ImportArgs, ImportCommand, ListArgs, ListedCollection, MarkArgs,
    MarkedCollection, ReportArgs, StoreName, TagsArgs,
};

use crate::docx::Limits;
use crate::records::{
    self, Access, Listed, Mark, Records, RecordsError, State, StoreKind, StoreSettings,
};

/// The command did what it should.
const DONE: u8 = 0;
/// The command could not do it.
const FAILED: u8 = 1;
/// The command was called wrongly.
const USAGE: u8 = 2;

/// Why a command did not do what it should; the message is one line in Portuguese.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    /// The call itself is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file of the user's is not what it should be.
    #[error("{0}")]
    File(String),
    /// The documents differ from what the script says.
    #[error("{0}")]
    Verification(String),
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The output cannot be written.
    #[error("falha ao escrever a saída: {0}")]
    Output(#[from] io::Error),
}

/// What the commands work with.
pub struct Surroundings<'a> {
    /// Where documents are kept.
    pub store: &'a StoreSettings,
    /// What one file may cost.
    pub limits: &'a Limits,
    /// How long reading and comparing may take, together.
    pub budget: Duration,
    /// The wall clock.
    pub now: &'a dyn Fn() -> Timestamp,
}

impl Surroundings<'_> {
    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Answers whether the time that begins now is over.
    fn stopwatch(&self) -> impl Fn() -> bool {
        let length = SignedDuration::try_from(self.budget).unwrap_or(SignedDuration::MAX);
        let end = self.now().checked_add(length).unwrap_or(Timestamp::MAX);
        move || self.now() > end
    }
}

/// Runs a command: facts to `out`, warnings and errors to `err`.
///
/// Returns the exit code: 0 done, 1 could not, 2 called wrongly. A reader that stops reading is no failure.
pub fn run(
    command: DocumentCommand,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let store = around.store;
    let result = match command {
        DocumentCommand::Import(arguments) => import(arguments, around, out),
        DocumentCommand::Mark(arguments) => mark(arguments, around, out, err),
        DocumentCommand::List(arguments) => listing::list(&arguments, store, out, err),
        DocumentCommand::Report(arguments) => listing::report(&arguments, store, out),
        DocumentCommand::Tags(arguments) => local::tags(&arguments, around, out, err),
        DocumentCommand::Compare(arguments) => local::compare(&arguments, around, (out, err)),
    };
    let result = result.and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => DONE,
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(error) => {
            // There is nowhere left to say that standard error cannot be written.
            drop(writeln!(err, "erro: {error}"));
            if matches!(error, CommandError::Usage(_)) {
                USAGE
            } else {
                FAILED
            }
        }
    }
}

/// `importar`: one thing into the store that is asked for, or everything from the embedded one into a Directus.
fn import(
    arguments: ImportArgs,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let is_directus = matches!(around.store.kind, StoreKind::Directus { .. });
    let embedded = StoreSettings {
        kind: StoreKind::Embedded,
        ..around.store.clone()
    };
    if arguments.to == Some(StoreName::Directus) && !is_directus {
        let reason = "--para directus precisa de DIRECTUS_BASE_URL e DIRECTUS_TOKEN";
        return Err(CommandError::Usage(reason.to_owned()));
    }
    let store = match arguments.to {
        Some(StoreName::Embedded) => &embedded,
        Some(StoreName::Directus) | None => around.store,
    };
    match (arguments.command, arguments.to) {
        (Some(command), _) => import::run(command, &Surroundings { store, ..*around }, out),
        (None, Some(StoreName::Directus)) => transfer::run((&embedded, store), around, out),
        (None, _) => {
            let reason = "falta o que importar: modelo, contrato ou versao; ou --para directus, que copia tudo";
            Err(CommandError::Usage(reason.to_owned()))
        }
    }
}

fn mark(
    arguments: MarkArgs,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let listed = arguments.collection.listed();
    if arguments.note.is_some() && arguments.collection == MarkedCollection::Model {
        let reason = "--nota vale para versao e modificacao; um modelo não tem nota";
        return Err(CommandError::Usage(reason.to_owned()));
    }
    let mark = Mark {
        listed,
        id: arguments.id,
        status: arguments.status,
        note: arguments.note,
    };
    let mut records = records::open(around.store, Access::Write)?;
    match records.mark(&mark, around.now()) {
        Err(error @ RecordsError::UnknownStatus { .. }) => {
            return Err(CommandError::Usage(error.to_string()));
        }
        other => other?,
    }
    writeln!(
        out,
        "{} {}: {}",
        listed.label(),
        mark.id,
        mark.status.trim()
    )?;
    let state = around.store.vocabulary.read(&mark.status);
    warn_of_missing_tags((&mark, state), records.as_mut(), err)
}

/// A model that is published before its tags are extracted waits for nothing any more, so somebody must know.
fn warn_of_missing_tags(
    (mark, state): (&Mark, State),
    records: &mut dyn Records,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    if mark.listed != Listed::Models || state != State::Published {
        return Ok(());
    }
    let rows = records.list(mark.listed, Some(&mark.id), 1)?;
    if rows.iter().any(|row| row.text("total_tags") == "0") {
        let id = &mark.id;
        writeln!(
            err,
            "aviso: o modelo {id} não tem tags; para extraí-las: orquestrador marcar modelo {id} processar"
        )?;
    }
    Ok(())
}
