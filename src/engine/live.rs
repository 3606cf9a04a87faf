//! What becomes of a run's lines while it runs: readers are told, a file keeps them. Refuses to know the process.

use std::path::Path;
use std::sync::Arc;

use crate::domain::{Clock, Event, Mask, Observers, OutputFileSpec, OutputLine, RunStart, Stream};
use crate::process::{LineCutter, OutputFile};

/// The lines of one run, as they come.
pub(super) struct Live {
    run: Arc<RunStart>,
    clock: Clock,
    stdout: LineCutter,
    stderr: LineCutter,
    observers: Option<Observers>,
    file: Option<OutputFile>,
}

impl Live {
    pub(super) fn new(run: &Arc<RunStart>, clock: Clock, mask: &Mask) -> Self {
        Self {
            run: Arc::clone(run),
            clock,
            stdout: LineCutter::new(mask.clone()),
            stderr: LineCutter::new(mask.clone()),
            observers: None,
            file: None,
        }
    }

    /// Tells these readers of each line.
    pub(super) fn told_to(self, observers: Option<Observers>) -> Self {
        Self { observers, ..self }
    }

    /// Keeps each line in a file; one that cannot be written is said, and stops nothing.
    pub(super) fn kept_in(self, path: &Path, spec: &OutputFileSpec) -> Self {
        let file = OutputFile::open(path, spec).inspect_err(|error| {
            tracing::warn!(
                "a saída não pode ser gravada em {}: {error}",
                path.display()
            );
        });
        Self {
            file: file.ok(),
            ..self
        }
    }

    /// Whether anybody takes the lines.
    pub(super) fn is_wanted(&self) -> bool {
        self.observers.is_some() || self.file.is_some()
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, stream: Stream, chunk: &[u8]) {
        let cutter = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for text in cutter.take(chunk) {
            self.give(stream, text);
        }
    }

    /// Takes what was written after the last line end.
    pub(super) fn finish(mut self) {
        let rest = [
            (Stream::Stdout, self.stdout.rest()),
            (Stream::Stderr, self.stderr.rest()),
        ];
        for (stream, text) in rest {
            if let Some(text) = text {
                self.give(stream, text);
            }
        }
    }

    fn give(&mut self, stream: Stream, text: String) {
        let line = OutputLine {
            at: self.clock.now(),
            stream,
            text,
        };
        if let Some(file) = &mut self.file
            && let Err(error) = file.write(&line)
        {
            tracing::warn!(
                "a saída de {} não pode mais ser gravada: {error}",
                self.run.spec.name
            );
            self.file = None;
        }
        if let Some(observers) = &self.observers {
            observers.state(&Event::RunOutput {
                run: Arc::clone(&self.run),
                line,
            });
        }
    }
}
