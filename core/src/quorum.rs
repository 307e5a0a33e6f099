//! Votes: how long another member's last word proves that it holds this node for alive. No decisions; those are in
//! `node::quorum`.
//!
//! A member that confirms one of our frames heard it no earlier than we sent it, and will not hold us for dead before
//! our dead time is over since then. So until then, by our own clock and however long its answer took, it does not help
//! anybody else to a majority against us. Who has no majority of such votes stops what it runs; if that takes longer
//! than its hardware watchdog allows, the watchdog, which is not fed any more, ends it. The others need only wait as
//! long as that (rule 4 of ownership, design section 4).

use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::ids::Sequence;
use crate::time::{Duration, Instant};

/// How many frames are remembered; a confirmation of an older one is no vote. Divides 256.
const REMEMBERED: usize = 32;

/// Part of a span, by which clocks of two hosts may disagree about it: a sixteenth.
const SLACK: u64 = 16;

/// Until when the confirmation of each of our newest frames is a vote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ballots {
    ends: [Instant; REMEMBERED],
}

impl Ballots {
    pub(crate) const fn new() -> Self {
        Self { ends: [Instant::ZERO; REMEMBERED] }
    }

    /// Notes that a frame leaves which announces `deadtime`.
    pub(crate) fn sent(&mut self, now: Instant, frame: Sequence, deadtime: Duration) {
        self.ends[place(frame)] = now + shortened(deadtime);
    }

    /// From now on a shorter dead time is announced: no vote lasts longer than the first frame that says so. Gives how
    /// long that is.
    pub(crate) fn shorten(&mut self, now: Instant, deadtime: Duration) -> Instant {
        let end = now + shortened(deadtime);
        self.ends.iter_mut().for_each(|known| *known = end.min(*known));
        end
    }

    /// Until when the confirmation of `frame` is a vote, `newest` being our newest frame.
    pub(crate) fn end(&self, frame: Sequence, newest: Sequence) -> Option<Instant> {
        let age = newest.0.checked_sub(frame.0)?;
        (age < REMEMBERED as u64).then(|| self.ends[place(frame)])
    }

    /// For explorers: how long each remembered frame is still a vote.
    pub(crate) fn hash_future(&self, now: Instant, newest: Sequence, hasher: &mut impl Hasher) {
        for age in 0..REMEMBERED as u64 {
            let end = newest.0.checked_sub(age).map(|frame| self.ends[place(Sequence(frame))]);
            end.map(|end| end.since(now)).hash(hasher);
        }
    }
}

fn place(frame: Sequence) -> usize {
    let [.., low] = frame.0.to_be_bytes();
    usize::from(low) % REMEMBERED
}

/// A span that surely is not over elsewhere when it is over here.
pub(crate) const fn lengthened(span: Duration) -> Duration {
    Duration::from_micros(span.micros().saturating_add(span.micros() / SLACK))
}

/// A span that surely is over here before it is over elsewhere.
const fn shortened(span: Duration) -> Duration {
    Duration::from_micros(span.micros() - span.micros() / SLACK)
}

/// How many other members' votes make a majority among `members`, this node being one of them.
#[must_use]
pub const fn votes_needed(members: usize) -> usize {
    members / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half() {
        let needed = |members| votes_needed(members) + 1;
        assert_eq!([1, 2, 3, 4, 5].map(needed), [1, 2, 2, 3, 3]);
    }

    #[test]
    fn only_frames_that_are_remembered_are_votes() {
        let mut ballots = Ballots::new();
        for frame in 1..=100 {
            ballots.sent(Instant::from_micros(frame), Sequence(frame), Duration::from_micros(16));
        }
        let end = |frame| ballots.end(Sequence(frame), Sequence(100));
        assert_eq!(end(100), Some(Instant::from_micros(115)));
        assert_eq!(end(69), Some(Instant::from_micros(84)));
        assert_eq!((end(68), end(101)), (None, None));
    }

    #[test]
    fn spans_err_on_the_safe_side() {
        let span = Duration::from_millis(1600);
        assert_eq!((shortened(span).millis(), lengthened(span).millis()), (1500, 1700));
    }
}
