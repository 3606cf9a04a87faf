# Orquestrador de Processadores. `make` ou `make help` lista os alvos.

ifneq (,$(wildcard .env))
include .env
export
endif

BINARIO := target/release/orquestrador
# Opções a mais para os alvos run-*: make run-orquestrador ARGS="--intervalo 30s"
ARGS ?=
# Rodadas dos testes aleatórios; make test-longo usa 200.
RODADAS ?= 20
# O Python do bench-documents: um em que pypandoc_binary e python-redlines estejam instalados.
PYTHON ?= python3
# Como chamar o Docker Compose v2, e quais serviços (vazio: todos).
COMPOSE ?= docker compose
SERVICOS ?=
TESTAR := $(shell cargo nextest --version >/dev/null 2>&1 && echo "cargo nextest run" || echo "cargo test")

.DEFAULT_GOAL := help
.PHONY: help build screenshots run-orquestrador run-orquestrador-single run-orquestrador-single-verbose \
	run-orquestrador-sequencial run-orquestrador-paralelo run-orquestrador-verbose \
	run-processador-modelo run-processador-automatico test test-directus test-unit test-longo check bench bench-compare bench-documents \
	up up-distribuido down logs alerta-teste test-compose docker-up docker-down docker-logs docker-build docker-single

help: ## Lista os alvos
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-34s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Compila o binário de produção
	cargo build --release --locked

run-orquestrador: build ## Executa em ciclos, no modo padrão (paralelo), com HTTP em 127.0.0.1:5007
	$(BINARIO) --exemplos $(ARGS)

run-orquestrador-single: build ## Executa um único ciclo sequencial e termina
	$(BINARIO) --exemplos --single-run --modo sequencial $(ARGS)

run-orquestrador-single-verbose: build ## O mesmo, com cada linha de cada processador
	$(BINARIO) --exemplos --single-run --modo sequencial --verbose $(ARGS)

run-orquestrador-sequencial: build ## Executa em ciclos, um processador depois do outro
	$(BINARIO) --exemplos --modo sequencial $(ARGS)

run-orquestrador-paralelo: build ## Executa em ciclos, os processadores lado a lado
	$(BINARIO) --exemplos --modo paralelo $(ARGS)

run-orquestrador-verbose: build ## Executa em ciclos, com cada linha de cada processador
	$(BINARIO) --exemplos --verbose $(ARGS)

run-processador-modelo: build ## Só o processador de modelo de contrato, como serviço na porta 5006
	$(BINARIO) --apenas modelo_contrato --porta 5006 $(ARGS)

run-processador-automatico: build ## Só o processador automático, como serviço na porta 5005
	$(BINARIO) --apenas automatico --porta 5005 $(ARGS)

test: ## Todos os testes; precisa dos pacotes que .ci/pacotes nomeia
	.ci/pacotes
	ORQUESTRADOR_TEST_RODADAS=$(RODADAS) $(TESTAR)

test-directus: ## Os processadores em um Directus de verdade; instala-o uma vez, com npm, fora do repositório
	pasta="$$(.ci/directus)" && \
	ORQUESTRADOR_TEST_DIRECTUS="$$pasta" ORQUESTRADOR_TEST_RODADAS=$(RODADAS) \
		cargo test --test directus -- --ignored --nocapture --test-threads=2

test-unit: ## Só os testes de unidade; basta o cargo
	cargo test --lib

test-longo: ## Os mesmos testes com 200 rodadas aleatórias
	$(MAKE) test RODADAS=200
	$(MAKE) test-directus RODADAS=200

check: ## Formato, lints, documentação, licenças, regras, painéis
	.ci/pacotes
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items
	.ci/deny
	.ci/regras
	.ci/paineis
	.ci/compose-check

screenshots: build ## Fotografa as páginas de uma execução real em target/telas; precisa de chromium e chromedriver
	tests/telas.py $(BINARIO) target/telas

bench: build ## Mede tudo, ao lado de limites e metas, e escreve docs/performance.md; PEERS=1: também outros programas
	benches/medir.py $(BINARIO) --escrever $(if $(PEERS),--pares) $(if $(RAPIDO),--rapido) $(if $(PARTES),--partes $(PARTES))
	cargo bench --locked --bench spawn
	cargo bench --locked --bench exposition

bench-compare: ## Compara ANTES=arquivo.json com a última medida (target/bench/resultado.json)
	benches/medir.py --comparar $(ANTES) target/bench/resultado.json

bench-documents: build ## Mede os documentos ao lado de pandoc + difflib e python-redlines, onde existirem
	$(PYTHON) benches/documentos.py $(BINARIO)

up: ## Inicia a pilha (Prometheus, Alertmanager, Grafana, Tempo), espera por ela e mostra os endereços
	@COMPOSE="$(COMPOSE)" .ci/up $(SERVICOS)

up-distribuido: ## O mesmo com INSTANCIAS=3 instâncias sobre NATS no lugar de uma (perfil distribuido do compose)
	$(COMPOSE) build orquestrador
	$(COMPOSE) --profile distribuido up --detach --scale orquestrador=0 --scale instancia=$(or $(INSTANCIAS),3) $(SERVICOS)

down: ## Para a pilha; os dados ficam nos volumes
	$(COMPOSE) --profile distribuido down

logs: ## Mostra os logs da pilha
	$(COMPOSE) logs --follow --tail 100 $(SERVICOS)

alerta-teste: ## Envia um alerta de teste pelo Alertmanager da pilha
	@curl --silent --show-error --fail --max-time 10 --header 'Content-Type: application/json' \
	  --data '[{"labels":{"alertname":"AlertaDeTeste","severity":"page","job":"orquestrador"},"annotations":{"summary":"Um alerta de teste","description":"Se você lê isto, os alertas chegam até você."}}]' \
	  "http://127.0.0.1:$(or $(ALERTMANAGER_PORTA),9093)/api/v2/alerts"
	@echo "enviado; deve chegar em alguns segundos, e aparece em http://127.0.0.1:$(or $(ALERTMANAGER_PORTA),9093)"

test-compose: ## Inicia a pilha em um Docker próprio, com imagens feitas aqui, e a põe à prova (root)
	.ci/compose-test

docker-up: up ## O mesmo que up
docker-down: down ## O mesmo que down
docker-logs: logs ## O mesmo que logs
docker-build: ## Constrói a imagem do orquestrador
	$(COMPOSE) build orquestrador

docker-single: ## Um ciclo único sequencial em contêiner, com os dados da pilha, que precisa estar parada
	$(COMPOSE) run --rm --no-deps orquestrador --single-run --modo sequencial $(ARGS)
