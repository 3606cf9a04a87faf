#!/usr/bin/env python3
"""Pictures of the pages from a real run: the real document processors beside some that fail.

usage: telas.py BINARY FOLDER

Needs chromium and chromedriver (Debian: chromium chromium-driver) and nothing else.
"""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

CONFIG = """
modo = "paralelo"
intervalo = "15s"

[[processador]]
nome = "modelo_contrato"
rotulo = "Processador de modelo de contrato"
rotulo_curto = "Modelo de contrato"
icone = "🏷️"
comando = ["@orquestrador", "processador", "modelo-contrato"]

[[processador]]
nome = "automatico"
rotulo = "Processador automático"
rotulo_curto = "Automático"
icone = "🔄"
comando = ["@orquestrador", "processador", "automatico"]

[[processador]]
nome = "indice_de_busca"
rotulo_curto = "Índice de busca"
rotulo = "Índice de busca"
icone = "🔎"
comando = ["bash", "-c", "for lote in 1 2 3 4 5 6; do echo \\"lote $lote de 6 indexado\\"; sleep 0.$((RANDOM % 8 + 2)); done; echo '1284 documentos indexados'"]

[[processador]]
nome = "envio_erp"
rotulo_curto = "Envio ao ERP"
rotulo = "Envio ao ERP"
icone = "📤"
comando = ["bash", "-c", "echo 'enviando o lote 7'; sleep 0.$((RANDOM % 9)); if [ $((RANDOM % 3)) = 0 ]; then echo 'lote 7 aceito: 42 contratos'; else echo 'o ERP respondeu 503: em manutenção' >&2; exit 75; fi"]
tentativas = 2
espera = "200ms"

[[processador]]
nome = "assinaturas"
rotulo_curto = "Assinaturas"
rotulo = "Coleta de assinaturas"
icone = "✒️"
comando = ["bash", "-c", "echo 'conectando ao serviço de assinaturas'; sleep 60"]
timeout = "2s"

[[processador]]
nome = "arquivo_morto"
rotulo_curto = "Arquivo morto"
rotulo = "Arquivo morto"
icone = "📦"
comando = ["bash", "-c", "echo '3 contratos arquivados'"]
depende_de = ["assinaturas"]

[[processador]]
nome = "copia_de_seguranca"
rotulo_curto = "Cópia de segurança"
rotulo = "Cópia de segurança"
icone = "💾"
comando = ["bash", "-c", "for parte in $(seq 40); do echo \\"parte $parte de 40 copiada\\"; sleep 0.5; done; echo 'cópia completa: 214 MiB'"]
intervalo = "20s"
"""

# name, path, width, height (0: all of the page), dark, phone
PICTURES = [
    ("pagina", "/", 1280, 1480, False, False),
    ("pagina-inteira", "/", 1280, 0, False, False),
    ("pagina-escura", "/", 1280, 0, True, False),
    ("pagina-telefone", "/", 390, 1500, False, True),
    ("processador", "/processadores/envio_erp", 1280, 0, False, False),
    ("processador-telefone", "/processadores/envio_erp", 390, 1500, True, True),
    ("execucao", "RUN", 1280, 900, False, False),
    ("execucao-ao-vivo", "LIVE", 1280, 900, True, False),
    ("documentos", "/documentos", 1280, 0, False, False),
    ("documento-modelo", "/documentos/modelos/1", 1280, 1000, False, False),
    ("documento-versao", "/documentos/versoes/1", 1280, 1000, False, False),
    ("documentos-telefone", "/documentos", 390, 1200, False, True),
]


def post(address, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


def get_json(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def wait_for(what, look, seconds=60):
    for _ in range(seconds * 5):
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    sys.exit(f"still waiting for: {what}")


def address_in(log, words):
    for line in log.read_text(errors="replace").splitlines():
        if words in line:
            return line.split(words, 1)[1].strip().rstrip("./")
    return None


class Browser:
    """A Chromium of its own behind chromedriver."""

    def __init__(self, folder):
        self.log = folder / "chromedriver.log"
        self.profile = folder / "perfil"
        driver = shutil.which("chromedriver") or sys.exit("chromedriver is missing: apt-get install chromium chromium-driver")
        with self.log.open("w") as log:
            self.process = subprocess.Popen([driver, "--port=0"], stdout=log, stderr=log)
        port = wait_for("chromedriver", lambda: address_in(self.log, "started successfully on port "))
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --hide-scrollbars"
        ).split()
        flags.append(f"--user-data-dir={self.profile}")
        wish = {"browserName": "chrome", "goog:chromeOptions": {"args": flags}}
        driver = f"http://127.0.0.1:{port}/session"
        self.session = driver + "/" + post(driver, {"capabilities": {"alwaysMatch": wish}})["sessionId"]

    def command(self, name, **parameters):
        return post(self.session + "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def picture(self, address, width, height, is_dark, is_phone):
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=scheme)
        screen = {"width": width, "height": height or 800, "deviceScaleFactor": 2 if is_phone else 1, "mobile": is_phone}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        post(self.session + "/url", {"url": address})
        time.sleep(1.5)
        if not height:
            size = self.command("Page.getLayoutMetrics")["cssContentSize"]
            screen["height"] = int(size["height"])
            self.command("Emulation.setDeviceMetricsOverride", **screen)
            time.sleep(0.3)
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def close(self):
        try:
            urllib.request.urlopen(urllib.request.Request(self.session, method="DELETE"), timeout=10).close()
        finally:
            self.process.terminate()
            self.process.wait(10)


def run_ids(address):
    """A run that failed, and one that is in flight for a while."""
    page = urllib.request.urlopen(address + "/processadores/envio_erp?resultado=failure", timeout=10).read().decode()
    failed = page.split('/execucoes/')[1].split('"')[0]
    def live():
        page = urllib.request.urlopen(address + "/", timeout=10).read().decode()
        card = page.split('id="p-copia_de_seguranca"')[1].split("</article>")[0]
        return card.split('/execucoes/')[1].split('"')[0] if '/execucoes/' in card else None
    return failed, live


def main():
    binary, target = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    seconds = int(os.environ.get("TELAS_ESPERA", "100"))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "orquestrador.toml").write_text(CONFIG)
        log = folder / "orquestrador.log"
        with log.open("w") as out:
            program = subprocess.Popen([binary, "--exemplos", "--porta", "0"], cwd=folder, stdout=out, stderr=out)
        browser = None
        try:
            address = "http://" + wait_for("the address", lambda: address_in(log, "Monitoramento: http://"))
            browser = Browser(folder)
            print(f"{seconds} s of real runs ...", flush=True)
            time.sleep(seconds)
            failed, live = run_ids(address)
            for picture, path, width, height, is_dark, is_phone in PICTURES:
                if path == "RUN":
                    path = "/execucoes/" + failed
                if path == "LIVE":
                    path = "/execucoes/" + wait_for("a run in flight", live)
                    time.sleep(4)
                image = browser.picture(address + path, width, height, is_dark, is_phone)
                (target / f"{picture}.png").write_bytes(image)
                print(target / f"{picture}.png", flush=True)
        finally:
            if browser:
                browser.close()
            program.send_signal(signal.SIGTERM)
            program.wait(60)


if __name__ == "__main__":
    main()
