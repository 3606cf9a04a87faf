"""The HTTP side under a crowd: 1,000 connections that never finish their request and 500 readers of live events, while
/metrics is asked for, beside the same without the crowd."""

import resource
import socket
import threading
import time

from comum import Figure, configuration, daemon, folder, resident, spread

SLOW, READERS = 1_000, 500


def value(text, name):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def measure(running, length):
    """Milliseconds of each scrape, and of a cycle on the average, over so many seconds."""
    times, begin = [], time.monotonic()
    first = running.get("/metrics").decode()
    while time.monotonic() - begin < length:
        started = time.perf_counter()
        last = running.get("/metrics").decode()
        times.append((time.perf_counter() - started) * 1000)
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


def figures(binary, quick):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    length = 3 if quick else 20
    with folder() as place:
        configuration(place, 20, intervalo="100ms")
        with daemon(binary, place) as running:
            time.sleep(2)
            alone, cycle = measure(running, length)
            before = resident(running.pid)
            crowd = Crowd(int(running.address.rpartition(":")[2]))
            time.sleep(2)
            crowded, cycle_crowded = measure(running, length)
            open_now = value(running.get("/metrics").decode(), "orquestrador_http_connections ")
            grown = resident(running.pid) - before
            crowd.end()
    print(f"  {open_now:.0f} connections were open, {crowd.events} events were read")
    p99 = lambda times: times[int(len(times) * 0.99)]
    yield Figure("/metrics in the crowd, p99", p99(crowded), "ms", rounds=len(crowded), aim=100, limit="alone",
                 limit_value=p99(alone), ratio=p99(crowded) / p99(alone))
    yield Figure("a cycle of 20 runs in the crowd, mean", cycle_crowded, "ms", limit="alone", limit_value=cycle,
                 ratio=cycle_crowded / cycle)
    yield spread("resident memory that the crowd adds", [grown], "MB", aim=40)
