#!/bin/sh
# Um processador mínimo em shell. Qualquer programa serve: o orquestrador o inicia a cada ciclo e observa como termina.
#
# Em orquestrador.toml:
#
#     [[processador]]
#     nome = "exemplo_shell"
#     comando = ["examples/processador.sh"]
#     timeout = "1m"
#
# O código de saída 0 é sucesso; qualquer outro é falha. A última linha da saída padrão é o resumo mostrado no console
# e em /status. O orquestrador define, entre outras, as variáveis usadas abaixo; fora dele, valem os padrões.
set -eu

cycle="${ORQUESTRADOR_CYCLE:-0}"
attempt="${ORQUESTRADOR_ATTEMPT:-1}"

# Com SIGTERM, termine logo: depois da carência vem SIGKILL para o grupo inteiro.
trap 'echo "interrompido"; exit 143' TERM

# Em simulação, faça tudo menos gravar (e declare aceita_dry_run = true para ser iniciado).
if [ "${ORQUESTRADOR_DRY_RUN:-false}" = "true" ]; then
    echo "simulação, nada gravado"
    exit 0
fi

# Avisos e erros vão para a saída de erros.
echo "ciclo $cycle, tentativa $attempt" >&2

files=$(find . -maxdepth 1 -type f | wc -l | tr -d ' ')
echo "$files arquivos vistos"
