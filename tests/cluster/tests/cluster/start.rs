//! How a cluster begins: together, alone, and with what ran already.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::{Cluster, Group, Node, Plan};
use heartline_lab::World;
use nix::sys::signal::Signal;

pub(crate) fn both_start_at_once(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
        node.wait_link(peer, "eth0", true)?;
        node.wait_link(peer, "/dev/ttyS0", true)?;
    }
    // Started once, where it belongs, with the arguments of haresources and the verb.
    let calls = cluster.ha1.calls("web")?;
    let starts: Vec<_> = calls.iter().filter(|call| call.verb == "start").collect();
    assert!(matches!(starts.as_slice(), [start] if start.arguments == 3), "{calls:?}");
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    Ok(cluster.finish()?)
}

pub(crate) fn one_starts_alone(world: World) -> Outcome {
    let plan = Plan::default().groups([Group::web("ha1"), Group::mail("ha2")]);
    let mut cluster = Cluster::build(world, plan)?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1"), ("mail", "ha1")])?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Dead)?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start"]);
    Ok(cluster.finish()?)
}

pub(crate) fn the_other_node_alone_takes_everything(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.ha2.wait_peer("ha1", NodeStatus::Active)?;
    cluster.settled(&[("web", "ha2")])?;
    assert!(cluster.ha1.moves(&Group::web("ha1"))?.is_empty());
    Ok(cluster.finish()?)
}

/// With an initial dead time of an hour, only what the members say to each other can have started them.
pub(crate) fn a_missing_ping_node_delays_nothing(world: World) -> Outcome {
    let plan = Plan::default().directive("initdead", "3600").directive("ping", "10.77.1.77");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    Ok(cluster.finish()?)
}

pub(crate) fn both_lose_their_power(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    for node in cluster.nodes_mut() {
        node.power_cut()?;
    }
    for node in cluster.nodes_mut() {
        node.boot()?;
    }
    cluster.start_settled()?;
    Ok(cluster.finish()?)
}

/// Both are told to leave at the same moment: nobody takes over from the other on the way out.
pub(crate) fn both_leave_at_once(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    // Both find the signal waiting when they go on.
    for node in cluster.nodes_mut() {
        node.freeze()?;
        node.signal(Signal::SIGTERM)?;
    }
    for node in cluster.nodes_mut() {
        node.thaw()?;
    }
    for node in cluster.nodes_mut() {
        node.wait_stopped()?;
    }
    cluster.nothing_left()?;
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.iter().all(|verb| verb == "stop"));
    Ok(cluster.finish()?)
}

fn start_service_by_hand(node: &mut Node) -> Outcome {
    node.run_well(&["/etc/ha.d/resource.d/svc", "web", "80", "start"])?;
    Ok(())
}

fn start_address_by_hand(node: &mut Node) -> Outcome {
    node.run_well(&["heartline", "agent", "IPaddr", "10.77.1.100/24/eth0", "start"])?;
    Ok(())
}

pub(crate) fn what_runs_whole_is_kept(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    start_address_by_hand(&mut cluster.ha2)?;
    start_service_by_hand(&mut cluster.ha2)?;
    let before = cluster.ha2.host.pids_of("svc-web")?;
    cluster.start()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.ha2.host.pids_of("svc-web")?, before);
    assert!(cluster.ha1.moves(&Group::web("ha1"))?.is_empty());
    Ok(cluster.finish()?)
}

pub(crate) fn what_runs_in_part_is_stopped_first(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    start_service_by_hand(&mut cluster.ha1)?;
    cluster.start_settled()?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start", "stop", "start"]);
    Ok(cluster.finish()?)
}

pub(crate) fn what_runs_on_both_is_stopped_on_one(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    for node in cluster.nodes_mut() {
        start_address_by_hand(node)?;
        start_service_by_hand(node)?;
    }
    cluster.start_settled()?;
    Ok(cluster.finish_after_double_run()?)
}

/// The monotonic clocks of two machines have nothing in common, nor have those of two lives of one machine. (The
/// wall clock cannot be set for one host alone, and belongs to the machine.)
pub(crate) fn monotonic_clocks_may_jump(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    let ahead = ["unshare", "--time", "--monotonic", "100000000", "--boottime", "100000000", "--fork"];
    let ahead = [&ahead[..], &["--kill-child", "--", "/usr/sbin/heartline", "daemon"]].concat();
    cluster.ha1.start_with(&ahead)?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha1")])?;
    // `unshare` keeps signals from the daemon.
    cluster.ha1.run_well(&["heartbeat", "-k"])?;
    cluster.ha1.wait_stopped()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}
