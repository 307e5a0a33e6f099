//! The witness as a member: what it says, when, and how long that is.

use heartline_core::frame::{Bytes, Header};
use heartline_core::ids::{Generation, NodeId};
use heartline_core::message::{Message, Phase};
use heartline_core::provision::WitnessKeys;
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::witness::{Counters, Deed, Detail, Side, StartCause};

use crate::journal::Journal;
use crate::testing::{CLUSTER, DEADTIME, KEEPALIVE, Rig, keys, millis, seal};
use crate::witness::Passage;

fn opened(frame: &[u8]) -> (Header, Message) {
    let keys = keys();
    let (header, body) = keys.open(CLUSTER, frame).unwrap();
    (header, Message::decode(body).unwrap())
}

#[test]
fn it_says_whom_it_hears() {
    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    let (header, message) = opened(rig.frames.last().unwrap());
    assert_eq!((header.sender, header.generation), (NodeId::of("dongle"), Generation(7)));
    assert_eq!(message.phase, Phase::Active);
    assert!(message.heard.iter().all(|heard| !heard.links.is_empty()) && message.heard.len() == 2);
    rig.stop(0);
    rig.run(DEADTIME + 10);
    let (_, message) = opened(rig.frames.last().unwrap());
    let hears = |name| message.heard.iter().any(|h| h.member == NodeId::of(name) && !h.links.is_empty());
    assert_eq!((hears("ha1"), hears("ha2")), (false, true));
}

#[test]
fn it_speaks_at_its_pace_and_at_once_when_something_changed() {
    let mut rig = Rig::armed();
    let before = rig.frames.len();
    rig.run(50 * KEEPALIVE);
    assert_eq!(rig.frames.len() - before, 50);
    rig.peers[0].phase = Phase::Left;
    rig.speak(0);
    let before = rig.frames.len();
    rig.run(1);
    assert_eq!(rig.frames.len() - before, 1, "who leaves waits for its word");
}

/// However lively it is: at 19200 baud 384 bytes pass in one keepalive, and the hosts have to say something too.
#[test]
fn it_never_floods_the_line() {
    let mut rig = Rig::armed();
    let before = rig.frames.len();
    for _ in 0..KEEPALIVE {
        rig.boot(0);
        rig.speak(0);
        rig.run(1);
    }
    assert!(rig.frames.len() - before <= 6);
    let longest = rig.frames.iter().map(|frame| frame.len()).max().unwrap();
    assert!(longest <= 130, "{longest} bytes");
}

/// Firmware, counters of both sides and every deed are told within a while.
#[test]
fn all_that_it_knows_is_told_in_turn() {
    let mut rig = Rig::armed();
    let before = rig.frames.len();
    rig.run(40 * KEEPALIVE);
    let told: std::vec::Vec<Detail> = rig.frames[before..]
        .iter()
        .filter_map(|frame| opened(frame).1.witness.and_then(|word| word.detail))
        .collect();
    assert!(told.iter().any(|detail| matches!(detail, Detail::Firmware(_))));
    let sides = |detail: &&Detail| matches!(detail, Detail::Counters(..));
    assert!(told.iter().filter(sides).count() >= 4);
    for deed in rig.deeds() {
        assert!(
            told.iter().any(|detail| matches!(detail, Detail::Deed(past) if past.deed == deed)),
            "{deed:?}"
        );
    }
    assert!(rig.deeds().contains(&Deed::Started(StartCause::PowerOn)));
}

/// The hosts change their key; the old one is not needed for the witness's sake.
#[test]
fn it_signs_with_the_key_that_the_hosts_sign_with() {
    let mut rig = Rig::new();
    let both = [(1, "secretkey"), (2, "the next secret")]
        .map(|(number, secret)| Key::new(number, Method::Sha1, secret.as_bytes()).unwrap());
    rig.witness.keys = WitnessKeys::new(1, &both).unwrap();
    let next = KeyRing::new(2, &both[1..]).unwrap();
    let (header, message) = opened(&rig.frame(0));
    let frame = seal(&Header { key: 2, ..header }, &message, &next);
    assert_eq!(rig.deliver(Side::A, &frame), Passage::Forward);
    let mut said = Bytes::new();
    let now = rig.now + millis(2 * KEEPALIVE);
    let journal = Journal::open(&mut rig.memory, rig.witness.generation, now);
    assert!(rig.witness.speak(now, &journal, &[Counters::default(); 2], &mut said));
    let (header, _) = next.open(CLUSTER, &said).unwrap();
    assert_eq!((header.key, header.sender), (2, rig.witness.name()));
}
