//! The commands: one binary, many names. Every command is a function from words to an `Output`; the daemon
//! decides, the commands ask and show.

mod administration;
mod background;
mod check;
mod cl_status;
mod dongle;
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
use std::io::{ErrorKind, Write};
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

    /// Says it.
    fn print(self) -> ExitCode {
        ExitCode::from(self.say(&mut std::io::stdout().lock(), &mut std::io::stderr().lock()))
    }

    /// Gives the code to exit with: what could not be said is a failure, so that no script takes half an answer for a
    /// whole one. A reader that went away (`| head`) is none.
    fn say(self, stdout: &mut impl Write, stderr: &mut impl Write) -> u8 {
        let said = stdout.write_all(self.stdout.as_bytes()).and_then(|()| stdout.flush());
        let _ = stderr.write_all(self.stderr.as_bytes());
        match said {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let _ = writeln!(stderr, "Cannot write to standard output: {error}");
                self.code.max(1)
            }
            Ok(()) | Err(_) => self.code,
        }
    }
}

/// This host's name (`uname -n`), for lines that name it.
fn host_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A standard output that buffers as the real one does, so that an error may show at the end only.
    fn exit_code(stdout: std::fs::File, output: Output) -> (u8, String) {
        let mut stderr = Vec::new();
        let code = output.say(&mut std::io::LineWriter::new(stdout), &mut stderr);
        (code, String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn what_could_not_be_said_is_a_failure() {
        for text in ["all is well\n", "without an end of line"] {
            let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let (code, stderr) = exit_code(full(), Output::good(text));
            assert_eq!(code, 1);
            assert!(stderr.starts_with("Cannot write to standard output: No space left"), "{stderr}");
            let (code, _) =
                exit_code(full(), Output { stdout: text.to_owned(), code: 6, ..Output::default() });
            assert_eq!(code, 6);
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let file = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
        assert_eq!(exit_code(file, Output::good("all is well\n")), (0, String::new()));
    }
}
