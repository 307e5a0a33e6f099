//! The eight promises (design section 4), and one each about fencing, maintenance and the witness, against what really happened.
//! Each file holds the exact statement of some of them, with all that excuses a node. Nothing here changes the world.

mod care;
mod conduct;
mod fencing;
mod forgery;
mod knowledge;
mod majority;
mod movement;
mod overlap;
mod recovery;
mod rest;
mod takeover;
mod witness;

use std::fmt;

use crate::plan::Micros;

pub(crate) use care::{goes_back, meddles};
pub(crate) use conduct::{Conduct, word};
pub(crate) use fencing::{both_down, untold};
pub(crate) use forgery::differs;
pub(crate) use knowledge::{Reasons, unheard, unknown_service};
pub(crate) use majority::{fed_in_vain, outvoted};
pub(crate) use movement::unfounded;
pub(crate) use overlap::{begins, differs_from, lasts};
pub(crate) use recovery::{unblamed, unnoticed};
pub(crate) use rest::unrest;
pub(crate) use takeover::{false_death, late, time_allowed};
pub(crate) use witness::{
    both_voted, heeds_a_recording, is_calm, lost_for_nothing, misvoted, pulled, reset_each_other,
    took_unvoted, unlearned,
};

/// What is promised, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Promise {
    /// 1. With fencing or quorum, never two nodes between "start begun" and "stop complete" of one group.
    OneOwner,
    /// 2. Without them, never two such nodes while any link between them works in both directions.
    OneOwnerWhileLinked,
    /// 3. No takeover from a node that is alive on any link.
    NotFromTheLiving,
    /// 4. After one crash the groups run on a survivor in time.
    InTime,
    /// 5. With `auto_failback off`, a group moves only for a failure or an order.
    NoFailback,
    /// 6. After the faults everything comes to rest, and all that can run runs.
    Rest,
    /// 7. No input panics or loops; forged and replayed frames change nothing.
    Robust,
    /// 8. What runs is known to run, and every reboot and every fence has a reason.
    Known,
    /// 9. Of two nodes that lose each other, where their devices work and the fence delay is long enough, one survives.
    OneSurvives,
    /// 10. In maintenance nothing is started, stopped or fenced.
    LeftAlone,
    /// 11. The witness votes once an epoch, resets nobody without cause, and its loss moves nothing.
    Witness,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub promise: Promise,
    /// When it was broken.
    pub at: Micros,
    /// What happened.
    pub what: String,
}

impl Promise {
    /// Its number; 1 to 8 are those of the design.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    const fn statement(self) -> &'static str {
        match self {
            Self::OneOwner => "with fencing or quorum, a group never runs on two nodes",
            Self::OneOwnerWhileLinked => "a group never runs on two nodes while a link between them works",
            Self::NotFromTheLiving => "no takeover from a node that is alive on any link",
            Self::InTime => "after one crash the groups run on a survivor in time",
            Self::NoFailback => "with auto_failback off, a group moves only for a failure or an order",
            Self::Rest => "after the faults everything comes to rest and runs",
            Self::Robust => "no input panics or loops, and a forged frame changes nothing",
            Self::OneSurvives => "of two nodes that lose each other one survives",
            Self::Known => "what runs is known to run, and every reboot and fence has a reason",
            Self::LeftAlone => "in maintenance nothing is started, stopped or fenced",
            Self::Witness => {
                "the witness votes once, resets nobody without cause, and its loss moves nothing"
            }
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {} ({})", self.number(), self.statement())
    }
}
