//! What can happen to a node. Inputs are plain data: a recorded list of (time, input) replays an incident.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupIndex, JobId, LinkIndex, MemberIndex, OrderId, PingIndex};
use crate::time::Duration;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input<'a> {
    /// A frame came in on a link. Serial bytes were already put together by `framing`.
    Frame {
        /// On which link.
        link: LinkIndex,
        /// The bytes, whatever they are.
        bytes: &'a [u8],
    },
    /// Time passed, and every frame that was waiting has been handed in: silence may be judged now.
    Tick,
    /// A ping node answered.
    Pong(PingIndex),
    /// The hardware watchdog resets this host when it is not fed for so long; nothing: it is not armed (any more).
    Watchdog(Option<Duration>),
    /// A job ended.
    JobEnded {
        /// Which job.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// Something of a group seems to be gone: an address was removed, a process ended. If the group runs here, it is
    /// asked at once how it is, also where nobody asks it at intervals; at most once a second, and again if this comes
    /// while it is being asked. In every other state it means nothing.
    Suspect(GroupIndex),
    /// The shell's fencer wants the witness to reset a member, as part of this job; answered by
    /// [`crate::effect::Effect::WitnessFence`] once the witness has answered. One at a time: an earlier one is withdrawn.
    FenceByWitness {
        /// The job whose work it is.
        job: JobId,
        /// Who is to be reset.
        target: MemberIndex,
    },
    /// The shell's fencer does not wait for the witness any longer. What the witness has begun it ends.
    FenceWithdrawn(JobId),
    /// An operator asks for something; the answer comes as [`crate::effect::Effect::Answer`].
    Order {
        /// Named in the answer.
        id: OrderId,
        /// What is asked.
        command: Command,
    },
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A start, stop, repair or fence succeeded; a probe or monitor found the whole group running.
    Done,
    /// A probe or monitor found nothing running.
    NotRunning,
    /// A probe or monitor found parts running.
    Partial,
    /// A monitor found that only such parts are gone as [`crate::effect::Work::Repair`] puts back.
    Repairable,
    /// It did not succeed.
    Failed(JobFailure),
    /// A fence succeeded.
    Fenced {
        /// With which device, by its number in the order of `ha.cf`, from 1.
        device: u8,
    },
}

impl Outcome {
    /// Why a job did not succeed that did not.
    #[must_use]
    pub const fn failure(self) -> JobFailure {
        match self {
            Self::Failed(failure) => failure,
            Self::Done | Self::Fenced { .. } | Self::NotRunning | Self::Partial | Self::Repairable => {
                JobFailure::Refused
            }
        }
    }
}

/// Why a job did not succeed. The shell has said more in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobFailure {
    /// The agent said so; of a monitor: its answer was neither that the group runs nor that it does not.
    Refused,
    /// It did not end within its time limit and was killed.
    TimedOut,
    /// It was cancelled by an order of ours.
    Cancelled,
    /// It could not be run at all.
    NotRun,
}

/// What an operator can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Give groups to the others (`hb_standby`).
    Standby(Scope),
    /// Take groups from the others (`hb_takeover`).
    Takeover(Scope),
    /// Forget failures of one group or of all, and look again at what runs. What a member that is dead now could not
    /// stop counts as stopped.
    Cleanup(Option<GroupIndex>),
    /// Stop these groups (bit by group), for the configuration that is to come does not have them; see
    /// [`crate::Node::groups_in_the_way`]. The other members may take them as long as theirs has. Once this is answered,
    /// that configuration is taken before the next step or not at all: they may run here again then.
    Retire(u32),
    /// Turns maintenance on or off for the whole cluster: services stay as they are, and nothing is managed
    /// (`heartline maintenance`). Answered when every member that is alive says so too.
    Maintenance(bool),
    /// Begin the next life with the services kept (`heartline restart --keep-services`). The others are told and stay
    /// calm for a bounded time. Answered only if it does not come to that.
    Restart,
    /// The operator vouches that a dead member is down and runs nothing (`heartline confirm-down`): it counts as fenced
    /// until it is heard again. Answered when what it ran has come to rest.
    ConfirmDown(MemberIndex),
    /// Give everything up and leave (`heartbeat -k`, SIGTERM).
    Leave,
}

/// Which groups an order is about, from the point of view of the node that gets it (semantics 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Every group.
    All,
    /// Those that prefer this node.
    Local,
    /// Those that prefer another node.
    Foreign,
}
