//! Addresses that somebody takes away from a host that runs their group.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, Group, LIMIT, Plan};
use heartline_lab::{World, wait_until};
use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;

const WEB: &str = "10.77.1.100/24";

/// Where the client of the cluster wrongly believes the address to be, until it is announced.
const ELSEWHERE: &str = "02:00:00:00:00:99";

fn service(cluster: &Cluster) -> Vec<String> {
    cluster.ha1.host.pids_of("svc-web").unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// What the world's `ip` prints.
fn ip(arguments: &str) -> Result<String, std::io::Error> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Takes the address away by this command, and waits until it is back and announced, with the service untouched.
fn taken_and_put_back(cluster: &mut Cluster, command: &[&str]) -> Outcome {
    let (before, pids) = (cluster.moves()?, service(cluster));
    let missed = |cluster: &Cluster| cluster.ha1.log().matches("is gone from this host").count();
    let known = missed(cluster);
    ip(&format!("neigh replace 10.77.1.100 lladdr {ELSEWHERE} dev lan nud stale"))?;
    cluster.ha1.run_well(command)?;
    wait_until("it is missed", LIMIT, || missed(cluster) > known)?;
    let announced = || ip("neigh show 10.77.1.100").is_ok_and(|entry| !entry.contains(ELSEWHERE));
    wait_until("it is announced", LIMIT, announced)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!((cluster.moves()?, service(cluster)), (before, pids), "nothing else was touched");
    Ok(())
}

pub(crate) fn an_address_taken_by_hand_is_put_back(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("monitor", "3600"))?;
    cluster.start_settled()?;
    taken_and_put_back(&mut cluster, &["ip", "address", "del", WEB, "dev", "eth0"])?;
    // The host's own address goes, and the kernel takes the others of its network along.
    cluster.ha1.run_well(&["sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/promote_secondaries"])?;
    cluster.ha1.run_well(&["sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries"])?;
    let swap = "ip address del 10.77.1.1/24 dev eth0 && ip address add 10.77.1.1/24 brd + dev eth0";
    taken_and_put_back(&mut cluster, &["sh", "-c", swap])?;
    Ok(cluster.finish()?)
}

pub(crate) fn it_is_put_back_where_nobody_monitors(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("monitor", "0"))?;
    cluster.start_settled()?;
    taken_and_put_back(&mut cluster, &["ip", "address", "del", WEB, "dev", "eth0"])?;
    // On the other host the same is no news.
    cluster.ha2.run_well(&["ip", "address", "add", WEB, "dev", "lo"])?;
    cluster.ha2.run_well(&["ip", "address", "del", WEB, "dev", "lo"])?;
    taken_and_put_back(&mut cluster, &["ip", "address", "del", WEB, "dev", "eth0"])?;
    assert!(!cluster.ha2.log().contains("is gone from this host"));
    Ok(cluster.finish()?)
}

/// An interface that is switched off is switched on again; with IPv6 the kernel has removed the address meanwhile.
pub(crate) fn an_interface_goes_down_under_an_address(world: World) -> Outcome {
    let v6 = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x100));
    let groups = [Group::web("ha1"), Group::new("ha1", "mail", v6, 25)];
    let mut cluster = Cluster::build(world, Plan::default().groups(groups).directive("monitor", "0"))?;
    for (node, own) in [(&mut cluster.ha1, "fd77::1/64"), (&mut cluster.ha2, "fd77::2/64")] {
        node.run_well(&["ip", "address", "add", own, "dev", "eth0"])?;
    }
    cluster.start()?;
    cluster.wait_runs("mail", "ha1")?;
    cluster.settled(&[("web", "ha1")])?;
    taken_and_put_back(&mut cluster, &["ip", "link", "set", "eth0", "down"])?;
    wait_until("the IPv6 address is back", LIMIT, || cluster.ha1.has_address(v6))?;
    Ok(cluster.finish()?)
}
