//! What may happen next. Frames take less than a tick of the clock unless they are held up; jobs take any time; a
//! deadline is kept at its instant or late by at most the time that a setting allows.

use heartline_core::effect::Work;
use heartline_core::time::Duration;

use crate::action::{Action, Ordered, Wire};
use crate::cluster::{Cluster, LIVES};

/// All that may happen next, in an order that depends on nothing else. `late` is by how much a deadline may be missed.
pub fn actions(cluster: &Cluster, links: u8, late: Duration, list: &mut Vec<Action>) {
    list.clear();
    let faults = cluster.budget > 0;
    let wires = || (0..2u8).flat_map(|from| (0..links).map(move |link| Wire { from, link }));
    for wire in wires() {
        let line = cluster.line(wire);
        if line.frames.is_empty() {
            continue;
        }
        if faults {
            list.extend([Action::Lose(wire), Action::HoldUp(wire)]);
        }
        if faults && cluster.host(1 - wire.from).is_awake() {
            list.push(Action::Repeat(wire));
        }
    }
    for (at, (wire, _)) in (0u8..).zip(&cluster.late) {
        if cluster.host(1 - wire.from).is_awake() {
            list.push(Action::DeliverLate(at));
        }
    }
    for host in 0..2u8 {
        if cluster.waits_for(host) && cluster.host(host).is_awake() {
            list.push(Action::Deliver(1 - host));
        }
        host_actions(cluster, host, late, list);
    }
    if wires().any(|wire| cluster.line(wire).cut) {
        list.push(Action::Mend);
    }
    if faults {
        list.extend(wires().filter(|wire| !cluster.line(*wire).cut).map(Action::Cut));
        if wires().any(|wire| !cluster.line(wire).cut) {
            list.push(Action::CutAll);
        }
    }
}

fn host_actions(cluster: &Cluster, host: u8, late: Duration, list: &mut Vec<Action>) {
    let (place, other) = (cluster.host(host), cluster.host(1 - host));
    let faults = cluster.budget > 0;
    if place.node.is_none() {
        if place.generation < LIVES {
            list.push(Action::Boot(host));
        }
        if faults && place.may_run() {
            list.push(Action::PowerCut(host));
        }
        return;
    }
    if faults {
        list.extend([Action::PowerCut(host), Action::Kill(host)]);
    }
    for (at, job) in (0u8..).zip(&place.jobs) {
        if let Work::Fence(_) = job.work
            && !job.shot
        {
            list.push(Action::Shoot(host, at));
        }
    }
    if place.stalled {
        list.push(Action::Wake(host));
        return;
    }
    if may_tick(cluster, host, late) {
        list.push(Action::Tick(host));
    }
    for (at, job) in (0u8..).zip(&place.jobs) {
        let is_fence = matches!(job.work, Work::Fence(_));
        if !is_fence || job.shot {
            list.push(Action::JobEnds(host, at));
        }
        if faults && !job.cancelled {
            list.push(Action::JobFails(host, at));
        }
    }
    if faults {
        // While the other host does nothing either, no time passes that it could miss.
        if other.is_awake() {
            list.push(Action::Stall(host));
        }
        list.extend(Ordered::ALL.map(|ordered| Action::Order(host, ordered)));
    }
}

/// Silence is judged only after every frame that waited was read, and the clock goes on only when nobody has anything
/// to do before.
fn may_tick(cluster: &Cluster, host: u8, late: Duration) -> bool {
    let Some(deadline) = cluster.host(host).deadline() else { return false };
    let then = deadline.max(cluster.now);
    let other = cluster.host(1 - host);
    let other_is_done = match other.deadline() {
        Some(due) => then <= due + late && (then == cluster.now || !cluster.waits_for(1 - host)),
        None => true,
    };
    other_is_done && !cluster.waits_for(host)
}
