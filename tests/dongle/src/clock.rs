//! The one reader of time here.

use std::sync::OnceLock;
use std::time::Instant as StdInstant;

use heartline_core::time::Instant;

static ORIGIN: OnceLock<StdInstant> = OnceLock::new();

/// The time since this was first asked.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
#[must_use]
pub fn now() -> Instant {
    let now = StdInstant::now();
    let passed = now.duration_since(*ORIGIN.get_or_init(|| now));
    Instant::from_micros(1_000_000 + u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
}
