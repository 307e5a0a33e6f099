//! Who fences whom, and when; and what the victim is told.

use std::vec::Vec;

use super::world::{DEADTIME, INITDEAD, KEEPALIVE, Setting, World};
use super::{GROUP, mutual};
use crate::fencing::{Fence, FenceCause};
use crate::input::{Command, Input, Scope};
use crate::message::GroupState;
use crate::notice::Notice;

const DELAY: u64 = 3000;

fn delayed(setting: Setting) -> Setting {
    Setting { fencing: true, fence_delay: DELAY, ..setting }
}

fn is_up(world: &World, host: usize) -> bool {
    world.hosts[host].node.is_some()
}

/// Both lose sight of each other, and both devices work.
fn race(world: &mut World) -> (bool, bool) {
    world.partition();
    world.run(DEADTIME + 3 * DELAY);
    (is_up(world, 0), is_up(world, 1))
}

#[test]
fn of_two_that_lose_each_other_the_holder_stays() {
    let mut world = World::started(&delayed(Setting::default()));
    assert_eq!(race(&mut world), (true, false));
    let defends = |notice: &Notice| matches!(notice, Notice::Fencing { cause: FenceCause::Defence, .. });
    assert!(world.said(0, defends));

    let mut world = World::started(&delayed(Setting { auto_failback: false, ..Setting::default() }));
    world.order(1, 1, Command::Takeover(Scope::All));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    assert_eq!(race(&mut world), (false, true));
}

#[test]
fn of_two_holders_the_first_by_name_stays() {
    let mut world = World::started(&delayed(mutual()));
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
    assert_eq!(race(&mut world), (true, false));
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![0]));
}

#[test]
fn without_a_delay_only_who_wants_something_fences() {
    let mut world = World::started(&Setting { fencing: true, ..Setting::default() });
    assert_eq!(race(&mut world), (false, true));
}

#[test]
fn a_holder_that_died_is_fenced_after_the_delay() {
    let mut world = World::started(&delayed(Setting::default()));
    world.power_cut(0);
    let fenced = |world: &World| world.said(1, |notice| matches!(notice, Notice::Fencing { .. }));
    let took = world.run_for(3 * DELAY, fenced).expect("it is fenced");
    assert!((DEADTIME - KEEPALIVE..DEADTIME + 100).contains(&(took - DELAY)), "{took} ms of virtual time");
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
}

/// The claim that is not confirmed yet may have become more on the other side.
#[test]
fn a_claim_of_the_other_counts_as_something_to_lose() {
    let mut world = World::started(&delayed(Setting { auto_failback: false, ..Setting::default() }));
    world.order(0, 1, Command::Standby(Scope::All));
    world.run_for(DEADTIME, |world| world.node(0).members[1].report(GROUP).state == GroupState::Claiming);
    assert_eq!(race(&mut world), (false, true));
    assert_eq!(world.owners(0), [1]);
}

#[test]
fn a_member_never_heard_is_fenced_with_that_reason() {
    let mut world = World::new(&delayed(Setting::default()));
    world.boot(1);
    world.run(INITDEAD + DELAY + DEADTIME);
    let told = |notice: &Notice| matches!(notice, Notice::Fencing { cause: FenceCause::NeverHeard, .. });
    assert!(world.said(1, told));
    assert_eq!(world.owners(0), [1]);
}

#[test]
fn the_victim_learns_once_when_by_whom_and_why() {
    let mut world = World::started(&delayed(Setting { auto_failback: false, ..Setting::default() }));
    let usual = world.node(0).sequence();
    assert!(usual.0 > 0);
    assert_eq!(race(&mut world), (true, false));
    world.cuts.clear();
    world.run(5 * DEADTIME);
    world.boot(1);
    world.run(2 * DEADTIME);
    let told = |(host, notice): &&(usize, Notice)| *host == 1 && matches!(notice, Notice::WasFenced { .. });
    let reports: Vec<Notice> = world.notices.iter().filter(told).map(|(_, notice)| *notice).collect();
    let [Notice::WasFenced { by, cause, life, ago, silence, device, .. }] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!((by.0, *cause, *life, *device), (0, FenceCause::Defence, 101, 2));
    assert!(ago.millis() >= 5 * DEADTIME, "{ago:?}");
    assert!((DEADTIME..DEADTIME + 2 * KEEPALIVE).contains(&silence.millis()), "{silence:?}");
    assert_eq!(world.node(0).members[1].untold, None, "nothing is left to tell");
}

/// One that was fenced and does not hear us is told when it does.
#[test]
fn what_is_not_confirmed_is_told_again() {
    let mut world = World::started(&delayed(Setting::default()));
    assert_eq!(race(&mut world), (true, false));
    world.cuts.clear();
    world.cut(0, 1);
    world.boot(1);
    world.run(DEADTIME / 2);
    assert!(world.node(0).members[1].untold.is_some());
    world.cuts.clear();
    world.run(DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::WasFenced { .. })));
    assert_eq!(world.node(0).members[1].untold, None);
}

/// It is held for dead again before it hears us, and the frames of that time do not tell.
#[test]
fn what_was_told_in_vain_is_told_again_after_a_silence() {
    let mut world = World::started(&delayed(Setting::default()));
    assert_eq!(race(&mut world), (true, false));
    world.cuts.clear();
    world.cut(0, 1);
    world.boot(1);
    world.run(DEADTIME / 2);
    world.cut(1, 0);
    world.fencing_works = false;
    world.run(2 * DEADTIME);
    world.cuts.clear();
    world.run(2 * DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::WasFenced { .. })));
}

#[test]
fn a_device_that_lied_is_found_out_when_its_victim_speaks() {
    let mut world = World::started(&delayed(Setting::default()));
    world.fencing_lies = true;
    world.may_overlap = true;
    world.partition();
    world.run_for(3 * DELAY, |world| world.node(0).members[1].fence == Fence::Done).expect("it says so");
    assert!(!world.said(0, |notice| matches!(notice, Notice::FenceBelied(_))));
    world.cuts.clear();
    world.run(DEADTIME);
    assert!(world.said(0, |notice| matches!(notice, Notice::FenceBelied(_))));
    assert!(!world.said(1, |notice| matches!(notice, Notice::WasFenced { .. })), "it was not");
}

/// Some devices say that they are done only when their victim is up again.
#[test]
fn a_victim_that_is_back_before_the_device_has_ended_is_told_too() {
    let mut world = World::started(&delayed(Setting { auto_failback: false, ..Setting::default() }));
    world.partition();
    let fencing = |world: &World| world.node(0).members[1].fence_job.is_some();
    world.run_for(2 * DEADTIME, fencing).expect("it is fenced");
    world.cuts.clear();
    world.power_cut(1);
    world.boot(1);
    // It has shot already.
    world.fencing_lies = true;
    world.run(DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::WasFenced { .. })));
    let node = world.node(0);
    assert_eq!((node.members[1].fence, node.members[1].untold), (Fence::None, None));
}

/// The wait ends during its stall, and what it would have to hear waits in its sockets.
#[test]
fn a_stalled_node_does_not_fence_who_came_back_meanwhile() {
    let mut world = World::started(&delayed(Setting::default()));
    world.cut(0, 1);
    let waits = |world: &World| matches!(world.node(1).members[0].fence, Fence::Delayed(_));
    world.run_for(2 * DEADTIME, waits).expect("it waits");
    world.run(DELAY - DEADTIME);
    world.fencing_works = false;
    world.hosts[1].stalled = true;
    world.cuts.clear();
    world.run(2 * DEADTIME);
    world.step(1, Input::Tick);
    world.wake(1);
    world.run(DEADTIME);
    assert!(world.said(1, |notice| matches!(notice, Notice::Stalled(_))));
    assert!(!world.said(1, |notice| matches!(notice, Notice::Fencing { .. })));
}
