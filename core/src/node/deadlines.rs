//! The one deadline: when silence, a heartbeat or a pause of our own is due next.

use super::Node;
use crate::fencing::Fence;
use crate::group::Activity;
use crate::message::Phase;
use crate::time::Instant;

pub(super) fn next(node: &Node) -> Instant {
    let initdead = node.config.intervals.initdead;
    let powerless = node.powerless();
    let silence = node.others().filter_map(|(at, member)| {
        member.silence_deadline(node.started, initdead, powerless & 1 << at.0 != 0)
    });
    let fences = node.others().filter_map(|(_, member)| match member.fence {
        Fence::Delayed(until) | Fence::Waiting(until) => Some(until).filter(|until| *until > node.last_step),
        Fence::None | Fence::Running(_) | Fence::Done => None,
    });
    let now = node.last_step;
    let start_over =
        (node.phase == Phase::Starting).then_some(node.started + initdead).filter(|at| *at > now);
    let idle = node.config.groups().filter(|group| node.group(*group).activity == Activity::Idle);
    let waits = idle.filter_map(|group| node.wait_for_preferred(group)).filter(|at| *at > now);
    let watchdogs =
        node.others().filter_map(|(_, member)| node.watchdog_has_fired_at(member)).filter(|at| *at > now);
    let monitors = node.config.groups().filter_map(|group| node.monitor_deadline(group));
    let listened = node.listening.then_some(now);
    let leaving = node.leaving.map(|(limit, _)| limit);
    let own = [
        Some(node.next_heartbeat),
        node.pings.next_deadline(&node.config),
        start_over,
        listened,
        leaving,
        node.next_life_deadline(),
        node.quorum_deadline(),
    ];
    let earliest = silence
        .chain(fences)
        .chain(waits)
        .chain(watchdogs)
        .chain(monitors)
        .chain(own.into_iter().flatten())
        .min();
    earliest.unwrap_or(node.next_heartbeat)
}
