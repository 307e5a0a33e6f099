//! What a member says that it has heard of another, and what that confirms. A frame is to be short, so it names a life and a
//! frame by their low bits alone; what these stand for is told here, to node and witness alike.

use crate::ids::{Generation, LinkSet, NodeId, Sequence};

/// What the sender has heard from another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The other member.
    pub member: NodeId,
    /// The low byte of its generation.
    pub generation: u8,
    /// The low 16 bits of the newest sequence number heard.
    pub sequence: u16,
    /// On which of the sender's links it is heard now; empty: on none.
    pub links: LinkSet,
}

impl Heard {
    /// That of `member`'s life `generation` the frame `newest` was heard last, and that it is heard now on `links`.
    #[must_use]
    pub const fn new(member: NodeId, generation: Generation, newest: Sequence, links: LinkSet) -> Self {
        let [.., high, low] = newest.0.to_be_bytes();
        Self { member, generation: low_byte(generation), sequence: u16::from_be_bytes([high, low]), links }
    }

    /// Whether this life is meant: or one 256 lives earlier or later.
    #[must_use]
    pub const fn is_of(&self, life: Generation) -> bool {
        self.generation == low_byte(life)
    }

    /// Whether a later life than this one is meant: up to 127 lives later.
    #[must_use]
    pub const fn is_of_later_than(&self, life: Generation) -> bool {
        self.generation.wrapping_sub(low_byte(life)).cast_signed() > 0
    }

    /// The frame that is meant, of a sender whose newest is `newest`: it cannot be newer than that. Nothing if there is
    /// none.
    #[must_use]
    pub const fn frame_up_to(&self, newest: Sequence) -> Option<Sequence> {
        let [high @ .., _, _] = newest.0.to_be_bytes();
        let [fifth, sixth] = self.sequence.to_be_bytes();
        let [a, b, c, d, e, f] = high;
        let same = u64::from_be_bytes([a, b, c, d, e, f, fifth, sixth]);
        let frame = if same <= newest.0 { Some(same) } else { same.checked_sub(0x1_0000) };
        match frame {
            Some(frame) => Some(Sequence(frame)),
            None => None,
        }
    }
}

const fn low_byte(life: Generation) -> u8 {
    let [.., low] = life.0.to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(life: u32, frame: u64) -> Heard {
        Heard::new(NodeId::of("ha1"), Generation(life), Sequence(frame), LinkSet(1))
    }

    #[test]
    fn lives_are_told_apart_over_the_end_of_the_byte() {
        let of_256 = heard(256, 1);
        assert!(of_256.is_of(Generation(256)) && !of_256.is_of(Generation(255)));
        assert!(of_256.is_of_later_than(Generation(255)) && of_256.is_of_later_than(Generation(129)));
        assert!(!of_256.is_of_later_than(Generation(256)) && !of_256.is_of_later_than(Generation(257)));
    }

    #[test]
    fn a_frame_that_was_never_sent_is_none() {
        assert_eq!(heard(1, 6).frame_up_to(Sequence(5)), None);
    }

    proptest! {
        #[test]
        fn the_frame_that_was_meant_is_found(newest in any::<u64>(), age in 0u64..0x1_0000) {
            let frame = newest.saturating_sub(age);
            prop_assert_eq!(heard(1, frame).frame_up_to(Sequence(newest)), Some(Sequence(frame)));
        }
    }
}
