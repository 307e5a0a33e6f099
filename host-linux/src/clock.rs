//! The only reader of time in the host.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The same moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For the host: [`monotonic`].
    pub instant: Instant,
    /// For the core: [`core_now`].
    pub core: heartline_core::time::Instant,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { instant: monotonic(), core: core_now() }
    }
}

/// The monotonic instant now, in which the host counts its pauses and time limits.
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

/// The core's time: since the machine booted, time in which it was suspended included, so that a node knows that it
/// slept.
#[must_use]
pub fn core_now() -> heartline_core::time::Instant {
    // The clock has been there since Linux 2.6.39; without it the core would see time standing still.
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    heartline_core::time::Instant::from_micros(u64::try_from(since_boot.as_micros()).unwrap_or(u64::MAX))
}

/// How long from now until an instant of the core's time; zero if it is over.
#[must_use]
pub fn until(now: heartline_core::time::Instant, then: heartline_core::time::Instant) -> Duration {
    Duration::from_micros(then.since(now).micros())
}
