//! Runs one operating-system process to its end. The only module that spawns; knows nothing of cycles and schedules.
//!
//! # Theory of operation
//!
//! Before any thread exists, [`launch`] forks a small process, the *spawner*. It is the subreaper of everything that
//! it starts, so a descendant that leaves its group, its session and its parent still comes back to it. The orchestrator
//! asks it over a socket (`protocol.rs`) to start a program or to signal a run's group, and is told how each one ended,
//! after nothing of the run is left. When that socket closes, because the orchestrator ended in whatever way, the
//! spawner kills all that it ever started and ends. Starting is vfork-like, so its cost does not grow with our memory;
//! threads of its own make the starts (`starter.rs`), so that one that hangs holds up nobody.

mod capture;
mod child;
mod clearing;
mod command;
mod image;
mod ladder;
mod leftovers;
mod limits;
mod link;
mod orphans;
mod output_file;
mod protocol;
mod reaping;
mod report_file;
mod spawner;
mod starter;
mod sys;

pub use capture::{Captured, LineCutter};
pub use child::{Child, Ending, Finished, Limits, Prepared, Stop};
pub use command::{Command, StartError};
pub use leftovers::end_leftovers;
pub use limits::{Enforcement, allow_descriptors};
pub use link::{Spawner, SpawnerLink, launch};
pub use output_file::OutputFile;
pub use report_file::{ReportFolder, ReportPlace};
pub use sys::{let_go_of_code, set_process_name};
