//! The main loop: inputs in, effects out.

mod options;
#[cfg_attr(not(test), expect(dead_code, reason = "the main loop will answer with it"))]
mod status;

use std::process::ExitCode;

pub use options::Options;

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn run(_options: Options) -> ExitCode {
    eprintln!("heartline: the daemon is not built in.");
    ExitCode::FAILURE
}
