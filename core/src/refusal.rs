//! Why a frame changed nothing, and how often that happened on each link.

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::seal::SealError;

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// It is not a frame, or not authentic.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is authentic, but its body is not a message.
    #[error("authentic, but its contents are malformed")]
    Body,
    /// It comes from a node that `ha.cf` does not name.
    #[error("from a node (identity {:02x}{:02x}) that ha.cf does not name", .0.0[0], .0.0[1])]
    UnknownMember(NodeId),
    /// It belongs to an earlier life of its sender: a replay, or the sender lost its generation file.
    #[error("of an earlier life of its sender: a replay, or the sender lost its generation file")]
    OldGeneration,
    /// It is too old to tell whether it was seen before.
    #[error("too old")]
    TooOld,
    /// It was seen on this link before.
    #[error("seen before on this link")]
    Replay,
    /// Its source sends more than is opened; see [`crate::gate`]. It was not looked at.
    #[error("more frames than are opened: a flood, or another program on this port")]
    Flood,
}

/// The kinds of refusals that are counted apart.
pub const KINDS: usize = 7;

/// Counters of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkCounters {
    /// Frames that were let in, copies included.
    pub accepted: u32,
    /// Frames that were refused, by [`Refusal::kind`].
    pub refused: [u32; KINDS],
}

impl Refusal {
    /// Which counter counts it, below [`KINDS`].
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::Seal(SealError::Frame(_)) | Self::Body => 0,
            Self::Seal(SealError::UnknownKey(_)) => 1,
            Self::Seal(SealError::WrongTag(_)) => 2,
            Self::UnknownMember(_) => 3,
            Self::OldGeneration => 4,
            Self::TooOld | Self::Replay => 5,
            Self::Flood => 6,
        }
    }
}

impl LinkCounters {
    /// Counts a refusal and gives the count if it is worth saying: the 1st, 10th, 100th ...
    pub(crate) fn refuse(&mut self, refusal: &Refusal) -> Option<u32> {
        count(&mut self.refused[refusal.kind()])
    }
}

/// Counts one more and gives the count if it is worth saying: the 1st, 10th, 100th ...
pub(crate) fn count(counter: &mut u32) -> Option<u32> {
    *counter = counter.saturating_add(1);
    let mut power = 1u32;
    while power < *counter {
        power = power.checked_mul(10)?;
    }
    (power == *counter).then_some(*counter)
}
