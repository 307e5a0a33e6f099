//! The one deadline: when silence, a heartbeat or a pause of our own is due next.

use super::Node;
use crate::fencing::Fence;
use crate::group::Activity;
use crate::message::Phase;
use crate::time::Instant;

pub(super) fn next(node: &Node) -> Instant {
    let now = node.last_step;
    let initdead = node.config.intervals.initdead;
    let powerless = node.powerless();
    let mut next = node.next_heartbeat;
    let mut await_at = |at: Option<Instant>| next = at.map_or(next, |at| next.min(at));
    let to_come = |at: &Instant| *at > now;
    for (at, member) in node.others() {
        await_at(member.silence_deadline(node.started, initdead, powerless & 1 << at.0 != 0));
        await_at(node.watchdog_has_fired_at(member).filter(to_come));
        if let Fence::Delayed(until) | Fence::Waiting(until) = member.fence {
            await_at(Some(until).filter(to_come));
        }
    }
    for group in node.config.groups() {
        await_at(node.monitor_deadline(group));
        if node.group(group).activity == Activity::Idle {
            await_at(node.wait_for_preferred(group).filter(to_come));
        }
    }
    if node.phase == Phase::Starting {
        await_at(Some(node.started + initdead).filter(to_come));
    }
    await_at(node.listening.then_some(now));
    await_at(node.leaving.map(|(limit, _)| limit));
    await_at(node.pings.next_deadline(&node.config));
    await_at(node.next_life_deadline());
    await_at(node.quorum_deadline());
    next
}
