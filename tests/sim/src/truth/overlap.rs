//! Promises 1, 2 and, for starts, 3: who may have a group at the same time as another. To adopt what was found running
//! is as much as a start.
//!
//! 1. With fencing or quorum, no start begins while something of the group is present on another host. Excused: what a
//!    fencing device claimed to have shot and did not, be it the other host or the one that starts, what others than the
//!    daemon started, what its files did not name any more when it started, and what a probe denied.
//! 2. Without them the same holds for two hosts that are *linked*: some link between them has had nothing wrong with it,
//!    in both directions, and both daemons have run without a stall, for twice the longer dead time. Two that were not, and
//!    run the same group, must end that within the same time and a stop once they are linked and maintenance is over, unless
//!    the group cannot be stopped and its node says so.
//!    Nor does a start begin while the newest word of another that is alive says that its files differ.
//! 3. Linked or not: no start while a host has the group from which a frame was taken in within its dead time.

use heartline_core::ids::MemberIndex;
use heartline_core::member::Presence;
use heartline_core::message::GroupState;

use super::Promise;
use crate::host::{Host, Service};
use crate::plan::{LinkSettings, Micros, SECOND, Settings, name};
use crate::wire::Direction;
use crate::world::World;

/// Judges a start by what the others that are alive said last of their files: while those differ nobody takes anything,
/// for one service may have two names.
pub(crate) fn differs_from(world: &World, host: usize) -> Option<String> {
    let daemon = world.host(host).daemon.as_ref()?;
    let alive = |other: &usize| {
        let member = daemon.node.member(MemberIndex(u8::try_from(*other).unwrap_or(u8::MAX)));
        member.is_some_and(|member| member.presence() == Presence::Alive)
    };
    let differs = |other: &usize| {
        daemon.heard[*other].is_some_and(|heard| !heard.origin.words.agree_with(daemon.in_force))
    };
    let other = (0..world.hosts()).filter(alive).find(differs)?;
    Some(format!("{} starts a group though {} says that its files differ", name(host), name(other)))
}

/// Since when some link between two hosts and both daemons have been well; nothing while they are not.
pub(super) fn linked_since(world: &World, one: usize, other: usize) -> Option<Micros> {
    let media = |host: usize| world.settings().media(host);
    let well = |link: usize| {
        let troubled = |from, to| -> Micros {
            let direction: &Direction = world.direction(link, from, to);
            direction.troubled_until
        };
        match world.settings().links[link] {
            // Both halves, and what is in the middle.
            LinkSettings::Witnessed { .. } => {
                let halves = [one, other].map(|host| {
                    let middle = world.hosts();
                    troubled(host, middle).max(troubled(middle, host))
                });
                let witness = world.witness().map_or(Micros::MAX, |witness| witness.troubled_until);
                halves.into_iter().fold(witness, Micros::max)
            }
            LinkSettings::Datagram { .. } | LinkSettings::Serial { .. } => {
                troubled(one, other).max(troubled(other, one))
            }
        }
    };
    let link = media(one).filter(|link| media(other).any(|at| at == *link)).map(well).min()?;
    let since =
        link.max(world.host(one).well_since(world.now())?).max(world.host(other).well_since(world.now())?);
    (since <= world.now()).then_some(since)
}

/// Judges the start of the service at `place` that begins on `host`.
pub(crate) fn begins(world: &World, host: usize, place: usize) -> Option<(Promise, String)> {
    if world.host(host).spared {
        return None;
    }
    for other in (0..world.hosts()).filter(|other| *other != host) {
        let (there, service) = (world.host(other), &world.host(other).services[place]);
        if !service.is_present() || is_excused(there, service) {
            continue;
        }
        let what = |why: &str| {
            format!(
                "{} starts {} while it is present on {}{why}",
                name(host),
                words(world, place),
                name(other)
            )
        };
        if world.settings().is_protected() {
            return Some((Promise::OneOwner, what("")));
        }
        if heard_lately(world, host, other) {
            return Some((Promise::NotFromTheLiving, what(", which was heard within its dead time")));
        }
        if linked_since(world, host, other)
            .is_some_and(|since| world.now() > since + patience(world, host, other))
        {
            return Some((Promise::OneOwnerWhileLinked, what(", and the link between them is well")));
        }
    }
    None
}

/// Judges the service at `place`, if it is present on two linked hosts.
pub(crate) fn lasts(world: &World, one: usize, other: usize, place: usize) -> Option<(Promise, String)> {
    let services = [one, other].map(|host| &world.host(host).services[place]);
    if world.settings().is_protected()
        || !services.iter().all(|service| service.is_present())
        || [one, other].iter().zip(services).any(|(host, service)| is_excused(world.host(*host), service))
        || [one, other]
            .iter()
            .any(|host| is_given_up(world.host(*host), place) || world.host(*host).kept.is_on())
    {
        return None;
    }
    let since = services.iter().map(|service| service.since).max().unwrap_or(0);
    let since = [one, other].iter().map(|host| world.host(*host).maintained).fold(since, Micros::max);
    let since = since.max(linked_since(world, one, other)?);
    let times = &world.settings().times;
    let limit = 2 * patience(world, one, other) + times.start.max(times.limit) + times.stop.max(times.limit);
    (world.now() > since + limit).then(|| {
        let what = words(world, place);
        let text = format!("{what} is still present on {} and {}, which are linked", name(one), name(other));
        (Promise::OneOwnerWhileLinked, text)
    })
}

const fn is_excused(host: &Host, service: &Service) -> bool {
    service.hidden || host.spared
}

/// Whether its node is about to look or to stop, could not stop it, or has files that do not name it.
fn is_given_up(host: &Host, place: usize) -> bool {
    !matches!(
        host.state(place),
        Some(GroupState::Starting | GroupState::Running | GroupState::Idle | GroupState::Claiming)
    )
}

/// A group, and whether it is the one in other words.
fn words(world: &World, place: usize) -> String {
    let groups = world.settings().groups.len();
    if place < groups { format!("group {place}") } else { format!("group {} in other words", place - groups) }
}

fn heard_lately(world: &World, host: usize, other: usize) -> bool {
    let Some(daemon) = &world.host(host).daemon else { return false };
    daemon.heard[other].is_some_and(|heard| world.now() < heard.at + unhurried(heard.origin.deadtime))
}

/// A span as the fastest clock shows it: what has not passed by this is not over on any host.
pub(super) const fn unhurried(span: Micros) -> Micros {
    span - span / 1_000
}

/// Twice the longer dead time, and some time for a frame and for waking up.
fn patience(world: &World, one: usize, other: usize) -> Micros {
    let deadtime = |host: usize| {
        let settings: &Settings = world.settings();
        world.host(host).daemon.as_ref().map_or_else(
            || settings.hosts[host].intervals.deadtime.micros(),
            |daemon| daemon.node.config().intervals().deadtime.micros(),
        )
    };
    2 * deadtime(one).max(deadtime(other)) + SECOND
}
