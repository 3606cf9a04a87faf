#!/usr/bin/env python3
"""The HTTP side under a crowd: 1,000 connections that never finish their request and 500 readers of live events, while
/metrics is asked for, beside the same without the crowd.

Usage: benches/multidao.py BINARY [SECONDS]. Says the time of a scrape, what the memory grew by, and how long cycles took.
"""

import http.client
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SLOW, READERS = 1_000, 500
CONFIG = """
intervalo = "100ms"
max_processadores = 100
""" + "".join(f'[[processador]]\nnome = "p{n}"\ncomando = ["/bin/true"]\n' for n in range(20))


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body.decode()


def value(text, name):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def measure(port, seconds):
    """Milliseconds of each scrape, and of a cycle on the average, over so many seconds."""
    times, begin = [], time.monotonic()
    first = ask(port, "/metrics")[1]
    while time.monotonic() - begin < seconds:
        started = time.perf_counter()
        status, last = ask(port, "/metrics")
        times.append((time.perf_counter() - started) * 1000)
        assert status == 200, status
        time.sleep(0.05)
    change = lambda name: value(last, name) - value(first, name)
    cycles = change("orquestrador_cycle_duration_seconds_count{")
    return sorted(times), change("orquestrador_cycle_duration_seconds_sum{") / max(cycles, 1) * 1000


class Crowd:
    """Slow senders, whose lost connections are opened again, and readers of events."""

    def __init__(self, port):
        self.port, self.stop, self.events = port, threading.Event(), 0
        self.slow = [self.open(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ") for _ in range(SLOW)]
        self.readers = [self.open(b"GET /eventos HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(READERS)]
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.drip, self.read)]
        for thread in self.threads:
            thread.start()

    def open(self, text):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setblocking(False)
        connection.send(text)
        return connection

    def drip(self):
        while not self.stop.wait(1):
            for number, connection in enumerate(self.slow):
                try:
                    connection.send(b"a")
                except OSError:
                    connection.close()
                    self.slow[number] = self.open(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")

    def read(self):
        while not self.stop.wait(0.05):
            for connection in self.readers:
                try:
                    self.events += connection.recv(65536).count(b"\n\n")
                except BlockingIOError:
                    pass

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        for connection in self.slow + self.readers:
            connection.close()


def main():
    binary = os.path.abspath(sys.argv[1])
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/orquestrador.toml", "w") as file:
            file.write(CONFIG)
        daemon = subprocess.Popen([binary, "--porta", "0"], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            line = next(line for line in daemon.stdout if "Monitoramento" in line)
            port = int(line.rpartition(":")[2])
            threading.Thread(target=daemon.stdout.read, daemon=True).start()
            time.sleep(2)
            alone, cycle = measure(port, seconds)
            before = resident(daemon.pid)
            crowd = Crowd(port)
            time.sleep(2)
            crowded, cycle_crowded = measure(port, seconds)
            text = ask(port, "/metrics")[1]
            after = resident(daemon.pid)
            print(f"{value(text, 'orquestrador_http_connections '):.0f} connections open, {crowd.events} events were read")
            for name, times, took in (("alone", alone, cycle), ("in the crowd", crowded, cycle_crowded)):
                p99 = times[int(len(times) * 0.99)]
                print(f"/metrics {name:<13} p50 {statistics.median(times):6.1f}  p99 {p99:6.1f}  max {times[-1]:6.1f} ms;"
                      f" a cycle of 20 runs {took:.1f} ms")
            print(f"memory {before:.1f} MiB, in the crowd {after:.1f} MiB")
            crowd.end()
        finally:
            daemon.terminate()
            daemon.wait(20)


main()
