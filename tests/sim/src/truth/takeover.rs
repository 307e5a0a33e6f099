//! Promises 3 and 4: nobody is held for dead too early, and nothing is taken over too late.
//!
//! 3. A node says that a member is dead only when no genuine frame of it was taken in for the dead time that its newest
//!    one announced, or none at all for the initial dead time. A stall of its own as long as its dead time is no silence of the others.
//! 4. After a crash in a cluster that had been at rest, and if nothing else happens meanwhile, the groups of the crashed
//!    host run on survivors within its dead time, one fence, one start and the round trips of a claim.

use heartline_core::config::{Intervals, Quorum};
use heartline_core::ids::MemberIndex;

use super::overlap::unhurried;
use crate::host::Presence;
use crate::plan::{MILLISECOND, Micros, SECOND, Settings, WITNESS, name};
use crate::world::World;

/// Judges a notice that a member is dead.
pub(crate) fn false_death(world: &World, host: usize, member: MemberIndex) -> Option<String> {
    let other = usize::from(member.0);
    let name_of = |other| if other < world.hosts() { name(other) } else { WITNESS };
    let daemon = world.host(host).daemon.as_ref()?;
    let intervals: &Intervals = daemon.node.config().intervals();
    let (since, limit) = match daemon.heard.get(other)? {
        Some(heard) => (heard.at, heard.origin.deadtime),
        None => (daemon.born, intervals.initdead.micros()),
    };
    let since = since.max(world.host(host).long_stall_ended);
    if let Some(heard) = daemon.heard[other].filter(|_| world.witness().is_some() && other < world.hosts()) {
        let there = world.host(other);
        let lives = there.daemon.as_ref().map(|daemon| daemon.node.generation().0);
        if lives != Some(heard.origin.generation) && there.lost_power_at.is_some() {
            // The witness has seen its power go.
            return None;
        }
    }
    let silence = world.now().saturating_sub(since);
    (silence < unhurried(limit)).then(|| {
        format!(
            "{} holds {} for dead after {} ms of {} ms",
            name(host),
            name_of(other),
            silence / MILLISECOND,
            limit / MILLISECOND
        )
    })
}

/// How long the groups of a crashed host may be away.
pub(crate) fn time_allowed(world: &World, crashed: usize) -> Micros {
    let settings = world.settings();
    let times = &settings.times;
    let deadtime = settings.hosts[crashed].intervals.deadtime.micros();
    // As the wire has it, and the sixteenth that the core adds.
    let armed = settings.watchdog.map_or(0, |timeout| timeout.div_ceil(SECOND) * SECOND * 17 / 16);
    let proof = match settings.witness {
        Some(witness) => by_witness(settings, witness.fences, armed, deadtime),
        None if settings.policy.fencing => settings.longest_fence(),
        None => armed,
    };
    // Frames on a line, frames in the worst usual delay, and being waited for by those that must answer: at most half a
    // second for each of the two round trips of a claim that others must hear of.
    deadtime + deadtime / 1_000 + proof + times.start + SECOND
}

/// How long after the dead time the witness has given its vote, and the proof that the host is down.
fn by_witness(settings: &Settings, fences: bool, armed: Micros, deadtime: Micros) -> Micros {
    // Each of the two halves of a request, and the vote, go there and back, behind other frames of a slow line.
    const ASKS: Micros = 4 * SECOND;
    let pull = settings.longest_pull();
    let proof = match settings.policy.witness_watchdog {
        _ if !settings.is_wired() => armed,
        Some(after) => {
            let silence = after.max(settings.hosts[0].intervals.keepalive.times(3)).micros();
            (silence + silence / 1_000 + pull).saturating_sub(deadtime)
        }
        None if fences => pull,
        None => armed,
    };
    let is_race = settings.policy.quorum == Quorum::Off;
    ASKS + proof + if is_race { 2 * settings.policy.fence_delay.micros() } else { 0 }
}

/// Judges the groups (bit by group) that a crashed host ran.
pub(crate) fn late(world: &World, crashed: usize, groups: u32) -> Option<String> {
    let runs = |group: &usize| {
        (0..world.hosts()).any(|host| world.host(host).services[*group].presence == Presence::Running)
    };
    let late = (0..world.settings().groups.len())
        .filter(|group| groups & 1 << group != 0)
        .find(|group| !runs(group))?;
    Some(format!(
        "group {late} of {} runs nowhere {} ms after its crash",
        name(crashed),
        time_allowed(world, crashed) / MILLISECOND
    ))
}
