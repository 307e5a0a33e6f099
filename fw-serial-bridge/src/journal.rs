//! The last deeds of the witness, with their times, in memory that outlives a reset. The board says where that is; what
//! is in it after power was off is noise, and a deed that was being written when the reset came is torn. Each deed
//! has a check of its own, so either is recognised and no other deed is lost.

use heartline_core::ids::Generation;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{DEEDS, Deed, PastDeed};

use crate::CRC32;

/// Part of every check, so that a later layout does not take this one for its own.
const LAYOUT: &[u8] = b"heartline journal 1";
const SLOT: usize = 24;
const DEED: usize = SLOT - 12;
const CLOCK: usize = 8;
/// The grain of the journal's times.
const TICK: Duration = Duration::from_millis(100);
/// Lives are counted in numbers of deeds as well, so that these grow also when the memory was lost.
const NUMBERS_A_LIFE: u32 = 1 << 12;

/// Bytes of memory that a journal needs.
pub const BYTES: usize = DEEDS * SLOT + 2 * CLOCK;

/// The journal of one life of the witness, on the memory that earlier ones left.
#[derive(Debug)]
pub struct Journal<'m> {
    memory: &'m mut [u8; BYTES],
    /// The number of the next deed.
    next: u32,
    /// The journal's clock, which goes on over resets, when this life began; in [`TICK`]s.
    began_at: u32,
    start: Instant,
    /// The clock as it stands in the memory, and in which of its two places.
    kept_clock: u32,
}

impl<'m> Journal<'m> {
    /// Goes on with what `memory` holds.
    #[must_use]
    pub fn open(memory: &'m mut [u8; BYTES], generation: Generation, now: Instant) -> Self {
        let newest = (0..DEEDS).filter_map(|place| read(memory, place)).map(|kept| kept.number).max();
        let next = match newest {
            Some(newest) => newest.wrapping_add(1),
            None => generation.0.wrapping_mul(NUMBERS_A_LIFE),
        };
        let began_at = [0, 1].into_iter().filter_map(|place| read_clock(memory, place)).max().unwrap_or(0);
        let mut journal = Self { memory, next, began_at, start: now, kept_clock: began_at };
        journal.write_clock(began_at);
        journal
    }

    /// Notes a deed.
    pub fn note(&mut self, now: Instant, deed: Deed) {
        let kept = Kept { number: self.next, at: self.clock(now), deed };
        let place = place(self.next);
        if let Some(slot) = self.memory.get_mut(place * SLOT..(place + 1) * SLOT) {
            kept.write(slot);
        }
        self.next = self.next.wrapping_add(1);
        self.pass_time(now);
    }

    /// Keeps the time, for the next life.
    pub fn pass_time(&mut self, now: Instant) {
        let clock = self.clock(now);
        if clock != self.kept_clock {
            self.write_clock(clock);
        }
    }

    /// The number of the newest deed; nothing if none is known.
    #[must_use]
    pub fn newest(&self) -> Option<u32> {
        let number = self.next.wrapping_sub(1);
        self.deed(Instant::ZERO, number).map(|deed| deed.number)
    }

    /// The deed with this number, if it is known still.
    #[must_use]
    pub fn deed(&self, now: Instant, number: u32) -> Option<PastDeed> {
        let kept = read(self.memory, place(number)).filter(|kept| kept.number == number)?;
        let ago = TICK.times(u64::from(self.clock(now).saturating_sub(kept.at)));
        Some(PastDeed { number, ago, deed: kept.deed })
    }

    /// All deeds that are known, oldest first.
    pub fn deeds(&self, now: Instant) -> impl Iterator<Item = PastDeed> + '_ {
        let count = u32::try_from(DEEDS).unwrap_or(u32::MAX);
        (1..=count).rev().filter_map(move |back| self.deed(now, self.next.wrapping_sub(back)))
    }

    fn clock(&self, now: Instant) -> u32 {
        let ticks = now.since(self.start).micros() / TICK.micros();
        self.began_at.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Into its two places in turn, so that one of them is whole whenever the reset comes.
    fn write_clock(&mut self, clock: u32) {
        let place = usize::from(clock % 2 == 1);
        let start = DEEDS * SLOT + place * CLOCK;
        let bytes = clock.to_le_bytes();
        if let Some([b0, b1, b2, b3, check @ ..]) = self.memory.get_mut(start..start + CLOCK) {
            [*b0, *b1, *b2, *b3] = bytes;
            check.copy_from_slice(&check_of(&bytes).to_le_bytes());
        }
        self.kept_clock = clock;
    }
}

/// A deed as it lies in the memory.
struct Kept {
    number: u32,
    /// The clock of the journal.
    at: u32,
    deed: Deed,
}

impl Kept {
    fn write(&self, slot: &mut [u8]) {
        let mut bytes = [0; SLOT - 4];
        let (number, rest) = bytes.split_at_mut(4);
        let (at, deed) = rest.split_at_mut(4);
        number.copy_from_slice(&self.number.to_le_bytes());
        at.copy_from_slice(&self.at.to_le_bytes());
        // The longest deed has ten bytes; one that were longer would be kept as noise, and not be known.
        let whole = postcard::to_slice(&self.deed, deed).is_ok();
        let check = if whole { check_of(&bytes) } else { !check_of(&bytes) };
        if let Some((contents, end)) = slot.split_at_mut_checked(bytes.len()) {
            contents.copy_from_slice(&bytes);
            end.copy_from_slice(&check.to_le_bytes());
        }
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(0) % DEEDS
}

fn read(memory: &[u8; BYTES], place: usize) -> Option<Kept> {
    let slot = memory.get(place * SLOT..(place + 1) * SLOT)?;
    let (bytes, check) = slot.split_last_chunk::<4>()?;
    if check_of(bytes) != u32::from_le_bytes(*check) {
        return None;
    }
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    let (at, deed) = rest.split_first_chunk::<4>()?;
    let deed = postcard::take_from_bytes(deed.get(..DEED)?).ok()?.0;
    Some(Kept { number: u32::from_le_bytes(*number), at: u32::from_le_bytes(*at), deed })
        .filter(|kept| self::place(kept.number) == place)
}

fn read_clock(memory: &[u8; BYTES], place: usize) -> Option<u32> {
    let start = DEEDS * SLOT + place * CLOCK;
    let (clock, check) = memory.get(start..start + CLOCK)?.split_first_chunk::<4>()?;
    let is_whole = check == check_of(clock).to_le_bytes();
    is_whole.then(|| u32::from_le_bytes(*clock))
}

fn check_of(bytes: &[u8]) -> u32 {
    let mut digest = CRC32.digest();
    digest.update(LAYOUT);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartline_core::ids::{Epoch, NodeId};
    use heartline_core::witness::{ReadBack, ResetCause, StartCause};
    use proptest::prelude::*;
    use std::vec::Vec;

    const START: Instant = Instant::from_micros(7_000_000);

    fn at(millis: u64) -> Instant {
        START + Duration::from_millis(millis)
    }

    fn voted(epoch: u32) -> Deed {
        Deed::Voted(NodeId::of("ha1"), Epoch(epoch))
    }

    fn numbers(journal: &Journal<'_>) -> Vec<u32> {
        journal.deeds(at(0)).map(|deed| deed.number).collect()
    }

    #[test]
    fn deeds_and_their_times_outlive_a_reset() {
        let mut memory = [0xa5; BYTES];
        let mut journal = Journal::open(&mut memory, Generation(3), START);
        assert_eq!(journal.newest(), None);
        journal.note(at(0), Deed::Started(StartCause::PowerOn));
        journal.note(at(60_000), voted(1));
        journal.pass_time(at(90_000));
        let mut journal = Journal::open(&mut memory, Generation(4), START);
        journal.note(at(10_000), Deed::Started(StartCause::OwnWatchdog));
        let deeds: Vec<_> =
            journal.deeds(at(10_000)).map(|deed| (deed.number, deed.ago.millis(), deed.deed)).collect();
        let first = 3 * NUMBERS_A_LIFE;
        assert_eq!(
            deeds,
            [
                (first, 100_000, Deed::Started(StartCause::PowerOn)),
                (first + 1, 40_000, voted(1)),
                (first + 2, 0, Deed::Started(StartCause::OwnWatchdog)),
            ]
        );
    }

    #[test]
    fn the_oldest_deed_makes_room() {
        let mut memory = [0; BYTES];
        let mut journal = Journal::open(&mut memory, Generation(0), START);
        (0..20).for_each(|epoch| journal.note(at(0), voted(epoch)));
        assert_eq!(numbers(&journal), (4..20).collect::<Vec<u32>>());
    }

    #[test]
    fn a_torn_deed_is_recognised_and_no_other_is_lost() {
        let mut memory = [0; BYTES];
        let mut journal = Journal::open(&mut memory, Generation(0), START);
        (0..3).for_each(|epoch| journal.note(at(0), voted(epoch)));
        // The third was half written: what follows is from before.
        memory[2 * SLOT + 5..3 * SLOT].fill(0);
        assert_eq!(numbers(&Journal::open(&mut memory, Generation(1), START)), [0, 1]);
    }

    #[test]
    fn a_torn_clock_costs_one_tick() {
        let mut memory = [0; BYTES];
        let mut journal = Journal::open(&mut memory, Generation(0), START);
        journal.note(at(0), voted(0));
        journal.pass_time(at(5_000));
        journal.pass_time(at(5_100));
        let newest = DEEDS * SLOT + CLOCK;
        memory[newest + 2] ^= 1;
        let journal = Journal::open(&mut memory, Generation(1), START);
        assert_eq!(journal.deeds(at(0)).next().map(|deed| deed.ago.millis()), Some(5_000));
    }

    #[test]
    fn the_longest_deed_has_room() {
        let longest = Deed::Reset(
            NodeId([0xff; 2]),
            ResetCause::Watchdog(Duration::from_millis(u64::from(u32::MAX))),
            ReadBack::WentOff,
        );
        let mut memory = [0; BYTES];
        let mut journal = Journal::open(&mut memory, Generation(0), START);
        journal.note(at(0), longest);
        assert_eq!(journal.deeds(at(0)).next().map(|deed| deed.deed), Some(longest));
    }

    proptest! {
        #[test]
        fn what_power_left_behind_is_no_deed(noise in prop::collection::vec(any::<u8>(), BYTES)) {
            let mut memory: [u8; BYTES] = noise.try_into().unwrap();
            prop_assert_eq!(numbers(&Journal::open(&mut memory, Generation(1), START)), []);
        }

        /// Whatever byte was not written when the reset came: what is told happened, in order, and at most one deed
        /// is missing.
        #[test]
        fn any_torn_byte_costs_one_deed_at_most(deeds in 1u32..40, byte in 0..DEEDS * SLOT, flip in 1u8..) {
            let mut memory = [0; BYTES];
            let mut journal = Journal::open(&mut memory, Generation(0), START);
            (0..deeds).for_each(|epoch| journal.note(at(0), voted(epoch)));
            memory[byte] ^= flip;
            let journal = Journal::open(&mut memory, Generation(1), START);
            let told: Vec<_> = journal.deeds(at(0)).collect();
            prop_assert!(told.iter().all(|deed| deed.deed == voted(deed.number)));
            prop_assert!(told.windows(2).all(|pair| pair[0].number < pair[1].number));
            prop_assert!(told.len() + 1 >= usize::try_from(deeds).unwrap().min(DEEDS) );
        }
    }
}
