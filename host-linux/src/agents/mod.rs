//! The built-in resource agents: addresses and file systems. They run as children of the daemon.

use std::process::ExitCode;

/// Runs one agent as a script would be: arguments, then a verb, then an exit code.
#[must_use]
pub fn run(agent: &str, _arguments: &[String], _verb: &str) -> ExitCode {
    eprintln!("heartline agent: {agent} is not built in.");
    ExitCode::from(5)
}
