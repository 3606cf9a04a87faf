//! What a single run leaves behind: a file for the collector of textfiles, a push to a Pushgateway.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use crate::collector::{BlackHole, refusing};
use crate::support::{
    LIMIT, Place, Running, command, now, pause, processor, request, try_request, wait_until,
};

fn two() -> Place {
    let bad = processor("mau", &["sh", "-c", "exit 3"], "");
    Place::with_config(&(processor("bom", &["/bin/true"], "") + &bad))
}

/// The value of a series, written as it stands in the text.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[track_caller]
fn assert_value(text: &str, series: &str, expected: f64) {
    assert_eq!(value(text, series), Some(expected), "{series} in\n{text}");
}

const FILE: &[&str] = &["--single-run", "--arquivo-metricas", "metricas.prom"];

#[test]
fn the_counters_of_the_file_are_those_of_all_single_runs_and_its_gauges_those_of_the_last() {
    let place = two();
    for cycle in 1..=3_u8 {
        place.run(FILE).assert_code(1);
        let text = place.read("metricas.prom");
        let count = f64::from(cycle);
        for series in [
            "orquestrador_runs_total{outcome=\"success\",processor=\"bom\"}",
            "orquestrador_run_failures_total{processor=\"mau\",reason=\"exit_code\"}",
            "orquestrador_cycles_total{mode=\"parallel\",outcome=\"failure\",schedule=\"main\"}",
            "orquestrador_run_duration_seconds_count{outcome=\"failure\",processor=\"mau\"}",
            "orquestrador_run_duration_seconds_bucket{outcome=\"failure\",processor=\"mau\",le=\"+Inf\"}",
            "orquestrador_run_duration_seconds_bucket{outcome=\"failure\",processor=\"mau\",le=\"3600.0\"}",
        ] {
            assert_value(&text, series, count);
        }
        assert_value(
            &text,
            "orquestrador_runs_total{outcome=\"failure\",processor=\"bom\"}",
            0.0,
        );
        assert_value(
            &text,
            "orquestrador_processor_last_run_success{processor=\"mau\"}",
            0.0,
        );
        assert_value(
            &text,
            "orquestrador_processor_consecutive_failures{processor=\"mau\"}",
            count,
        );
        for own in ["\nprocess_", "\ntokio_", "exposition_series", "# {"] {
            assert!(!text.contains(own), "{own}: {text}");
        }
    }
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("metricas"))
        .collect();
    assert_eq!(left, ["metricas.prom"], "something is left of the writing");
    promtool_likes(&place.read("metricas.prom"));
}

fn promtool_likes(text: &str) {
    let mut promtool = command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
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
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{said}\n{text}"
    );
}

#[test]
fn a_processor_that_is_gone_and_buckets_that_changed_leave_no_old_series_in_the_file() {
    let place = two();
    place.run(FILE).assert_code(1);
    let good = processor("bom", &["/bin/true"], "");
    place.write(
        "orquestrador.toml",
        format!("{good}\n[telemetria]\nbuckets = [0.5, 30]\n"),
    );
    place.run(FILE).assert_code(0);

    let text = place.read("metricas.prom");
    assert!(!text.contains("mau"), "{text}");
    assert_value(
        &text,
        "orquestrador_runs_total{outcome=\"success\",processor=\"bom\"}",
        2.0,
    );
    let series = "orquestrador_run_duration_seconds_bucket{outcome=\"success\",processor=\"bom\",le=\"30.0\"}";
    assert_value(&text, series, 1.0);
    assert!(!text.contains("le=\"0.001\""), "{text}");
}

#[test]
fn without_single_run_and_with_an_address_that_is_none_the_options_are_refused() {
    let place = two();
    for (arguments, option) in [
        (&["--arquivo-metricas", "m.prom"][..], "--arquivo-metricas"),
        (
            &["--pushgateway", "http://localhost:9091"][..],
            "--pushgateway",
        ),
        (
            &["--single-run", "--pushgateway", "localhost:9091"][..],
            "--pushgateway",
        ),
        (
            &["--single-run", "--pushgateway", "https://a"][..],
            "--pushgateway",
        ),
    ] {
        let finished = place.run(arguments);
        finished.assert_code(2);
        finished.assert_complains(option);
    }
}

#[test]
fn a_dry_run_leaves_nothing_behind_and_counts_nothing() {
    let place = two();
    place.run(&[FILE, &["--dry-run"]].concat()).assert_code(0);
    assert!(!place.has("metricas.prom"));
}

#[test]
fn a_file_that_cannot_be_written_and_a_gateway_that_is_not_there_are_told_and_change_no_exit_code()
{
    let place = Place::with_config(&processor("bom", &["/bin/true"], ""));
    let file = ["--single-run", "--arquivo-metricas", "nao/existe/m.prom"];
    let finished = place.run(&file);
    finished.assert_code(0);
    finished.assert_complains("nao/existe/m.prom");

    let black_hole = BlackHole::start();
    for address in [refusing(), black_hole.address] {
        let url = format!("http://usuario:senhasecreta@{address}");
        let began = now();
        let finished = place.run(&["--single-run", "--pushgateway", &url]);
        finished.assert_code(0);
        finished.assert_complains("Pushgateway");
        assert!(!finished.stderr.contains("senhasecreta"), "{finished}");
        assert!(began.elapsed() < Duration::from_secs(15), "{finished}");
    }
}

/// A real Pushgateway, and its address.
fn pushgateway(place: &Place) -> (Running, SocketAddr) {
    let found = command("prometheus-pushgateway").arg("--version").output();
    found.expect("prometheus-pushgateway is missing; install the Debian package of that name");
    // It takes no port 0 that it would tell; a port that was just free is asked for again when it is lost.
    for _ in 0..5 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut gateway = command("prometheus-pushgateway");
        gateway
            .arg(format!("--web.listen-address={address}"))
            .env("MARCA_DO_TESTE", place.mark());
        let mut running = Running::start(gateway);
        let start = now();
        while start.elapsed() < LIMIT && !running.has_ended() {
            if try_request(address, "GET", "/-/ready").is_ok_and(|response| response.code == 200) {
                return (running, address);
            }
            pause(Duration::from_millis(50));
        }
    }
    panic!("the pushgateway does not start");
}

#[test]
fn a_real_pushgateway_takes_each_push_in_the_place_of_the_one_before_with_counters_that_grow() {
    let place = two();
    let (_gateway, address) = pushgateway(&place);
    let url = format!("http://{address}/");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let group = format!("instance=\"{}\",job=\"orquestrador_single\"", host.trim());
    for cycle in 1..=2_u8 {
        let finished = place.run(&["--single-run", "--pushgateway", &url]);
        finished.assert_code(1);
        assert!(!finished.stderr.contains("Pushgateway"), "{finished}");
        let text = wait_until("the push to be served", LIMIT, || {
            let text = request(address, "GET", "/metrics").body;
            text.contains("orquestrador_runs_total").then_some(text)
        });
        let series = format!(
            "orquestrador_run_failures_total{{{group},processor=\"mau\",reason=\"exit_code\"}}"
        );
        assert_value(&text, &series, f64::from(cycle));
        let groups = text
            .lines()
            .filter(|line| line.starts_with("push_time_seconds{"));
        assert_eq!(groups.count(), 1, "{text}");
        assert!(
            !text.contains("push_failure_time_seconds{")
                || value(&text, &format!("push_failure_time_seconds{{{group}}}")) == Some(0.0),
            "{text}"
        );
    }
}
