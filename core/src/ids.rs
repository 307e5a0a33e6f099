//! Names for things: numbers that cannot be mistaken for each other.

use serde::{Deserialize, Serialize};

/// A member's place in the configuration: members are sorted by name, so the order is the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberIndex(pub u8);

/// A link's place among this node's media, in the order of its `ha.cf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkIndex(pub u8);

/// A group's place in `haresources`; the same on every node whose configuration agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupIndex(pub u8);

/// A ping node's place in this node's `ha.cf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PingIndex(pub u8);

/// Names a job from its order to its outcome. An outcome for an unknown or settled job changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u32);

/// Names an operator's order from its input to its answer; chosen by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId(pub u32);

/// Counts the claims of one group over the life of the cluster: of two holders, the newer epoch wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a claim made with knowledge of this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Counts the lives of a node: grows at every start and is stored before the first frame is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u32);

/// Counts the frames of one life of a node, from 1. With 32 bits a quick heartbeat would run out of numbers within
/// weeks, on all nodes of a cluster at about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The next frame's number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A member's name on the wire: 16 bits of its lower-case node name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 2]);

impl NodeId {
    /// The identity of the node called `name`; upper and lower case are the same name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let crc = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
        let mut digest = crc.digest();
        for byte in name.bytes() {
            digest.update(&[byte.to_ascii_lowercase()]);
        }
        Self(digest.finalize().to_be_bytes())
    }
}

/// A set of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LinkSet(pub u16);

impl LinkSet {
    /// No link.
    pub const EMPTY: Self = Self(0);

    /// Adds a link; one beyond the 16 that there can be is ignored.
    pub fn insert(&mut self, link: LinkIndex) {
        self.0 |= 1u16.checked_shl(u32::from(link.0)).unwrap_or(0);
    }

    /// Whether no link is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many links are in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether `link` is in the set.
    #[must_use]
    pub fn contains(self, link: LinkIndex) -> bool {
        1u16.checked_shl(u32::from(link.0)).is_some_and(|bit| self.0 & bit != 0)
    }
}
