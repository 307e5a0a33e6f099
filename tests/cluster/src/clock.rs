//! The only reader of time here.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The instant now.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds of the monotonic clock.
pub(crate) fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
