//! One run: waits until it may start, runs, and states how it ended, also when it never started.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing::field::Empty;

use super::cycle::Cycles;
use super::runner::{RunStop, Runner};
use crate::domain::{
    CancelReason, CycleStart, Event, Instance, Outcome, ProcessorName, ProcessorSpec, Run, RunId,
    RunResult, RunStart, SkipReason,
};

/// The outcome of a run that others wait for; `None` until it has ended.
pub(super) type Ended = watch::Receiver<Option<Outcome>>;

/// One run of a cycle, before it starts.
pub(super) struct Planned {
    pub(super) cycle: Arc<CycleStart>,
    pub(super) spec: Arc<ProcessorSpec>,
    /// Which of its start.
    pub(super) instance: Instance,
    /// When it was ready, unless it depends on others.
    pub(super) ready: Instant,
    /// Those that must succeed first.
    pub(super) depends_on: Vec<(ProcessorName, Ended)>,
    /// The run before it failed and the rest is not to run.
    pub(super) halted_by: Option<ProcessorName>,
    /// What stands before it.
    pub(super) gate: Gate,
    /// Whether somebody else tells its end.
    pub(super) is_one_by_one: bool,
    /// What is to be told before its own beginning.
    pub(super) untold: Vec<Event>,
    /// Told of the outcome.
    pub(super) ended: watch::Sender<Option<Outcome>>,
}

/// What stands between a run and others of its processor.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    /// It is not to start, since the one before it has not ended.
    pub(super) is_overlap: bool,
    /// Runs that must have ended first, however.
    pub(super) after: Vec<CancellationToken>,
    /// Cancelled when a newer one takes its place.
    pub(super) replaced: CancellationToken,
}

/// Why a run does not start, and what is to be said about it.
type Refusal = (Outcome, Option<String>);

impl<R: Runner> Cycles<R> {
    /// Runs `planned` to its end: exactly one `RunFinished` is stated, whatever happens, here or by who asked for it.
    pub(super) async fn run_one(self: Arc<Self>, mut planned: Planned) -> Arc<Run> {
        let id = RunId::new(self.clock.now());
        let span = run_span(&planned, &id);
        let admitted = self.admit(&mut planned).await;
        let wait = admitted
            .as_ref()
            .map_or_else(|_| std::time::Duration::ZERO, |(_, since)| since.elapsed());
        span.record("orquestrador.run.queue_wait", wait.as_secs_f64());
        let start = Arc::new(RunStart {
            id,
            spec: planned.spec,
            instance: planned.instance,
            cycle: planned.cycle,
            started_at: self.clock.now(),
            queue_wait: wait,
            trace: (self.trace_of)(&span),
        });
        let was_started = admitted.is_ok();
        let result = match admitted {
            Ok(_slot) => {
                let untold = std::mem::take(&mut planned.untold);
                // What only runs need takes no memory of those that wait.
                Box::pin(self.execute(&start, untold, &planned.gate, &span)).await
            }
            Err((outcome, message)) => {
                self.state(&planned.untold).await;
                RunResult::without_process(outcome, message)
            }
        };
        let run = Arc::new(Run {
            start,
            was_started,
            result,
            finished_at: self.clock.now(),
        });
        record_end(&span, &run);
        drop(span);
        if !planned.is_one_by_one {
            self.state(&[Event::RunFinished(Arc::clone(&run))]).await;
        }
        planned.ended.send_replace(Some(run.result.outcome));
        run
    }

    async fn execute(
        &self,
        start: &Arc<RunStart>,
        mut beginning: Vec<Event>,
        gate: &Gate,
        span: &Span,
    ) -> RunResult {
        use tracing::Instrument as _;
        // One commit for the end of the run before and the beginning of this one.
        beginning.push(Event::RunStarted(Arc::clone(start)));
        let stop = RunStop {
            requested: self.shutdown.told.child_token(),
            forced: self.shutdown.forced.clone(),
            reason: CancelReason::Shutdown,
        };
        // In one expression: of each variable that it moved through it would keep the place.
        let attempts = pin!(
            self.attempt_all(start, &stop, &beginning)
                .instrument(span.clone())
        );
        match select(attempts, pin!(gate.replaced.cancelled())).await {
            Either::Left((result, _)) => result,
            Either::Right(((), attempts)) => {
                stop.requested.cancel();
                replaced(attempts.await)
            }
        }
    }

    /// Waits for what it depends on and for a free slot. The instant is when it was ready.
    async fn admit(
        &self,
        planned: &mut Planned,
    ) -> Result<(OwnedSemaphorePermit, Instant), Refusal> {
        if let Some(name) = &planned.halted_by {
            return Err((
                Outcome::Skip(SkipReason::Dependency),
                Some(format!("{name} falhou antes")),
            ));
        }
        if planned.gate.is_overlap {
            let message = "a execução anterior ainda não terminou".to_owned();
            return Err((Outcome::Skip(SkipReason::Overlap), Some(message)));
        }
        if self.plan.dry_run && !planned.spec.accepts_dry_run {
            return Err((
                Outcome::Skip(SkipReason::DryRun),
                Some("simulação, e o processador não a aceita".to_owned()),
            ));
        }
        let mut early = None;
        if !planned.untold.is_empty() {
            let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
            early = slot.filter(|_| planned.gate.after.is_empty());
            // Whoever must wait keeps nobody waiting for what happened before.
            if early.is_none() {
                self.state(&std::mem::take(&mut planned.untold)).await;
            }
        }
        let cancelled = (Outcome::Cancellation(CancelReason::Shutdown), None);
        let replaced = (Outcome::Cancellation(CancelReason::Replaced), None);
        let ready = async {
            for ended in &planned.gate.after {
                ended.cancelled().await;
            }
            for (name, ended) in &mut planned.depends_on {
                let outcome = ended
                    .wait_for(Option::is_some)
                    .await
                    .ok()
                    .and_then(|outcome| *outcome);
                if outcome != Some(Outcome::Success) {
                    let message = format!("depende de {name}, que não teve sucesso");
                    return Err((Outcome::Skip(SkipReason::Dependency), Some(message)));
                }
            }
            let since = if planned.depends_on.is_empty() && planned.gate.after.is_empty() {
                planned.ready
            } else {
                Instant::now()
            };
            if let Some(slot) = early.take() {
                return Ok((slot, since));
            }
            match Arc::clone(&self.slots).acquire_owned().await {
                Ok(slot) => Ok((slot, since)),
                Err(_) => Err((Outcome::Cancellation(CancelReason::Shutdown), None)),
            }
        };
        tokio::select! {
            biased;
            () = self.shutdown.requested.cancelled() => {
                self.shutdown.told.cancelled().await;
                Err(cancelled)
            }
            () = planned.gate.replaced.cancelled() => Err(replaced),
            ready = ready => ready,
        }
    }
}

/// A run that was ended for a newer one; one that had ended by itself before it heard of that stays what it was.
fn replaced(mut result: RunResult) -> RunResult {
    let outcome = Outcome::Cancellation(CancelReason::Replaced);
    if let Outcome::Cancellation(_) = result.outcome {
        result.outcome = outcome;
    }
    for attempt in &mut result.attempts {
        if let Outcome::Cancellation(_) = attempt.outcome {
            attempt.outcome = outcome;
        }
    }
    result
}

fn run_span(planned: &Planned, id: &RunId) -> Span {
    let (spec, instance) = (&planned.spec, planned.instance);
    tracing::info_span!(
        "run",
        otel.name = format!("run {}", spec.name),
        otel.status_code = Empty,
        otel.status_description = Empty,
        cicd.pipeline.task.name = spec.name.as_str(),
        cicd.pipeline.task.run.id = id.as_str(),
        cicd.pipeline.task.run.result = Empty,
        process.executable.name = Empty,
        process.pid = Empty,
        process.exit.code = Empty,
        error.type = Empty,
        orquestrador.run.instance = i64::from(instance.number),
        orquestrador.run.instances = i64::from(instance.of),
        orquestrador.run.attempts = Empty,
        orquestrador.run.queue_wait = Empty,
        orquestrador.run.cpu_seconds = Empty,
        orquestrador.run.max_rss_bytes = Empty,
    )
}

fn record_end(span: &Span, run: &Run) {
    let result = &run.result;
    span.record("cicd.pipeline.task.run.result", result.outcome.label());
    let attempts = i64::try_from(result.attempts.len()).unwrap_or(i64::MAX);
    span.record("orquestrador.run.attempts", attempts);
    if let Some(code) = result.exit_code {
        span.record("process.exit.code", i64::from(code));
        let cpu = result.usage.cpu_user + result.usage.cpu_system;
        span.record("orquestrador.run.cpu_seconds", cpu.as_secs_f64());
        span.record(
            "orquestrador.run.max_rss_bytes",
            i64::try_from(result.usage.max_rss_bytes).unwrap_or(i64::MAX),
        );
    }
    if result.outcome.is_bad() {
        span.record("error.type", result.outcome.reason().unwrap_or_default());
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", run.summary().unwrap_or_default());
    }
}
