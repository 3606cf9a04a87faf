#!/usr/bin/env python3
"""Whole processes beside the least that the same work can cost: single runs of 2 and of 1,000 /bin/true beside bare
posix_spawn loops, a child that writes 1 GiB beside `child | wc -c`; and the memory of the idle daemon.

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


def bare_loop(count, slots=1):
    """`count` spawns, at most `slots` of them alive at a time."""
    alive = 0
    for _ in range(count):
        if alive == slots:
            os.wait()
            alive -= 1
        os.posix_spawn("/bin/true", ["true"], PLAIN)
        alive += 1
    for _ in range(alive):
        os.wait()


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
        loops.append(milliseconds(lambda: bare_loop(2)))
    show("orquestrador --single-run, two /bin/true", runs)
    show("bare posix_spawn loop, two /bin/true", loops)


def many_runs(binary, folder, mode, slots, rounds=7):
    with open(f"{folder}/mil.toml", "w") as file:
        file.write(f"max_processadores = 1000\nparalelismo = {max(slots, 2)}\n")
        file.writelines(f'[[processador]]\nnome = "p{n}"\ncomando = ["/bin/true"]\n' for n in range(1000))
    command = [binary, "--config", f"{folder}/mil.toml", "--dados", f"{folder}/mil", "--single-run", "--modo", mode]
    runs, loops = [], []
    for _ in range(rounds):
        runs.append(milliseconds(lambda: subprocess.run(command, env=PLAIN, check=True, stdout=subprocess.DEVNULL)))
        loops.append(milliseconds(lambda: bare_loop(1000, slots)))
    show(f"1,000 /bin/true, {mode}, {slots} at a time", runs)
    show(f"bare posix_spawn loop, {slots} at a time", loops)
    print(f"{'':<46} ratio of medians {statistics.median(runs) / statistics.median(loops):.2f}")


def gigabyte(binary, folder, rounds=5):
    child = ["head", "-c", str(2**30), "/dev/zero"]
    with open(f"{folder}/gib.toml", "w") as file:
        file.write(f"[[processador]]\nnome = 'gib'\ncomando = {child}\n")
    command = [binary, "--config", f"{folder}/gib.toml", "--dados", f"{folder}/gib", "--single-run"]
    pipe = " ".join(child) + " | wc -c"
    runs, pipes = [], []
    for _ in range(rounds):
        runs.append(milliseconds(lambda: subprocess.run(command, env=PLAIN, check=True, stdout=subprocess.DEVNULL)))
        pipes.append(milliseconds(lambda: subprocess.run(pipe, shell=True, check=True, stdout=subprocess.DEVNULL)))
    show("a child that writes 1 GiB", runs)
    show("the same child | wc -c", pipes)
    print(f"{'':<46} ratio of medians {statistics.median(runs) / statistics.median(pipes):.2f}")


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
        many_runs(binary, folder, "sequencial", 1)
        many_runs(binary, folder, "paralelo", 16)
        gigabyte(binary, folder)
        idle_daemon(binary, folder)


main()
