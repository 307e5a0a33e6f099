//! Cables that are cut, lose one way and are noisy, and all the kinds of media.

use crate::Outcome;
use heartline::control::snapshot::{NodeStatus, Snapshot};
use heartline_cluster_tests::{Cluster, Group, LIMIT, Node, Plan};
use heartline_lab::{World, wait_until};
use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;

pub(crate) fn one_cut_moves_nothing_and_is_told(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "eth0", false)?;
        node.wait_log(&["WARN", "One path is left", peer, "/dev/ttyS0"])?;
        node.wait_status("a warning names the path that is left", |status| {
            status.warnings.iter().any(|warning| warning.contains(peer))
        })?;
    }
    cluster.ha1.host.restore_ethernet("eth0")?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "eth0", true)?;
    }
    cluster.cable.cut()?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "/dev/ttyS0", false)?;
        node.wait_log(&["WARN", "One path is left", peer, "eth0"])?;
        node.wait_peer(peer, NodeStatus::Active)?;
    }
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}

/// Media on an interface that goes down fail, and are opened again.
pub(crate) fn an_interface_goes_down_and_up(world: World) -> Outcome {
    let mut cluster =
        Cluster::build(world, Plan::default().media(&["serial /dev/ttyS0", "bcast eth1"]).second_lan())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cluster.ha1.run_well(&["ip", "link", "set", "eth1", "down"])?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "eth1", false)?;
    }
    cluster.ha1.run_well(&["ip", "link", "set", "eth1", "up"])?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "eth1", true)?;
    }
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}

pub(crate) fn a_partition_heals_with_failback(world: World) -> Outcome {
    a_partition_heals(world, "on", "ha1")
}

pub(crate) fn a_partition_heals_without_failback(world: World) -> Outcome {
    a_partition_heals(world, "off", "ha2")
}

/// Every link is cut: both run the group, since nobody fences. When they hear each other again the older epoch stops
/// at once; what follows is up to `auto_failback`.
fn a_partition_heals(world: World, auto_failback: &str, at: &str) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", auto_failback))?;
    cluster.start_settled()?;
    cluster.cable.cut()?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.wait_runs("web", "ha2")?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Dead)?;
    cluster.ha2.wait_log(&["WARN", "node ha1: is dead"])?;
    assert_eq!(cluster.owners("web"), ["ha1", "ha2"]);
    wait_until("the watcher sees it", LIMIT, || !cluster.double_runs().is_empty())?;
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.cable.restore()?;
    cluster.settled(&[("web", at)])?;
    cluster.ha1.wait_log(&["Both machines own our resources!", "epoch"])?;
    Ok(cluster.finish_after_double_run()?)
}

/// Nothing of what `from` sends arrives, on any link.
fn cut_one_way(cluster: &mut Cluster, from: &str) -> Outcome {
    cluster.node(from)?.host.drop_outgoing("eth0", 100)?;
    cluster.cut_serial_from(from)?;
    Ok(())
}

/// ha2 hears nothing and takes the group; ha1 hears that, and lets go.
pub(crate) fn a_holder_that_is_not_heard_lets_go(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cut_one_way(&mut cluster, "ha1")?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.wait_log(&["node ha2 does not hear this node"])?;
    cluster.ha1.host.drop_outgoing("eth0", 0)?;
    cluster.cable.restore()?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish_after_double_run()?)
}

/// ha2 hears that all is well and that it is not heard: it takes nothing.
pub(crate) fn a_bystander_that_is_not_heard_takes_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cut_one_way(&mut cluster, "ha2")?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Dead)?;
    cluster.ha2.wait_log(&["node ha1 does not hear this node"])?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha2.host.drop_outgoing("eth0", 0)?;
    cluster.cable.restore()?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Active)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}

/// Each medium works one way, and the two ways are different ones: together they are a whole.
pub(crate) fn two_half_links_make_a_whole(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cluster.ha1.host.drop_outgoing("eth0", 100)?;
    cluster.cut_serial_from("ha2")?;
    cluster.ha2.wait_link("ha1", "eth0", false)?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", false)?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_status("both are alive in both directions", |status| {
            let mut nodes = status.nodes.iter();
            nodes.any(|node| node.name == peer && node.status == NodeStatus::Active && node.hears_us)
        })?;
    }
    assert_eq!(cluster.owners("web"), ["ha1"]);
    cluster.ha1.host.drop_outgoing("eth0", 0)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}

/// What the serial line brought that was nothing, or was refused.
fn spoilt(status: &Snapshot) -> u64 {
    let serial = status.media.iter().filter(|medium| medium.kind == "serial");
    serial.map(|medium| medium.garbage + u64::from(medium.refused.malformed + medium.refused.wrong_tag)).sum()
}

/// Garbage comes in between and bits are turned over; frames that were hit are refused, enough others arrive.
pub(crate) fn a_noisy_serial_line_alone_is_enough(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().keys("auth 1\n1 sha1 secret\n"))?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    // Out of step with the heartbeats, so that it does not hit one after the other.
    cluster.cable.noise(13, 42)?;
    cluster.cable.flip_bits(2000, 7)?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "eth0", false)?;
        let enough = spoilt(&node.status()?) + 20;
        node.wait_status("the noise did harm", |status| spoilt(status) >= enough)?;
        node.wait_peer(peer, NodeStatus::Active)?;
    }
    assert_eq!(cluster.owners("web"), ["ha1"]);
    cluster.cable.noise(0, 42)?;
    cluster.cable.flip_bits(0, 7)?;
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}

/// Waits until a node hears its peer on every link.
fn wait_all_links(node: &Node, peer: &str, count: usize) -> Outcome {
    node.wait_status(&format!("all {count} links to {peer} are up"), |status| {
        let mut nodes = status.nodes.iter();
        nodes.any(|node| {
            node.name == peer && node.links.len() == count && node.links.iter().all(|link| link.up)
        })
    })?;
    Ok(())
}

pub(crate) fn many_links_of_all_kinds(world: World) -> Outcome {
    let media = [
        "serial /dev/ttyS0",
        "bcast eth0 eth1",
        "mcast eth0 225.0.0.1 694 1 0",
        "mcast eth1 225.0.0.2 695 1 0",
        "ucast eth0 10.77.1.{peer}",
        "ucast eth1 10.77.2.{peer}",
    ];
    let mut cluster = Cluster::build(world, Plan::default().media(&media).second_lan())?;
    cluster.start_settled()?;
    wait_all_links(&cluster.ha1, "ha2", 7)?;
    wait_all_links(&cluster.ha2, "ha1", 7)?;
    let before = cluster.moves()?;
    cluster.cable.cut()?;
    cluster.ha1.host.cut_ethernet("eth1")?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", false)?;
    cluster.ha1.wait_link("ha2", "eth1", false)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn unicast_alone(world: World) -> Outcome {
    one_medium(world, "ucast eth0 10.77.1.{peer}")
}

pub(crate) fn multicast_alone(world: World) -> Outcome {
    one_medium(world, "mcast eth0 225.0.0.1 694 1 0")
}

pub(crate) fn serial_alone(world: World) -> Outcome {
    one_medium(world, "serial /dev/ttyS0")
}

fn one_medium(world: World, medium: &str) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().media(&[medium]))?;
    cluster.start_settled()?;
    wait_all_links(&cluster.ha1, "ha2", 1)?;
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// Heartbeats and the floating address, all over IPv6.
pub(crate) fn ipv6_throughout(world: World) -> Outcome {
    let address = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x100);
    let plan = Plan::default()
        .media(&["mcast6 eth0 ff02::77 694 1 0", "ucast6 eth0 fd77::{peer}"])
        .groups([Group::new("ha1", "web", IpAddr::V6(address), 80)]);
    let mut cluster = Cluster::build(world, plan)?;
    cluster.ha1.run_well(&["ip", "address", "add", "fd77::1/64", "dev", "eth0"])?;
    cluster.ha2.run_well(&["ip", "address", "add", "fd77::2/64", "dev", "eth0"])?;
    let client = Command::new("ip").args(["address", "add", "fd77::fe/64", "dev", "lan"]).status()?;
    assert!(client.success());
    cluster.start_settled()?;
    wait_all_links(&cluster.ha1, "ha2", 2)?;
    wait_all_links(&cluster.ha2, "ha1", 2)?;
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}
