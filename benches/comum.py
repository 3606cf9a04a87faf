"""What the measurements share: figures, daemons, the least that the same work can cost."""

import contextlib
import dataclasses
import os
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request

PLAIN = {"PATH": "/usr/bin:/bin"}
TRUE = ["/bin/true"]


@dataclasses.dataclass
class Figure:
    """A median with its quartiles. The limit is the least that the same work can cost, measured in the same rounds."""

    name: str
    value: float
    unit: str
    low: float = None
    high: float = None
    rounds: int = 1
    limit: str = None
    limit_value: float = None
    ratio: float = None
    # What the value, or with `of_ratio` the ratio, must not pass.
    aim: float = None
    of_ratio: bool = False
    # The curve of a plot that it is a point of, and the size that it was measured at.
    curve: str = None
    size: int = None

    @property
    def is_met(self):
        if self.aim is None:
            return None
        return (self.ratio if self.of_ratio else self.value) <= self.aim


def spread(name, values, unit, **more):
    """The figure of repeated measurements."""
    ordered = sorted(values)
    at = lambda share: ordered[min(int(share * len(ordered)), len(ordered) - 1)]
    return Figure(name, statistics.median(ordered), unit, at(0.25), at(0.75), len(ordered), **more)


def beside(name, pairs, unit, limit, **more):
    """The figure of rounds that measured the thing and its limit; the ratio is the median of the rounds' ratios."""
    limits = statistics.median(low for _, low in pairs)
    ratio = statistics.median(value / low for value, low in pairs)
    return spread(name, [value for value, _ in pairs], unit, limit=limit, limit_value=limits, ratio=ratio, **more)


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def bare_loop(count, slots=1, command=TRUE):
    """`count` spawns, at most `slots` of them alive at a time."""
    alive = 0
    for _ in range(count):
        if alive == slots:
            os.wait()
            alive -= 1
        os.posix_spawn(command[0], command, PLAIN)
        alive += 1
    for _ in range(alive):
        os.wait()


def configuration(folder, count, command=TRUE, each="", **settings):
    """Writes the configuration of `count` processors; command and further lines may depend on the number."""
    of = lambda what, number: what(number) if callable(what) else what
    with open(f"{folder}/orquestrador.toml", "w") as file:
        for name, value in {"max_processadores": max(count, 100), **settings}.items():
            file.write(f"{name} = {value!r}\n")
        for number in range(count):
            file.write(f'[[processador]]\nnome = "p{number}"\ncomando = {of(command, number)}\n{of(each, number)}\n')


def single_run(binary, folder, *flags):
    command = [binary, "--config", f"{folder}/orquestrador.toml", "--dados", f"{folder}/dados", "--single-run", *flags]
    subprocess.run(command, env=PLAIN, check=True, stdout=subprocess.DEVNULL)


def family(pid):
    """A process and its direct children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid, *map(int, file.read().split())]


def rollup(pid, *keys):
    """MB of what the kernel counts for a process under these names."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        counted = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
    return sum(int(counted[key]) for key in keys) * 1024 / 1e6


def resident(pid):
    """MB of a process and its direct children, what they share with it counted once."""
    first, *others = family(pid)
    return rollup(first, "Rss") + sum(rollup(each, "Private_Clean", "Private_Dirty") for each in others)


def added_up(pid):
    """The same with the pages that both map counted twice, as adding up what `ps` says would."""
    return sum(rollup(each, "Rss") for each in family(pid))


def cpu_seconds(pid):
    ticks = 0
    for each in family(pid):
        with open(f"/proc/{each}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Daemon:
    """A running orchestrator: its pid and how to ask it."""

    def __init__(self, process, address):
        self.process, self.pid, self.address = process, process.pid, address

    def get(self, path, **headers):
        request = urllib.request.Request(f"http://{self.address}{path}", headers=headers)
        return urllib.request.urlopen(request, timeout=60).read()


@contextlib.contextmanager
def daemon(binary, folder, *flags, env=PLAIN):
    """The orchestrator of a folder's configuration, from the line that names its address to its end."""
    command = [binary, "--config", f"{folder}/orquestrador.toml", "--dados", f"{folder}/dados", "--porta", "0", *flags]
    with open(f"{folder}/saida", "w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    try:
        address = None
        while not address:
            time.sleep(0.02)
            with open(f"{folder}/saida") as file:
                text = file.read()
            if process.poll() is not None:
                raise SystemExit(text)
            address = re.search(r"http://([0-9.:]+)", text)
        yield Daemon(process, address[1])
    finally:
        process.terminate()
        process.wait(120)


def stop(process):
    process.terminate()
    process.wait(60)


class Stopped:
    """A process that is ended at the end of a block."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        stop(self.process)


def folder():
    return tempfile.TemporaryDirectory(prefix="orquestrador-medida-")
