//! The house: floors, files and documents keep what `docs/DESIGN.md`, the READMEs and the shipped settings promise.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Module and floor.
const FLOORS: [(&str, u8); 18] = [
    ("domain", 0),
    ("schedule", 1),
    ("docx", 1),
    ("config", 2),
    ("instance", 2),
    ("process", 2),
    ("telemetry", 2),
    ("history", 2),
    ("records", 2),
    ("engine", 3),
    ("processors", 3),
    ("http", 4),
    ("distributed", 4),
    ("cli", 5),
    ("signals", 5),
    ("app", 6),
    ("main", 7),
    ("lib", 8),
];

/// Imports of a lower floor that are forbidden all the same: from, to.
const FORBIDDEN: [(&str, &str); 5] = [
    ("engine", "telemetry"),
    ("engine", "history"),
    ("engine", "records"),
    ("engine", "docx"),
    ("processors", "config"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn module_of(file: &Path) -> String {
    let relative = file.strip_prefix(root().join("src")).expect("below src");
    let first = relative
        .components()
        .next()
        .expect("a component")
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> u8 {
    let found = FLOORS.iter().find(|(name, _)| *name == module);
    found
        .unwrap_or_else(|| {
            panic!("module {module} has no floor; give it one here and in docs/DESIGN.md")
        })
        .1
}

/// The modules that a file names by `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut modules = BTreeSet::new();
    for line in text.lines().filter(is_code) {
        for rest in line.split("crate::").skip(1) {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                modules.insert(name);
            }
        }
    }
    modules
}

#[test]
fn a_module_imports_only_from_lower_floors() {
    for file in sources(&root().join("src")) {
        let module = module_of(&file);
        let text = fs::read_to_string(&file).expect("text");
        for imported in imports(&text)
            .into_iter()
            .filter(|imported| *imported != module)
        {
            assert!(
                floor_of(&imported) < floor_of(&module),
                "{} (floor {}) imports {imported} (floor {})",
                file.display(),
                floor_of(&module),
                floor_of(&imported),
            );
            let pair = (module.as_str(), imported.as_str());
            assert!(
                !FORBIDDEN.contains(&pair),
                "{} must not import {imported}",
                file.display()
            );
        }
    }
}

#[test]
fn unsafe_code_lives_in_one_file_only() {
    for file in sources(&root().join("src"))
        .iter()
        .filter(|file| !file.ends_with("process/sys.rs"))
    {
        let text = fs::read_to_string(file).expect("text");
        let unsafe_lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("unsafe {") || line.contains("unsafe fn"))
            .collect();
        assert!(
            unsafe_lines.is_empty(),
            "{}: {unsafe_lines:?}",
            file.display()
        );
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for file in sources(&root().join("src")) {
        let text = fs::read_to_string(&file).expect("text");
        assert!(text.starts_with("//! "), "{}", file.display());
    }
}

#[test]
fn no_file_is_longer_than_400_lines_without_its_tests() {
    for file in sources(&root().join("src")) {
        let text = fs::read_to_string(&file).expect("text");
        let length = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        assert!(length <= 400, "{}: {length} lines", file.display());
    }
}

#[test]
fn every_file_that_the_design_names_exists() {
    let design = fs::read_to_string(root().join("docs/DESIGN.md")).expect("docs/DESIGN.md");
    let mut named = 0;
    for quoted in design.split('`').skip(1).step_by(2) {
        let is_path = ["src/", "tests/", "docs/", "benches/", "examples/"]
            .iter()
            .any(|folder| quoted.starts_with(folder));
        if is_path && !quoted.contains(['*', ' ', '<']) {
            named += 1;
            assert!(
                root().join(quoted).exists(),
                "docs/DESIGN.md names {quoted}, which does not exist"
            );
        }
    }
    assert!(named > 10, "only {named} files are named");
}

#[test]
fn every_make_target_that_the_documents_name_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("Makefile");
    for document in [
        "README.md",
        "README.pt-BR.md",
        "CONTRIBUTING.md",
        "docs/DESIGN.md",
        "docs/migracao.md",
    ] {
        let text = fs::read_to_string(root().join(document)).expect(document);
        for rest in text.split("make ").skip(1) {
            let target: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            let is_named = text.contains(&format!("`make {target}"))
                || text.contains(&format!("\nmake {target}"));
            if is_named && !target.is_empty() {
                let defined = makefile.lines().any(|line| {
                    line.split_once(':')
                        .is_some_and(|(names, _)| names.split(' ').any(|name| name == target))
                });
                assert!(defined, "{document} names make {target}");
            }
        }
    }
}

#[test]
fn both_readmes_have_the_same_code_blocks() {
    let blocks = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(file)).expect(file);
        text.split("```")
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let english = blocks("README.md");
    assert!(english.len() > 3, "{} blocks", english.len());
    assert_eq!(english, blocks("README.pt-BR.md"));
}

/// The program in a folder of its own, with nothing of our environment.
fn command(program: &str, folder: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_orquestrador"))
        .parent()
        .expect("a folder");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", binary.display()))
        .current_dir(folder);
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn the_shipped_configuration_says_exactly_the_built_in_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = |arguments: &[&str]| {
        let output = command("orquestrador", folder.path())
            .args(arguments)
            .output()
            .expect("started");
        assert!(output.status.success(), "{}", text(&output));
        let shown = String::from_utf8(output.stdout).expect("text");
        shown.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let file = root().join("orquestrador.toml");
    let built_in = shown(&["validar"]);
    assert!(built_in.len() > 20, "{built_in:?}");
    assert_eq!(
        shown(&["validar", "--config", &file.display().to_string()]),
        built_in
    );
}

#[test]
fn the_block_of_the_readme_from_ones_own_docx_to_the_report_works_word_by_word() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let block = blocks
        .into_iter()
        .find(|block| block.contains("importar modelo"))
        .expect("the block");
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples"))
        .expect("linked");
    let output = command("bash", folder.path())
        .args(["-e", "-c", block])
        .output()
        .expect("started");
    assert!(output.status.success(), "{}", text(&output));
    let output_file = block
        .lines()
        .find_map(|line| line.split_once("-o "))
        .expect("a report")
        .1
        .trim();
    let report = fs::read_to_string(folder.path().join(output_file)).expect("the report");
    assert!(
        report.contains("</html>") && report.len() > 5_000,
        "{} bytes",
        report.len()
    );
}
