//! Every text of the pages, in Portuguese: the one table of messages. Refuses to know where a text stands.

use std::time::Duration;

use crate::domain::{
    CancelReason, ErrorReason, FailureReason, Instances, KnownLoad, Outcome, SkipReason,
};

pub(super) const PRODUCT: &str = "Orquestrador de Processadores";
pub(super) const SHORT_PRODUCT: &str = "Orquestrador";
pub(super) const SKIP_LINK: &str = "Ir para o conteúdo";
pub(super) const MAIN_NAVIGATION: &str = "Principal";
pub(super) const PATH: &str = "Caminho";
pub(super) const OVERVIEW: &str = "Visão geral";
pub(super) const RUNBOOKS: &str = "Runbooks";
pub(super) const DOCUMENTS: &str = "Documentos";
pub(super) const METRICS: &str = "Métricas";
pub(super) const STATUS_JSON: &str = "Status (JSON)";
pub(super) const HEALTH_JSON: &str = "Saúde (JSON)";
pub(super) const OUTPUTS_JSON: &str = "Saídas (JSON)";
pub(super) const LIVE: &str = "ao vivo";
pub(super) const DISCONNECTED: &str = "sem conexão; tentando de novo";
pub(super) const WITHOUT_SCRIPT: &str =
    "Sem JavaScript esta página não se atualiza sozinha: recarregue-a para ver o estado de agora.";
pub(super) const DASH: &str = "—";

pub(super) const STALLED: &str = "O laço de agendamento está parado";
pub(super) const STOPPING: &str = "Encerrando";
pub(super) const STARTING: &str = "Iniciando";
pub(super) const ALL_WELL: &str = "Tudo em ordem";
pub(super) const PAUSED: &str = "Pausado: nenhum início planejado acontece";
pub(super) const RESERVATIONS: &str = "Funcionando com ressalvas";
pub(super) const SINCE: &str = "desde";
pub(super) const SIMULATION: &str = "Simulação: nada é gravado";

pub(super) const SUMMARY: &str = "Resumo";
pub(super) const NEXT_CYCLE: &str = "Próximo ciclo";
pub(super) const CYCLE_RUNS: &str = "em andamento";
pub(super) const MODE: &str = "Modo";
pub(super) const INTERVAL: &str = "Intervalo";
pub(super) const SCHEDULE: &str = "Agenda";
pub(super) const VERSION: &str = "Versão";
pub(super) const UPTIME: &str = "No ar há";
pub(super) const CYCLES: &str = "Ciclos";
pub(super) const LAST_CYCLE: &str = "Último ciclo";
pub(super) const MEAN_CYCLE: &str = "Ciclo médio";
pub(super) const RESULTS: &str = "Sucessos / erros";

pub(super) const RUNNING_NOW: &str = "Em execução agora";
pub(super) const NOTHING_RUNS: &str = "Nada em execução neste momento.";
pub(super) const RUNNING: &str = "em execução";
pub(super) const NO_USUAL: &str = "ainda sem duração de costume";

pub(super) const PROCESSORS: &str = "Processadores";
pub(super) const NEVER_RAN: &str = "ainda não executado";
pub(super) const LAST: &str = "Última";
pub(super) const DURATION: &str = "Duração";
pub(super) const IN_A_DAY: &str = "Em 24 h";
pub(super) const STREAK: &str = "Sequência";
pub(super) const NEXT: &str = "Próximo início";
pub(super) const CPU: &str = "CPU";
pub(super) const PEAK_MEMORY: &str = "Memória";
pub(super) const MISSED: &str = "Inícios perdidos";
pub(super) const NO_RESULT: &str = "sem resultado";
pub(super) const WITH_NEXT_CYCLE: &str = "com o ciclo";

pub(super) const TIMELINE: &str = "Linha do tempo";
pub(super) const TIMELINE_LEGEND: &str = "Legenda";
pub(super) const NOTHING_YET: &str = "Nenhuma execução terminou ainda.";
pub(super) const LAST_CYCLES: &str = "Últimos ciclos";
pub(super) const NO_CYCLE: &str = "Nenhum ciclo terminou desde o início.";
pub(super) const CYCLE: &str = "Ciclo";
pub(super) const STARTED_AT: &str = "Início";
pub(super) const WHY: &str = "Por quê";
pub(super) const RUNS: &str = "Execuções";
pub(super) const OUTCOME: &str = "Resultado";

pub(super) const TELEMETRY: &str = "Telemetria e alertas";
pub(super) const TRACES: &str = "Traços (OTLP)";
pub(super) const LOGS: &str = "Saídas (OTLP)";
pub(super) const METRIC_SERIES: &str = "Métricas";
pub(super) const HISTORY: &str = "Histórico";
pub(super) const ALERTS: &str = "Alertas";
pub(super) const EXPORT_OFF: &str = "desligado: nenhum endereço configurado";
pub(super) const EXPORT_OK: &str = "em ordem";
pub(super) const EXPORT_BAD: &str = "perdendo dados";
pub(super) const HISTORY_OK: &str = "gravado";
pub(super) const HISTORY_BAD: &str = "não pode ser gravado";
pub(super) const HISTORY_OFF: &str = "desligado (simulação)";
pub(super) const SERVED: &str = "servidas em";
pub(super) const ALERTS_UNKNOWN: &str = "ninguém disse para onde vão (telemetria.alertas): sem um Prometheus e um Alertmanager não há alertas";
pub(super) const ALERTS_STAY: &str = "alertas não saem desta máquina";
pub(super) const ALERTS_LEAVE: &str = "saem desta máquina por";
pub(super) const RELOADS: &str = "Recargas da configuração";
pub(super) const NO_RELOAD: &str = "Nenhuma desde o início.";
pub(super) const APPLIED: &str = "aplicada";
pub(super) const REJECTED: &str = "recusada; vale a configuração de antes";
pub(super) const NOTHING_CHANGED: &str = "nada mudou";

pub(super) const ALL: &str = "todos";
pub(super) const FILTER: &str = "Filtrar";
pub(super) const NEWER: &str = "mais novas";
pub(super) const OLDER: &str = "mais antigas";
pub(super) const PAGES: &str = "Páginas";
pub(super) const RUN_HISTORY: &str = "Histórico de execuções";
pub(super) const NO_RUN: &str = "Nenhuma execução corresponde.";
pub(super) const NO_HISTORY: &str = "Uma simulação não grava histórico.";
pub(super) const DURATIONS: &str = "Durações";
pub(super) const CONFIGURATION: &str = "Configuração";
pub(super) const TIMEOUT: &str = "Tempo limite";
pub(super) const GRACE: &str = "Carência";
/// Which of the runs of its start a run is.
pub(super) const INSTANCE: &str = "Instância";
pub(super) const INSTANCES: &str = "Instâncias";
pub(super) const ATTEMPTS_ALLOWED: &str = "Tentativas";
pub(super) const DEPENDS_ON: &str = "Depende de";
pub(super) const NAME: &str = "Nome";
pub(super) const LAST_OUTPUT: &str = "Saída da última execução";

pub(super) const RUN: &str = "Execução";
pub(super) const RUN_ID: &str = "Identificação";
pub(super) const PROCESSOR: &str = "Processador";
pub(super) const FINISHED_AT: &str = "Fim";
pub(super) const QUEUE_WAIT: &str = "Espera na fila";
pub(super) const EXIT_CODE: &str = "Código de saída";
pub(super) const ATTEMPTS: &str = "Tentativas";
pub(super) const OUTPUT_BYTES: &str = "Saída escrita";
pub(super) const ESCAPED: &str = "Processos encerrados que sobreviveram";
pub(super) const RUN_SUMMARY: &str = "Resumo do processador";
pub(super) const TRACE: &str = "Traço";
pub(super) const SHOW_TRACE: &str = "Abrir o traço";
pub(super) const OPEN: &str = "abrir";
pub(super) const OUTPUT: &str = "Saída";
pub(super) const SEARCH_OUTPUT: &str = "Buscar na saída";
pub(super) const SEARCH: &str = "Buscar";
pub(super) const DOWNLOAD: &str = "Baixar texto puro";
pub(super) const NO_OUTPUT: &str = "Nada foi escrito.";
pub(super) const NO_OUTPUT_YET: &str = "Nada foi escrito até agora.";
pub(super) const NO_LINE: &str = "Nenhuma linha contém o texto.";
pub(super) const TIME: &str = "Hora";
pub(super) const STREAM: &str = "Fluxo";
pub(super) const LINE: &str = "Linha";
pub(super) const NUMBER: &str = "Nº";

pub(super) const STORE: &str = "Armazenamento";
pub(super) const MODELS: &str = "Modelos de contrato";
pub(super) const CONTRACTS: &str = "Contratos";
pub(super) const VERSIONS: &str = "Versões";
pub(super) const TAGS: &str = "Tags";
pub(super) const MODIFICATIONS: &str = "Modificações";
pub(super) const REPORT: &str = "Relatório";
pub(super) const OPEN_REPORT: &str = "Abrir o relatório";
pub(super) const STATUS: &str = "Status";
pub(super) const CREATED: &str = "Criado em";
pub(super) const NOTE: &str = "Observação";
pub(super) const TITLE: &str = "Título";
pub(super) const MODEL: &str = "Modelo";
pub(super) const CONTRACT: &str = "Contrato";
pub(super) const DOCUMENT_VERSION: &str = "Versão";
pub(super) const TAG: &str = "Tag";
pub(super) const CONTENT: &str = "Conteúdo";
pub(super) const PLACE: &str = "Lugar";
pub(super) const CATEGORY: &str = "Categoria";
pub(super) const CHANGE: &str = "Alteração";
pub(super) const DECISION: &str = "Decisão";
pub(super) const ANALYST_NOTE: &str = "Nota";
pub(super) const PROBLEMS: &str = "Problemas";
pub(super) const NO_PROBLEM: &str = "Nenhum problema nas tags.";
pub(super) const PROBLEM: &str = "Problema";
pub(super) const REMEDY: &str = "O que fazer";
pub(super) const NEARBY: &str = "Perto de";
pub(super) const PARAGRAPH: &str = "parágrafo";
pub(super) const ERROR: &str = "erro";
pub(super) const NO_RECORD: &str = "Nenhum registro.";
pub(super) const BY_STATUS: &str = "Registros por status";
pub(super) const NO_PROBLEMS_READ: &str = "O documento com tags não pôde ser lido";

pub(super) const NOT_FOUND: &str = "Não encontrado";
pub(super) const NO_SUCH_PROCESSOR: &str =
    "Não há processador com este nome na configuração nem no histórico.";
pub(super) const NO_SUCH_RUN: &str =
    "Não há execução com esta identificação. O histórico guarda as mais novas.";
pub(super) const NO_SUCH_RECORD: &str = "Não há registro com esta identificação.";
pub(super) const NO_SUCH_REPORT: &str = "Esta versão ainda não tem relatório.";
pub(super) const AMBIGUOUS: &str =
    "Mais de uma execução começa assim; escreva mais da identificação.";
pub(super) const UNAVAILABLE: &str = "Indisponível agora";
pub(super) const BACK: &str = "Voltar à visão geral";

/// The instances of a group.
pub(super) const GROUP: &str = "Instâncias do grupo";
pub(super) const QUEUE: &str = "Execuções na fila";
pub(super) const MEMBER_HEADS: [&str; 6] = [
    "Instância",
    "Papel",
    "Máquina",
    "Em uso",
    "Executa",
    "Desde",
];
pub(super) const LEADER: &str = "líder";
pub(super) const RUNS_WORK: &str = "executa";
pub(super) const THIS_ONE: &str = "(esta)";

/// `1 processador falhando`, `2 processadores falhando`.
pub(super) fn failing(count: usize) -> String {
    match count {
        1 => "1 processador falhando".to_owned(),
        count => format!("{count} processadores falhando"),
    }
}

/// The kinds of outcome that are told apart by colour and shape, with their words.
pub(super) const OUTCOMES: [(&str, &str); 6] = [
    ("success", "sucesso"),
    ("failure", "falha"),
    ("timeout", "tempo excedido"),
    ("error", "erro do orquestrador"),
    ("cancellation", "cancelado"),
    ("skip", "pulado"),
];

/// The word of an outcome's label.
pub(super) fn outcome(label: &str) -> &'static str {
    let found = OUTCOMES.iter().find(|(known, _)| *known == label);
    found.map_or(DASH, |(_, word)| word)
}

/// Why it ended like that, in words; empty for a success.
pub(super) fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Success | Outcome::Timeout => String::new(),
        Outcome::Failure(FailureReason::ExitCode(code)) => format!("código {code}"),
        Outcome::Failure(FailureReason::Signal(signal)) => format!("sinal {signal}"),
        Outcome::Failure(FailureReason::Oom) => "memória esgotada".to_owned(),
        Outcome::Cancellation(CancelReason::Shutdown) => "encerramento".to_owned(),
        Outcome::Cancellation(CancelReason::Replaced) => {
            "substituído por um início mais novo".to_owned()
        }
        Outcome::Skip(SkipReason::Dependency) => "dependência sem sucesso".to_owned(),
        Outcome::Skip(SkipReason::Overlap) => "a execução anterior não terminou".to_owned(),
        Outcome::Skip(SkipReason::DryRun) => "simulação".to_owned(),
        Outcome::Error(ErrorReason::Spawn) => "não foi iniciado".to_owned(),
        Outcome::Error(ErrorReason::Io) => "erro de entrada e saída".to_owned(),
        Outcome::Error(ErrorReason::Lost) => "perdido de vista".to_owned(),
    }
}

/// Why a cycle started.
pub(super) fn trigger(label: &str) -> &'static str {
    match label {
        "startup" => "início",
        "interval" => "intervalo",
        "cron" => "agenda",
        "signal" => "pedido (SIGUSR1)",
        "catchup" => "recuperação",
        _ => DASH,
    }
}

/// A way by which alerts leave this machine.
pub(super) fn alert_way(word: &str) -> Option<&'static str> {
    match word {
        "webhook" => Some("webhook"),
        "email" => Some("e-mail"),
        _ => None,
    }
}

/// `12 sucessos`, `3 falhas`; none of either is a dash.
pub(super) fn streak(failures: u64, successes: u64) -> String {
    match (failures, successes) {
        (0, 0) => DASH.to_owned(),
        (0, 1) => "1 sucesso".to_owned(),
        (0, count) => format!("{count} sucessos"),
        (1, _) => "1 falha".to_owned(),
        (count, _) => format!("{count} falhas"),
    }
}

/// `98,3 % de 120`.
pub(super) fn rate(results: u64, successes: u64) -> String {
    if results == 0 {
        return NO_RESULT.to_owned();
    }
    let tenths = successes.saturating_mul(1000) / results;
    let percent = match tenths % 10 {
        0 => format!("{}", tenths / 10),
        tenth => format!("{},{tenth}", tenths / 10),
    };
    format!("{percent} % de {results}")
}

/// `2 execuções`.
pub(super) fn runs(count: usize) -> String {
    match count {
        1 => "1 execução".to_owned(),
        count => format!("{count} execuções"),
    }
}

/// That more processors are there than are drawn.
pub(super) fn and_more(count: usize) -> String {
    format!("e mais {count} na lista acima")
}

/// What a sparkline shows, for those who do not see it.
pub(super) fn sparkline(runs: usize, bad: usize, usual: Option<Duration>) -> String {
    let bad = match bad {
        0 => "nenhuma falhou".to_owned(),
        1 => "1 falhou".to_owned(),
        count => format!("{count} falharam"),
    };
    let usual = usual.map_or_else(String::new, |usual| {
        format!("; de costume {}", super::times::span(usual))
    });
    format!("Últimas {runs} execuções: {bad}{usual}")
}

/// What a lane of the timeline shows, for those who do not see it.
pub(super) fn lane(runs: usize, bad: usize) -> String {
    format!("{}, {bad} com falha", self::runs(runs))
}

/// Which of the runs of its start a run is, and of how many; nothing when it is the only one.
pub(super) fn instance((number, of): (u64, u64)) -> Option<String> {
    (of > 1).then(|| format!("{number} de {of}"))
}

/// How many runs the next start has and, where that follows a backlog, why.
pub(super) fn instances(instances: &Instances, load: &KnownLoad) -> String {
    let desired = load.desired(instances);
    let Some(scaling) = instances.scaling() else {
        return desired.to_string();
    };
    let bounds = format!("{desired}, de {} a {}", scaling.min, scaling.max);
    match load.last().map(|load| load.backlog) {
        None => bounds,
        Some(None) => format!("{bounds}; o relatório não traz {}", scaling.metric),
        Some(Some(backlog)) => format!(
            "{bounds}; {backlog} na fila, {} por instância",
            scaling.target
        ),
    }
}

/// How long it has run and how long it usually takes.
pub(super) fn progress(elapsed: &str, usual: Option<&str>) -> String {
    match usual {
        Some(usual) => format!("há {elapsed}, de costume {usual}"),
        None => format!("há {elapsed}, {NO_USUAL}"),
    }
}

/// How much of a collection is shown.
pub(super) fn shown(count: usize) -> String {
    format!("Mostrados os {count} mais novos; veja mais com: orquestrador listar --limite N")
}

/// Lines that are not shown any more.
pub(super) fn missed_lines(count: u64) -> String {
    match count {
        1 => "… 1 linha anterior não está mais aqui".to_owned(),
        count => format!("… {count} linhas anteriores não estão mais aqui"),
    }
}

/// How many lines contain what was searched for.
pub(super) fn found_lines(found: usize, all: usize) -> String {
    format!("{found} de {all} linhas")
}

/// `8,0 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut tenths = count.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole},{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_portuguese_writes_them() {
        assert_eq!(rate(120, 118), "98,3 % de 120");
        assert_eq!(rate(3, 3), "100 % de 3");
        assert_eq!(rate(0, 0), NO_RESULT);
        assert_eq!(
            [0, 512, 8 << 20, 1_600_000].map(bytes),
            ["0 B", "512 B", "8 MiB", "1,5 MiB"]
        );
        assert_eq!(
            [(0, 0), (0, 1), (0, 12), (3, 0)].map(|(bad, good)| streak(bad, good)),
            [DASH, "1 sucesso", "12 sucessos", "3 falhas"]
        );
    }

    #[test]
    fn every_outcome_has_a_word() {
        for label in Outcome::LABELS {
            assert_ne!(outcome(label), DASH, "{label}");
        }
    }
}
