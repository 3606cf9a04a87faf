"""How heavy the page is and how long it takes, after 10,000 runs of 200 processors.

Every run is a real one. The service is started anew before the measuring, so that what it draws comes from its history.
Times are of one client; weight is what a browser without anything in its cache loads, compressed.
"""

import json
import re
import time

from comum import Figure, configuration, daemon, folder, seconds

PROCESSORS = 200


def work(number):
    """Each tenth processor fails each third time or so."""
    lucky = "test $((RANDOM % 3)) != 0 || { echo o lote foi recusado >&2; exit 3; }" if number % 10 == 0 else "true"
    return ["bash", "-c", f"echo item $((RANDOM % 100)); {lucky}"]


def figures(binary, quick):
    runs, requests = (1_000, 50) if quick else (10_000, 300)
    with folder() as place:
        configuration(place, PROCESSORS, work, intervalo="10ms")
        with daemon(binary, place) as running:
            while json.loads(running.get("/status"))["ciclos_executados"] * PROCESSORS < runs:
                time.sleep(0.5)
        with daemon(binary, place, "--intervalo", "1h") as running:
            while not json.loads(running.get("/status"))["ciclos_executados"]:
                time.sleep(0.5)
            page = running.get("/").decode()
            files = ["/", *sorted(set(re.findall(r'"(/estatico/[^"]+)"', page)))]
            weight = sum(len(running.get(file, **{"Accept-Encoding": "gzip"})) for file in files)
            yield Figure(f"/, {runs:,} runs of {PROCESSORS} processors: weight", weight / 1024, "KiB", aim=150)
            run = re.search(r'"(/execucoes/[0-9a-f-]+)"', running.get("/processadores/p0").decode())[1]
            for name, path in (("/", "/"), ("/processadores/NOME", "/processadores/p0"), ("/execucoes/ID", run),
                               ("/status", "/status")):
                taken = sorted(seconds(lambda: running.get(path)) * 1000 for _ in range(requests))
                yield Figure(f"{name}, the same: p99", taken[requests * 99 // 100], "ms", taken[requests // 2],
                             taken[-1], requests, aim=30 if path == "/" else None)
