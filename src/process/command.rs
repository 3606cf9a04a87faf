//! What is to be started, and why it was not. Refuses to know what becomes of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::protocol::{Start, Step};
use crate::domain::ResourceLimits;

/// What is to be started.
#[derive(Debug, Clone)]
pub struct Command {
    /// The mark of the run in the environment of its descendants.
    pub run_id: String,
    /// A path, or a name that is searched in PATH.
    pub program: String,
    /// Arguments with the shown name of the program in front.
    pub arguments: Vec<String>,
    /// Whether the child starts from an empty environment.
    pub clear_environment: bool,
    /// Inherited variables that it does not get.
    pub removed: Vec<String>,
    /// Variables that it gets.
    pub set: Vec<(String, String)>,
    /// Its working directory.
    pub directory: PathBuf,
    /// What it may use.
    pub limits: ResourceLimits,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program, its directory or its pipes.
    #[error("não foi possível iniciar {program:?}: {reason}")]
    Program {
        /// As configured.
        program: String,
        /// What was wrong, for people.
        reason: String,
    },
    /// We were asked to stop before it had started.
    #[error("não chegou a começar")]
    Stopped,
    /// Our own side.
    #[error("o processo que inicia os outros não responde: {0}")]
    Spawner(#[from] io::Error),
}

pub(super) fn request(command: &Command) -> Start {
    Start {
        id: 0,
        run_id: command.run_id.clone(),
        program: command.program.clone(),
        arguments: command.arguments.clone(),
        clear_environment: command.clear_environment,
        removed: command.removed.clone(),
        set: command.set.clone(),
        directory: command.directory.to_string_lossy().into_owned(),
        limits: command.limits.clone(),
    }
}

pub(super) fn too_late(command: &Command, patience: Duration) -> StartError {
    let after = patience.as_secs();
    StartError::Program {
        program: command.program.clone(),
        reason: format!(
            "não começou em {after} s; o sistema de arquivos do programa e do diretório responde?"
        ),
    }
}

pub(super) fn start_error(command: &Command, step: Step, errno: i32) -> StartError {
    let system = io::Error::from_raw_os_error(errno);
    let reason = match (step, errno) {
        (Step::Exec, libc::ENOENT) => "programa não encontrado".to_owned(),
        (Step::Exec, libc::EACCES) => "sem permissão para executar".to_owned(),
        (Step::Exec, libc::ENOEXEC) => {
            "não é um programa executável (falta a linha #! ou o formato é outro)".to_owned()
        }
        (Step::Exec, libc::EINVAL) => "o comando ou o ambiente contém um byte nulo".to_owned(),
        (Step::Directory, _) => format!(
            "diretório {} inacessível: {system}",
            command.directory.display()
        ),
        (Step::Limits, _) => format!("os limites não puderam ser aplicados: {system}"),
        (Step::Exec | Step::Fork | Step::Output, _) => system.to_string(),
    };
    StartError::Program {
        program: command.program.clone(),
        reason,
    }
}
