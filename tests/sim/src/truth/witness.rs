//! Promise 11, about the witness in the cable:
//!
//! * It gives one vote an epoch, and the epochs of one life follow each other. It votes for a host only while the other has
//!   been silent to it for the dead time that it announced, or for two keepalives without power, or has left, or its life
//!   was ended by the reset line; and for its own dead time after its start for nobody. No two hosts have vote and majority at a
//!   time, and none takes what one that it holds for dead may have without the vote.
//! * It does what a host asks only once that has heard its present life.
//! * It pulls a reset line only if the other host asked for it, or the host had it armed and nothing genuine of it has come for
//!   the time of the watchdog, or two keepalives without power: so never for a reset, a brown-out or new firmware of its own.
//! * Its loss moves nothing: a host that has seen the other for long enough on another way does not lose its majority; and
//!   where nothing happens but to the witness, nothing moves and nobody is reset.
//!
//! And part of promise 9: two hosts that have each other reset by it do not both go down.

use heartline_core::config::{MemberKind, Quorum};
use heartline_core::ids::{GroupIndex, MemberIndex};
use heartline_core::member::Presence;
use heartline_core::time::Duration;
use heartline_core::witness::{Power, Vote};

use crate::board::Witness;
use crate::plan::{Kind, LinkSettings, MILLISECOND, Micros, SECOND, WITNESS_LIMIT, Words, name};
use crate::world::World;

/// Judges a vote.
pub(crate) fn misvoted(world: &World, new: Vote) -> Option<String> {
    let witness = world.witness()?;
    let old = witness.vote;
    let to = new.to.and_then(|to| witness.host(to));
    let Some(to) = to.filter(|_| new.epoch == old.epoch.next()) else {
        return Some(format!("the witness changes its vote from {old:?} to {new:?}"));
    };
    let other = 1 - to;
    let (since, patience) = match witness.ears[other].heard_before(world.now()) {
        Some((_, origin)) if origin.left || witness.ended[other] >= Some(origin.generation) => return None,
        Some((at, origin)) => (at, patience(world, witness, other, Duration::from_micros(origin.deadtime))),
        None => (witness.began, world.settings().hosts[0].intervals.deadtime),
    };
    let silence = world.now() - since;
    (silence < World::by_its_clock(patience)).then(|| {
        format!(
            "the witness votes for {}, though it heard {}, or began, {} ms ago",
            name(to),
            name(other),
            silence / MILLISECOND
        )
    })
}

/// Judges that it does what a host asks: the host has heard its present life.
pub(crate) fn heeds_a_recording(world: &World, asker: usize) -> Option<String> {
    let witness = world.witness()?;
    let (_, origin) = witness.ears[asker].heard()?;
    let heard = origin.hears[world.hosts()];
    (heard != witness.generation).then(|| {
        format!("life {} of the witness does what {} asked of life {heard}", witness.generation, name(asker))
    })
}

/// How long a silence it bears of a host: `usual`, and only two keepalives without power.
fn patience(world: &World, witness: &Witness, host: usize, usual: Duration) -> Duration {
    if is_dark(world, witness, host) { usual.min(keepalive(world, host).times(2)) } else { usual }
}

/// Whether the supply of a host is gone, or its return too new to count.
fn is_dark(world: &World, witness: &Witness, host: usize) -> bool {
    let says = witness.said.hosts[host].map(|(_, word)| word.power);
    world.is_dark(host) || says == Some(Power::Off)
}

fn keepalive(world: &World, host: usize) -> Duration {
    world.settings().hosts[host].intervals.keepalive
}

/// Judges a reset line that is pulled.
pub(crate) fn pulled(world: &World, host: usize) -> Option<String> {
    let witness = world.witness()?;
    if is_calm(world) {
        return Some(format!("the witness resets {} though nothing happens but to itself", name(host)));
    }
    let asked = |at: Micros| world.now() < at + WITNESS_LIMIT + 10 * SECOND;
    if witness.asked[1 - host].is_some_and(asked) {
        return None;
    }
    let watchdog = world.settings().policy.witness_watchdog;
    let lies = world.host(host).lie.is_some();
    let keepalive = keepalive(world, host);
    let watchdog = if lies { Some(keepalive.times(3)) } else { watchdog };
    let Some(watchdog) = watchdog.filter(|_| witness.ears[host].heard().is_some()) else {
        return Some(format!("the witness resets {}, which has not asked for a watchdog", name(host)));
    };
    let limit = patience(world, witness, host, watchdog);
    let since = witness.ears[host].heard().map_or(0, |(at, _)| at);
    let silence = world.now() - since;
    (silence < World::by_its_clock(limit)).then(|| {
        format!("the witness resets {}, which it heard {} ms ago", name(host), silence / MILLISECOND)
    })
}

/// Whether nothing happens in this run but to the witness, and the hosts have another way to each other.
pub(crate) fn is_calm(world: &World) -> bool {
    let network = world.settings().links.iter().any(|link| matches!(link, LinkSettings::Datagram { .. }));
    let first = world.faults().first().map(|planned| planned.at);
    let settings = world.settings();
    let late = settings.hosts.iter().map(|host| host.first_boot).max().unwrap_or(0);
    let first =
        first.max(Some(late + settings.times.boot + settings.longest(|it| it.initdead) + 30 * SECOND));
    let all = world.faults().iter().all(|planned| Kind::is_of_the_witness(&planned.fault.kind()));
    world.witness().is_some() && network && all && first.is_some_and(|first| world.now() > first)
}

/// Judges a loss of the majority.
pub(crate) fn lost_for_nothing(world: &World, host: usize) -> Option<String> {
    if world.witness().is_none() || world.settings().policy.quorum != Quorum::Witness {
        return None;
    }
    let other = 1 - host;
    let deadtime = world.settings().longest(|intervals| intervals.deadtime);
    let well = super::overlap::linked_since(world, host, other)?;
    let slower = 3;
    // Where the files differ, one of them may speak too seldom for the other's dead time.
    let usual =
        |host: usize| world.host(host).daemon.as_ref().is_some_and(|daemon| daemon.in_force == Words::Usual);
    if ![host, other].into_iter().all(usual) {
        return None;
    }
    (world.now() > well + 2 * slower * deadtime + SECOND && world.host(other).lie.is_none())
        .then(|| format!("{} loses its majority though it and {} see each other", name(host), name(other)))
}

/// Judges a start: what a host that is held for dead may have is taken with the witness's vote only.
pub(crate) fn took_unvoted(world: &World, host: usize, group: GroupIndex) -> Option<String> {
    let witness = world.witness().filter(|_| world.settings().policy.quorum == Quorum::Witness)?;
    let node = &world.host(host).daemon.as_ref()?.node;
    let dead = |member: &MemberIndex| {
        let member = node.member(*member).filter(|member| member.kind() == MemberKind::Node);
        member
            .is_some_and(|member| member.presence() == Presence::Dead && member.report(group).state.may_run())
    };
    let takes = node.config().others().any(|member| dead(&member));
    (takes && witness.voted_for != Some(host))
        .then(|| format!("{} takes group {} without the witness's vote", name(host), group.0))
}

/// Judges a node that believes that it has the vote: none other does.
pub(crate) fn both_voted(world: &World, host: usize) -> Option<String> {
    if world.settings().policy.quorum != Quorum::Witness {
        return None;
    }
    let deadtime = world.settings().longest(|intervals| intervals.deadtime);
    let has = |at: usize| {
        let here = world.host(at);
        // A liar has it for what it denies. One whose clock stood still cannot know yet, nor can one that has just woken up.
        let knows = here.lost_time_at.is_none_or(|at| world.now() > at + deadtime);
        let is_up = here.well_since(world.now()).is_some_and(|since| since < world.now());
        knows
            && here.lie.is_none()
            && is_up
            && here.daemon.as_ref().is_some_and(|daemon| {
                let node = &daemon.node;
                let dead = node.config().others().any(|member| {
                    node.member(member).is_some_and(|member| member.presence() == Presence::Dead)
                });
                dead && node.has_quorum() && node.witness().is_some_and(|view| view.vote_is_ours)
            })
    };
    (world.witness().is_some() && has(host) && has(1 - host))
        .then(|| format!("{} and {} have the witness's vote at a time", name(host), name(1 - host)))
}

/// Judges a reset that one host has asked for: the other has not had it reset just so.
pub(crate) fn reset_each_other(world: &World, victim: usize, by: usize) -> Option<String> {
    let witness = world.witness()?;
    let pull = witness.pulls[by];
    let is_down = pull.took_down && pull.last_asker == Some(victim);
    is_down.then(|| format!("{} and {} have each other reset, and both are off", name(victim), name(by)))
}

/// Finds a host that the witness has not told how its former life ended.
pub(crate) fn unlearned(world: &World, host: usize) -> Option<String> {
    let witness = world.witness()?;
    let ended = witness.said.hosts[host]?.1.reset?.generation.0;
    Some(format!("the witness has not told {} that it ended its life {ended}", name(host)))
}
