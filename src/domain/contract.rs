//! The contract with children: the variables that every run gets. Refuses to know who sets them.

/// The run's unique id; it also marks every descendant as belonging to the run.
pub const RUN_ID: &str = "ORQUESTRADOR_RUN_ID";
/// The number of the cycle since the orchestrator's start.
pub const CYCLE: &str = "ORQUESTRADOR_CYCLE";
/// The attempt within the run, from 1.
pub const ATTEMPT: &str = "ORQUESTRADOR_ATTEMPT";
/// Which of the runs of its start it is, from 1.
pub const INSTANCE: &str = "ORQUESTRADOR_INSTANCIA";
/// How many runs its start has, side by side where slots allow it.
pub const INSTANCES: &str = "ORQUESTRADOR_INSTANCIAS";
/// The processor's name.
pub const PROCESSOR: &str = "ORQUESTRADOR_PROCESSOR";
/// Where the attempt may write metrics of its own, in Prometheus' text format.
pub const METRICS_FILE: &str = "ORQUESTRADOR_METRICS_FILE";
/// `true` when nothing may be written.
pub const DRY_RUN: &str = "ORQUESTRADOR_DRY_RUN";
/// The configuration file in use, absolute; only for the orchestrator's own processors.
pub const CONFIG: &str = "ORQUESTRADOR_CONFIG";
/// The data directory, absolute; only for the orchestrator's own processors.
pub const DATA_DIR: &str = "ORQUESTRADOR_DADOS";
/// The token of the documents' backend; only for those who need it.
pub const BACKEND_TOKEN: &str = "DIRECTUS_TOKEN";
/// The address of the documents' backend.
pub const BACKEND_URL: &str = "DIRECTUS_BASE_URL";
/// W3C trace context of the run's span.
pub const TRACEPARENT: &str = "TRACEPARENT";
/// W3C trace state; removed together with an inherited parent.
pub const TRACESTATE: &str = "TRACESTATE";
/// The service's name for the child's own telemetry.
pub const OTEL_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// Headers of the OTLP exporter; they may hold tokens.
pub const OTEL_HEADERS: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
];

/// The command word that stands for this very binary in a processor's `comando`.
pub const OWN_BINARY: &str = "@orquestrador";

/// Every variable of the orchestrator's own options begins with this.
pub const OPTION_PREFIX: &str = "ORQUESTRADOR_";
