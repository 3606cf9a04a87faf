#!/usr/bin/env python3
"""Times a whole single run of two /bin/true beside a bare loop of two spawns, and reads the memory of the idle daemon.

Usage: benches/processo.py BINARY [ROUNDS]. The rounds alternate, so that a drifting machine weighs on both alike.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

CONFIG = """
[[processador]]
nome = "a"
comando = ["/bin/true"]
[[processador]]
nome = "b"
comando = ["/bin/true"]
"""
PLAIN = {"PATH": "/usr/bin:/bin"}


def milliseconds(call):
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def bare_loop():
    for _ in range(2):
        pid = os.posix_spawn("/bin/true", ["true"], PLAIN)
        os.waitpid(pid, 0)


def memory(pid):
    """RSS and PSS of a process in MiB; PSS shares out what several processes map together."""
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return [int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1]) / 1024 for key in ("Rss", "Pss")]


def children(pid):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = open(f"/proc/{entry}/stat").read()
        except OSError:
            continue
        if int(stat.rpartition(") ")[2].split()[1]) == pid:
            found.append(int(entry))
    return found


def show(name, values):
    print(f"{name:<46} min {min(values):7.2f}  median {statistics.median(values):7.2f}  max {max(values):7.2f} ms")


def single_runs(binary, rounds, folder):
    command = [binary, "--config", f"{folder}/bench.toml", "--dados", f"{folder}/dados", "--single-run"]

    def run():
        subprocess.run(command, env=PLAIN, check=True, stdout=subprocess.DEVNULL)

    run()
    runs, loops = [], []
    for _ in range(rounds):
        runs.append(milliseconds(run))
        loops.append(milliseconds(bare_loop))
    show("orquestrador --single-run, two /bin/true", runs)
    show("bare posix_spawn loop, two /bin/true", loops)


def idle_daemon(binary, folder):
    command = [binary, "--config", f"{folder}/bench.toml", "--dados", f"{folder}/ocioso", "--porta", "0"]
    daemon = subprocess.Popen(command, env=PLAIN, stdout=subprocess.PIPE, text=True)
    try:
        for line in daemon.stdout:
            if "Próximo ciclo" in line:
                break
        total = [0.0, 0.0]
        for name, pid in [("daemon", daemon.pid)] + [("spawner", pid) for pid in children(daemon.pid)]:
            rss, pss = memory(pid)
            total = [total[0] + rss, total[1] + pss]
            print(f"idle {name:<41} RSS {rss:6.1f}  PSS {pss:6.1f} MiB")
        print(f"idle {'all':<41} RSS {total[0]:6.1f}  PSS {total[1]:6.1f} MiB")
    finally:
        daemon.terminate()
        daemon.wait(20)


def main():
    binary = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/bench.toml", "w") as file:
            file.write(CONFIG)
        print(f"{os.cpu_count()} cores, {rounds} rounds, binary of {os.path.getsize(binary) / 2**20:.1f} MiB")
        single_runs(binary, rounds, folder)
        idle_daemon(binary, folder)


main()
