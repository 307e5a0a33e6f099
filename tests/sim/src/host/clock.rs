//! A host's monotonic clock: it starts anywhere, drifts, and stands still if a paused machine's does.

use heartline_core::time::Instant;

use crate::plan::{Micros, SECOND};

/// A clock that was set at some moment of true time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    set_at: Micros,
    showed: u64,
    /// Microseconds that it counts in a million true ones.
    rate: u64,
}

impl Clock {
    pub(crate) fn new(now: Micros, shows: u64, drift: i32) -> Self {
        Self { set_at: now, showed: shows, rate: SECOND.saturating_add_signed(i64::from(drift)) }
    }

    pub(crate) fn read(&self, now: Micros) -> Instant {
        Instant::from_micros(self.showed + now.saturating_sub(self.set_at) * self.rate / SECOND)
    }

    /// When it will show this; the present if it does already.
    pub(crate) fn when(&self, shows: Instant) -> Micros {
        let ahead = shows.micros().saturating_sub(self.showed);
        self.set_at + (ahead * SECOND).div_ceil(self.rate)
    }

    /// It stood still since `since`.
    pub(crate) fn stood_still(&mut self, since: Micros, now: Micros) {
        self.showed = self.read(since).micros();
        self.set_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_the_clock_says_so() {
        for drift in [-500, 0, 1, 499] {
            let clock = Clock::new(77, 123_456, drift);
            for ahead in [0, 1, 999, 1_000_000, 3_600_000_000] {
                let deadline = Instant::from_micros(123_456 + ahead);
                let when = clock.when(deadline);
                assert!(clock.read(when) >= deadline, "{drift} {ahead}");
                assert!(when == 77 || clock.read(when - 1) < deadline, "{drift} {ahead}");
            }
        }
    }
}
