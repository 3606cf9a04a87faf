"""Several instances over one nats-server, all on this machine: how a cycle shares out, how late a run starts on whichever
instance takes it, and what a long queue costs an instance."""

import contextlib
import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

from comum import Figure, Stopped, configuration, daemon, folder, resident, spread
from processo import clock, told

# Children that only wait, so that the machine's cores are not what is shared out.
RUNS, NAP, SLOTS = 200, 0.1, 4
# The most runs that one start of a processor can be.
SIDE_BY_SIDE = 64


class Fleet(list):
    """The instances, and where their server tells of itself."""

    monitor = None

    def traffic(self):
        """What the server has taken in and given out so far: messages and bytes."""
        with urllib.request.urlopen(f"http://{self.monitor}/varz", timeout=10) as answer:
            told = json.load(answer)
        return {name: told[name] for name in ("in_msgs", "out_msgs", "in_bytes", "out_bytes")}

    def stored(self):
        """Messages and bytes of all streams."""
        with urllib.request.urlopen(f"http://{self.monitor}/jsz", timeout=10) as answer:
            told = json.load(answer)
        return {name: told[name] for name in ("messages", "bytes")}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def nats(place):
    """The address of a server of its own, and that of what it tells of itself."""
    port, monitor = free_port(), free_port()
    command = ["nats-server", "-js", "-a", "127.0.0.1", "-p", str(port), "-m", str(monitor), "-sd", f"{place}/nats"]
    with Stopped(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)):
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"nats://127.0.0.1:{port}", f"127.0.0.1:{monitor}"


@contextlib.contextmanager
def fleet(binary, place, instances, count, command, each="", **settings):
    """`instances` orchestrators with one configuration, from the moment when all know who leads."""
    with contextlib.ExitStack() as stack:
        server, monitor = stack.enter_context(nats(place))
        running = Fleet()
        running.monitor = monitor
        for number in range(instances):
            own = f"{place}/{number}"
            os.mkdir(own)
            configuration(own, count, command, each, **settings)
            with open(f"{own}/orquestrador.toml", "a") as file:
                file.write(f'[distribuicao]\nservidores = ["{server}"]\ninstancia = "i{number}"\n')
            running.append(stack.enter_context(daemon(binary, own)))
        while not all(json.loads(one.get("/status"))["distribuicao"]["lider"] for one in running):
            time.sleep(0.2)
        yield running


def value(running, name):
    """The sum of a family's samples; 0 while there is none."""
    text = running.get("/metrics").decode()
    return sum(map(float, re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)))


def cycles(running):
    name = "orquestrador_cycle_duration_seconds"
    return [sum(value(one, f"{name}_{part}") for one in running) for part in ("count", "sum")]


def shared_out(binary, instances, rounds):
    """Seconds of a cycle of naps beside what the slots of all instances allow."""
    with folder() as place, fleet(binary, place, instances, RUNS, ["sleep", str(NAP)], modo="paralelo", intervalo="1s",
                                  paralelismo=SLOTS) as running:
        while (begin := cycles(running))[0] < 1:
            time.sleep(0.2)
        while (end := cycles(running))[0] < begin[0] + rounds:
            time.sleep(0.2)
        count, taken = (after - before for before, after in zip(begin, end))
        # Whole waves: of 200 runs on 16 slots, nobody can run the thirteenth, half full, in half of a nap.
        least = math.ceil(RUNS / SLOTS / instances) * NAP
        found = spread(f"{instances} instances of {SLOTS} slots: a cycle of {RUNS} x sleep {NAP}", [taken / count], "s")
        found.limit, found.limit_value, found.ratio = "naps one after another", least, taken / count / least
        # An efficiency of 0.9.
        found.aim, found.of_ratio = 1 / 0.9, True
        return found


def dispatch(binary, length):
    """Milliseconds after the whole second at which one child began, on either of two instances."""
    with folder() as place:
        times = f"{place}/horas"
        with fleet(binary, place, 2, 1, [clock(place), times], 'agenda = "* * * * * *"'):
            time.sleep(length + 3)
        found = sorted((at - int(at)) * 1000 for at in told(times)[2:])
        at = lambda share: found[min(int(share * len(found)), len(found) - 1)]
        yield spread("planned to begun, two instances: p50", [at(0.5)], "ms")
        yield spread("planned to begun, two instances: p99", [at(0.99)], "ms", aim=15)


def queued(binary, total):
    """MB of the instance that plans and of another one while so many runs wait, the most that they came to; beside those
    of the same processors with nothing to do. Nobody asks for /metrics, whose size is the processors', not the queue's."""
    count = -(-total // SIDE_BY_SIDE)
    limits = {"modo": "paralelo", "paralelismo": SLOTS, "max_processadores": 100_000}
    of = f"instancias = {SIDE_BY_SIDE}\ntimeout = '2h'"
    with folder() as place, fleet(binary, place, 2, count, ["sleep", "7200"], of + "\nagenda = '0 0 1 1 *'", **limits) as idle:
        time.sleep(5)
        least = max(resident(one.pid) for one in idle)
    with folder() as place, fleet(binary, place, 2, count, ["sleep", "7200"], of, intervalo="1h", **limits) as running:
        leader = json.loads(running[0].get("/status"))["distribuicao"]["lider"]
        most, last, quiet = [0, 0], -1, 0
        # Until the leader has let out as many as it does, and some time beyond.
        while quiet < 10:
            time.sleep(1)
            most = [max(before, resident(one.pid)) for before, one in zip(most, running)]
            out = running.stored()["messages"]
            quiet, last = (quiet + 1 if out == last else 0), out
        waiting = value(running[int(leader[1:])], "orquestrador_runs_queued") + value(
            running[int(leader[1:])], "orquestrador_queue_pending_runs")
        print(f"  {waiting:,.0f} runs of {count:,} processors waited")
    plans = most.pop(int(leader[1:]))
    for name, found in (("plans", plans), ("only runs", most[0])):
        yield Figure(f"{total:,} queued runs, an instance that {name}: resident", found, "MB", aim=60, limit="none queued",
                     limit_value=least, ratio=found / least)


def unit_costs(binary, length):
    """What NATS takes in and gives out for an idle group, by its size, and for each run."""
    name = {"in_msgs": "messages in", "out_msgs": "messages out", "in_bytes": "bytes in", "out_bytes": "bytes out"}
    change = lambda before, after: {key: after[key] - before[key] for key in before}
    idle = {}
    for instances in (1, 2, 4):
        with folder() as place, fleet(binary, place, instances, 1, ["true"], 'agenda = "0 0 1 1 *"', paralelismo=SLOTS) as running:
            time.sleep(5)
            before, began = running.traffic(), time.monotonic()
            time.sleep(length)
            took = time.monotonic() - began
            idle[instances] = {key: found / took for key, found in change(before, running.traffic()).items()}
        for key, found in idle[instances].items():
            yield Figure(f"idle group of {instances}: {name[key]} per second", found, "")
    for instances in (2, 4):
        with folder() as place, fleet(binary, place, instances, 100, ["true"], modo="paralelo", intervalo="500ms",
                                      paralelismo=SLOTS) as running:
            while cycles(running)[0] < 1:
                time.sleep(0.2)
            ends = lambda: sum(value(one, "orquestrador_runs_total") for one in running)
            first, before, held, began = ends(), running.traffic(), running.stored(), time.monotonic()
            time.sleep(length)
            took, runs = time.monotonic() - began, ends() - first
            found, kept = change(before, running.traffic()), change(held, running.stored())
        print(f"  {runs / took:.1f} runs a second in a group of {instances}")
        for key in name:
            yield Figure(f"a run in a group of {instances}: {name[key]}", (found[key] - idle[instances][key] * took) / runs, "")
        if instances == 2:
            for key in kept:
                yield Figure(f"a run: {key} stored", kept[key] / runs, "")


def figures(binary, quick):
    if not shutil.which("nats-server"):
        print("  sem nats-server: esta parte não foi medida")
        return
    for instances in (1, 2) if quick else (1, 2, 4):
        yield shared_out(binary, instances, 1 if quick else 5)
    yield from dispatch(binary, 5 if quick else 60)
    yield from queued(binary, 10_000 if quick else 100_000)
    yield from unit_costs(binary, 5 if quick else 30)
