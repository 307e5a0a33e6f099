//! Who runs what, and how operators change it.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::{Cluster, Fault, Group, LIMIT, Node, Plan};
use heartline_lab::{World, wait_until};

fn two_groups() -> Plan {
    Plan::default().groups([Group::web("ha1"), Group::mail("ha2")])
}

pub(crate) fn groups_fail_back(world: World) -> Outcome {
    comes_back(world, "on", "ha1")
}

pub(crate) fn groups_stay_without_failback(world: World) -> Outcome {
    comes_back(world, "off", "ha2")
}

pub(crate) fn legacy_failback_is_read_as_on(world: World) -> Outcome {
    comes_back(world, "legacy", "ha1")
}

/// A group leaves its node with a graceful stop and with a power cut, and after each return it is `at`.
fn comes_back(world: World, auto_failback: &str, at: &str) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", auto_failback))?;
    cluster.start_settled()?;
    if auto_failback == "legacy" {
        cluster.ha1.wait_log(&["WARN", "legacy"])?;
    }
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.ha2.wait_peer("ha1", NodeStatus::Active)?;
    cluster.settled(&[("web", at)])?;
    cluster.node(at)?.power_cut()?;
    let other = if at == "ha1" { "ha2" } else { "ha1" };
    cluster.settled(&[("web", other)])?;
    cluster.node(at)?.boot()?;
    cluster.node(at)?.start()?;
    cluster.node(other)?.wait_peer(at, NodeStatus::Active)?;
    // Without failback it stays, also on its preferred node.
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn each_node_takes_over_for_the_other(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, two_groups())?;
    cluster.start_settled()?;
    for (dies, survives) in [("ha1", "ha2"), ("ha2", "ha1")] {
        cluster.node(dies)?.power_cut()?;
        cluster.settled(&[("web", survives), ("mail", survives)])?;
        cluster.node(dies)?.boot()?;
        cluster.node(dies)?.start()?;
        cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    }
    Ok(cluster.finish()?)
}

pub(crate) fn operators_move_groups(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, two_groups())?;
    cluster.start_settled()?;
    // Where web and mail are afterwards. A command returns when it is so, with status 0.
    let orders: [(&str, &[&str], [&str; 2]); 11] = [
        ("ha1", &["hb_standby"], ["ha2", "ha2"]),
        ("ha1", &["hb_standby", "all"], ["ha2", "ha2"]),
        ("ha1", &["hb_takeover", "local"], ["ha1", "ha2"]),
        ("ha1", &["hb_takeover", "foreign"], ["ha1", "ha1"]),
        ("ha1", &["hb_standby", "foreign"], ["ha1", "ha2"]),
        ("ha2", &["hb_standby", "local"], ["ha1", "ha1"]),
        ("ha2", &["hb_takeover", "all"], ["ha2", "ha2"]),
        ("ha1", &["hb_takeover", "failback"], ["ha1", "ha2"]),
        ("ha1", &["heartline", "standby", "local"], ["ha2", "ha2"]),
        ("ha2", &["hb_standby", "failback"], ["ha1", "ha2"]),
        ("ha2", &["heartline", "takeover"], ["ha2", "ha2"]),
    ];
    for (at, line, [web, mail]) in orders {
        cluster.node(at)?.run_well(line)?;
        let owners = (cluster.owners("web"), cluster.owners("mail"));
        assert_eq!(owners, (vec![web], vec![mail]), "after {line:?} on {at}");
        cluster.settled(&[("web", web), ("mail", mail)])?;
    }
    cluster.ha1.run_well(&["hb_takeover", "local", "--no-wait"])?;
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn orders_that_cannot_be_carried_out_fail(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha2.stop()?;
    let output = cluster.ha1.run(&["hb_standby", "all"])?;
    assert!(!output.status.success() && output.stdout.contains("no other node"), "{output:?}");
    let output = cluster.ha2.run(&["hb_takeover", "all"])?;
    assert!(!output.status.success() && output.stdout.contains("does not run"), "{output:?}");
    let output = cluster.ha1.run(&["hb_standby", "nonsense"])?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start"]);
    Ok(cluster.finish()?)
}

/// Both may have a group again at almost the same moment.
pub(crate) fn of_two_that_may_start_one_does(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    for node in cluster.nodes() {
        node.order_fault("web", "start", Fault::Fails)?;
    }
    cluster.start()?;
    for node in cluster.nodes() {
        node.wait_log(&["10.77.1.100/24/eth0 can run nowhere"])?;
    }
    cluster.nobody_runs("web")?;
    let mut orders = Vec::new();
    for node in cluster.nodes_mut() {
        node.order_fault("web", "start", Fault::None)?;
        node.freeze()?;
        orders.push(node.host.spawn(&["heartline", "cleanup"])?);
        wait_until("the order waits to be read", LIMIT, || connections(node) > 1)?;
    }
    for node in cluster.nodes_mut() {
        node.thaw()?;
    }
    for order in orders {
        assert!(order.wait(LIMIT)?.status.success());
    }
    cluster.settled_somewhere("web")?;
    // Only the winner has started it, since nothing else happened.
    let starts = cluster.moves()?.concat().iter().filter(|verb| *verb == "start").count();
    assert_eq!(starts, 3, "two that failed and one that did not");
    Ok(cluster.finish()?)
}

/// How many sockets there are at the daemon's place for commands, its own included.
fn connections(node: &Node) -> usize {
    let sockets = node.host.read("/proc/1/net/unix").unwrap_or_default();
    sockets.lines().filter(|line| line.contains("/run/heartbeat/control")).count()
}

pub(crate) fn ping_nodes_decide_with_ipfail(world: World) -> Outcome {
    let plan = Plan::default()
        .directive("ping", "10.77.1.254")
        .directive("deadping", "1")
        .directive("respawn", "hacluster /usr/lib/heartbeat/ipfail");
    let mut cluster = Cluster::build(world, plan)?;
    assert_eq!(cluster.client_address().to_string(), "10.77.1.254");
    cluster.start_settled()?;
    for node in cluster.nodes() {
        node.wait_peer("10.77.1.254", NodeStatus::Ping)?;
    }
    // Heartbeats go on over the serial line, but who needs a service cannot reach ha1.
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}
