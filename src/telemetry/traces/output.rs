//! The captured output of runs as OTLP logs, each line with the trace of its run. Only when it is asked for.

use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::{InstrumentationScope, SpanId, TraceFlags, TraceId};
use opentelemetry_otlp::{LogExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter as Exporter, LogProcessor,
    SdkLogRecord, SdkLogger, SdkLoggerProvider,
};

use super::pipeline::{Sending, tell};
use super::settings::{self, Asked, Protocol};
use super::{Account, TraceError, end, plain_client, resource, sending};
use crate::domain::{Clock, Event, Mask, Observer, OutputLine, Run, Stream};

/// The running export of output. Cloning shares it.
#[derive(Clone)]
pub struct OutputLogs {
    provider: SdkLoggerProvider,
    logger: SdkLogger,
    account: Account,
    abandoned: tokio_util::sync::CancellationToken,
}

impl OutputLogs {
    /// Starts the export to the endpoint that the `OTEL_*` variables name; none when they name none. Must be called
    /// within a tokio runtime, which has to live until [`OutputLogs::shutdown`] is over.
    ///
    /// # Errors
    ///
    /// A setting that is wrong.
    pub fn start<'a>(
        variable: impl Fn(&str) -> Option<&'a str>,
        clock: Clock,
        mask: impl FnOnce() -> Mask,
    ) -> Result<Option<Self>, TraceError> {
        let Some(asked) = settings::read(settings::LOGS, &variable)? else {
            return Ok(None);
        };
        let sending = sending(&asked, "logs", (clock, &mask()));
        let (account, abandoned) = (sending.account.clone(), sending.abandoned.clone());
        let exporter = Counting {
            exporter: exporter(&asked)?,
            sending,
        };
        let batches = BatchConfigBuilder::default().with_max_queue_size(asked.queue);
        let queue = BatchLogProcessor::builder(exporter)
            .with_batch_config(batches.build())
            .build();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(Admission {
                account: account.clone(),
                queue,
            })
            .with_resource(resource(variable("OTEL_SERVICE_NAME").is_some()))
            .build();
        Ok(Some(Self {
            logger: provider.logger("orquestrador"),
            provider,
            account,
            abandoned,
        }))
    }

    /// What becomes of the lines.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account.clone()
    }

    /// Sends what is waiting, within `budget`, and ends the export. What is lost then is said.
    pub async fn shutdown(self, budget: Duration) {
        let provider = self.provider;
        let ending = move || provider.shutdown_with_timeout(budget).is_ok();
        end(ending, budget, (&self.account, &self.abandoned)).await;
    }

    fn emit(&self, run: &Run, line: &OutputLine) {
        let mut record = self.logger.create_log_record();
        record.set_timestamp(SystemTime::from(line.at));
        record.set_observed_timestamp(SystemTime::from(run.finished_at));
        record.set_severity_number(Severity::Info);
        record.set_body(AnyValue::from(line.text.clone()));
        let stream = match line.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        record.add_attribute("log.iostream", stream);
        let start = &run.start;
        record.add_attribute("cicd.pipeline.task.name", start.spec.name.to_string());
        record.add_attribute("cicd.pipeline.task.run.id", start.id.as_str().to_owned());
        if let Some(trace) = start.trace {
            let flags = TraceFlags::default().with_sampled(trace.sampled);
            record.set_trace_context(
                TraceId::from(trace.trace_id),
                SpanId::from(trace.span_id),
                Some(flags),
            );
        }
        self.logger.emit(record);
    }
}

impl Observer for OutputLogs {
    fn observe(&self, event: &Event) {
        match event {
            Event::RunFinished(run) => {
                for line in &run.result.output {
                    self.emit(run, line);
                }
            }
            Event::Started(_)
            | Event::Restored(_)
            | Event::LoopTicked { .. }
            | Event::StartPlanned { .. }
            | Event::PlanForgotten
            | Event::StartMissed(_)
            | Event::LoadRead(_)
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConfigReloaded(_)
            | Event::CycleStarted(_)
            | Event::RunStarted(_)
            | Event::RunOutput { .. }
            | Event::AttemptFailed { .. }
            | Event::MetricsReported { .. }
            | Event::StraysEnded(_)
            | Event::CycleFinished(_)
            | Event::HistoryOperated { .. }
            | Event::HistoryFailed { .. }
            | Event::HistoryRecovered { .. }
            | Event::ShutdownStarted { .. }
            | Event::GroupChanged { .. }
            | Event::ShutdownForced { .. } => {}
        }
    }
}

fn exporter(asked: &Asked) -> Result<LogExporter, TraceError> {
    let builder = LogExporter::builder();
    Ok(match asked.protocol {
        Protocol::Grpc => builder.with_tonic().with_timeout(asked.timeout).build()?,
        Protocol::Http => {
            let protocol = opentelemetry_otlp::Protocol::HttpBinary;
            let builder = builder.with_http().with_protocol(protocol);
            let builder = match plain_client(asked.timeout) {
                Some(client) => builder.with_http_client(client),
                None => builder,
            };
            builder.with_timeout(asked.timeout).build()?
        }
    })
}

/// Lets no more lines in than the queue behind it holds.
#[derive(Debug)]
struct Admission {
    account: Account,
    queue: BatchLogProcessor,
}

impl LogProcessor for Admission {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let (is_admitted, edge) = self.account.admit();
        if is_admitted {
            self.queue.emit(record, scope);
        }
        tell(&self.account, &edge);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.account.close();
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what became of each batch of lines.
#[derive(Debug)]
struct Counting {
    exporter: LogExporter,
    sending: Sending,
}

impl Exporter for Counting {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        self.sending.send(count, self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
