//! The only reader of time here: how long an exploration has taken. What is explored knows virtual time alone.

use std::time::Instant;

/// Runs from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// A watch that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the program")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
