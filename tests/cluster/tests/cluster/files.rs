//! The three files: bad ones, changed ones, and ones that differ between the nodes.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::{Cluster, Group, Plan};
use heartline_lab::World;

/// What the daemon logs when it has taken files, and when it has not.
const TAKEN: &str = "Configuration reread.";
const REFUSED: &str = "The old configuration stays in force.";

pub(crate) fn every_error_of_bad_files_is_named(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    let bad = Plan::default().directive("keepalive", "often").directive("nonsense", "1").ha_cf(2);
    cluster.ha1.host.write("/etc/ha.d/ha.cf", bad, 0o644)?;
    cluster.ha1.host.write("/etc/ha.d/authkeys", "auth 2\n2 rot13 secret\n", 0o600)?;
    cluster.ha1.host.write("/etc/ha.d/haresources", "ha3 10.77.1.100 svc::web::80\n", 0o644)?;
    let named = ["ha.cf", "often", "nonsense", "authkeys", "authentication method", "haresources", "ha3"];
    for line in [&["heartline", "daemon"][..], &["heartbeat"], &["heartline", "check"]] {
        let output = cluster.ha1.run(line)?;
        assert_eq!(output.status.code(), Some(6), "{line:?}: {output:?}");
        for part in named {
            assert!(output.stdout.contains(part), "{line:?} does not name {part}: {}", output.stdout);
        }
        assert!(!output.stdout.contains("secret"), "{}", output.stdout);
    }
    Ok(cluster.finish()?)
}

pub(crate) fn keys_that_others_can_read_are_refused(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    for mode in [0o640, 0o604] {
        cluster.ha1.host.write("/etc/ha.d/authkeys", "auth 2\n2 crc\n", mode)?;
        let output = cluster.ha1.run(&["heartline", "daemon"])?;
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(output.stdout.contains("authkeys") && output.stdout.contains("600"), "{output:?}");
    }
    cluster.ha1.host.write("/etc/ha.d/authkeys", "auth 2\n2 crc\n", 0o600)?;
    cluster.start_settled()?;
    Ok(cluster.finish()?)
}

pub(crate) fn bad_files_are_refused_by_a_running_daemon(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let (before, times) = (cluster.moves()?, cluster.ha1.status()?.times);
    for (file, bad, mode) in [
        ("ha.cf", Plan::default().directive("deadtime", "never").ha_cf(2), 0o644),
        ("authkeys", "auth 7\n".to_owned(), 0o600),
        ("haresources", "ha3 svc::web::80\n".to_owned(), 0o644),
    ] {
        cluster.ha1.host.write(format!("/etc/ha.d/{file}"), bad, mode)?;
        cluster.ha1.reload(REFUSED)?;
        let output = cluster.ha1.run(&["heartbeat", "-r"])?;
        assert!(!output.status.success() && output.stdout.contains(file), "{output:?}");
        cluster.rewrite(&cluster.ha1, &cluster.plan)?;
    }
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!((cluster.moves()?, cluster.ha1.status()?.times), (before, times));
    Ok(cluster.finish()?)
}

pub(crate) fn changed_files_are_taken_by_a_running_daemon(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let before = cluster.ha1.moves(&Group::web("ha1"))?;
    let changed = Plan::default()
        .directive("keepalive", "200ms")
        .directive("deadtime", "2")
        .groups([Group::web("ha1"), Group::mail("ha2")]);
    for node in cluster.nodes() {
        cluster.rewrite(node, &changed)?;
        node.reload(TAKEN)?;
    }
    cluster.plan = changed;
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    for node in cluster.nodes() {
        let times = node.status()?.times;
        assert_eq!((times.keepalive_ms, times.deadtime_ms), (200, 2000), "{}", node.name());
    }
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, before);
    // A medium more, too.
    cluster.plan =
        cluster.plan.clone().media(&["serial /dev/ttyS0", "bcast eth0", "ucast eth0 10.77.1.{peer}"]);
    for node in cluster.nodes() {
        cluster.rewrite(node, &cluster.plan)?;
        node.reload(TAKEN)?;
    }
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_status("three links are up", |status| {
            let links = status.nodes.iter().find(|node| node.name == peer).map(|node| &node.links);
            links.is_some_and(|links| links.len() == 3 && links.iter().all(|link| link.up))
        })?;
    }
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, before);
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2"), ("mail", "ha2")])?;
    // Each reload is in the flight record too, and the life goes on exactly as it did.
    let replayed = cluster.ha2.run_well(&["heartline", "replay"])?;
    assert!(replayed.contains("the same decisions."), "{replayed}");
    Ok(cluster.finish()?)
}

pub(crate) fn with_differing_haresources_nobody_takes_anything(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    let mut other = Group::web("ha1");
    other.port = 8080;
    cluster.ha2.host.write("/etc/ha.d/haresources", cluster.haresources(&[other]), 0o644)?;
    cluster.start()?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
        node.wait_log(&["haresources", peer, "differs", "line 1 (10.77.1.100/24/eth0)"])?;
        node.wait_status("the configurations differ", |status| {
            status.nodes.iter().any(|node| node.name == peer && !node.configuration_agrees)
        })?;
    }
    cluster.nobody_runs("web")?;
    assert!(cluster.moves()?.iter().all(Vec::is_empty));
    let output = cluster.ha1.run(&["hb_takeover", "all"])?;
    assert!(!output.status.success() && output.stdout.contains("differ"), "{output:?}");
    cluster.rewrite(&cluster.ha2, &cluster.plan)?;
    cluster.ha2.reload(TAKEN)?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

/// What differs later moves nothing away from where it runs.
pub(crate) fn a_difference_stops_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let more = Plan::default().groups([Group::web("ha1"), Group::mail("ha2")]);
    cluster.rewrite(&cluster.ha2, &more)?;
    cluster.ha2.reload(TAKEN)?;
    cluster.ha2.wait_log(&["haresources", "ha1", "differs", "line 2 (10.77.1.101/24/eth0)"])?;
    cluster.ha1.wait_log(&["haresources", "ha2", "differs"])?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.owners("mail"), Vec::<&str>::new());
    cluster.plan = more;
    cluster.rewrite(&cluster.ha1, &cluster.plan)?;
    cluster.ha1.reload(TAKEN)?;
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start"]);
    Ok(cluster.finish()?)
}

/// With different keys each node is alone, and says why.
pub(crate) fn a_wrong_key_is_refused(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().keys("auth 1\n1 sha1 right\n"))?;
    cluster.ha2.host.write("/etc/ha.d/authkeys", "auth 1\n1 sha1 wrong\n", 0o600)?;
    cluster.start()?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_log(&["WARN", "frame refused on link eth0"])?;
        node.wait_peer(peer, NodeStatus::Dead)?;
    }
    cluster.wait_runs("web", "ha1")?;
    cluster.wait_runs("web", "ha2")?;
    cluster.rewrite(&cluster.ha2, &cluster.plan)?;
    cluster.ha2.reload(TAKEN)?;
    cluster.settled(&[("web", "ha1")])?;
    for node in cluster.nodes() {
        assert!(!node.log().contains("1 sha1"), "{} logs keys", node.name());
    }
    Ok(cluster.finish_after_double_run()?)
}

/// A new key is known to both before anybody signs with it, and the old one goes last: nobody is missed.
pub(crate) fn keys_are_changed_without_a_gap(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().keys("auth 1\n1 sha1 old\n"))?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    for keys in
        ["auth 1\n1 sha1 old\n2 sha256 new\n", "auth 2\n1 sha1 old\n2 sha256 new\n", "auth 2\n2 sha256 new\n"]
    {
        for node in cluster.nodes() {
            cluster.rewrite(node, &cluster.plan.clone().keys(keys))?;
            node.reload(TAKEN)?;
        }
    }
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    for node in cluster.nodes() {
        assert!(!node.log().contains("is dead"), "{} missed the other", node.name());
    }
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}
