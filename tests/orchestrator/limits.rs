//! What a run may use, and what becomes of its output: `limites` and `saida`.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use crate::support::{Finished, Place, processor};

const JSON: &[&str] = &[
    "--single-run",
    "--modo",
    "sequencial",
    "--em-falha",
    "continuar",
    "--log-format",
    "json",
];

fn run(config: &str) -> (Place, Finished) {
    let place = Place::with_config(config);
    let finished = place.run(JSON);
    (place, finished)
}

/// What the start says of limits.
fn enforcement(finished: &Finished) -> String {
    let events = finished.events();
    let started = events
        .iter()
        .find(|event| event["event"] == "started")
        .expect("a start");
    let notes = started["notes"]
        .as_array()
        .expect("notes")
        .iter()
        .filter_map(Value::as_str);
    notes
        .filter(|note| note.starts_with("Limites: "))
        .map(str::to_owned)
        .collect()
}

/// Our path in the hierarchy of this controller; that of no controller is the unified one.
fn group_of(controller: &str) -> Option<String> {
    let groups = fs::read_to_string("/proc/self/cgroup").expect("groups");
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let mut controllers = controllers.split(',');
        controllers
            .any(|found| found == controller)
            .then(|| path.trim_end_matches('/').to_owned())
    })
}

/// Whether a control group can be made in `folder` that has these files.
fn can_be_made(folder: &str, files: &[&str]) -> bool {
    let made = tempfile::Builder::new().prefix("teste-").tempdir_in(folder);
    made.is_ok_and(|made| {
        let path = made.keep();
        let has_all = files.iter().all(|file| path.join(file).exists());
        fs::remove_dir(path).expect("an empty group");
        has_all
    })
}

/// Whether whoever is in our place can be bound by a group of this controller: it is tried.
fn can_be_bound(controller: &str) -> bool {
    let unified = group_of("").is_some_and(|path| {
        let folder = format!("/sys/fs/cgroup{path}");
        let delegation = format!("{folder}/cgroup.subtree_control");
        let delegated = fs::OpenOptions::new().write(true).open(delegation);
        let asked = delegated.map(|mut file| file.write_all(b"+memory +pids").ok());
        asked.is_ok() && can_be_made(&folder, &["memory.max", "pids.max"])
    });
    unified
        || group_of(controller).is_some_and(|path| {
            can_be_made(&format!("/sys/fs/cgroup/{controller}{path}"), &["tasks"])
        })
}

/// Whether the start says that a group bounds this, which it says exactly where one can.
#[track_caller]
fn is_bound_by_group(finished: &Finished, key: &str, controller: &str) -> bool {
    let said = enforcement(finished).contains(&format!("{key} por cgroup"));
    assert_eq!(said, can_be_bound(controller), "{controller}\n{finished}");
    said
}

#[test]
fn a_run_that_wants_more_memory_than_its_limit_fails_and_says_oom_where_the_kernel_tells() {
    let glutton = [
        "python3",
        "-c",
        "x = bytearray(300 << 20); print('sobreviveu')",
    ];
    let modest = ["python3", "-c", "print('coube')"];
    let limit = "limites = { memoria = \"100MiB\" }";
    let (_place, finished) = run(&[
        processor("guloso", &glutton, limit),
        processor("modesto", &modest, limit),
    ]
    .concat());
    let by_group = is_bound_by_group(&finished, "memoria", "memory");
    let expected = if by_group { "oom" } else { "exit_code" };
    assert_eq!(
        finished.outcome("guloso"),
        ("failure".to_owned(), expected.to_owned()),
        "{finished}"
    );
    assert_eq!(finished.outcome("modesto").0, "success", "{finished}");
}

#[test]
fn a_run_cannot_have_more_processes_than_its_limit_where_that_is_bound_by_a_group() {
    let forks = [
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait",
    ];
    let (_place, finished) = run(&processor("muitos", &forks, "limites = { processos = 4 }"));
    if is_bound_by_group(&finished, "processos", "pids") {
        assert_eq!(finished.outcome("muitos").0, "failure", "{finished}");
    } else {
        eprintln!(
            "AVISO: sem cgroup de pids, e root não tem limite de processos: nada foi verificado"
        );
    }
}

#[test]
fn cpu_time_and_open_files_are_bound_for_the_process() {
    let spins = ["sh", "-c", "while :; do :; done"];
    let config = [
        processor("gira", &spins, "limites = { cpu_tempo = \"1s\" }"),
        processor(
            "arquivos",
            &["sh", "-c", "ulimit -n"],
            "limites = { arquivos = 37 }",
        ),
    ];
    let (_place, finished) = run(&config.concat());
    assert_eq!(
        finished.outcome("gira"),
        ("failure".to_owned(), "signal".to_owned()),
        "{finished}"
    );
    let events = finished.events();
    let said = |name: &str| {
        let ended = |event: &&Value| event["event"] == "run_finished" && event["processor"] == name;
        events.iter().find(ended).expect("an end")["summary"].clone()
    };
    assert_eq!(said("arquivos"), "37");
}

#[test]
fn no_control_group_is_left_after_the_end() {
    let (place, finished) = run(&processor(
        "um",
        &["cp", "/proc/self/cgroup", "grupos"],
        "limites = { memoria = \"64MiB\", processos = 8 }",
    ));
    finished.assert_code(0);
    let mine = format!("orquestrador-{}", finished.pid);
    assert_eq!(
        place.read("grupos").contains(&mine),
        can_be_bound("memory") || can_be_bound("pids"),
        "{finished}"
    );
    let groups = fs::read_to_string("/proc/self/cgroup").expect("groups");
    for line in groups.lines() {
        let Some((controller, path)) = line
            .split_once(':')
            .and_then(|(_, rest)| rest.split_once(':'))
        else {
            continue;
        };
        let folder = format!("/sys/fs/cgroup/{controller}{path}");
        let Ok(entries) = fs::read_dir(folder.trim_end_matches('/')) else {
            continue;
        };
        let left: Vec<_> = entries
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| *name == *mine)
            .collect();
        assert!(left.is_empty(), "{left:?} in {folder}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused_with_their_key() {
    let config = processor(
        "um",
        &["true"],
        "limites = { memoria = \"1KiB\", processos = 0, cpu_tempo = \"0\", arquivo = 3 }",
    );
    let finished = Place::with_config(&config).run(&["validar"]);
    finished.assert_code(2);
    for key in [
        "limites.memoria",
        "limites.processos",
        "limites.cpu_tempo",
        "limites.arquivo: chave desconhecida; talvez arquivos",
    ] {
        finished.assert_complains(key);
    }
}

#[test]
fn output_goes_to_a_rotated_file_when_asked_masked_and_with_time_and_stream() {
    let talks = [
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6; do echo linha $i $MINHA_SENHA; done; echo erro >&2",
    ];
    let keys = "ambiente = { MINHA_SENHA = \"abre-te-sesamo\" }\n\
                saida = { arquivo = true, rotacao = \"120\", copias = 2 }";
    let (place, finished) = run(&processor("fala", &talks, keys));
    finished.assert_code(0);
    let kept: String = ["", ".1", ".2"]
        .iter()
        .map(|end| place.read(&format!("dados/saidas/fala.log{end}")))
        .collect();
    assert!(!place.has("dados/saidas/fala.log.3"));
    assert!(
        kept.contains(" stdout linha 6 ***\n") && kept.contains(" stderr erro\n"),
        "{kept}"
    );
    assert!(
        !kept.contains("sesamo") && !kept.contains("linha 1 "),
        "{kept}"
    );
    let (place, _) = run(&processor("cala", &talks, ""));
    assert!(!place.has("dados/saidas"), "nobody asked for a file");
}

#[test]
fn a_gigabyte_of_output_grows_nothing_and_every_byte_is_counted() {
    let writes = ["head", "-c", "1073741824", "/dev/zero"];
    let place = Place::with_config(&processor("um", &writes, ""));
    let running = place.service(&["--modo", "sequencial", "--intervalo", "1h"]);
    running.wait_for_cycles(1);
    let metrics = running.get("/metrics").body;
    let value = |series: &str| -> f64 {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(series))
            .expect(series);
        line.trim().parse().expect("a number")
    };
    let written = value("orquestrador_run_output_bytes_total{processor=\"um\",stream=\"stdout\"}");
    assert!((written - 1_073_741_824.0).abs() < 0.5, "{written}");
    let peak = running.peak_memory();
    assert!(peak < 60 << 20, "{peak} bytes in a debug build");
}
