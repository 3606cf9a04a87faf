//! What it costs to start `/bin/true` and to see its end, in the ways that were open to us, as our own memory grows.
//!
//! The ways take turns in each round, so that a drifting machine weighs on all alike.

#![expect(
    unsafe_code,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement of system calls that has nothing to recover to"
)]

use std::ffi::CString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::ptr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orquestrador::domain::{Clock, ResourceLimits};
use orquestrador::process::{self, Command, Enforcement, Limits, Prepared, Spawner, Stop};

const ROUNDS: usize = 300;

/// `posix_spawn` and `waitpid` from this process.
fn posix_spawn(path: &CString) {
    let arguments = [path.as_ptr().cast_mut(), ptr::null_mut()];
    let environment = [ptr::null_mut()];
    let (mut pid, mut status) = (0, 0);
    // SAFETY: every pointer is to a live, terminated array; waitpid gets a pid that is our own child.
    unsafe {
        let failed = libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            ptr::null(),
            ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        );
        assert_eq!(failed, 0);
        libc::waitpid(pid, &raw mut status, 0);
    }
}

/// std's fork and exec, which is what it does as soon as a hook must run in the child.
fn fork_and_exec() {
    let mut command = std::process::Command::new("/bin/true");
    // SAFETY: the hook is one async-signal-safe system call.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    command.env_clear().status().expect("started");
}

async fn through_spawner(spawner: &Spawner, clock: &Clock) {
    let command = Command {
        run_id: "bench".to_owned(),
        program: "/bin/true".to_owned(),
        arguments: vec!["true".to_owned()],
        clear_environment: true,
        removed: Vec::new(),
        set: Vec::new(),
        directory: PathBuf::from("."),
        limits: ResourceLimits::default(),
    };
    let limits = Limits {
        timeout: Duration::from_secs(10),
        grace: Duration::from_secs(1),
        output: 1024,
    };
    let prepared = Prepared::new(&command).expect("pipes");
    let child = prepared
        .start(spawner, &command, &Stop::default())
        .await
        .expect("started");
    let nobody = (std::future::ready(()), |_, _: &[u8]| ());
    child.wait(&limits, &Stop::default(), clock, nobody).await;
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).expect("rounds").as_secs_f64() * 1000.0
}

fn main() {
    let link = process::launch(Enforcement::default()).expect("a spawner");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let clock = Clock::new(Timestamp::now);
    let path = CString::new("/bin/true").expect("a path");
    runtime.block_on(async {
        let (spawner, _strays) = Spawner::attach(link).expect("attached");
        println!("median of {ROUNDS} rounds, ms: start /bin/true and see its end");
        println!(
            "{:>12} {:>12} {:>14} {:>10}",
            "own memory", "posix_spawn", "fork and exec", "spawner"
        );
        let mut ballast = Vec::new();
        for megabytes in [0_usize, 15, 60, 250] {
            ballast.resize(megabytes << 20, 1_u8);
            let (mut posix, mut forked, mut through) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let begin = Instant::now();
                posix_spawn(&path);
                posix.push(begin.elapsed());
                let begin = Instant::now();
                fork_and_exec();
                forked.push(begin.elapsed());
                let begin = Instant::now();
                through_spawner(&spawner, &clock).await;
                through.push(begin.elapsed());
            }
            let (posix, forked, through) = (median(posix), median(forked), median(through));
            println!("{megabytes:>9} MB {posix:>12.3} {forked:>14.3} {through:>10.3}");
        }
        spawner.close().await;
    });
}
