//! When something that could not be opened is tried again: after 1 s, then at growing intervals up to 10 s.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// The intervals of one thing that may fail.
#[derive(Debug)]
pub(super) struct Retry {
    interval: Duration,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self { interval: FIRST }
    }

    /// When to try again after a failure `now`, of something that had worked since `worked_since`, if it had.
    ///
    /// Only what had worked for long starts over at the shortest interval, so that nothing flaps every second.
    pub(super) fn next(&mut self, now: Instant, worked_since: Option<Instant>) -> Instant {
        if worked_since.is_some_and(|since| now.saturating_duration_since(since) >= LONGEST) {
            self.interval = FIRST;
        }
        let at = now + self.interval;
        self.interval = (self.interval * 2).min(LONGEST);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn intervals_grow_to_ten_seconds_and_start_over_after_a_long_success() {
        let mut retry = Retry::new();
        let now = clock::monotonic();
        let mut seconds = |worked_for: Option<u64>| {
            let since = worked_for.map(|seconds| now - Duration::from_secs(seconds));
            (retry.next(now, since) - now).as_secs()
        };
        assert_eq!([(); 6].map(|()| seconds(None)), [1, 2, 4, 8, 10, 10]);
        assert_eq!(seconds(Some(9)), 10);
        assert_eq!([seconds(Some(10)), seconds(None)], [1, 2]);
    }
}
