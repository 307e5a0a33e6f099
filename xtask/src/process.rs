//! Running other programs: every command of this crate starts its children here and fails in the same words.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program could not be started or watched.
    #[error("{command} cannot be run: {source}")]
    Unrunnable {
        /// As it would be typed.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{command} failed ({status})")]
    Unsuccessful {
        /// As it would be typed.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file could not be read, written or moved.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Anything that a sentence says best.
    #[error("{0}")]
    Other(String),
}

/// For `map_err`: what went wrong with this file.
pub(crate) fn file_failure(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
    let path = path.into();
    move |source| Failure::File { path, source }
}

/// Runs a program to its end, its output going where ours goes.
///
/// # Errors
/// If it cannot be started or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("+ {}", as_typed(command));
    let status = command.status().map_err(|source| unrunnable(command, source))?;
    expect_success(command, status)
}

/// Runs a program in silence, and says whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// What a program prints, without the last line break.
///
/// # Errors
/// If it cannot be started or ends with anything but success.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|source| unrunnable(command, source))?;
    expect_success(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The failure of a program that could not be started or watched.
pub(crate) fn unrunnable(command: &Command, source: io::Error) -> Failure {
    Failure::Unrunnable { command: as_typed(command), source }
}

/// Turns the end of a program into a result.
pub(crate) fn expect_success(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(Failure::Unsuccessful { command: as_typed(command), status }) }
}

/// The command with the variables that were set for it, as one would type it.
pub(crate) fn as_typed(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { word.into_owned() });
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("cargo");
        command.args(["clippy", "--", "-D", "two words"]).env("RUSTFLAGS", "-g").env_remove("CARGO");
        assert_eq!(as_typed(&command), "RUSTFLAGS=-g cargo clippy -- -D 'two words'");
    }

    #[test]
    fn a_failing_program_is_named_with_its_status() {
        let failure = run(&mut Command::new("false")).unwrap_err();
        assert_eq!(failure.to_string(), "false failed (exit status: 1)");
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = read(&mut Command::new("no-such-program")).unwrap_err();
        assert!(failure.to_string().starts_with("no-such-program cannot be run: "), "{failure}");
    }
}
