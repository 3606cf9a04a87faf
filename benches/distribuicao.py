"""Several instances over one nats-server, all on this machine: how a cycle shares out, how late a run starts on whichever
instance takes it, and what a long queue costs an instance."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time

from comum import Stopped, configuration, daemon, folder, resident, spread
from processo import clock, told

# Children that only wait, so that the machine's cores are not what is shared out.
RUNS, NAP, SLOTS = 200, 0.1, 4


@contextlib.contextmanager
def nats(place):
    """The address of a server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["nats-server", "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", f"{place}/nats"]
    with Stopped(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)):
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"nats://127.0.0.1:{port}"


@contextlib.contextmanager
def fleet(binary, place, instances, count, command, each="", **settings):
    """`instances` orchestrators with one configuration, from the moment when all know who leads."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(nats(place))
        running = []
        for number in range(instances):
            own = f"{place}/{number}"
            os.mkdir(own)
            configuration(own, count, command, each, **settings)
            with open(f"{own}/orquestrador.toml", "a") as file:
                file.write(f'[distribuicao]\nservidores = ["{server}"]\ninstancia = "i{number}"\n')
            running.append(stack.enter_context(daemon(binary, own)))
        while sum(value(one, "orquestrador_leader") for one in running) != 1:
            time.sleep(0.1)
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
        least = RUNS * NAP / SLOTS / instances
        found = spread(f"{instances} instances of {SLOTS} slots: a cycle of {RUNS} x sleep {NAP}", [taken / count], "s")
        found.limit, found.limit_value, found.ratio = "slots", least, taken / count / least
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


def figures(binary, quick):
    if not shutil.which("nats-server"):
        print("  sem nats-server: esta parte não foi medida")
        return
    for instances in (1, 2) if quick else (1, 2, 4):
        yield shared_out(binary, instances, 1 if quick else 5)
    yield from dispatch(binary, 5 if quick else 60)
