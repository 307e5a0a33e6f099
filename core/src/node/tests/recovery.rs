//! What runs is asked how it is; what failed is mended in place, then restarted in place, then moved.

use core::hash::Hasher;
use std::hash::DefaultHasher;

use super::GROUP;
use super::world::{DEADTIME, Setting, World};
use crate::config::{Quorum, Recovery};
use crate::effect::Answer;
use crate::health::{Ailment, MAX_REPAIRS, UNCLEAR_ANSWERS};
use crate::input::{Command, Input, JobFailure, Outcome, Scope};
use crate::message::GroupState;
use crate::node::Node;
use crate::notice::{Notice, ReleaseCause};
use crate::time::Duration;

const MONITOR: u64 = 10_000;
const WINDOW: u64 = 3_600_000;

fn monitored() -> Setting {
    Setting { monitor: MONITOR, auto_failback: false, ..Setting::default() }
}

fn restarts(restarts: u8) -> Setting {
    let recovery = Recovery { restarts, window: Duration::from_millis(WINDOW) };
    Setting { recovery, ..monitored() }
}

fn dies(world: &mut World, host: usize) {
    world.hosts[host].runs[0] = false;
}

fn restarted(world: &World, host: usize) -> usize {
    let is_restart =
        |(at, notice): &&(usize, Notice)| *at == host && matches!(notice, Notice::Restarting { .. });
    world.notices.iter().filter(is_restart).count()
}

fn runs(host: usize) -> impl Fn(&World) -> bool {
    move |world| world.state(host, 0) == GroupState::Running && world.hosts[host].runs[0]
}

/// The service dies, and that is noticed and mended.
fn die_and_recover(world: &mut World, host: usize) {
    dies(world, host);
    world.run_for(2 * MONITOR, |world| world.state(host, 0) != GroupState::Running).expect("it is noticed");
    world.run_for(DEADTIME, runs(host)).expect("it is restarted");
}

#[test]
fn a_service_that_dies_is_restarted_in_place_within_its_interval() {
    let mut world = World::started(&monitored());
    let epoch = world.node(0).group_here(GROUP).unwrap().epoch();
    dies(&mut world, 0);
    let took = world.run_for(2 * MONITOR, runs(0)).expect("it runs again");
    assert!(took <= MONITOR + 100, "{took} ms of virtual time");
    assert_eq!(world.node(0).group_here(GROUP).unwrap().epoch(), epoch);
    assert_eq!(world.node(0).group_here(GROUP).unwrap().health().failures(), 1);
    let gone = |notice: &Notice| matches!(notice, Notice::Unhealthy { ailment: Ailment::Gone, .. });
    assert!(world.said(0, gone));
    world.run(5 * MONITOR);
    assert_eq!(world.owners(0), [0]);
    assert!(!world.said(1, |notice| matches!(notice, Notice::Claiming { .. })), "nobody could claim it");
}

#[test]
fn a_restart_in_place_never_shows_a_state_that_could_be_claimed() {
    // The other is the preferred node, and would take the group if nobody kept it.
    let mut world = World::started(&monitored());
    world.order(0, 1, Command::Standby(Scope::All));
    world.run_for(2 * DEADTIME, runs(1)).expect("it moves");
    world.run(2 * DEADTIME);
    world.notices.clear();
    dies(&mut world, 1);
    let seen = world.run_for(2 * MONITOR, |world| world.state(1, 0) == GroupState::Idle);
    assert_eq!(seen, None);
    assert_eq!((restarted(&world, 1), world.owners(0)), (1, std::vec![1]));
    assert!(!world.said(0, |notice| matches!(notice, Notice::Claiming { .. })));
}

/// One that has a shorter dead time than ha1 knows of may have taken it while it was being stopped.
#[test]
fn a_restart_in_place_waits_for_the_word_of_those_who_live() {
    let mut world = World::started(&monitored());
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, |world| world.state(0, 0) == GroupState::Stopping).expect("it is restarted");
    world.partition();
    let starts = |world: &World| world.state(0, 0).holds();
    assert_eq!(world.run_for(DEADTIME / 2, starts), None, "the other could have it");
    assert_eq!(world.state(0, 0), GroupState::Claiming);
    world.cuts.clear();
    world.run_for(DEADTIME, starts).expect("the other leaves it");
    assert_eq!(world.state(1, 0), GroupState::Idle);
}

#[test]
fn what_fails_too_often_moves_and_stays_away_until_cleanup() {
    let mut world = World::started(&restarts(2));
    die_and_recover(&mut world, 0);
    die_and_recover(&mut world, 0);
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, runs(1)).expect("it moves");
    let too_often =
        |notice: &Notice| matches!(notice, Notice::Releasing { cause: ReleaseCause::FailedTooOften, .. });
    assert!(world.said(0, too_often));
    let health = *world.node(0).group_here(GROUP).unwrap().health();
    assert!(health.is_exhausted() && health.failures() == 3);
    // Nothing brings it back, not even the end of the other.
    world.power_cut(1);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0usize; 0]);
    assert!(world.node(0).group_here(GROUP).unwrap().nobody_fit());
    world.order(0, 1, Command::Cleanup(Some(GROUP)));
    assert_eq!(world.answers[&1], Answer::Done);
    world.run_for(DEADTIME, runs(0)).expect("it runs again");
    // With all its restarts.
    die_and_recover(&mut world, 0);
    die_and_recover(&mut world, 0);
}

#[test]
fn without_restarts_the_first_failure_moves_it() {
    let mut world = World::started(&restarts(0));
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, runs(1)).expect("it moves");
    assert_eq!(restarted(&world, 0), 0);
}

#[test]
fn restarts_are_forgotten_after_their_window() {
    let mut world = World::started(&restarts(1));
    die_and_recover(&mut world, 0);
    world.run(WINDOW);
    die_and_recover(&mut world, 0);
    assert_eq!(restarted(&world, 0), 2);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn what_fails_everywhere_stays_down_and_that_is_said() {
    let mut world = World::started(&restarts(0));
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, runs(1)).expect("it moves");
    dies(&mut world, 1);
    world.run(5 * MONITOR);
    assert_eq!(world.owners(0), [0usize; 0]);
    assert!(world.said(1, |notice| matches!(notice, Notice::NobodyFit(_))));
    world.order(1, 1, Command::Cleanup(None));
    world.run_for(DEADTIME, runs(1)).expect("it runs again");
}

#[test]
fn a_restart_that_cannot_start_moves_it() {
    let mut world = World::started(&monitored());
    dies(&mut world, 0);
    world.hosts[0].start_fails = true;
    world.run_for(2 * MONITOR, runs(1)).expect("it moves");
    assert!(world.said(0, |notice| matches!(notice, Notice::StartFailed { .. })));
}

#[test]
fn a_monitor_that_hangs_is_a_failure() {
    let mut world = World::started(&monitored());
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::TimedOut));
    let hung = |notice: &Notice| matches!(notice, Notice::Unhealthy { ailment: Ailment::Hung, .. });
    world.run_for(2 * MONITOR, |world| world.said(0, hung)).expect("it counts");
    assert_eq!(restarted(&world, 0), 1);
}

#[test]
fn an_unclear_answer_counts_when_it_is_repeated() {
    let mut world = World::started(&monitored());
    let doubts = |world: &World| {
        let doubt = |(_, notice): &&(usize, Notice)| matches!(notice, Notice::Doubtful { .. });
        world.notices.iter().filter(doubt).count()
    };
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::Refused));
    let allowed = usize::from(UNCLEAR_ANSWERS) - 1;
    world.run_for(2 * MONITOR, |world| doubts(world) == allowed).expect("it is asked again soon");
    world.hosts[0].monitor_says = None;
    world.run(3 * MONITOR);
    assert!(world.said(0, |notice| matches!(notice, Notice::Healthy(_))));
    assert_eq!(restarted(&world, 0), 0);
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::Refused));
    let unclear = |notice: &Notice| matches!(notice, Notice::Unhealthy { ailment: Ailment::Unclear, .. });
    world.run_for(2 * MONITOR, |world| world.said(0, unclear)).expect("it counts");
    assert_eq!(doubts(&world), 2 * allowed);
}

#[test]
fn what_cannot_be_asked_is_left_alone_for_ever() {
    let mut world = World::started(&monitored());
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::NotRun));
    world.run(50 * MONITOR);
    let doubt = |(_, notice): &&(usize, Notice)| matches!(notice, Notice::Doubtful { .. });
    assert_eq!(world.notices.iter().filter(doubt).count(), 1, "said once");
    assert!(world.node(0).group_here(GROUP).unwrap().health().is_unasked());
    assert_eq!((restarted(&world, 0), world.owners(0)), (0, std::vec![0]));
    world.hosts[0].monitor_says = None;
    world
        .run_for(2 * MONITOR, |world| world.said(0, |notice| matches!(notice, Notice::Healthy(_))))
        .expect("it is well");
}

#[test]
fn a_suspicion_is_followed_at_once() {
    let mut world = World::started(&monitored());
    dies(&mut world, 0);
    world.step(0, Input::Suspect(GROUP));
    let took = world.run_for(MONITOR, runs(0)).expect("it runs again");
    assert!(took < 100, "{took} ms of virtual time");
    // What does not run here, or does not exist, is left alone.
    world.step(1, Input::Suspect(GROUP));
    world.step(0, Input::Suspect(crate::ids::GroupIndex(200)));
    assert_eq!(world.state(1, 0), GroupState::Idle);
}

#[test]
fn an_address_that_is_gone_is_put_back_beside_what_runs() {
    let mut world = World::started(&monitored());
    world.hosts[0].address_gone = true;
    world.announced = 0;
    world.step(0, Input::Suspect(GROUP));
    let took = world.run_for(MONITOR, |world| !world.hosts[0].address_gone).expect("it is put back");
    assert!(took < 100, "{took} ms of virtual time");
    assert_eq!((world.announced, restarted(&world, 0)), (1, 0));
    assert!(world.said(0, |notice| matches!(notice, Notice::Repaired(_))));
    assert_eq!(world.state(0, 0), GroupState::Running);
}

#[test]
fn a_repair_that_fails_or_never_lasts_ends_in_a_restart() {
    let mut world = World::started(&monitored());
    (world.hosts[0].address_gone, world.hosts[0].repair_fails) = (true, true);
    world.run_for(2 * MONITOR, |world| restarted(world, 0) == 1).expect("it is restarted");
    world.hosts[0].repair_fails = false;
    world.run_for(DEADTIME, runs(0)).expect("it runs again");
    world.run(2 * MONITOR);
    // Somebody takes the address away again and again.
    let repairs = |world: &World| {
        let repair = |(_, notice): &&(usize, Notice)| matches!(notice, Notice::Repairing(_));
        world.notices.iter().filter(repair).count()
    };
    let before = repairs(&world);
    let begin = world.now;
    while restarted(&world, 0) == 1 {
        world.hosts[0].address_gone = true;
        world.step(0, Input::Suspect(GROUP));
        world.run(100);
        assert!(world.now < begin + Duration::from_millis(MONITOR), "it is bounded");
    }
    assert!(repairs(&world) - before <= usize::from(MAX_REPAIRS));
    assert!(world.now >= begin + Duration::from_millis(1000 * u64::from(MAX_REPAIRS) - 1000), "one a second");
}

#[test]
fn nobody_is_asked_where_the_monitor_is_off() {
    let mut world = World::started(&Setting::default());
    dies(&mut world, 0);
    world.run(20 * MONITOR);
    assert_eq!(world.state(0, 0), GroupState::Running);
    assert!(!world.said(0, |notice| matches!(notice, Notice::Unhealthy { .. })));
}

#[test]
fn a_suspicion_is_followed_where_the_monitor_is_off() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.hosts[0].address_gone = true;
    world.step(0, Input::Suspect(GROUP));
    world.run_for(100, |world| !world.hosts[0].address_gone).expect("it is put back");
    assert_eq!(restarted(&world, 0), 0);
    dies(&mut world, 0);
    world.step(0, Input::Suspect(GROUP));
    world.run_for(2_000, runs(0)).expect("it runs again");
    assert_eq!(restarted(&world, 0), 1);
    // An agent that stumbles is asked again, and then left alone as before.
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::Refused));
    world.step(0, Input::Suspect(GROUP));
    world
        .run_for(5_000, |world| world.said(0, |notice| matches!(notice, Notice::Doubtful { .. })))
        .expect("it is asked");
    world.hosts[0].monitor_says = None;
    world
        .run_for(5_000, |world| world.said(0, |notice| matches!(notice, Notice::Healthy(_))))
        .expect("it is well");
    dies(&mut world, 0);
    world.run(20 * MONITOR);
    assert_eq!((world.state(0, 0), restarted(&world, 0)), (GroupState::Running, 1));
}

#[test]
fn the_groups_of_a_node_are_not_asked_in_one_instant() {
    let groups = (0..8).map(|_| ("ha1", "httpd")).collect();
    let mut world = World::started(&Setting { groups, ..monitored() });
    let at_once = |world: &World| {
        world
            .node(0)
            .config()
            .groups()
            .filter(|group| world.node(0).group_here(*group).unwrap().job().is_some())
            .count()
    };
    assert_eq!(world.run_for(3 * MONITOR, |world| at_once(world) > 1), None);
}

#[test]
fn an_order_ends_a_monitor_and_a_restart() {
    let mut world = World::started(&monitored());
    let asked = |world: &World| world.node(0).group_here(GROUP).unwrap().job().is_some();
    world.run_for(2 * MONITOR, asked).expect("it is asked");
    world.order(0, 1, Command::Standby(Scope::All));
    world.run_for(DEADTIME, runs(1)).expect("it moves");
    assert_eq!(world.owners(0), [1]);
    dies(&mut world, 1);
    world.run_for(2 * MONITOR, |world| world.state(1, 0) == GroupState::Stopping).expect("it is restarted");
    world.order(1, 2, Command::Standby(Scope::All));
    world.run_for(DEADTIME, runs(0)).expect("it moves back");
    world.run(1);
    assert_eq!(world.answers[&2], Answer::Done);
    assert!(!world.hosts[1].runs[0]);
}

#[test]
fn leaving_in_the_middle_of_a_restart_hands_over() {
    let mut world = World::started(&monitored());
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, |world| world.state(0, 0) == GroupState::Stopping).expect("it is restarted");
    world.order(0, 1, Command::Leave);
    world.run_for(DEADTIME, runs(1)).expect("the other takes it");
    assert!(world.hosts[0].node.is_none() && !world.hosts[0].runs[0]);
}

#[test]
fn a_restart_gives_way_to_a_newer_holder() {
    let mut world = World::started(&monitored());
    world.may_overlap = true;
    world.partition();
    world.run(3 * DEADTIME);
    assert_eq!(world.state(1, 0), GroupState::Running);
    dies(&mut world, 0);
    world.run_for(2 * MONITOR, |world| world.state(0, 0) == GroupState::Stopping).expect("it is restarted");
    world.cuts.clear();
    world.run(2 * DEADTIME);
    assert_eq!((world.state(0, 0), world.owners(0)), (GroupState::Idle, std::vec![1]));
}

/// The older holder was stalled, and does not hear that there is a newer one.
#[test]
fn the_restart_of_an_older_holder_takes_nothing_from_a_newer_one() {
    let mut world = World::started(&monitored());
    world.may_overlap = true;
    world.hosts[0].stalled = true;
    world.cut(1, 0);
    world.run(2 * MONITOR);
    dies(&mut world, 0);
    world.wake(0);
    world.run_for(2 * MONITOR, |world| restarted(world, 0) == 1).expect("it is restarted");
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0, 1]);
    let gives_way =
        |notice: &Notice| matches!(notice, Notice::Releasing { cause: ReleaseCause::HigherBid(_), .. });
    assert!(!world.said(1, gives_way));
}

#[test]
fn a_restart_waits_for_one_that_still_has_to_stop() {
    let mut world = World::started(&monitored());
    world.may_overlap = true;
    world.partition();
    world.run(3 * DEADTIME);
    // The newer holder fails when the older one has just heard of it, and takes its time to stop.
    dies(&mut world, 1);
    world.hosts[0].hangs = true;
    world.cuts.clear();
    world.run_for(2 * MONITOR, |world| restarted(world, 1) == 1).expect("it is restarted");
    world.run(3 * DEADTIME);
    assert!(world.hosts[0].runs[0] && !world.hosts[1].runs[0], "the other still runs");
    assert_eq!(world.state(1, 0), GroupState::Claiming);
}

#[test]
fn a_restart_ends_where_the_majority_is_lost() {
    let setting = Setting {
        nodes: std::vec!["ha1", "ha2", "ha3"],
        quorum: Quorum::Majority,
        watchdog: Some(60_000),
        ..monitored()
    };
    let mut world = World::started(&setting);
    dies(&mut world, 0);
    world.hosts[0].start_takes = Duration::from_millis(1);
    world.run_for(2 * MONITOR, |world| world.state(0, 0) == GroupState::Stopping).expect("it is restarted");
    (1..3).for_each(|other| {
        world.cut(0, other);
        world.cut(other, 0);
    });
    world.run(3 * DEADTIME);
    assert_eq!(world.state(0, 0), GroupState::Idle);
}

#[test]
fn a_stalled_node_does_not_judge_by_what_timed_out_meanwhile() {
    // Alone, so that nobody takes the group meanwhile.
    let mut world = World::started(&Setting { nodes: std::vec!["ha1"], ..monitored() });
    let job = |world: &World| world.node(0).group_here(GROUP).unwrap().job();
    world.run_for(2 * MONITOR, |world| job(world).is_some()).expect("it is asked");
    let before = job(&world);
    world.hosts[0].stalled = true;
    world.hosts[0].monitor_says = Some(Outcome::Failed(JobFailure::TimedOut));
    world.run(2 * DEADTIME);
    world.hosts[0].stalled = false;
    world.run_for(DEADTIME, |world| job(world) != before).expect("the answer comes in");
    assert!(job(&world).is_some(), "it is asked again at once");
    world.hosts[0].monitor_says = None;
    world.run(5 * DEADTIME);
    assert_eq!((restarted(&world, 0), world.owners(0)), (0, std::vec![0]));
}

#[test]
fn one_lie_restarts_in_place_and_moves_nothing() {
    let mut world = World::started(&monitored());
    world.hosts[0].monitor_says = Some(Outcome::NotRunning);
    world.run_for(2 * MONITOR, |world| restarted(world, 0) == 1).expect("it is believed");
    world.hosts[0].monitor_says = None;
    world.run(5 * MONITOR);
    assert_eq!((restarted(&world, 0), world.owners(0)), (1, std::vec![0]));
}

#[test]
fn a_restart_in_place_starts_nothing_in_the_step_that_loses_the_majority() {
    let nodes = std::vec!["ha1", "ha2", "ha3"];
    let mut world = World::started(&Setting { nodes, quorum: Quorum::Majority, ..Setting::default() });
    for other in 1..3 {
        world.cut(0, other);
        world.cut(other, 0);
    }
    world.run(DEADTIME / 2);
    world.hosts[0].hangs = true;
    let job = |world: &World| world.node(0).group_here(GROUP).unwrap().job().unwrap();
    world.step(0, Input::Suspect(GROUP));
    world.step(0, Input::JobEnded { job: job(&world), outcome: Outcome::NotRunning });
    assert_eq!(world.state(0, 0), GroupState::Stopping);
    world.now = world.node(0).quorum_ends().unwrap();
    world.hosts[0].runs[0] = false;
    world.notices.clear();
    world.step(0, Input::JobEnded { job: job(&world), outcome: Outcome::Done });
    assert!(world.said(0, |notice| matches!(notice, Notice::QuorumLost)));
    assert!(!world.said(0, |notice| matches!(notice, Notice::Starting { .. })), "{:?}", world.notices);
}

#[test]
fn restarts_matter_for_the_future_of_a_group_that_is_not_monitored_too() {
    let world = World::started(&Setting::default());
    let hash = |node: &Node| {
        let mut hasher = DefaultHasher::new();
        node.hash_future(world.now, &mut hasher);
        hasher.finish()
    };
    let mut restarted = world.node(0).clone();
    restarted.groups[0].health.restarts.note(world.now);
    assert_ne!(hash(world.node(0)), hash(&restarted));
}
