//! Flags, variables, the file, their precedence, and every kind of bad input.

use std::fs;
use std::time::Duration;

use toml::Table;

use crate::support::{Finished, Launch, Place, processor};

const FLAGS: &[&str] = &[
    "--modo",
    "--single-run",
    "--verbose",
    "--intervalo",
    "--porta",
    "--escutar",
    "--config",
    "--dados",
    "--dry-run",
    "--log-format",
    "--em-falha",
    "--apenas",
    "--exemplos",
];

/// A refusal needs no more than a look at its input.
const REFUSAL_LIMIT: Duration = Duration::from_secs(10);

/// A processor that leaves a file when it is started.
fn leaves_a_trace() -> String {
    processor("rastro", &["sh", "-c", "touch rodou"], "")
}

/// What `orquestrador validar` prints under these variables, read as TOML.
fn effective(place: &Place, variables: &[(&str, &str)]) -> Table {
    let launch = place.program(&["validar"]);
    let launch = variables
        .iter()
        .fold(launch, |launch, (name, value)| launch.env(name, value));
    let finished = launch.run();
    finished.assert_code(0);
    finished
        .stdout
        .parse()
        .unwrap_or_else(|error| panic!("{error}\n{finished}"))
}

/// Seconds of a duration as `validar` writes it, in whatever unit.
fn seconds(settings: &Table, key: &str) -> u64 {
    let text = settings[key].as_str().unwrap();
    let (number, unit) = text.split_at(text.find(|sign: char| sign.is_alphabetic()).unwrap());
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{text}"),
    };
    number.parse::<u64>().unwrap() * unit
}

/// The program refuses: code 2, one message that names all of `words`, nothing started, nothing written.
#[track_caller]
fn assert_refused(place: &Place, launch: Launch, words: &[&str]) {
    let before = place.files(".");
    let finished = launch.start().wait_within(REFUSAL_LIMIT);
    finished.assert_code(2);
    for word in words {
        finished.assert_complains(word);
    }
    assert_short(&finished);
    assert!(
        finished.stdout.is_empty(),
        "an error belongs on stderr\n{finished}"
    );
    assert_eq!(
        place.files("."),
        before,
        "something was written\n{finished}"
    );
}

#[track_caller]
fn assert_short(finished: &Finished) {
    let lines = finished.stderr.lines().count();
    assert!((1..=12).contains(&lines), "{lines} lines\n{finished}");
    finished.assert_silent_about("panicked");
    finished.assert_silent_about("RUST_BACKTRACE");
}

#[test]
fn help_is_in_portuguese_and_names_every_flag_and_the_defaults() {
    let place = Place::new();
    for flag in ["--help", "-h"] {
        let finished = place.run(&[flag]);

        finished.assert_code(0);
        for name in FLAGS {
            finished.assert_says(name);
        }
        for default in ["paralelo", "60s", "5007", "127.0.0.1", "./dados", "console"] {
            finished.assert_says(default);
        }
        for english in [
            "Usage",
            "Options:",
            "OPTIONS",
            "Commands",
            "Print",
            "default:",
            "ossible values",
        ] {
            finished.assert_silent_about(english);
        }
    }
}

#[test]
fn the_help_of_every_sub_command_is_in_portuguese() {
    let place = Place::new();
    let commands: &[&[&str]] = &[
        &["validar"],
        &["importar"],
        &["importar", "modelo"],
        &["marcar"],
        &["listar"],
        &["relatorio"],
        &["tags"],
        &["comparar"],
        &["processador"],
    ];
    for command in commands {
        let finished = place.run(&[*command, &["--help"]].concat());

        finished.assert_code(0);
        for english in [
            "Usage",
            "Options:",
            "OPTIONS",
            "Arguments",
            "Print",
            "default:",
            "ossible values",
        ] {
            finished.assert_silent_about(english);
        }
    }
}

#[test]
fn version_names_the_program_and_its_version() {
    for flag in ["--version", "-V"] {
        let finished = Place::new().run(&[flag]);

        finished.assert_code(0);
        let version = concat!("orquestrador ", env!("CARGO_PKG_VERSION"));
        assert!(finished.stdout.starts_with(version), "{finished}");
    }
}

#[test]
fn without_flag_variable_or_file_the_defaults_are_those_of_the_help() {
    let settings = effective(&Place::new(), &[]);

    assert_eq!(settings["modo"].as_str(), Some("paralelo"));
    assert_eq!(seconds(&settings, "intervalo"), 60);
    assert_eq!(settings["porta"].as_integer(), Some(5007));
    assert_eq!(settings["escutar"].as_str(), Some("127.0.0.1"));
    assert!(
        settings["dados"]
            .as_str()
            .is_some_and(|path| path.ends_with("dados"))
    );
    let names: Vec<_> = settings["processador"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["nome"].as_str())
        .collect();
    assert_eq!(names, [Some("modelo_contrato"), Some("automatico")]);
}

#[test]
fn each_variable_sets_what_its_flag_sets() {
    let place = Place::new();
    place.write("outra.toml", "porta = 6100\n");
    let table = [
        ("ORQUESTRADOR_MODO", "sequencial", "modo", "\"sequencial\""),
        ("ORQUESTRADOR_PORTA", "6001", "porta", "6001"),
        (
            "ORQUESTRADOR_ESCUTAR",
            "127.0.0.2",
            "escutar",
            "\"127.0.0.2\"",
        ),
        ("ORQUESTRADOR_DADOS", "outros", "dados", "\"outros\""),
        ("ORQUESTRADOR_EM_FALHA", "parar", "em_falha", "\"parar\""),
        ("ORQUESTRADOR_CONFIG", "outra.toml", "porta", "6100"),
    ];
    for (name, value, key, expected) in table {
        let settings = effective(&place, &[(name, value)]);
        assert_eq!(settings[key].to_string(), expected, "{name}={value}");
        assert_ne!(
            effective(&place, &[(name, "")])[key].to_string(),
            expected,
            "{name} empty is unset"
        );
    }
    for (value, expected) in [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600)] {
        let settings = effective(&place, &[("ORQUESTRADOR_INTERVALO", value)]);
        assert_eq!(
            seconds(&settings, "intervalo"),
            expected,
            "ORQUESTRADOR_INTERVALO={value}"
        );
    }
}

#[test]
fn the_variables_of_the_switches_and_of_the_log_do_what_their_flags_do() {
    let config = processor("um", &["sh", "-c", "echo linha; echo fim"], "") + &leaves_a_trace();
    let place = Place::with_config(&config);
    let run = |name: &str, value: &str| {
        place
            .program(&[])
            .env("ORQUESTRADOR_SINGLE_RUN", "sim")
            .env(name, value)
            .run()
    };

    run("ORQUESTRADOR_VERBOSE", "1").assert_says("linha");
    assert!(!run("ORQUESTRADOR_LOG_FORMAT", "json").events().is_empty());
    fs::remove_file(place.join("rodou")).unwrap();
    run("ORQUESTRADOR_APENAS", "um").assert_code(0);
    assert!(!place.has("rodou"), "ORQUESTRADOR_APENAS ran another one");
    run("ORQUESTRADOR_EXEMPLOS", "true").assert_says("exemplo");
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let place = Place::with_config(&leaves_a_trace());
    let interval = |flag: &[&str], variable: &str| {
        let arguments = [&["--porta", "0"], flag].concat();
        let running = place
            .program(&arguments)
            .env("ORQUESTRADOR_INTERVALO", variable)
            .start();
        let status = running.status();
        running.stop().assert_code(0);
        status["intervalo_verificacao"].as_f64().unwrap()
    };
    assert_eq!(interval(&[], "").to_string(), "60");
    place.write(
        "orquestrador.toml",
        format!("intervalo = \"70s\"\n{}", leaves_a_trace()),
    );

    assert_eq!(interval(&[], "").to_string(), "70");
    assert_eq!(interval(&[], "80").to_string(), "80");
    assert_eq!(interval(&["--intervalo", "90"], "80").to_string(), "90");
}

#[test]
fn a_boolean_is_true_false_1_0_sim_or_nao_in_any_case_and_empty_is_unset() {
    let place = Place::with_config(&leaves_a_trace());
    let run = |value: &str| {
        place
            .program(&["--single-run"])
            .env("ORQUESTRADOR_DRY_RUN", value)
            .run()
    };
    for value in ["true", "TRUE", "1", "sim", "Sim"] {
        run(value).assert_says("🧪 Simulação: nada será gravado");
    }
    for value in ["false", "False", "0", "nao", "NAO", ""] {
        let finished = run(value);
        finished.assert_code(0);
        finished.assert_silent_about("🧪 Simulação");
    }
}

#[test]
fn a_variable_of_the_old_system_or_a_misspelt_one_warns_once_and_names_the_new_one() {
    let place = Place::new();
    let table = [
        ("CHECK_INTERVAL", "7", "ORQUESTRADOR_INTERVALO"),
        ("VERBOSE_MODE", "true", "ORQUESTRADOR_VERBOSE"),
        ("RESULTS_DIR", "velho", "ORQUESTRADOR_DADOS"),
        ("MODELO_CONTRATO_PORT", "5006", "[[processador]]"),
        ("FLASK_PORT", "5000", "ORQUESTRADOR_PORTA"),
        ("FLASK_ENV", "production", "; use "),
        ("ORQUESTRADOR_INTERVALLO", "9", "ORQUESTRADOR_INTERVALO"),
    ];
    for (name, value, new) in table {
        let finished = place.program(&["validar"]).env(name, value).run();

        finished.assert_code(0);
        let said: Vec<_> = finished
            .stderr
            .lines()
            .filter(|line| line.contains(name))
            .collect();
        assert_eq!(said.len(), 1, "one warning about {name}\n{finished}");
        assert!(
            said[0].contains(new),
            "the replacement {new} of {name} is not named\n{finished}"
        );
        let settings: Table = finished.stdout.parse().unwrap();
        assert_eq!(seconds(&settings, "intervalo"), 60, "{name} was honoured");
    }
}

#[test]
fn validar_masks_what_looks_secret_or_is_marked_as_secret_and_shows_the_rest() {
    let more = "ambiente = { BANCO_TOKEN = \"uva-11\", RECEITA = \"uva-22\", COR = \"azul\" }\n\
        segredos = [\"RECEITA\"]";
    let place = Place::with_config(&processor("um", &["/bin/true"], more));

    let finished = place
        .program(&["validar"])
        .env("DIRECTUS_TOKEN", "uva-33")
        .run();

    finished.assert_code(0);
    finished.assert_says("azul");
    for secret in ["uva-11", "uva-22", "uva-33"] {
        finished.assert_silent_about(secret);
    }
    assert_eq!(
        place.files("."),
        ["orquestrador.toml"],
        "validar writes nothing"
    );
}

#[test]
fn what_validar_prints_is_a_configuration_that_means_the_same() {
    let config = "modo = \"sequencial\"\nintervalo = \"5m\"\nporta = 0\n".to_owned()
        + &processor(
            "um",
            &["/bin/echo", "aspas \" e \\ barra"],
            "timeout = \"90s\"\nrotulo = \"Ação\"",
        );
    let place = Place::with_config(&config);
    let first = effective(&place, &[]);

    place.write("de_volta.toml", first.to_string());

    assert_eq!(
        effective(&place, &[("ORQUESTRADOR_CONFIG", "de_volta.toml")]),
        first
    );
}

#[test]
fn a_bad_flag_is_refused_with_its_name() {
    let place = Place::with_config(&leaves_a_trace());
    let table: &[(&[&str], &[&str])] = &[
        (&["--turbo"], &["--turbo"]),
        (&["fazer"], &["fazer"]),
        (
            &["--modo", "turbo"],
            &["--modo", "turbo", "paralelo", "sequencial"],
        ),
        (&["--modo"], &["--modo"]),
        (
            &["--em-falha", "talvez"],
            &["--em-falha", "talvez", "parar", "continuar"],
        ),
        (
            &["--log-format", "xml"],
            &["--log-format", "xml", "console", "json"],
        ),
        (&["--intervalo", "0"], &["--intervalo"]),
        (&["--intervalo", "-5"], &["--intervalo", "-5"]),
        (&["--intervalo", "0s"], &["--intervalo"]),
        (&["--intervalo", "5 bananas"], &["--intervalo", "bananas"]),
        (&["--intervalo", "99999999999999999999"], &["--intervalo"]),
        (&["--intervalo", "99999999999h"], &["--intervalo"]),
        (&["--porta", "-1"], &["--porta", "-1", "65535"]),
        (&["--porta", "65536"], &["--porta", "65536", "65535"]),
        (&["--porta", "oi"], &["--porta", "oi"]),
        (&["--escutar", "em casa"], &["--escutar", "em casa"]),
        (&["--apenas", "ninguem"], &["apenas", "ninguem", "rastro"]),
        (&["--config", "nao-existe.toml"], &["nao-existe.toml"]),
        (&["processador", "nenhum"], &["nenhum"]),
        (&["tags"], &["ARQUIVO"]),
        (&["listar", "bolos"], &["bolos", "modelos"]),
    ];
    for (arguments, words) in table {
        assert_refused(&place, place.program(arguments), words);
    }
}

#[test]
fn a_usage_error_is_said_in_portuguese() {
    let place = Place::new();
    for arguments in [
        &["--turbo"][..],
        &["fazer"],
        &["--modo"],
        &["tags"],
        &["listar", "bolos"],
    ] {
        let finished = place.run(arguments);

        finished.assert_code(2);
        for english in [
            "error:",
            "unexpected",
            "Usage",
            "required",
            "invalid",
            "possible",
        ] {
            finished.assert_silent_about(english);
        }
    }
}

#[test]
fn a_bad_variable_is_refused_with_its_name() {
    let place = Place::with_config(&leaves_a_trace());
    let table = [
        ("ORQUESTRADOR_MODO", "turbo"),
        ("ORQUESTRADOR_INTERVALO", "-5"),
        ("ORQUESTRADOR_PORTA", "65536"),
        ("ORQUESTRADOR_ESCUTAR", "em casa"),
        ("ORQUESTRADOR_EM_FALHA", "talvez"),
        ("ORQUESTRADOR_LOG_FORMAT", "xml"),
        ("ORQUESTRADOR_VERBOSE", "talvez"),
        ("ORQUESTRADOR_SINGLE_RUN", "2"),
        ("ORQUESTRADOR_DRY_RUN", "yes please"),
        ("ORQUESTRADOR_EXEMPLOS", "xyz"),
        ("DRY_RUN", "talvez"),
        ("REQUEST_TIMEOUT", "-4"),
    ];
    for (name, value) in table {
        assert_refused(&place, place.program(&[]).env(name, value), &[name, value]);
    }
    let no_file = place
        .program(&[])
        .env("ORQUESTRADOR_CONFIG", "nao-existe.toml");
    assert_refused(&place, no_file, &["nao-existe.toml"]);
    let without_token = place
        .program(&["--porta", "0"])
        .env("DIRECTUS_BASE_URL", "http://127.0.0.1:9");
    assert_refused(&place, without_token, &["DIRECTUS_TOKEN"]);
}

#[test]
fn a_bad_value_in_the_file_is_refused_with_its_key() {
    let place = Place::new();
    let one = |more: &str| processor("um", &["/bin/true"], more);
    let table: &[(String, &[&str])] = &[
        ("modo = \"turbo\"".into(), &["modo", "turbo", "sequencial"]),
        ("intervallo = \"5s\"".into(), &["intervallo", "intervalo"]),
        ("intervalo = \"0s\"".into(), &["intervalo"]),
        ("intervalo = \"-5s\"".into(), &["intervalo", "-5s"]),
        ("intervalo = \"99999999999h\"".into(), &["intervalo"]),
        ("intervalo = true".into(), &["intervalo"]),
        ("porta = -1".into(), &["porta", "-1"]),
        ("porta = 65536".into(), &["porta", "65536"]),
        ("porta = \"oi\"".into(), &["porta", "oi"]),
        ("em_falha = \"talvez\"".into(), &["em_falha", "talvez"]),
        ("paralelismo = 0".into(), &["paralelismo"]),
        (
            "[[processador]]\ncomando = [\"/bin/true\"]".into(),
            &["nome"],
        ),
        ("[[processador]]\nnome = \"um\"".into(), &["comando"]),
        (processor("um", &[], ""), &["comando"]),
        (
            processor("Com Espaço", &["/bin/true"], ""),
            &["nome", "Com Espaço"],
        ),
        (one("") + &one(""), &["\"um\""]),
        (one("timeout = \"0s\""), &["timeout"]),
        (one("timeout = \"-1s\""), &["timeout", "-1s"]),
        (one("timeout = \"99999999999h\""), &["timeout"]),
        (one("timeoutt = \"5s\""), &["timeoutt", "timeout"]),
        (one("depende_de = [\"dois\"]"), &["depende_de", "dois"]),
        (one("depende_de = [\"um\"]"), &["depende_de", "um"]),
        ("modo = ".into(), &["orquestrador.toml"]),
        (
            "[registros]\ntipo = \"nuvem\"".into(),
            &["tipo", "nuvem", "embutido"],
        ),
        (
            "[registros]\ntipo = \"directus\"".into(),
            &["DIRECTUS_BASE_URL"],
        ),
    ];
    for (text, words) in table {
        place.write("orquestrador.toml", text);
        assert_refused(&place, place.program(&["--porta", "0"]), words);
        place.program(&["validar"]).run().assert_code(2);
    }
}

#[test]
fn all_problems_of_flags_variables_and_file_are_told_at_once() {
    let config = "paralelismo = 0\nem_falha = \"talvez\"\n".to_owned()
        + &processor("um", &["/bin/true"], "timeout = \"0s\"")
        + &processor("dois", &["/bin/true"], "cor = \"azul\"");
    let place = Place::with_config(&config);

    let launch = place
        .program(&["--modo", "turbo", "--porta", "65536"])
        .env("ORQUESTRADOR_INTERVALO", "-5");

    let words = [
        "--modo",
        "--porta",
        "ORQUESTRADOR_INTERVALO",
        "paralelismo",
        "em_falha",
        "timeout",
        "cor",
    ];
    assert_refused(&place, launch, &words);
}

#[test]
fn a_configuration_that_is_no_readable_text_is_refused_with_its_name() {
    let place = Place::new();
    fs::create_dir(place.join("pasta.toml")).unwrap();
    place.write(
        "latin1.toml",
        b"modo = \"sequencial\" # configura\xe7\xe3o\n",
    );
    place.write(
        "enorme.toml",
        "# nada de nada de nada de nada\n".repeat(340_000),
    );
    place.write("binario.toml", [0_u8; 64]);
    for name in ["pasta.toml", "latin1.toml", "enorme.toml", "binario.toml"] {
        assert_refused(
            &place,
            place.program(&["--porta", "0", "--config", name]),
            &[name],
        );
        fs::rename(place.join(name), place.join("orquestrador.toml")).unwrap();
        assert_refused(
            &place,
            place.program(&["--porta", "0"]),
            &["orquestrador.toml"],
        );
        fs::rename(place.join("orquestrador.toml"), place.join(name)).unwrap();
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_refused_with_its_name() {
    let place = Place::with_config(&leaves_a_trace());
    place.write("arquivo", "");
    // Nobody can make a file in these two, not even root.
    for folder in [
        "arquivo",
        "arquivo/dentro",
        "/sys/kernel",
        "/proc/orquestrador",
    ] {
        for mode in [&["--porta", "0"][..], &["--single-run"]] {
            let launch = place.program(&[mode, &["--dados", folder]].concat());
            let finished = launch.run();

            finished.assert_code(2);
            finished.assert_complains(folder);
            assert_short(&finished);
            assert!(!place.has("rodou"), "a cycle ran\n{finished}");
        }
    }
    assert_eq!(place.files("."), ["arquivo", "orquestrador.toml"]);
}

#[test]
fn the_start_says_which_configuration_is_in_force() {
    let place = Place::new();
    place.write("minha.toml", leaves_a_trace());

    place
        .run(&["--single-run", "--config", "minha.toml"])
        .assert_says("minha.toml");
    fs::rename(place.join("minha.toml"), place.join("orquestrador.toml")).unwrap();
    place
        .run(&["--single-run"])
        .assert_says("orquestrador.toml");
}
