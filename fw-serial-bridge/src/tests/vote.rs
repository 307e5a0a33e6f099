//! The vote: one an epoch, and for whom.

use heartline_core::ids::{Epoch, NodeId};
use heartline_core::message::Phase;
use heartline_core::witness::{Deed, Power, Stage};
use proptest::prelude::*;

use crate::testing::{DEADTIME, KEEPALIVE, PULL, Rig, cases};

#[test]
fn it_votes_for_a_host_whose_peer_it_does_not_hear() {
    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    rig.vote(0, 1);
    rig.run(2 * DEADTIME);
    assert_eq!(rig.voted(), (0, None), "it hears both");
    rig.stop(1);
    rig.run(DEADTIME - KEEPALIVE);
    assert_eq!(rig.voted(), (0, None), "not before its dead time is over");
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));
    assert!(rig.deeds().contains(&Deed::Voted(NodeId::of("ha1"), Epoch(1))));
}

/// Nobody waits out the dead time of a host that the line has reset, or whose power is gone.
#[test]
fn it_does_not_hear_a_host_that_was_reset_or_has_no_power() {
    let mut rig = Rig::armed();
    rig.power[1] = false;
    rig.stop(1);
    rig.vote(0, 1);
    rig.run(3 * KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));

    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    rig.fence(0, 1, Stage::Arm);
    rig.run(KEEPALIVE);
    rig.fence(0, 1, Stage::Fire);
    rig.run(KEEPALIVE);
    rig.stop(1);
    rig.vote(0, 1);
    rig.run(PULL + KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));

    // It speaks on: the line does not do what it should.
    rig.peers[1].speaks = true;
    rig.run(DEADTIME);
    rig.vote(0, 2);
    rig.run(KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));
}

#[test]
fn it_votes_for_a_host_whose_peer_has_left() {
    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    rig.peers[1].phase = Phase::Left;
    rig.vote(0, 1);
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));
}

#[test]
fn a_vote_is_given_once_and_the_next_needs_the_next_epoch() {
    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    rig.stop(1);
    rig.vote(0, 1);
    rig.run(2 * DEADTIME);
    assert_eq!(rig.voted(), (1, Some(0)));
    rig.peers[1].speaks = true;
    rig.stop(0);
    for epoch in [0, 1, 3, u32::MAX] {
        rig.vote(1, epoch);
        rig.run(2 * DEADTIME);
        assert_eq!(rig.voted(), (1, Some(0)), "epoch {epoch} is not the next");
    }
    rig.vote(1, 2);
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.voted(), (2, Some(1)));
}

/// It does not know whom it would have heard.
#[test]
fn a_witness_that_has_just_started_does_not_vote() {
    let mut rig = Rig::new();
    rig.run(2 * DEADTIME);
    rig.stop(1);
    rig.reset_witness();
    rig.vote(0, 1);
    rig.run(DEADTIME - KEEPALIVE);
    assert_eq!(rig.voted(), (0, None));
    rig.run(2 * KEEPALIVE);
    assert_eq!(rig.voted(), (1, Some(0)));
}

proptest! {
    #![proptest_config(cases(50))]

    /// Whatever both ask for: no epoch is ever given to both, epochs grow one by one, and nobody has a vote while
    /// the other is heard.
    #[test]
    fn at_most_one_vote_an_epoch(
        doings in prop::collection::vec((0usize..2, 0u8..4, 0u32..6, 1u64..1_500), 1..40)
    ) {
        let mut rig = Rig::new();
        let mut votes = std::vec![(0, None)];
        for (host, doing, epoch, pause) in doings {
            match doing {
                0 => rig.stop(host),
                1 => rig.peers[host].speaks = true,
                _ => rig.vote(host, epoch),
            }
            for _ in 0..pause {
                rig.run(1);
                let vote = rig.voted();
                if vote != votes[votes.len() - 1] {
                    let to = vote.1.unwrap();
                    prop_assert_eq!(vote.0, votes[votes.len() - 1].0 + 1);
                    prop_assert!(!rig.witness.hosts[1 - to].is_heard(rig.now, Power::NotSensed));
                    votes.push(vote);
                }
            }
        }
    }
}
