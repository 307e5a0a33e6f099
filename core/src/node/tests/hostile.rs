//! What must not matter: any bytes, replays, forgeries, cut frames. And the size of a heartbeat.

use std::vec::Vec;

use proptest::prelude::*;

use super::world::{self, DEADTIME, KEEPALIVE, Setting, World};
use crate::effect::{Effect, Effects};
use crate::fencing::{Attempt, FenceCause, Untold};
use crate::frame::{Bytes, Header};
use crate::ids::{
    Generation, GroupIndex, JobId, LinkIndex, MemberIndex, NodeId, OrderId, PingIndex, Sequence,
};
use crate::input::{Command, Input, JobFailure, Outcome, Scope};
use crate::message::{GroupState, Message, Phase};
use crate::node::Node;
use crate::notice::Notice;
use crate::seal::{Key, KeyRing, Method};
use crate::time::{Duration, Instant};

/// Everything but counters and the time of the last step.
fn essence(node: &Node) -> std::string::String {
    let mut node = node.clone();
    node.counters = Default::default();
    node.under_our_name = 0;
    node.last_step = Instant::ZERO;
    std::format!("{node:?}")
}

fn frames_of(node: &mut Node, now: Instant) -> Vec<Vec<u8>> {
    let mut effects = Effects::new();
    node.step(now, Input::Tick, &mut effects);
    let transmits = effects.iter().filter(|effect| matches!(effect, Effect::Transmit));
    transmits.map(|_| effects.frame().to_vec()).collect()
}

fn resealed(keys: &KeyRing, frame: &[u8], change: impl Fn(&mut Header)) -> Bytes {
    let (mut header, rest) = Header::decode(frame).unwrap();
    change(&mut header);
    let mut bytes = Bytes::new();
    let mut start = [0; 16];
    let length = header.encode(&mut start).unwrap();
    bytes.extend_from_slice(&start[..length]).unwrap();
    bytes.extend_from_slice(&rest[..rest.len() - 16]).unwrap();
    keys.close("linux-ha", &mut bytes).unwrap();
    bytes
}

#[test]
fn forged_replayed_and_cut_frames_change_nothing() {
    let mut world = World::started(&Setting::default());
    let peer = world.hosts[1].node.as_mut().unwrap();
    let deadline = peer.next_deadline();
    let good = frames_of(peer, deadline).pop().expect("a heartbeat");
    world.run(KEEPALIVE);
    let now = world.now;
    let node = world.hosts[0].node.as_mut().unwrap();
    let mut effects = Effects::new();
    // The genuine frame, once on each link.
    node.step(now, Input::Frame { link: LinkIndex(0), bytes: &good }, &mut effects);
    node.step(now, Input::Frame { link: LinkIndex(1), bytes: &good }, &mut effects);
    let before = essence(node);

    let other_key = KeyRing::new(2, &[Key::new(2, Method::Sha1, b"otherkey").unwrap()]).unwrap();
    let stranger = |header: &mut Header| header.sender = NodeId::of("ha3");
    let earlier_life = |header: &mut Header| header.generation = Generation(header.generation.0 - 1);
    let next = |header: &mut Header| header.sequence = header.sequence.next();
    let mut hostile: Vec<Vec<u8>> = std::vec![
        good.clone(),
        resealed(&other_key, &good, next).to_vec(),
        resealed(&world::keys(), &good, stranger).to_vec(),
        resealed(&world::keys(), &good, earlier_life).to_vec(),
        std::vec![0; 600],
        std::vec![],
    ];
    hostile.extend((0..good.len()).map(|length| good[..length].to_vec()));
    hostile.extend((0..good.len() * 8).map(|bit| {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    for bytes in hostile {
        effects.clear();
        node.step(now, Input::Frame { link: LinkIndex(0), bytes: &bytes }, &mut effects);
        assert_eq!(essence(node), before, "{bytes:02x?}");
        let quiet = |effect: Effect| matches!(effect, Effect::Notice(Notice::Refused { .. }));
        assert!(effects.iter().all(quiet), "{bytes:02x?}: {effects:?}");
    }
    assert!(node.counters(LinkIndex(0)).refused.iter().sum::<u32>() > 300);
}

#[test]
fn a_farewell_from_before_our_start_spares_no_fence() {
    let mut world = World::started(&Setting { fencing: true, ..Setting::default() });
    let mut peer = world.node(1).clone();
    let mut effects = Effects::new();
    peer.step(world.now, Input::Order { id: OrderId(1), command: Command::Leave }, &mut effects);
    assert_eq!(peer.phase(), Phase::Left);
    world.fencing_works = false;
    world.partition();
    world.power_cut(0);
    world.boot(0);
    world.schedule_frame(0, 0, effects.frame().to_vec());
    let started = |world: &World| world.state(0, 0) == GroupState::Starting;
    assert_eq!(world.run_for(10 * DEADTIME, started), None);
    assert!(world.said(0, |notice| matches!(notice, Notice::FencingFailed { .. })));
}

#[test]
fn another_cluster_with_the_same_key_is_refused() {
    let keys = world::keys();
    let mut frame = Bytes::from_slice(b"\x12anything").unwrap();
    keys.close("linux-ha", &mut frame).unwrap();
    assert!(keys.open("other", &frame).is_err());
}

#[test]
fn a_heartbeat_of_two_nodes_and_one_group_fits_in_48_bytes() {
    let mut world = World::started(&Setting::default());
    for host in &mut world.hosts {
        // A long life: a generation of this century, a hundred million heartbeats.
        let node = host.node.as_mut().unwrap();
        node.generation = Generation(1_795_405_914);
        node.sequence = Sequence(100_000_000);
        node.config.intervals.keepalive = Duration::from_millis(2_000);
        node.config.intervals.deadtime = Duration::from_millis(60_000);
        node.groups[0].epoch = crate::ids::Epoch(5_000);
    }
    world.run(5 * KEEPALIVE);
    for host in 0..2 {
        let node = world.hosts[host].node.as_mut().unwrap();
        let deadline = node.next_deadline().max(world.now);
        let frame = frames_of(node, deadline).pop().expect("a heartbeat");
        assert!(frame.len() <= 48, "{} bytes: {frame:02x?}", frame.len());
    }
    assert_eq!(world.state(0, 0), GroupState::Running);
}

#[test]
fn the_longest_message_fits_in_a_frame() {
    let names: Vec<std::string::String> = (0..16).map(|n| std::format!("node{n}")).collect();
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    let groups = (0..32).map(|n| (names[n % 16], &*std::format!("group{n}").leak())).collect();
    let setting = Setting {
        nodes: {
            let mut n = names;
            n.sort_unstable();
            n
        },
        groups,
        ..Setting::default()
    };
    let mut world = World::new(&setting);
    let mut odd = setting.clone();
    odd.groups[0].1 = "another";
    world.hosts[3].config = odd.config(odd.nodes[3]);
    (0..16).for_each(|host| world.boot(host));
    world.run(DEADTIME);
    assert!(world.node(0).members.iter().filter(|member| member.hears_us()).count() == 15);
    let node = world.hosts[0].node.as_mut().unwrap();
    node.groups.iter_mut().for_each(|group| group.epoch = crate::ids::Epoch(u32::MAX));
    let attempt = Attempt {
        cause: FenceCause::Takeover,
        since: Instant::ZERO,
        silence: Duration::from_micros(u64::MAX),
        generation: Some(Generation(0)),
    };
    let untold = Untold { attempt, done: Instant::MAX, device: u8::MAX };
    node.members.iter_mut().for_each(|member| member.untold = Some(untold));
    let deadline = node.next_deadline();
    assert_eq!(frames_of(node, deadline).len(), 1);
}

#[test]
fn no_notice_of_the_largest_takeover_is_dropped() {
    let groups = (0..32).map(|n| ("ha1", &*std::format!("group{n}").leak())).collect();
    let mut world = World::started(&Setting { groups, ..Setting::default() });
    world.power_cut(0);
    world.run(2 * DEADTIME);
    assert!((0..32).all(|group| world.owners(group) == [1]));
    assert!(!world.said(1, |notice| matches!(notice, Notice::Dropped(_))));
}

#[derive(Debug, Clone)]
enum Op {
    Bytes(u8, Vec<u8>),
    /// The peer's newest frame with one byte changed before it is sealed again.
    Mutated(u8, usize, u8),
    Tick(u64),
    Job(u32, u8),
    Order(u8, u8),
    Pong(u8),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0u8..18, prop::collection::vec(any::<u8>(), 0..560))
            .prop_map(|(link, bytes)| Op::Bytes(link, bytes)),
        (0u8..3, 0usize..80, any::<u8>()).prop_map(|(link, at, byte)| Op::Mutated(link, at, byte)),
        (0u64..3_000_000).prop_map(Op::Tick),
        (0u32..40, 0u8..6).prop_map(|(job, outcome)| Op::Job(job, outcome)),
        (0u8..12, 0u8..3).prop_map(|(command, scope)| Op::Order(command, scope)),
        (0u8..20).prop_map(Op::Pong),
    ]
}

proptest! {
    #[test]
    fn any_inputs_never_panic_and_time_always_goes_on(ops in prop::collection::vec(any_op(), 1..200)) {
        let setting = Setting { pings: 2, fencing: true, ..Setting::default() };
        let mut now = Instant::from_micros(1);
        let mut node = Node::new(setting.config("ha1"), world::keys(), Generation(1), now);
        let mut peer = Node::new(setting.config("ha2"), world::keys(), Generation(1), now);
        let mut effects = Effects::new();
        for op in ops {
            effects.clear();
            let outcome = |number| match number {
                0 => Outcome::Done,
                1 => Outcome::NotRunning,
                2 => Outcome::Partial,
                3 => Outcome::Failed(JobFailure::TimedOut),
                _ => Outcome::Failed(JobFailure::Refused),
            };
            let scope = |number| [Scope::All, Scope::Local, Scope::Foreign][usize::from(number)];
            let command = |number, which| match number {
                0 => Command::Leave,
                1 => Command::Cleanup(None),
                2 => Command::Cleanup(Some(GroupIndex(which))),
                3 => Command::Maintenance(which > 0),
                4 => Command::ConfirmDown(MemberIndex(which)),
                5 => Command::Restart,
                6 => Command::Standby(scope(which)),
                _ => Command::Takeover(scope(which)),
            };
            match op {
                Op::Bytes(link, bytes) => {
                    node.step(now, Input::Frame { link: LinkIndex(link), bytes: &bytes }, &mut effects);
                }
                Op::Mutated(link, at, byte) => {
                    let due = peer.next_deadline().max(now);
                    for mut frame in frames_of(&mut peer, due) {
                        frame.truncate(frame.len() - 16);
                        if let Some(place) = frame.get_mut(at) { *place = byte; }
                        let mut frame = Bytes::from_slice(&frame).unwrap();
                        world::keys().close("linux-ha", &mut frame).unwrap();
                        node.step(now, Input::Frame { link: LinkIndex(link), bytes: &frame }, &mut effects);
                    }
                }
                Op::Tick(micros) => {
                    now = now + Duration::from_micros(micros);
                    node.step(now, Input::Tick, &mut effects);
                }
                Op::Job(job, number) => {
                    node.step(now, Input::JobEnded { job: JobId(job), outcome: outcome(number) }, &mut effects);
                }
                Op::Order(number, which) => {
                    let command = command(number, which);
                    node.step(now, Input::Order { id: OrderId(1), command }, &mut effects);
                }
                Op::Pong(ping) => node.step(now, Input::Pong(PingIndex(ping)), &mut effects),
            }
            for frame in effects.iter().filter(|effect| matches!(effect, Effect::Transmit)) {
                let _ = frame;
                let (_, body) = world::keys().open("linux-ha", effects.frame()).unwrap();
                prop_assert!(Message::decode(body).is_ok());
            }
            effects.clear();
            node.step(now, Input::Tick, &mut effects);
            prop_assert!(node.gone || node.next_deadline() > now, "a deadline stands still");
        }
    }
}
