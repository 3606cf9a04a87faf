//! What becomes of a run's lines while it runs: readers are told, a file keeps them. Refuses to know the process.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Clock, Event, Mask, Observers, OutputFileSpec, OutputLine, RunStart, Stream};
use crate::process::{LineCutter, OutputFile};

/// Bytes of a second that are cut into lines for those who only look on. A flood costs no more than that.
const SAMPLE: usize = 256 * 1024;

/// Who is told of each line while it comes.
#[derive(Clone)]
pub struct LiveReaders {
    /// They are.
    pub observers: Observers,
    /// Whether they only look on, so that a flood need not be told in full.
    pub is_sampled: bool,
}

/// How much of this second was taken.
struct Budget {
    since: Instant,
    taken: usize,
}

impl Budget {
    fn has_room_for(&mut self, bytes: usize) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.taken) = (Instant::now(), 0);
        }
        let has_room = self.taken < SAMPLE;
        self.taken += bytes;
        has_room
    }
}

/// The lines of one run, as they come.
pub(super) struct Live {
    run: Arc<RunStart>,
    clock: Clock,
    stdout: LineCutter,
    stderr: LineCutter,
    readers: Option<LiveReaders>,
    file: Option<OutputFile>,
    budget: Budget,
    is_leaving_out: bool,
}

impl Live {
    pub(super) fn new(run: &Arc<RunStart>, clock: Clock, mask: &Mask) -> Self {
        Self {
            run: Arc::clone(run),
            clock,
            stdout: LineCutter::new(mask.clone()),
            stderr: LineCutter::new(mask.clone()),
            readers: None,
            file: None,
            budget: Budget {
                since: Instant::now(),
                taken: 0,
            },
            is_leaving_out: false,
        }
    }

    /// Tells these readers of each line.
    pub(super) fn told_to(self, readers: Option<LiveReaders>) -> Self {
        Self { readers, ..self }
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
        self.readers.is_some() || self.file.is_some()
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, stream: Stream, chunk: &[u8]) {
        let is_left_out = self.is_sampled() && !self.budget.has_room_for(chunk.len());
        let cutter = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if is_left_out {
            cutter.leave_out(chunk);
            if !std::mem::replace(&mut self.is_leaving_out, true) {
                self.give(stream, "…".to_owned());
            }
            return;
        }
        self.is_leaving_out = false;
        for text in cutter.take(chunk) {
            self.give(stream, text);
        }
        self.flush();
    }

    /// Whether nobody needs every line.
    fn is_sampled(&self) -> bool {
        self.file.is_none()
            && self
                .readers
                .as_ref()
                .is_none_or(|readers| readers.is_sampled)
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
        self.flush();
    }

    fn give(&mut self, stream: Stream, text: String) {
        let line = OutputLine {
            at: self.clock.now(),
            stream,
            text,
        };
        self.keep(|file| file.write(&line));
        if let Some(readers) = &self.readers {
            readers.observers.state(&Event::RunOutput {
                run: Arc::clone(&self.run),
                line,
            });
        }
    }

    /// Who looks into the file of a quiet run finds what it has said, and a full disk is told while the run goes on.
    fn flush(&mut self) {
        self.keep(OutputFile::flush);
    }

    fn keep(&mut self, work: impl FnOnce(&mut OutputFile) -> io::Result<()>) {
        if let Some(file) = &mut self.file
            && let Err(error) = work(file)
        {
            tracing::warn!(
                "a saída de {} não pode mais ser gravada: {error}",
                self.run.spec.name
            );
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use tracing::Subscriber;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;
    use crate::domain::{Observer, samples};

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Observer for Lines {
        fn observe(&self, event: &Event) {
            if let Event::RunOutput { line, .. } = event {
                let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line.text.clone());
            }
        }
    }

    fn live(is_sampled: bool) -> (Live, Arc<Lines>) {
        let lines = Arc::new(Lines::default());
        let observers = Observers::new(vec![lines.clone()]);
        let clock = Clock::new(samples::instant);
        let live = Live::new(&samples::run_start("bom"), clock, &Mask::default());
        let readers = LiveReaders {
            observers,
            is_sampled,
        };
        (live.told_to(Some(readers)), lines)
    }

    fn flood(live: &mut Live) {
        for _ in 0..10 {
            live.take(Stream::Stdout, &b"0123456\n".repeat(8 * 1024));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_flood_those_who_look_on_get_a_part_of_each_second_and_a_mark_where_some_is_missing()
     {
        let (mut live, lines) = live(true);
        flood(&mut live);
        let taken = |lines: &Lines| lines.0.lock().expect("unpoisoned").clone();
        let first = taken(&lines);
        assert_eq!(first.len(), SAMPLE / 8 + 1);
        assert_eq!(first.last().map(String::as_str), Some("…"));
        tokio::time::advance(Duration::from_secs(1)).await;
        live.take(Stream::Stdout, b"later\n");
        assert_eq!(taken(&lines).last().map(String::as_str), Some("later"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_every_line_gets_every_line() {
        let (mut live, lines) = live(false);
        flood(&mut live);
        assert_eq!(lines.0.lock().expect("unpoisoned").len(), 80 * 1024);
    }

    /// Counts what is told to people.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<usize>>);

    impl<S: Subscriber> Layer<S> for Told {
        fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    fn kept_in(path: &Path) -> Live {
        let clock = Clock::new(samples::instant);
        let spec = OutputFileSpec {
            rotate_at: 1024 * 1024,
            copies: 1,
        };
        Live::new(&samples::run_start("bom"), clock, &Mask::default()).kept_in(path, &spec)
    }

    #[tokio::test(start_paused = true)]
    async fn lines_that_a_full_disk_does_not_take_are_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bom.log");
        std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
        // Without a line end, it is the end of the run that has something to write.
        for chunk in [b"um\ndois\ntres\n".as_slice(), b"um"] {
            let told = Told::default();
            let subscriber = tracing_subscriber::registry().with(told.clone());
            tracing::subscriber::with_default(subscriber, || {
                let mut live = kept_in(&path);
                live.take(Stream::Stdout, chunk);
                live.finish();
            });
            assert_eq!(*told.0.lock().expect("unpoisoned"), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_stands_in_the_file_while_its_run_goes_on_in_silence() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bom.log");
        let mut live = kept_in(&path);
        live.take(Stream::Stdout, b"comecei\n");
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, "2026-11-22T18:04:06.000Z stdout comecei\n");
        drop(live);
    }
}
