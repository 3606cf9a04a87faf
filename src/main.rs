//! Parse, build, run, exit code.

use std::process::ExitCode;

use orquestrador::config::Environment;
use orquestrador::{app, cli};

fn main() -> ExitCode {
    let environment = Environment::new(std::env::vars_os());
    match cli::parse(std::env::args_os()) {
        Ok(command_line) => app::run(command_line, &environment).into(),
        Err(answer) if answer.is_answer() => {
            cli::stdout_text(&answer.to_string());
            app::Exit::Done.into()
        }
        Err(error) => {
            cli::stderr_line(error.to_string().trim_end());
            app::Exit::Usage.into()
        }
    }
}
