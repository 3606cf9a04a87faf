"""Schedules: how late children start by their own clock; what many processors cost while nothing runs, and what a scrape of
them costs."""

import os
import subprocess
import sys
import time

from comum import (PLAIN, Figure, Stopped, added_up, beside, configuration, cpu_seconds, daemon, folder, resident, seconds,
                   spread)
from processo import clock, told

# The first start of everything is not what is measured.
WARM_UP = 3
FORMATS = {
    "text": "text/plain;version=0.0.4",
    "OpenMetrics": "application/openmetrics-text;version=1.0.0",
}


def lateness(start, count, length):
    """Milliseconds after the whole second at which each child of `count` processors began."""
    with folder() as place:
        times = f"{place}/horas"
        with start(place, [clock(place), times], count):
            time.sleep(WARM_UP)
            begin = int(time.time()) + 2
            time.sleep(begin + length - time.time() + 0.9)
        found = [(at - int(at)) * 1000 for at in told(times) if begin <= at < begin + length]
        expected = count * length
        if len(found) != expected:
            print(f"  {len(found)} of {expected} starts")
        return found


def ours(binary):
    def start(place, child, count):
        configuration(place, count, child, 'agenda = "* * * * * *"', paralelismo=max(count, 2))
        return daemon(binary, place)

    return start


def bare(place, child, count):
    """The least that a schedule can do: sleeps until the whole second and spawns its children one after another."""
    schedule = f"""
import sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
from comum import bare_loop
while True:
    time.sleep(1 - time.time() % 1)
    bare_loop({count}, {count}, {child!r})
"""
    return Stopped(subprocess.Popen([sys.executable, "-B", "-c", schedule], env=PLAIN))


def late(name, start, count, length, rounds, aim=None):
    found, least = [], []
    for _ in range(rounds):
        found += lateness(start, count, length)
        least += lateness(bare, count, length)
    found.sort()
    least.sort()
    at = lambda share, of: of[min(int(share * len(of)), len(of) - 1)]
    for share, aim in ((0.5, None), (0.99, aim)):
        yield Figure(f"{name}{count:,} each second: late, p{share * 100:.0f}", at(share, found), "ms", rounds=len(found),
                     limit="bare spawns at the second", limit_value=at(share, least),
                     ratio=at(share, found) / at(share, least), aim=aim)


def once_a_year(number):
    return f'agenda = "0 {number % 60} 3 1 1 *"'


def idle(binary, count, rest, scrapes):
    with folder() as place:
        configuration(place, count, each=once_a_year)
        with daemon(binary, place) as running:
            time.sleep(5 if count <= 1000 else 15)
            at = {"curve": "idle, resident (MB)", "size": count}
            yield spread(f"{count:,} processors, idle: resident", [resident(running.pid)], "MB", **at,
                         aim={2: 15, 1000: 60}.get(count))
            yield spread(f"{count:,} processors, idle: both processes added up", [added_up(running.pid)], "MB")
            before = cpu_seconds(running.pid)
            time.sleep(rest)
            used = (cpu_seconds(running.pid) - before) / rest * 100
            yield spread(f"{count:,} processors, idle: CPU", [used], "%", aim=1)
            yield from scrape(running, count, scrapes)
            yield spread(f"{count:,} processors: resident after scrapes", [resident(running.pid)], "MB",
                         aim=110 if count == 1000 else None)


def scrape(running, count, rounds):
    for name, kind in FORMATS.items():
        body = running.get("/metrics", Accept=kind)
        before = cpu_seconds(running.pid)
        asked = lambda: running.get("/metrics", Accept=kind)
        found = [(seconds(asked) * 1000, seconds(lambda: bytearray(body)) * 1000) for _ in range(rounds)]
        used = (cpu_seconds(running.pid) - before) / rounds * 1000
        yield beside(f"scrape of {count:,} processors, {name}, {len(body) / 1e6:.2f} MB", found, "ms", "memcpy of it",
                     curve=f"scrape, {name} (ms)", size=count)
        yield spread(f"scrape of {count:,} processors, {name}: CPU", [used], "ms")


def figures(binary, quick):
    for count, aim in [(10, 6)] if quick else [(10, 6), (100, 60), (1000, None)]:
        yield from late("", ours(binary), count, *(3, 1) if quick else (10, 3), aim)
    for count in [2, 200] if quick else [2, 200, 1000, 10_000]:
        yield from idle(binary, count, 2 if quick else 20, 3 if quick else max(3, 20_000 // (count + 800)))
