//! Promises 4 and 8 for what runs and is monitored.
//!
//! 4. A service that died, or an address that is gone, is noticed within the group's interval and one time limit, and
//!    something is done about it. Excused: a daemon that did not run all the time, a group before it is its own,
//!    maintenance, and monitors and repairs that were in trouble meanwhile. It is looked at every five seconds.
//! 8. No group is restarted or given up but for an answer of its monitor that had a cause, if only a lie of the plan's.
//!    A time limit that passed while the host was paused for its dead time is none.

use heartline_core::ids::GroupIndex;
use heartline_core::message::{GroupState, Phase};

use crate::plan::{MILLISECOND, SECOND, name};
use crate::world::World;

/// Finds what its node should have noticed by now.
pub(crate) fn unnoticed(world: &World, host: usize) -> Option<String> {
    let here = world.host(host);
    let daemon = here.daemon.as_ref().filter(|daemon| daemon.node.phase() == Phase::Active)?;
    let well_since = here.well_since(world.now())?.max(here.maintained);
    if daemon.node.in_maintenance() {
        return None;
    }
    for group in 0..world.settings().groups.len() {
        let Some(interval) = world.settings().monitor(group) else { continue };
        let place = here.place(group);
        let service = &here.services[place];
        let Some(since) = service.ails_since else { continue };
        let at = GroupIndex(u8::try_from(group).unwrap_or(u8::MAX));
        let excused = well_since > since
            || service.care_troubled >= since
            || here.state(place) != Some(GroupState::Running)
            || !daemon.conduct.is_ours(at);
        let allowed = interval + interval / 1_000 + world.settings().times.limit + 6 * SECOND;
        if !excused && world.now() > since + allowed {
            return Some(format!(
                "{} has not noticed for {} ms that group {group} is not well",
                name(host),
                (world.now() - since) / MILLISECOND
            ));
        }
    }
    None
}

/// Judges a notice that a group failed.
pub(crate) fn unblamed(world: &World, host: usize, group: GroupIndex) -> Option<String> {
    let here = world.host(host);
    let service = &here.services[here.place(usize::from(group.0))];
    (!service.blamed).then(|| format!("{} gives up group {} for no reason", name(host), group.0))
}
