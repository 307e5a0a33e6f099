//! The three files of the original: `ha.cf`, `authkeys`, `haresources`. Reads and checks; starts nothing.
//!
//! Bytes become lines and words (`source`), the readers (`ha_cf`, `authkeys`, `haresources`) give them meaning,
//! `cross_checks` looks at the whole, `check` says what else an experienced administrator would say.

mod authkeys;
mod check;
mod cross_checks;
pub mod diagnostics;
pub mod directives;
mod ha_cf;
mod haresources;
mod media;
mod model;
mod programs;
mod reading;
mod resource_words;
mod source;
pub mod system;
mod values;

#[cfg(test)]
mod fake_system;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use check::check;
pub use diagnostics::{Diagnostic, Severity};
pub use model::*;
pub use system::{RealSystem, System};
pub(crate) use values::parse_time;

/// The outcome of reading a directory.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if and only if no diagnostic is an error.
    pub configuration: Option<Configuration>,
    /// Everything found in all files, in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `nodeinfo`, `ha.cf`, `authkeys` and `haresources` in `directory`, all of them whatever is wrong with one.
#[must_use]
pub fn load(directory: &Path, environment: &dyn System) -> Loaded {
    let reading = reading::read(directory, environment);
    Loaded {
        configuration: reading.whole.map(|whole| whole.configuration),
        diagnostics: reading.diagnostics.0,
    }
}
