#!/usr/bin/env python3
"""Every figure of docs/performance.md, measured in one run, beside its limit and its aim.

usage: medir.py BINARY [--partes NOME,...] [--rapido] [--pares] [--escrever]
       medir.py --comparar ANTES.json DEPOIS.json

Writes target/bench/resultado.json. --escrever also writes the table into docs/performance.md and the plots into docs/.
--rapido is a short pass that shows that everything works; --pares measures other programs too and installs those that are
missing. Rounds alternate between a thing and what it is compared with, so that a drifting machine weighs on both alike.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

import agenda
import distribuicao
import grafico
import historico
import multidao
import pagina
import pares
import processo
import telemetria
from comum import Figure, seconds

PARTS = {
    "processo": processo.figures,
    "agenda": agenda.figures,
    "telemetria": telemetria.figures,
    "historico": historico.figures,
    "distribuicao": distribuicao.figures,
    "multidao": multidao.figures,
    "pagina": pagina.figures,
}
ROOT = pathlib.Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
# Curves of one plot; what its sizes count.
PLOTS = {
    "ciclos": ("cycle", "runs in one cycle"),
    "processadores": ("idle|scrape", "processors"),
    "historico": ("history", "runs in the history"),
}


# Why a figure misses its aim, by the beginning of its name.
REASONS = {
    "2 processors, idle: resident": "three quarters are pages of the program itself, which the kernel maps 16 at a time around"
    " each that is touched; what it allocates is 1.5 MB",
    "cycle of 1,000 /bin/true, sequential": "besides the child's own work, two thirds of a bare loop go to supervising it:"
    " the spawner's messages and its own group, events, logs",
    "cycle of 1,000 /bin/true, parallel": "the same work on two cores that the children fill already",
    "cycle of 1,000 /bin/true with the history, sequencial": "commits take their share of the core beside the child's",
    "cycle of 1,000 /bin/true with the history, paralelo": "commits take their share of two full cores",
    "10 each second": "the aim was set where ten bare spawns took 3.5 ms, 1.7 x; see the limit",
    "100 each second": "the aim was set where a hundred bare spawns took 35 ms, 1.7 x; see the limit",
    "single run": "see the limit: the machine was slow at processes in that hour",
}


def reason(figure):
    found = [why for name, why in REASONS.items() if figure.name.startswith(name)]
    return f": {found[0]}" if found else ""


def loop():
    """The speed of the machine: a fixed loop."""
    for _ in range(3_000_000):
        pass


def machine(binary):
    model = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    git = lambda *words: subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    return {
        "commit": git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "src", "Cargo.lock") else ""),
        "day": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": model[0] if model else "?",
        "kernel": platform.release(),
        "binary": str(binary),
    }


def number(value):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def said(figure):
    """Value, limit, aim and verdict in words."""
    value = f"{number(figure.value)} {figure.unit}"
    if figure.low is not None and figure.rounds > 1:
        value += f" ({number(figure.low)} to {number(figure.high)})"
    limit = ""
    if figure.limit:
        limit = f"{figure.limit}: {number(figure.limit_value)} {figure.unit}, {figure.ratio:.2f} x"
    aim = "" if figure.aim is None else f"{figure.aim:g} {'x' if figure.of_ratio else figure.unit}"
    verdict = {None: "", True: "met", False: f"**missed**{reason(figure)}"}[figure.is_met]
    return value, limit, aim, verdict


def table(result):
    where = result["machine"]
    lines = [
        f"Measured on {where['day']} at {where['commit']}: {where['cores']} cores of {where['processor']}, Linux"
        f" {where['kernel']}. Medians, with quartiles where there were several rounds. The speed of the machine at that"
        " hour: a fixed loop before and after each part.",
    ]
    for part, figures in result["parts"].items():
        hour = result["hours"][part]
        speed = f"loop {hour['before']:.3f} and {hour['after']:.3f} s"
        lines += ["", f"**{part}** ({hour['began']}, {hour['took']:.0f} s; {speed})", ""]
        lines += ["| figure | measured | limit | aim | |", "|---|---|---|---|---|"]
        for each in figures:
            figure = Figure(**each)
            value, limit, aim, verdict = said(figure)
            name = f"**{figure.name}**" if figure.is_met is False else figure.name
            lines.append(f"| {name} | {value} | {limit} | {aim} | {verdict} |")
    curves = curves_of(result)
    lines += ["", *(f"![How {across} weigh](medida-{name}.svg)" for name, (_, across) in PLOTS.items() if name in curves)]
    return "\n".join(lines)


def curves_of(result):
    """The curves of each plot that have more than one size."""
    found = {}
    for figures in result["parts"].values():
        for each in figures:
            if each["curve"]:
                found.setdefault(each["curve"], []).append((each["size"], each["value"]))
    plots = {}
    for name, (begins, _) in PLOTS.items():
        mine = {curve: points for curve, points in found.items() if curve.startswith(tuple(begins.split("|"))) and len(points) > 1}
        if mine:
            plots[name] = mine
    return plots


def write(result):
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table(result)}\n\n{END}{rest.split(END)[1]}")
    for name, curves in curves_of(result).items():
        (ROOT / f"docs/medida-{name}.svg").write_text(grafico.plot(curves, PLOTS[name][1]))


def compare(old, new):
    """Says what differs by more than the spread of both."""
    flat = lambda path: {each["name"]: Figure(**each) for part in json.loads(pathlib.Path(path).read_text())["parts"].values() for each in part}
    before, after = flat(old), flat(new)
    for name in after:
        if name not in before:
            print(f"{name}: new")
            continue
        a, b = before[name], after[name]
        # Ratios to a limit measured in the same rounds do not depend on the machine's hour.
        what = "ratio to its limit" if a.ratio and b.ratio else "value"
        first, second = (a.ratio, b.ratio) if a.ratio and b.ratio else (a.value, b.value)
        span = lambda f: (f.high - f.low) / f.value / 2 if f.low is not None and f.value else 0
        change = second / first - 1 if first else 0
        mark = "" if abs(change) <= max(span(a), span(b), 0.03) else "  <-- changed"
        print(f"{name}: {what} {number(first)} -> {number(second)} ({change:+.0%}){mark}")
    for name in before.keys() - after.keys():
        print(f"{name}: gone")


def main():
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("binary", nargs="?")
    reader.add_argument("--partes", default=",".join(PARTS))
    reader.add_argument("--rapido", action="store_true")
    reader.add_argument("--pares", action="store_true")
    reader.add_argument("--escrever", action="store_true")
    reader.add_argument("--comparar", nargs=2, metavar=("ANTES", "DEPOIS"))
    asked = reader.parse_args()
    if asked.comparar:
        return compare(*asked.comparar)
    if not asked.binary:
        reader.error("BINARY is missing")
    target = ROOT / "target/bench/resultado.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    # A copy, as an installation makes: what a linker has just written lies in the page cache in small pieces, and a
    # program of it starts more than 1 ms later.
    binary = target.parent / "orquestrador"
    binary.unlink(missing_ok=True)
    shutil.copy2(asked.binary, binary)
    result = {"machine": machine(binary), "parts": {}, "hours": {}}
    if len(asked.partes.split(",")) < len(PARTS) and target.exists():
        earlier = json.loads(target.read_text())
        # A part that is measured again takes the place of its earlier self; another program is another record.
        if "hours" in earlier and earlier["machine"]["commit"] == result["machine"]["commit"]:
            result = earlier
    chosen = {name: PARTS[name] for name in asked.partes.split(",")}
    if asked.pares:
        chosen["pares"] = pares.figures
    for name, measure in chosen.items():
        print(f"== {name}", flush=True)
        began, before, begin, figures = time.strftime("%H:%M"), seconds(loop), time.monotonic(), []
        for figure in measure(binary, asked.rapido):
            print("  " + "  ".join(word for word in (figure.name + ":", *said(figure)) if word), flush=True)
            figures.append(dataclasses.asdict(figure))
        took = time.monotonic() - begin
        result["parts"][name] = figures
        result["hours"][name] = {"began": began, "took": took, "before": before, "after": seconds(loop)}
        target.write_text(json.dumps(result, indent=1, ensure_ascii=False))
    print(f"{target.relative_to(ROOT)}")
    if asked.escrever:
        write(result)


if __name__ == "__main__":
    sys.exit(main())
