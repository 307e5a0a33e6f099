//! Floods on the Ethernet that carries the heartbeats, from another host on the same switch.

use crate::Outcome;
use heartline::control::snapshot::{Medium, Snapshot};
use heartline_cluster_tests::{Cluster, Flood, LIMIT, Node, Plan, overheard};
use heartline_lab::{World, wait_until};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 255);

fn plan() -> Plan {
    // Ethernet alone: no other medium helps.
    Plan::default().media(&["bcast eth0"]).keys("auth 1\n1 sha1 secret\n")
}

fn ethernet(status: &Snapshot) -> Option<&Medium> {
    status.media.iter().find(|medium| medium.name == "eth0")
}

/// So many addresses that the world answers to on the switch.
fn addresses(count: u8) -> Result<Vec<Ipv4Addr>, Box<dyn std::error::Error>> {
    let addresses: Vec<Ipv4Addr> = (0..count).map(|at| Ipv4Addr::new(10, 77, 1, 200 + at)).collect();
    for address in &addresses {
        let address = format!("{address}/24");
        assert!(Command::new("ip").args(["address", "add", &address, "dev", "lan"]).status()?.success());
    }
    Ok(addresses)
}

/// Waits until a node has noticed a flood, and has then heard thirty heartbeats more.
fn endures(node: &Node) -> Outcome {
    node.wait_status("frames are turned away", |status| {
        ethernet(status).is_some_and(|medium| medium.refused.flood >= 50)
    })?;
    node.wait_log(&["WARN", "frame refused on link eth0", "a flood"])?;
    let enough = ethernet(&node.status()?).map_or(0, |medium| medium.accepted) + 30;
    node.wait_status("heartbeats come in all the same", |status| {
        ethernet(status).is_some_and(|medium| medium.accepted >= enough)
    })?;
    Ok(())
}

fn assert_calm(node: &Node) {
    for trouble in ["Late heartbeat", "is dead", "Link ha1:eth0 dead", "Link ha2:eth0 dead"] {
        assert!(!node.log().contains(trouble), "{}: {trouble}", node.name());
    }
}

/// Forged heartbeats, garbage and datagrams that are too long, from more addresses than a node remembers one by one.
pub(crate) fn a_flood_delays_no_heartbeat_and_no_takeover(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, plan())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    let mut forged = overheard()?;
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let torn = forged[..forged.len() / 2].to_vec();
    let datagrams = vec![forged.clone(), vec![7; 1_400], forged, b"garbage".to_vec(), torn];
    let used_before = cluster.ha2.processor_time()?;
    let flood = Flood::begin(&addresses(23)?, BROADCAST, datagrams)?;
    for node in cluster.nodes() {
        endures(node)?;
    }
    cluster.nodes().into_iter().for_each(assert_calm);
    assert_eq!(cluster.moves()?, before);

    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    let used = cluster.ha2.processor_time()?.saturating_sub(used_before);
    let sent = flood.end()?;
    assert!(!cluster.ha2.log().contains("Late heartbeat"), "{}", cluster.ha2.log());
    tell(sent, used);
    Ok(cluster.finish()?)
}

/// Nobody is known yet, and one address floods.
pub(crate) fn a_cluster_starts_in_a_flood(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, plan())?;
    // It begins as a frame does, signed with key 1.
    let forged = vec![[&[0x11][..], &[3; 43]].concat()];
    let flood = Flood::begin(&addresses(1)?, BROADCAST, forged)?;
    cluster.start()?;
    wait_until("both hear each other", LIMIT, || {
        cluster
            .nodes()
            .into_iter()
            .all(|node| node.status().is_ok_and(|status| status.nodes.iter().all(|member| member.hears_us)))
    })?;
    cluster.settled(&[("web", "ha1")])?;
    for node in cluster.nodes() {
        endures(node)?;
        assert_calm(node);
    }
    let used = cluster.ha2.processor_time()?;
    tell(flood.end()?, used);
    Ok(cluster.finish()?)
}

/// A figure for people; what is too much depends on the machine.
fn tell(sent: u64, used: Duration) {
    println!("a flood of {sent} datagrams: a daemon used {} ms of processor time", used.as_millis());
}
