//! Frames that nobody has sent: changed after they were sealed, changed before, or made up. The attacker has the keys.

use heartline_core::fencing::{FenceCause, FenceReport};
use heartline_core::frame::{Bytes, Header};
use heartline_core::heard::Heard;
use heartline_core::ids::{Epoch, Generation, LinkIndex, LinkSet, NodeId, Sequence};
use heartline_core::maintenance::Maintenance;
use heartline_core::message::{GroupBid, GroupReport, GroupState, Message, Phase, Stance};
use heartline_core::seal::KeyRing;
use heartline_core::time::Duration;
use heartline_core::witness::Asks;

use super::world::World;
use super::{link, witness};
use crate::bytes::Choices;
use crate::setting::{CLUSTER, NODES};

/// Cut, or with one byte changed: the seal must be found broken.
pub(super) fn changed_after_sealing(world: &mut World, at: usize, choices: &mut Choices<'_>) {
    let frame = choices.index(world.frames.len());
    let Some(mut bytes) = world.frames.get(frame).map(|sent| sent.bytes.clone()) else { return };
    let link = link(choices);
    let place = choices.index(bytes.len());
    match choices.byte() {
        0 => bytes.truncate(place),
        change => bytes[place] ^= change,
    }
    let accepted = |world: &World| world.seats[at].node.counters(link).accepted;
    let before = accepted(world);
    world.hear(at, link, &bytes);
    assert_eq!(accepted(world), before, "a frame with a broken seal was let in");
}

/// An honest frame with some bytes changed and a right tag.
pub(super) fn changed_before_sealing(world: &mut World, at: usize, choices: &mut Choices<'_>) {
    let frame = choices.index(world.frames.len());
    let Some(sent) = world.frames.get(frame) else { return };
    let keys = world.seats[at].keys.clone();
    let Ok((_, body)) = keys.open(CLUSTER, &sent.bytes) else { return };
    let header = sent.bytes.len() - body.len() - tag_length(&keys);
    let mut bytes = sent.bytes.clone();
    bytes.truncate(header + body.len());
    let link = link(choices);
    let start = choices.index(bytes.len());
    // The version and the key stay, so that it is more than a frame of another key.
    for (byte, change) in bytes.iter_mut().skip(start.max(1)).zip(choices.run()) {
        *byte ^= change;
    }
    seal_and_deliver(world, at, link, &keys, bytes);
}

/// Every field chosen freely, near what is true or far from it.
pub(super) fn strange_message(world: &mut World, at: usize, choices: &mut Choices<'_>) {
    let link = link(choices);
    let who = choices.byte();
    let from = usize::from(who) % world.seats.len();
    let is_witness = world.setting.has_witness() && (0x80..=250).contains(&who);
    let sender = match who {
        251.. => NodeId([who, 0]),
        _ if is_witness => NodeId::of(NODES[NODES.len() - 1]),
        _ => NodeId::of(NODES[from]),
    };
    let claimed = &world.seats[from].node;
    let (life, newest) = if is_witness { world.witness } else { (claimed.generation(), claimed.sequence()) };
    let near = |base: u64, step: u8| base.wrapping_add_signed(i64::from(step.cast_signed()));
    let generation = match choices.byte() {
        0x80 => u32::MAX,
        step => life.0.wrapping_add_signed(i32::from(step.cast_signed())),
    };
    let sequence = match choices.byte() {
        0x80 => u64::MAX,
        0x81 => choices.magnitude(),
        step => near(newest.0, step),
    };
    let keys = world.seats[at].keys.clone();
    let header = Header {
        key: keys.signing(),
        sender,
        generation: Generation(generation),
        sequence: Sequence(sequence),
    };
    let mut message = message(world, at, choices);
    if is_witness {
        world.witness = (header.generation, header.sequence.next());
        message.witness = Some(witness::word(world, choices));
    } else if world.setting.has_witness() {
        message.asks = witness::asks(choices);
    }
    let mut bytes = Bytes::new();
    header.begin(&mut bytes).expect("every header fits");
    if message.encode(&mut bytes).is_ok() {
        seal_and_deliver(world, at, link, &keys, bytes);
    }
}

fn seal_and_deliver(world: &mut World, at: usize, link: LinkIndex, keys: &KeyRing, mut bytes: Bytes) {
    if keys.close(CLUSTER, &mut bytes).is_ok() {
        world.hear(at, link, &bytes);
    }
}

/// What somebody could say to node `at`: the truth where the choices are zero.
fn message(world: &World, at: usize, choices: &mut Choices<'_>) -> Message {
    let flags = choices.byte();
    let node = &world.seats[at].node;
    let intervals = node.config().intervals();
    let millis = |choices: &mut Choices<'_>, usual: Duration| match choices.magnitude() {
        0 => usual,
        other => Duration::from_millis(other),
    };
    let truth = world.frames.iter().rev().find(|sent| sent.from != at);
    let truth = truth.and_then(|sent| world.seats[at].keys.open(CLUSTER, &sent.bytes).ok());
    let truth = truth.and_then(|(_, body)| Message::decode(body).ok());
    let digest = truth.as_ref().map_or([flags; 4], |message| message.digest);
    let truthful = Choices::flag(flags, 4);
    let heard_of = |choices: &mut Choices<'_>| {
        let who = choices.index(NODES.len());
        let known = world.seats.get(who).map_or(0, |seat| seat.node.sequence().0);
        let sequence = known.wrapping_add_signed(i64::from(choices.byte().cast_signed()));
        let generation = world.seats.get(who).map_or(0, |seat| seat.node.generation().0);
        let links = LinkSet(if truthful { 1 } else { choices.word() });
        Heard::new(NodeId::of(NODES[who]), Generation(generation), Sequence(sequence), links)
    };
    Message {
        phase: [Phase::Active, Phase::Starting, Phase::Leaving, Phase::Left][usize::from(flags & 3)],
        watchdog: Choices::flag(flags, 2).then(|| Duration::from_millis(60_000)),
        pings: choices.byte() & 0x1f,
        keepalive: millis(choices, intervals.keepalive),
        deadtime: millis(choices, intervals.deadtime),
        digest: if Choices::flag(flags, 3) { [choices.byte(); 4] } else { digest },
        heard: (0..choices.index(17)).map(|_| heard_of(choices)).collect(),
        groups: (0..choices.index(33)).map(|_| report(choices)).collect(),
        lines: if Choices::flag(flags, 5) {
            (0..choices.index(33)).map(|_| choices.word().to_be_bytes()).collect()
        } else {
            truth.map(|message| message.lines).unwrap_or_default()
        },
        fenced: (0..choices.index(3)).map(|_| fence_report(choices)).collect(),
        // Few words on maintenance are news for ever.
        maintenance: if Choices::flag(flags, 6) {
            Maintenance(choices.byte().into())
        } else {
            node.maintenance()
        },
        restarting: Choices::flag(flags, 7),
        asks: Asks::default(),
        witness: None,
    }
}

fn fence_report(choices: &mut Choices<'_>) -> FenceReport {
    let span = |choices: &mut Choices<'_>| Duration::from_millis(choices.magnitude());
    FenceReport {
        member: NodeId::of(NODES[choices.index(NODES.len())]),
        cause: choices.one_of(&[FenceCause::Takeover, FenceCause::Defence, FenceCause::NeverHeard]),
        generation: Generation(choices.word().into()),
        ago: span(choices),
        took: span(choices),
        silence: span(choices),
        device: choices.byte(),
    }
}

fn report(choices: &mut Choices<'_>) -> GroupReport {
    let byte = choices.byte();
    let state = [
        GroupState::Running,
        GroupState::Idle,
        GroupState::Claiming,
        GroupState::Starting,
        GroupState::Stopping,
        GroupState::Unknown,
        GroupState::Failed,
    ][usize::from(byte % 7)];
    let stance = [Stance::Normal, Stance::Standby, Stance::Ordered][usize::from(byte / 7 % 3)];
    let epoch = match choices.byte() {
        0xff => u32::MAX,
        0xfe => u32::MAX - 1,
        epoch => epoch.into(),
    };
    let bid = GroupBid { fit: byte < 200, stance, rank: byte / 21 % 4 };
    GroupReport { state, bid, epoch: Epoch(epoch) }
}

/// Bytes of the tag that a ring appends.
fn tag_length(keys: &KeyRing) -> usize {
    let mut frame = Bytes::new();
    keys.close(CLUSTER, &mut frame).expect("there is room in an empty frame");
    frame.len()
}
