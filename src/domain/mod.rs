//! Plain values that every other module speaks in. Knows nothing of processes, files, clocks or the network.

pub mod collections;
pub mod contract;
pub mod cycle;
pub mod event;
pub mod group;
pub mod instances;
pub mod mask;
pub mod name;
pub mod outcome;
pub mod reload;
pub mod report;
pub mod run;
#[cfg(test)]
pub(crate) mod samples;
pub mod spec;
pub mod state;
pub mod time;
pub mod timing;
pub mod totals;
pub mod trace;

pub use cycle::{Cycle, CycleStart, Schedule, Trigger};
pub use event::{Event, HistoryOperation, Observer, Observers, Startup};
pub use group::{GroupBoard, GroupChange, GroupFault, GroupStatus, Leader, Member};
pub use instances::{Instance, Instances, KnownLoad, Load, MetricSelector, Scaling};
pub use mask::Mask;
pub use name::ProcessorName;
pub use outcome::{CancelReason, ErrorReason, FailureReason, Outcome, SkipReason};
pub use reload::{Difference, Reload, ReloadResult};
pub use report::Report;
pub use run::{
    Attempt, Escaped, OutputLine, Run, RunId, RunResult, RunStart, Stream, StreamTotals, Usage,
};
pub use spec::{
    Configured, LogFormat, Mode, OnFailure, OutputFileSpec, OutputSpec, ProcessorSpec,
    ResourceLimits, Retry,
};
pub use state::{LastResult, LostRun, MainCycleState, ProcessorState, Restored};
pub use time::Clock;
pub use timing::{CatchUp, MissReason, Missed, Overlap, ScheduleSpec, Timing};
pub use totals::{Series, Totals};
pub use trace::TraceContext;
