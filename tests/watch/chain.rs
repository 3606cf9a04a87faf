//! From a fault in a real run to a notification, and back after the repair.

use std::fs;

use super::files;
use super::parts::{self, Webhook};
use crate::support::{LIMIT, Place, command, request, wait_until};

/// It succeeds while the file `inteiro` is there.
const CONFIG: &str = r#"
intervalo = "1h"
[[processador]]
nome = "relatorio"
comando = ["test", "-e", "inteiro"]
intervalo = "500ms"
max_defasagem = "5s"
"#;

/// Minutes and hours of the alerts become seconds: every range and offset is 4 s, which is four scrapes as the shipped rules
/// demand, and nothing has to hold for longer. Thresholds stay.
fn in_seconds(rules: &str) -> String {
    let mut text = String::new();
    for line in files::without_waiting(rules)
        .lines()
        .filter(|line| !line.trim_start().starts_with("for: "))
    {
        let mut words = line.to_owned();
        for unit in ["2m", "5m", "10m", "15m", "30m", "1h", "6h"] {
            words = words
                .replace(&format!("[{unit}]"), "[4s]")
                .replace(&format!("offset {unit}"), "offset 4s");
        }
        text.push_str(&words);
        text.push('\n');
    }
    text
}

#[test]
fn a_fault_fires_notifies_and_is_resolved_after_its_repair() {
    let place = Place::with_config(CONFIG);
    let whole = place.write("inteiro", "");
    let webhook = Webhook::start();
    let orchestrator = place.service(&[]);
    let address = orchestrator.address();
    let (_manager, alertmanager) = parts::alertmanager(&place, webhook.address);
    let (_server, prometheus) = parts::prometheus(&place, address, alertmanager, in_seconds);
    let labels = [("job", "orquestrador"), ("processor", "relatorio")];
    wait_until("a success that was scraped", LIMIT, || {
        let success = "orquestrador_processor_last_run_success == 1";
        let found = parts::range(prometheus, success, jiff::Timestamp::now().as_second() - 5);
        (!found.unwrap().is_empty()).then_some(())
    });

    fs::remove_file(&whole).unwrap();
    let failing = webhook.wait_for("firing", "ProcessorFailing", &labels);
    let stale = webhook.wait_for("firing", "ProcessorStale", &labels);
    assert_eq!(stale["labels"]["severity"], "page");
    let annotations = &failing["annotations"];
    assert_eq!(
        annotations["processor_url"],
        "http://127.0.0.1:5007/processadores/relatorio"
    );
    assert_eq!(
        annotations["runbook_url"],
        "http://127.0.0.1:5007/runbooks#ProcessorFailing"
    );
    place.write("inteiro", "");
    webhook.wait_for("resolved", "ProcessorFailing", &labels);
    webhook.wait_for("resolved", "ProcessorStale", &labels);

    orchestrator.stop().assert_code(0);
    let instance = address.to_string();
    let labels = [("job", "orquestrador"), ("instance", instance.as_str())];
    let down = webhook.wait_for("firing", "Down", &labels);
    assert_eq!(down["labels"]["severity"], "page");
    let port = address.port().to_string();
    let again = place.program(&["--porta", &port]).start();
    assert_eq!(again.address(), address);
    webhook.wait_for("resolved", "Down", &labels);
    again.stop().assert_code(0);
}

#[test]
fn every_alert_has_its_severity_its_words_its_runbook_and_both_cases() {
    let runbooks = files::text("docs/runbooks.md");
    let cases: String = ["alerts", "anomaly", "slo", "slo_slow"]
        .map(|name| files::text(&format!("prometheus/tests/{name}.yml")))
        .concat();
    let rules: String = ["alerts", "slo", "stack"]
        .map(|name| files::text(&format!("prometheus/rules/{name}.yml")))
        .concat();
    let pages = [
        "Down",
        "SchedulerStalled",
        "ProcessorStale",
        "ErrorBudgetFastBurn",
        "NoLeader",
    ];
    let mut count = 0;
    for block in rules.split("- alert: ").skip(1) {
        let name = block.lines().next().unwrap();
        count += 1;
        for key in [
            "severity: ",
            "summary: ",
            "description: ",
            "runbook_url: ",
            "dashboard_url: ",
        ] {
            assert!(block.contains(key), "{name} lacks {key}");
        }
        assert_eq!(
            block.contains("severity: page"),
            pages.contains(&name),
            "{name}"
        );
        assert!(block.contains(&format!("/runbooks#{name}\n")), "{name}");
        assert!(
            runbooks.contains(&format!("\n## {name}\n")),
            "{name} has no runbook"
        );
        let question = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}\n");
        let answers: Vec<_> = cases
            .split(&question)
            .skip(1)
            .map(|rest| rest.lines().nth(1).unwrap().trim())
            .collect();
        assert!(
            answers.contains(&"exp_samples:"),
            "{name} has no case that fires it"
        );
        if name == "Watchdog" {
            continue; // It always fires; its second case is that nothing else does.
        }
        assert!(
            answers.contains(&"exp_samples: []"),
            "{name} has no case that does not fire it"
        );
    }
    assert_eq!(count, runbooks.matches("\n## ").count());
}

#[test]
fn every_panel_has_a_title_a_description_a_unit_and_the_source_that_can_be_chosen() {
    let mut titles = 0;
    for (name, board) in files::dashboards() {
        assert!(
            board["uid"]
                .as_str()
                .is_some_and(|uid| uid == format!("orquestrador-{name}"))
        );
        assert!(board.get("__inputs").is_none());
        for panel in files::panels(&board) {
            let words = |value: &serde_json::Value| {
                value.as_str().is_some_and(|text| !text.trim().is_empty())
            };
            assert!(
                words(&panel["title"]) && words(&panel["description"]),
                "{name}: {panel}"
            );
            assert!(
                words(&panel["fieldConfig"]["defaults"]["unit"]),
                "{name}: {panel}"
            );
            let targets = panel["targets"].as_array().unwrap();
            let sources = targets.iter().map(|target| &target["datasource"]["uid"]);
            assert!(
                sources
                    .chain([&panel["datasource"]["uid"]])
                    .all(|uid| uid == "${datasource}"),
                "{name}: {panel}"
            );
            titles += 1;
        }
    }
    assert!(titles > 80, "{titles}");
}

#[test]
fn an_orchestrator_that_is_down_or_stalled_silences_its_consequences_and_nothing_else() {
    let place = Place::new();
    let webhook = Webhook::start();
    let (_manager, address) = parts::alertmanager(&place, webhook.address);
    let alert = |name: &str, job: &str, instance: &str| {
        let mut labels = serde_json::json!({ "alertname": name, "job": job, "severity": "page" });
        if !instance.is_empty() {
            labels["instance"] = instance.into();
        }
        serde_json::json!({ "labels": labels })
    };
    let alerts = serde_json::json!([
        alert("SchedulerStalled", "parado", "a:1"),
        alert("ProcessorStale", "parado", "a:1"),
        alert("CycleLate", "parado", "b:1"),
        alert("ProcessorFailing", "parado", "a:1"),
        alert("Down", "sumido", ""),
        alert("NeverSucceeded", "sumido", "c:1"),
        alert("StartsMissed", "outro", "c:1"),
    ]);
    let answer = parts::post(address, "/api/v2/alerts", &alerts);
    assert!(answer.contains(" 200 "), "{answer}");
    let silenced = wait_until("all alerts to be looked at", LIMIT, || {
        let alerts = request(address, "GET", "/api/v2/alerts").json();
        let alerts = alerts.as_array().unwrap();
        let is_settled = |alert: &serde_json::Value| alert["status"]["state"] != "unprocessed";
        if alerts.len() < 7 || !alerts.iter().all(is_settled) {
            return None;
        }
        let silenced = alerts.iter().filter(|alert| {
            let by = alert["status"]["inhibitedBy"].as_array().unwrap();
            !by.is_empty()
        });
        let names = silenced.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned());
        Some(names.collect::<std::collections::BTreeSet<_>>())
    });
    assert_eq!(
        silenced.into_iter().collect::<Vec<_>>(),
        ["NeverSucceeded", "ProcessorStale"]
    );
}

#[test]
fn rules_for_another_job_are_written_and_prometheus_own_promtool_accepts_them() {
    let place = Place::new();
    let written = place.run(&[
        "regras",
        "-o",
        "r",
        "--job",
        "lotes",
        "--url",
        "https://lotes.exemplo",
    ]);
    written.assert_code(0);
    let files: Vec<_> = written.stdout.lines().collect();
    assert_eq!(files, ["r/recording.yml", "r/alerts.yml", "r/slo.yml"]);
    let mut promtool = command("promtool");
    promtool
        .args(["check", "rules"])
        .args(&files)
        .current_dir(place.path());
    let answer = promtool
        .output()
        .expect("promtool is missing; install the Debian package prometheus");
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    assert!(place.read("r/alerts.yml").contains("up{job=\"lotes\"}"));
    let written = place.run(&["dashboards", "-o", "d"]);
    written.assert_code(0);
    assert_eq!(written.stdout.lines().count(), 4);
    for (name, board) in files::dashboards() {
        let text = place.read(&format!("d/{name}.json"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            board
        );
    }
}
