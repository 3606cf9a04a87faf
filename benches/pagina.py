#!/usr/bin/env python3
"""How heavy the pages are and how long they take, after 10,000 runs of 200 processors.

usage: pagina.py BINARY [RUNS] [PROCESSORS]

Every run is a real one. The service is started anew before the measuring, so that what it draws comes from its history.
Times are of one client on one kept connection; weight is what a browser without anything in its cache loads.
"""

import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

REQUESTS = 300


def config(processors):
    text = 'modo = "paralelo"\nmax_processadores = %d\n' % max(200, processors)
    for number in range(processors):
        # Each tenth fails each third time or so.
        script = "echo item $((RANDOM % 100)); "
        script += "test $((RANDOM % 3)) != 0 || { echo o lote foi recusado >&2; exit 3; }" if number % 10 == 0 else "true"
        text += '[[processador]]\nnome = "processador_%03d"\nrotulo = "Processador número %d"\n' % (number, number)
        text += "comando = %s\n" % json.dumps(["bash", "-c", script])
    return text


class Service:
    def __init__(self, binary, folder, interval):
        self.log = folder / "saida.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [binary, "--porta", "0", "--intervalo", interval], cwd=folder, stdout=out, stderr=out
            )
        self.address = None
        while self.address is None:
            time.sleep(0.1)
            found = re.search(r"Monitoramento: http://([0-9.:]+)", self.log.read_text())
            self.address = found and found[1]
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
        self.connection = http.client.HTTPConnection(self.address, timeout=60)

    def get(self, path, encoding="identity"):
        self.connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status}")
        return body

    def wait_for_cycles(self, count):
        while json.loads(self.get("/status"))["ciclos_executados"] < count:
            time.sleep(0.5)

    def stop(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def times(service, path, encoding):
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        service.get(path, encoding)
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1]


def measure(service):
    page = service.get("/").decode()
    files = sorted(set(re.findall(r'"(/estatico/[^"]+)"', page)))
    plain = {path: len(service.get(path)) for path in ["/", *files]}
    packed = {path: len(service.get(path, "gzip")) for path in ["/", *files]}
    assert gzip.decompress(service.get("/", "gzip")), "the page is compressed"
    for path in plain:
        print(f"{path}: {plain[path] / 1024:.1f} KiB, {packed[path] / 1024:.1f} KiB with gzip")
    print(f"weight of /: {sum(plain.values()) / 1024:.1f} KiB, {sum(packed.values()) / 1024:.1f} KiB with gzip")
    history = "/processadores/processador_000"
    run = re.search(r'"(/execucoes/[0-9a-f-]+)"', service.get(history).decode())[1]
    for path in ["/", history, history + "?resultado=failure", run, "/status"]:
        shown = re.sub(r"[0-9a-f-]{36}", "ID", path)
        for encoding in ["identity", "gzip"]:
            half, most, worst = times(service, path, encoding)
            print(f"{shown} ({encoding}): p50 {half:.1f} ms, p99 {most:.1f} ms, max {worst:.1f} ms")


def main():
    binary = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    processors = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "orquestrador.toml").write_text(config(processors))
        service = Service(binary, folder, "10ms")
        began = time.monotonic()
        service.wait_for_cycles(-(-runs // processors))
        service.stop()
        print(f"{runs} runs of {processors} processors took {time.monotonic() - began:.0f} s", flush=True)
        service = Service(binary, folder, "1h")
        service.wait_for_cycles(1)
        try:
            measure(service)
        finally:
            service.stop()


if __name__ == "__main__":
    main()
