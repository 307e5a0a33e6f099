//! What promise 1 rests on where a majority counts: nobody has it, by his own belief, whom so many others hold for dead
//! that the rest are none; and whoever is in the minority and still has something does not feed his watchdog.
//!
//! Excused: a node whose clock stood still, until the votes from before are over; it cannot know for how long it was away.
//! In maintenance the watchdog is fed once all others know of it, and none of them takes anything.
//! Not counted among those others: a daemon that started so lately that its word was given by the life before, or that is
//! stalled, and does not know better.

use heartline_core::Node;
use heartline_core::config::Quorum;
use heartline_core::ids::MemberIndex;
use heartline_core::member::Presence;
use heartline_core::quorum::votes_needed;

use crate::board::Witness;
use crate::plan::{Micros, name};
use crate::world::World;

/// Judges whether a node that takes a step may think that it is among the majority.
pub(crate) fn outvoted(world: &World, host: usize) -> Option<String> {
    let believes = world.host(host).daemon.as_ref().is_some_and(|daemon| daemon.node.has_quorum());
    (believes && is_in_the_minority(world, host))
        .then(|| format!("{} takes itself for part of a majority that holds it for dead", name(host)))
}

/// Judges a feed of the watchdog.
pub(crate) fn fed_in_vain(world: &World, host: usize) -> Option<String> {
    let here = world.host(host);
    // One that begins its next life in the same step is gone already.
    let node = here.daemon.as_ref().map(|daemon| &daemon.node);
    // What was decided in maintenance may be carried out when the same turn has heard its end, and before that is kept.
    if here.kept.is_on() || node.is_some_and(Node::in_maintenance) {
        return None;
    }
    let has = world.host(host).services.iter().any(|service| service.is_present() && !service.hidden);
    (has && is_in_the_minority(world, host)).then(|| {
        format!("{} feeds its watchdog though it has something that the majority may take", name(host))
    })
}

fn is_in_the_minority(world: &World, host: usize) -> bool {
    if world.settings().policy.quorum == Quorum::Off {
        return false;
    }
    let deadtime = world.settings().longest(|intervals| intervals.deadtime);
    if world.host(host).lost_time_at.is_some_and(|at| world.now() < at + deadtime) {
        return false;
    }
    let member = MemberIndex(u8::try_from(host).unwrap_or(u8::MAX));
    let gave_up = |other: usize| {
        let there = world.host(other);
        there.is_awake(world.now())
            && there.daemon.as_ref().is_some_and(|daemon| {
                let dead =
                    daemon.node.member(member).is_some_and(|member| member.presence() == Presence::Dead);
                dead && world.now() > daemon.born + deadtime
            })
    };
    let others = (0..world.hosts()).filter(|other| *other != host);
    let left = others.filter(|other| !gave_up(*other)).count();
    let witness = world.witness().is_some_and(|witness| !has_given_up(world, witness, host, deadtime));
    left + usize::from(witness) < votes_needed(world.settings().members())
}

/// Whether the witness has not heard a host for so long that its word from before is worth nothing. In a new life it does not
/// know what the former one has said.
fn has_given_up(world: &World, witness: &Witness, host: usize, deadtime: Micros) -> bool {
    // Nor does it hear whom it believes to have ended by a line that does nothing.
    let hears = witness.said.hosts[host].is_none_or(|(hears, _)| hears) || world.host(host).spared;
    witness.is_awake() && !hears && world.now() > witness.began + deadtime
}
