//! Whether the main loop does its work. It is healthy while since it was last judged everything was done that was
//! due then, and something was read from every medium on which something waited then. A loop that merely turns is not.

use std::time::{Duration, Instant};

/// What the main loop leaves undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neglect {
    /// Something was due for so long.
    Overdue(Duration),
    /// On this link frames wait, and none of them is read.
    Unread {
        /// Its index in the configuration.
        link: usize,
    },
}

/// The loop is judged by what it does in this time at least: in a flood, and while the rest of a frame is under way, what
/// has come may wait for a while.
const LEAST: Duration = Duration::from_millis(100);

/// What was to be done when it was last judged.
#[derive(Debug)]
pub(crate) struct Health {
    judged: Option<Instant>,
    verdict: Result<(), Neglect>,
    /// The links on which something waited, with what had been read from each.
    waiting: Vec<(usize, u64)>,
}

impl Default for Health {
    fn default() -> Self {
        Self { judged: None, verdict: Ok(()), waiting: Vec::new() }
    }
}

impl Health {
    /// Judges the loop by its earliest deadline, and by the links on which something waits with what was read from each so
    /// far.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        deadline: Instant,
        waiting: impl Iterator<Item = (usize, u64)>,
    ) -> Result<(), Neglect> {
        if self.judged.is_some_and(|judged| now < judged + LEAST) {
            return self.verdict;
        }
        let before = std::mem::replace(&mut self.waiting, waiting.collect());
        let judged = self.judged.replace(now);
        let unread = self.waiting.iter().find(|link| before.contains(link));
        self.verdict = match (judged, unread) {
            (Some(judged), _) if deadline < judged => {
                Err(Neglect::Overdue(now.saturating_duration_since(deadline)))
            }
            (_, Some((link, _))) => Err(Neglect::Unread { link: *link }),
            _ => Ok(()),
        };
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(1);

    /// A loop that is asked with every heartbeat.
    struct Loop {
        health: Health,
        now: Instant,
    }

    impl Loop {
        fn new() -> Self {
            Self { health: Health::default(), now: crate::clock::monotonic() }
        }

        fn ask(&mut self, deadline: Instant, waiting: &[(usize, u64)]) -> Result<(), Neglect> {
            self.now += KEEPALIVE;
            self.health.judge(self.now, deadline, waiting.iter().copied())
        }

        fn ask_about(&mut self, waiting: &[(usize, u64)]) -> Result<(), Neglect> {
            self.ask(self.now + 2 * KEEPALIVE, waiting)
        }
    }

    #[test]
    fn a_loop_that_reads_what_comes_is_healthy() {
        let mut healthy = Loop::new();
        for bytes in 0..10 {
            // There is always more, and something is always read.
            assert_eq!(healthy.ask_about(&[(0, bytes)]), Ok(()));
        }
        assert_eq!(healthy.ask_about(&[]), Ok(()));
    }

    #[test]
    fn a_loop_that_turns_without_reading_is_not() {
        let mut spinning = Loop::new();
        assert_eq!(spinning.ask_about(&[(1, 500)]), Ok(()), "it may have come just now");
        assert_eq!(spinning.ask_about(&[(0, 70), (1, 500)]), Err(Neglect::Unread { link: 1 }));
        assert_eq!(spinning.ask_about(&[(0, 70), (1, 500)]), Err(Neglect::Unread { link: 0 }));
        assert_eq!(spinning.ask_about(&[(0, 140), (1, 570)]), Ok(()), "it reads again");
    }

    #[test]
    fn a_loop_that_leaves_undone_what_is_due_is_not() {
        let mut spinning = Loop::new();
        let due = spinning.now;
        assert_eq!(spinning.ask(due, &[]), Ok(()), "it may be done in this very turn");
        assert_eq!(spinning.ask(due, &[]), Err(Neglect::Overdue(2 * KEEPALIVE)));
        assert_eq!(spinning.ask(spinning.now, &[]), Ok(()), "due since the last time");
    }

    #[test]
    fn what_waits_for_a_moment_is_not_neglected() {
        let mut quick = Loop::new();
        let mut ask = |millis, waiting| {
            quick.now += Duration::from_millis(millis);
            quick.health.judge(quick.now, quick.now, [waiting].into_iter())
        };
        assert_eq!(ask(0, (0, 5)), Ok(()));
        assert_eq!(ask(10, (0, 5)), Ok(()));
        let neglect = Err(Neglect::Unread { link: 0 });
        assert_eq!(ask(90, (0, 5)), neglect);
        assert_eq!(ask(10, (0, 5)), neglect, "the verdict lasts until the next");
        assert_eq!(ask(90, (0, 6)), Ok(()));
    }

    /// Nothing was overdue when it stopped: the device says whether it was away for too long.
    #[test]
    fn a_loop_that_was_stopped_for_a_while_goes_on() {
        let mut stopped = Loop::new();
        assert_eq!(stopped.ask_about(&[]), Ok(()));
        let due = stopped.now + KEEPALIVE;
        stopped.now += 60 * KEEPALIVE;
        assert_eq!(stopped.ask(due, &[(0, 5)]), Ok(()));
    }
}
