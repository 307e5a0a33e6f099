//! The three files of the original: `ha.cf`, `authkeys`, `haresources`. Reads and checks; starts nothing but questions.
//!
//! Bytes become lines and words (`source`), the readers (`ha_cf`, `authkeys`, `haresources`) give them meaning,
//! `cross_checks` looks at the whole, `agents` asks those that `haresources` names what they need, `check` says what
//! else an experienced administrator would say.

mod agents;
mod authkeys;
mod check;
mod cross_checks;
pub mod diagnostics;
pub mod directives;
mod event_scripts;
mod ha_cf;
mod haresources;
mod media;
mod metadata;
mod model;
mod monitoring;
mod programs;
mod questions;
mod reading;
mod resource_words;
mod source;
pub mod system;
mod values;
mod witness;

#[cfg(test)]
mod fake_system;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use check::check;
use diagnostics::Diagnostics;
pub use diagnostics::{Diagnostic, Severity};
#[cfg(test)]
pub(crate) use event_scripts::EVENTS;
pub use media::BAUD_RATES;
pub use model::*;
pub use monitoring::{Monitoring, Monitors};
pub use questions::{Answer, Question, Silence};
pub(crate) use resource_words::floating_address;
pub use system::{RealSystem, System};
pub(crate) use values::parse_time;

/// The outcome of reading a directory.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if and only if no diagnostic is an error.
    pub configuration: Option<Configuration>,
    /// Everything found in all files, in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// What the agents of the resources have to say. Whatever it is, the other groups can run.
    pub advice: Vec<Diagnostic>,
}

/// Reads a file of keys that is not the configuration's own, such as the former ones; nothing if there is an error in it.
#[must_use]
pub fn load_keys(path: &Path, environment: &dyn System) -> (Option<KeyFile>, Vec<Diagnostic>) {
    let mut diagnostics = Diagnostics::default();
    let keys = reading::read_keys(path, environment, &mut diagnostics);
    (keys, diagnostics.0)
}

/// Reads `nodeinfo`, `ha.cf`, `authkeys` and `haresources` in `directory`, all of them whatever is wrong with one. A
/// configuration without errors is shown to the agents that it names, which takes seconds if one of them hangs.
#[must_use]
pub fn load(directory: &Path, environment: &dyn System) -> Loaded {
    let reading = reading::read(directory, environment);
    let mut advice = Diagnostics::default();
    let configuration = reading.whole.map(|mut whole| {
        agents::consult(&mut whole, environment, &mut advice);
        whole.configuration
    });
    Loaded { configuration, diagnostics: reading.diagnostics.0, advice: advice.0 }
}
