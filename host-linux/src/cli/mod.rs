//! The commands: one binary, many names. Every command is a function from words to an `Output`; the daemon
//! decides, the commands ask and show.

mod background;
mod check;
mod cl_status;
mod getopt;
mod hb_transfer;
mod heartbeat;
mod heartline;
mod places;
mod replay;
mod serial_test;
mod status;
mod transfer;

#[cfg(test)]
mod fake_daemon;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub use heartline::command;
pub use status::{Palette, render_status};

use places::Places;

/// Runs the command that the first word names, as the original's names or as `heartline`.
#[must_use]
pub fn run(words: Vec<OsString>) -> ExitCode {
    let places = Places::from_environment();
    let legacy: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let invoked = legacy.first().map_or("heartline", String::as_str);
    let arguments = legacy.get(1..).unwrap_or_default();
    match Path::new(invoked).file_name().and_then(|name| name.to_str()) {
        Some("heartbeat") => heartbeat::run(invoked, arguments, &places),
        Some("cl_status") => cl_status::run(arguments, &places.control_socket()).print(),
        Some("hb_standby") => hb_transfer::standby(invoked, arguments, &places),
        Some("hb_takeover") => hb_transfer::takeover(invoked, arguments, &places),
        _ => heartline::run(words, &places),
    }
}

/// What a command says and how it exits.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Output {
    stdout: String,
    stderr: String,
    code: u8,
}

impl Output {
    fn good(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    fn bad(code: u8, stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), code, ..Self::default() }
    }

    /// Says it. A reader that went away (`| head`) is no failure of the command.
    fn print(self) -> ExitCode {
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.code)
    }
}

/// This host's name (`uname -n`), for lines that name it.
fn host_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}
