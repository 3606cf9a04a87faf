//! What processors report of themselves in `ORQUESTRADOR_METRICS_FILE`, and what hostile ones get for it.

use std::fs;

use crate::support::{LIMIT, Place, Running, processor, wait_until};

/// Waits until a line stands in the exposition, and returns all of it.
fn wait_for(running: &Running, line: &str) -> String {
    wait_until(line, LIMIT, || {
        let text = running.get("/metrics").body;
        text.lines().any(|found| found == line).then_some(text)
    })
}

fn rejected(processor: &str, reason: &str) -> String {
    format!(
        "orquestrador_processor_metrics_rejected_total{{processor=\"{processor}\",reason=\"{reason}\"}} 1"
    )
}

const REPORT: &str = "#!/bin/sh\nset -e\ncat > \"$ORQUESTRADOR_METRICS_FILE.tmp\" <<FIM\n\
    # TYPE docs_total counter\ndocs_total{tentativa=\"$ORQUESTRADOR_ATTEMPT\"} 2\n# TYPE fila gauge\nfila 5\nFIM\n\
    mv \"$ORQUESTRADOR_METRICS_FILE.tmp\" \"$ORQUESTRADOR_METRICS_FILE\"\n";

#[test]
fn every_attempt_reports_in_a_file_of_its_own_and_counters_are_summed_over_cycles() {
    let place = Place::new();
    let script = place.script(
        "relata.sh",
        &format!("{REPORT}exit $ORQUESTRADOR_ATTEMPT_FALHA\n"),
    );
    let more =
        "tentativas = 2\nespera = \"10ms\"\nambiente = { ORQUESTRADOR_ATTEMPT_FALHA = \"3\" }";
    place.write("orquestrador.toml", processor("doc", &[&script], more));
    let running = place.service(&["--intervalo", "1s"]);
    running.wait_for_cycles(2);
    let text = wait_for(&running, "docs_total{processor=\"doc\",tentativa=\"2\"} 4");
    for line in [
        "docs_total{processor=\"doc\",tentativa=\"1\"} 4",
        "fila{processor=\"doc\"} 5",
        "orquestrador_run_attempts_total{processor=\"doc\"} 4",
        "orquestrador_run_retries_total{processor=\"doc\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("last_report_timestamp_seconds{processor=\"doc\"} 0\n"));
    running.stop();
    assert_eq!(place.files("dados/metricas"), [""; 0]);
}

#[test]
fn hostile_reports_harm_neither_the_runs_nor_the_endpoint() {
    let cases: [(&str, &str, &str); 8] = [
        ("gigante", "truncate -s 1G $F", "too_large"),
        ("binario", "head -c 100000 /bin/sh > $F", "syntax"),
        (
            "series",
            "{ echo '# TYPE x gauge'; seq 20000 | sed 's/.*/x{n=\"&\"} 1/'; } > $F",
            "too_many_series",
        ),
        (
            "reservado",
            "printf '# TYPE up gauge\\nup 0\\n# TYPE orquestrador_runs_total counter\\norquestrador_runs_total 9\\n' > $F",
            "reserved",
        ),
        (
            "nan",
            "printf '# TYPE y_total counter\\ny_total NaN\\n' > $F",
            "invalid_value",
        ),
        (
            "decresce",
            "printf '# TYPE h histogram\\nh_bucket{le=\"1\"} 2\\nh_bucket{le=\"+Inf\"} 1\\nh_sum 1\\nh_count 1\\n' > $F",
            "invalid_value",
        ),
        ("ligacao", "ln -s /etc/passwd $F", "unreadable"),
        ("fifo", "mkfifo $F", "unreadable"),
    ];
    let config: String = cases
        .iter()
        .map(|(name, shell, _)| {
            let shell = shell.replace("$F", "\"$ORQUESTRADOR_METRICS_FILE\"");
            processor(name, &["sh", "-c", &shell], "")
        })
        .collect();
    let place = Place::with_config(&config);
    let running = place.service(&["--intervalo", "10m"]);
    running.wait_for_cycles(1);
    let mut text = String::new();
    for (name, _, reason) in cases {
        text = wait_for(&running, &rejected(name, reason));
        let success =
            format!("orquestrador_runs_total{{outcome=\"success\",processor=\"{name}\"}} 1");
        assert!(text.lines().any(|found| found == success), "{success}");
    }
    for absent in ["\nup{", "\nup ", "y_total", "\nh_", "\nx{", "root:"] {
        assert!(!text.contains(absent), "{absent:?} in\n{text}");
    }
    let memory = running.peak_memory();
    assert!(memory < 200 << 20, "{memory} bytes");
    let ended = running.stop();
    ended.assert_complains("metrics of a processor were refused");
    assert_eq!(place.files("dados/metricas"), [""; 0]);
}

#[test]
fn conflicting_types_and_bounds_are_refused_to_the_second_processor() {
    let histogram = |bound: &str| {
        format!(
            "printf '# TYPE h histogram\\nh_bucket{{le=\"{bound}\"}} 1\\nh_bucket{{le=\"+Inf\"}} 1\\nh_sum 1\\nh_count 1\\n' > \"$ORQUESTRADOR_METRICS_FILE\""
        )
    };
    let gauge = "printf '# TYPE h gauge\\nh 1\\n' > \"$ORQUESTRADOR_METRICS_FILE\"";
    let config = processor("um", &["sh", "-c", &histogram("1")], "")
        + &processor("dois", &["sh", "-c", &histogram("2")], "")
        + &processor("tres", &["sh", "-c", gauge], "");
    let place = Place::with_config(&config);
    let running = place.service(&["--modo", "sequencial", "--intervalo", "10m"]);
    wait_for(&running, &rejected("dois", "bucket_mismatch"));
    let text = wait_for(&running, &rejected("tres", "type_conflict"));
    assert_eq!(text.matches("# TYPE h ").count(), 1);
    assert!(
        text.contains("h_bucket{processor=\"um\",le=\"1.0\"} 1"),
        "{text}"
    );
}

#[test]
fn a_dry_run_offers_no_file_and_leaves_nothing() {
    let shell = "test -z \"$ORQUESTRADOR_METRICS_FILE\"";
    let place = Place::with_config(&processor(
        "a",
        &["sh", "-c", shell],
        "aceita_dry_run = true",
    ));
    place.run(&["--single-run", "--dry-run"]).assert_code(0);
    assert_eq!(place.files("dados/metricas"), [""; 0]);
}

#[test]
fn the_example_processors_report_metrics_that_are_served() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let python = format!("{examples}/processador.py");
    let shell = format!("{examples}/processador.sh");
    let config =
        processor("em_python", &["python3", &python], "") + &processor("em_shell", &[&shell], "");
    let place = Place::with_config(&config);
    fs::write(place.join("um.txt"), "").unwrap();
    let running = place.service(&["--intervalo", "10m"]);
    running.wait_for_cycles(1);
    for name in ["em_python", "em_shell"] {
        let text = wait_for(
            &running,
            &format!("exemplo_arquivos_vistos_total{{processor=\"{name}\"}} 2"),
        );
        assert!(
            text.contains(&format!(
                "exemplo_maior_arquivo_bytes{{processor=\"{name}\"}} "
            )),
            "{text}"
        );
    }
}
