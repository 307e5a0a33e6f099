//! Running other programs: every command of this crate starts its children here and fails in the same words.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// Ends a program with all that it has started. The parents go first, so that none starts another child.
pub(crate) fn kill_with_descendants(ancestor: u32) {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|child| Some((child, parent_of(child)?)))
        .collect();
    let (mut known, mut next) = (BTreeSet::from([ancestor]), vec![ancestor]);
    while let Some(process) = next.pop() {
        // A process that has ended in between needs no signal.
        let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
        let children = parents.iter().filter(|(_, parent)| *parent == process).map(|(child, _)| *child);
        next.extend(children.filter(|child| known.insert(*child)));
    }
}

/// Who started a process: the second field behind the name, which may hold anything (proc(5)).
fn parent_of(process: u32) -> Option<u32> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    line.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
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
    use std::io::Read;
    use std::process::Stdio;

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
    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo; wait"]).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut output = shell.stdout.take().unwrap();
        output.read_exact(&mut [0]).unwrap();
        kill_with_descendants(shell.id());
        // The end of the output: the last one that held it is gone.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
        assert!(!shell.wait().unwrap().success());
    }
}
