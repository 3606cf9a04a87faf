//! Decides what runs when, and states what happened. Refuses to know who reads the facts and how processes work.

mod attempts;
mod control;
mod cycle;
mod live;
mod local;
mod run;
mod runner;
mod scheduler;
pub mod status;

pub use control::Shutdown;
pub use cycle::{Cycles, Record, TraceOf};
pub use local::{ChildEnvironment, LocalRunner};
pub use runner::{RunStop, Runner};
pub use scheduler::{Plan, Scheduler};
