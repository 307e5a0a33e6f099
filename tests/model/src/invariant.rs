//! What must never be (design section 4), as exact statements about the truth, and what excuses it.

use heartline_core::Node;
use heartline_core::group::Activity;
use heartline_core::ids::GroupIndex;
use heartline_core::message::Stance;

use crate::cluster::{Cluster, Service, member};
use crate::setting::{DEADTIME, Setting};

/// The one group.
pub const GROUP: GroupIndex = GroupIndex(0);

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Violation {
    /// Nothing excuses two hosts between "start begun" and "stop complete" where fencing is configured.
    #[error("invariant 1: with fencing, two hosts are between \"start begun\" and \"stop complete\"")]
    TwiceWithFencing,
    /// Excused only if during the last dead time every link lost, held up or repeated a frame or was cut, or a daemon
    /// was down or stalled.
    #[error(
        "invariant 2: a second host began to start the group though a link worked both ways for a dead time"
    )]
    TwiceWhileHeard,
    /// Two may hold the group after a partition; but not when they could hear of each other for a dead time.
    #[error("invariant 2: two hosts still hold the group though a link worked both ways for a dead time")]
    TwoHoldersRemain,
    /// Nothing excuses a start within the dead time after a fresh frame of the host where the group may run.
    #[error("invariant 3: taken from a host that was heard within the dead time")]
    TakenFromTheLiving,
    /// Excused if the holder went down, stalled, was silent for a dead time or failed a job, or by an order.
    #[error("invariant 5: auto_failback is off, and the group moved without failure or order")]
    MovedWithoutReason,
}

/// What must hold at the instant when `host` begins a start, before that is counted.
///
/// # Errors
/// The promise that it breaks.
pub fn check_start(cluster: &Cluster, setting: &Setting, host: u8) -> Result<(), Violation> {
    let other = 1 - host;
    if cluster.host(other).may_run() {
        let heard = cluster.host(host).heard;
        if heard.is_some_and(|(_, _, heard)| heard + DEADTIME > cluster.now) {
            return Err(Violation::TakenFromTheLiving);
        }
        if !setting.fencing && cluster.heard_each_other(setting.links) {
            return Err(Violation::TwiceWhileHeard);
        }
    }
    let tenancy = cluster.tenancy;
    let moves = tenancy.holder == Some(other);
    // An order may be older than the start that it undoes.
    let ordered =
        stance(cluster, host) == Some(Stance::Ordered) || stance(cluster, other) == Some(Stance::Standby);
    if !setting.auto_failback && moves && !tenancy.failure && !tenancy.order && !ordered {
        return Err(Violation::MovedWithoutReason);
    }
    Ok(())
}

fn stance(cluster: &Cluster, host: u8) -> Option<Stance> {
    cluster.host(host).node.as_ref()?.group_here(GROUP).map(|group| group.stance())
}

/// What must hold after every action.
///
/// # Errors
/// The promise that is broken.
pub fn check(cluster: &Cluster, setting: &Setting) -> Result<(), Violation> {
    if !cluster.hosts.iter().all(|host| host.may_run()) {
        return Ok(());
    }
    if setting.fencing {
        return Err(Violation::TwiceWithFencing);
    }
    let holds = |node: &Node| {
        let activity = node.group_here(GROUP).map(|group| group.activity());
        matches!(activity, Some(Activity::Running | Activity::Starting { cancelled: false, .. }))
    };
    let both_hold = cluster.hosts.iter().all(|host| host.node.as_deref().is_some_and(holds));
    if both_hold && cluster.heard_each_other(setting.links) {
        return Err(Violation::TwoHoldersRemain);
    }
    Ok(())
}

/// Whether earlier failures excuse no move any more: both nodes know all of each other, and the holder runs the group.
#[must_use]
pub fn all_is_well(cluster: &Cluster) -> bool {
    let Some(holder) = cluster.tenancy.holder else { return false };
    let quiet = cluster.late.is_empty() && (0..2).all(|host| !cluster.waits_for(host));
    let content = |host: u8| {
        let place = cluster.host(host);
        let knows = |node: &Node| {
            node.is_settled() && node.member(member(1 - host)).is_some_and(|member| member.hears_us())
        };
        place.is_awake() && place.jobs.is_empty() && place.node.as_deref().is_some_and(knows)
    };
    quiet && cluster.host(holder).service == Service::Running && content(0) && content(1)
}
