#!/usr/bin/env python3
"""Schedules: how late children start, by their own clock, beside cronstable (PyPI) in alternating rounds; and what many
schedules cost while nothing runs.

Usage: benches/agenda.py BINARY [SECONDS] [PEER]. PEER is the path of the cronstable command; without it the orchestrator
is measured alone. Needs a C compiler for the child, as the linker of Rust does.
"""

import os
import resource
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

CHILD = r"""
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **arguments) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double at = now.tv_sec + now.tv_nsec / 1e9;
    int file = open(arguments[count - 1], O_WRONLY | O_APPEND | O_CREAT, 0600);
    return write(file, &at, sizeof at) != sizeof at;
}
"""
PLAIN = {"PATH": "/usr/bin:/bin"}
# The first start of everything is not what is measured.
WARM_UP = 3


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def resident(pid):
    """MiB of a process and its direct children."""
    total = 0
    for each in [pid, *children(pid)]:
        with open(f"/proc/{each}/status") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    return total / 1024


def cpu_seconds(pid):
    ticks = 0
    for each in [pid, *children(pid)]:
        with open(f"/proc/{each}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def ours(binary, folder, jobs):
    """Starts the orchestrator with (name, pattern, command) of each job."""
    with open(f"{folder}/orquestrador.toml", "w") as file:
        file.write(f"max_processadores = {max(len(jobs), 100)}\nparalelismo = {max(len(jobs), 2)}\n")
        for name, pattern, command in jobs:
            file.write(f'[[processador]]\nnome = "{name}"\nagenda = "{pattern}"\ncomando = {command}\n')
    command = [binary, "--config", f"{folder}/orquestrador.toml", "--dados", f"{folder}/dados", "--porta", "0"]
    return subprocess.Popen(command, env=PLAIN, stdout=open(f"{folder}/saida", "w"), stderr=subprocess.STDOUT)


def peers(command, folder, jobs):
    """Starts cronstable with the same; its second-level patterns have a year too."""
    with open(f"{folder}/cronstable.yaml", "w") as file:
        file.write("jobs:\n")
        for name, pattern, argv in jobs:
            file.write(f'  - name: {name}\n    schedule: "{pattern} *"\n    command:\n')
            file.writelines(f"      - {argument}\n" for argument in argv)
    log = open(f"{folder}/saida-par", "w")
    return subprocess.Popen([command, "-c", f"{folder}/cronstable.yaml"], env=PLAIN, stdout=log, stderr=log)


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def lateness(start, child, count, seconds):
    """Milliseconds after the whole second at which each child of `count` jobs began."""
    with tempfile.TemporaryDirectory() as folder:
        times = f"{folder}/horas"
        jobs = [(f"p{number}", "* * * * * *", [child, times]) for number in range(count)]
        process = start(folder, jobs)
        time.sleep(WARM_UP)
        begin = int(time.time()) + 2
        time.sleep(begin + seconds - time.time() + 0.9)
        stop(process)
        with open(times, "rb") as file:
            instants = [at for (at,) in struct.iter_unpack("d", file.read())]
    return sorted((at - int(at)) * 1000 for at in instants if begin <= at < begin + seconds)


def show_lateness(name, count, seconds, found):
    expected = count * seconds
    at = lambda share: found[min(int(share * len(found)), len(found) - 1)]
    print(
        f"{name:<13} {count:4} each second: {len(found):6} of {expected} started; late by p50 {at(0.5):6.1f}"
        f"  p99 {at(0.99):6.1f}  max {found[-1]:6.1f} ms"
    )


def bare(child, count):
    """The least: spawning them one after another from one process."""
    with tempfile.TemporaryDirectory() as folder:
        times = f"{folder}/horas"
        rounds = []
        for _ in range(9):
            begin = time.time()
            for _ in range(count):
                os.posix_spawn(child, [child, times], PLAIN)
            for _ in range(count):
                os.wait()
            with open(times, "rb") as file:
                rounds.append((max(at for (at,) in struct.iter_unpack("d", file.read())) - begin) * 1000)
        print(f"{'bare spawn':<13} {count:4} at once: the last began after {statistics.median(rounds):.1f} ms (median of 9)")


def idle(name, start, count, pattern, port_of=None):
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(f"p{number}", pattern(number), ["/bin/true"]) for number in range(count)]
        process = start(folder, jobs)
        time.sleep(5 if count <= 1000 else 15)
        before, used = resident(process.pid), cpu_seconds(process.pid)
        time.sleep(20)
        used = cpu_seconds(process.pid) - used
        line = f"{name:<13} {count} schedules, idle: {before:.1f} MiB, {used / 20 * 100:.2f} % CPU"
        if port_of:
            urllib.request.urlopen(f"http://127.0.0.1:{port_of(folder)}/metrics").read()
            line += f"; {resident(process.pid):.1f} MiB after a scrape"
        print(line)
        stop(process)


def port_of(folder):
    with open(f"{folder}/saida") as file:
        return file.read().partition("http://127.0.0.1:")[2].split("/")[0].split()[0]


def main():
    binary = os.path.abspath(sys.argv[1])
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    peer = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else None
    # 10,000 schedules and a peer's pipes need descriptors.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    runners = {"orquestrador": lambda folder, jobs: ours(binary, folder, jobs)}
    if peer:
        runners["cronstable"] = lambda folder, jobs: peers(peer, folder, jobs)
    with tempfile.TemporaryDirectory() as folder:
        child = f"{folder}/relogio"
        subprocess.run(["cc", "-O2", "-x", "c", "-", "-o", child], input=CHILD, text=True, check=True)
        for count in (10, 100):
            bare(child, count)
            found = {name: [] for name in runners}
            for _ in range(3):
                for name, start in runners.items():
                    found[name] += lateness(start, child, count, seconds // 3)
            for name, all_found in found.items():
                show_lateness(name, count, seconds // 3 * 3, sorted(all_found))
    once_a_year = lambda number: f"0 {number % 60} 3 1 1 *"
    idle("orquestrador", runners["orquestrador"], 1000, once_a_year, port_of)
    if peer:
        idle("cronstable", runners["cronstable"], 1000, once_a_year)
    # 10,000 over an hour: almost three starts a second.
    each_hour = lambda number: f"{number % 60} {number // 60 % 60} * * * *"
    idle("orquestrador", runners["orquestrador"], 10_000, each_hour, port_of)


main()
