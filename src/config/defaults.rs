//! What holds when nobody says anything. `orquestrador.toml` at the top level is the commented form of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::contract::OWN_BINARY;
use crate::domain::{
    Instances, OutputSpec, ProcessorName, ProcessorSpec, ResourceLimits, Retry, Timing,
};

pub(super) const INTERVAL: Duration = Duration::from_mins(1);
pub(super) const PORT: u16 = 5007;
pub(super) const DATA_DIR: &str = "dados";
pub(super) const MAX_PROCESSORS: usize = 200;
pub(super) const TIMEOUT: Duration = Duration::from_mins(5);
pub(super) const GRACE: Duration = Duration::from_secs(10);
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(1);
pub(super) const RETRY_MAX_WAIT: Duration = Duration::from_mins(1);
pub(super) const OUTPUT: OutputSpec = OutputSpec {
    memory: 64 * 1024,
    file: None,
};
pub(super) const ROTATE_AT: u64 = 10 << 20;
pub(super) const COPIES: usize = 3;
pub(super) const ICON: &str = "🔄";
pub(super) const HISTORY_DAYS: usize = 30;
pub(super) const HISTORY_RUNS: usize = 100_000;
pub(super) const TELEMETRY_SHUTDOWN: Duration = Duration::from_secs(3);
pub(super) const BUCKETS: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 900.0, 1800.0, 3600.0,
];

/// The number of cores that we may use, at least 2.
pub(super) fn parallelism() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .max(2)
}

/// The two document processors.
pub(super) fn processors() -> Vec<ProcessorSpec> {
    let processors = [
        own(
            "modelo_contrato",
            "modelo-contrato",
            [
                "🏷️",
                "Processador de modelo de contrato",
                "Processador modelo",
            ],
        ),
        own(
            "automatico",
            "automatico",
            [ICON, "Processador automático", "Processador automático"],
        ),
    ];
    processors.into_iter().flatten().collect()
}

fn own(name: &str, word: &str, [icon, label, short_label]: [&str; 3]) -> Option<ProcessorSpec> {
    Some(ProcessorSpec {
        label: label.to_owned(),
        short_label: short_label.to_owned(),
        icon: icon.to_owned(),
        accepts_dry_run: true,
        ..processor(
            ProcessorName::try_from(name.to_owned()).ok()?,
            [OWN_BINARY, "processador", word].map(str::to_owned).into(),
        )
    })
}

/// A processor of which only name and command are known.
pub(super) fn processor(name: ProcessorName, command: Vec<String>) -> ProcessorSpec {
    ProcessorSpec {
        label: name.to_string(),
        short_label: name.to_string(),
        icon: ICON.to_owned(),
        name,
        command,
        timeout: TIMEOUT,
        grace: GRACE,
        retry: Retry {
            attempts: 1,
            wait: RETRY_WAIT,
            max_wait: RETRY_MAX_WAIT,
            codes: Vec::new(),
        },
        timing: Timing::default(),
        instances: Instances::default(),
        depends_on: Vec::new(),
        environment: Vec::new(),
        clear_environment: false,
        secrets: Vec::new(),
        directory: PathBuf::from("."),
        accepts_dry_run: false,
        limits: ResourceLimits::default(),
        output: OUTPUT,
    }
}
/// How long one request to a store that is elsewhere may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
