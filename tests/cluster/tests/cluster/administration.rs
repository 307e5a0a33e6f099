//! What administrators do to the daemons themselves: maintenance, restarts with the services kept, and their word that a
//! dead node is down.

use crate::Outcome;
use heartline::control::snapshot::{NodeStatus, Snapshot};
use heartline_cluster_tests::{Cluster, Group, LIMIT, Node, Plan};
use heartline_lab::{World, outages, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::error::Error;

/// The process of the service on a host, which must be there.
fn service_pids(node: &Node) -> Result<Vec<Pid>, Box<dyn Error>> {
    let pids = node.host.pids_of("svc-web")?;
    assert!(!pids.is_empty(), "web does not run on {}", node.name());
    Ok(pids)
}

fn generation(status: &Snapshot) -> Option<u32> {
    let this_node = status.nodes.iter().find(|node| node.name == status.this_node);
    this_node.and_then(|node| node.generation)
}

fn wait_maintenance(node: &Node, on: bool) -> Outcome {
    Ok(node.wait_status("maintenance is what it should be", |status| status.maintenance == on)?)
}

pub(crate) fn in_maintenance_nothing_is_managed(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let said = cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    assert!(said.contains("maintenance is on"), "{said}");
    let before = cluster.moves()?;
    for node in cluster.nodes_mut() {
        // It was answered when both knew.
        assert!(node.status()?.maintenance, "{}", node.name());
        let shown = node.run_well(&["heartline", "status"])?;
        assert!(shown.contains("! Maintenance is on") && shown.contains(", in maintenance"), "{shown}");
        for order in [&["hb_standby", "all"][..], &["hb_takeover", "all"], &["heartline", "standby"]] {
            let output = node.run(order)?;
            let refused = output.stdout.contains("maintenance is on; nothing was changed");
            assert!(refused && !output.status.success(), "{output:?}");
        }
    }
    assert_eq!(cluster.ha1.run_well(&["cl_status", "rscstatus"])?, "local");
    cluster.ha1.power_cut()?;
    cluster.ha2.wait_peer("ha1", NodeStatus::Dead)?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    // It remembers, and starts nothing.
    wait_maintenance(&cluster.ha1, true)?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
    }
    cluster.nobody_runs("web")?;
    assert_eq!(cluster.moves()?, before);
    // The end is everybody's, whoever says it.
    cluster.ha2.run_well(&["heartline", "maintenance", "off"])?;
    cluster.settled(&[("web", "ha1")])?;
    for node in cluster.nodes() {
        wait_maintenance(node, false)?;
        node.wait_log(&["Maintenance is over"])?;
    }
    let said = cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    assert!(said.contains("already"), "{said}");
    Ok(cluster.finish()?)
}

pub(crate) fn both_nodes_at_once_remember_maintenance(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    let before = cluster.moves()?;
    for node in cluster.nodes_mut() {
        node.power_cut()?;
    }
    for node in cluster.nodes_mut() {
        node.boot()?;
        node.start()?;
    }
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
        wait_maintenance(node, true)?;
    }
    cluster.nobody_runs("web")?;
    assert_eq!(cluster.moves()?, before);
    cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn daemons_come_and_go_in_maintenance(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    let (before, pids) = (cluster.moves()?, service_pids(&cluster.ha1)?);
    let said = cluster.ha1.run_well(&["heartbeat", "-k"])?;
    assert!(said.contains("Maintenance is on"), "{said}");
    cluster.ha1.wait_stopped()?;
    cluster.ha2.wait_peer("ha1", NodeStatus::Dead)?;
    // Nobody looks after it, and nobody takes it: also when maintenance ends.
    cluster.ha2.run_well(&["heartline", "maintenance", "off"])?;
    cluster.ha2.wait_status("it is told that ha1 left it running", |status| {
        status.warnings.iter().any(|warning| warning.contains("ha1 left in maintenance"))
    })?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    wait_maintenance(&cluster.ha1, false)?;
    assert_eq!((cluster.moves()?, service_pids(&cluster.ha1)?), (before, pids));
    Ok(cluster.finish()?)
}

pub(crate) fn what_is_moved_by_hand_in_maintenance_counts(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    cluster.start_settled()?;
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    let address = ["heartline", "agent", "IPaddr", "10.77.1.100/24/eth0"];
    let service = ["/etc/ha.d/resource.d/svc", "web", "80"];
    cluster.ha1.run_well(&[&service[..], &["stop"]].concat())?;
    cluster.ha1.run_well(&[&address[..], &["stop"]].concat())?;
    cluster.ha2.run_well(&[&address[..], &["start"]].concat())?;
    cluster.ha2.run_well(&[&service[..], &["start"]].concat())?;
    let (before, pids) = (cluster.moves()?, service_pids(&cluster.ha2)?);
    cluster.ha2.run_well(&["heartline", "maintenance", "off"])?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!((cluster.moves()?, service_pids(&cluster.ha2)?), (before, pids));
    Ok(cluster.finish()?)
}

/// The program is another file, as after an upgrade; a client asks all the time.
pub(crate) fn a_restart_keeps_the_services(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let (before, pids, status) = (cluster.moves()?, service_pids(&cluster.ha1)?, cluster.ha1.status()?);
    let probe = ["/usr/sbin/heartline-lab", "lab-probe", "10.77.1.100", "80", "/", "20"];
    let client = cluster.ha2.host.spawn(&probe)?;
    wait_until("the client is served", LIMIT, || client.said().lines().count() > 5)?;
    cluster.ha1.run_well(&["cp", "/usr/sbin/heartline", "/tmp/upgraded"])?;
    cluster.ha1.run_well(&["mount", "--bind", "/tmp/upgraded", "/usr/sbin/heartline"])?;

    let said = cluster.ha1.run_well(&["heartline", "restart", "--keep-services"])?;
    assert!(said.contains("1 resource group kept"), "{said}");
    let after = cluster.ha1.status()?;
    assert_eq!(after.pid, status.pid);
    assert!(generation(&after) > generation(&status));
    let program = cluster.ha1.run_well(&["readlink", &format!("/proc/{}/exe", after.pid)])?;
    assert!(program.ends_with("upgraded") || program == "/usr/sbin/heartline", "{program}");
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!((cluster.moves()?, service_pids(&cluster.ha1)?), (before.clone(), pids.clone()));

    let asked = client.said().lines().count();
    wait_until("the client goes on", LIMIT, || client.said().lines().count() > asked + 5)?;
    assert_eq!(outages(&client.said()), []);
    cluster.ha2.wait_log(&["node ha1 restarts its heartbeat"])?;
    let log = cluster.ha2.log();
    for word in ["is dead", "Link ha1", "Resources being acquired", "WARN: Late", "CRIT"] {
        let since = log.find("restarts its heartbeat").unwrap_or_default();
        assert!(!log[since..].contains(word), "{word}: {log}");
    }
    // Once more, and then it is as good as any other.
    cluster.ha1.run_well(&["heartline", "restart", "--keep-services"])?;
    assert_eq!((cluster.moves()?, service_pids(&cluster.ha1)?), (before, pids));
    client.signal(Signal::SIGKILL)?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn a_restart_moves_nothing_back(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().groups([Group::web("ha1"), Group::mail("ha2")]))?;
    for node in cluster.nodes_mut() {
        node.start_in_background()?;
    }
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    cluster.ha1.run_well(&["hb_standby", "local"])?;
    let before = cluster.moves()?;
    for node in cluster.nodes_mut() {
        node.run_well(&["heartline", "restart", "--keep-services"])?;
    }
    cluster.settled(&[("web", "ha2"), ("mail", "ha2")])?;
    assert_eq!(cluster.moves()?, before);
    for node in cluster.nodes_mut() {
        node.run_well(&["heartbeat", "-k"])?;
        node.forget_daemon();
    }
    Ok(cluster.finish()?)
}

pub(crate) fn a_program_that_cannot_be_run_changes_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let (before, status) = (cluster.moves()?, cluster.ha1.status()?);
    cluster.ha1.host.write("/tmp/broken", "no program", 0o644)?;
    cluster.ha1.run_well(&["cp", "/usr/sbin/heartline", "/tmp/heartline"])?;
    cluster.ha1.run_well(&["mount", "--bind", "/tmp/broken", "/usr/sbin/heartline"])?;
    let output = cluster.ha1.run(&["/tmp/heartline", "restart", "--keep-services"])?;
    assert!(!output.status.success() && output.stdout.contains("goes on as before"), "{output:?}");
    cluster.ha1.wait_log(&["Cannot run /usr/sbin/heartline"])?;
    cluster.ha1.run_well(&["umount", "/usr/sbin/heartline"])?;
    let after = cluster.ha1.status()?;
    assert_eq!((after.pid, generation(&after)), (status.pid, generation(&status)));
    assert_eq!(cluster.moves()?, before);
    // Bad files are found before anything happens.
    cluster.ha1.host.write("/etc/ha.d/ha.cf", "nonsense\n", 0o644)?;
    let output = cluster.ha1.run(&["heartline", "restart", "--keep-services"])?;
    assert!(output.status.code() == Some(6) && output.stdout.contains("nonsense"), "{output:?}");
    cluster.rewrite(&cluster.ha1, &cluster.plan)?;
    Ok(cluster.finish()?)
}

/// The other waits as long as it was asked to, and no longer. The services run on where nobody looks after them.
pub(crate) fn a_next_life_that_fails_is_followed_by_a_takeover(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha1.host.write("/tmp/broken", "#!/bin/sh\nexit 1\n", 0o755)?;
    cluster.ha1.run_well(&["cp", "/usr/sbin/heartline", "/tmp/heartline"])?;
    cluster.ha1.run_well(&["mount", "--bind", "/tmp/broken", "/usr/sbin/heartline"])?;
    let client = cluster.ha1.host.spawn(&["/tmp/heartline", "restart", "--keep-services"])?;
    assert!(!cluster.ha1.ended()?.status.success());
    cluster.ha2.wait_log(&["node ha1 restarts its heartbeat", "31000 ms"])?;
    wait_until("ha2 takes over", 2 * LIMIT, || cluster.ha2.runs("web"))?;
    cluster.ha2.wait_log(&["node ha1: is dead", "dead time 31000 ms"])?;
    let output = client.wait(3 * LIMIT)?;
    assert!(!output.status.success() && output.stdout.contains("has not come back"), "{output:?}");
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish_after_double_run()?)
}

/// A device that fails, and an operator who has looked.
pub(crate) fn an_operator_vouches_for_a_dead_node(world: World) -> Outcome {
    let plan = Plan::default().directive("stonith", "external/broken /etc/ha.d/broken");
    let mut cluster = Cluster::build(world, plan)?;
    for node in cluster.nodes() {
        node.host.write("/usr/sbin/stonith", "#!/bin/sh\necho it is broken >&2\nexit 1\n", 0o755)?;
        node.host.write("/etc/ha.d/broken", "", 0o600)?;
    }
    cluster.start_settled()?;
    let output = cluster.ha2.run(&["heartline", "confirm-down", "ha1", "--yes"])?;
    assert!(!output.status.success() && output.stdout.contains("ha1 is alive: it is heard on"), "{output:?}");
    cluster.ha1.power_cut()?;
    cluster.ha2.wait_log(&["STONITH of ha1 failed"])?;
    assert!(cluster.owners("web").is_empty());
    cluster.ha2.wait_status("it is told what to do", |status| {
        status.warnings.iter().any(|warning| warning.contains("heartline confirm-down ha1"))
    })?;
    let output = cluster.ha2.run(&["heartline", "confirm-down", "ha1"])?;
    let warned = output.stdout.contains("the data on it is destroyed") && output.stdout.contains("--yes");
    assert!(!output.status.success() && warned, "{output:?}");
    assert!(cluster.owners("web").is_empty());
    let said = cluster.ha2.run_well(&["heartline", "confirm-down", "ha1", "--yes"])?;
    assert!(said.contains("10.77.1.100/24/eth0 runs on ha2"), "{said}");
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_log(&["node ha1 is down by the word of an operator"])?;
    let record = cluster.ha2.host.read("/var/lib/heartbeat/confirmed_down")?;
    assert!(record.contains("ha1") && record.contains("user 0"), "{record}");
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}
