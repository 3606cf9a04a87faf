//! Every metric's name, once. Prometheus naming: base units, `_total` on counters only.

use prometheus::Opts;

/// The prefix of every name of ours.
const NAMESPACE: &str = "orquestrador";

/// Name and help of one metric family.
pub(super) struct Family {
    pub(super) name: &'static str,
    help: &'static str,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }

    pub(super) fn opts(&self) -> Opts {
        Opts::new(self.name, self.help).namespace(NAMESPACE)
    }
}

macro_rules! families {
    ($($constant:ident = $name:literal, $help:literal;)*) => {
        $(pub(super) const $constant: Family = Family::new($name, $help);)*
    };
}

families! {
    BUILD_INFO = "build_info", "Constant 1, with version, source revision and compiler as labels.";
    PROCESSOR_INFO = "processor_info", "Constant 1 for each configured processor, also one that has never run.";
    TIMEOUT = "processor_timeout_seconds", "Configured time per attempt before SIGTERM.";
    TICK = "scheduler_last_tick_timestamp_seconds", "When the scheduling loop last turned.";
    CYCLES = "cycles_total", "Cycles that have ended.";
    CYCLE_DURATION = "cycle_duration_seconds", "From a cycle's start to the end of its last run.";
    CYCLE_DELAY = "cycle_start_delay_seconds", "Actual minus planned start of a cycle.";
    CYCLES_IN_FLIGHT = "cycles_in_flight", "Cycles that have started and not ended.";
    CYCLE_LAST_DURATION = "cycle_last_duration_seconds", "Duration of the last main cycle.";
    CYCLE_LAST_START = "cycle_last_start_timestamp_seconds", "Start of the last main cycle, 0 if none.";
    CYCLE_LAST_COMPLETION = "cycle_last_completion_timestamp_seconds", "End of the last main cycle, 0 if none.";
    CYCLE_LAST_SUCCESS = "cycle_last_success_timestamp_seconds", "End of the last main cycle without failures, 0 if none.";
    CYCLE_NEXT_START = "cycle_next_start_timestamp_seconds", "Planned start of the next main cycle, 0 if none.";
    RUNS = "runs_total", "Runs that have ended.";
    RUN_FAILURES = "run_failures_total", "Runs that ended in failure, timeout or error, by reason.";
    RUN_SKIPS = "run_skips_total", "Runs that were due and deliberately not started, by reason.";
    RUN_CANCELLATIONS = "run_cancellations_total", "Runs that we ended or never started for a reason of our own.";
    RUN_DURATION = "run_duration_seconds", "From the start of a run's process to its end.";
    RUN_QUEUE_WAIT = "run_queue_wait_seconds", "From a run being ready to the start of its process.";
    RUNS_IN_FLIGHT = "runs_in_flight", "Runs whose process is alive.";
    WORKER_SLOTS = "worker_slots", "Runs that may be in flight at once.";
    LAST_SUCCESS = "processor_last_run_success", "1 if the last run that came to a result succeeded, 0 if not; absent before the first.";
    LAST_OUTCOME = "processor_last_outcome", "1 for the outcome of the latest run, 0 for the others; absent before the first.";
    LAST_START_TIME = "processor_last_start_timestamp_seconds", "Start of the last run, 0 if none.";
    LAST_COMPLETION_TIME = "processor_last_completion_timestamp_seconds", "End of the last run that came to a result, 0 if none.";
    LAST_SUCCESS_TIME = "processor_last_success_timestamp_seconds", "End of the last run that succeeded, 0 if none.";
    LAST_FAILURE_TIME = "processor_last_failure_timestamp_seconds", "End of the last run that ended badly, 0 if none.";
    FAILING_SINCE = "processor_failing_since_timestamp_seconds", "End of the first bad run since the last success, 0 if it is fine.";
    CONSECUTIVE_FAILURES = "processor_consecutive_failures", "Bad runs since the last success.";
    LAST_DURATION = "processor_last_run_duration_seconds", "Duration of the last run that came to a result; absent before the first.";
    LAST_EXIT_CODE = "processor_last_exit_code", "Exit code of the last run: 128+n for signal n, -1 without a process; absent before the first.";
    RUN_CPU = "run_cpu_seconds_total", "CPU time of runs and of the descendants that they waited for.";
    RUN_MAX_RSS = "run_max_rss_bytes", "Peak resident memory of the last run's largest process; a value near that of our spawner (some 3 MB) is no measurement.";
    OUTPUT_BYTES = "run_output_bytes_total", "Bytes that runs have written.";
    OUTPUT_LINES = "run_output_lines_total", "Line ends that runs have written.";
    OUTPUT_TRUNCATED = "run_output_truncated_total", "Runs whose output was larger than what is kept.";
    ESCAPED = "run_escaped_processes_total", "Processes that outlived their run's leader and were ended.";
    KILL_ESCALATIONS = "run_kill_escalations_total", "Runs for which SIGTERM was not enough.";
    HTTP_REQUESTS = "http_requests_total", "HTTP requests answered, by matched route.";
}
