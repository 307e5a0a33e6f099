//! What a node decides must follow from what it knows, whether or not harm came of it this time:
//!
//! * 5. No more restarts in place than the window allows, nothing in between that others could claim.
//! * 2. A restart in place gives way to a holder under a newer epoch.
//! * 5. No start where a start has failed, or the group too often, and nobody cleaned up or ordered it, and no claim under an epoch that somebody has already.
//! * 4. A claim is said in the step that makes it, unless the node has said too much out of turn already.
//! * 8. No reboot for a group that this life of the daemon has never started nor adopted.
//! * 7. A frame that a newer one of the same life overtook changes nothing that its sender is known to say.

use heartline_core::Node;
use heartline_core::ids::{Epoch, GroupIndex, MemberIndex};
use heartline_core::member::{Member, Presence};
use heartline_core::message::{GroupReport, Phase};
use heartline_core::notice::{Notice, ReleaseCause};
use heartline_core::time::{Duration, Instant};

use super::Promise;
use crate::plan::name;

/// So many heartbeats out of turn the core allows within a keepalive.
const OUT_OF_TURN_MAX: u8 = heartline_core::limits::MAX_UNSCHEDULED - 1;

/// More than all others' claims can ask for.
const ECHOES_MAX: u8 = OUT_OF_TURN_MAX - 2;

/// What one life of a daemon has done so far; bits by group.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    ours: u32,
    failed: u32,
    /// Those that are being restarted in place.
    restarting: u32,
    /// The last start was the second half of such a restart.
    restarted: bool,
    /// When groups were restarted in place.
    restarts: Vec<(GroupIndex, Instant)>,
    /// By the node's own clock.
    spoke_at: Instant,
    /// Heartbeats out of turn within the keepalive that began then.
    turn_since: Instant,
    out_of_turn: u8,
    /// Those of them for which the node noticed nothing.
    echoes: u8,
}

impl Conduct {
    /// An operator cleaned up or wants the groups here, or the files changed.
    pub(crate) fn forgive(&mut self) {
        self.failed = 0;
        self.restarts.clear();
    }

    /// Whether the last start was the second half of a restart in place.
    pub(crate) const fn has_restarted(&self) -> bool {
        self.restarted
    }

    /// Whether a start of a group failed in this life of the daemon, or it failed too often, and nobody cleaned up.
    pub(crate) const fn has_failed(&self, group: GroupIndex) -> bool {
        self.failed & 1 << group.0 != 0
    }

    /// Whether this life of the daemon has started or adopted a group.
    pub(crate) const fn is_ours(&self, group: GroupIndex) -> bool {
        self.ours & 1 << group.0 != 0
    }

    /// A heartbeat leaves, in a step that noticed something or did not. Gives what is wrong about that: so many out of
    /// turn for nothing are echoes of echoes.
    pub(crate) fn spoke(
        &mut self,
        host: usize,
        now: Instant,
        keepalive: Duration,
        noticed: bool,
    ) -> Option<String> {
        let regular = now >= self.spoke_at + keepalive;
        if now >= self.turn_since + keepalive {
            (self.turn_since, self.out_of_turn, self.echoes) = (now, 0, 0);
        }
        self.out_of_turn = self.out_of_turn.saturating_add(u8::from(!regular));
        self.echoes = self.echoes.saturating_add(u8::from(!regular && !noticed));
        self.spoke_at = now;
        (self.echoes >= ECHOES_MAX).then(|| format!("{} says more than it has to say", name(host)))
    }

    /// Judges a claim that its own step did not say.
    pub(crate) fn unsaid(&self, host: usize) -> Option<String> {
        (self.out_of_turn < OUT_OF_TURN_MAX)
            .then(|| format!("{} claims a group and does not say so", name(host)))
    }

    /// Judges a reboot.
    pub(crate) fn reboot(&self, host: usize, group: GroupIndex) -> Option<String> {
        let stranger = self.ours & 1 << group.0 == 0;
        stranger.then(|| format!("{} reboots for group {}, which was never its own", name(host), group.0))
    }

    /// Judges a notice.
    pub(crate) fn take(
        &mut self,
        host: usize,
        node: &Node,
        now: Instant,
        notice: &Notice,
    ) -> Option<(Promise, String)> {
        match *notice {
            Notice::Restarting { group, .. } => {
                self.restarting |= 1 << group.0;
                self.restarts.push((group, now));
                let allowed = node.config().policy().recovery;
                let counts =
                    |(at, when): &&(GroupIndex, Instant)| *at == group && now < *when + allowed.window;
                let count = self.restarts.iter().filter(counts).count();
                (count > usize::from(allowed.restarts)).then(|| {
                    let what = format!("{} restarts group {} {count} times in a row", name(host), group.0);
                    (Promise::NoFailback, what)
                })
            }
            Notice::Releasing { group, cause } => {
                self.restarting &= !(1 << group.0);
                self.failed |= u32::from(cause == ReleaseCause::FailedTooOften) << group.0;
                None
            }
            Notice::Maintenance { .. } => {
                self.restarting = 0;
                None
            }
            // Another has it, or a better right to it.
            Notice::ClaimWithdrawn { group, .. } | Notice::StopFailed { group, .. } => {
                self.restarting &= !(1 << group.0);
                None
            }
            Notice::Starting { group, epoch } => {
                self.ours |= 1 << group.0;
                let restarts = self.restarting & 1 << group.0 != 0;
                self.restarting &= !(1 << group.0);
                self.restarted = restarts;
                if restarts && let Some(holder) = newer_holder(node, group, epoch) {
                    let (here, there) = (name(host), name(usize::from(holder.0)));
                    let what =
                        format!("{here} restarts group {} over {there}, which holds it since", group.0);
                    return Some((Promise::OneOwnerWhileLinked, what));
                }
                (self.failed & 1 << group.0 != 0).then(|| {
                    let what = format!("{} starts group {} again after a failed start", name(host), group.0);
                    (Promise::NoFailback, what)
                })
            }
            Notice::Adopted { group, .. } => {
                self.ours |= 1 << group.0;
                None
            }
            Notice::StartFailed { group, .. } => {
                self.failed |= 1 << group.0;
                None
            }
            Notice::Claiming { group, .. } if self.restarting & 1 << group.0 != 0 => {
                self.restarting &= !(1 << group.0);
                let what = format!("{} shows group {} idle in the middle of a restart", name(host), group.0);
                Some((Promise::NoFailback, what))
            }
            Notice::Claiming { group, epoch, .. } => {
                let known =
                    |member: MemberIndex| node.member(member).map(|member| member.report(group).epoch);
                let newest = node.config().members().filter_map(known).max();
                (newest >= Some(epoch)).then(|| {
                    let what =
                        format!("{} claims group {} under an epoch that is not new", name(host), group.0);
                    (Promise::NoFailback, what)
                })
            }
            _ => None,
        }
    }
}

/// A member that is known to hold a group under a newer epoch.
fn newer_holder(node: &Node, group: GroupIndex, epoch: Epoch) -> Option<MemberIndex> {
    let mut others = node.config().others().filter_map(|at| Some((at, node.member(at)?)));
    let holds = |member: &Member| {
        let report = member.report(group);
        member.presence() == Presence::Alive && report.state.holds() && report.epoch > epoch
    };
    others.find(|(_, member)| holds(member)).map(|(at, _)| at)
}

/// What a node knows that a member says.
pub(crate) fn word(node: &Node, member: usize) -> Option<(Phase, Vec<GroupReport>)> {
    let member = node.member(MemberIndex(u8::try_from(member).unwrap_or(u8::MAX)))?;
    Some((member.phase(), node.config().groups().map(|group| member.report(group)).collect()))
}
