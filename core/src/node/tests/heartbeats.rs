//! When heartbeats go out, and when they go out together.

use super::world::{self, DEADTIME, KEEPALIVE, Setting, World};
use crate::config::Intervals;
use crate::ids::Sequence;
use crate::input::{Command, Input, Scope};
use crate::notice::Notice;
use crate::time::Duration;

#[test]
fn a_quiet_cluster_sends_one_heartbeat_a_keepalive() {
    let mut world = World::started(&Setting::default());
    let before = world.frames_sent;
    world.run(100 * KEEPALIVE);
    let sent = world.frames_sent - before;
    assert!((198..=204).contains(&sent), "{sent} heartbeats of two nodes in 100 keepalives");
}

#[test]
fn heartbeats_fall_into_step_so_that_one_wake_up_does_for_both() {
    let mut world = World::started(&Setting::default());
    world.run(KEEPALIVE / 2);
    world.step(1, Input::Watchdog(Some(Duration::from_millis(1000))));
    let apart = |world: &World| {
        let [first, second] = [0, 1].map(|host| world.node(host).spoke_at);
        first.since(second).max(second.since(first))
    };
    assert!(apart(&world).millis() >= KEEPALIVE / 4, "{:?}: it just spoke out of turn", apart(&world));
    world.run(10 * KEEPALIVE);
    assert!(apart(&world).millis() <= 1, "{:?} apart", apart(&world));
}

#[test]
fn a_slower_node_does_not_fall_into_the_step_of_a_quicker_one() {
    let mut world = World::started(&Setting::default());
    let slower = Setting::default().config("ha2");
    let keepalive = Duration::from_millis(2 * KEEPALIVE);
    let intervals = Intervals { keepalive, ..*slower.intervals() };
    let (config, now) = (slower.with_intervals(intervals).unwrap(), world.now);
    world.hosts[1].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
    world.run(10 * KEEPALIVE);
    let before = world.node(1).sequence().0;
    world.run(90 * KEEPALIVE);
    let spoken = world.node(1).sequence().0 - before;
    assert!((44..=46).contains(&spoken), "{spoken} heartbeats in 45 keepalives of its own");
}

#[test]
fn a_lively_time_silences_nobody() {
    let mut world = World::started(&Setting::default());
    // Each time there is news before the next regular heartbeat, so that this never comes.
    for seconds in 1..100 {
        world.run(KEEPALIVE / 2);
        let before = world.node(0).sequence();
        world.step(0, Input::Watchdog(Some(Duration::from_millis(1000 * seconds))));
        assert!(world.node(0).sequence() > before, "silenced after {seconds} words");
    }
}

#[test]
fn frame_numbers_do_not_run_out() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    for boundary in [0xffff, u64::from(u32::MAX)] {
        for host in &mut world.hosts {
            host.node.as_mut().unwrap().sequence = Sequence(boundary - 3);
        }
        world.run(10 * KEEPALIVE);
        let dead = |notice: &Notice| matches!(notice, Notice::MemberDead { .. } | Notice::MemberDeaf(_));
        assert!((0..2).all(|host| !world.said(host, dead) && world.node(host).sequence().0 > boundary));
    }
    world.order(1, 1, Command::Takeover(Scope::All));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
}
