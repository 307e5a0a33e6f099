//! Recordings, forgeries and garbage: they change nothing but counters.

use heartline_core::frame::Bytes;
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::witness::{Power, Side, Stage, Watch, WatchState};
use proptest::prelude::*;

use crate::testing::{DEADTIME, KEEPALIVE, Rig, WATCHDOG, millis};
use crate::witness::Passage;

/// All that matters of a witness, as it says it.
fn state(rig: &Rig) -> std::string::String {
    let host = |host: usize| {
        let word = rig.host(host);
        std::format!("{:?} {:?} {:?}", word.watch, word.reset.map(|reset| reset.generation), word.side)
    };
    let pulled = Side::ALL.map(|side| rig.witness.is_pulled(side));
    std::format!("{} {} {:?} {:?} {pulled:?}", host(0), host(1), rig.voted(), rig.fence_state(0))
}

fn replay(rig: &mut Rig, recorded: &[(Side, Bytes)]) {
    for (side, frame) in recorded {
        rig.deliver(*side, frame);
    }
    rig.run(1);
}

/// A whole life: armed, a vote, a fence, and released.
fn eventful() -> Rig {
    let mut rig = Rig::armed();
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    rig.fence(0, 1, Stage::Fire);
    rig.run(KEEPALIVE);
    rig.stop(1);
    rig.vote(0, 1);
    rig.run(3 * DEADTIME);
    rig.peers[0].asks = heartline_core::witness::Asks::default();
    rig.peers[0].asks.watch = Some(Watch::Release);
    rig.run(DEADTIME);
    rig
}

#[test]
fn a_recording_changes_nothing_in_the_same_life_of_the_witness() {
    let mut rig = eventful();
    let (before, pulls) = (state(&rig), rig.pulls.len());
    let recorded = rig.recorded.clone();
    replay(&mut rig, &recorded);
    assert_eq!((state(&rig), rig.pulls.len()), (before, pulls));
    assert!(
        !rig.witness.hosts[1].is_heard(rig.now, Power::NotSensed),
        "the dead host is not heard from a recording"
    );
}

/// The witness has forgotten which frames it had seen. No recording asks for anything all the same, for none of them
/// confirms a frame of its present life.
#[test]
fn a_recording_asks_for_nothing_after_a_reset_of_the_witness() {
    let mut rig = eventful();
    let recorded = rig.recorded.clone();
    let pulls = rig.pulls.len();
    rig.stop(0);
    rig.reset_witness();
    rig.run(2 * DEADTIME);
    replay(&mut rig, &recorded);
    replay(&mut rig, &recorded);
    rig.run(10 * WATCHDOG);
    assert_eq!((rig.pulls.len(), rig.voted(), rig.fence_state(0)), (pulls, (0, None), None));
    assert_eq!([0, 1].map(|host| rig.host(host).watch), [WatchState::Off; 2]);
}

#[test]
fn what_is_sealed_with_another_key_goes_nowhere() {
    let mut rig = Rig::new();
    rig.run(DEADTIME);
    let other = KeyRing::new(1, &[Key::new(1, Method::Sha1, b"otherkey").unwrap()]).unwrap();
    let frame = rig.frame(0);
    let (_, body) = crate::testing::keys().open(crate::testing::CLUSTER, &frame).unwrap();
    let mut forged = Bytes::from_slice(&frame[..frame.len() - 16]).unwrap();
    assert!(!body.is_empty());
    other.close(crate::testing::CLUSTER, &mut forged).unwrap();
    assert_eq!(rig.deliver(Side::A, &forged), Passage::Bad);
    assert_eq!(rig.deliver(Side::A, &frame), Passage::Forward);
}

#[test]
fn its_own_frames_come_back_to_no_effect() {
    let mut rig = Rig::armed();
    let own = rig.frames.last().unwrap().clone();
    assert_eq!(rig.deliver(Side::B, &own), Passage::Ours);
}

proptest! {
    /// One changed bit, and it is as if it had not come.
    #[test]
    fn a_changed_bit_changes_nothing(at in 0usize..60, bit in 0u8..8) {
        let mut rig = Rig::armed();
        rig.fence(0, 1, Stage::Arm);
        rig.peers[0].asks.watch = Some(Watch::Release);
        let mut frame = rig.frame(0);
        let at = at % frame.len();
        frame[at] ^= 1 << bit;
        prop_assert_eq!(rig.deliver(Side::A, &frame), Passage::Bad);
        prop_assert_eq!(rig.host(0).watch, WatchState::Armed(millis(WATCHDOG)));
    }
}
