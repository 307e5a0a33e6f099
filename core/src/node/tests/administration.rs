//! Maintenance, restarts with the services kept, and an operator's word that a node is down.

use super::world::{DEADTIME, INITDEAD, KEEPALIVE, Setting, World};
use crate::config::{Quorum, StopFailure};
use crate::effect::{Answer, Effect, Effects};
use crate::fencing::Fence;
use crate::ids::{Epoch, GroupIndex};
use crate::input::{Command, Input, Outcome, Scope};
use crate::limits::MAX_ORDERS;
use crate::maintenance::Maintenance;
use crate::member::Presence;
use crate::message::{GroupState, Phase};
use crate::notice::Notice;
use crate::time::Duration;

/// The original's, beyond the usual dead time.
const GRACE: u64 = 30_000;

fn maintained(setting: &Setting) -> World {
    let mut world = World::started(setting);
    assert_eq!(world.owners(0), [0]);
    world.order(0, 1, Command::Maintenance(true));
    world.run_for(KEEPALIVE, |world| world.answers.contains_key(&1)).expect("an answer");
    assert_eq!(world.answers[&1], Answer::Done);
    world
}

fn end(world: &mut World, host: usize) {
    world.order(host, 99, Command::Maintenance(false));
    world.run(KEEPALIVE);
    assert_eq!(world.answers[&99], Answer::Done);
}

fn was_managed(world: &World) -> bool {
    let managed = |notice: &Notice| {
        matches!(
            notice,
            Notice::Claiming { .. }
                | Notice::Starting { .. }
                | Notice::Releasing { .. }
                | Notice::Stopped { .. }
                | Notice::Fencing { .. }
        )
    };
    (0..world.hosts.len()).any(|host| world.said(host, managed))
}

#[test]
fn maintenance_is_known_everywhere_before_it_is_answered() {
    let world = maintained(&Setting::default());
    for host in 0..2 {
        assert_eq!(world.node(host).maintenance(), Maintenance(1));
        assert_eq!(world.hosts[host].kept, Maintenance(1));
        assert!(world.said(host, |notice| matches!(notice, Notice::Maintenance { on: true, .. })));
    }
}

#[test]
fn a_cluster_that_was_never_in_maintenance_says_nothing_of_it() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Maintenance(false));
    assert_eq!(world.answers[&1], Answer::Nothing);
    world.run(DEADTIME);
    assert_eq!(world.hosts[1].kept, Maintenance(0));
}

#[test]
fn in_maintenance_a_death_is_noticed_and_nothing_follows() {
    let mut world = maintained(&Setting { fencing: true, ..Setting::default() });
    world.notices.clear();
    world.power_cut(0);
    world.run(5 * DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::MemberDead { .. })));
    assert!(world.owners(0).is_empty());
    assert!(!was_managed(&world), "{:#?}", world.notices);
    end(&mut world, 1);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1], "what needs somebody is taken when it ends");
    assert!(world.said(1, |notice| matches!(notice, Notice::Fenced { .. })));
}

#[test]
fn in_maintenance_orders_are_refused() {
    let mut world = maintained(&Setting::default());
    world.notices.clear();
    world.order(0, 2, Command::Standby(Scope::All));
    world.order(1, 3, Command::Takeover(Scope::All));
    world.order(0, 4, Command::Retire(1));
    world.run(DEADTIME);
    for order in 2..=4 {
        assert_eq!(world.answers[&order], Answer::Maintenance);
    }
    assert!(!was_managed(&world));
}

#[test]
fn an_order_under_way_ends_with_the_beginning_of_maintenance() {
    let mut world = World::started(&Setting::default());
    world.hosts[1].hangs = true;
    world.order(0, 2, Command::Standby(Scope::All));
    world.run_for(DEADTIME, |world| world.state(1, 0) == GroupState::Starting).expect("it moves");
    world.order(0, 3, Command::Maintenance(true));
    world.run(DEADTIME);
    assert_eq!((world.answers[&2], world.answers[&3]), (Answer::Maintenance, Answer::Done));
    assert_eq!(world.state(1, 0), GroupState::Starting, "what was under way is not broken off");
}

#[test]
fn a_daemon_that_starts_in_maintenance_keeps_what_runs_and_starts_nothing() {
    let mut world = maintained(&Setting {
        groups: std::vec![("ha1", "10.0.0.1 httpd"), ("ha1", "10.0.0.2 mysql")],
        ..Setting::default()
    });
    world.notices.clear();
    world.hosts[0].runs[1] = false;
    world.kill_daemon(0);
    world.run(2 * DEADTIME);
    world.boot(0);
    world.run(2 * INITDEAD);
    assert_eq!(world.node(0).phase(), Phase::Active);
    assert_eq!((world.state(0, 0), world.state(0, 1)), (GroupState::Running, GroupState::Idle));
    assert!(world.said(0, |notice| matches!(notice, Notice::Adopted { .. })));
    assert!(!was_managed(&world), "{:#?}", world.notices);
}

#[test]
fn what_runs_twice_in_maintenance_is_nobodys_before_it_ends() {
    let mut world = maintained(&Setting::default());
    world.may_overlap = true;
    world.hosts[1].runs[0] = true;
    for host in 0..2 {
        world.kill_daemon(host);
        world.boot(host);
    }
    world.run(2 * INITDEAD);
    assert!(!world.said(0, |notice| matches!(notice, Notice::Adopted { .. })));
    assert_eq!(world.owners(0), [0, 1]);
    end(&mut world, 1);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn all_nodes_at_once_remember_maintenance() {
    let mut world = maintained(&Setting::default());
    world.notices.clear();
    (0..2).for_each(|host| world.power_cut(host));
    (0..2).for_each(|host| world.boot(host));
    world.run(2 * INITDEAD);
    assert!(!was_managed(&world) && world.owners(0).is_empty());
    end(&mut world, 0);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn a_node_that_was_away_hears_the_newest_word() {
    let mut world = maintained(&Setting::default());
    world.power_cut(1);
    world.run(2 * DEADTIME);
    end(&mut world, 0);
    world.boot(1);
    world.run(DEADTIME);
    assert_eq!(world.node(1).maintenance(), Maintenance(2));
    // It lost its disk, and says something while it knows nothing of what was said before.
    world.power_cut(1);
    world.hosts[1].kept = Maintenance(0);
    world.boot(1);
    world.order(1, 7, Command::Maintenance(true));
    world.run(DEADTIME);
    assert_eq!(world.node(1).maintenance(), Maintenance(2));
}

#[test]
fn a_partition_that_heals_agrees_on_the_newest_word() {
    let mut world = maintained(&Setting::default());
    world.partition();
    world.run(2 * DEADTIME);
    world.may_overlap = true;
    end(&mut world, 1);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0, 1], "who was not told goes on");
    world.cuts.clear();
    world.run(3 * DEADTIME);
    assert_eq!(world.node(0).maintenance(), Maintenance(2));
    assert_eq!(world.owners(0).len(), 1);
}

#[test]
fn what_was_done_by_hand_counts_when_maintenance_ends() {
    let mut world = maintained(&Setting { auto_failback: false, ..Setting::default() });
    world.notices.clear();
    world.hosts[0].runs[0] = false;
    world.hosts[1].runs[0] = true;
    world.run(3 * DEADTIME);
    end(&mut world, 0);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert_eq!((world.state(0, 0), world.state(1, 0)), (GroupState::Idle, GroupState::Running));
    assert!(!was_managed(&world), "{:#?}", world.notices);
}

#[test]
fn what_went_on_running_keeps_its_epoch() {
    let mut world = maintained(&Setting::default());
    let epoch = |world: &World| world.node(0).group_here(super::GROUP).map(|group| group.epoch());
    let before = epoch(&world);
    end(&mut world, 1);
    world.run(DEADTIME);
    assert_eq!((epoch(&world), world.state(0, 0)), (before, GroupState::Running));
    assert!(before > Some(Epoch(0)));
}

#[test]
fn what_cannot_be_told_in_maintenance_is_dealt_with_when_it_ends() {
    let mut world = maintained(&Setting { stop_failure: StopFailure::Reboot, ..Setting::default() });
    world.notices.clear();
    world.hosts[0].half_running = true;
    world.kill_daemon(0);
    world.boot(0);
    world.run(3 * DEADTIME);
    assert_eq!(world.state(0, 0), GroupState::Unknown);
    assert_eq!(world.node(0).phase(), Phase::Active);
    assert!(!was_managed(&world), "{:#?}", world.notices);
    end(&mut world, 0);
    world.hosts[0].half_running = false;
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn a_start_that_fails_in_maintenance_is_not_stopped_before_it_ends() {
    let mut world = World::started(&Setting::default());
    world.power_cut(0);
    world.hosts[1].start_fails = true;
    world.hosts[1].start_takes = Duration::from_millis(DEADTIME);
    world.run_for(2 * DEADTIME, |world| world.state(1, 0) == GroupState::Starting).expect("it takes over");
    world.order(1, 1, Command::Maintenance(true));
    world.notices.clear();
    world.run(3 * DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::StartFailed { .. })));
    assert!(!was_managed(&world), "{:#?}", world.notices);
    end(&mut world, 1);
    world.run(DEADTIME);
    assert!(world.node(1).group_here(super::GROUP).unwrap().failed_here());
}

#[test]
fn a_daemon_that_leaves_in_maintenance_leaves_its_services_and_nobody_takes_them() {
    let mut world = maintained(&Setting::default());
    world.notices.clear();
    world.order(0, 2, Command::Leave);
    world.run(KEEPALIVE);
    assert!(world.hosts[0].node.is_none());
    assert!(world.said(0, |notice| matches!(notice, Notice::LeavesRunning(1))));
    world.run(3 * DEADTIME);
    assert_eq!(world.node(1).member(World::member(0)).unwrap().presence(), Presence::Dead);
    end(&mut world, 1);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0], "it runs there, though nobody looks after it");
    world.boot(0);
    world.run(2 * DEADTIME);
    assert_eq!((world.owners(0), world.state(0, 0)), (std::vec![0], GroupState::Running));
    let moved = |notice: &Notice| matches!(notice, Notice::Starting { .. } | Notice::Releasing { .. });
    assert!(!world.said(0, moved) && !world.said(1, moved), "{:#?}", world.notices);
}

#[test]
fn what_was_left_running_is_taken_when_an_operator_vouches() {
    let mut world = maintained(&Setting::default());
    world.order(0, 2, Command::Leave);
    world.run(3 * DEADTIME);
    end(&mut world, 1);
    world.power_cut(0);
    world.run(3 * DEADTIME);
    assert!(world.owners(0).is_empty());
    world.order(1, 3, Command::ConfirmDown(World::member(0)));
    world.run(DEADTIME);
    assert_eq!((world.owners(0), world.answers[&3]), (std::vec![1], Answer::Done));
}

#[test]
fn a_daemon_with_nothing_to_leave_leaves_as_usual() {
    let mut world = maintained(&Setting::default());
    world.order(1, 2, Command::Leave);
    world.run(DEADTIME);
    assert_eq!(world.node(0).member(World::member(1)).unwrap().presence(), Presence::Left);
}

fn three(quorum: Quorum) -> Setting {
    Setting {
        nodes: std::vec!["ha1", "ha2", "ha3"],
        quorum,
        watchdog: Some(2 * DEADTIME),
        ..Setting::default()
    }
}

#[test]
fn in_maintenance_a_lost_majority_stops_and_resets_nobody() {
    let mut world = maintained(&three(Quorum::Majority));
    world.run(DEADTIME);
    world.notices.clear();
    for other in 1..3 {
        world.cut(0, other);
        world.cut(other, 0);
    }
    world.run(10 * DEADTIME);
    assert_eq!((world.owners(0), world.hosts[0].watchdog_fired), (std::vec![0], 0));
    assert!(!was_managed(&world), "{:#?}", world.notices);
    // The majority does not take what a watchdog does not end, whatever it says of maintenance.
    world.order(1, 8, Command::Maintenance(false));
    world.run(10 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    world.cuts.clear();
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    assert_eq!(world.node(0).maintenance(), Maintenance(2));
}

#[test]
fn after_a_stall_in_maintenance_the_watchdog_is_fed_only_once_the_others_were_heard() {
    let mut world = maintained(&three(Quorum::Majority));
    world.run(DEADTIME);
    let mut node = world.node(0).clone();
    let mut feeds = |after: u64| {
        let mut effects = Effects::new();
        node.step(world.now + Duration::from_millis(after), Input::Tick, &mut effects);
        effects.iter().any(|effect| effect == Effect::FeedWatchdog)
    };
    assert!(!feeds(2 * DEADTIME), "maintenance may be over");
    assert!(!feeds(2 * DEADTIME), "this only ends the listening");
    assert!(feeds(2 * DEADTIME + KEEPALIVE));
}

#[test]
fn without_the_others_word_the_watchdog_still_counts_in_maintenance() {
    let mut world = World::started(&three(Quorum::Majority));
    for other in 1..3 {
        world.cut(0, other);
        world.cut(other, 0);
    }
    world.order(0, 1, Command::Maintenance(true));
    world.run(10 * DEADTIME);
    assert_eq!(world.hosts[0].watchdog_fired, 1, "the others rely on it");
    assert_eq!(world.owners(0).len(), 1);
}

#[test]
fn a_restart_keeps_the_services_and_the_other_stays_calm() {
    let mut world = World::started(&Setting::default());
    world.notices.clear();
    world.hosts[0].restart_takes = Some(Duration::from_millis(20 * DEADTIME));
    let life = world.node(0).generation();
    world.order(0, 1, Command::Restart);
    world.run(KEEPALIVE);
    assert!(world.hosts[0].node.is_none(), "it is told and goes at once");
    assert!(world.said(1, |notice| matches!(notice, Notice::MemberRestarts { .. })));
    world.run(25 * DEADTIME);
    assert!(world.node(0).generation() > life);
    assert_eq!((world.owners(0), world.state(0, 0)), (std::vec![0], GroupState::Running));
    assert!(!world.said(1, |notice| matches!(notice, Notice::MemberDead { .. })));
    assert!(!was_managed(&world), "{:#?}", world.notices);
}

#[test]
fn a_next_life_that_does_not_come_is_waited_for_no_longer_than_announced() {
    let mut world = World::started(&Setting::default());
    world.hosts[0].restart_takes = Some(Duration::from_millis(1_000_000));
    world.order(0, 1, Command::Restart);
    world.may_overlap = true;
    let took =
        world.run_for(2 * GRACE, |world| world.state(1, 0) == GroupState::Running).expect("a takeover");
    assert!((GRACE + DEADTIME..GRACE + 2 * DEADTIME).contains(&took), "{took} ms of virtual time");
}

#[test]
fn a_program_that_cannot_be_run_leaves_everything_as_it_was() {
    let mut world = World::started(&Setting::default());
    world.notices.clear();
    world.hosts[0].restart_takes = None;
    world.order(0, 1, Command::Restart);
    world.run(DEADTIME);
    assert_eq!(world.answers[&1], Answer::NotRestarted);
    assert!(!was_managed(&world));
    world.power_cut(0);
    let took = world.run_for(3 * DEADTIME, |world| world.state(1, 0) == GroupState::Running);
    assert!(took.is_some(), "its dead time is the usual one again");
}

/// The others bear a longer silence then, but this node does not.
#[test]
fn a_stall_in_the_middle_of_a_restart_is_one() {
    let mut world = World::started(&Setting::default());
    world.cut(1, 0);
    world.order(0, 1, Command::Restart);
    world.hosts[0].stalled = true;
    world.run(2 * DEADTIME);
    world.cuts.clear();
    world.wake(0);
    world.run(KEEPALIVE);
    assert!(world.said(0, |notice| matches!(notice, Notice::Stalled(_))));
    assert!(!world.said(0, |notice| matches!(notice, Notice::MemberDead { .. })));
}

#[test]
fn a_restart_waits_for_what_is_under_way_and_not_for_ever() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Standby(Scope::All));
    world.hosts[1].hangs = true;
    world.run_for(DEADTIME, |world| world.state(1, 0) == GroupState::Starting).expect("it moves");
    world.order(1, 2, Command::Restart);
    world.run(10 * DEADTIME);
    assert!(!world.answers.contains_key(&2));
    world.run(GRACE);
    assert_eq!(world.answers[&2], Answer::NotRestarted);
}

#[test]
fn a_restart_moves_nothing_back_that_was_moved_by_order() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    for host in 0..2 {
        world.order(host, 2, Command::Restart);
        world.run(3 * DEADTIME);
        assert_eq!(world.owners(0), [1], "after the restart of host {host}");
    }
    // Another start than that is one, and its groups go back.
    world.power_cut(0);
    world.run(2 * DEADTIME);
    world.boot(0);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn the_watchdog_stays_armed_over_a_restart() {
    let mut world = World::started(&three(Quorum::Majority));
    world.order(0, 1, Command::Restart);
    world.run(5 * DEADTIME);
    assert_eq!((world.owners(0), world.hosts[0].watchdog_fired), (std::vec![0], 0));
    world.hosts[0].restart_takes = Some(Duration::from_millis(1_000_000));
    world.order(0, 2, Command::Restart);
    world.run(5 * DEADTIME);
    assert_eq!(world.hosts[0].watchdog_fired, 1, "a life that does not come is ended");
    world.run(GRACE + 5 * DEADTIME);
    assert_eq!(world.owners(0).len(), 1);
}

#[test]
fn an_operator_vouches_where_fencing_fails() {
    let mut world = World::started(&Setting { fencing: true, ..Setting::default() });
    world.fencing_works = false;
    world.power_cut(0);
    world.run(5 * DEADTIME);
    assert!(world.owners(0).is_empty());
    world.order(1, 1, Command::ConfirmDown(World::member(0)));
    world.run(DEADTIME);
    assert_eq!((world.owners(0), world.answers[&1]), (std::vec![1], Answer::Done));
    assert!(world.said(1, |notice| matches!(notice, Notice::ConfirmedDown(_))));
    // It counts for this death alone.
    world.boot(0);
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    world.power_cut(0);
    world.run(5 * DEADTIME);
    assert!(world.owners(0).is_empty());
}

#[test]
fn nobody_vouches_for_the_death_of_the_living() {
    let mut world = World::started(&Setting::default());
    world.order(1, 1, Command::ConfirmDown(World::member(0)));
    assert_eq!(world.answers[&1], Answer::NotDead(World::member(0)));
    world.order(1, 2, Command::ConfirmDown(World::member(1)));
    assert_eq!(world.answers[&2], Answer::Nothing, "not for oneself");
    world.order(0, 3, Command::Leave);
    world.run(DEADTIME);
    world.order(1, 4, Command::ConfirmDown(World::member(0)));
    assert_eq!(world.answers[&4], Answer::Nothing, "who left runs nothing");
    let mut alone = World::new(&Setting::default());
    alone.boot(1);
    alone.order(1, 5, Command::ConfirmDown(World::member(0)));
    assert_eq!(alone.answers[&5], Answer::NotDead(World::member(0)), "not before the initial dead time");
}

#[test]
fn one_whom_another_node_hears_is_not_down() {
    let setting = Setting { nodes: std::vec!["ha1", "ha2", "ha3"], fencing: true, ..Setting::default() };
    let mut world = World::started(&setting);
    world.cut(0, 1);
    world.cut(1, 0);
    world.run(3 * DEADTIME);
    world.order(1, 1, Command::ConfirmDown(World::member(0)));
    assert_eq!(world.answers[&1], Answer::NotDead(World::member(0)));
}

#[test]
fn a_node_that_leaves_does_not_begin_a_next_life() {
    let mut world = World::started(&Setting::default());
    world.order(1, 1, Command::Restart);
    world.order(1, 2, Command::Leave);
    world.run(2 * DEADTIME);
    assert_eq!((world.answers[&1], world.answers[&2]), (Answer::NotRestarted, Answer::Done));
    assert!(world.hosts[1].node.is_none(), "it came back");
}

#[test]
fn what_another_node_runs_is_not_adopted_in_maintenance_either() {
    let mut world = maintained(&Setting::default());
    world.may_overlap = true;
    world.kill_daemon(1);
    world.hosts[1].runs[0] = true;
    world.run(2 * DEADTIME);
    world.boot(1);
    world.run(2 * INITDEAD);
    assert!(!world.said(1, |notice| matches!(notice, Notice::Adopted { .. })));
    end(&mut world, 0);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0], "who held it first keeps it");
}

#[test]
fn an_order_for_which_there_is_no_room_changes_nothing() {
    let mut world = World::started(&Setting::default());
    world.power_cut(0);
    world.run_for(2 * DEADTIME, |world| world.state(1, 0) == GroupState::Running).expect("a takeover");
    world.hosts[1].hangs = true;
    for order in 0..MAX_ORDERS {
        world.order(1, u32::try_from(order).unwrap(), Command::Retire(1));
    }
    world.order(1, 50, Command::ConfirmDown(World::member(0)));
    world.order(1, 51, Command::Maintenance(true));
    assert_eq!((world.answers[&50], world.answers[&51]), (Answer::Busy, Answer::Busy));
    assert_eq!(world.node(1).member(World::member(0)).unwrap().fence(), Fence::None);
    assert_eq!(world.hosts[1].kept, Maintenance(0));
    assert!(!world.node(1).in_maintenance());
}

#[test]
fn what_a_monitor_from_before_maintenance_says_is_asked_again() {
    let mut world = World::started(&Setting { monitor: 500, ..Setting::default() });
    let asked = |world: &World| world.node(0).group_here(GroupIndex(0)).unwrap().health().care.is_some();
    world.run_for(2 * DEADTIME, asked).expect("a monitor");
    world.hosts[0].monitor_says = Some(Outcome::NotRunning);
    world.order(0, 1, Command::Maintenance(true));
    world.order(0, 2, Command::Maintenance(false));
    assert!(asked(&world));
    // Its answer comes, and not yet that of the next one.
    world.run(5);
    world.hosts[0].monitor_says = None;
    world.run(DEADTIME);
    assert!(!world.said(0, |notice| matches!(notice, Notice::Restarting { .. })), "{:#?}", world.notices);
}
