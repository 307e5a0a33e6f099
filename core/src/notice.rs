//! What a node decides or notices, as data with its reasons. Log lines, events and hooks are renderings of these; no
//! prose is made here.

use serde::{Deserialize, Serialize};

use crate::fencing::FenceCause;
use crate::health::Ailment;
use crate::ids::{Epoch, Generation, GroupIndex, JobId, LinkIndex, MemberIndex, PingIndex};
use crate::input::JobFailure;
use crate::message::{GroupState, Phase};
use crate::refusal::Refusal;
use crate::time::Duration;
use crate::witness::ResetCause;

/// One thing worth saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// This node's own phase changed.
    Phase(Phase),
    /// A member's frames come in on a link on which they did not.
    LinkUp {
        /// Who.
        member: MemberIndex,
        /// On which of our links.
        link: LinkIndex,
    },
    /// Nothing came from a member over a link for its dead time.
    LinkDead {
        /// Who.
        member: MemberIndex,
        /// On which of our links.
        link: LinkIndex,
        /// The silence.
        silence: Duration,
    },
    /// One path to a member is left where there were more: the next failure looks like its death.
    OnePathLeft {
        /// Who.
        member: MemberIndex,
        /// The path that still works.
        link: LinkIndex,
    },
    /// A member is heard for the first time since our start.
    MemberHeard {
        /// Who.
        member: MemberIndex,
        /// Its life.
        generation: Generation,
    },
    /// A member hears us too: it is alive in both directions.
    MemberHearsUs(MemberIndex),
    /// A member that we hear no longer hears us.
    MemberDeaf(MemberIndex),
    /// A member came back with a new generation.
    MemberRestarted {
        /// Who.
        member: MemberIndex,
        /// Its new life.
        generation: Generation,
    },
    /// A member said that its phase changed.
    MemberPhase {
        /// Who.
        member: MemberIndex,
        /// Its phase.
        phase: Phase,
    },
    /// A member was silent for its dead time on every link, or never heard for the initial dead time.
    MemberDead {
        /// Who.
        member: MemberIndex,
        /// The silence.
        silence: Duration,
        /// How much of it was allowed.
        limit: Duration,
    },
    /// A member that we held for dead speaks again in the same life: a partition healed, or it was stalled.
    MemberReturned(MemberIndex),
    /// A heartbeat came later than the warning time.
    LateHeartbeat {
        /// From whom.
        member: MemberIndex,
        /// The gap.
        interval: Duration,
    },
    /// This node itself said nothing for its dead time or longer; it listens before it judges anybody.
    Stalled(Duration),
    /// Maintenance begins or ends.
    Maintenance {
        /// Whether it is on from here on.
        on: bool,
        /// Who told us; nobody if it was ordered here, or kept from the life before.
        by: Option<MemberIndex>,
    },
    /// This node leaves in maintenance: these groups (bit by group) go on running here without it.
    LeavesRunning(u32),
    /// This node begins its next life with the services kept, and asks the others to wait for it.
    NextLife {
        /// The silence after which they hold it for dead.
        deadtime: Duration,
    },
    /// It did not come to that: what was under way did not end in time, or the next life could not begin.
    NextLifeGivenUp,
    /// A member restarts its heartbeat with the services kept.
    MemberRestarts {
        /// Who.
        member: MemberIndex,
        /// The silence after which it wants to be held for dead.
        deadtime: Duration,
    },
    /// An operator vouches that a dead member is down: it counts as fenced.
    ConfirmedDown(MemberIndex),
    /// More than half of all nodes hear each other, this one among them: groups may run here.
    QuorumGained,
    /// This node is not among the majority any more, as far as it can tell: nothing may run here.
    QuorumLost,
    /// A ping node answers.
    PingUp(PingIndex),
    /// A ping node does not answer any more.
    PingDead(PingIndex),
    /// The number of reachable ping nodes that counts for our bids changed.
    PingsCount(u8),
    /// A member's resource configuration differs from ours: nobody takes anything over.
    ConfigurationDiffers {
        /// Whose.
        member: MemberIndex,
        /// Our groups that its file does not have in the same words, bit by group index. All, if it named no lines.
        ours: u32,
        /// How many lines of its file ours does not have.
        theirs: u8,
    },
    /// A member's resource configuration agrees again.
    ConfigurationAgrees(MemberIndex),
    /// The first look at a group found this.
    Probed {
        /// Which group.
        group: GroupIndex,
        /// What it is now.
        state: GroupState,
    },
    /// A group that ran here before our start is kept, since nobody else has it.
    Adopted {
        /// Which group.
        group: GroupIndex,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// We claim a group.
    Claiming {
        /// Which group.
        group: GroupIndex,
        /// Under which epoch.
        epoch: Epoch,
        /// Why it needs somebody.
        cause: ClaimCause,
    },
    /// We withdraw a claim.
    ClaimWithdrawn {
        /// Which group.
        group: GroupIndex,
        /// In favour of whom; nobody if we may not run it any more.
        winner: Option<MemberIndex>,
    },
    /// A group is taken from a dead member that could not be fenced: as in the original, and as unsafe.
    Unprotected {
        /// Which group.
        group: GroupIndex,
        /// The dead member.
        member: MemberIndex,
    },
    /// A group is taken from a dead member whose watchdog must have reset it by now.
    WatchdogFired {
        /// Which group.
        group: GroupIndex,
        /// The dead member.
        member: MemberIndex,
    },
    /// Every member's word is there, the start begins.
    Starting {
        /// Which group.
        group: GroupIndex,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// A group runs.
    Started {
        /// Which group.
        group: GroupIndex,
        /// How long the start took.
        took: Duration,
    },
    /// A start failed; the group is given up here until it is cleaned up or ordered.
    StartFailed {
        /// Which group.
        group: GroupIndex,
        /// The job that failed.
        job: JobId,
        /// How.
        failure: JobFailure,
    },
    /// A monitor of a group could not be run, or had no clear answer. That is borne: see [`Notice::Unhealthy`].
    Doubtful {
        /// Which group.
        group: GroupIndex,
        /// The job.
        job: JobId,
        /// What it came to.
        failure: JobFailure,
    },
    /// A group that was in doubt is well.
    Healthy(GroupIndex),
    /// A group that ran here failed.
    Unhealthy {
        /// Which group.
        group: GroupIndex,
        /// The monitor or repair that found out.
        job: JobId,
        /// How it failed.
        ailment: Ailment,
    },
    /// What of a group is gone is put back, beside what runs.
    Repairing(GroupIndex),
    /// What was gone of a group is there again.
    Repaired(GroupIndex),
    /// A group that failed is restarted in place.
    Restarting {
        /// Which group.
        group: GroupIndex,
        /// The number of this restart within the window.
        count: u8,
        /// How many there may be.
        limit: u8,
    },
    /// A group is let go.
    Releasing {
        /// Which group.
        group: GroupIndex,
        /// Why.
        cause: ReleaseCause,
    },
    /// A group is stopped here.
    Stopped {
        /// Which group.
        group: GroupIndex,
        /// How long the stop took.
        took: Duration,
    },
    /// A group could not be stopped.
    StopFailed {
        /// Which group.
        group: GroupIndex,
        /// The job that failed.
        job: JobId,
        /// How.
        failure: JobFailure,
    },
    /// Another node holds a group that we hold; ours is newer or the better bid, so the other must stop.
    ConflictWon {
        /// Which group.
        group: GroupIndex,
        /// Who else has it.
        member: MemberIndex,
        /// Our epoch.
        ours: Epoch,
        /// Its epoch.
        theirs: Epoch,
    },
    /// A group that runs on another member now.
    RunsElsewhere {
        /// Which group.
        group: GroupIndex,
        /// Where.
        member: MemberIndex,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// A group that needs somebody can run nowhere.
    NobodyFit(GroupIndex),
    /// A dead member may live and have more to lose than this node: it is left some time before it is fenced.
    FencingDelayed {
        /// Who.
        member: MemberIndex,
        /// How long.
        pause: Duration,
    },
    /// A dead member is being fenced.
    Fencing {
        /// Who.
        member: MemberIndex,
        /// Why.
        cause: FenceCause,
        /// How long it was silent, or this node up if it was never heard.
        silence: Duration,
    },
    /// A dead member was fenced: it can run nothing.
    Fenced {
        /// Who.
        member: MemberIndex,
        /// Why.
        cause: FenceCause,
        /// The number of the device in the order of `ha.cf`, from 1; 0 if that is not known.
        device: u8,
        /// How long that took.
        took: Duration,
    },
    /// A member that was said to be fenced goes on speaking in the same life: the device did not do what it said.
    FenceBelied(MemberIndex),
    /// A member says that it had this node fenced, in an earlier life of it.
    WasFenced {
        /// Who.
        by: MemberIndex,
        /// Why.
        cause: FenceCause,
        /// The generation of the life that was ended; 0 if the other had never heard of it.
        life: u32,
        /// How long ago that was.
        ago: Duration,
        /// How long it took.
        took: Duration,
        /// How long this node had been silent, or the other up if it had never heard of it.
        silence: Duration,
        /// The number of the device in the order of the other's `ha.cf`, from 1; 0 if that is not known.
        device: u8,
    },
    /// The witness watches over this host from here on.
    WitnessWatches {
        /// Which member it is.
        witness: MemberIndex,
        /// The silence after which it resets this host.
        after: Duration,
    },
    /// The witness does not watch over this host any more: it was released, or has restarted.
    WitnessWatchesNot(MemberIndex),
    /// The witness has given its vote to this node: it may take what a dead member ran.
    WitnessVoted {
        /// Which member it is.
        witness: MemberIndex,
        /// The epoch of the vote.
        epoch: Epoch,
    },
    /// The witness says that the power of a member is gone, and the member was silent for two heartbeats: it is not
    /// waited for any longer.
    PowerLost(MemberIndex),
    /// The witness has reset a dead member: it can run nothing.
    ResetByWitness {
        /// Who was reset.
        member: MemberIndex,
        /// By which member.
        witness: MemberIndex,
        /// Why.
        cause: ResetCause,
        /// How long ago.
        ago: Duration,
    },
    /// The witness says that it has reset this host, in an earlier life of it.
    WasResetByWitness {
        /// Which member it is.
        witness: MemberIndex,
        /// Why.
        cause: ResetCause,
        /// The generation of the life that was ended.
        life: u32,
        /// How long ago.
        ago: Duration,
    },
    /// Fencing failed; it is tried again after a pause.
    FencingFailed {
        /// Who.
        member: MemberIndex,
        /// How.
        failure: JobFailure,
        /// The pause.
        retry_in: Duration,
    },
    /// Frames of a link were refused for one reason; said for the 1st, 10th, 100th ... such frame.
    Refused {
        /// Which link.
        link: LinkIndex,
        /// Why.
        refusal: Refusal,
        /// How many so far.
        count: u32,
    },
    /// Another machine sends under our name; said for the 1st, 10th, 100th ... such frame.
    DuplicateName(LinkIndex),
    /// Notices that found no room in one step.
    Dropped(u32),
}

/// Why a group needs somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimCause {
    /// Nobody runs it, and we are where it belongs.
    NobodyRunsIt,
    /// Its holder died.
    HolderDied(MemberIndex),
    /// Its holder let it go.
    HolderReleased(MemberIndex),
}

/// Why a group is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseCause {
    /// Another member's bid is higher.
    HigherBid(MemberIndex),
    /// This node leaves.
    Leaving,
    /// Another member holds it under a newer epoch, or under the same with a higher bid.
    NewerHolder {
        /// Who.
        member: MemberIndex,
        /// Our epoch.
        ours: Epoch,
        /// Its epoch.
        theirs: Epoch,
    },
    /// This node is not among the majority any more.
    QuorumLost,
    /// The configuration that is to come does not have it.
    Retired,
    /// Its start failed and what was started is stopped again.
    FailedStart,
    /// It failed more often than it may be restarted in place.
    FailedTooOften,
    /// Only parts of it were running at our start, or its state could not be told.
    NotWhole,
}
