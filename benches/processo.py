"""Whole processes beside the least that the same work can cost: cycles of 2 to 10,000 /bin/true beside bare posix_spawn
loops, the way to the first spawn, a child that writes 1 GiB beside `child | wc -c`."""

import os
import struct
import subprocess
import time

from comum import PLAIN, bare_loop, beside, configuration, folder, seconds, single_run, spread

# Writes its own clock to the file that is its last argument.
CLOCK = r"""
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


def clock(folder):
    """Compiles the child that tells when it began; needs the C compiler that Rust links with."""
    child = f"{folder}/relogio"
    subprocess.run(["cc", "-O2", "-x", "c", "-", "-o", child], input=CLOCK, text=True, check=True)
    return child


def told(path):
    with open(path, "rb") as file:
        return [at for (at,) in struct.iter_unpack("d", file.read())]


def pairs(rounds, call, limit):
    """Seconds of both, in rounds that alternate."""
    call()
    return [(seconds(call), seconds(limit)) for _ in range(rounds)]


def single(binary, rounds):
    with folder() as place:
        configuration(place, 2)
        run = lambda: single_run(binary, place)
        found = [(mine * 1000, bare * 1000) for mine, bare in pairs(rounds, run, lambda: bare_loop(2))]
        yield beside("single run of two /bin/true", found, "ms", "bare loop", aim=10)


def first_spawn(binary, rounds):
    with folder() as place:
        times = f"{place}/horas"
        child = [clock(place), times]
        configuration(place, 1, child)

        def delay(start):
            begin = time.time()
            start()
            return (told(times)[-1] - begin) * 1000

        bare = lambda: bare_loop(1, command=child)
        delay(lambda: single_run(binary, place))
        found = [(delay(lambda: single_run(binary, place)), delay(bare)) for _ in range(rounds)]
        yield beside("from its own start to the start of the first child", found, "ms", "bare spawn")


def cycles(binary, rounds_of):
    modes = [("sequential", "sequencial", 1), ("parallel, 16 slots", "paralelo", 16)]
    for count, rounds in rounds_of.items():
        with folder() as place:
            configuration(place, count, paralelismo=16)
            for name, mode, slots in modes:
                run = lambda: single_run(binary, place, "--modo", mode)
                found = pairs(rounds, run, lambda: bare_loop(count, slots))
                aim = 1.5 if count == 1000 else None
                yield beside(f"cycle of {count:,} /bin/true, {name}", found, "s", "bare loop", aim=aim, of_ratio=True,
                             curve=f"cycle, {name} (s)", size=count)


def gigabyte(binary, rounds):
    child = ["head", "-c", str(2**30), "/dev/zero"]
    with folder() as place:
        configuration(place, 1, child)
        pipe = " ".join(child) + " | wc -c"
        plain = lambda: subprocess.run(pipe, shell=True, check=True, env=PLAIN, stdout=subprocess.DEVNULL)
        found = pairs(rounds, lambda: single_run(binary, place), plain)
        yield beside("a child that writes 1 GiB", found, "s", "child | wc -c", aim=3, of_ratio=True)


def figures(binary, quick):
    yield spread("size of the program", [os.path.getsize(binary) / 2**20], "MiB", aim=25)
    yield from single(binary, 9 if quick else 60)
    yield from first_spawn(binary, 9 if quick else 40)
    yield from cycles(binary, {10: 3, 100: 3} if quick else {10: 15, 100: 9, 1000: 7, 10_000: 3})
    yield from gigabyte(binary, 1 if quick else 5)
