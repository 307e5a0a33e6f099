//! Who may start a group: the five rules under which another member's silence or word allows it (design section 4).

use crate::config::{MemberKind, Policy, Quorum, StopFailure};
use crate::fencing::Fence;
use crate::ids::{GroupIndex, Sequence};
use crate::member::{Member, Presence};
use crate::message::GroupState;
use crate::planted::{Bug, planted};
use crate::time::Instant;

/// What one other member means for a claim of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It is a witness, which never runs anything.
    Witness,
    /// Rule 1: it knows of the claim and holds nothing of the group.
    Acknowledged,
    /// Rule 2: it left in good order.
    Left,
    /// Rule 3: it is dead and fenced since its last heartbeat.
    Fenced,
    /// Rule 4: it is dead, this side has quorum, and its watchdog must have fired by now.
    WatchdogFired,
    /// Rule 5: it is dead, and neither fencing nor quorum is configured.
    Unprotected,
    /// None of the rules holds yet.
    Wait,
    /// It is dead and must be fenced first.
    NeedsFence,
}

impl Grant {
    /// Whether the claim may go on as far as this member is concerned.
    #[must_use]
    pub const fn allows(self) -> bool {
        match self {
            Self::Witness
            | Self::Acknowledged
            | Self::Left
            | Self::Fenced
            | Self::WatchdogFired
            | Self::Unprotected => true,
            Self::Wait | Self::NeedsFence => false,
        }
    }
}

/// What the others' words say of a member that we hold for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Absence {
    /// Somebody who is alive hears it: it is cut off from us alone, and lives.
    pub(crate) is_heard_elsewhere: bool,
    /// The witness must vote for us first, and has not.
    pub(crate) lacks_vote: bool,
    /// It has been without a majority for longer than its watchdog allows.
    pub(crate) watchdog_has_fired: bool,
}

/// Judges the claim on `group` that our frame number `from` was the first to carry. Where quorum is asked for, this
/// node must have it.
#[must_use]
pub(crate) fn grant(
    member: &Member,
    group: GroupIndex,
    from: Sequence,
    now: Instant,
    absence: Absence,
    policy: &Policy,
) -> Grant {
    match member.presence {
        _ if member.kind == MemberKind::Witness => Grant::Witness,
        Presence::Unheard => Grant::Wait,
        Presence::Left => Grant::Left,
        Presence::Alive => {
            let has_heard = member.confirmed.is_some_and(|confirmed| confirmed >= from);
            // An answer that was under way for too long: it may hold us for dead by now, and take what we want.
            let is_current = member.vote_ends.is_some_and(|end| now < end);
            let acknowledged = (member.hears_us && has_heard && is_current) || planted(Bug::ClaimUnheard);
            let state = member.report(group).state;
            let holds_nothing = state == GroupState::Idle
                || (planted(Bug::StoppingIsIdle) && state == GroupState::Stopping)
                || planted(Bug::ClaimOverHolder);
            if acknowledged && holds_nothing { Grant::Acknowledged } else { Grant::Wait }
        }
        Presence::Dead if absence.is_heard_elsewhere || blocks(member, group, policy) => Grant::Wait,
        Presence::Dead if absence.lacks_vote => Grant::Wait,
        Presence::Dead if member.fence == Fence::Done => Grant::Fenced,
        Presence::Dead if absence.watchdog_has_fired => Grant::WatchdogFired,
        Presence::Dead if policy.fencing && !planted(Bug::FenceForgotten) => Grant::NeedsFence,
        Presence::Dead if policy.quorum == Quorum::Off || planted(Bug::FenceForgotten) => Grant::Unprotected,
        Presence::Dead => Grant::Wait,
    }
}

/// Whether a member keeps everybody from a group until an operator acts: it could not stop it (`Command::Cleanup`), or it
/// left in maintenance and the group went on running there (`Command::ConfirmDown`, or its return).
#[must_use]
pub fn blocks(member: &Member, group: GroupIndex, policy: &Policy) -> bool {
    // The fence ends what still runs, be it ours or an operator's.
    let may_last = !policy.fencing && member.fence != Fence::Done;
    let lasts = match member.presence {
        Presence::Alive => true,
        // So does the watchdog, and the reboot of one that could not stop.
        Presence::Dead => {
            may_last && policy.quorum == Quorum::Off && policy.stop_failure == StopFailure::Block
        }
        Presence::Unheard | Presence::Left => false,
    };
    (lasts && member.report(group).state == GroupState::Failed) || (may_last && member.left_running(group))
}
