//! Spans over OTLP, with collectors of every manner: what arrives, what is lost, that both add up, and that nobody
//! waits for it.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::collector::{
    BlackHole, Collector, Manner, Protocol, Received, attribute, hex, refusing, text,
};
use crate::support::{Finished, LIMIT, Launch, Place, Running, now, pause, processor, wait_until};

/// Everything that a span can become.
const RESULTS: [&str; 4] = ["exportados", "falhados", "descartados", "na_fila"];

/// Processors that end at once, in cycles that follow each other.
fn busy(processors: usize) -> Place {
    let each = (0..processors).map(|number| processor(&format!("p{number}"), &["/bin/true"], ""));
    Place::with_config(&format!(
        "intervalo = \"50ms\"\n{}",
        each.collect::<String>()
    ))
}

/// With the export to `address`, in small portions.
fn exporting(launch: Launch, address: SocketAddr, protocol: Protocol) -> Launch {
    launch
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.word())
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "400")
}

fn service(place: &Place, address: SocketAddr, protocol: Protocol) -> Launch {
    exporting(place.program(&["--porta", "0"]), address, protocol)
}

fn spans(status: &Value) -> &Value {
    &status["telemetria"]["tracos"]
}

fn number(spans: &Value, key: &str) -> u64 {
    spans[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {spans}"))
}

/// The sum of all samples of a family.
fn total(exposition: &str, family: &str) -> u64 {
    let samples = exposition.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        (name == family).then(|| value.parse::<f64>().unwrap())
    });
    let sum: f64 = samples.sum();
    format!("{sum:.0}").parse().unwrap()
}

/// Cycles and runs that were told to have ended.
fn ended(exposition: &str) -> u64 {
    total(exposition, "orquestrador_cycles_total") + total(exposition, "orquestrador_runs_total")
}

/// Lets cycles go until `enough`, pauses the schedule, and answers the exposition and the spans' part of the status
/// of the stillness after the last cycle.
fn still_after(running: &Running, enough: impl Fn(&Value) -> bool) -> (String, Value) {
    running.wait_for_status("enough of it", |status| enough(spans(status)).then_some(()));
    running.signal(Signal::SIGUSR2);
    wait_until("stillness", LIMIT, || {
        let exposition = running.get("/metrics").body;
        let is_still = total(&exposition, "orquestrador_cycles_in_flight") == 0
            && total(&exposition, "orquestrador_scheduler_paused") == 1;
        is_still.then_some(())
    });
    // What is being sent changes places in between, so both are asked until they agree.
    // A cycle that began right before the pause is told a moment after it.
    wait_until("status and metrics that agree", LIMIT, || {
        let before = ended(&running.get("/metrics").body);
        pause(Duration::from_millis(300));
        let exposition = running.get("/metrics").body;
        if ended(&exposition) != before || total(&exposition, "orquestrador_cycles_in_flight") > 0 {
            return None;
        }
        let status = spans(&running.status()).clone();
        let sum = total(&exposition, "orquestrador_otlp_spans_total");
        let queued = total(&exposition, "orquestrador_otlp_queue_spans");
        let gone = number(&status, "exportados")
            + number(&status, "falhados")
            + number(&status, "descartados");
        (gone == sum && number(&status, "na_fila") == queued).then_some((exposition, status))
    })
}

/// Cycles and runs that ended are the spans that were produced, and each of them is in exactly one place.
#[track_caller]
fn assert_adds_up((exposition, spans): &(String, Value)) -> u64 {
    let produced = ended(exposition);
    let sum: u64 = RESULTS.iter().map(|key| number(spans, key)).sum();
    assert_eq!(sum, produced, "{spans}");
    assert!(produced > 0);
    produced
}

/// The number that a warning of the end gives.
fn told(stderr: &str, key: &str) -> Option<u64> {
    let line = stderr
        .lines()
        .find(|line| line.contains("não chegaram ao coletor"))?;
    let (_, rest) = line.split_once(&format!("{key}="))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Stops it; whatever the collector does it ends in time, and what it says at the end adds up to what was produced.
#[track_caller]
fn stop(running: Running, produced: u64) -> Finished {
    running.signal(Signal::SIGTERM);
    let asked = now();
    let finished = running.wait();
    // 3 s and 250 ms are what is promised; the rest is for a machine that is busy with other tests.
    let limit = Duration::from_millis(3250) + Duration::from_secs(3);
    assert!(asked.elapsed() < limit, "{:?}\n{finished}", asked.elapsed());
    finished.assert_code(0);
    let keys = ["exported", "failed", "dropped", "queued"];
    let told: Option<Vec<_>> = keys.iter().map(|key| told(&finished.stderr, key)).collect();
    if let Some(told) = told {
        assert_eq!(told.iter().sum::<u64>(), produced, "{finished}");
    }
    finished
}

#[test]
fn every_span_that_was_produced_arrives_over_both_protocols_and_the_state_is_ok() {
    for protocol in Protocol::ALL {
        let place = busy(5);
        let collector = Collector::start(protocol, Manner::Takes);
        let running = service(&place, collector.address, protocol).start();

        let still = still_after(&running, |spans| number(spans, "exportados") > 60);
        let produced = assert_adds_up(&still);
        wait_until("the rest to arrive", LIMIT, || {
            (collector.spans().len() as u64 == produced).then_some(())
        });
        let status = running.wait_for_status("all to be counted", |status| {
            let all = number(spans(status), "exportados") == produced;
            all.then(|| spans(status).clone())
        });
        assert_eq!(status["estado"], "ok", "{status}");
        assert_eq!(
            (&status["desde"], &status["ultimo_erro"]),
            (&Value::Null, &Value::Null)
        );
        assert!(status["ultimo_envio"].is_string(), "{status}");
        let finished = stop(running, produced);

        assert!(!finished.stderr.contains("traços"), "{finished}");
        assert_eq!(collector.spans().len() as u64, produced, "{protocol:?}");
    }
}

#[test]
fn what_a_collector_does_not_take_is_counted_as_failed_and_dropped_and_the_state_is_degraded() {
    let black_hole = BlackHole::start();
    for protocol in Protocol::ALL {
        let hanging = Collector::start(protocol, Manner::Hangs);
        let unavailable = Collector::start(protocol, Manner::Unavailable);
        let rejecting = Collector::start(protocol, Manner::Rejects);
        let cases = [
            ("refusing", refusing()),
            ("black hole", black_hole.address),
            ("hanging", hanging.address),
            ("unavailable", unavailable.address),
            ("rejecting", rejecting.address),
        ];
        for (case, address) in cases {
            let place = busy(5);
            let launch = service(&place, address, protocol).env("OTEL_BSP_MAX_QUEUE_SIZE", "4");
            let running = launch.start();

            let enough = |spans: &Value| {
                // Only who answers at once may empty the queue faster than it fills.
                let is_dropping = number(spans, "descartados") > 0 || case == "rejecting";
                number(spans, "falhados") > 0 && is_dropping
            };
            let still = still_after(&running, enough);
            let produced = assert_adds_up(&still);

            let (_, spans) = still;
            assert_eq!(
                number(&spans, "exportados"),
                0,
                "{case} {protocol:?}: {spans}"
            );
            assert!(
                number(&spans, "na_fila") <= 4,
                "{case} {protocol:?}: {spans}"
            );
            assert_eq!(spans["estado"], "degraded", "{case} {protocol:?}: {spans}");
            assert!(spans["desde"].is_string(), "{case} {protocol:?}: {spans}");
            let error = spans["ultimo_erro"].as_str().unwrap();
            assert!(
                !error.is_empty() && error.len() <= 600,
                "{case} {protocol:?}: {error}"
            );
            let finished = stop(running, produced);
            assert!(
                told(&finished.stderr, "failed") > Some(0),
                "{case} {protocol:?}: {finished}"
            );
            let complaints = finished.stderr.matches("não podem ser exportados").count();
            assert_eq!(complaints, 1, "{case} {protocol:?}: {finished}");
            place.assert_nothing_is_alive();
        }
    }
}

#[test]
fn a_slow_collector_gets_what_fits_and_the_rest_is_dropped_and_counted() {
    for protocol in Protocol::ALL {
        let place = busy(5);
        let collector = Collector::start(protocol, Manner::Slow(Duration::from_millis(400)));
        let launch = service(&place, collector.address, protocol);
        let running = launch
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "4")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
            .start();

        let still = still_after(&running, |spans| {
            number(spans, "exportados") > 0 && number(spans, "descartados") > 0
        });
        let produced = assert_adds_up(&still);
        assert_eq!(number(&still.1, "falhados"), 0, "{}", still.1);
        let finished = stop(running, produced);

        let arrived = collector.spans().len() as u64;
        assert_eq!(
            told(&finished.stderr, "exported"),
            Some(arrived),
            "{finished}"
        );
    }
}

#[test]
fn a_collector_that_comes_back_ends_the_degradation_which_is_said_once() {
    let place = busy(2);
    let address = refusing();
    let running = service(&place, address, Protocol::Http).start();
    running.wait_for_status("the degradation", |status| {
        (spans(status)["estado"] == "degraded").then_some(())
    });

    let collector = Collector::start_at(address, Protocol::Http, Manner::Takes);
    running.wait_for_status("the recovery", |status| {
        (spans(status)["estado"] == "ok").then_some(())
    });

    assert!(!collector.spans().is_empty());
    let stderr = running.stderr();
    assert_eq!(stderr.matches("voltou a funcionar").count(), 1, "{stderr}");
}

#[test]
fn without_an_endpoint_the_state_is_disabled_and_every_count_is_there_at_0() {
    let place = busy(1);
    let running = place.service(&[]);
    let status = running.wait_for_cycles(2);
    let spans = spans(&status);
    assert_eq!(spans["estado"], "disabled", "{spans}");
    for key in RESULTS.iter().chain(&["capacidade_fila"]) {
        assert_eq!(number(spans, key), 0, "{key}");
    }
    let exposition = running.get("/metrics").body;
    for result in ["exported", "failed", "dropped"] {
        let line = format!("orquestrador_otlp_spans_total{{result=\"{result}\"}} 0\n");
        assert!(exposition.contains(&line), "{exposition}");
    }
}

#[test]
fn spans_arrive_compressed_when_the_standard_variable_asks_for_it() {
    for protocol in Protocol::ALL {
        let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
        let collector = Collector::start(protocol, Manner::Takes);
        let launch = exporting(
            place.program(&["--single-run"]),
            collector.address,
            protocol,
        );
        launch
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .run()
            .assert_code(0);
        assert_eq!(collector.spans().len(), 2, "{protocol:?}");
    }
}

#[test]
fn no_error_of_the_export_shows_a_password_or_a_header() {
    let place = busy(1);
    let address = refusing();
    let running = service(&place, address, Protocol::Http)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://usuario:senhasecreta@{address}"),
        )
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer abcdefgh",
        )
        .start();
    let error = running.wait_for_status("an error", |status| {
        spans(status)["ultimo_erro"].as_str().map(str::to_owned)
    });
    let finished = running.stop();
    for secret in ["senhasecreta", "abcdefgh"] {
        for text in [&error, &finished.stderr, &finished.stdout] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

fn of_name<'a>(spans: &'a [Received], name: &str) -> Vec<&'a Received> {
    spans.iter().filter(|span| span.span.name == name).collect()
}

#[test]
fn each_cycle_links_to_the_one_before_of_its_own_schedule() {
    let own = processor("proprio", &["/bin/true"], "intervalo = \"70ms\"");
    let main = processor("comum", &["/bin/true"], "");
    let place = Place::with_config(&format!("intervalo = \"50ms\"\n{own}{main}"));
    let collector = Collector::start(Protocol::Grpc, Manner::Takes);
    let running = service(&place, collector.address, Protocol::Grpc).start();
    running.wait_for_cycles(12);
    running.stop().assert_code(0);

    let received = collector.spans();
    for schedule in ["main", "own"] {
        let mut cycles = of_name(&received, "cycle");
        cycles.retain(|cycle| {
            cycle.attribute("orquestrador.cycle.schedule").as_deref() == Some(schedule)
        });
        let number = |cycle: &Received| -> u64 {
            cycle
                .attribute("orquestrador.cycle.number")
                .unwrap()
                .parse()
                .unwrap()
        };
        cycles.sort_by_key(|cycle| number(cycle));
        assert!(cycles.len() > 2, "{schedule}: {}", cycles.len());
        assert_eq!(cycles[0].span.links.len(), 0, "{schedule}");
        for pair in cycles.windows(2) {
            let [link] = &pair[1].span.links[..] else {
                panic!("{:?}", pair[1].span.links)
            };
            assert_eq!(
                (&link.trace_id, &link.span_id),
                (&pair[0].span.trace_id, &pair[0].span.span_id)
            );
            assert_ne!(pair[0].span.trace_id, pair[1].span.trace_id);
        }
    }
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_single_run_continues_the_trace_that_it_was_started_with_and_its_children_go_on() {
    let words = ["sh", "-c", "echo tp=$TRACEPARENT ts=$TRACESTATE"];
    let place = Place::with_config(&processor("fala", &words, ""));
    let collector = Collector::start(Protocol::Grpc, Manner::Takes);
    let run = || {
        let launch = place.program(&["--single-run", "--verbose"]);
        exporting(launch, collector.address, Protocol::Grpc)
    };

    let finished = run()
        .env("TRACEPARENT", PARENT)
        .env("TRACESTATE", "vendor=abc")
        .run();

    finished.assert_code(0);
    let spans = collector.spans();
    let (cycle, run_span) = (of_name(&spans, "cycle")[0], of_name(&spans, "run fala")[0]);
    assert_eq!(cycle.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(cycle.parent(), "00f067aa0ba902b7");
    assert_eq!(cycle.span.trace_state, "vendor=abc");
    assert_eq!(
        (run_span.trace_id(), run_span.parent()),
        (cycle.trace_id(), cycle.id())
    );
    let expected = format!(
        "tp=00-{}-{}-01 ts=vendor=abc",
        cycle.trace_id(),
        run_span.id()
    );
    finished.assert_says(&expected);

    // One that is not right is as good as none.
    let finished = run()
        .env("TRACEPARENT", "00-lixo-lixo-01")
        .env("TRACESTATE", "vendor=abc")
        .run();
    finished.assert_code(0);
    let spans = collector.spans();
    let cycle = of_name(&spans, "cycle")[1];
    assert_eq!(cycle.parent(), "");
    finished.assert_says(&format!("tp=00-{}-", cycle.trace_id()));
    finished.assert_silent_about("vendor=abc");
}

#[test]
fn a_service_does_not_continue_the_trace_of_whoever_started_it() {
    let place = busy(1);
    let collector = Collector::start(Protocol::Grpc, Manner::Takes);
    let running = service(&place, collector.address, Protocol::Grpc)
        .env("TRACEPARENT", PARENT)
        .start();
    running.wait_for_cycles(2);
    running.stop().assert_code(0);
    for cycle in of_name(&collector.spans(), "cycle") {
        assert_ne!(cycle.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(cycle.parent(), "");
    }
}

#[test]
fn a_parent_that_is_not_recorded_is_followed_in_that_too() {
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let collector = Collector::start(Protocol::Grpc, Manner::Takes);
    let launch = exporting(
        place.program(&["--single-run"]),
        collector.address,
        Protocol::Grpc,
    );
    let finished = launch
        .env("TRACEPARENT", &PARENT.replace("-01", "-00"))
        .run();
    finished.assert_code(0);
    assert_eq!(collector.spans().len(), 0);
}

#[test]
fn the_document_processors_continue_the_trace_with_a_span_for_each_document_and_its_stages() {
    for protocol in Protocol::ALL {
        let place = Place::new();
        let collector = Collector::start(protocol, Manner::Takes);
        let arguments = ["--single-run", "--modo", "sequencial", "--exemplos"];
        let launch = exporting(place.program(&arguments), collector.address, protocol);
        launch.run().assert_code(0);

        let spans = collector.spans();
        let cycle = of_name(&spans, "cycle")[0];
        assert!(
            spans.iter().all(|span| span.trace_id() == cycle.trace_id()),
            "{spans:#?}"
        );
        for (processor, collection, stages) in [
            (
                "modelo_contrato",
                "modelo_contrato",
                &["download", "parse", "extract", "compare", "save"][..],
            ),
            (
                "automatico",
                "versao",
                &["download", "parse", "compare", "report", "save"][..],
            ),
        ] {
            let run = of_name(&spans, &format!("run {processor}"))[0];
            let documents = of_name(&spans, "document");
            let document = documents
                .iter()
                .find(|span| span.parent() == run.id())
                .unwrap_or_else(|| panic!("no document of {processor}: {spans:#?}"));
            assert_eq!(document.service, processor);
            let named = document.attribute("orquestrador.document.collection");
            assert_eq!(named.as_deref(), Some(collection));
            assert_eq!(document.error(), None);
            for stage in stages {
                let is_there = of_name(&spans, stage)
                    .iter()
                    .any(|span| span.parent() == document.id());
                assert!(is_there, "no {stage} of {processor}: {spans:#?}");
            }
        }
    }
}

#[test]
fn a_document_that_fails_is_a_span_with_status_error_and_its_kind_and_so_is_its_run() {
    let place = Place::with_config(&processor(
        "modelo_contrato",
        &["@orquestrador", "processador", "modelo-contrato"],
        "",
    ));
    let [original, tagged] = ["modelo-locacao.docx", "modelo-locacao-com-tags.docx"].map(example);
    let import = [
        "importar",
        "modelo",
        "--original",
        &original,
        "--com-tags",
        &tagged,
    ];
    place.run(&import).assert_code(0);
    for file in place.files("dados/arquivos") {
        place.write(&file, "lixo");
    }
    let collector = Collector::start(Protocol::Grpc, Manner::Takes);
    let launch = exporting(
        place.program(&["--single-run"]),
        collector.address,
        Protocol::Grpc,
    );
    launch.run().assert_code(1);

    let spans = collector.spans();
    let document = of_name(&spans, "document")[0];
    assert_eq!(
        document.attribute("error.type").as_deref(),
        Some("unreadable")
    );
    let error = document.error().expect("an error");
    assert!(error.contains("arquivo original"), "{error}");
    let run = of_name(&spans, "run modelo_contrato")[0];
    assert_eq!(document.parent(), run.id());
    assert_eq!(run.attribute("error.type").as_deref(), Some("exit_code"));
    assert_eq!(run.attribute("process.exit.code").as_deref(), Some("1"));
}

fn example(name: &str) -> String {
    format!("{}/examples/documentos/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn captured_output_is_sent_as_logs_with_the_trace_of_its_run_when_asked_for_and_only_then() {
    let words = [
        "sh",
        "-c",
        "echo primeira; echo $SENHA_X; echo segunda >&2; exit 3",
    ];
    let config = processor("fala", &words, "ambiente = { SENHA_X = \"muitosecreta\" }");
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol, Manner::Takes);
        let run = |more: &str| {
            let place = Place::with_config(&format!("{config}{more}"));
            let launch = exporting(
                place.program(&["--single-run"]),
                collector.address,
                protocol,
            );
            launch.run().assert_code(1);
        };
        run("");
        assert_eq!(collector.logs().len(), 0, "nobody asked for it");
        run("[telemetria]\nlogs_otlp = true\n");

        let spans = collector.spans();
        let run = of_name(&spans, "run fala")[1];
        let mut lines = collector.logs();
        lines.sort_by_key(|line| line.time_unix_nano);
        let told: Vec<_> = lines
            .iter()
            .map(|line| {
                let body = text(line.body.as_ref().unwrap()).unwrap();
                let stream = attribute(&line.attributes, "log.iostream").unwrap();
                assert_eq!(
                    (hex(&line.trace_id), hex(&line.span_id)),
                    (run.trace_id(), run.id())
                );
                let processor = attribute(&line.attributes, "cicd.pipeline.task.name");
                assert_eq!(processor.as_deref(), Some("fala"));
                (stream, body)
            })
            .collect();
        let mut expected = [
            ("stdout", "primeira"),
            ("stdout", "***"),
            ("stderr", "segunda"),
        ]
        .map(|(stream, line)| (stream.to_owned(), line.to_owned()))
        .to_vec();
        let mut told_sorted = told.clone();
        expected.sort();
        told_sorted.sort();
        assert_eq!(told_sorted, expected, "{protocol:?}");
    }
}

#[test]
fn lines_that_a_hanging_collector_does_not_take_are_counted_and_hold_nobody() {
    let words = ["sh", "-c", "seq 1 200"];
    let config = processor("fala", &words, "") + "[telemetria]\nlogs_otlp = true\n";
    let place = Place::with_config(&format!("intervalo = \"50ms\"\n{config}"));
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol, Manner::Hangs);
        let running = service(&place, collector.address, protocol)
            .env("OTEL_BLRP_MAX_QUEUE_SIZE", "64")
            .env("OTEL_BLRP_SCHEDULE_DELAY", "50")
            .start();
        let logs = |status: &Value| status["telemetria"]["logs"].clone();
        running.wait_for_status("lost lines", |status| {
            let logs = logs(status);
            let is_lost = number(&logs, "falhados") > 0 && number(&logs, "descartados") > 0;
            (is_lost && logs["estado"] == "degraded").then_some(())
        });
        running.signal(Signal::SIGUSR2);
        let produced = wait_until("stillness", LIMIT, || {
            let exposition = running.get("/metrics").body;
            let is_still = total(&exposition, "orquestrador_cycles_in_flight") == 0
                && total(&exposition, "orquestrador_scheduler_paused") == 1;
            is_still.then(|| total(&exposition, "orquestrador_run_output_lines_total"))
        });
        let logs = logs(&running.status());
        let sum: u64 = RESULTS.iter().map(|key| number(&logs, key)).sum();
        assert_eq!(sum, produced, "{logs}");
        running.signal(Signal::SIGTERM);
        let asked = now();
        running.wait().assert_code(0);
        assert!(asked.elapsed() < Duration::from_millis(3250) + Duration::from_secs(3));
    }
}

#[test]
fn a_link_to_the_trace_stands_in_the_status_and_on_the_page() {
    let config = processor("bom", &["/bin/true"], "")
        + "[telemetria]\nlink_trace = \"http://painel/traco/{trace_id}\"\n";
    let place = Place::with_config(&config);
    let collector = Collector::start(Protocol::Http, Manner::Takes);
    let running = service(&place, collector.address, Protocol::Http).start();
    let status = running.wait_for_cycles(1);
    let of = &status["processadores"]["bom"];
    let link = format!("http://painel/traco/{}", of["trace_id"].as_str().unwrap());
    assert_eq!(of["link_trace"], link);
    assert!(running.get("/").body.contains(&format!("href=\"{link}\"")));

    for wrong in ["http://painel/", "javascript:{trace_id}", "{trace_id}"] {
        place.write(
            "orquestrador.toml",
            format!("[telemetria]\nlink_trace = \"{wrong}\"\n"),
        );
        let finished = place.run(&["validar"]);
        finished.assert_code(2);
        finished.assert_complains("telemetria.link_trace");
    }
}
