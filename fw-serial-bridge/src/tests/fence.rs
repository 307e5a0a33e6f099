//! One host has the other reset.

use heartline_core::ids::NodeId;
use heartline_core::provision::{Sense, Wiring};
use heartline_core::witness::{
    Deed, FenceRefusal, FenceState, ReadBack, ResetCause, Side, Stage, WatchState,
};
use proptest::prelude::*;

use crate::testing::{DEADTIME, KEEPALIVE, PULL, Rig, cases, millis, provision, side};

#[test]
fn armed_then_fired_then_confirmed() {
    let mut rig = Rig::armed();
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    assert_eq!((rig.fence_state(0), rig.pulls.len()), (Some(FenceState::Armed), 0));
    rig.fence(0, 1, Stage::Fire);
    rig.run(KEEPALIVE);
    assert_eq!(rig.fence_state(0), Some(FenceState::Firing));
    rig.stop(1);
    rig.run(PULL);
    assert_eq!(rig.fence_state(0), Some(FenceState::Done(ReadBack::NotSensed)));
    rig.run(20 * DEADTIME);
    assert_eq!(rig.pulls.iter().map(|(side, _)| *side).collect::<std::vec::Vec<_>>(), [Side::B], "once");
    let cause = ResetCause::Fence(NodeId::of("ha1"));
    assert_eq!(rig.host(1).reset.map(|reset| (reset.generation.0, reset.cause)), Some((100, cause)));
    assert_eq!(rig.host(1).watch, WatchState::Off, "what was reset needs no watchdog");
    assert!(rig.deeds().contains(&Deed::Reset(NodeId::of("ha2"), cause, ReadBack::NotSensed)));
}

#[test]
fn the_power_is_read_back_where_it_is_wired() {
    for (power_goes, state, ended) in [
        (true, FenceState::Done(ReadBack::WentOff), true),
        (false, FenceState::Refused(FenceRefusal::StayedOn), false),
    ] {
        let mut settings = provision(1);
        settings.wiring[1] = Wiring { pull: millis(PULL), sense: Sense::ReadBack };
        let mut rig = Rig::with(settings);
        rig.run(DEADTIME);
        rig.fence(0, 1, Stage::Arm);
        rig.run(KEEPALIVE);
        rig.fence(0, 1, Stage::Fire);
        rig.run(KEEPALIVE);
        rig.power[1] = !power_goes;
        rig.stop(1);
        rig.run(PULL);
        assert_eq!(rig.fence_state(0), Some(state));
        assert_eq!(rig.host(1).reset.is_some(), ended);
    }
}

#[test]
fn a_host_that_was_never_heard_is_reset_too() {
    let mut rig = Rig::new();
    rig.stop(1);
    rig.run(DEADTIME);
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    rig.fence(0, 1, Stage::Fire);
    rig.run(KEEPALIVE + PULL);
    assert_eq!(rig.fence_state(0), Some(FenceState::Done(ReadBack::NotSensed)));
    assert_eq!(rig.pulls.len(), 1);
}

#[test]
fn who_was_reset_cannot_have_the_winner_reset() {
    let mut rig = Rig::armed();
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    rig.fence(0, 1, Stage::Fire);
    rig.fence(1, 1, Stage::Arm);
    rig.run(KEEPALIVE + PULL + 10);
    assert_eq!(rig.fence_state(1), Some(FenceState::Refused(FenceRefusal::OtherWasFirst)));
    // The line of ha2 does nothing: it goes on in the same life, and asks again.
    rig.fence(1, 2, Stage::Arm);
    rig.run(KEEPALIVE);
    rig.fence(1, 2, Stage::Fire);
    rig.run(KEEPALIVE);
    assert_eq!(rig.pulls.iter().map(|(side, _)| *side).collect::<std::vec::Vec<_>>(), [Side::B]);
    assert!(rig.deeds().contains(&Deed::Refused(NodeId::of("ha2"), FenceRefusal::OtherWasFirst)));
}

#[test]
fn a_request_without_line_is_refused() {
    let mut settings = provision(1);
    settings.wiring[1] = Wiring { pull: millis(0), sense: Sense::NotWired };
    let mut rig = Rig::with(settings);
    rig.run(DEADTIME);
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    assert_eq!(rig.fence_state(0), Some(FenceState::Refused(FenceRefusal::NoLine)));
}

proptest! {
    #![proptest_config(cases(50))]

    /// Both ask at once, again and again, in any order of frames and halves: only one of them is ever reset.
    #[test]
    fn a_race_has_one_winner(
        frames in prop::collection::vec((0usize..2, 1u16..4, any::<bool>(), 0u64..300), 1..60)
    ) {
        let mut rig = Rig::armed();
        for (host, ticket, fires, pause) in frames {
            // A host that was reset says nothing.
            if rig.pulls.iter().any(|(pulled, _)| side(host) == *pulled) {
                rig.stop(host);
                continue;
            }
            rig.fence(host, ticket, if fires { Stage::Fire } else { Stage::Arm });
            rig.speak(host);
            rig.run(pause);
        }
        let first = rig.pulls.first().map(|(side, _)| *side);
        prop_assert!(rig.pulls.iter().all(|(side, _)| Some(*side) == first), "{:?}", rig.pulls);
    }
}
