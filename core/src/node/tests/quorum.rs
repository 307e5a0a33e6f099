//! Majority and watchdog: who may run groups when a cluster of three falls apart.

use super::world::{DEADTIME, INITDEAD, Setting, World};
use crate::config::{ConfigError, MemberKind, Quorum, StopFailure};
use crate::ids::{GroupIndex, LinkIndex, MemberIndex};
use crate::input::{Command, Input, Scope};
use crate::message::{GroupState, Phase};
use crate::notice::{Notice, ReleaseCause};
use crate::time::Duration;

/// On the wire it is whole seconds.
const WATCHDOG: u64 = 3 * DEADTIME;

fn three() -> Setting {
    Setting {
        nodes: std::vec!["ha1", "ha2", "ha3"],
        quorum: Quorum::Majority,
        watchdog: Some(WATCHDOG),
        ..Setting::default()
    }
}

fn cut_off(world: &mut World, host: usize) {
    for other in (0..world.hosts.len()).filter(|other| *other != host) {
        world.cut(host, other);
        world.cut(other, host);
    }
}

#[test]
fn the_minority_stops_and_the_majority_takes_over_after_the_watchdog() {
    let mut world = World::started(&three());
    assert_eq!(world.owners(0), [0]);
    cut_off(&mut world, 0);
    world.run_for(2 * DEADTIME, |world| world.owners(0).is_empty()).expect("ha1 stops");
    let lost = Notice::Releasing { group: GroupIndex(0), cause: ReleaseCause::QuorumLost };
    assert!(world.said(0, |notice| *notice == lost));
    let took = world.run_for(2 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert!(took >= WATCHDOG - DEADTIME, "after {took} ms");
    assert!(world.said(1, |notice| matches!(notice, Notice::WatchdogFired { .. })));
    assert_eq!(world.hosts[0].watchdog_fired, 0, "it had stopped in time");
    world.run(2 * DEADTIME);
    world.cuts.clear();
    world.run(4 * DEADTIME);
    assert_eq!(world.owners(0), [0], "auto_failback");
}

#[test]
fn what_the_minority_cannot_stop_ends_by_its_watchdog() {
    let mut world = World::started(&three());
    world.hosts[0].hangs = true;
    cut_off(&mut world, 0);
    world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert_eq!(world.hosts[0].watchdog_fired, 1);
}

#[test]
fn a_stalled_holder_is_reset_before_the_others_take_over() {
    let mut world = World::started(&three());
    world.hosts[0].stalled = true;
    world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert_eq!(world.hosts[0].watchdog_fired, 1);
}

#[test]
fn one_of_three_runs_nothing() {
    let mut world = World::started(&three());
    world.power_cut(1);
    world.run(WATCHDOG + 3 * DEADTIME);
    assert_eq!(world.owners(0), [0], "two of three are a majority");
    world.power_cut(2);
    world.run(3 * DEADTIME);
    assert!(world.owners(0).is_empty());
    assert!(world.said(0, |notice| *notice == Notice::QuorumLost));
    world.boot(1);
    world.run(INITDEAD + WATCHDOG + 3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn one_that_starts_alone_starts_nothing() {
    let mut world = World::new(&three());
    world.boot(0);
    world.run(10 * INITDEAD);
    assert!(world.owners(0).is_empty());
    assert!(world.said(0, |notice| matches!(notice, Notice::NobodyFit(_))));
    assert_eq!(world.hosts[0].watchdog_fired, 0);
}

#[test]
fn one_that_is_alone_gives_up_what_it_found_in_its_next_step() {
    let mut world = World::new(&three());
    world.hosts[0].runs[0] = true;
    world.boot(0);
    world.run_for(2 * INITDEAD, |world| world.node(0).phase() == Phase::Active).expect("it becomes active");
    world.step(0, Input::Frame { link: LinkIndex(0), bytes: b"noise" });
    let lost = Notice::Releasing { group: GroupIndex(0), cause: ReleaseCause::QuorumLost };
    assert!(world.said(0, |notice| *notice == lost));
}

#[test]
fn one_that_left_and_is_back_for_the_others_alone_is_not_taken_for_gone() {
    let mut world = World::started(&Setting { auto_failback: false, ..three() });
    world.order(2, 1, Command::Leave);
    world.run(2 * DEADTIME);
    cut_off(&mut world, 0);
    world.boot(2);
    world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    world.order(2, 2, Command::Takeover(Scope::All));
    world.run_for(4 * DEADTIME, |world| world.owners(0) == [2]).expect("ha3 is told to");
    world.cuts.retain(|(from, to, _)| *from == 2 || *to == 2);
    world
        .run_for(4 * WATCHDOG, |world| world.owners(0) != [2])
        .ok_or(())
        .expect_err("ha1 hears it through ha2");
    assert!(world.node(0).has_quorum());
    world.cuts.clear();
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [2]);
    assert!(world.said(0, |notice| matches!(notice, Notice::MemberRestarted { .. })));
}

#[test]
fn without_watchdog_and_fencing_the_majority_waits() {
    let mut world = World::started(&Setting { watchdog: None, ..three() });
    cut_off(&mut world, 0);
    world.run(20 * DEADTIME);
    assert!(world.owners(0).is_empty());
}

#[test]
fn with_fencing_only_the_majority_shoots() {
    let mut world = World::started(&Setting { watchdog: None, fencing: true, ..three() });
    cut_off(&mut world, 0);
    world.run_for(3 * DEADTIME, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert!(!world.said(0, |notice| matches!(notice, Notice::Fencing { .. })));
    assert!(world.hosts[0].node.is_none());
}

#[test]
fn a_daemon_that_comes_back_keeps_what_runs_once_the_others_said_so() {
    let mut world = World::started(&three());
    world.kill_daemon(0);
    world.run(DEADTIME / 2);
    world.boot(0);
    world.run(5 * WATCHDOG);
    assert_eq!((world.owners(0), world.hosts[0].watchdog_fired), (std::vec![0], 0));
    assert!(!world.said(0, |notice| matches!(notice, Notice::Releasing { .. })));
}

#[test]
fn a_daemon_that_stays_away_is_ended_by_the_watchdog() {
    let mut world = World::started(&three());
    world.kill_daemon(0);
    world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert_eq!(world.hosts[0].watchdog_fired, 1);
}

#[test]
fn a_failed_stop_in_the_minority_blocks_nobody() {
    let mut world = World::started(&Setting { stop_failure: StopFailure::Block, ..three() });
    world.hosts[0].stop_fails = true;
    cut_off(&mut world, 0);
    world.run_for(DEADTIME * 2, |world| world.state(0, 0) == GroupState::Failed).expect("it cannot stop");
    world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert_eq!(world.hosts[0].watchdog_fired, 1);
}

/// One group could not be stopped when quorum was lost: the other must not be started and cancelled again and again.
#[test]
fn nothing_starts_where_something_must_still_be_given_up() {
    let groups = std::vec![("ha1", "10.0.0.1 httpd"), ("ha1", "10.0.0.2 mysql")];
    let mut world = World::started(&Setting { watchdog: None, groups, ..three() });
    world.hosts[0].stop_fails = true;
    cut_off(&mut world, 0);
    world.run_for(DEADTIME * 2, |world| world.state(0, 1) == GroupState::Failed).expect("it cannot stop");
    world.hosts[0].stop_fails = false;
    world.cuts.clear();
    world.run(3 * DEADTIME);
    world.order(0, 1, Command::Cleanup(Some(crate::ids::GroupIndex(1))));
    world.notices.clear();
    world.run(10 * DEADTIME);
    let starts =
        world.notices.iter().filter(|(at, notice)| *at == 0 && matches!(notice, Notice::Starting { .. }));
    assert_eq!(starts.count(), 0);
    world.order(0, 2, Command::Cleanup(None));
    world.run(3 * DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![0]));
}

#[test]
fn orders_do_not_overrule_the_majority() {
    let mut world = World::started(&three());
    cut_off(&mut world, 2);
    world.run(3 * DEADTIME);
    world.order(2, 1, Command::Takeover(Scope::All));
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

/// ha1, ha2, and a witness that knows nothing of groups.
fn with_witness() -> Setting {
    Setting { nodes: std::vec!["ha1", "ha2", "witness"], witness: Some("witness"), ..three() }
}

#[test]
fn with_a_witness_one_of_two_nodes_goes_on() {
    for holder in [0, 1] {
        let mut world = World::started(&with_witness());
        assert_eq!(world.owners(0), [0]);
        world.power_cut(holder);
        world.run_for(4 * WATCHDOG, |world| world.owners(0) == [1 - holder]).expect("the other runs it");
        assert!(!world.said(1 - holder, |notice| *notice == Notice::QuorumLost));
        world.run(2 * WATCHDOG);
        world.boot(holder);
        world.run(INITDEAD + 4 * DEADTIME);
        assert_eq!(world.owners(0), [0], "auto_failback");
        let differ = |notice: &Notice| matches!(notice, Notice::ConfigurationDiffers { .. });
        assert!((0..3).all(|host| !world.said(host, differ)), "a witness knows no groups");
    }
}

#[test]
fn one_of_two_nodes_that_even_the_witness_does_not_hear_stops() {
    let mut world = World::started(&with_witness());
    cut_off(&mut world, 0);
    world.run_for(2 * DEADTIME, |world| world.owners(0).is_empty()).expect("ha1 stops");
    world.run_for(2 * WATCHDOG, |world| world.owners(0) == [1]).expect("ha2 takes over");
    assert_eq!(world.hosts[0].watchdog_fired, 0, "it had stopped in time");
}

#[test]
fn two_nodes_that_both_hear_the_witness_take_nothing_from_each_other() {
    let mut world = World::started(&with_witness());
    world.cut(0, 1);
    world.cut(1, 0);
    world.run(4 * WATCHDOG);
    assert_eq!(world.owners(0), [0]);
}

/// Nobody waits for a witness, and its end changes nothing while both nodes are there.
#[test]
fn two_nodes_do_without_the_witness() {
    let mut world = World::new(&with_witness());
    world.boot(0);
    world.boot(1);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0], "before the initial dead time of the witness is over");
    world.run(2 * INITDEAD);
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert!(!world.said(0, |notice| matches!(notice, Notice::Fencing { .. })));
}

/// Even where dead members are fenced: a witness cannot be.
#[test]
fn a_dead_witness_is_not_fenced() {
    let mut world = World::started(&Setting { fencing: true, watchdog: None, ..with_witness() });
    world.power_cut(2);
    world.run(2 * DEADTIME);
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert!((0..2).all(|host| !world.said(host, |notice| matches!(notice, Notice::Fencing { .. }))));
}

#[test]
fn a_witness_cannot_be_preferred_and_must_be_a_member() {
    let config = three().config("ha2");
    let group = crate::ids::GroupIndex(0);
    assert_eq!(config.clone().with_witness("ha1"), Err(ConfigError::PreferredWitness(group)));
    assert_eq!(config.clone().with_witness("ha4"), Err(ConfigError::NotAMember));
    let config = config.with_witness("HA3").unwrap();
    assert_eq!(
        [0, 1, 2].map(|at| config.kind(MemberIndex(at))),
        [MemberKind::Node, MemberKind::Node, MemberKind::Witness]
    );
}

/// The rules of quorum do not depend on it: who is heard by anybody is alive.
#[test]
fn nobody_takes_from_a_node_that_another_member_hears() {
    for fencing in [false, true] {
        let setting = Setting { quorum: Quorum::Off, watchdog: None, fencing, ..three() };
        let mut world = World::started(&Setting { groups: std::vec![("ha3", "10.0.0.1 httpd")], ..setting });
        world.cut(0, 2);
        world.cut(2, 0);
        world.run(10 * DEADTIME);
        assert_eq!(world.owners(0), [2]);
        world.power_cut(2);
        let took = world.run_for(4 * DEADTIME, |world| world.owners(0) == [0]).expect("ha1 takes over");
        assert!(Duration::from_millis(took) <= Duration::from_millis(2 * DEADTIME), "{took}");
    }
}
