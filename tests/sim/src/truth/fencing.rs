//! Promise 9: two hosts that lose each other do not both go down. It holds where nothing but partitions in both directions
//! happens, and the fence delay is longer than what can pass between their notices and shots.
//!
//! And part of promise 8: when all is at rest, everybody who was fenced knows.

use heartline_core::ids::MemberIndex;
use heartline_core::member::Presence;

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

/// Finds a member that is back from a fence and was not told of it.
pub(crate) fn untold(world: &World, host: usize) -> Option<String> {
    let node = &world.host(host).daemon.as_ref()?.node;
    let members = (0u8..).map(MemberIndex).take(world.hosts());
    let mut untold = members.filter(|at| {
        node.member(*at).is_some_and(|member| {
            let lives_anew = |life| member.generation() > life;
            let left = member.untold().is_some_and(|untold| lives_anew(untold.attempt.generation));
            left && member.presence() == Presence::Alive && member.hears_us()
        })
    });
    let at = untold.next()?;
    Some(format!("{} has not told {} that it was fenced", name(host), name(usize::from(at.0))))
}
