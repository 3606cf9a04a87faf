//! Tells the program which source and compiler it was built from.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script has nobody else to ask"
)]

use std::process::Command;

/// The first line that a command prints; none when it is not there or fails.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(
        String::from_utf8(output.stdout)
            .ok()?
            .lines()
            .next()?
            .trim()
            .to_owned(),
    )
}

fn main() {
    // An image is built without its repository; then the revision is told.
    let told = std::env::var("ORQUESTRADOR_REVISAO").ok();
    let revision = told
        .filter(|told| !told.is_empty())
        .or_else(|| first_line("git", &["rev-parse", "--short=12", "HEAD"]));
    let rustc = std::env::var("RUSTC")
        .ok()
        .and_then(|rustc| first_line(&rustc, &["--version"]));
    let number = rustc.as_deref().and_then(|line| line.split(' ').nth(1));
    // Not position-independent: a tenth less for a single run, whose start would otherwise write 20,000 addresses into 80
    // pages of its own. Go's programs are linked so too.
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // Cargo forgets the profile's `strip` where a package has an optimisation level of its own.
        if std::env::var("DEBUG").as_deref() == Ok("false") {
            println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
        }
    }
    println!(
        "cargo::rustc-env=ORQUESTRADOR_REVISION={}",
        revision.as_deref().unwrap_or("unknown")
    );
    println!(
        "cargo::rustc-env=ORQUESTRADOR_RUSTC={}",
        number.unwrap_or("unknown")
    );
    for file in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    println!("cargo::rerun-if-env-changed=ORQUESTRADOR_REVISAO");
    println!("cargo::rerun-if-changed=build.rs");
}
