//! When two states are one: if the same can happen from now on. Absolute times, frame numbers, job names and what lies
//! behind make every state unlike every other, so a state is known by what is left of its times and by how its numbers
//! compare. The tests let equal states go on side by side and demand that they stay equal.

use std::hash::{DefaultHasher, Hash, Hasher};

use heartline_core::Node;
use heartline_core::ids::{Generation, Sequence};
use heartline_core::time::Instant;

use crate::action::Wire;
use crate::cluster::{Cluster, Frame, Host, link, member};
use crate::setting::{DEADTIME, Setting};

/// 64 bits: among a hundred million states, one pair is taken for one by mistake with a chance of 1 in 3,700.
#[must_use]
pub fn of(cluster: &Cluster, setting: &Setting) -> u64 {
    let mut hasher = DefaultHasher::new();
    let now = cluster.now;
    let left = |since: Instant| (since + DEADTIME).since(now);
    (cluster.budget, cluster.late.len()).hash(&mut hasher);
    // What only excuses: it matters where there is something to be excused.
    let (overlap_counts, move_counts) = (!setting.fencing, !setting.auto_failback);
    move_counts.then_some(cluster.tenancy).hash(&mut hasher);
    for (at, host) in (0u8..).zip(&cluster.hosts) {
        (host.generation, host.stalled, host.service, host.node.is_some()).hash(&mut hasher);
        host.heard.map(|(_, _, heard)| left(heard)).hash(&mut hasher);
        host.jobs.len().hash(&mut hasher);
        for job in &host.jobs {
            (job.work, job.cancelled, job.shot, host.awaits(job)).hash(&mut hasher);
        }
        if let Some(node) = &host.node {
            overlap_counts.then(|| left(host.attentive_since)).hash(&mut hasher);
            move_counts.then(|| left(host.booted)).hash(&mut hasher);
            node.hash_future(now, &mut hasher);
            hash_what_it_will_confirm(node, at, cluster.host(1 - at), &mut hasher);
        }
    }
    for (from, lines) in (0u8..).zip(&cluster.wires) {
        for (at, line) in (0u8..).zip(lines) {
            (line.cut, line.frames.len()).hash(&mut hasher);
            line.disturbed.filter(|_| overlap_counts).map(left).hash(&mut hasher);
            for frame in &line.frames {
                hash_frame(cluster, Wire { from, link: at }, frame, &mut hasher);
            }
        }
    }
    for (wire, frame) in &cluster.late {
        wire.hash(&mut hasher);
        hash_frame(cluster, *wire, frame, &mut hasher);
    }
    // Zero marks an empty place among the states seen.
    hasher.finish().max(1)
}

/// The next frames of `node` confirm the newest frame of the other that it has heard.
fn hash_what_it_will_confirm(node: &Node, at: u8, other: &Host, hasher: &mut impl Hasher) {
    let Some(freshness) = node.member(member(1 - at)).map(|member| member.freshness()) else { return };
    if let (Some(other), Some(newest)) = (&other.node, freshness.newest())
        && freshness.generation() == Some(other.generation())
    {
        hash_confirmation(other, newest, hasher);
    }
}

fn hash_confirmation(of: &Node, confirmed: Sequence, hasher: &mut impl Hasher) {
    of.awaited_frames().for_each(|awaited| (confirmed >= awaited).hash(hasher));
}

/// What a frame will be to its receiver, now and after any others of those under way.
fn hash_frame(cluster: &Cluster, wire: Wire, frame: &Frame, hasher: &mut impl Hasher) {
    let number = frame.number();
    (frame.generation, rank(cluster, wire.from, number)).hash(hasher);
    let message = &frame.message;
    (message.phase, message.pings, &message.groups, &message.lines).hash(hasher);
    message.heard.iter().for_each(|heard| (heard.generation, heard.links).hash(hasher));
    let receiver = cluster.host(1 - wire.from);
    receiver.heard.is_none_or(|(generation, sequence, _)| number > (generation, sequence)).hash(hasher);
    let Some(node) = &receiver.node else { return };
    for heard in &message.heard {
        hash_confirmation(node, Sequence(u64::from(heard.sequence)), hasher);
    }
    if let Some(sender) = node.member(member(wire.from)) {
        sender.freshness().judge(frame.generation, frame.sequence).hash(hasher);
        sender.link(link(wire)).is_new(frame.sequence).hash(hasher);
    }
}

/// How many different frames of this sender that are under way are older.
fn rank(cluster: &Cluster, from: u8, number: (Generation, Sequence)) -> usize {
    let late = cluster.late.iter().filter(|(wire, _)| wire.from == from).map(|(_, frame)| frame);
    let under_way = cluster.wires[usize::from(from)].iter().flat_map(|line| &line.frames);
    let mut older: Vec<(Generation, Sequence)> =
        under_way.chain(late).map(|frame| frame.number()).filter(|other| *other < number).collect();
    older.sort_unstable();
    older.dedup();
    older.len()
}
