//! Random faults and orders: with fencing a group never runs twice, without it never while the cables are whole; and
//! when the faults end, everything runs again, once.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::world::{DEADTIME, INITDEAD, LINKS, Setting, World, cases};
use crate::input::{Command, Scope};

#[derive(Debug, Clone)]
enum Op {
    Run(u64),
    Cut(usize, u8),
    Mend,
    PowerCut(usize),
    KillDaemon(usize),
    Boot(usize),
    Stall(usize),
    Wake(usize),
    Leave(usize),
    Standby(usize, u8),
    Takeover(usize, u8),
    StartFails(usize, bool),
}

fn any_op() -> impl Strategy<Value = Op> {
    let host = 0usize..2;
    prop_oneof![
        4 => (1u64..2 * DEADTIME).prop_map(Op::Run),
        2 => (host.clone(), 0..LINKS).prop_map(|(from, link)| Op::Cut(from, link)),
        1 => Just(Op::Mend),
        1 => host.clone().prop_map(Op::PowerCut),
        1 => host.clone().prop_map(Op::KillDaemon),
        3 => host.clone().prop_map(Op::Boot),
        1 => host.clone().prop_map(Op::Stall),
        2 => host.clone().prop_map(Op::Wake),
        1 => host.clone().prop_map(Op::Leave),
        1 => (host.clone(), 0u8..3).prop_map(|(host, scope)| Op::Standby(host, scope)),
        1 => (host.clone(), 0u8..3).prop_map(|(host, scope)| Op::Takeover(host, scope)),
        1 => (host, any::<bool>()).prop_map(|(host, fails)| Op::StartFails(host, fails)),
    ]
}

fn play(world: &mut World, op: &Op, number: u32) {
    let scope = |which: u8| [Scope::All, Scope::Local, Scope::Foreign][usize::from(which)];
    match *op {
        Op::Run(millis) => world.run(millis),
        Op::Cut(from, link) => world.cuts.push((from, 1 - from, link)),
        Op::Mend => world.cuts.clear(),
        Op::PowerCut(host) => {
            world.hosts[host].stalled = false;
            world.power_cut(host);
        }
        Op::KillDaemon(host) => world.kill_daemon(host),
        Op::Boot(host) if world.hosts[host].node.is_none() => {
            world.hosts[host].stalled = false;
            world.boot(host);
        }
        Op::Boot(_) => {}
        Op::Stall(host) => world.hosts[host].stalled = true,
        Op::Wake(host) => world.hosts[host].stalled = false,
        Op::Leave(host) if !world.hosts[host].stalled => world.order(host, number, Command::Leave),
        Op::Standby(host, which) if !world.hosts[host].stalled => {
            world.order(host, number, Command::Standby(scope(which)));
        }
        Op::Takeover(host, which) if !world.hosts[host].stalled => {
            world.order(host, number, Command::Takeover(scope(which)));
        }
        Op::Leave(_) | Op::Standby(..) | Op::Takeover(..) => {}
        Op::StartFails(host, fails) => world.hosts[host].start_fails = fails,
    }
}

/// Ends all faults and gives the cluster the time to come to rest.
fn calm_down(world: &mut World) {
    world.cuts.clear();
    world.fencing_works = true;
    for host in 0..2 {
        world.hosts[host].stalled = false;
        world.hosts[host].start_fails = false;
        if world.hosts[host].node.is_none() {
            world.boot(host);
        }
    }
    world.run(INITDEAD + 2 * DEADTIME);
    for host in 0..2 {
        // A leaving node has left by now, and a fenced one is off.
        if world.hosts[host].node.is_none() {
            world.boot(host);
        }
    }
    world.run(INITDEAD);
    (0..2).for_each(|host| world.order(host, u32::MAX, Command::Cleanup(None)));
    world.run(INITDEAD + 2 * DEADTIME);
}

fn mutual(fencing: bool, auto_failback: bool) -> Setting {
    Setting {
        groups: std::vec![("ha1", "10.0.0.1 httpd"), ("ha2", "10.0.0.2 mysql")],
        fencing,
        auto_failback,
        ..Setting::default()
    }
}

fn is_a_fault_of_cables_or_time(op: &Op) -> bool {
    matches!(op, Op::Cut(..) | Op::KillDaemon(_) | Op::Stall(_))
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn with_fencing_no_group_ever_runs_twice(
        ops in prop::collection::vec(any_op(), 1..60), auto_failback: bool, fencing_works: bool,
    ) {
        let mut world = World::started(&mutual(true, auto_failback));
        world.fencing_works = fencing_works;
        for (number, op) in (0u32..).zip(&ops) {
            play(&mut world, op, number);
        }
        calm_down(&mut world);
        for group in 0..2 {
            prop_assert_eq!(world.owners(group).len(), 1, "{:#?}", world.notices);
        }
    }

    #[test]
    fn without_fencing_no_group_runs_twice_while_the_cables_are_whole(
        ops in prop::collection::vec(any_op(), 1..60), auto_failback: bool,
    ) {
        let ops: Vec<Op> = ops.into_iter().filter(|op| !is_a_fault_of_cables_or_time(op)).collect();
        let mut world = World::started(&mutual(false, auto_failback));
        for (number, op) in (0u32..).zip(&ops) {
            play(&mut world, op, number);
        }
        calm_down(&mut world);
        for group in 0..2 {
            prop_assert_eq!(world.owners(group).len(), 1, "{:#?}", world.notices);
        }
    }

    #[test]
    fn whatever_happened_one_owner_is_left_when_the_faults_end(
        ops in prop::collection::vec(any_op(), 1..60), auto_failback: bool,
    ) {
        let mut world = World::started(&mutual(false, auto_failback));
        world.may_overlap = true;
        for (number, op) in (0u32..).zip(&ops) {
            play(&mut world, op, number);
        }
        calm_down(&mut world);
        for group in 0..2 {
            prop_assert_eq!(world.owners(group).len(), 1, "{:#?}", world.notices);
        }
    }
}
