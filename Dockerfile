# A imagem do orquestrador. O construtor clássico do Docker 20.10 basta; nada aqui pede BuildKit.
ARG IMAGEM_RUST=rust:1.95-slim-bookworm
ARG IMAGEM_BASE=debian:bookworm-slim

FROM ${IMAGEM_RUST} AS construcao
ARG PERFIL=release
WORKDIR /src
# Primeiro só as dependências, com um programa vazio: esta camada fica enquanto Cargo.lock não muda.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests benches \
 && echo 'fn main() {}' | tee src/main.rs tests/kill_matrix_replacement.rs benches/spawn.rs benches/exposition.rs >/dev/null \
 && touch src/lib.rs \
 && cargo build --locked --profile "$PERFIL" --bin orquestrador \
 && rm -r src
COPY build.rs ./
COPY src src
COPY examples/documentos examples/documentos
COPY prometheus/rules prometheus/rules
COPY grafana/dashboards grafana/dashboards
COPY docs/runbooks.md docs/
ARG REVISAO=
RUN touch src/main.rs src/lib.rs build.rs \
 && ORQUESTRADOR_REVISAO="$REVISAO" cargo build --locked --profile "$PERFIL" --bin orquestrador \
 && cp target/*/orquestrador /orquestrador && strip /orquestrador

FROM ${IMAGEM_BASE}
RUN groupadd --gid 10001 orquestrador \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /dados --shell /usr/sbin/nologin orquestrador \
 && install -d -o 10001 -g 10001 /dados /orquestrador
COPY --from=construcao /orquestrador /usr/local/bin/orquestrador
# Um Directus em https é conferido com elas.
COPY --from=construcao /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ENV ORQUESTRADOR_ESCUTAR=0.0.0.0 ORQUESTRADOR_DADOS=/dados
# ./orquestrador.toml é lido daqui, se alguém o montar.
WORKDIR /orquestrador
USER 10001:10001
VOLUME /dados
EXPOSE 5007
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["orquestrador", "saude"]
ENTRYPOINT ["orquestrador"]
