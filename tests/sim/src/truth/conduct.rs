//! What a node decides must follow from what it knows, whether or not harm came of it this time:
//!
//! * 5. No start where a start has failed and nobody cleaned up or ordered it, and no claim under an epoch that somebody has already.
//! * 4. A claim is said in the step that makes it, unless the node has said too much out of turn already.
//! * 8. No reboot for a group that this life of the daemon has never started nor adopted.
//! * 7. A frame that a newer one of the same life overtook changes nothing that its sender is known to say.

use heartline_core::Node;
use heartline_core::ids::{GroupIndex, MemberIndex};
use heartline_core::message::{GroupReport, Phase};
use heartline_core::notice::Notice;
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
    pub(crate) const fn forgive(&mut self) {
        self.failed = 0;
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
    pub(crate) fn take(&mut self, host: usize, node: &Node, notice: &Notice) -> Option<(Promise, String)> {
        match *notice {
            Notice::Starting { group, .. } => {
                self.ours |= 1 << group.0;
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

/// What a node knows that a member says.
pub(crate) fn word(node: &Node, member: usize) -> Option<(Phase, Vec<GroupReport>)> {
    let member = node.member(MemberIndex(u8::try_from(member).unwrap_or(u8::MAX)))?;
    Some((member.phase(), node.config().groups().map(|group| member.report(group)).collect()))
}
