//! The watchdog: when it fires, and when it must not.

use heartline_core::ids::NodeId;
use heartline_core::message::Phase;
use heartline_core::provision::{Sense, Wiring};
use heartline_core::time::Duration;
use heartline_core::witness::{Deed, Power, ReadBack, ResetCause, Side, Watch, WatchState};
use proptest::prelude::*;

use crate::testing::{DEADTIME, KEEPALIVE, NAMES, PULL, Rig, WATCHDOG, cases, millis, provision, side};

#[test]
fn silence_pulls_the_line_of_an_armed_host_and_of_no_other() {
    let mut rig = Rig::armed();
    rig.stop(0);
    let stopped = rig.now;
    rig.run(WATCHDOG - KEEPALIVE);
    assert_eq!(rig.pulls, []);
    rig.run(KEEPALIVE + 1);
    let [(Side::A, pulled)] = rig.pulls[..] else { panic!("{:?}", rig.pulls) };
    assert!(pulled.since(stopped) > millis(WATCHDOG - KEEPALIVE));
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls.len(), 1, "once");
    let ended = rig.host(0).reset.expect("it was reset");
    assert_eq!((ended.generation.0, ended.cause), (100, ResetCause::Watchdog(millis(WATCHDOG))));
    let deed = Deed::Reset(NodeId::of("ha1"), ended.cause, ReadBack::NotSensed);
    assert!(rig.deeds().contains(&deed));
}

#[test]
fn the_line_is_pulled_for_its_time() {
    let mut rig = Rig::armed();
    rig.stop(1);
    rig.run(WATCHDOG + 10);
    assert!(rig.witness.is_pulled(Side::B));
    rig.run(PULL);
    assert!(!rig.witness.is_pulled(Side::B));
}

#[test]
fn silence_without_being_armed_pulls_nothing() {
    let mut rig = Rig::new();
    rig.run(DEADTIME);
    rig.stop(0);
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls, []);
}

#[test]
fn who_leaves_in_good_order_is_not_reset() {
    let mut rig = Rig::armed();
    rig.peers[0].phase = Phase::Left;
    rig.peers[0].asks.watch = Some(Watch::Release);
    rig.run(2 * KEEPALIVE);
    rig.stop(0);
    rig.run(10 * WATCHDOG);
    assert_eq!((rig.pulls.len(), rig.host(0).watch), (0, WatchState::Off));
    assert!(rig.deeds().contains(&Deed::Released(NodeId::of("ha1"))));
}

/// Only the word that releases does so: not a phase, and not that nothing is said of it.
#[test]
fn nothing_else_disarms() {
    let mut rig = Rig::armed();
    rig.peers[0].phase = Phase::Left;
    rig.peers[0].asks.watch = None;
    rig.run(2 * KEEPALIVE);
    rig.stop(0);
    rig.run(WATCHDOG + 10);
    assert_eq!(rig.pulls.len(), 1);
}

/// The hosts see each other: a broken cable is an alarm, and no reason to reset anybody.
#[test]
fn a_host_whose_cable_is_broken_is_not_reset_while_the_other_hears_it() {
    let mut rig = Rig::armed();
    rig.peers[1].hears_other = true;
    rig.run(DEADTIME);
    rig.stop(0);
    for _ in 0..10 * WATCHDOG / KEEPALIVE {
        rig.run(KEEPALIVE);
        rig.peers[0].sequence += 1;
    }
    assert_eq!(rig.pulls, []);
    rig.run(WATCHDOG + 2 * KEEPALIVE);
    assert_eq!(rig.pulls.len(), 1, "now the other does not hear it either");
}

/// Its cable was silent before; now that the other is gone, nobody can tell whether it lives.
#[test]
fn a_host_whose_cable_is_broken_is_not_reset_when_the_other_leaves() {
    let mut rig = Rig::armed();
    rig.peers[1].hears_other = true;
    rig.run(DEADTIME);
    rig.stop(0);
    for _ in 0..10 {
        rig.run(KEEPALIVE);
        rig.peers[0].sequence += 1;
    }
    rig.peers[1].asks.watch = Some(Watch::Release);
    rig.run(KEEPALIVE);
    rig.stop(1);
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls, []);
    assert!(matches!(rig.host(0).watch, WatchState::Withheld(_)));
}

#[test]
fn a_witness_that_is_unplugged_resets_nobody() {
    let mut rig = Rig::armed();
    rig.stop(0);
    rig.run(KEEPALIVE / 2);
    rig.stop(1);
    rig.run(20 * WATCHDOG);
    assert_eq!(rig.pulls, []);
    assert!(rig.deeds().contains(&Deed::Withheld(NodeId::of("ha2"))));
    rig.peers[0].speaks = true;
    rig.run(KEEPALIVE + 10);
    rig.peers[1].speaks = true;
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls, [], "plugged in again, one cable after the other");
}

/// A host that is not armed, since no line of it is wired or it has only begun, may be cut off as well.
#[test]
fn a_witness_that_is_unplugged_resets_nobody_where_only_one_is_armed() {
    let mut rig = Rig::new();
    rig.arm(0);
    rig.run(2 * DEADTIME);
    rig.stop(0);
    rig.stop(1);
    rig.run(20 * WATCHDOG);
    assert_eq!(rig.pulls, []);
    assert!(matches!(rig.host(0).watch, WatchState::Withheld(_)));
}

/// The line does nothing, and the host that was only booting comes up while it is pulled.
#[test]
fn a_life_that_began_while_the_line_was_pulled_is_not_ended() {
    let mut rig = Rig::armed();
    rig.stop(0);
    rig.run(WATCHDOG + 10);
    assert_eq!(rig.pulls.len(), 1);
    rig.boot(0);
    rig.peers[0].hears_witness = false;
    rig.vote(1, 1);
    rig.run(PULL);
    let ended = rig.host(0).reset.map(|reset| reset.generation.0);
    assert_eq!((ended, rig.voted()), (Some(100), (0, None)));
}

/// Both were silent, and one is heard again: the other has its whole time from then on.
#[test]
fn who_stays_silent_when_the_other_is_back_is_reset() {
    let mut rig = Rig::armed();
    rig.stop(0);
    rig.stop(1);
    rig.run(5 * WATCHDOG);
    rig.boot(0);
    rig.run(WATCHDOG - KEEPALIVE);
    assert_eq!(rig.pulls, []);
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.pulls.iter().map(|(side, _)| *side).collect::<std::vec::Vec<_>>(), [Side::B]);
}

#[test]
fn a_reset_of_the_witness_arms_and_fires_nothing() {
    let mut rig = Rig::armed();
    rig.reset_witness();
    rig.stop(0);
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls, [], "it has forgotten, and nobody armed it since");
    let mut rig = Rig::armed();
    rig.reset_witness();
    rig.run(DEADTIME);
    assert_eq!(rig.host(1).watch, WatchState::Armed(millis(WATCHDOG)), "they arm it again");
}

#[test]
fn the_life_that_was_ended_cannot_arm_it_again() {
    let mut rig = Rig::armed();
    rig.stop(0);
    rig.run(WATCHDOG + PULL + 10);
    assert_eq!(rig.pulls.len(), 1);
    rig.peers[0].speaks = true;
    rig.run(2 * DEADTIME);
    assert_eq!(rig.host(0).watch, WatchState::Off);
    assert_eq!(rig.host(0).reset, None, "it goes on in the same life");
    assert!(rig.deeds().contains(&Deed::LineBelied(NodeId::of("ha1"))));
    rig.boot(0);
    rig.arm(0);
    rig.run(DEADTIME);
    assert_eq!(rig.host(0).watch, WatchState::Armed(millis(WATCHDOG)));
}

#[test]
fn the_next_life_is_told_why_and_confirms_it() {
    let mut rig = Rig::armed();
    rig.stop(0);
    rig.run(5 * WATCHDOG);
    assert!(rig.host(0).reset.is_some());
    rig.peers[0].hears_witness = false;
    rig.boot(0);
    rig.run(2 * DEADTIME);
    assert!(rig.host(0).reset.is_some(), "it has not heard it yet");
    rig.peers[0].hears_witness = true;
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.host(0).reset, None);
}

#[test]
fn where_no_line_is_wired_nothing_is_armed() {
    let mut settings = provision(1);
    settings.wiring[0] = Wiring { pull: Duration::ZERO, sense: Sense::NotWired };
    let mut rig = Rig::with(settings);
    rig.arm(0);
    rig.arm(1);
    rig.run(DEADTIME);
    assert_eq!(rig.host(0).watch, WatchState::Off);
    assert_eq!(rig.host(1).watch, WatchState::Armed(millis(WATCHDOG)));
}

#[test]
fn the_line_follows_the_cable() {
    let mut rig = Rig::armed();
    // Exchanged: what ha1 says comes at side B now.
    rig.stop(0);
    for _ in 0..10 {
        let frame = rig.frame(0);
        rig.deliver(Side::B, &frame);
        rig.stop(1);
        let frame = rig.frame(1);
        rig.deliver(Side::A, &frame);
        rig.run(KEEPALIVE);
    }
    assert_eq!([rig.host(0).side, rig.host(1).side], [Some(Side::B), Some(Side::A)]);
    for _ in 0..2 * WATCHDOG / KEEPALIVE {
        let frame = rig.frame(1);
        rig.deliver(Side::A, &frame);
        rig.run(KEEPALIVE);
    }
    assert_eq!(rig.pulls.iter().map(|(side, _)| *side).collect::<std::vec::Vec<_>>(), [Side::B]);
}

#[test]
fn a_death_notice_is_said_at_once_and_ends_the_wait_of_the_watchdog() {
    let mut rig = Rig::armed();
    rig.power[0] = false;
    rig.stop(0);
    rig.run(30);
    assert_eq!(rig.host(0).power, Power::Off);
    rig.run(3 * KEEPALIVE);
    assert_eq!(rig.pulls.len(), 1);
    rig.run(PULL + 10);
    assert_eq!(rig.host(0).reset.map(|reset| reset.cause), Some(ResetCause::PowerLost));
    assert!(rig.deeds().contains(&Deed::PowerLost(NodeId::of("ha1"))));
}

#[test]
fn a_broken_power_sense_alone_resets_nobody() {
    let mut rig = Rig::armed();
    rig.power = [false; 2];
    rig.run(10 * WATCHDOG);
    assert_eq!(rig.pulls, []);
    assert_eq!([0, 1].map(|host| rig.host(host).power), [Power::Off; 2]);
}

proptest! {
    #![proptest_config(cases(50))]

    /// Whatever the hosts do for a while: a line is pulled only if its host had it armed, has given no sign of life for
    /// the whole time, and has not been released.
    #[test]
    fn it_fires_exactly_after_silence_and_only_when_armed(
        doings in prop::collection::vec((0usize..2, 0u8..5, 1u64..1_500), 1..40)
    ) {
        let mut rig = Rig::new();
        let mut last_spoke = [rig.now; 2];
        let mut armed = [false; 2];
        for (host, doing, pause) in doings {
            match doing {
                0 => rig.stop(host),
                1 => rig.peers[host].speaks = true,
                2 => rig.arm(host),
                3 => rig.peers[host].asks.watch = Some(Watch::Release),
                _ => rig.boot(host),
            }
            for _ in 0..pause {
                let began = rig.now;
                let before = [rig.peers[0].sequence, rig.peers[1].sequence];
                let pulls = rig.pulls.len();
                rig.run(1);
                for host in 0..2 {
                    if rig.peers[host].sequence != before[host] {
                        last_spoke[host] = began;
                        match rig.peers[host].asks.watch {
                            Some(Watch::Arm(_)) => armed[host] = true,
                            Some(Watch::Release) => armed[host] = false,
                            None => {}
                        }
                    }
                }
                for (pulled, at) in rig.pulls[pulls..].iter().copied() {
                    let host = (0..2).find(|host| side(*host) == pulled).unwrap();
                    prop_assert!(armed[host], "{} was not armed", NAMES[host]);
                    prop_assert!(at.since(last_spoke[host]) >= millis(WATCHDOG));
                    armed[host] = false;
                }
            }
        }
    }
}
