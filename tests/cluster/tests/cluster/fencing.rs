//! Fencing with the real `stonith` command and real agents, by a power switch that really cuts the power of hosts.

use crate::Outcome;
use heartline::control::snapshot::Snapshot;
use heartline::fence::history::{Entry, Result};
use heartline_cluster_tests::{Cluster, LIMIT, Node, Plan};
use heartline_lab::{PowerFault, World, wait_until};

const PLUGIN: &str = "external/lab hostlist=ha1,ha2";
const AGENT: &str = "fence_lab verbose=0";

fn fenced() -> Plan {
    Plan::default().directive("fence_delay", "2").fencing(PLUGIN)
}

fn last_fence(status: &Snapshot) -> Option<&Entry> {
    status.fencing.history.last()
}

/// Waits until a node remembers that `by` fenced `victim`, and gives what it remembers.
fn wait_remembered(
    node: &Node,
    by: &str,
    victim: &str,
) -> std::result::Result<Entry, Box<dyn std::error::Error>> {
    let mut found = None;
    node.wait_status(&format!("{by} fenced {victim}"), |status| {
        found = last_fence(status).filter(|entry| entry.by == by && entry.victim == victim).cloned();
        found.is_some()
    })?;
    Ok(found.ok_or("the status changed meanwhile")?)
}

fn remembers(path: &Node) -> bool {
    path.host.read("/var/lib/heartbeat/fence_history").is_ok_and(|text| text.contains("ha1"))
}

/// While the device does not work nothing is taken over, each failure is shown, and when it was repaired all goes on.
pub(crate) fn takeover_waits_for_the_fence(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, fenced())?;
    cluster.start_settled()?;
    cluster.power()?.set_fault(PowerFault::Fails);
    // The service runs on.
    cluster.ha1.kill()?;
    cluster.ha2.wait_log(&["ERROR", "STONITH of ha1 failed.  Retrying..."])?;
    cluster.ha2.wait_status("the failure is shown with its reason and the next attempt", |status| {
        let told = |warning: &String| {
            warning.contains("ha1 is dead and could not be fenced") && warning.contains("next attempt is in")
        };
        status.warnings.iter().any(told)
            && last_fence(status).is_some_and(|entry| matches!(entry.result, Result::Failed { .. }))
    })?;
    assert_eq!(cluster.owners("web"), ["ha1"], "a fence that failed allows nothing");
    cluster.power()?.set_fault(PowerFault::None);
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    let entry = wait_remembered(&cluster.ha2, "ha2", "ha1")?;
    assert_eq!((entry.result, entry.device.as_str()), (Result::Fenced, "external/lab"));
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    // The victim knows too, and both still do after they were started anew.
    let entry = wait_remembered(&cluster.ha1, "ha2", "ha1")?;
    assert!(entry.reason.contains("may still run resources"), "{entry:?}");
    assert_eq!((entry.result, entry.device.as_str()), (Result::Fenced, "its device 1"));
    cluster.ha1.wait_log(&["WARN", "node ha2 fenced this node"])?;
    for node in cluster.nodes() {
        assert!(remembers(node), "{}", node.name());
    }
    cluster.ha1.stop()?;
    cluster.ha1.start()?;
    wait_remembered(&cluster.ha1, "ha2", "ha1")?;
    Ok(cluster.finish()?)
}

pub(crate) fn the_next_device_is_tried(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, fenced().fencing(AGENT))?;
    cluster.start_settled()?;
    cluster.ha2.host.write("/var/lib/svc/plugin-fails", "", 0o644)?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_log(&["ERROR", "Host ha1 not reset by [external/lab]"])?;
    cluster.ha2.wait_log(&["node ha1 has its power again."])?;
    let entry = wait_remembered(&cluster.ha2, "ha2", "ha1")?;
    assert_eq!((entry.result, entry.device.as_str()), (Result::Fenced, "fence_lab"));
    let asked = cluster.power()?.requests();
    let fence: Vec<_> = asked.iter().filter(|line| line.ends_with("ha1")).map(String::as_str).collect();
    assert!(fence.ends_with(&["off ha1", "status ha1", "on ha1"]), "{asked:?}");
    Ok(cluster.finish()?)
}

/// An agent whose device says yes and does nothing is asked for the power, and not believed.
pub(crate) fn a_device_that_lies_is_found_out(world: World) -> Outcome {
    let plan = Plan::default().directive("fence_delay", "1").fencing(AGENT);
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    cluster.power()?.set_fault(PowerFault::Lies);
    cluster.ha1.kill()?;
    cluster.ha2.wait_log(&["ERROR", "Host ha1 not reset by [fence_lab]", "still reads as on"])?;
    assert_eq!(cluster.owners("web"), ["ha1"], "a lie allows nothing");
    cluster.power()?.set_fault(PowerFault::None);
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// Both live, and both devices work: the one that serves goes on, the other learns why it went down.
pub(crate) fn of_two_that_lose_each_other_one_survives(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, fenced())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cluster.part("ha1")?;
    cluster.ha2.wait_down()?;
    cluster.join()?;
    cluster.ha2.boot()?;
    cluster.ha2.start()?;
    let entry = wait_remembered(&cluster.ha2, "ha1", "ha2")?;
    assert!(entry.reason.contains("would fence the node that runs the resources"), "{entry:?}");
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before, "the service never moved");
    Ok(cluster.finish()?)
}

pub(crate) fn twenty_races_never_take_both_down(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, fenced().directive("auto_failback", "off"))?;
    cluster.start_settled()?;
    for round in 0..20 {
        cluster.part("ha1")?;
        let mut down = Vec::new();
        wait_until("one of them goes down", LIMIT, || {
            down.clear();
            for node in cluster.nodes_mut() {
                if !node.host.booted().unwrap_or(true) {
                    down.push(node.name().to_owned());
                }
            }
            !down.is_empty()
        })?;
        let survivor = if down == ["ha1"] { "ha2" } else { "ha1" };
        cluster.wait_runs("web", survivor)?;
        assert!(cluster.node(survivor)?.host.booted()?, "round {round}: both went down");
        cluster.join()?;
        for name in down {
            let node = cluster.node(&name)?;
            node.forget_daemon();
            node.boot()?;
            node.start()?;
        }
        cluster.settled(&[("web", survivor)])?;
        if round % 2 == 1 {
            cluster.node(survivor)?.run_well(&["hb_standby", "all"])?;
        }
    }
    let shots = cluster.power()?.requests().iter().filter(|line| line.starts_with("reset")).count();
    assert_eq!(shots, 20, "one shot a round");
    Ok(cluster.finish()?)
}

/// `null` of cluster-glue and `fence_dummy` of fence-agents do nothing, and say and remember that they did it.
pub(crate) fn real_plugins_and_agents_are_called(world: World) -> Outcome {
    let plan = Plan::default().directive("fence_delay", "0");
    let plan = plan.fencing("fence_dummy status_file=/var/lib/svc/power").fencing("null ha1 ha2");
    let mut cluster = Cluster::build(world, plan)?;
    for node in cluster.nodes() {
        node.host.write("/var/lib/svc/power", "on", 0o644)?;
    }
    cluster.start_settled()?;
    cluster.ha2.wait_status("both devices work", |status| {
        status.fencing.devices.iter().all(|it| it.checked_s_ago.is_some() && it.problem.is_none())
    })?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    let entry = wait_remembered(&cluster.ha2, "ha2", "ha1")?;
    assert_eq!((entry.result, entry.device.as_str()), (Result::Fenced, "fence_dummy"));
    cluster.ha2.wait_log(&["node ha1 has its power again."])?;
    // Without its status file the first device is no use any more.
    cluster.ha2.host.write("/usr/sbin/fence_dummy", "#!/bin/sh\nexit 1\n", 0o755)?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_log(&["node ha1 now reset."])?;
    cluster.ha2.wait_status("the second device did it", |status| {
        last_fence(status).is_some_and(|entry| entry.device == "null" && entry.result == Result::Fenced)
    })?;
    Ok(cluster.finish()?)
}

/// What is said of devices goes into the log as in the original, and into the status; no secret does.
pub(crate) fn devices_are_checked_at_the_start(world: World) -> Outcome {
    let plan =
        fenced().fencing("external/lab hostlist=ha9 password=hunter2").fencing("fence_nosuch pw=hunter2");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    for node in cluster.nodes() {
        node.wait_log(&["info", "Checking status of STONITH device [external/lab]"])?;
        node.wait_log(&["ERROR", "STONITH device external/lab not operational!", "does not control"])?;
        node.wait_log(&["ERROR", "STONITH device fence_nosuch not operational!", "no program fence_nosuch"])?;
        node.wait_status("which device does not work", |status| {
            let problems: Vec<_> =
                status.fencing.devices.iter().map(|device| device.problem.is_some()).collect();
            problems == [false, true, true] && status.warnings.iter().any(|it| it.contains("fence_nosuch"))
        })?;
    }
    // The first device works, so the others are in nobody's way.
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    for node in cluster.nodes() {
        assert!(!node.log().contains("hunter2"));
    }
    Ok(cluster.finish()?)
}
