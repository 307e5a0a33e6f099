//! The only reader of time in the lab. The lab serves the host, so it cannot borrow the host's clock.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The instant now.
#[expect(clippy::disallowed_methods, reason = "this is the lab's clock module")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds of the monotonic clock, the same in every process of the machine.
pub(crate) fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
