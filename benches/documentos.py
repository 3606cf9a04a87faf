#!/usr/bin/env python3
"""Documents: comparison, tags and hostile files as whole processes, beside pandoc + difflib and python-redlines.

Usage: benches/documentos.py BINARY [CORPUS]. The corpus is $ORQUESTRADOR_CORPUS or ../shared/corpus. The others are
measured where they are there: pandoc in PATH or with the Python package pypandoc_binary, python-redlines as a package of
this Python (pip install pypandoc_binary "python-redlines[ooxmlpowertools,docxodus]"); what is not there is said. Each pair is compared by all of
them in turn, so that a drifting machine weighs on all alike. Times are wall time, memory is the greatest resident set of
any process of the tool, as wait4 tells it.
"""

import csv
import importlib.util
import io
import json
import os
import statistics
import sys
import tempfile
import time
import zipfile

PANDOC = """
import difflib, subprocess, sys
def lines(path):
    return subprocess.run([sys.argv[1], path, "-t", "plain", "--wrap=none"], capture_output=True, check=True).stdout.decode().splitlines()
codes = difflib.SequenceMatcher(None, lines(sys.argv[2]), lines(sys.argv[3]), autojunk=False).get_opcodes()
print(sum((tag != "equal") + (tag == "replace") for tag, *_ in codes))
"""
REDLINES = """
import re, sys
from python_redlines import engines
engine = getattr(engines, sys.argv[1])()
out = engine.run_redline("x", *(open(path, "rb").read() for path in sys.argv[2:]))
print(re.search(r"(?:found: |complete: )(\\d+)", out[1])[1])
"""
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def measure(arguments, limit=60):
    """Wall seconds, MiB at most, exit status, standard output."""
    with tempfile.TemporaryFile() as out:
        silent = os.open(os.devnull, os.O_WRONLY)
        begin = time.perf_counter()
        pid = os.posix_spawnp(
            arguments[0], arguments, os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, silent, 2)], setpgroup=0)
        os.close(silent)
        while True:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            seconds = time.perf_counter() - begin
            if done:
                break
            if seconds > limit:
                os.killpg(pid, 9)
                os.wait4(pid, 0)
                return limit, 0, None, b""
            time.sleep(0.0002 if seconds < 0.5 else 0.01)
        out.seek(0)
        return seconds, usage.ru_maxrss / 1024, status, out.read()


def document(paragraphs):
    stream = io.BytesIO()
    text = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", f'<w:document xmlns:w="{WORD}"><w:body>{text}</w:body></w:document>')
    return stream.getvalue()


def worst():
    """Pairs that are hard on a comparer: the name, the old and the new paragraphs."""
    some = "O mesmo parágrafo de sempre."
    changed = lambda count, end: [f"Cláusula {n}. O valor de R$ {n * 3} será pago em {n % 60} dias{end}." for n in range(count)]
    words = lambda step: " ".join(f"palavra{n * step % 50021}" for n in range(330_000))
    yield "200.000 parágrafos iguais entre si, um décimo a menos", [some] * 199_000, [some] * 180_000
    yield "99.000 parágrafos, todos alterados", changed(99_000, ""), changed(99_000, " úteis")
    yield "190.000 parágrafos, todos alterados", changed(190_000, ""), changed(190_000, " úteis")
    yield "49.000 parágrafos, nada em comum", changed(49_000, ""), [f"outra{n} coisa{n * 31 % 997} {n}x" for n in range(49_000)]
    yield "um parágrafo de 4 MB, todo diferente", [words(7)], [words(31)]


def tools(binary):
    own = {"orquestrador": lambda a, b: [binary, "comparar", a, b, "--json"]}
    pandoc = None
    try:
        import pypandoc
        pandoc = pypandoc.get_pandoc_path()
    except (ImportError, OSError):
        found = [f"{folder}/pandoc" for folder in os.get_exec_path() if os.access(f"{folder}/pandoc", os.X_OK)]
        pandoc = found[0] if found else None
    if pandoc:
        own["pandoc + difflib"] = lambda a, b: [sys.executable, "-c", PANDOC, pandoc, a, b]
    else:
        print("pandoc não foi encontrado: NÃO MEDIDO")
    try:
        import python_redlines  # noqa: F401
        engines = {"python_redlines_ooxmlpowertools": "XmlPowerToolsEngine", "python_redlines_docxodus": "DocxodusEngine"}
        for package, engine in engines.items():
            if importlib.util.find_spec(package):
                name = f"python-redlines, {engine}"
                own[name] = lambda a, b, engine=engine: [sys.executable, "-W", "ignore", "-c", REDLINES, engine, a, b]
            else:
                print(f"{package} não está instalado: {engine} NÃO MEDIDO")
    except ImportError:
        print("python-redlines não está instalado: NÃO MEDIDO")
    return own


def count(name, out):
    try:
        return json.loads(out)["resumo"]["revisoes"] if name == "orquestrador" else int(out)
    except (ValueError, KeyError):
        return None


def wc(corpus, own):
    rows = list(csv.reader(open(f"{corpus}/wc/expected.csv")))[1:]
    seconds = {name: [] for name in own}
    memory = dict.fromkeys(own, 0.0)
    right, equal, failed = dict.fromkeys(own, 0), dict.fromkeys(own, 0), dict.fromkeys(own, 0)
    for row in rows:
        old, new = (f"{corpus}/wc/{name.strip()}" for name in row[1:3])
        for name, line in own.items():
            took, peak, status, out = measure(line(old, new))
            seconds[name].append(took)
            memory[name] = max(memory[name], peak)
            found = count(name, out) if status == 0 else None
            failed[name] += found is None
            right[name] += found == int(row[3])
            equal[name] += found == 0 and int(row[3]) > 0
    print(f"\n## {len(rows)} pares de wc/, processo inteiro\n")
    print("| | mediana | maior | memória | contagem esperada | alterado dado como igual | sem resposta |\n|---|---|---|---|---|---|---|")
    for name in own:
        print(f"| {name} | {statistics.median(seconds[name]) * 1000:.0f} ms | {max(seconds[name]) * 1000:.0f} ms "
              f"| {memory[name]:.0f} MB | {right[name]} | {equal[name]} | {failed[name]} |")


def scale(corpus, own):
    print("\n## scale/, processo inteiro\n\n| par | " + " | ".join(own) + " |\n|---|" + "---|" * len(own))
    for pair in ("s50", "m300", "l1000"):
        cells = []
        for name, line in own.items():
            took, peak, status, _ = measure(line(f"{corpus}/scale/{pair}-a.docx", f"{corpus}/scale/{pair}-b.docx"))
            cells.append(f"{took:.2f} s, {peak:.0f} MB" if status == 0 else f"nada em {took:.0f} s")
        print(f"| {pair} | " + " | ".join(cells) + " |")


def ours(binary, corpus, folder):
    print("\n## orquestrador sozinho\n\n| o quê | tempo | memória |\n|---|---|---|")
    tags = f"{folder}/tags.docx"
    open(tags, "wb").write(document([f"{{{{TAG-nome{n}}}}}valor {n}{{{{/TAG-nome{n}}}}}" for n in range(2_000)]))
    for name, line in (("2.000 tags", [binary, "tags", tags, "--json"]),
                       ("ler o documento de 4,7 MB e suas tags", [binary, "tags", f"{corpus}/scale/l1000-a.docx", "--json"])):
        runs = [measure(line) for _ in range(9)]
        print(f"| {name} | {statistics.median(run[0] for run in runs) * 1000:.1f} ms | {max(run[1] for run in runs):.0f} MB |")
    hostile = sorted(os.listdir(f"{corpus}/malformed"))
    runs = [(measure([binary, "tags", f"{corpus}/malformed/{name}"]), name) for name in hostile if name.endswith(".docx")]
    slow, big = max(runs, key=lambda run: run[0][0]), max(runs, key=lambda run: run[0][1])
    print(f"| {len(runs)} arquivos hostis, o mais lento ({slow[1]}) | {slow[0][0] * 1000:.0f} ms | |")
    print(f"| o que mais ocupa ({big[1]}) | | {big[0][1]:.0f} MB |")
    for name, old, new in worst():
        paths = [f"{folder}/a.docx", f"{folder}/b.docx"]
        for path, paragraphs in zip(paths, (old, new)):
            open(path, "wb").write(document(paragraphs))
        for what, more in (("", ["--json"]), (", com relatório", ["-o", f"{folder}/r.html"])):
            took, peak, status, _ = measure([binary, "comparar", *paths, *more])
            result = "" if status == 0 else ", recusado pelo limite" if status == 256 else f", status {status}"
            print(f"| {name}{what}{result} | {took:.1f} s | {peak:.0f} MB |", flush=True)


def main():
    binary = os.path.abspath(sys.argv[1])
    beside = os.path.join(os.path.dirname(__file__), "../../shared/corpus")
    corpus = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("ORQUESTRADOR_CORPUS", beside)
    if not os.path.isdir(corpus):
        sys.exit(f"{corpus}: o corpus não está lá; nada foi medido")
    own = tools(binary)
    wc(corpus, own)
    scale(corpus, own)
    with tempfile.TemporaryDirectory() as folder:
        ours(binary, corpus, folder)


if __name__ == "__main__":
    main()
