//! Every metric's name, once: type, labels and help stand beside it, and `docs/metrics.md` is written from this table.
//!
//! Prometheus naming: base units, `_total` on counters only. A family that is served and does not stand here, or the
//! other way about, fails a test.

use prometheus::proto::MetricType;

/// One metric family.
#[derive(Debug)]
pub(super) struct Family {
    /// The whole name, prefix included.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The labels' names, in alphabetical order, which is that of the exposition.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the text formats.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    pub(super) fn proto(self) -> MetricType {
        match self {
            Self::Counter => MetricType::COUNTER,
            Self::Gauge => MetricType::GAUGE,
            Self::Histogram => MetricType::HISTOGRAM,
        }
    }
}

macro_rules! families {
    ($table:ident, $prefix:literal:
     $($constant:ident = $kind:ident $name:literal [$($label:ident)*] $help:literal;)*) => {
        $(pub(super) const $constant: Family = Family {
            name: concat!($prefix, $name),
            kind: Kind::$kind,
            labels: &[$(stringify!($label)),*],
            help: $help,
        };)*
        const $table: &[&Family] = &[$(&$constant),*];
    };
}

families! { OURS, "orquestrador_":
    BUILD_INFO = Gauge "build_info" [revision rustc version] "Constant 1, with version, source revision and compiler as labels.";
    PROCESSOR_INFO = Gauge "processor_info" [processor schedule_kind] "Constant 1 for each configured processor, also one that has never run.";
    TIMEOUT = Gauge "processor_timeout_seconds" [processor] "Configured time per attempt before SIGTERM.";
    MAX_STALENESS = Gauge "processor_max_staleness_seconds" [processor] "Freshness objective: how old the last success may be, 0 for no objective.";
    RUN_DEADLINE = Gauge "processor_run_deadline_seconds" [processor] "The longest that a run may take: attempts times timeout and grace period, and the longest waits between.";
    TICK = Gauge "scheduler_last_tick_timestamp_seconds" [] "When the scheduling loop last turned.";
    CYCLES = Counter "cycles_total" [mode outcome schedule] "Cycles that have ended.";
    CYCLE_DURATION = Histogram "cycle_duration_seconds" [mode outcome schedule] "From a cycle's start to the end of its last run.";
    CYCLE_DELAY = Histogram "cycle_start_delay_seconds" [schedule] "Actual minus planned start of a cycle.";
    CYCLES_IN_FLIGHT = Gauge "cycles_in_flight" [schedule] "Cycles that have started and not ended.";
    CYCLE_LAST_DURATION = Gauge "cycle_last_duration_seconds" [] "Duration of the last main cycle; absent before the first.";
    CYCLE_LAST_START = Gauge "cycle_last_start_timestamp_seconds" [] "Start of the last main cycle, 0 if none.";
    CYCLE_LAST_COMPLETION = Gauge "cycle_last_completion_timestamp_seconds" [] "End of the last main cycle, 0 if none.";
    CYCLE_LAST_SUCCESS = Gauge "cycle_last_success_timestamp_seconds" [] "End of the last main cycle without failures, 0 if none.";
    CYCLE_NEXT_START = Gauge "cycle_next_start_timestamp_seconds" [] "Planned start of the next main cycle, 0 if none.";
    CYCLE_PERIOD = Gauge "cycle_schedule_period_seconds" [] "Shortest time between two planned main cycles, 0 under an interval.";
    CYCLES_MISSED = Counter "cycles_missed_total" [reason schedule] "Planned starts of cycles that never ran, by reason.";
    STARTS_MISSED = Counter "processor_starts_missed_total" [processor reason] "Planned starts of the processor that never ran, by reason.";
    PAUSED = Gauge "scheduler_paused" [] "1 while planned starts are passed over by SIGUSR2.";
    CLOCK_JUMPS = Counter "clock_jumps_total" [] "Times that the wall clock left the monotonic clock behind, or fell behind it.";
    CONFIG_SUCCESSFUL = Gauge "config_last_reload_successful" [] "1 if the last reading of the configuration was applied, 0 if it was rejected.";
    CONFIG_SUCCESS_TIME = Gauge "config_last_reload_success_timestamp_seconds" [] "When the configuration that holds was read.";
    CONFIG_HASH = Gauge "config_hash" [] "Low 48 bits of the SHA-256 of the settings that hold: replicas that should be alike are when it is.";
    CONFIG_RELOADS = Counter "config_reloads_total" [result] "Reloads that were asked for.";
    RUNS = Counter "runs_total" [outcome processor] "Runs that have ended.";
    RUN_FAILURES = Counter "run_failures_total" [processor reason] "Runs that ended in failure, timeout or error, by reason.";
    RUN_SKIPS = Counter "run_skips_total" [processor reason] "Runs that were due and deliberately not started, by reason.";
    RUN_CANCELLATIONS = Counter "run_cancellations_total" [processor reason] "Runs that we ended or never started for a reason of our own.";
    RUN_DURATION = Histogram "run_duration_seconds" [outcome processor] "From the start of a run's first process to the end of its last; success, failure and timeout.";
    RUN_QUEUE_WAIT = Histogram "run_queue_wait_seconds" [processor] "From a run being ready to the start of its process.";
    RUNS_QUEUED = Gauge "runs_queued" [] "Runs of cycles in flight that have neither started nor ended.";
    RUNS_IN_FLIGHT = Gauge "runs_in_flight" [processor] "Runs that have started and not ended.";
    OLDEST_IN_FLIGHT = Gauge "run_oldest_in_flight_start_timestamp_seconds" [processor] "Start of the oldest run in flight, 0 if none.";
    WORKER_SLOTS = Gauge "worker_slots" [] "Runs that may be in flight at once.";
    DESIRED_INSTANCES = Gauge "desired_instances" [processor] "How many runs the next start of the processor is to have: as configured, or as its backlog asks for; any autoscaler may follow it.";
    BACKLOG = Gauge "processor_backlog" [processor] "Waiting items that the processor's last start told, where the number of runs follows them; absent where it does not, and while they are not told.";
    BACKLOG_MISSING = Gauge "processor_backlog_missing" [processor] "1 if the last start succeeded and did not tell the backlog that the number of runs follows, else 0; absent where it follows none.";
    RUN_ATTEMPTS = Counter "run_attempts_total" [processor] "Processes that were started for runs, or failed to be.";
    RUN_RETRIES = Counter "run_retries_total" [processor] "Attempts after the first one of a run.";
    LAST_SUCCESS = Gauge "processor_last_run_success" [processor] "1 if the last run that came to a result succeeded, 0 if not; absent before the first.";
    LAST_OUTCOME = Gauge "processor_last_outcome" [outcome processor] "1 for the outcome of the latest run, 0 for the others; absent before the first.";
    LAST_START_TIME = Gauge "processor_last_start_timestamp_seconds" [processor] "Start of the last run, 0 if none.";
    LAST_COMPLETION_TIME = Gauge "processor_last_completion_timestamp_seconds" [processor] "End of the last run that came to a result, 0 if none.";
    LAST_SUCCESS_TIME = Gauge "processor_last_success_timestamp_seconds" [processor] "End of the last run that succeeded, 0 if none.";
    LAST_FAILURE_TIME = Gauge "processor_last_failure_timestamp_seconds" [processor] "End of the last run that ended badly, 0 if none.";
    FIRST_SEEN = Gauge "processor_first_seen_timestamp_seconds" [processor] "When the processor was first configured, as far as is remembered.";
    FAILING_SINCE = Gauge "processor_failing_since_timestamp_seconds" [processor] "End of the first bad run since the last success, 0 if it is fine.";
    NEXT_START = Gauge "processor_next_start_timestamp_seconds" [processor] "Planned start of the processor's next run, 0 if none.";
    CONSECUTIVE_FAILURES = Gauge "processor_consecutive_failures" [processor] "Bad runs since the last success.";
    LAST_DURATION = Gauge "processor_last_run_duration_seconds" [processor] "Duration of the last run that came to a result; absent before the first.";
    LAST_ATTEMPT_DURATION = Gauge "processor_last_attempt_duration_seconds" [processor] "Duration of that run's last attempt; absent before the first.";
    LAST_EXIT_CODE = Gauge "processor_last_exit_code" [processor] "Exit code of the last run: 128+n for signal n, -1 without a process; absent before the first.";
    RUN_CPU = Counter "run_cpu_seconds_total" [mode processor] "CPU time of runs and of the descendants that they waited for.";
    RUN_MAX_RSS = Gauge "run_max_rss_bytes" [processor] "Peak resident memory of the last run's largest process; a value near that of our spawner (some 3 MB) is no measurement.";
    OUTPUT_BYTES = Counter "run_output_bytes_total" [processor stream] "Bytes that runs have written.";
    OUTPUT_LINES = Counter "run_output_lines_total" [processor stream] "Line ends that runs have written.";
    OUTPUT_TRUNCATED = Counter "run_output_truncated_total" [processor stream] "Runs whose output was larger than what is kept.";
    ESCAPED = Counter "run_escaped_processes_total" [processor] "Processes that outlived their run's leader and were ended.";
    KILL_ESCALATIONS = Counter "run_kill_escalations_total" [processor] "Runs for which SIGTERM was not enough.";
    METRICS_REJECTED = Counter "processor_metrics_rejected_total" [processor reason] "Reports of processors that were refused; with reason reserved, those of which a part was left out.";
    METRICS_LAST_REPORT = Gauge "processor_metrics_last_report_timestamp_seconds" [processor] "When a report of the processor was last accepted, 0 if none.";
    RUN_STOP = Histogram "run_stop_duration_seconds" [processor] "From our first signal to an attempt to the end of its last process.";
    HISTORY_OPERATIONS = Counter "history_operations_total" [operation result] "What the history did, and whether it could.";
    HISTORY_DURATION = Histogram "history_operation_duration_seconds" [operation] "How long the history took.";
    DATA_FREE = Gauge "data_free_bytes" [] "Bytes free for us where the data directory lies; absent when it cannot be asked.";
    OTLP_SPANS = Counter "otlp_spans_total" [result] "Spans that were exported, sent in vain, or dropped because the queue was full; with those in the queue, all that ended.";
    OTLP_QUEUE = Gauge "otlp_queue_spans" [] "Spans that wait or are being sent.";
    OTLP_CAPACITY = Gauge "otlp_queue_capacity_spans" [] "Spans that may wait; 0 when no endpoint is configured.";
    OTLP_LAST_SUCCESS = Gauge "otlp_last_export_success_timestamp_seconds" [] "When the collector last took spans, 0 if never.";
    LOG_MESSAGES = Counter "log_messages_total" [level] "Facts and diagnostics of level info and above, counted before any filter.";
    LOG_LINES_LOST = Counter "log_lines_lost_total" [] "Lines of standard output and standard error that nobody took in time.";
    HTTP_REQUESTS = Counter "http_requests_total" [code handler] "HTTP requests answered, by matched route.";
    HTTP_DURATION = Histogram "http_request_duration_seconds" [handler] "From a request to its answer, by matched route.";
    HTTP_CONNECTIONS = Gauge "http_connections" [] "HTTP connections that are open.";
    HTTP_REFUSED = Counter "http_connections_refused_total" [reason] "HTTP connections closed by us: crowded (no room), slow (no whole request in time), handshake (TLS not agreed).";
    LEADER = Gauge "leader" [] "1 while this instance plans for its group; absent without [distribuicao], as all of the group's.";
    LEADER_CHANGES = Counter "leader_changes_total" [] "Terms of leaders that this instance has seen begin.";
    NATS_CONNECTED = Gauge "nats_connected" [] "1 while NATS answers this instance.";
    INSTANCES = Gauge "instances" [] "Instances of the group that were heard of in the last seconds.";
    QUEUE_PENDING = Gauge "queue_pending_runs" [] "Runs that wait for an instance; absent while NATS cannot be asked.";
    QUEUE_OLDEST = Gauge "queue_oldest_seconds" [] "For how long the oldest of them waits, 0 if none does; absent while NATS cannot be asked.";
    RUN_REDELIVERIES = Counter "run_redeliveries_total" [] "Runs that this instance took over from one that was lost with them.";
    RUNS_IMPORTED = Counter "runs_imported_total" [] "Ends of runs that others planned and that this instance wrote into its history.";
    EXPOSITION_SERIES = Gauge "exposition_series" [] "Series of this very exposition, itself included.";
}

families! { PROCESS, "":
    TOKIO_WORKERS = Gauge "tokio_workers" [] "Worker threads of the runtime.";
    TOKIO_TASKS = Gauge "tokio_alive_tasks" [] "Tasks that have started and not ended.";
    TOKIO_QUEUE = Gauge "tokio_global_queue_depth" [] "Tasks that wait in the runtime's global queue.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [] "Total user and system CPU time spent in seconds.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" [] "Maximum number of open file descriptors.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" [] "Number of open file descriptors.";
    PROCESS_RSS = Gauge "process_resident_memory_bytes" [] "Resident memory size in bytes.";
    PROCESS_START = Gauge "process_start_time_seconds" [] "Start time of the process since unix epoch in seconds.";
    PROCESS_THREADS = Gauge "process_threads" [] "Number of OS threads in the process.";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Virtual memory size in bytes.";
}

/// Every family that can be served, but those that processors report themselves.
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    OURS.iter().chain(PROCESS).copied()
}

/// The families whose samples may carry an exemplar: the trace of what was counted last.
pub(super) const WITH_EXEMPLARS: [&str; 5] = [
    CYCLES.name,
    CYCLE_DURATION.name,
    RUNS.name,
    RUN_FAILURES.name,
    RUN_DURATION.name,
];
