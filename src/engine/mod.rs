//! Decides what runs when, and states what happened. Refuses to know who reads the facts and how processes work.

mod alarm;
mod attempts;
mod control;
mod cycle;
mod live;
mod load;
mod local;
mod outset;
mod plan;
mod run;
mod runner;
mod scheduler;
mod starts;
pub mod status;
mod track;

pub use control::{Control, Request, Requests, Shutdown};
pub use cycle::{Cycles, Record, Recording, Relate, TraceOf};
pub use live::LiveReaders;
pub use load::BacklogOf;
pub use local::{ChildEnvironment, LocalRunner};
pub use plan::Plan;
pub use runner::{RunStop, Runner};
pub use scheduler::Scheduler;
