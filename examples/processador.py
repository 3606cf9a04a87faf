#!/usr/bin/env python3
"""Um processador mínimo em Python. Qualquer programa serve: o orquestrador o inicia a cada ciclo e observa como termina.

Em orquestrador.toml:

    [[processador]]
    nome = "exemplo_python"
    comando = ["python3", "examples/processador.py"]
    timeout = "1m"
    aceita_dry_run = true

O código de saída 0 é sucesso; qualquer outro é falha. A última linha da saída padrão é o resumo mostrado no console e
em /status. Avisos e erros vão para a saída de erros.
"""

import os
import signal
import sys


def stop(_signal, _frame):
    # Depois da carência vem SIGKILL para o grupo inteiro: devolva o que estava em trabalho e termine.
    print("interrompido", flush=True)
    sys.exit(143)


def main():
    signal.signal(signal.SIGTERM, stop)
    cycle = os.environ.get("ORQUESTRADOR_CYCLE", "0")
    dry_run = os.environ.get("ORQUESTRADOR_DRY_RUN") == "true"
    print(f"ciclo {cycle}", file=sys.stderr)

    # Aqui vai o trabalho; este exemplo conta os arquivos do diretório.
    files = [entry for entry in os.scandir(".") if entry.is_file()]

    prefix = "simulação, nada gravado: " if dry_run else ""
    print(f"{prefix}{len(files)} arquivos vistos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
