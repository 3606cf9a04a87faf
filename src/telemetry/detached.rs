//! A writer that never waits: a thread of its own passes on what is written. What nobody takes in time is dropped, counted
//! and told. Refuses to know what is written.
//!
//! Standard output and standard error are somebody else's pipes. When their reader stops reading, an ordinary write waits
//! for ever, and with it everything that has something to say. (tracing-appender bounds lines, not bytes, and prints to the same stuck output at
//! its end.)

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait to be taken; as many may be on their way.
const MOST: usize = 4 << 20;
/// How long the thread waits for more than one line: to be woken costs more than to write.
const GATHER: Duration = Duration::from_millis(2);
/// Bytes that are passed on at once.
const ENOUGH: usize = 64 << 10;

/// The lines that were dropped. Cloning shares the count.
#[derive(Debug, Clone, Default)]
pub struct Lost(Arc<AtomicU64>);

impl Lost {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The writer. Cloning shares it.
#[derive(Clone)]
pub struct Detached {
    shared: Arc<Shared>,
    /// The lines that were dropped so far.
    pub lost: Lost,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// What is said of so many lost lines.
    notice: Box<Notice>,
}

/// Words the loss of a number of lines, as a line.
type Notice = dyn Fn(u64) -> String + Send + Sync;

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    /// Lines that were dropped and not told yet.
    untold: u64,
    is_ending: bool,
    has_ended: bool,
}

impl Detached {
    /// Passes everything on to `sink`; `notice` words the loss of a number of lines, as a line.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub fn new(
        sink: impl Write + Send + 'static,
        notice: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            notice: Box::new(notice),
        });
        let own = Arc::clone(&shared);
        thread::Builder::new()
            .name("saida".to_owned())
            .spawn(move || own.pass_on(sink))?;
        Ok(Self {
            shared,
            lost: Lost::default(),
        })
    }

    /// Writes a line.
    pub fn line(&self, text: &str) {
        self.take(format!("{text}\n").as_bytes());
    }

    /// Waits until everything was taken, but not longer than `limit`.
    pub fn finish(&self, limit: Duration) {
        let mut queue = self.shared.queue();
        queue.is_ending = true;
        self.shared.changed.notify_all();
        drop(
            self.shared
                .changed
                .wait_timeout_while(queue, limit, |queue| !queue.has_ended),
        );
    }

    fn take(&self, bytes: &[u8]) {
        let mut queue = self.shared.queue();
        if queue.text.len() + bytes.len() > MOST {
            let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
            queue.untold += lines;
            self.lost.0.fetch_add(lines, Ordering::Relaxed);
        } else {
            // The thread waits for something, then for enough, and would wait again for a lock that is held.
            let before = queue.text.len();
            self.shared.tell_loss(&mut queue);
            queue.text.extend_from_slice(bytes);
            let is_enough = before < ENOUGH && queue.text.len() >= ENOUGH;
            let is_waited_for = before == 0 || is_enough;
            drop(queue);
            if is_waited_for {
                self.shared.changed.notify_all();
            }
        }
    }
}

impl Write for Detached {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_loss(&self, queue: &mut Queue) {
        if queue.untold > 0 {
            let notice = (self.notice)(mem::take(&mut queue.untold));
            queue.text.extend_from_slice(notice.as_bytes());
            queue.text.push(b'\n');
        }
    }

    /// Whoever reads may have gone; that is no reason to stop.
    fn pass_on(&self, mut sink: impl Write) {
        loop {
            let is_idle = |queue: &mut Queue| queue.text.is_empty() && !queue.is_ending;
            let queue = self
                .changed
                .wait_while(self.queue(), is_idle)
                .unwrap_or_else(PoisonError::into_inner);
            let is_little = |queue: &mut Queue| queue.text.len() < ENOUGH && !queue.is_ending;
            let gathered = self.changed.wait_timeout_while(queue, GATHER, is_little);
            let (mut queue, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            if queue.is_ending {
                self.tell_loss(&mut queue);
            }
            let text = mem::take(&mut queue.text);
            if text.is_empty() {
                queue.has_ended = true;
                self.changed.notify_all();
                return;
            }
            drop(queue);
            sink.write_all(&text).and_then(|()| sink.flush()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::telemetry::sink::Sink;

    fn notice(lines: u64) -> String {
        format!("lost {lines}")
    }

    /// A sink that says when it is written to and takes nothing until it is told to.
    struct Stuck {
        reached: mpsc::Sender<()>,
        gate: mpsc::Receiver<()>,
        sink: Sink,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.reached.send(()).ok();
            self.gate.recv().ok();
            self.sink.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_that_was_written_is_there_in_order_after_the_end() {
        let sink = Sink::default();
        let mut detached = Detached::new(sink.clone(), notice).expect("a thread");
        let mut expected = String::new();
        for number in 0..1000 {
            let line = format!("{number}\n");
            detached.write_all(line.as_bytes()).expect("never fails");
            expected.push_str(&line);
        }
        detached.finish(Duration::from_secs(30));
        assert_eq!(sink.text(), expected);
        assert_eq!(detached.lost.count(), 0);
    }

    #[test]
    fn a_stuck_sink_holds_up_nobody_and_what_it_missed_is_counted_and_told() {
        const BLOCK: usize = 1 << 20;
        let (reached, was_reached) = mpsc::channel();
        let (release, gate) = mpsc::channel();
        let sink = Sink::default();
        let stuck = Stuck {
            reached,
            gate,
            sink: sink.clone(),
        };
        let mut detached = Detached::new(stuck, notice).expect("a thread");
        let block = "x\n".repeat(BLOCK / 2);
        detached.write_all(block.as_bytes()).expect("never fails");
        was_reached
            .recv_timeout(Duration::from_secs(30))
            .expect("the first block is on its way");
        for _ in 1..16 {
            detached.write_all(block.as_bytes()).expect("never fails");
        }
        detached.finish(Duration::from_millis(1));
        assert_eq!(sink.text(), "", "the end does not wait for ever");
        let kept = 1 + MOST / BLOCK;
        let lost = (16 - kept) * BLOCK / 2;
        assert_eq!(detached.lost.count(), lost as u64);
        drop(release);
        detached.finish(Duration::from_secs(30));
        let expected = format!("{}lost {lost}\n", block.repeat(kept));
        assert!(sink.text() == expected, "the kept blocks, then the loss");
    }
}
