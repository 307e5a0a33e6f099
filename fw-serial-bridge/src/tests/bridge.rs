//! The bridge, byte by byte: what crosses, what does not, and how it is given its keys.

use heartline_core::framing::{self, Deframer};
use heartline_core::limits::MAX_FRAME;
use heartline_core::provision::{Answer, ProvisionError, Request};
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::Instant;
use heartline_core::witness::{Deed, Side, StartCause};
use proptest::prelude::*;
use std::vec::Vec;

use crate::bridge::Bridge;
use crate::journal;
use crate::store::Store;
use crate::store::tests::Memory;
use crate::testing::{self, Rig, millis};

struct Cable {
    pages: Memory,
    memory: [u8; journal::BYTES],
}

impl Cable {
    fn blank() -> Self {
        Self { pages: Memory::default(), memory: [0; journal::BYTES] }
    }

    fn provisioned() -> Self {
        let mut cable = Self::blank();
        let frame = Request::give(&testing::provision(1), &testing::keys(), None).unwrap();
        let mut bridge = cable.start();
        bridge.receive(at(0), Side::A, &on_the_line(&frame));
        assert_eq!(answers(&mut bridge, Side::A), [Ok(())]);
        assert!(bridge.wants_restart());
        cable
    }

    fn start(&mut self) -> Bridge<'_, &mut Memory> {
        let store = Store::begin_life(&mut self.pages).unwrap();
        let mut bridge = Bridge::new(store, &mut self.memory, at(0));
        bridge.begin(at(0), StartCause::PowerOn);
        bridge
    }
}

fn at(time: u64) -> Instant {
    Instant::from_micros(5_000_000) + millis(time)
}

fn on_the_line(frame: &[u8]) -> Vec<u8> {
    let mut out = std::vec![0; framing::encoded_bytes_max(frame.len())];
    let length = framing::encode(frame, &mut out).unwrap();
    out.truncate(length);
    out
}

fn drain(bridge: &mut Bridge<'_, &mut Memory>, side: Side) -> Vec<u8> {
    let bytes = bridge.outgoing(side).to_vec();
    bridge.sent(side, bytes.len());
    bytes
}

fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut deframer = Deframer::<MAX_FRAME>::new();
    let mut frames = Vec::new();
    deframer.feed(bytes, |frame| frames.push(frame.unwrap().to_vec()));
    frames
}

fn answers(bridge: &mut Bridge<'_, &mut Memory>, side: Side) -> Vec<Result<(), ProvisionError>> {
    let frames = frames(&drain(bridge, side));
    frames.iter().filter_map(|frame| Answer::read(frame).unwrap().outcome).collect()
}

/// A frame of a host that any witness of these keys takes.
fn host_frame(host: usize) -> Vec<u8> {
    let mut rig = Rig::new();
    rig.frame(host).to_vec()
}

#[test]
fn a_frame_crosses_as_it_is() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    for (host, from) in Side::ALL.into_iter().enumerate() {
        let frame = host_frame(host);
        bridge.receive(at(1), from, &on_the_line(&frame));
        assert_eq!(drain(&mut bridge, from.other()), on_the_line(&frame));
        assert_eq!(bridge.outgoing(from), [0; 0], "nothing goes back");
        assert_eq!(bridge.counters(from).frames, 1);
    }
}

/// It is ready to go on as soon as its last byte is there: late by its own time on the line, and no more.
#[test]
fn nothing_waits_once_the_last_byte_is_there() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    let line = on_the_line(&host_frame(0));
    let (last, first) = line.split_last().unwrap();
    bridge.receive(at(1), Side::A, first);
    assert_eq!(bridge.outgoing(Side::B), [0; 0]);
    bridge.receive(at(1), Side::A, &[*last]);
    assert_eq!(bridge.outgoing(Side::B), line);
}

/// The last frame of a host that died lost its end; half a minute later the next life's first frame begins with a zero.
#[test]
fn a_frame_without_end_is_not_ended_by_one_that_comes_much_later() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    let [first, second] = [host_frame(0), host_frame(0)].map(|frame| on_the_line(&frame));
    bridge.receive(at(0), Side::A, &first[..first.len() - 1]);
    bridge.receive(at(30_000), Side::A, &second);
    assert_eq!(drain(&mut bridge, Side::B), second);
    bridge.receive(at(30_000), Side::A, &first[..first.len() - 1]);
    bridge.receive(at(30_100), Side::A, &second);
    assert_eq!(frames(&drain(&mut bridge, Side::B)).len(), 2, "the line only hesitated");
}

#[test]
fn its_own_heartbeats_go_out_at_both_sides() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    bridge.pass_time(at(1));
    let [a, b] = Side::ALL.map(|side| drain(&mut bridge, side));
    assert_eq!((frames(&a).len(), &a), (1, &b));
}

#[test]
fn without_keys_nothing_crosses_and_nothing_is_said() {
    let mut cable = Cable::blank();
    let mut bridge = cable.start();
    bridge.receive(at(1), Side::A, &on_the_line(&host_frame(0)));
    bridge.pass_time(at(100_000));
    assert!(Side::ALL.into_iter().all(|side| bridge.outgoing(side).is_empty()));
    assert_eq!((bridge.counters(Side::A).bad_frames, bridge.next_deadline()), (1, None));
}

#[test]
fn a_line_that_takes_nothing_costs_whole_frames_and_no_others() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    let mut rig = Rig::new();
    let sent: Vec<Vec<u8>> = (0..100).map(|_| rig.frame(0).to_vec()).collect();
    for frame in &sent {
        bridge.receive(at(1), Side::A, &on_the_line(frame));
    }
    bridge.pass_time(at(1));
    let bytes = drain(&mut bridge, Side::B);
    let received = frames(&bytes);
    let (own, crossed) = received.split_last().unwrap();
    assert!(sent.starts_with(crossed) && !crossed.is_empty() && !sent.contains(own));
    let dropped = usize::try_from(bridge.counters(Side::B).dropped).unwrap();
    assert_eq!(crossed.len() + dropped, sent.len());
}

#[test]
fn keys_are_given_once_and_then_only_by_who_has_them() {
    let mut cable = Cable::provisioned();
    let generation = cable.start().generation().unwrap();
    let next = testing::provision(2);
    let new = KeyRing::new(5, &[Key::new(5, Method::Sha256, b"new").unwrap()]).unwrap();
    let refused = |frame: &[u8], expected: ProvisionError| {
        let mut cable = Cable::provisioned();
        let mut bridge = cable.start();
        bridge.receive(at(1), Side::B, &on_the_line(frame));
        assert_eq!(answers(&mut bridge, Side::B), [Err(expected)]);
        assert!(!bridge.wants_restart() && bridge.outgoing(Side::A).is_empty());
    };
    refused(&Request::give(&next, &new, None).unwrap(), ProvisionError::NotAuthentic);
    refused(&Request::give(&next, &new, Some(&new)).unwrap(), ProvisionError::NotAuthentic);
    let old = testing::keys();
    let again = Request::give(&testing::provision(1), &new, Some(&old)).unwrap();
    refused(&again, ProvisionError::OldCount);
    let mut bridge = cable.start();
    bridge.receive(at(1), Side::B, &on_the_line(&Request::give(&next, &new, Some(&old)).unwrap()));
    assert_eq!(answers(&mut bridge, Side::B), [Ok(())]);
    let bridge = cable.start();
    assert_eq!(bridge.witness().unwrap().settings(), &next);
    assert!(bridge.generation().unwrap() > generation, "no life comes twice");
    assert!(bridge.journal().deeds(at(0)).any(|deed| deed.deed == Deed::Provisioned));
}

#[test]
fn who_asks_is_told_what_it_is() {
    let mut cable = Cable::provisioned();
    let mut bridge = cable.start();
    bridge.receive(at(1), Side::A, &on_the_line(&Request::ask().unwrap()));
    let answer = Answer::read(&frames(&drain(&mut bridge, Side::A))[0]).unwrap();
    assert_eq!(answer.firmware.version, crate::FIRMWARE);
    assert_eq!(answer.names, Some((testing::provision(1).witness, testing::provision(1).hosts)));
    assert_eq!(answer.outcome, None);
}

#[test]
fn settings_that_cannot_be_stored_are_not_taken() {
    let frame = Request::give(&testing::provision(1), &testing::keys(), None).unwrap();
    let mut worn = Cable::blank();
    // The number of a life is shorter than what is given.
    worn.pages.torn_after = Some(40);
    let mut bridge = worn.start();
    bridge.receive(at(1), Side::A, &on_the_line(&frame));
    assert_eq!(answers(&mut bridge, Side::A), [Err(ProvisionError::NotStored)]);
    assert!(!bridge.wants_restart());
}

proptest! {
    /// Bytes of any kind at one side: nothing reaches the other but what a host sealed, and the next frame of a host
    /// crosses.
    #[test]
    fn garbage_never_crosses(
        garbage in prop::collection::vec(prop_oneof![1 => Just(0u8), 6 => any::<u8>()], 0..3_000),
        chunk in 1usize..64,
    ) {
        let mut cable = Cable::provisioned();
        let mut bridge = cable.start();
        for bytes in garbage.chunks(chunk) {
            bridge.receive(at(1), Side::A, bytes);
        }
        prop_assert_eq!(bridge.outgoing(Side::B), [0u8; 0]);
        let frame = on_the_line(&host_frame(0));
        bridge.receive(at(2), Side::A, &frame);
        prop_assert_eq!(bridge.outgoing(Side::B), frame);
        prop_assert_eq!(bridge.counters(Side::A).frames, 1);
    }

    /// Noise in the middle of real traffic: each whole frame crosses once, unchanged, and nothing else does.
    #[test]
    fn what_crosses_is_what_was_sealed(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..80)), 1..40)
    ) {
        let mut cable = Cable::provisioned();
        let mut bridge = cable.start();
        let mut rig = Rig::new();
        let mut sent = Vec::new();
        let mut crossed = Vec::new();
        for (is_frame, noise) in pieces {
            if is_frame {
                let frame = rig.frame(1).to_vec();
                bridge.receive(at(1), Side::B, &on_the_line(&frame));
                sent.push(frame);
            } else {
                bridge.receive(at(1), Side::B, &noise);
            }
            crossed.extend(drain(&mut bridge, Side::A));
        }
        prop_assert_eq!(frames(&crossed), sent);
    }
}
