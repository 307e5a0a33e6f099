//! Three nodes in bad weather: frames are lost, doubled, late and overtaken, stops fail, starts are slow, configurations
//! differ for a while. What is promised of two nodes holds for three.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::weather::Weather;
use super::world::{self, DEADTIME, INITDEAD, KEEPALIVE, LINKS, Setting, World, cases};
use crate::config::Quorum;
use crate::input::{Command, Scope};
use crate::message::{GroupState, Phase};
use crate::notice::Notice;
use crate::time::Duration;

const HOSTS: usize = 3;
const GROUPS: usize = 3;
/// Longer than a keepalive, so that heartbeats overtake each other; short enough that no whole link is held for dead.
const LONGEST_DELAY: u64 = 2 * KEEPALIVE;

#[derive(Debug, Clone)]
enum Op {
    Run(u64),
    Cut(usize, usize, u8),
    CutOff(usize),
    Mend,
    PowerCut(usize),
    KillDaemon(usize),
    Boot(usize),
    Stall(usize),
    Wake(usize),
    Order(usize, u8, u8),
    StartFails(usize, bool),
    StopFails(usize, bool),
    StartTakes(usize, u64),
    Reconfigure(usize, bool),
    Weather(u64, u64, u64),
}

fn any_op() -> impl Strategy<Value = Op> {
    let host = 0..HOSTS;
    prop_oneof![
        8 => (1u64..2 * DEADTIME).prop_map(Op::Run),
        4 => (1u64..60).prop_map(Op::Run),
        2 => (host.clone(), host.clone(), 0..LINKS).prop_map(|(from, to, link)| Op::Cut(from, to, link)),
        1 => host.clone().prop_map(Op::CutOff),
        2 => Just(Op::Mend),
        1 => host.clone().prop_map(Op::PowerCut),
        1 => host.clone().prop_map(Op::KillDaemon),
        5 => host.clone().prop_map(Op::Boot),
        1 => host.clone().prop_map(Op::Stall),
        3 => host.clone().prop_map(Op::Wake),
        5 => (host.clone(), 0u8..8, 0u8..3).prop_map(|(host, which, scope)| Op::Order(host, which, scope)),
        1 => (host.clone(), any::<bool>()).prop_map(|(host, fails)| Op::StartFails(host, fails)),
        1 => (host.clone(), any::<bool>()).prop_map(|(host, fails)| Op::StopFails(host, fails)),
        1 => (host.clone(), 1u64..3 * DEADTIME).prop_map(|(host, takes)| Op::StartTakes(host, takes)),
        1 => (host, any::<bool>()).prop_map(|(host, other)| Op::Reconfigure(host, other)),
        2 => (0u64..90, 0u64..50, 0..LONGEST_DELAY).prop_map(|(loss, twice, delay)| Op::Weather(loss, twice, delay)),
    ]
}

fn setting(fencing: bool, auto_failback: bool) -> Setting {
    Setting {
        nodes: std::vec!["ha1", "ha2", "ha3"],
        groups: std::vec![("ha1", "10.0.0.1 httpd"), ("ha2", "10.0.0.2 mysql"), ("ha3", "10.0.0.3 named")],
        fencing,
        auto_failback,
        ..Setting::default()
    }
}

fn other_words(setting: &Setting) -> Setting {
    let mut other = setting.clone();
    other.groups[2].1 = "10.0.0.3 unbound";
    other
}

fn command(which: u8, scope: u8) -> Command {
    let scope = [Scope::All, Scope::Local, Scope::Foreign][usize::from(scope)];
    match which {
        0 => Command::Leave,
        1 => Command::Cleanup(None),
        2..=4 => Command::Standby(scope),
        _ => Command::Takeover(scope),
    }
}

fn play(world: &mut World, setting: &Setting, op: &Op, number: u32) {
    match *op {
        Op::Run(millis) => world.run(millis),
        Op::Cut(from, to, link) => world.cuts.push((from, to, link)),
        Op::CutOff(host) => {
            for other in (0..HOSTS).filter(|other| *other != host) {
                world.cut(host, other);
                world.cut(other, host);
            }
        }
        Op::Mend => world.cuts.clear(),
        Op::PowerCut(host) => {
            world.hosts[host].stalled = false;
            world.power_cut(host);
        }
        Op::KillDaemon(host) => world.kill_daemon(host),
        Op::Boot(host) => {
            if world.hosts[host].node.is_none() {
                world.hosts[host].stalled = false;
                world.boot(host);
            }
        }
        Op::Stall(host) => world.hosts[host].stalled = true,
        Op::Wake(host) => world.hosts[host].stalled = false,
        Op::Order(host, which, scope) => {
            // A node that leaves what it cannot stop is forgotten by those that start later: only a fence helps then.
            let unstoppable = world.hosts[host].stop_fails
                || world.hosts[host]
                    .node
                    .as_ref()
                    .is_some_and(|node| node.groups.iter().any(|group| group.state() == GroupState::Failed));
            if which == 0 && unstoppable && !setting.fencing {
                return;
            }
            // An operator cleans up only after he has seen that nothing runs where no daemon does.
            let left_alone = |host: &world::Host| host.node.is_none() && host.runs.contains(&true);
            if which == 1 && world.hosts.iter().any(left_alone) {
                return;
            }
            if !world.hosts[host].stalled && world.hosts[host].node.is_some() {
                world.order(host, number, command(which, scope));
            }
        }
        Op::StartFails(host, fails) => world.hosts[host].start_fails = fails,
        Op::StopFails(host, fails) => {
            let leaves = |node: &crate::node::Node| node.phase() == Phase::Leaving;
            let leaves = world.hosts[host].node.as_ref().is_some_and(leaves);
            world.hosts[host].stop_fails = fails && !leaves;
        }
        Op::StartTakes(host, takes) => world.hosts[host].start_takes = Duration::from_millis(takes),
        Op::Reconfigure(host, other) => {
            let changed = if other { other_words(setting) } else { setting.clone() };
            reconfigure(world, host, &changed);
        }
        Op::Weather(loss, twice, delay) => {
            world.weather = Weather { loss, twice, delay, ..world.weather };
        }
    }
}

/// Whatever a third node's file says, what runs goes on running.
#[test]
fn a_third_node_with_other_words_stops_nothing() {
    let setting = setting(false, false);
    let mut world = World::started(&setting);
    world.power_cut(2);
    world.run(2 * DEADTIME);
    world.hosts[2].config = other_words(&setting).config("ha3");
    // What ha1 last heard of ha2 is that it is fit; that it is not any more comes late.
    world.cut(1, 0);
    world.boot(2);
    world.run(DEADTIME / 2);
    world.cuts.clear();
    world.run(INITDEAD);
    assert!(!world.notices.iter().any(|(_, notice)| matches!(notice, Notice::Releasing { .. })));
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
}

/// Gives whether the host runs under these words now.
fn reconfigure(world: &mut World, host: usize, setting: &Setting) -> bool {
    let config = setting.config(setting.nodes[host]);
    let now = world.now;
    if world.hosts[host].stalled {
        return false;
    }
    let Some(node) = &mut world.hosts[host].node else {
        world.hosts[host].config = config;
        return true;
    };
    if node.reconfigure(config.clone(), world::keys(), now).is_err() {
        return false;
    }
    world.hosts[host].config = config;
    world.step(host, crate::input::Input::Tick);
    true
}

/// Ends all faults and gives the cluster the time to come to rest.
fn calm_down(world: &mut World, setting: &Setting) {
    world.cuts.clear();
    world.fencing_works = true;
    world.weather = Weather { dice: world.weather.dice, ..Weather::default() };
    for (at, host) in world.hosts.iter_mut().enumerate() {
        host.stalled = false;
        host.start_fails = false;
        host.stop_fails = false;
        host.start_takes = Duration::from_millis(40);
        host.config = setting.config(setting.nodes[at]);
    }
    for host in 0..HOSTS {
        if !reconfigure(world, host, setting) {
            world.power_cut(host);
        }
    }
    // A node may still be leaving, or be fenced.
    for _ in 0..3 {
        for host in 0..HOSTS {
            if world.hosts[host].node.is_none() {
                world.boot(host);
            }
        }
        // Failed fences are tried again after 80 s at most.
        world.run(100 * DEADTIME);
    }
    for _ in 0..2 {
        (0..HOSTS).for_each(|host| world.order(host, u32::MAX, Command::Cleanup(None)));
        world.run(INITDEAD + 3 * DEADTIME);
    }
}

fn at_rest(world: &mut World) -> Result<(), TestCaseError> {
    for group in 0..GROUPS {
        prop_assert_eq!(world.owners(group).len(), 1, "group {}: {:#?}", group, world.notices);
    }
    for host in 0..HOSTS {
        prop_assert!(world.hosts[host].node.is_some(), "{:#?}", world.notices);
        prop_assert!(world.node(host).is_settled(), "{:#?}", world.notices);
        prop_assert!(world.node(host).orders.is_empty());
    }
    let before = (world.frames_sent, world.notices.len());
    world.run(20 * KEEPALIVE);
    let sent = world.frames_sent - before.0;
    prop_assert!(sent <= 21 * HOSTS as u64, "{} heartbeats in 20 keepalives", sent);
    prop_assert_eq!(world.notices.len(), before.1, "{:#?}", &world.notices[before.1..]);
    Ok(())
}

/// Faults under which two nodes may run one group where nothing fences.
fn may_part(op: &Op) -> bool {
    matches!(op, Op::Cut(_, _, 1) | Op::CutOff(_) | Op::KillDaemon(_) | Op::Stall(_))
}

fn storm(setting: &Setting, ops: &[Op], fencing_works: bool, dice: u64) -> Result<(), TestCaseError> {
    let mut world = World::started(setting);
    world.weather.dice = dice;
    world.fencing_works = fencing_works;
    let is_protected = setting.fencing || setting.quorum == Quorum::Majority;
    world.may_overlap = !is_protected && ops.iter().any(may_part);
    for (number, op) in (0u32..).zip(ops) {
        play(&mut world, setting, op, number);
    }
    calm_down(&mut world, setting);
    at_rest(&mut world)
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn with_fencing_no_group_ever_runs_twice(
        ops in prop::collection::vec(any_op(), 1..80), auto_failback: bool, fencing_works: bool, dice: u64,
    ) {
        storm(&setting(true, auto_failback), &ops, fencing_works, dice)?;
    }

    #[test]
    fn with_quorum_no_group_ever_runs_twice(
        ops in prop::collection::vec(any_op(), 1..80), auto_failback: bool, fencing: bool, dice: u64,
    ) {
        let setting = setting(fencing, auto_failback);
        let setting = Setting { quorum: Quorum::Majority, watchdog: Some(3 * DEADTIME), ..setting };
        storm(&setting, &ops, true, dice)?;
    }

    #[test]
    fn without_fencing_no_group_runs_twice_while_one_link_is_whole(
        ops in prop::collection::vec(any_op(), 1..80), auto_failback: bool, dice: u64,
    ) {
        let ops: Vec<Op> = ops.into_iter().filter(|op| !may_part(op)).collect();
        storm(&setting(false, auto_failback), &ops, true, dice)?;
    }

    #[test]
    fn whatever_happened_one_owner_is_left_when_the_faults_end(
        ops in prop::collection::vec(any_op(), 1..80), auto_failback: bool, dice: u64,
    ) {
        storm(&setting(false, auto_failback), &ops, true, dice)?;
    }
}

#[test]
fn two_that_leave_do_not_answer_each_others_answers() {
    let mut world = World::started(&Setting { nodes: vec!["ha1", "ha2", "ha3"], ..Setting::default() });
    // It confirms no farewell any more, so that both wait for it.
    world.power_cut(2);
    let before = world.frames_sent;
    world.order(0, 1, Command::Leave);
    world.order(1, 2, Command::Leave);
    world.run(KEEPALIVE);
    let sent = world.frames_sent - before;
    assert!(sent < 12, "{sent} heartbeats in a keepalive");
}
