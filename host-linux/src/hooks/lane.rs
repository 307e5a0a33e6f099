//! What waits for one hook: in order, and bounded.

use std::collections::VecDeque;

/// So much waits for one hook; what comes then is left out.
const WAITING_MAX: usize = 100;

/// The calls that wait for one hook, of which one at a time is run.
#[derive(Debug)]
pub(super) struct Lane<T> {
    waiting: VecDeque<Item<T>>,
    left_out: u32,
    /// How often in a row it failed.
    failures: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<T> {
    Call(T),
    /// Between two calls, so many found no room.
    LeftOut(u32),
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), left_out: 0, failures: 0 }
    }
}

impl<T> Lane<T> {
    /// Adds a call. True if it is the first that finds no room.
    pub(super) fn push(&mut self, call: T) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return self.left_out == 1;
        }
        if self.left_out > 0 {
            self.waiting.push_back(Item::LeftOut(std::mem::take(&mut self.left_out)));
        }
        self.waiting.push_back(Item::Call(call));
        false
    }

    /// The next one, if there is one.
    pub(super) fn pop(&mut self) -> Option<Item<T>> {
        let left_out = || (self.left_out > 0).then(|| Item::LeftOut(std::mem::take(&mut self.left_out)));
        self.waiting.pop_front().or_else(left_out)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.left_out == 0
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.left_out = 0;
    }

    /// Notes a success.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Notes a failure. The number of failures in a row, if this one is worth saying: the 1st, 10th, 100th ...
    pub(super) fn failed(&mut self) -> Option<u32> {
        self.failures = self.failures.saturating_add(1);
        let mut power = self.failures;
        while power.is_multiple_of(10) {
            power /= 10;
        }
        (power == 1).then_some(self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_where_it_is_missing() {
        let mut lane = Lane::default();
        let first_lost: Vec<usize> = (0..WAITING_MAX + 3).filter(|call| lane.push(*call)).collect();
        assert_eq!(first_lost, [WAITING_MAX]);
        assert_eq!(lane.pop(), Some(Item::Call(0)));
        lane.push(1000);
        let rest: Vec<_> = std::iter::from_fn(|| lane.pop()).collect();
        assert_eq!(rest.len(), WAITING_MAX - 1 + 2);
        assert_eq!(rest[rest.len() - 2..], [Item::LeftOut(3), Item::Call(1000)]);
        assert!(lane.is_empty());
    }

    #[test]
    fn what_was_left_out_last_is_told_although_nothing_follows() {
        let mut lane = Lane::default();
        assert_eq!((0..=WAITING_MAX).filter(|call| lane.push(*call)).count(), 1);
        assert_eq!(std::iter::from_fn(|| lane.pop()).last(), Some(Item::LeftOut(1)));
        assert_eq!(lane.pop(), None);
    }

    #[test]
    fn failures_are_told_at_a_falling_rate() {
        let mut lane = Lane::<()>::default();
        let told: Vec<u32> = (0..1000).filter_map(|_| lane.failed()).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
        lane.succeeded();
        assert_eq!(lane.failed(), Some(1));
    }
}
