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

# Métricas próprias aparecem em /metrics com o rótulo processor; as regras estão em docs/metrics.md.
# Conte o que esta tentativa fez; o orquestrador soma os contadores. Grave ao lado e renomeie: nunca pela metade.
if [ -n "${ORQUESTRADOR_METRICS_FILE:-}" ]; then
    largest=$(find . -maxdepth 1 -type f -exec wc -c {} \; | sort -n | tail -n 1 | awk '{ print $1 }')
    cat > "$ORQUESTRADOR_METRICS_FILE.tmp" <<FIM
# HELP exemplo_arquivos_vistos_total Arquivos vistos.
# TYPE exemplo_arquivos_vistos_total counter
exemplo_arquivos_vistos_total $files
# HELP exemplo_maior_arquivo_bytes Tamanho do maior arquivo.
# TYPE exemplo_maior_arquivo_bytes gauge
exemplo_maior_arquivo_bytes ${largest:-0}
FIM
    mv "$ORQUESTRADOR_METRICS_FILE.tmp" "$ORQUESTRADOR_METRICS_FILE"
fi

echo "$files arquivos vistos"
