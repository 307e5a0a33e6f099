//! Fencing as data: how far it has come for a dead member, why it is done, and what is told about it afterwards. When
//! a member is fenced is decided in `node::fence`.

use serde::{Deserialize, Serialize};

use crate::ids::{Generation, JobId, NodeId};
use crate::time::{Duration, Instant};

/// How far the fencing of a dead member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fence {
    /// Not fenced.
    None,
    /// The other may have more to lose: it has until then to fence us.
    Delayed(Instant),
    /// A fencing job runs.
    Running(JobId),
    /// Fenced since its last heartbeat.
    Done,
    /// The last attempt failed; the next one is due then.
    Waiting(Instant),
}

/// Why a member is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FenceCause {
    /// It is silent and may run what is to be started here.
    Takeover,
    /// It is silent while groups run here: if it lives, it is about to fence this node.
    Defence,
    /// It was never heard since this node's start, so that it may run anything.
    NeverHeard,
}

impl FenceCause {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Takeover => 0,
            Self::Defence => 1,
            Self::NeverHeard => 2,
        }
    }

    pub(crate) const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Takeover),
            1 => Some(Self::Defence),
            2 => Some(Self::NeverHeard),
            _ => None,
        }
    }
}

/// An attempt to fence a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Why.
    pub cause: FenceCause,
    /// When it began.
    pub since: Instant,
    /// How long the member had been silent then.
    pub silence: Duration,
    /// The life that it is to end; nothing if the member was never heard.
    pub generation: Option<Generation>,
}

/// A fence that its victim does not know of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// The attempt that succeeded.
    pub attempt: Attempt,
    /// When the device said so.
    pub done: Instant,
    /// The number of the device in the order of `ha.cf`, from 1; 0 if that is not known.
    pub device: u8,
}

/// What a heartbeat says to a member that was fenced and is back, until it has heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FenceReport {
    /// Who was fenced.
    pub member: NodeId,
    /// Why.
    pub cause: FenceCause,
    /// The life that was ended; 0 if the sender had not heard of it.
    pub generation: Generation,
    /// How long ago the device said that it was done.
    pub ago: Duration,
    /// How long it took.
    pub took: Duration,
    /// How long the member had been silent.
    pub silence: Duration,
    /// The number of the device, as in [`Untold`].
    pub device: u8,
}

impl Untold {
    /// What its victim is told at `now`.
    #[must_use]
    pub(crate) fn report(&self, member: NodeId, now: Instant) -> FenceReport {
        let Attempt { cause, since, silence, generation } = self.attempt;
        FenceReport {
            member,
            cause,
            generation: generation.unwrap_or(Generation(0)),
            ago: now.since(self.done),
            took: self.done.since(since),
            silence,
            device: self.device,
        }
    }
}
