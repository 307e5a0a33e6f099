//! Runs the tools of the machine and keeps what they said.

use crate::error::Error;
use std::io::Write;
use std::process::{Command, ExitStatus, Stdio};

/// Where tools are looked for: an ordinary user's own path often lacks the sbin directories.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a command ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// A command for `line`, words parted by spaces, with the lab's path and nothing on its standard input.
pub(crate) fn tool(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env("PATH", PATH).stdin(Stdio::null());
    command
}

/// Runs a command to its end, whatever that is.
pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    let output = command.output().map_err(Error::io(format!("run `{}`", line_of(command))))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must succeed, and gives its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let output = output(command)?;
    succeeded(command, output.status, &output.stderr)?;
    Ok(output.stdout)
}

/// Runs a command that must succeed, with `input` on its standard input.
pub(crate) fn feed(command: &mut Command, input: &str) -> Result<(), Error> {
    let what = format!("run `{}`", line_of(command));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(what.clone()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that stops reading early says why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(Error::io(what))?;
    succeeded(command, output.status, &format!("{}\n{input}", String::from_utf8_lossy(&output.stderr)))
}

fn succeeded(command: &Command, status: ExitStatus, stderr: &str) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    Err(Error::Command { line: line_of(command), status, stderr: stderr.trim().to_owned() })
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
