//! Judges a configuration directory for people: `heartline check`, and before a reload.

use std::fmt::Write as _;
use std::path::Path;

use super::status::Palette;
use crate::config::{self, RealSystem, Severity, diagnostics};

/// What is to be said about a directory.
#[derive(Debug)]
pub(super) struct Findings {
    /// Diagnostics as text, empty if there is nothing to say.
    pub(super) text: String,
    /// Whether any of them keeps the daemon from starting.
    pub(super) errors: bool,
}

/// Reads and checks the three files.
pub(super) fn examine(directory: &Path, palette: Palette) -> Findings {
    let found = config::check(directory, &RealSystem);
    Findings {
        text: diagnostics::render(&found, palette == Palette::Colour),
        errors: found.iter().any(|diagnostic| diagnostic.severity == Severity::Error),
    }
}

/// The directives in force with their values, one per line, for `heartbeat -v`; empty if there are errors.
pub(super) fn parameters(directory: &Path) -> String {
    let mut text = String::new();
    if let Some(configuration) = config::load(directory, &RealSystem).configuration {
        for (name, value) in &configuration.parameters {
            let _ = writeln!(text, "{name} {value}");
        }
    }
    text
}
