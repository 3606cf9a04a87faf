//! Waits until an instant as exactly as the system can: the runtime's own timer counts milliseconds, rounded up (docs of
//! `tokio::time::sleep`). Refuses to know what is due.

use std::future::pending;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep_until};

/// A timer of the system, timerfd(2). Without one there is still the runtime's.
pub(super) struct Alarm(Option<Timer>);

struct Timer {
    descriptor: TimerFd,
    /// The same timer: it is read as a pipe is, eight bytes each time that it has expired.
    expired: Receiver,
}

impl Alarm {
    /// Must be called within a tokio runtime that has both time and I/O.
    pub(super) fn new() -> Self {
        let made = Timer::new();
        Self(
            made.inspect_err(|error| tracing::debug!(%error, "no exact timer"))
                .ok(),
        )
    }

    /// Returns at `at`, never before. Under the paused clock of a test the runtime's timer is the one that counts.
    pub(super) async fn ring(&self, at: Instant) {
        let exactly = async {
            let wait = at.saturating_duration_since(Instant::now());
            match &self.0 {
                Some(timer) if timer.wait(wait).await.is_ok() => {}
                _ => pending().await,
            }
        };
        tokio::select! {
            () = exactly => {}
            () = sleep_until(at) => {}
        }
    }
}

impl Timer {
    fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let descriptor = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let same = descriptor.as_fd().try_clone_to_owned()?;
        Ok(Self {
            expired: Receiver::from_owned_fd_unchecked(same)?,
            descriptor,
        })
    }

    async fn wait(&self, wait: Duration) -> io::Result<()> {
        // Zero would stop it. What an earlier wait left is forgotten.
        let wait = Expiration::OneShot(TimeSpec::from_duration(wait.max(Duration::from_nanos(1))));
        self.descriptor.set(wait, TimerSetTimeFlags::empty())?;
        loop {
            self.expired.readable().await?;
            match self.expired.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_rings_early_and_a_wait_that_was_given_up_leaves_nothing() {
        let alarm = Alarm::new();
        assert!(alarm.0.is_some(), "a timer of the system");
        let given_up = alarm.ring(Instant::now() + Duration::from_millis(1));
        drop(tokio::time::timeout(Duration::ZERO, given_up).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
        for micros in [0, 1, 300, 20_000] {
            let at = Instant::now() + Duration::from_micros(micros);
            alarm.ring(at).await;
            assert!(Instant::now() >= at, "{micros}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn under_a_paused_clock_hours_take_no_time() {
        let at = Instant::now() + Duration::from_hours(10);
        Alarm::new().ring(at).await;
        assert!(Instant::now() >= at);
    }
}
