//! Runs a processor as a process of this machine: its command line, its environment, its outcome.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, maybe_done, select};

use super::live::{Live, LiveReaders};
use super::runner::{RunStop, Runner};
use crate::domain::contract;
use crate::domain::{
    Clock, ErrorReason, FailureReason, Mask, Outcome, ProcessorSpec, RunResult, RunStart,
    StreamTotals,
};
use crate::process::{
    Captured, Command, Ending, Finished, Limits, Prepared, ReportFolder, ReportPlace, Spawner,
    StartError, Stop,
};

/// What children get beside what their processor configures.
#[derive(Debug, Clone, Default)]
pub struct ChildEnvironment {
    /// What we were started with.
    pub inherited: Vec<(String, String)>,
    /// The secrets in it whose names say so.
    pub secrets: Mask,
    /// What only the orchestrator's own processors get: absolute configuration and data paths.
    pub for_own: Vec<(String, String)>,
    /// Whether the trace state that we were started with belongs to the runs' traces.
    pub keeps_trace_state: bool,
    /// Whether the run may write nothing.
    pub dry_run: bool,
}

/// The [`Runner`] that starts processes here.
pub struct LocalRunner {
    /// Who starts them.
    pub spawner: Spawner,
    /// Wall time for output lines.
    pub clock: Clock,
    /// What they get.
    pub environment: ChildEnvironment,
    /// Who is told of each line of output while it comes; none unless somebody looks.
    pub live_output: Option<LiveReaders>,
    /// Where output goes that is to be kept in files; none in a dry run.
    pub output_dir: Option<PathBuf>,
    /// Where attempts may leave metrics of their own; none in a dry run.
    pub reports: Option<ReportFolder>,
}

impl Runner for LocalRunner {
    async fn run(
        &self,
        start: &Arc<RunStart>,
        attempt: u32,
        stop: &RunStop,
        ready: impl Future<Output: Future<Output = ()> + Send> + Send,
    ) -> RunResult {
        let report = self.report_place(start, attempt);
        let command = self.command(start, attempt, report.as_ref());
        let mask = self.mask(&start.spec, &command);
        tracing::Span::current().record("process.executable.name", mask.apply(&command.program));
        let prepared = Prepared::new(&command);
        let signals = Stop {
            requested: stop.requested.clone(),
            forced: stop.forced.clone(),
        };
        let mut told = pin!(maybe_done(ready.await));
        let start_it = async {
            match prepared {
                Ok(prepared) => prepared.start(&self.spawner, &command, &signals).await,
                Err(error) => Err(error.into()),
            }
        };
        let started = match select(pin!(start_it), told.as_mut()).await {
            Either::Left((started, _)) => started,
            Either::Right(((), starting)) => starting.await,
        };
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                told.await;
                return not_started(error, stop, &mask);
            }
        };
        tracing::Span::current().record("process.pid", i64::from(child.pid));
        let limits = Limits {
            timeout: start.spec.timeout,
            grace: start.spec.grace,
            output: start.spec.output.memory,
        };
        let mut live = self.live(start, &mask);
        let on_output = |stream, chunk: &[u8]| {
            if let Some(live) = &mut live {
                live.take(stream, chunk);
            }
        };
        let finished = child
            .wait(&limits, &signals, &self.clock, (told, on_output))
            .await;
        if let Some(live) = live {
            live.finish();
        }
        let mut result = result(finished, stop, &mask);
        if let Some(place) = report {
            result.report = place.take();
            // Whether it can be used again is looked at when nobody waits.
            tokio::spawn(async move { drop(place) });
        }
        result
    }
}

impl LocalRunner {
    /// Who takes the lines of a run as they come; none when nobody does.
    fn live(&self, start: &Arc<RunStart>, mask: &Mask) -> Option<Live> {
        // Each rotates a file of its own.
        let name = match start.instance.number {
            1 => format!("{}.log", start.spec.name),
            number => format!("{}-{number}.log", start.spec.name),
        };
        let folder = self.output_dir.as_ref().map(|folder| folder.join(name));
        let file = folder.zip(start.spec.output.file.as_ref());
        let live = Live::new(start, self.clock.clone(), mask).told_to(self.live_output.clone());
        let live = match file {
            Some((path, spec)) => live.kept_in(&path, spec),
            None => live,
        };
        live.is_wanted().then_some(live)
    }

    /// Without a place the attempt runs all the same.
    fn report_place(&self, start: &RunStart, attempt: u32) -> Option<ReportPlace> {
        let name = format!("{}-{attempt}", start.id.as_str());
        let made = self.reports.as_ref()?.place(&name);
        made.inspect_err(|error| tracing::warn!(%error, "no place for the metrics of an attempt"))
            .ok()
    }

    fn command(&self, start: &RunStart, attempt: u32, report: Option<&ReportPlace>) -> Command {
        let spec = &start.spec;
        let mut command = spec.command.iter();
        let program = command.next().cloned().unwrap_or_default();
        let (program, shown) = if spec.is_own() {
            // The link survives an upgrade of the file on disk. The shown name says what the process does.
            let shown = spec.command.get(1..).unwrap_or_default().join("-");
            ("/proc/self/exe".to_owned(), shown)
        } else {
            (resolved(program.clone()), program)
        };
        Command {
            run_id: start.id.as_str().to_owned(),
            program,
            arguments: std::iter::once(shown).chain(command.cloned()).collect(),
            clear_environment: spec.clear_environment,
            removed: self.removed(spec),
            set: self.set(start, attempt, report),
            directory: PathBuf::from(&spec.directory),
            limits: spec.limits.clone(),
        }
    }

    /// Our own option variables, and secrets that are nobody's business.
    fn removed(&self, spec: &ProcessorSpec) -> Vec<String> {
        let is_listed =
            |name: &str| spec.is_own() || spec.secrets.iter().any(|secret| secret == name);
        let is_removed = |name: &str| {
            let is_secret =
                name == contract::BACKEND_TOKEN || contract::OTEL_HEADERS.contains(&name);
            name.starts_with(contract::OPTION_PREFIX)
                || name == contract::TRACEPARENT
                || (name == contract::TRACESTATE && !self.environment.keeps_trace_state)
                || (is_secret && !is_listed(name))
        };
        let names = self
            .environment
            .inherited
            .iter()
            .map(|(name, _)| name.as_str());
        names
            .filter(|name| is_removed(name))
            .map(str::to_owned)
            .collect()
    }

    fn set(
        &self,
        start: &RunStart,
        attempt: u32,
        report: Option<&ReportPlace>,
    ) -> Vec<(String, String)> {
        let spec = &start.spec;
        let own = if spec.is_own() {
            self.environment.for_own.as_slice()
        } else {
            &[]
        };
        let mut set = own.to_vec();
        set.push((
            contract::OTEL_SERVICE_NAME.to_owned(),
            spec.name.to_string(),
        ));
        set.extend(spec.environment.iter().cloned());
        let mut fact = |name: &str, value: String| set.push((name.to_owned(), value));
        fact(contract::CYCLE, start.cycle.number.to_string());
        fact(contract::ATTEMPT, attempt.to_string());
        fact(contract::INSTANCE, start.instance.number.to_string());
        fact(contract::INSTANCES, start.instance.of.to_string());
        fact(contract::PROCESSOR, spec.name.to_string());
        if let Some(place) = report {
            fact(
                contract::METRICS_FILE,
                place.file().to_string_lossy().into_owned(),
            );
        }
        if self.environment.dry_run {
            fact(contract::DRY_RUN, "true".to_owned());
        }
        if let Some(trace) = start.trace {
            fact(contract::TRACEPARENT, trace.to_string());
        }
        set
    }

    /// The secrets of a run: those that we inherited, those that its processor marks, and those that only it is given.
    fn mask(&self, spec: &ProcessorSpec, command: &Command) -> Mask {
        let inherited = self.environment.inherited.iter();
        let marked = inherited.filter(|(name, _)| spec.secrets.contains(name));
        let given = marked
            .chain(&command.set)
            .map(|(name, value)| (name.as_str(), value.as_str()));
        self.environment
            .secrets
            .and(&Mask::new(given, &spec.secrets))
    }
}

/// A relative path counts from our working directory, whatever the child's is.
fn resolved(program: String) -> String {
    if !program.contains('/') || program.starts_with('/') {
        return program;
    }
    std::path::absolute(&program).map_or(program, |path| path.to_string_lossy().into_owned())
}

fn not_started(error: StartError, stop: &RunStop, mask: &Mask) -> RunResult {
    let (outcome, error) = match error {
        // Masked before it is quoted, which spells some characters in another way.
        StartError::Program { program, reason } => {
            let (program, reason) = (mask.apply(&program), mask.apply(&reason));
            let error = StartError::Program { program, reason };
            (Outcome::Error(ErrorReason::Spawn), error)
        }
        StartError::Spawner(_) => (Outcome::Error(ErrorReason::Io), error),
        StartError::Stopped => (Outcome::Cancellation(stop.reason), error),
    };
    RunResult::without_process(outcome, Some(mask.apply(&error.to_string())))
}

fn result(finished: Finished, stop: &RunStop, mask: &Mask) -> RunResult {
    let outcome = match finished.ending {
        Ending::Exited(1..) | Ending::Signaled(_) if finished.is_oom => {
            Outcome::Failure(FailureReason::Oom)
        }
        Ending::Exited(0) => Outcome::Success,
        Ending::Exited(code) => Outcome::Failure(FailureReason::ExitCode(code)),
        Ending::Signaled(signal) => Outcome::Failure(FailureReason::Signal(signal)),
        Ending::TimedOut => Outcome::Timeout,
        Ending::Stopped => Outcome::Cancellation(stop.reason),
        Ending::Lost => Outcome::Error(ErrorReason::Lost),
    };
    let (stdout, stderr) = (totals(&finished.stdout), totals(&finished.stderr));
    let mut output = finished.stdout.into_lines(mask);
    output.extend(finished.stderr.into_lines(mask));
    output.sort_by_key(|line| line.at);
    RunResult {
        outcome,
        message: (finished.left > 0)
            .then(|| format!("{} processos não puderam ser encerrados", finished.left)),
        duration: finished.duration,
        exit_code: finished.exit_code,
        usage: finished.usage,
        attempts: Vec::new(),
        output,
        stdout,
        stderr,
        escaped: finished.escaped,
        kill_escalated: finished.escalated,
        stops: finished.stop_duration.into_iter().collect(),
        report: None,
    }
}

fn totals(captured: &Captured) -> StreamTotals {
    StreamTotals {
        bytes: captured.bytes,
        lines: captured.lines,
        truncated_bytes: captured.truncated_bytes(),
    }
}
