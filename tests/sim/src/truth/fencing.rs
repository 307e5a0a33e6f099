//! Promise 9: two hosts that lose each other do not both go down. It holds where nothing but partitions in both directions
//! happens, and the fence delay is longer than what can pass between their notices and shots.
//!
//! And part of promise 8: when all is at rest, everybody who was fenced knows.

use heartline_core::ids::MemberIndex;

use crate::plan::{Fault, Planned, name};
use crate::world::World;

/// Judges a shot by a host that is off itself.
pub(crate) fn both_down(world: &World, victim: usize, by: usize) -> Option<String> {
    let settings = world.settings();
    let partition = |planned: &Planned| matches!(planned.fault, Fault::Isolate { .. });
    let fair = settings.policy.fence_delay.micros() >= settings.fair_fence_delay();
    let race = world.hosts() == 2 && world.faults().iter().all(partition);
    (fair && race).then(|| format!("{} and {} fence each other, and both are off", name(victim), name(by)))
}

/// Finds a member that is back from a fence and was not told of it. Excused: a daemon that does not live any more, and
/// whom a lying device spared.
pub(crate) fn untold(world: &World, host: usize) -> Option<String> {
    // Who has said that it hears nobody is not believed.
    let daemon = world.host(host).daemon.as_ref().filter(|_| world.host(host).lie.is_none())?;
    let generation = |other: usize| world.host(other).daemon.as_ref().map(|there| there.node.generation().0);
    let untold = |other: &usize| {
        let member = daemon.node.member(MemberIndex(u8::try_from(*other).unwrap_or(u8::MAX)));
        let owes = daemon.owes[*other].is_some_and(|life| generation(*other) > Some(life));
        owes && member.is_some_and(|member| member.hears_us())
    };
    let at = (0..world.hosts()).find(untold)?;
    Some(format!("{} has not told {} that it was fenced", name(host), name(at)))
}
