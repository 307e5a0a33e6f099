//! Why the demo could not go on; what a step found wrong is no error but an outcome.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use heartline_lab::Requirement;

#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error(transparent)]
    Lab(#[from] heartline_lab::Error),
    #[error(
        "this machine lacks {}. As root: apt-get install {}",
        list(.0, |lack| lack.to_string(), ", "),
        list(.0, |lack| lack.package.to_owned(), " ")
    )]
    Missing(Vec<Requirement>),
    #[error("with --dongle the keys must be a secret: leave `--auth crc` out")]
    OpenKeys,
    #[error("Debian's apache2 cannot be taken: {0}")]
    NoApache(String),
    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("on {host}, `{line}` failed ({status}): {said}")]
    Command { host: String, line: String, status: std::process::ExitStatus, said: String },
    #[error("expected {expected}; seen: {}", seen.join(", "))]
    Unexpected { expected: String, seen: Vec<String>, patience: Duration },
    #[error("{0}")]
    Step(String),
    #[error("there is no room for the files of a failed run in {0}")]
    NoRoom(PathBuf),
}

impl DemoError {
    /// A closure for `map_err`, naming what was tried.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

fn list(lacks: &[Requirement], show: fn(&Requirement) -> String, between: &str) -> String {
    let mut all: Vec<String> = lacks.iter().map(show).collect();
    all.dedup();
    all.join(between)
}
