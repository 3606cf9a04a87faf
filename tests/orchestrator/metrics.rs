//! `/metrics`: which series are there and when, and whether Prometheus agrees.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    LIMIT, Place, Running, command, now, pause, processor, request, try_request, wait_until,
};

/// One that succeeds, one that fails, and one that never ends in these tests.
fn three() -> Place {
    let config = processor("bom", &["/bin/true"], "")
        + &processor("mau", &["sh", "-c", "exit 3"], "")
        + &processor("lento", &["sleep", "300"], "");
    Place::with_config(&format!("paralelismo = 4\n{config}"))
}

/// The value of one series, written as it stands in the exposition, or nothing when it is absent.
fn value(exposition: &str, series: &str) -> Option<f64> {
    let (name, labels) = split(series);
    let found = exposition
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let (found, value) = line.rsplit_once(' ')?;
            (split(found) == (name, labels.clone())).then(|| value.parse().unwrap())
        });
    assert!(found.is_none_or(f64::is_finite), "{series} is {found:?}");
    found
}

/// Name and labels, the labels in an order of their own.
fn split(series: &str) -> (&str, Vec<&str>) {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
    labels.sort_unstable();
    (name, labels)
}

fn metrics(running: &Running) -> String {
    running.get("/metrics").body
}

/// Waits until a series has a value, and returns the exposition that says so.
fn wait_for_value(running: &Running, series: &str, expected: f64) -> String {
    wait_until(&format!("{series} {expected}"), LIMIT, || {
        let text = metrics(running);
        let found = value(&text, series)?;
        ((found - expected).abs() < f64::EPSILON).then_some(text)
    })
}

#[track_caller]
fn assert_value(exposition: &str, series: &str, expected: f64) {
    assert_eq!(
        value(exposition, series),
        Some(expected),
        "{series} in\n{exposition}"
    );
}

#[test]
fn counters_and_timestamps_are_there_at_0_before_the_first_event() {
    let place = Place::with_config(&processor("lento", &["sleep", "300"], ""));
    let running = place.service(&[]);
    let text = metrics(&running);

    for outcome in [
        "success",
        "failure",
        "timeout",
        "cancellation",
        "skip",
        "error",
    ] {
        let series =
            format!("orquestrador_runs_total{{processor=\"lento\",outcome=\"{outcome}\"}}");
        assert_value(&text, &series, 0.0);
    }
    for reason in ["exit_code", "signal", "timeout", "spawn", "io", "lost"] {
        let series =
            format!("orquestrador_run_failures_total{{processor=\"lento\",reason=\"{reason}\"}}");
        assert_value(&text, &series, 0.0);
    }
    for outcome in ["success", "failure", "timeout", "cancellation", "error"] {
        let series = format!(
            "orquestrador_cycles_total{{mode=\"parallel\",outcome=\"{outcome}\",schedule=\"main\"}}"
        );
        assert_value(&text, &series, 0.0);
    }
    assert_value(
        &text,
        "orquestrador_processor_last_success_timestamp_seconds{processor=\"lento\"}",
        0.0,
    );
}

#[test]
fn gauges_of_a_result_are_absent_until_a_run_has_finished() {
    let place = three();
    let running = place.service(&[]);

    let text = wait_for_value(
        &running,
        "orquestrador_runs_total{processor=\"mau\",outcome=\"failure\"}",
        1.0,
    );

    assert_value(
        &text,
        "orquestrador_processor_last_run_success{processor=\"mau\"}",
        0.0,
    );
    let unfinished = "orquestrador_processor_last_run_success{processor=\"lento\"}";
    assert_eq!(
        value(&text, unfinished),
        None,
        "a failure that did not happen is claimed"
    );
    let duration =
        "orquestrador_run_duration_seconds_count{processor=\"lento\",outcome=\"success\"}";
    assert_eq!(
        value(&text, duration),
        None,
        "a duration was observed of a run that goes on"
    );
}

#[test]
fn a_success_and_a_failure_are_told_in_counters_gauges_and_histograms() {
    let config =
        processor("bom", &["/bin/true"], "") + &processor("mau", &["sh", "-c", "exit 3"], "");
    let place = Place::with_config(&config);
    let running = place.service(&["--modo", "sequencial"]);
    running.wait_for_cycles(1);
    let cycle =
        "orquestrador_cycles_total{mode=\"sequential\",outcome=\"failure\",schedule=\"main\"}";
    let text = wait_for_value(&running, cycle, 1.0);

    let ones = [
        "orquestrador_runs_total{processor=\"bom\",outcome=\"success\"}",
        "orquestrador_runs_total{processor=\"mau\",outcome=\"failure\"}",
        "orquestrador_run_failures_total{processor=\"mau\",reason=\"exit_code\"}",
        "orquestrador_processor_last_run_success{processor=\"bom\"}",
        "orquestrador_run_duration_seconds_count{processor=\"bom\",outcome=\"success\"}",
        "orquestrador_run_duration_seconds_count{processor=\"mau\",outcome=\"failure\"}",
        "orquestrador_cycle_duration_seconds_count{mode=\"sequential\",outcome=\"failure\",schedule=\"main\"}",
    ];
    for series in ones {
        assert_value(&text, series, 1.0);
    }
    assert_value(
        &text,
        "orquestrador_processor_last_run_success{processor=\"mau\"}",
        0.0,
    );
    assert_value(
        &text,
        "orquestrador_processor_last_success_timestamp_seconds{processor=\"mau\"}",
        0.0,
    );
    assert_value(
        &text,
        "orquestrador_runs_total{processor=\"mau\",outcome=\"success\"}",
        0.0,
    );
    let success = value(
        &text,
        "orquestrador_processor_last_success_timestamp_seconds{processor=\"bom\"}",
    );
    let seconds = fs::metadata(place.join("dados"))
        .unwrap()
        .modified()
        .unwrap();
    let seconds = seconds.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(
        success.is_some_and(|at| (at - seconds).abs() < 60.0),
        "{success:?} is not now"
    );
}

#[test]
fn a_timeout_and_a_spawn_error_are_counted_under_their_own_reasons() {
    let config = processor("dorme", &["sleep", "300"], "timeout = \"1s\"")
        + &processor("ausente", &["/nao/existe"], "");
    let place = Place::with_config(&config);
    let running = place.service(&[]);
    running.wait_for_cycles(1);

    let text = wait_for_value(
        &running,
        "orquestrador_run_failures_total{processor=\"dorme\",reason=\"timeout\"}",
        1.0,
    );

    assert_value(
        &text,
        "orquestrador_runs_total{processor=\"dorme\",outcome=\"timeout\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_run_failures_total{processor=\"ausente\",reason=\"spawn\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_run_stop_duration_seconds_count{processor=\"dorme\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_runs_total{processor=\"ausente\",outcome=\"error\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_processor_last_run_success{processor=\"ausente\"}",
        0.0,
    );
}

#[test]
fn the_exposition_is_text_0_0_4_and_build_info_names_this_version() {
    let place = three();
    let running = place.service(&[]);

    let response = running.get("/metrics");

    assert_eq!(response.code, 200);
    assert_eq!(
        response.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let info = response
        .body
        .lines()
        .find(|line| line.starts_with("orquestrador_build_info{"));
    let info = info.expect("build_info");
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(info.contains(&version) && info.ends_with(" 1"), "{info}");
    for label in ["revision=", "rustc="] {
        assert!(info.contains(label), "{info}");
    }
}

#[test]
fn every_family_of_ours_has_help_and_type_and_no_label_outside_the_closed_sets() {
    let place = three();
    let running = place.service(&[]);
    let text = wait_for_value(
        &running,
        "orquestrador_runs_total{processor=\"mau\",outcome=\"failure\"}",
        1.0,
    );
    let known = "processor outcome reason stream level result mode trigger schedule schedule_kind handler \
        code operation version revision rustc collection stage state kind category method limit le";
    let known: Vec<_> = known.split_whitespace().collect();

    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = split(line.rsplit_once(' ').unwrap().0);
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                name.strip_suffix(suffix)
                    .filter(|it| text.contains(&format!("# TYPE {it} ")))
            })
            .unwrap_or(name);
        assert!(
            text.contains(&format!("# HELP {family} ")),
            "{family} has no help"
        );
        assert!(
            text.contains(&format!("# TYPE {family} ")),
            "{family} has no type"
        );
        for label in labels.iter().filter(|label| !label.is_empty()) {
            let (label, _) = label.split_once('=').unwrap();
            assert!(known.contains(&label), "{label} in {line}");
        }
    }
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let place = three();
    let running = place.service(&[]);
    let text = wait_for_value(
        &running,
        "orquestrador_runs_total{processor=\"mau\",outcome=\"failure\"}",
        1.0,
    );

    let mut promtool = command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing; install the Debian package prometheus");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();

    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{}: {said}\n{text}",
        output.status
    );
}

/// A Prometheus that scrapes `target` every second, and its address.
pub(crate) fn prometheus(place: &Place, target: SocketAddr) -> (Running, SocketAddr) {
    prometheus_with(place, target, "")
}

/// The same with `more` lines of configuration for the scrape.
pub(crate) fn prometheus_with(
    place: &Place,
    target: SocketAddr,
    more: &str,
) -> (Running, SocketAddr) {
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: orquestrador\n  \
         static_configs: [{{targets: ['{target}']}}]\n{more}"
    );
    let config = place.write("prometheus.yml", config);
    // It takes no port 0 that it would tell; a port that was just free is asked for again when it is lost.
    for _ in 0..5 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut server = command("prometheus");
        server
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .env("MARCA_DO_TESTE", place.mark());
        require_prometheus();
        let mut running = Running::start(server);
        let start = now();
        while start.elapsed() < LIMIT && !running.has_ended() {
            if try_request(address, "GET", "/-/ready").is_ok_and(|response| response.code == 200) {
                return (running, address);
            }
            pause(Duration::from_millis(50));
        }
    }
    panic!("prometheus does not start");
}

fn require_prometheus() {
    let found = command("prometheus").arg("--version").output();
    found.expect("prometheus is missing; install the Debian package prometheus");
}

/// A query as it stands in an address.
pub(crate) fn encoded(promql: &str) -> String {
    let encode = |byte: u8| format!("%{byte:02X}");
    promql.bytes().map(encode).collect::<Vec<_>>().concat()
}

/// The value that a query has in Prometheus, or nothing when it has none.
pub(crate) fn query(prometheus: SocketAddr, promql: &str) -> Option<f64> {
    let path = format!("/api/v1/query?query={}", encoded(promql));
    let answer: Value = request(prometheus, "GET", &path).json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"]["result"][0]["value"][1]
        .as_str()?
        .parse()
        .ok()
}

/// The expression of the alert `ProcessorStale`, which one rule asks for every processor.
const STALE: &str = "(time() - (orquestrador_processor_last_success_timestamp_seconds > 0)) \
    > on(job,instance,processor) (orquestrador_processor_max_staleness_seconds > 0)";

#[test]
fn after_a_restart_a_real_prometheus_finds_the_same_processors_stale_and_the_same_gauges() {
    let both = |good: &str, bad: &str| {
        "intervalo = \"1h\"\n".to_owned()
            + &processor("velho", &["sh", "-c", bad], "max_defasagem = \"1s\"")
            + &processor("novo", &["sh", "-c", good], "max_defasagem = \"1h\"")
    };
    let place = Place::with_config(&both("exit 0", "exit 0"));
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    running.stop().assert_code(0);
    // From now on nothing succeeds any more; the second start fails once, the third never comes to an end.
    place.write("orquestrador.toml", both("exit 3", "exit 3"));
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let gauges = |running: &Running| -> Vec<String> {
        let is_state = |line: &&str| {
            let last = line.starts_with("orquestrador_processor_last_")
                && !line.starts_with("orquestrador_processor_last_start");
            let of_streak = line.starts_with("orquestrador_processor_failing_since")
                || line.starts_with("orquestrador_processor_consecutive")
                || line.starts_with("orquestrador_processor_first_seen")
                || line.starts_with("orquestrador_processor_max_staleness");
            last || of_streak
        };
        let body = running.get("/metrics").body;
        body.lines().filter(is_state).map(str::to_owned).collect()
    };
    let before = gauges(&running);
    let stale = |running: &Running| {
        let (_prometheus, address) = prometheus(&place, running.address());
        wait_until("a stale processor", LIMIT, || {
            query(address, &format!("count({STALE})")).filter(|count| *count > 0.0)
        });
        let of = |name: &str| {
            query(
                address,
                &format!(
                    "count(({STALE}) and on(processor) orquestrador_processor_info{{processor=\"{name}\"}})"
                ),
            )
        };
        (of("velho"), of("novo"))
    };
    let was_stale = stale(&running);
    running.stop().assert_code(0);

    place.write("orquestrador.toml", both("sleep 300", "sleep 300"));
    let running = place.service(&[]);
    running.wait_for_status("both to run", |status| {
        (status["processadores_ativos"].as_array()?.len() == 2).then_some(())
    });

    assert_eq!(gauges(&running), before);
    assert!(
        before
            .iter()
            .any(|line| line.contains("consecutive_failures{processor=\"velho\"} 1")),
        "{before:?}"
    );
    assert_eq!(was_stale, (Some(1.0), None));
    assert_eq!(stale(&running), was_stale);
    running.stop().assert_code(0);
}

#[test]
fn a_real_prometheus_scrapes_the_service_and_answers_a_query_of_its_failures() {
    let place = three();
    let running = place.service(&[]);
    wait_for_value(
        &running,
        "orquestrador_runs_total{processor=\"mau\",outcome=\"failure\"}",
        1.0,
    );
    let (_prometheus, address) = prometheus(&place, running.address());

    let wait_for = |promql: &str, expected: f64| {
        wait_until(&format!("{promql} = {expected}"), LIMIT, || {
            query(address, promql).filter(|found| (found - expected).abs() < f64::EPSILON)
        });
    };
    wait_for("up{job=\"orquestrador\"}", 1.0);
    wait_for(
        "orquestrador_run_failures_total{processor=\"mau\",reason=\"exit_code\"}",
        1.0,
    );
    wait_for(
        "sum(orquestrador_run_failures_total{processor=\"bom\"})",
        0.0,
    );
    wait_for(
        "orquestrador_processor_last_run_success{processor=\"mau\"}",
        0.0,
    );
}

#[test]
fn after_a_kill_the_next_start_counts_the_lost_run_and_knows_the_last_success() {
    let config = processor("bom", &["/bin/true"], "") + &processor("lento", &["sleep", "300"], "");
    let place = Place::with_config(&config);
    let success = "orquestrador_processor_last_success_timestamp_seconds{processor=\"bom\"}";
    let first_seen = "orquestrador_processor_first_seen_timestamp_seconds{processor=\"bom\"}";
    let killed = place.service(&[]);
    let before = wait_until("a success and a run in flight", LIMIT, || {
        let text = metrics(&killed);
        let at = value(&text, success).filter(|at| *at > 0.0);
        let in_flight = value(&text, "orquestrador_runs_in_flight{processor=\"lento\"}");
        at.filter(|_| in_flight == Some(1.0)).map(|_| text)
    });
    killed.signal(Signal::SIGKILL);
    killed.wait();

    // One whose processors are not started yet, so that nothing of it is counted beside what was lost.
    place.write(
        "orquestrador.toml",
        format!("modo = \"sequencial\"\n{config}").replace("/bin/true", "/bin/sleep\", \"300"),
    );
    let running = place.service(&[]);
    let text = wait_for_value(
        &running,
        "orquestrador_run_failures_total{processor=\"lento\",reason=\"lost\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_runs_total{processor=\"lento\",outcome=\"error\"}",
        1.0,
    );
    assert_value(
        &text,
        "orquestrador_processor_last_run_success{processor=\"lento\"}",
        0.0,
    );
    assert_value(
        &text,
        "orquestrador_processor_consecutive_failures{processor=\"lento\"}",
        1.0,
    );
    for series in [success, first_seen] {
        assert_eq!(value(&text, series), value(&before, series), "{series}");
    }
}

#[test]
fn the_loop_ticks_at_least_every_5_seconds_inside_a_long_cycle() {
    let place = Place::with_config(&processor("lento", &["sleep", "300"], ""));
    let running = place.service(&[]);
    let tick = || {
        value(
            &metrics(&running),
            "orquestrador_scheduler_last_tick_timestamp_seconds",
        )
    };
    let first = wait_until("a run", LIMIT, || {
        let active = running.status()["processadores_ativos"] == serde_json::json!(["lento"]);
        tick().filter(|tick| active && *tick > 0.0)
    });

    wait_until("the next tick", Duration::from_secs(7), || {
        tick().filter(|tick| *tick > first)
    });

    assert_value(
        &metrics(&running),
        "orquestrador_runs_in_flight{processor=\"lento\"}",
        1.0,
    );
}
