//! Which frames of one link are opened. To open one costs a digest, so a flood must not have every frame opened, nor
//! crowd out those of the members: a source that has brought an authentic frame has an allowance of its own, all others
//! share one. Knows who sent and when, never what; the shell asks before it makes an input of a frame.

use heapless::Vec;

use crate::limits::{MAX_MEMBERS, MAX_STRANGERS};
use crate::time::{Duration, Instant};

/// Who sent a frame, as its medium says: an IPv6 address, or an IPv4 address mapped into one. It may be forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(pub u128);

impl Source {
    /// The far end of a line that has no addresses: known from the beginning. Like [`Source::NOISE`] a multicast address,
    /// which nobody sends from.
    pub const LINE: Self = Self(u128::MAX);
    /// A source that is known, when what it sends does not even look like a frame.
    pub const NOISE: Self = Self(u128::MAX - 1);
}

/// Frames that may come in one go, and how far apart they may be in the long run.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    interval: Duration,
}

/// As many as wait in a socket after a stall of ours, and 400 a second.
const KNOWN: Rate = Rate { burst: 512, interval: Duration::from_micros(2_500) };
/// Whom nobody knows, one by one: 25 a second,
const STRANGER: Rate = Rate { burst: 10, interval: Duration::from_millis(40) };
/// and together: 100 a second.
const STRANGERS: Rate = Rate { burst: 50, interval: Duration::from_millis(10) };

/// After so many frames too many, a stranger is better not listened to at all.
const PATIENCE: u16 = 50;
/// For so long; then it is looked at again.
const SHUT_OUT: Duration = Duration::from_millis(10_000);

/// What is left of an allowance: nothing while it is used up far into the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowance {
    used_until: Instant,
}

impl Allowance {
    /// Takes one frame's share; false, and nothing changes, if there is none left.
    fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let begin = self.used_until.max(now);
        let is_left = begin.since(now) <= rate.interval.times(rate.burst - 1);
        if is_left {
            self.used_until = begin + rate.interval;
        }
        is_left
    }
}

#[derive(Debug, Clone)]
struct Known {
    source: Source,
    allowance: Allowance,
    /// When it last brought an authentic frame.
    vouched: Instant,
}

#[derive(Debug, Clone)]
struct Stranger {
    source: Source,
    allowance: Allowance,
    /// Frames too many since it was last looked at anew.
    excess: u16,
    shut_out_until: Option<Instant>,
}

/// The gate of one link.
#[derive(Debug, Clone)]
pub struct Gate {
    known_rate: Rate,
    line: Allowance,
    known: Vec<Known, MAX_MEMBERS>,
    strangers: Vec<Stranger, MAX_STRANGERS>,
    together: Allowance,
    /// Frames of strangers too many that were not the fault of one.
    excess: u16,
    crowded_until: Option<Instant>,
    changes: u32,
}

/// Knows nobody.
impl Default for Gate {
    fn default() -> Self {
        Self {
            known_rate: KNOWN,
            line: Allowance { used_until: Instant::ZERO },
            known: Vec::new(),
            strangers: Vec::new(),
            together: Allowance { used_until: Instant::ZERO },
            excess: 0,
            crowded_until: None,
            changes: 0,
        }
    }
}

impl Gate {
    /// Those who are known may speak eight times in each `keepalive`, if that is more often than usual.
    pub fn live_by(&mut self, keepalive: Duration) {
        let interval = Duration::from_micros(keepalive.micros() / 8).min(KNOWN.interval);
        self.known_rate = Rate { interval, ..KNOWN };
    }

    /// Whether a frame from `source` may be opened. One that may not is to be counted with
    /// [`Node::turn_away`](crate::Node::turn_away), and nothing else.
    pub fn admit(&mut self, now: Instant, source: Source) -> bool {
        self.pass_time(now);
        let known_rate = self.known_rate;
        if source == Source::LINE {
            return self.line.take(now, known_rate);
        }
        if let Some(known) = self.known.iter_mut().find(|known| known.source == source) {
            return known.allowance.take(now, known_rate);
        }
        if let Some(stranger) = self.stranger(now, source)
            && !stranger.allowance.take(now, STRANGER)
        {
            stranger.excess = stranger.excess.saturating_add(1);
            if stranger.excess == PATIENCE {
                stranger.shut_out_until = Some(now + SHUT_OUT);
                self.changes = self.changes.wrapping_add(1);
            }
            return false;
        }
        let is_admitted = self.together.take(now, STRANGERS);
        if !is_admitted {
            self.excess = self.excess.saturating_add(1);
            if self.excess == PATIENCE {
                self.crowded_until = Some(now + SHUT_OUT);
                self.changes = self.changes.wrapping_add(1);
            }
        }
        is_admitted
    }

    /// A frame from `source` was authentic and fresh.
    pub fn vouch(&mut self, now: Instant, source: Source) {
        if source == Source::LINE {
            return;
        }
        if let Some(known) = self.known.iter_mut().find(|known| known.source == source) {
            known.vouched = known.vouched.max(now);
            return;
        }
        self.strangers.retain(|stranger| stranger.source != source);
        let oldest = (0..self.known.len()).min_by_key(|at| self.known[*at].vouched);
        if let Some(oldest) = oldest.filter(|_| self.known.is_full()) {
            self.known.swap_remove(oldest);
        }
        // There is room: a place was made if there was none.
        let _ = self.known.push(Known { source, allowance: Allowance { used_until: now }, vouched: now });
        self.changes = self.changes.wrapping_add(1);
    }

    /// Whether `source` has brought an authentic frame not too many other sources ago.
    #[must_use]
    pub fn knows(&self, source: Source) -> bool {
        source == Source::LINE || self.known.iter().any(|known| known.source == source)
    }

    /// Those whose frames should come through whatever happens.
    pub fn known(&self) -> impl Iterator<Item = Source> + '_ {
        self.known.iter().map(|known| known.source)
    }

    /// Those whose frames should not even be read, until [`Gate::next_deadline`].
    pub fn shut_out(&self) -> impl Iterator<Item = Source> + '_ {
        self.strangers
            .iter()
            .filter(|stranger| stranger.shut_out_until.is_some())
            .map(|stranger| stranger.source)
    }

    /// Whether there are so many strangers that only a sample of their frames should be read.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.crowded_until.is_some()
    }

    /// Another number whenever the answers of the three before may have changed.
    #[must_use]
    pub const fn changes(&self) -> u32 {
        self.changes
    }

    /// When [`Gate::pass_time`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.strangers.iter().filter_map(|stranger| stranger.shut_out_until).chain(self.crowded_until).min()
    }

    /// Looks anew at those whose time is over.
    pub fn pass_time(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        self.strangers.retain(|stranger| !is_over(stranger.shut_out_until));
        if is_over(self.crowded_until) {
            self.crowded_until = None;
            self.excess = 0;
        }
        self.changes = self.changes.wrapping_add(1);
    }

    /// The record of a stranger, in place of the quietest if there is no room; none if all are shut out.
    fn stranger(&mut self, now: Instant, source: Source) -> Option<&mut Stranger> {
        let at = match self.strangers.iter().position(|stranger| stranger.source == source) {
            Some(at) => at,
            None => {
                if self.strangers.is_full() {
                    let listened_to =
                        (0..self.strangers.len()).filter(|at| self.strangers[*at].shut_out_until.is_none());
                    let quietest = listened_to.min_by_key(|at| self.strangers[*at].allowance.used_until)?;
                    self.strangers.swap_remove(quietest);
                }
                let allowance = Allowance { used_until: now };
                self.strangers.push(Stranger { source, allowance, excess: 0, shut_out_until: None }).ok()?;
                self.strangers.len() - 1
            }
        };
        self.strangers.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const PEER: Source = Source(0xffff_0a00_0001);
    const FLOODER: Source = Source(0xffff_0a00_0063);
    const SECOND: u64 = 1_000_000;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// How many of the frames that `source` sends every `interval` microseconds for a second are let in.
    fn admitted(gate: &mut Gate, from: u64, interval: u64, source: impl Fn(u64) -> Source) -> usize {
        let times = (from..from + SECOND).step_by(usize::try_from(interval).unwrap());
        times.filter(|time| gate.admit(at(*time), source(*time))).count()
    }

    #[test]
    fn a_flood_of_one_stranger_is_opened_25_times_a_second_and_leaves_room_for_others() {
        let mut gate = Gate::default();
        admitted(&mut gate, 0, 10, |_| FLOODER);
        assert_eq!(admitted(&mut gate, SECOND, 10, |_| FLOODER), 25);
        for time in (2 * SECOND..3 * SECOND).step_by(10) {
            gate.admit(at(time), FLOODER);
            assert!(!time.is_multiple_of(100_000) || gate.admit(at(time), PEER), "at {time}");
        }
    }

    #[test]
    fn a_flood_of_strangers_is_opened_100_times_a_second() {
        let mut gate = Gate::default();
        admitted(&mut gate, 0, 10, |time| Source(2 + u128::from(time)));
        let of_many = admitted(&mut gate, SECOND, 10, |time| Source(2 + u128::from(time)));
        assert_eq!(of_many, 100);
        assert!(gate.is_crowded());
    }

    #[test]
    fn who_is_known_is_heard_whatever_others_do() {
        let mut gate = Gate::default();
        gate.vouch(at(0), PEER);
        for time in (0..5 * SECOND).step_by(10) {
            let source = if time.is_multiple_of(20_000) { PEER } else { Source(u128::from(time % 977)) };
            let is_let_in = gate.admit(at(time), source);
            assert!(is_let_in || source != PEER, "at {time}");
        }
    }

    #[test]
    fn one_who_forges_a_known_address_has_400_frames_a_second_opened() {
        let mut gate = Gate::default();
        gate.vouch(at(0), PEER);
        let first = admitted(&mut gate, 0, 10, |_| PEER);
        assert!(first <= 512 + 400, "{first}");
        assert_eq!(admitted(&mut gate, SECOND, 10, |_| PEER), 400);
    }

    #[test]
    fn short_intervals_have_a_larger_allowance() {
        let mut gate = Gate::default();
        gate.live_by(Duration::from_millis(4));
        gate.vouch(at(0), PEER);
        admitted(&mut gate, 0, 10, |_| PEER);
        assert_eq!(admitted(&mut gate, SECOND, 10, |_| PEER), 2_000);
    }

    #[test]
    fn all_that_waited_during_a_stall_is_heard() {
        let mut gate = Gate::default();
        gate.vouch(at(0), PEER);
        assert_eq!((0..600).filter(|_| gate.admit(at(SECOND), PEER)).count(), 512);
    }

    #[test]
    fn a_flooder_is_shut_out_for_a_while_and_then_looked_at_again() {
        let mut gate = Gate::default();
        let before = gate.changes();
        let mut time = 0;
        while gate.shut_out().next().is_none() {
            assert!(time < SECOND, "it is never shut out");
            gate.admit(at(time), FLOODER);
            time += 10;
        }
        assert_ne!(gate.changes(), before);
        assert_eq!(gate.shut_out().collect::<Vec<_>>(), [FLOODER]);
        let deadline = gate.next_deadline().unwrap();
        assert_eq!(deadline, at(time - 10) + SHUT_OUT);
        let before = gate.changes();
        gate.pass_time(deadline);
        assert_ne!(gate.changes(), before);
        assert_eq!((gate.shut_out().count(), gate.next_deadline()), (0, None));
        assert!(gate.admit(deadline, FLOODER));
    }

    #[test]
    fn another_cluster_on_the_same_port_is_not_shut_out() {
        let mut gate = Gate::default();
        let times = (0..60 * SECOND).step_by(100_000);
        assert!(times.into_iter().all(|time| gate.admit(at(time), FLOODER)));
        assert_eq!(gate.next_deadline(), None);
    }

    #[test]
    fn who_brings_an_authentic_frame_is_no_stranger_any_more() {
        let mut gate = Gate::default();
        for time in 0..1_000 {
            gate.admit(at(time), PEER);
        }
        assert_eq!(gate.shut_out().count(), 1);
        gate.vouch(at(1_000), PEER);
        assert_eq!((gate.shut_out().count(), gate.known().collect::<Vec<_>>()), (0, Vec::from([PEER])));
        assert!(gate.admit(at(1_000), PEER));
    }

    #[test]
    fn of_too_many_known_sources_the_one_that_was_silent_longest_is_forgotten() {
        let mut gate = Gate::default();
        for source in 0..=MAX_MEMBERS as u64 {
            gate.vouch(at(source), Source(10 + u128::from(source)));
            gate.vouch(at(source), Source(10));
        }
        assert!(gate.knows(Source(10)) && !gate.knows(Source(11)) && gate.knows(Source(12)));
    }

    #[test]
    fn noise_on_a_line_leaves_what_looks_like_a_frame_alone() {
        let mut gate = Gate::default();
        for time in (0..2 * SECOND).step_by(100) {
            gate.admit(at(time), Source::NOISE);
            assert!(!time.is_multiple_of(20_000) || gate.admit(at(time), Source::LINE), "at {time}");
        }
    }

    proptest! {
        /// Whatever comes from whom and when: the number of frames opened is bounded, and who is known and speaks
        /// within its allowance is always heard.
        #[test]
        fn what_is_opened_is_bounded_and_members_are_heard(
            frames in proptest::collection::vec((0u64..2_000, 0u128..40), 1..3_000)
        ) {
            let mut gate = Gate::default();
            gate.vouch(at(0), PEER);
            let (mut now, mut opened, mut next_heartbeat) = (0, 0u64, 0);
            for (pause, source) in frames {
                now += pause;
                if now >= next_heartbeat {
                    next_heartbeat = now + 2_500;
                    prop_assert!(gate.admit(at(now), PEER));
                }
                opened += u64::from(gate.admit(at(now), Source(2 + source)));
                prop_assert!(gate.next_deadline().is_none_or(|deadline| deadline > at(now)));
            }
            prop_assert!(opened <= STRANGERS.burst + now / STRANGERS.interval.micros() + 1, "{}", opened);
        }
    }
}
