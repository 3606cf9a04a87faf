"""Other programs with the same children: cronstable and supervisor (PyPI), pueue (crates.io), task-spooler (Debian), and an
orchestrator of the simple kind in Python. What is not there is installed under target/pecas; what cannot be is said."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import agenda
from comum import PLAIN, Stopped, bare_loop, beside, configuration, folder, resident, seconds, single_run, spread, stop

PARTS = pathlib.Path(__file__).parent.parent / "target/pecas/pares"
FROM_PYPI = ["cronstable==1.2.72", "supervisor==4.3.0", "flask==3.1.3"]
# One thread serves the status, the main one runs each processor and waits for it.
SIMPLE = """
import subprocess, sys, threading, time
import flask
app, results = flask.Flask("simples"), {}
app.route("/status")(lambda: flask.jsonify(results))
threading.Thread(target=lambda: app.run(port=int(sys.argv[1])), daemon=True).start()
for number in range(int(sys.argv[2])):
    results[number] = subprocess.run(["/bin/true"], capture_output=True).returncode
if sys.argv[3:]:
    time.sleep(60)
"""


def python(name):
    """A program of the environment with what comes from PyPI."""
    return str(PARTS / "python/bin" / name)


def install():
    PARTS.mkdir(parents=True, exist_ok=True)
    steps = []
    if not os.path.exists(python("cronstable")):
        steps.append([sys.executable, "-m", "venv", str(PARTS / "python")])
        steps.append([python("pip"), "install", "--quiet", *FROM_PYPI])
    if not shutil.which("tsp") and os.getuid() == 0:
        steps.append(["apt-get", "install", "-y", "-qq", "task-spooler"])
    if not (PARTS / "bin/pueued").exists():
        steps.append(["cargo", "install", "--quiet", "--locked", "--root", str(PARTS), "pueue"])
    for step in steps:
        print("  " + " ".join(step), flush=True)
        if subprocess.run(step, stdout=subprocess.DEVNULL).returncode:
            print(f"  !! {step[-1]} was not installed", flush=True)


def ours(binary):
    def run(place, count, slots):
        configuration(place, count, paralelismo=max(slots, 2))
        mode = "paralelo" if slots > 1 else "sequencial"
        return seconds(lambda: single_run(binary, place, "--modo", mode))

    return run


def simple(place, count, slots):
    if slots > 1:
        return None
    return seconds(lambda: subprocess.run([python("python"), "-c", SIMPLE, "0", str(count)], check=True, capture_output=True))


def supervisor(place, count, slots):
    """All at once, as it starts programs; the time until it has seen the last end."""
    if slots == 1:
        return None
    log = f"{place}/supervisord.log"
    with open(f"{place}/supervisor.conf", "w") as file:
        file.write(f"[supervisord]\nnodaemon=true\nlogfile={log}\npidfile={place}/pid\nminfds=8192\n")
        for number in range(count):
            file.write(f"[program:p{number}]\ncommand=/bin/true\nautorestart=false\nstartsecs=0\n")
            file.write("stdout_logfile=NONE\nstderr_logfile=NONE\n")
    begin = time.perf_counter()
    process = subprocess.Popen([python("supervisord"), "-c", f"{place}/supervisor.conf"], stdout=subprocess.DEVNULL)
    while not os.path.exists(log) or open(log).read().count("exited: p") < count:
        time.sleep(0.02)
    taken = time.perf_counter() - begin
    stop(process)
    return taken


def spooler(place, count, slots):
    env = PLAIN | {"TS_SOCKET": f"{place}/tsp", "TMPDIR": place, "TS_MAXFINISHED": "100000"}
    ask = lambda *words: subprocess.run(["tsp", *words], env=env, stdout=subprocess.DEVNULL)

    def work():
        for _ in range(count):
            ask("-n", "/bin/true")
        ask("-w")

    ask("-S", str(slots))
    taken = seconds(work)
    ask("-K")
    return taken


def pueue(place, count, slots):
    with open(f"{place}/pueue.yml", "w") as file:
        file.write(f"shared:\n  pueue_directory: {place}/pueue\n  runtime_directory: {place}\n  use_unix_socket: true\n")
        file.write("client: {}\ndaemon: {}\n")
    config = ["-c", f"{place}/pueue.yml"]
    process = subprocess.Popen([PARTS / "bin/pueued", *config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ask = lambda *words: subprocess.run([PARTS / "bin/pueue", *config, *words], capture_output=True).returncode
    while ask("status"):
        time.sleep(0.05)
    ask("parallel", str(slots))

    def work():
        for _ in range(count):
            ask("add", "--", "/bin/true")
        ask("wait")

    taken = seconds(work)
    stop(process)
    return taken


def times(adapters, count, slots, rounds):
    """Takes the adapters out that needed more than 10 s: ten times as many children would hold all the others up."""
    found = {name: [] for name in adapters}
    for _ in range(rounds):
        for name, run in adapters.items():
            with folder() as place:
                taken = run(place, count, slots)
            if taken is not None:
                found[name].append((taken, seconds(lambda: bare_loop(count, slots))))
    how = "one after another" if slots == 1 else f"{slots} side by side"
    for name, pairs in found.items():
        if pairs:
            if min(taken for taken, _ in pairs) > 10:
                del adapters[name]
            yield beside(f"{count:,} /bin/true, {how}: {name}", pairs, "s", "bare loop")


def memory(name, start):
    """Resident memory while nothing happens."""
    with folder() as place:
        process = start(place)
        time.sleep(4)
        yield spread(f"resident, two processors, nothing runs: {name}", [resident(process.pid)], "MB")
        stop(process)


def cronstable(place, child, count):
    """With its patterns of seconds, which have a year too."""
    with open(f"{place}/cronstable.yaml", "w") as file:
        file.write("jobs:\n")
        for number in range(count):
            file.write(f'  - name: p{number}\n    schedule: "* * * * * * *"\n    command:\n')
            file.writelines(f"      - {word}\n" for word in child)
    log = open(f"{place}/saida", "w")
    return subprocess.Popen([python("cronstable"), "-c", f"{place}/cronstable.yaml"], env=PLAIN, stdout=log, stderr=log)


def figures(binary, quick):
    install()
    adapters = {"orquestrador": ours(binary)}
    if os.path.exists(python("flask")):
        adapters |= {"simple kind, Flask": simple, "supervisor, all at once": supervisor}
    if shutil.which("tsp"):
        adapters["task-spooler"] = spooler
    if (PARTS / "bin/pueued").exists():
        adapters["pueue"] = pueue
    for slots in (1, 16):
        quick_enough = dict(adapters)
        for count in [100] if quick else [100, 1000]:
            yield from times(quick_enough, count, slots, 1 if quick else 5 if count == 100 else 3)
    if os.path.exists(python("flask")):
        sleeper = [python("python"), "-c", SIMPLE, "0", "2", "stay"]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        yield from memory("simple kind, Flask", lambda place: subprocess.Popen(sleeper, **silent))
    if os.path.exists(python("cronstable")):
        # One after the other, so that the machine's hour is nearly the same.
        for count in [10] if quick else [10, 100]:
            length, rounds = (3, 1) if quick else (10, 3)
            start = lambda place, child, count: Stopped(cronstable(place, child, count))
            yield from agenda.late("orquestrador, ", agenda.ours(binary), count, length, rounds)
            yield from agenda.late("cronstable, ", start, count, length, rounds)
