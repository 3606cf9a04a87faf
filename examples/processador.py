#!/usr/bin/env python3
"""Um processador mínimo em Python. Qualquer programa serve: o orquestrador o inicia a cada ciclo e observa como termina.

Em orquestrador.toml:

    [[processador]]
    nome = "exemplo_python"
    comando = ["python3", "examples/processador.py"]
    timeout = "1m"
    aceita_dry_run = true

O código de saída 0 é sucesso; qualquer outro é falha. A última linha da saída padrão é o resumo mostrado no console e
em /status. Avisos e erros vão para a saída de erros. Métricas próprias aparecem em /metrics com o rótulo `processor`; as
regras estão em docs/metrics.md.
"""

import os
import signal
import sys


def stop(_signal, _frame):
    # Depois da carência vem SIGKILL para o grupo inteiro: devolva o que estava em trabalho e termine.
    print("interrompido", flush=True)
    sys.exit(143)


def report(seen, largest):
    """Conta o que esta tentativa fez; o orquestrador soma os contadores. Grave ao lado e renomeie: nunca pela metade."""
    path = os.environ.get("ORQUESTRADOR_METRICS_FILE")
    if not path:
        return
    with open(path + ".tmp", "w") as file:
        file.write(
            "# HELP exemplo_arquivos_vistos_total Arquivos vistos.\n"
            "# TYPE exemplo_arquivos_vistos_total counter\n"
            f"exemplo_arquivos_vistos_total {seen}\n"
            "# HELP exemplo_maior_arquivo_bytes Tamanho do maior arquivo.\n"
            "# TYPE exemplo_maior_arquivo_bytes gauge\n"
            f"exemplo_maior_arquivo_bytes {largest}\n"
        )
    os.replace(path + ".tmp", path)


def main():
    signal.signal(signal.SIGTERM, stop)
    cycle = os.environ.get("ORQUESTRADOR_CYCLE", "0")
    dry_run = os.environ.get("ORQUESTRADOR_DRY_RUN") == "true"
    print(f"ciclo {cycle}", file=sys.stderr)

    # Aqui vai o trabalho; este exemplo conta os arquivos do diretório.
    files = [entry for entry in os.scandir(".") if entry.is_file()]

    report(len(files), max((entry.stat().st_size for entry in files), default=0))

    prefix = "simulação, nada gravado: " if dry_run else ""
    print(f"{prefix}{len(files)} arquivos vistos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
