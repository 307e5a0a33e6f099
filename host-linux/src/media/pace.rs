//! How much of one medium is read: what is beyond it waits, or is lost, so that a flood costs a bounded share of the
//! processor and everything else of the loop is served in between.

use std::time::{Duration, Instant};

/// A heartbeat that waits so long is not late, and a receive buffer full of small datagrams is read within it.
const WINDOW: Duration = Duration::from_millis(10);

/// What was read in the present window.
pub(super) struct Pace {
    quota: usize,
    read: usize,
    window_ends: Option<Instant>,
}

impl Pace {
    /// `quota` packets or bytes for each window of 10 ms.
    pub(super) const fn new(quota: usize) -> Self {
        Self { quota, read: 0, window_ends: None }
    }

    /// Notes that so much was read; until when the medium is to be left alone, if that was more than its share.
    pub(super) fn note(&mut self, now: Instant, amount: usize) -> Option<Instant> {
        let present = self.window_ends.filter(|ends| now < *ends);
        let ends = present.unwrap_or(now + WINDOW);
        self.read = if present.is_some() { self.read.saturating_add(amount) } else { amount };
        self.window_ends = Some(ends);
        (self.read > self.quota).then_some(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_share_is_for_one_window() {
        let start = clock::monotonic();
        let mut pace = Pace::new(100);
        assert_eq!(pace.note(start, 60), None);
        assert_eq!(pace.note(start + WINDOW / 2, 40), None);
        assert_eq!(pace.note(start + WINDOW / 2, 1), Some(start + WINDOW));
        assert_eq!(pace.note(start + WINDOW, 100), None, "another window");
        assert_eq!(pace.note(start + WINDOW, 1), Some(start + WINDOW * 2));
        assert_eq!(pace.note(start + WINDOW * 9, usize::MAX), Some(start + WINDOW * 10));
    }
}
