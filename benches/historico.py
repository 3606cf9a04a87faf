"""The history: what it adds to a cycle beside the same program without it (--dry-run writes none), how the time of runs
grows with those that are recorded, and how long its questions take."""

import json
import subprocess
import time

from comum import PLAIN, beside, configuration, daemon, folder, resident, seconds, single_run, spread


def cost(binary, mode, rounds):
    with folder() as place:
        configuration(place, 1000, each="aceita_dry_run = true", paralelismo=16)
        on = lambda: seconds(lambda: single_run(binary, place, "--modo", mode))
        off = lambda: seconds(lambda: single_run(binary, place, "--modo", mode, "--dry-run"))
        on(), off()
        found = []
        for number in range(rounds):
            # Whoever goes second finds other caches.
            if number % 2:
                with_it, without = on(), off()
            else:
                without, with_it = off(), on()
            found.append((with_it, without))
        yield beside(f"cycle of 1,000 /bin/true with the history, {mode}", found, "s", "without it", aim=1.1,
                     of_ratio=True)


def growth(binary, total):
    """Runs of 500 processors, 16 side by side, in ten parts."""
    with folder() as place:
        configuration(place, 500, paralelismo=16, intervalo="1ms")
        part = total // 10
        with daemon(binary, place) as running:
            begin = time.monotonic()
            for number in range(1, 11):
                while json.loads(running.get("/status"))["ciclos_executados"] * 500 < part * number:
                    time.sleep(0.05)
                now = time.monotonic()
                yield spread(f"runs {part * (number - 1):,} to {part * number:,}", [now - begin], "s",
                             curve="history, seconds for a tenth", size=part * number)
                begin = now
                if number in (1, 10):
                    yield spread(f"resident after {part * number:,} runs", [resident(running.pid)], "MB")

        def ask(*words):
            command = [binary, *words, "--config", f"{place}/orquestrador.toml", "--dados", f"{place}/dados"]
            return subprocess.run(command, env=PLAIN, check=True, capture_output=True, text=True).stdout

        run = json.loads(ask("historico", "--json").splitlines()[-1])["id"]
        for name, words in (("historico", ["historico", "--json"]), ("execucao ID", ["execucao", run])):
            taken = [seconds(lambda: ask(*words)) * 1000 for _ in range(21)]
            yield spread(f"{name}, {total:,} runs in the history", taken, "ms", aim=20)


def figures(binary, quick):
    for mode in ("sequencial", "paralelo"):
        yield from cost(binary, mode, 2 if quick else 11)
    yield from growth(binary, 5_000 if quick else 100_000)
