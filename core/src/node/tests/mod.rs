//! Ownership as an operator would tell it, in virtual time.

mod administration;
mod fencing;
mod heartbeats;
mod hostile;
mod quorum;
mod recovery;
mod reload;
mod swarm;
mod three;
mod weather;
mod witness;
mod world;

use world::{DEADTIME, INITDEAD, KEEPALIVE, Setting, World};

use crate::config::StopFailure;
use crate::effect::Answer;
use crate::ids::{GroupIndex, JobId, LinkIndex, PingIndex};
use crate::input::{Command, Input, Outcome, Scope};
use crate::member::Presence;
use crate::message::{GroupState, Phase, Stance};
use crate::notice::{Notice, ReleaseCause};

const GROUP: GroupIndex = GroupIndex(0);

fn mutual() -> Setting {
    Setting { groups: std::vec![("ha1", "10.0.0.1 httpd"), ("ha2", "10.0.0.2 mysql")], ..Setting::default() }
}

#[test]
fn both_at_once_the_preferred_node_starts_without_waiting() {
    let mut world = World::new(&Setting::default());
    world.boot(1);
    world.boot(0);
    let took = world.run_for(INITDEAD, |world| world.state(0, 0) == GroupState::Running).expect("it starts");
    assert!(took < DEADTIME, "{took} ms of virtual time");
    assert_eq!(world.owners(0), [0]);
    world.run(5 * DEADTIME);
    assert!(!world.said(1, |notice| matches!(notice, Notice::Starting { .. })));
}

#[test]
fn one_alone_waits_for_the_initial_dead_time() {
    let mut world = World::new(&Setting::default());
    world.boot(1);
    let took =
        world.run_for(2 * INITDEAD, |world| world.state(1, 0) == GroupState::Running).expect("it starts");
    assert!((INITDEAD..INITDEAD + DEADTIME).contains(&took), "{took} ms of virtual time");
    assert!(world.said(1, |notice| matches!(notice, Notice::MemberDead { .. })));
}

#[test]
fn the_survivor_takes_over_after_the_dead_time_and_gives_back() {
    let mut world = World::started(&Setting::default());
    world.power_cut(0);
    let took =
        world.run_for(3 * DEADTIME, |world| world.state(1, 0) == GroupState::Running).expect("it takes over");
    assert!((DEADTIME - KEEPALIVE..DEADTIME + 100).contains(&took), "{took} ms of virtual time");
    assert!(world.said(1, |notice| matches!(notice, Notice::Unprotected { .. })));
    assert!(!world.said(1, |notice| matches!(notice, Notice::OnePathLeft { .. })), "all paths ended at once");
    world.boot(0);
    world.run_for(DEADTIME, |world| world.state(0, 0) == GroupState::Running).expect("it goes back");
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn without_auto_failback_nothing_goes_back() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    assert_eq!(world.owners(0), [0]);
    world.power_cut(0);
    world.run(2 * DEADTIME);
    world.boot(0);
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(0), [1]);
}

#[test]
fn a_node_that_returns_within_the_dead_time_gets_its_groups_and_is_not_held_for_dead() {
    let mut world = World::started(&Setting::default());
    world.power_cut(0);
    world.run(DEADTIME / 2);
    world.boot(0);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0]);
    assert!(!world.said(1, |notice| matches!(notice, Notice::MemberDead { .. })));
}

#[test]
fn a_node_that_restarts_within_the_dead_time_is_answered_at_once() {
    let mut world = World::started(&Setting::default());
    world.power_cut(0);
    world.run(2 * KEEPALIVE);
    // Right after a heartbeat of the other, so that the next one is a keepalive away.
    let before = world.node(1).sequence();
    world.run_for(DEADTIME, |world| world.node(1).sequence() > before).expect("a heartbeat");
    world.boot(0);
    let took = world.run_for(DEADTIME, |world| world.state(0, 0) == GroupState::Running).expect("it starts");
    assert!(took < KEEPALIVE / 2, "{took} ms of virtual time");
}

#[test]
fn a_leaving_node_hands_over_at_once_and_ends() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Leave);
    let took =
        world.run_for(DEADTIME, |world| world.state(1, 0) == GroupState::Running).expect("it takes over");
    assert!(took < KEEPALIVE, "{took} ms of virtual time");
    assert!(world.hosts[0].node.is_none());
    world.run(3 * DEADTIME);
    assert_eq!(world.node(1).member(World::member(0)).unwrap().presence(), Presence::Left);
    assert!(
        !world.said(1, |notice| matches!(notice, Notice::Unprotected { .. } | Notice::MemberDead { .. }))
    );
}

#[test]
fn both_leave_at_once() {
    let mut world = World::started(&mutual());
    world.order(0, 1, Command::Leave);
    world.order(1, 2, Command::Leave);
    world.run(2 * DEADTIME);
    assert!(world.hosts.iter().all(|host| host.node.is_none()));
    assert!(world.owners(0).is_empty() && world.owners(1).is_empty());
}

#[test]
fn one_link_less_moves_nothing_and_warns() {
    let mut world = World::started(&Setting::default());
    world.cut_link(0);
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    let warned = |notice: &Notice| matches!(notice, Notice::OnePathLeft { link: LinkIndex(1), .. });
    assert!(world.said(0, warned) && world.said(1, warned));
    world.cuts.clear();
    world.run(DEADTIME);
    assert_eq!(world.node(0).member(World::member(1)).unwrap().links_up().len(), 2);
}

#[test]
fn standby_moves_and_answers_when_it_is_done() {
    let mut world = World::started(&mutual());
    world.order(0, 7, Command::Standby(Scope::All));
    assert!(world.answers.is_empty());
    world.run_for(DEADTIME, |world| world.answers.contains_key(&7)).expect("an answer");
    assert_eq!(world.answers[&7], Answer::Done);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![1], std::vec![1]));
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(0), [1], "standby holds");
}

#[test]
fn standby_is_refused_when_nobody_else_is_there() {
    let mut world = World::started(&Setting::default());
    world.power_cut(1);
    world.run(2 * DEADTIME);
    world.order(0, 7, Command::Standby(Scope::All));
    assert_eq!(world.answers[&7], Answer::NobodyElse(GROUP));
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn takeover_and_standby_back_and_forth() {
    for auto_failback in [true, false] {
        let mut world = World::started(&Setting { auto_failback, ..Setting::default() });
        let orders = [
            (1, Command::Takeover(Scope::All), 1),
            (0, Command::Takeover(Scope::Local), 0),
            (0, Command::Standby(Scope::Local), 1),
            (1, Command::Standby(Scope::Foreign), 0),
            (0, Command::Standby(Scope::All), 1),
            (0, Command::Takeover(Scope::All), 0),
            (1, Command::Takeover(Scope::Foreign), 1),
            (1, Command::Standby(Scope::All), 0),
        ];
        for (number, (host, command, owner)) in (0u32..).zip(orders) {
            world.order(host, number, command);
            world.run_for(2 * DEADTIME, |world| world.answers.contains_key(&number)).expect("an answer");
            assert_eq!(world.answers[&number], Answer::Done, "{command:?}");
            world.run(2 * DEADTIME);
            assert_eq!(world.owners(0), [owner], "{command:?} on {host}, auto_failback {auto_failback}");
        }
    }
}

#[test]
fn scopes_are_those_of_the_node_that_is_asked() {
    let mut world = World::started(&mutual());
    world.order(0, 1, Command::Takeover(Scope::Foreign));
    world.run(DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![0]));
    world.order(0, 2, Command::Standby(Scope::Foreign));
    world.run(DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
    assert_eq!(world.answers[&2], Answer::Done);
}

#[test]
fn a_node_in_standby_still_takes_over_from_the_dead() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(DEADTIME);
    world.power_cut(1);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    assert_eq!(world.node(0).group_here(GROUP).unwrap().stance(), Stance::Normal);
}

#[test]
fn a_failed_start_moves_the_group_until_it_is_cleaned_up() {
    let mut world = World::new(&Setting::default());
    world.hosts[0].start_fails = true;
    world.boot(0);
    world.boot(1);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert!(world.said(0, |notice| matches!(notice, Notice::StartFailed { .. })));
    world.hosts[0].start_fails = false;
    world.order(0, 1, Command::Cleanup(None));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn a_group_that_starts_nowhere_stays_down_and_that_is_said_once() {
    let mut world = World::new(&Setting::default());
    world.hosts.iter_mut().for_each(|host| host.start_fails = true);
    world.boot(0);
    world.boot(1);
    world.run(10 * DEADTIME);
    assert!(world.owners(0).is_empty());
    for host in 0..2 {
        let said =
            world.notices.iter().filter(|(at, notice)| (*at, *notice) == (host, Notice::NobodyFit(GROUP)));
        assert_eq!(said.count(), 1);
        let starts =
            world.notices.iter().filter(|(at, n)| *at == host && matches!(n, Notice::Starting { .. }));
        assert_eq!(starts.count(), 1);
    }
}

#[test]
fn a_failed_standby_says_so_and_the_group_comes_back() {
    let mut world = World::started(&Setting::default());
    world.hosts[1].start_fails = true;
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(3 * DEADTIME);
    assert_eq!(world.answers[&1], Answer::NotMoved(GROUP));
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn a_failed_stop_blocks_the_group_or_reboots() {
    for (stop_failure, reboots, owner) in [(StopFailure::Block, 0, 0), (StopFailure::Reboot, 1, 1)] {
        let mut world = World::started(&Setting { stop_failure, ..Setting::default() });
        world.hosts[0].stop_fails = true;
        world.order(0, 1, Command::Standby(Scope::All));
        world.run(4 * DEADTIME);
        assert_eq!(world.hosts[0].rebooted, reboots);
        assert_eq!(world.owners(0), [owner], "{stop_failure:?}: nobody starts what may still run elsewhere");
        if stop_failure == StopFailure::Block {
            assert_eq!(world.answers[&1], Answer::NotMoved(GROUP));
            world.order(1, 2, Command::Takeover(Scope::All));
            assert_eq!(
                world.answers[&2],
                Answer::NotMoved(GROUP),
                "what is blocked elsewhere cannot be taken"
            );
            assert_eq!(world.node(1).group_here(GROUP).unwrap().stance(), Stance::Normal);
        }
    }
}

#[test]
fn what_was_never_ours_and_cannot_be_stopped_reboots_nobody() {
    let mut world = World::new(&Setting { stop_failure: StopFailure::Reboot, ..Setting::default() });
    world.hosts[0].half_running = true;
    world.hosts[0].stop_fails = true;
    world.boot(0);
    world.boot(1);
    world.run(3 * DEADTIME);
    assert_eq!(world.hosts[0].rebooted, 0);
    assert_eq!(world.state(0, 0), GroupState::Failed);
    assert_eq!(world.state(1, 0), GroupState::Idle, "parts of it may run on ha1");
}

#[test]
fn what_a_leaving_node_could_not_stop_is_not_taken_before_an_operator_says_so() {
    let mut world = World::started(&Setting::default());
    world.hosts[0].stop_fails = true;
    world.order(0, 1, Command::Leave);
    world.run(5 * DEADTIME);
    assert_eq!(world.node(1).member(World::member(0)).unwrap().presence(), Presence::Dead);
    assert_eq!(world.owners(0), [0]);
    world.order(1, 3, Command::Takeover(Scope::All));
    assert_eq!(world.answers[&3], Answer::NotMoved(GROUP));
    let (config, now) = (Setting::default().config("ha2"), world.now);
    world.hosts[1].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [0], "a reload forgets nothing");
    world.power_cut(0);
    world.order(1, 2, Command::Cleanup(None));
    assert_eq!(world.answers[&2], Answer::Done);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
}

#[test]
fn a_killed_daemon_adopts_what_still_runs() {
    let mut world = World::started(&Setting::default());
    world.kill_daemon(0);
    world.run(DEADTIME / 2);
    world.boot(0);
    world.run(2 * DEADTIME);
    assert!(world.said(0, |notice| matches!(notice, Notice::Adopted { .. })));
    assert_eq!(world.owners(0), [0]);
    assert!(!world.said(0, |notice| matches!(notice, Notice::Releasing { .. })));
}

#[test]
fn a_killed_daemon_stops_what_others_took_meanwhile() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.may_overlap = true;
    world.kill_daemon(0);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0, 1], "nothing but fencing could have prevented this");
    world.boot(0);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
}

#[test]
fn after_a_partition_the_newer_holder_keeps_the_group() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.may_overlap = true;
    world.partition();
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0, 1]);
    world.cuts.clear();
    world.run_for(2 * DEADTIME, |world| world.owners(0).len() == 1).expect("one lets go");
    assert_eq!(world.owners(0), [1]);
    let stops = world.notices.iter().filter(|(_, notice)| matches!(notice, Notice::Stopped { .. }));
    assert_eq!(stops.count(), 1, "nobody restarts everything");
    world.may_overlap = false;
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert_eq!(world.announced, 1, "the winner announces its address again");
}

#[test]
fn a_stalled_holder_lets_go_of_what_was_taken() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.may_overlap = true;
    world.hosts[0].stalled = true;
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0, 1]);
    world.hosts[0].stalled = false;
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert!(world.said(0, |notice| matches!(notice, Notice::Stalled(_))));
    assert!(
        !world.said(0, |notice| matches!(notice, Notice::MemberDead { .. })),
        "it listens before it judges"
    );
}

#[test]
fn a_claim_that_was_held_for_dead_counts_no_old_word() {
    let mut world = World::new(&Setting::default());
    world.hosts.iter_mut().for_each(|host| host.start_fails = true);
    (0..2).for_each(|host| world.boot(host));
    world.run(3 * DEADTIME);
    world.hosts.iter_mut().for_each(|host| host.start_fails = false);
    world.cut(1, 0);
    world.order(0, 1, Command::Cleanup(None));
    world.run(KEEPALIVE / 10);
    world.order(1, 2, Command::Cleanup(None));
    assert_eq!(world.state(0, 0), GroupState::Claiming);
    // Something happens that need not be said; then the answer waits in the socket of a node that does nothing.
    world.run(KEEPALIVE / 2);
    world.order(0, 3, Command::Cleanup(None));
    world.hosts[0].stalled = true;
    world.cuts.clear();
    world.run_for(2 * DEADTIME, |world| world.state(1, 0) == GroupState::Starting).expect("it takes over");
    world.hosts[0].stalled = false;
    world.run(DEADTIME);
    assert_eq!(world.owners(0).len(), 1);
}

#[test]
fn a_deaf_survivor_does_not_stay_beside_the_newer_holder() {
    let mut world = World::started(&Setting::default());
    world.may_overlap = true;
    world.cut(0, 1);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [1], "ha2 cannot hear ha1 and took over; ha1 heard that and let go");
    world.cuts.clear();
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn nobody_takes_from_a_node_that_it_hears() {
    let mut world = World::started(&Setting::default());
    world.cut(1, 0);
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(0), [0], "ha1 does not hear ha2, but ha2 hears ha1");
    assert!(!world.said(1, |notice| matches!(notice, Notice::Starting { .. })));
}

#[test]
fn differing_files_freeze_ownership_and_both_say_which_lines() {
    let mut world = World::new(&mutual());
    let other =
        Setting { groups: std::vec![("ha1", "10.0.0.1 httpd"), ("ha2", "10.0.0.9 mysql")], ..mutual() };
    world.hosts[1].config = other.config("ha2");
    world.boot(0);
    world.boot(1);
    world.run(3 * INITDEAD);
    assert!(world.owners(0).is_empty() && world.owners(1).is_empty());
    for host in 0..2 {
        let told =
            |notice: &Notice| matches!(notice, Notice::ConfigurationDiffers { ours: 0b10, theirs: 1, .. });
        assert!(world.said(host, told), "{:?}", world.notices);
    }
    let (config, now) = (mutual().config("ha2"), world.now);
    world.hosts[1].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
    world.run(2 * DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
}

#[test]
fn fencing_comes_before_takeover_and_is_retried() {
    let mut world = World::started(&Setting { fencing: true, ..Setting::default() });
    world.fencing_works = false;
    world.partition();
    world.run(10 * DEADTIME);
    assert_eq!(world.owners(0), [0], "no takeover before the fence succeeded");
    assert!(world.said(1, |notice| matches!(notice, Notice::FencingFailed { .. })));
    world.fencing_works = true;
    world.run(20 * DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert!(world.hosts[0].node.is_none());
}

#[test]
fn fewer_reachable_ping_nodes_move_the_groups_after_a_moment() {
    let mut world = World::started(&Setting { pings: 2, ..Setting::default() });
    let pong = |world: &mut World, host: usize, ping: u8| world.step(host, Input::Pong(PingIndex(ping)));
    for round in 0..40 {
        pong(&mut world, 1, 0);
        pong(&mut world, 1, 1);
        pong(&mut world, 0, 0);
        if round < 5 {
            pong(&mut world, 0, 1);
        }
        world.run(KEEPALIVE);
    }
    assert_eq!(world.owners(0), [1]);
    assert!(world.said(0, |notice| matches!(notice, Notice::PingDead(PingIndex(1)))));
}

#[test]
fn three_nodes_find_one_owner_and_the_next() {
    let setting = Setting { nodes: std::vec!["ha3", "ha1", "ha2"], ..Setting::default() };
    // Members are numbered by name; the world numbers hosts alike.
    let setting = Setting {
        nodes: {
            let mut n = setting.nodes;
            n.sort_unstable();
            n
        },
        ..Setting::default()
    };
    let mut world = World::started(&setting);
    assert_eq!(world.owners(0), [0]);
    world.power_cut(0);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [1], "equal bids: the order of names");
    world.power_cut(1);
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [2]);
}

#[test]
fn a_release_names_its_reason() {
    let mut world = World::started(&Setting::default());
    world.order(1, 1, Command::Takeover(Scope::All));
    world.run(DEADTIME);
    let heir = World::member(1);
    let named = Notice::Releasing { group: GROUP, cause: ReleaseCause::HigherBid(heir) };
    assert!(world.said(0, |notice| *notice == named));
    assert_eq!(world.node(0).phase(), Phase::Active);
}

#[test]
fn after_a_stall_nothing_is_taken_before_what_was_said_meanwhile_is_heard() {
    let mut world = World::new(&Setting { auto_failback: false, ..Setting::default() });
    world.hosts[0].hangs = true;
    world.boot(0);
    world.run(INITDEAD + KEEPALIVE);
    assert!(world.said(0, |notice| matches!(notice, Notice::MemberDead { .. })));
    world.hosts[0].stalled = true;
    world.boot(1);
    world.run(INITDEAD + DEADTIME);
    assert_eq!(world.owners(0), [1]);
    // The end of the first look comes in before the frames that waited.
    world.hosts[0].stalled = false;
    world.step(0, Input::JobEnded { job: JobId(1), outcome: Outcome::NotRunning });
    assert_eq!(world.owners(0), [1]);
    assert_eq!(world.node(0).next_deadline(), world.now, "it wants to know when everything was handed in");
}

/// ha1 has come back since its farewell, and ha2, which was stalled all the while, cannot hear it.
#[test]
fn a_farewell_that_waited_during_a_stall_counts_once_nothing_followed_it() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.may_overlap = true;
    world.hosts[1].stalled = true;
    world.order(0, 1, Command::Leave);
    world.run(2 * DEADTIME);
    world.cut(0, 1);
    world.boot(0);
    world.run(INITDEAD + DEADTIME);
    assert_eq!(world.owners(0), [0]);
    world.wake(1);
    let starts = |world: &World| world.state(1, 0).holds();
    assert_eq!(world.run_for(DEADTIME - KEEPALIVE, starts), None);
    world.run_for(2 * KEEPALIVE, starts).expect("silence means that it is gone");
}

/// Who has not heard since that it runs here may have taken it.
#[test]
fn what_was_found_running_is_adopted_once_those_who_live_have_heard_of_it() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.kill_daemon(0);
    world.hosts[0].hangs = true;
    world.boot(0);
    world.run(2 * KEEPALIVE);
    let adopts = |world: &World| world.said(0, |notice| matches!(notice, Notice::Adopted { .. }));
    world.cut(0, 1);
    world.step(0, Input::JobEnded { job: JobId(1), outcome: Outcome::Done });
    assert_eq!(world.node(0).phase(), Phase::Active);
    assert_eq!(world.run_for(KEEPALIVE, adopts), None);
    world.cuts.clear();
    world.run_for(DEADTIME, adopts).expect("the other leaves it");
}
