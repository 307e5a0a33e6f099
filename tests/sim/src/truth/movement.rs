//! Promise 5: with `auto_failback off` no holder gives way to a higher bid, unless an operator gave an order in this run or
//! the ping nodes decide: nothing else makes another node's bid higher than that of the one that holds the group.

use heartline_core::ids::{GroupIndex, MemberIndex};

use crate::plan::name;
use crate::world::World;

/// Judges a release in favour of a higher bid.
pub(crate) fn unordered_move(world: &World, host: usize, group: GroupIndex, heir: MemberIndex) -> Option<String> {
    let policy = &world.settings().policy;
    let excused = policy.auto_failback || policy.ping_decides || world.orders_given();
    (!excused).then(|| {
        format!("{} gives group {} to {} without failure or order", name(host), group.0, name(usize::from(heir.0)))
    })
}
