//! Three and more nodes that lose each other: the majority goes on, the rest stops what it runs.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::{Cluster, Group, LIMIT, Plan};
use heartline_lab::{World, wait_until};

fn plan(hosts: usize) -> Plan {
    Plan::default()
        .hosts(hosts)
        .media(&["bcast eth0"])
        .groups([Group::web("ha1"), Group::mail("ha2")])
        .directive("quorum", "majority")
}

/// Waits until nobody runs a service, whatever is said about it.
fn wait_nobody(cluster: &Cluster, service: &str) -> Outcome {
    Ok(wait_until(&format!("nobody runs {service}"), LIMIT, || cluster.owners(service).is_empty())?)
}

pub(crate) fn one_of_three_stops_and_two_go_on(world: World) -> Outcome {
    the_minority_stops(world, &["ha1"], 3)
}

pub(crate) fn two_of_five_stop_and_three_go_on(world: World) -> Outcome {
    the_minority_stops(world, &["ha1", "ha5"], 5)
}

/// Without watchdog and fencing nobody knows that the minority has stopped, so that its group waits for it.
fn the_minority_stops(world: World, minority: &[&str], hosts: usize) -> Outcome {
    let mut cluster = Cluster::build(world, plan(hosts))?;
    cluster.start_settled()?;
    let before = cluster.ha2.moves(&Group::mail("ha2"))?;
    for name in minority {
        cluster.node(name)?.host.cut_ethernet("eth0")?;
    }
    for name in minority {
        let node = cluster.node(name)?;
        node.wait_log(&["ERROR", "Quorum lost"])?;
        node.wait_status("quorum is lost", |status| status.quorum.is_some_and(|quorum| !quorum.held))?;
    }
    wait_nobody(&cluster, "web")?;
    cluster.ha2.wait_status("web waits for ha1", |status| {
        let waits = |reason: &String| reason.contains("for ha1 to come back, since no watchdog ends it");
        status.groups.iter().any(|group| group.reason.as_ref().is_some_and(waits))
    })?;
    assert!(cluster.ha2.status()?.quorum.is_some_and(|quorum| quorum.held));
    // An order is no majority either.
    assert!(!cluster.ha1.run(&["hb_takeover", "all"])?.status.success());
    assert!(cluster.owners("web").is_empty());
    assert_eq!((cluster.owners("mail"), cluster.ha2.moves(&Group::mail("ha2"))?), (vec!["ha2"], before));
    for name in minority {
        cluster.node(name)?.host.restore_ethernet("eth0")?;
    }
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    Ok(cluster.finish()?)
}

/// The majority shoots. The one that is cut off does not, though its device would work.
pub(crate) fn the_majority_takes_over_what_it_has_fenced(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, plan(3).fencing("fence_lab verbose=0"))?;
    cluster.start_settled()?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.ha1.wait_down()?;
    cluster.settled_somewhere("web")?;
    let shots = cluster.power()?.requests();
    let mut shots = shots.iter().filter(|request| request.starts_with("off") || request.starts_with("reset"));
    assert!(shots.all(|request| request.contains("ha1")), "nobody else was shot");
    assert_eq!(cluster.owners("mail"), ["ha2"]);
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1"), ("mail", "ha2")])?;
    Ok(cluster.finish()?)
}

/// Those that leave in good order have no vote either: the last one gives up what it runs.
pub(crate) fn the_last_of_three_runs_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, plan(3).groups([Group::web("ha1")]))?;
    cluster.start_settled()?;
    cluster.others[0].stop()?;
    cluster.ha1.wait_peer("ha3", NodeStatus::Left)?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha2.stop()?;
    cluster.ha1.wait_log(&["ERROR", "Quorum lost"])?;
    wait_nobody(&cluster, "web")?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}
