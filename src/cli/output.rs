//! The two standard streams, for text that is written once. A reader that has gone is no reason to fail.

use std::io::{self, Write};

/// Writes to standard output.
pub fn stdout_text(text: &str) {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .ok();
}

/// Writes a line to standard error.
pub fn stderr_line(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}
