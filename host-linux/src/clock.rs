//! The only reader of time in the host.

use std::time::{Instant, SystemTime};

/// The monotonic instant now; the core gets it as milliseconds and microseconds since the daemon's start.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall-clock time now, for log lines and for the first boot generation only.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
