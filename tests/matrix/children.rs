//! Programs that do not want to die, each a small script, and what the program that ends them has to say about it.

use std::fs::{self, File, OpenOptions};
use std::ops::RangeInclusive;
use std::time::Duration;

use nix::unistd::Pid;
use serde_json::Value;

use crate::orchestrator::support::{LIMIT, Place, marked, processor, wait_until};

/// What the bound on a cell's time adds to timeout and grace period: two busy cores, and 0.5 s of draining.
pub(crate) const SLACK: Duration = Duration::from_millis(2500);

/// A program that does not want to die.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    body: &'static str,
    /// The state of its leader once it is ready: sleeping, or stopped.
    state: char,
    /// How many processes leave the leader's group and outlive it.
    pub(crate) escaped: RangeInclusive<u64>,
    /// Whether its leader ignores SIGTERM.
    pub(crate) is_deaf: bool,
    /// Whether somebody who is not of the run is to hold its standard output open.
    is_held: bool,
}

const QUIET: Bad = Bad {
    name: "",
    body: "",
    state: 'S',
    escaped: 0..=0,
    is_deaf: false,
    is_held: false,
};

pub(crate) const IGNORES_SIGTERM: Bad = Bad {
    name: "ignora_sigterm",
    body: "
deaf()
ready()
",
    is_deaf: true,
    ..QUIET
};

pub(crate) const CHILD_IGNORES_SIGTERM: Bad = Bad {
    name: "filho_ignora",
    body: "
if os.fork() == 0:
    deaf()
    ready()
",
    ..QUIET
};

pub(crate) const SETSID: Bad = Bad {
    name: "outra_sessao",
    body: "
if os.fork() == 0:
    os.setsid()
    deaf()
    ready()
",
    escaped: 1..=1,
    ..QUIET
};

/// The grandchild has a session of its own, no parent of ours and no environment.
pub(crate) const DOUBLE_FORK: Bad = Bad {
    name: "fork_duplo",
    body: r#"
between = os.fork()
if between == 0:
    os.setsid()
    if os.fork() == 0:
        deaf()
        code = "import os, sys, time; " + READY + "; time.sleep(300)"
        os.execve(sys.executable, [sys.executable, "-S", "-E", "-c", code, mark, str(leader)], {})
    os._exit(0)
os.waitpid(between, 0)
"#,
    escaped: 1..=1,
    ..QUIET
};

pub(crate) const STOPPED: Bad = Bad {
    name: "parado",
    body: "
if os.fork() != 0:
    ready()
os.kill(os.getpid(), signal.SIGSTOP)
",
    state: 'T',
    ..QUIET
};

pub(crate) const ZOMBIE_PARENT: Bad = Bad {
    name: "pai_de_zumbi",
    body: "
deaf()
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
ready()
",
    is_deaf: true,
    ..QUIET
};

/// Beside the orphan, which is found and ended, a stranger holds the pipe, whom nobody may end: only a limit helps.
pub(crate) const HOLDS_STDOUT: Bad = Bad {
    name: "segura_saida",
    body: r#"
os.write(1, b"antes do fim\n")
if os.fork() == 0:
    os.setsid()
    deaf()
    ready()
"#,
    escaped: 1..=1,
    is_held: true,
    ..QUIET
};

/// Some of the children hand their life on from fork to fork as soon as the leader is gone, faster than one look for them: a
/// signal to the whole group, which forks cannot outrun, ends them all at once.
pub(crate) const FORKS: Bad = Bad {
    name: "ninhada",
    body: r#"
gone, held = os.pipe()
# A shell nests no deeper than 1,000 functions, so from time to time the chain begins anew.
chain = """
f() {
    n=$((n+1))
    if test $n -lt 900; then f &
    elif test $m -lt 25; then m=$((m+1)); exec sh -c "$CHAIN" "$0"; fi
}
n=0
test $m -gt 0 || read end
f
"""
for number in range(60):
    if os.fork() == 0:
        os.close(held)
        deaf()
        if number < 6:
            os.dup2(gone, 0)
            os.execve("/bin/sh", ["sh", "-c", chain, mark], {**os.environ, "CHAIN": chain, "m": "0"})
        break
    if number == 9:
        ready()
    time.sleep(0.01)
"#,
    ..QUIET
};

/// A chain in which every link leaves the session of the one before it.
pub(crate) const LEAVES_IN_A_LOOP: Bad = Bad {
    name: "foge_em_serie",
    body: "
if os.fork() == 0:
    for number in range(2000):
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        deaf()
        if number == 9:
            ready()
        time.sleep(0.001)
",
    escaped: 1..=2000,
    ..QUIET
};

/// A large group of which the youngest sees the eldest die, unless it is dead by then. A signal to the group comes to the
/// youngest first (`do_each_pid_task` of the kernel); whoever ends them one by one comes to it last, milliseconds later.
pub(crate) const WITNESSED: Bad = Bad {
    name: "turma",
    body: "
life, held = os.pipe()
for number in range(150):
    if os.fork() == 0:
        deaf()
        if number == 149:
            ready()
            os.read(life, 1)
            open('viu-a-morte', 'w').close()
        break
    if number == 0:
        os.close(held)
",
    ..QUIET
};

/// Every row of the matrix.
pub(crate) const ALL: [&Bad; 9] = [
    &IGNORES_SIGTERM,
    &CHILD_IGNORES_SIGTERM,
    &SETSID,
    &DOUBLE_FORK,
    &STOPPED,
    &ZOMBIE_PARENT,
    &HOLDS_STDOUT,
    &FORKS,
    &LEAVES_IN_A_LOOP,
];

/// What stands before every script. A leader that is to end slowly needs a second signal to end in time.
const HEAD: &str = r#"
import os, signal, sys, time
mark, leader, slow = sys.argv[1], os.getpid(), sys.argv[2] == "devagar"
READY = "f = open('NAME.parte', 'w'); f.write(sys.argv[2]); f.close(); os.rename('NAME.parte', 'NAME')"
def ready():
    sys.argv[2] = str(leader)
    exec(READY)
def deaf():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
if slow:
    signal.signal(signal.SIGTERM, lambda *_: time.sleep(300))
"#;

/// How a leader that would end at SIGTERM does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leader {
    /// At once.
    Prompt,
    /// Not in the time of a test.
    Slow,
}

/// The stranger who holds a pipe open; none for most.
pub(crate) type Stranger = Option<File>;

impl Bad {
    /// The entry of the configuration; writes the script.
    pub(crate) fn entry(&self, place: &Place, leader: Leader, more: &str) -> String {
        let head = HEAD.replace("NAME", &self.ready_file());
        let script = format!("{head}{}\nwhile True:\n    time.sleep(300)\n", self.body);
        let file = place.write(&format!("{}.py", self.name), script);
        let words = [
            "python3",
            "-S",
            "-E",
            file.to_str().unwrap(),
            &run_mark(place),
            match leader {
                Leader::Prompt => "logo",
                Leader::Slow => "devagar",
            },
        ];
        processor(self.name, &words, more)
    }

    fn ready_file(&self) -> String {
        format!("pronto-{}", self.name)
    }

    pub(crate) fn is_ready(&self, place: &Place) -> bool {
        place.has(&self.ready_file())
    }

    /// Waits until everything that it starts is in place.
    pub(crate) fn wait_until_ready(&self, place: &Place) -> Stranger {
        place.wait_for_file(&self.ready_file());
        let leader = place.read(&self.ready_file());
        let what = format!("the leader of {} in state {}", self.name, self.state);
        wait_until(&what, LIMIT, || {
            let stat = fs::read_to_string(format!("/proc/{leader}/stat")).ok()?;
            let (_, state) = stat.rsplit_once(") ")?;
            state.starts_with(self.state).then_some(())
        });
        let hold = || {
            let pipe = format!("/proc/{leader}/fd/1");
            OpenOptions::new().write(true).open(pipe).unwrap()
        };
        self.is_held.then(hold)
    }

    /// Panics unless the line of the log that tells the end of its run says these.
    #[track_caller]
    pub(crate) fn assert_end(&self, end: &Value, outcome: &str, reason: &str, escalated: bool) {
        assert_eq!(end["outcome"], outcome, "{end}");
        assert_eq!(end["reason"], reason, "{end}");
        assert_eq!(end["kill_escalated"], escalated, "{end}");
        let escaped = end["escaped_processes"].as_u64().unwrap();
        assert!(self.escaped.contains(&escaped), "{:?}: {end}", self.escaped);
        let named = end["escaped_names"].as_array().unwrap().len() as u64;
        assert_eq!(named, escaped.min(20), "{end}");
        let said = end.get("summary").and_then(Value::as_str);
        let expected = self.is_held.then_some("antes do fim");
        assert_eq!(said, expected, "{end}");
    }
}

/// What every process of a run carries, and neither the orchestrator nor its spawner does.
pub(crate) fn run_mark(place: &Place) -> String {
    format!("{}-da-execucao", place.mark())
}

/// Who is alive of the runs that were started from `place`.
pub(crate) fn survivors(place: &Place) -> Vec<(Pid, String)> {
    marked(&run_mark(place))
}

/// The value of a counter in an exposition; 0 when it is not there.
pub(crate) fn counter(exposition: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let family = format!("orquestrador_{name}{{");
    let has =
        |line: &str, (label, value): &(&str, &str)| line.contains(&format!("{label}=\"{value}\""));
    let mut lines = exposition.lines();
    let line =
        lines.find(|line| line.starts_with(&family) && labels.iter().all(|label| has(line, label)));
    let value = line.and_then(|line| line.rsplit_once(' '));
    value.map_or(0, |(_, value)| {
        value
            .parse()
            .unwrap_or_else(|error| panic!("{error}: {line:?}"))
    })
}
