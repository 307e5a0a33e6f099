//! Promise 6: when all faults are over and operators have cleaned up, then after two dead times and the times of a stop
//! and a start every group runs on one host and nowhere else, every daemon runs and takes part, and all agree that
//! nothing is left to do, or to tell those that were fenced. Excused: a service that died or never ran, but which its
//! node believes in, counts as running where its group is not monitored, and one that a probe denied does not.

use heartline_core::ids::GroupIndex;
use heartline_core::message::{GroupState, Phase};

use crate::host::Presence;
use crate::plan::name;
use crate::world::World;

/// Finds what has not come to rest.
pub(crate) fn unrest(world: &World) -> Option<String> {
    for host in 0..world.hosts() {
        let Some(daemon) =
            world.host(host).daemon.as_ref().filter(|_| world.host(host).is_awake(world.now()))
        else {
            return Some(format!("no daemon runs on {}", name(host)));
        };
        if daemon.node.phase() != Phase::Active {
            return Some(format!("{} is {:?}", name(host), daemon.node.phase()));
        }
    }
    for host in 0..world.hosts() {
        if let Some(what) = in_maintenance(world, host) {
            return Some(what);
        }
    }
    for group in 0..world.settings().groups.len() {
        let at = GroupIndex(u8::try_from(group).unwrap_or(u8::MAX));
        let owners: Vec<usize> = (0..world.hosts()).filter(|host| has(world, *host, group)).collect();
        let [owner] = owners[..] else {
            let owners: Vec<&str> = owners.iter().map(|host| name(*host)).collect();
            return Some(format!("group {group} runs on {owners:?}"));
        };
        let policy = &world.settings().policy;
        let preferred = world.settings().groups[group].preferred;
        if policy.auto_failback && !policy.ping_decides && !world.orders_given() && owner != preferred {
            return Some(format!("group {group} runs on {} and not on {}", name(owner), name(preferred)));
        }
        let state = world
            .host(owner)
            .daemon
            .as_ref()
            .and_then(|daemon| daemon.node.group_here(at))
            .map(|group| group.state());
        if state != Some(GroupState::Running) {
            return Some(format!("group {group} is {state:?} on {}", name(owner)));
        }
    }
    let settled =
        |host: &usize| world.host(*host).daemon.as_ref().is_some_and(|daemon| daemon.node.is_settled());
    (0..world.hosts())
        .find(|host| !settled(host))
        .map(|host| format!("{} is not settled", name(host)))
        .or_else(|| (0..world.hosts()).find_map(|host| super::untold(world, host)))
        .or_else(|| (0..world.hosts()).find_map(|host| super::unlearned(world, host)))
}

/// Maintenance is over everywhere, and what was changed by hand meanwhile was found.
fn in_maintenance(world: &World, host: usize) -> Option<String> {
    let here = world.host(host);
    let node = here.daemon.as_ref().map(|daemon| daemon.node.maintenance());
    let newest = (0..world.hosts()).map(|host| world.host(host).kept).max();
    if here.kept.is_on() || node != newest || Some(here.kept) != newest {
        return Some(format!("{} knows {node:?} of {newest:?}", name(host)));
    }
    let group = here.services.iter().position(|service| service.by_hand)?;
    Some(format!("{} has not found what was done by hand to group {group}", name(host)))
}

fn has(world: &World, host: usize, group: usize) -> bool {
    let service = &world.host(host).services[group];
    let unwatched = world.settings().monitor(group).is_none();
    (service.believed && unwatched) || (service.presence != Presence::Stopped && !service.hidden)
}
