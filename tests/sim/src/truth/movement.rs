//! Promise 5: with `auto_failback off` no holder gives way to a higher bid, unless an operator gave an order in this run or
//! the ping nodes decide: nothing else makes another node's bid higher than that of the one that holds the group. A holder
//! without the majority that it needs is unfit, and that is a failure; so is a start that failed here, though somebody may have
//! mended it by hand in maintenance. Who has only found it running, and not adopted it, is no holder yet. A lie may
//! make it seem so.
//!
//! And whatever the policy, a reason that is given must be one: whoever gives way to a newer holder names an epoch that is
//! not older than its own.

use heartline_core::ids::{GroupIndex, MemberIndex};
use heartline_core::notice::ReleaseCause;

use crate::plan::name;
use crate::world::World;

/// Judges a release.
pub(crate) fn unfounded(
    world: &World,
    host: usize,
    group: GroupIndex,
    cause: ReleaseCause,
) -> Option<String> {
    let policy = &world.settings().policy;
    let daemon = world.host(host).daemon.as_ref();
    let unfit = daemon.is_some_and(|daemon| !daemon.node.has_quorum() || daemon.conduct.has_failed(group));
    let found = daemon.is_some_and(|daemon| !daemon.conduct.is_ours(group));
    let lies = (0..world.hosts()).any(|host| world.host(host).lie.is_some());
    let excused =
        policy.auto_failback || policy.ping_decides || world.orders_given() || unfit || found || lies;
    match cause {
        ReleaseCause::HigherBid(heir) if !excused => Some(format!(
            "{} gives group {} to {} without failure or order",
            name(host),
            group.0,
            name_of(heir)
        )),
        ReleaseCause::NewerHolder { member, ours, theirs } if theirs < ours => Some(format!(
            "{} gives way to {} for group {}, though its own epoch {} is newer than {}",
            name(host),
            name_of(member),
            group.0,
            ours.0,
            theirs.0
        )),
        _ => None,
    }
}

fn name_of(member: MemberIndex) -> &'static str {
    name(usize::from(member.0))
}
