//! The original's commands against the real daemon.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, Group, Node, Plan};
use heartline_lab::World;

/// Runs a command: what it says, and its exit code.
fn ask(node: &mut Node, line: &str) -> Result<(String, Option<i32>), heartline_cluster_tests::Error> {
    let words: Vec<&str> = line.split(' ').collect();
    let output = node.run(&words)?;
    Ok((output.stdout, output.status.code()))
}

pub(crate) fn the_daemon_is_started_and_stopped_as_the_original(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    assert_eq!(
        ask(&mut cluster.ha1, "heartbeat -s")?,
        ("heartbeat is stopped. No process\n".to_owned(), Some(1))
    );
    for node in cluster.nodes_mut() {
        node.start_in_background()?;
    }
    cluster.settled(&[("web", "ha1")])?;
    let pid = cluster.ha1.status()?.pid;
    let running = format!("heartbeat OK [pid {pid} et al] is running on ha1 [ha1]...\n");
    assert_eq!(ask(&mut cluster.ha1, "heartbeat -s")?, (running, Some(0)));
    assert_eq!(cluster.ha1.host.read("/run/heartbeat.pid")?, format!("{pid:>10}\n"));

    // A second one leaves the first alone.
    let (said, code) = ask(&mut cluster.ha1, "heartbeat")?;
    assert!(code == Some(0) && said.contains(&format!("already running [pid {pid}]")), "{code:?} {said}");
    assert_eq!(cluster.ha1.status()?.pid, pid);

    let (_, code) = ask(&mut cluster.ha1, "heartbeat -r")?;
    assert_eq!(code, Some(0));
    cluster.ha1.wait_log(&["Configuration unchanged."])?;
    assert_eq!(cluster.ha1.status()?.pid, pid);

    // It returns when the daemon is gone, and the group was handed over before.
    assert_eq!(ask(&mut cluster.ha1, "heartbeat -k")?.1, Some(0));
    cluster.ha1.forget_daemon();
    assert!(!cluster.ha1.runs("web"));
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(
        ask(&mut cluster.ha1, "heartbeat -k")?,
        ("INFO: Heartbeat already stopped.\n".to_owned(), Some(0))
    );
    cluster.ha2.run_well(&["heartbeat", "-k"])?;
    cluster.ha2.forget_daemon();
    Ok(cluster.finish()?)
}

pub(crate) fn cl_status_speaks_as_the_original(world: World) -> Outcome {
    let plan =
        Plan::default().directive("ping", "10.77.1.254").groups([Group::web("ha1"), Group::mail("ha2")]);
    let mut cluster = Cluster::build(world, plan)?;
    let (said, code) = ask(&mut cluster.ha1, "cl_status hbstatus")?;
    assert_eq!((said.as_str(), code), ("Heartbeat is stopped on this machine.\n", Some(1)));
    cluster.start_settled()?;
    for (peer, node) in [("ha2", &cluster.ha1), ("ha1", &cluster.ha2)] {
        node.wait_link(peer, "/dev/ttyS0", true)?;
        node.wait_link("10.77.1.254", "10.77.1.254", true)?;
    }
    for (line, said, code) in [
        ("hbstatus", "Heartbeat is running on this machine.\n", 0),
        ("listnodes", "10.77.1.254\nha2\nha1\n", 0),
        ("listnodes -n", "ha2\nha1\n", 0),
        ("listnodes -p", "10.77.1.254\n", 0),
        ("nodestatus ha1", "active\n", 0),
        ("nodestatus ha2", "active\n", 0),
        ("nodestatus 10.77.1.254", "ping\n", 0),
        ("nodetype ha2", "normal\n", 0),
        ("nodetype 10.77.1.254", "ping\n", 0),
        ("listhblinks ha2", "\teth0\n\t/dev/ttyS0\n", 0),
        ("hblinkstatus ha2 eth0", "up\n", 0),
        ("hblinkstatus ha2 /dev/ttyS0", "up\n", 0),
        ("rscstatus", "local\n", 0),
        ("hbparameter -p deadtime", "1\n", 0),
        ("hbparameter -p keepalive", "100ms\n", 0),
    ] {
        let answer = ask(&mut cluster.ha1, &format!("cl_status {line}"))?;
        assert_eq!(answer, (said.to_owned(), Some(code)), "{line}");
    }
    cluster.cable.cut()?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", false)?;
    let answer = ask(&mut cluster.ha1, "cl_status hblinkstatus ha2 /dev/ttyS0")?;
    assert_eq!(answer, ("dead\n".to_owned(), Some(1)));
    cluster.ha2.run_well(&["hb_standby", "local"])?;
    assert_eq!(cluster.ha1.run_well(&["cl_status", "rscstatus"])?, "all");
    assert_eq!(cluster.ha2.run_well(&["cl_status", "rscstatus"])?, "none");
    cluster.ha1.run_well(&["hb_standby", "local"])?;
    assert_eq!(cluster.ha1.run_well(&["cl_status", "rscstatus"])?, "foreign");
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2"), ("mail", "ha2")])?;
    assert_eq!(ask(&mut cluster.ha2, "cl_status nodestatus ha1")?, ("dead\n".to_owned(), Some(1)));
    Ok(cluster.finish()?)
}

pub(crate) fn the_status_is_for_people_and_programs(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    let (said, code) = ask(&mut cluster.ha1, "heartline status")?;
    assert!(code == Some(1) && said.contains("does not run"), "{code:?} {said}");
    cluster.start_settled()?;
    let name = Group::web("ha1").name();
    for node in cluster.nodes_mut() {
        let said = node.run_well(&["heartline", "status"])?;
        assert!(said.contains(&name) && said.contains("/dev/ttyS0"), "{said}");
        let json: serde_json::Value =
            serde_json::from_str(&node.run_well(&["heartline", "status", "--json"])?)?;
        assert_eq!(json["this_node"], node.name());
        assert_eq!(json["groups"][0]["name"], *name);
        assert_eq!(json["groups"][0]["owner"], "ha1");
    }
    Ok(cluster.finish()?)
}
