//! Many runs: nothing grows. `make test-longo` makes 100,000 of them, `make test` 1,000.

use std::fs;

use nix::unistd::Pid;

use crate::support::{Place, children, processor, rounds};

/// Resident memory in KiB, and open descriptors.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory: u64,
    descriptors: usize,
}

fn held(pid: Pid) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Held {
        memory,
        descriptors,
    }
}

#[test]
fn after_the_first_tenth_of_many_runs_memory_and_descriptors_stay_as_they_are() {
    const EACH: u64 = 50;
    // 20 rounds are 1,000 runs, 200 rounds 100,000.
    let cycles = rounds() * rounds() / 20;
    let mut config = "paralelismo = 16\nintervalo = \"1ms\"\n".to_owned();
    for number in 0..EACH {
        config += &processor(&format!("p{number}"), &["echo", "oi"], "");
    }
    let place = Place::with_config(&config);
    let running = place.service(&[]);
    let both = || [running.pid(), children(running.pid())[0]].map(held);

    // The HTTP side and the database warm up too.
    let wait = |count: u64| {
        crate::support::wait_until("the cycles", std::time::Duration::from_mins(40), || {
            let done = running.status()["ciclos_executados"].as_u64().unwrap();
            (done >= count).then_some(done)
        })
    };
    wait(cycles / 10);
    let early = both();
    wait(cycles);
    let late = both();

    eprintln!("{} runs: {early:?} -> {late:?}", cycles * EACH);
    for (early, late) in early.into_iter().zip(late) {
        let grown = late.memory.saturating_sub(early.memory);
        assert!(grown <= 4096, "{grown} KiB more: {early:?} -> {late:?}");
        // A run's own pipes may be open at either moment.
        assert!(
            late.descriptors <= early.descriptors + 2 * 16 + 8,
            "{early:?} -> {late:?}"
        );
    }
    running.stop().assert_code(0);
}
