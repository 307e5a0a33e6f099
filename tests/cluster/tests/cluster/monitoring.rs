//! Services that end or hang while they run, and addresses that somebody removes.

use crate::Outcome;
use heartline::control::snapshot::{Ailment, Failures};
use heartline_cluster_tests::{Cluster, Fault, Group, LIMIT, Node, Plan};
use heartline_lab::{World, wait_until};
use nix::sys::signal::{Signal, kill};

/// Asked twice a second, and moved at the second failure.
fn watched() -> Plan {
    Plan::default().directive("monitor", "500ms").directive("monitor_restarts", "1 600")
}

/// Kills the service by hand, as an administrator would by mistake.
fn kill_service(node: &Node) -> Outcome {
    for pid in node.host.pids_of("svc-web")? {
        kill(pid, Signal::SIGKILL)?;
    }
    Ok(())
}

fn failures(node: &Node) -> Result<Option<Failures>, Box<dyn std::error::Error>> {
    let name = Group::web("ha1").name();
    Ok(node.status()?.groups.into_iter().find(|group| group.name == name).and_then(|group| group.failures))
}

fn wait_failures(node: &Node, count: u16) -> Outcome {
    node.wait_status(&format!("it failed {count} times"), |status| {
        status.groups.iter().any(|group| group.failures.as_ref().is_some_and(|it| it.count == count))
    })?;
    Ok(())
}

pub(crate) fn a_killed_service_is_restarted_in_place_and_then_moved(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, watched())?;
    cluster.start_settled()?;
    kill_service(&cluster.ha1)?;
    wait_failures(&cluster.ha1, 1)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start", "stop", "start"]);
    let shown = failures(&cluster.ha1)?.ok_or("no failures are shown")?;
    assert_eq!((shown.ailment, shown.restarts, shown.restarts_allowed), (Ailment::Gone, 1, 1));
    assert_eq!(shown.resource.as_deref(), Some("svc::web::80"));
    // The other node had nothing to do with it.
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    assert_eq!(failures(&cluster.ha2)?, None);

    kill_service(&cluster.ha1)?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.wait_log(&["Giving up resource group 10.77.1.100/24/eth0: it failed too often here."])?;
    let text = cluster.ha1.run_well(&["heartline", "status"])?;
    assert!(
        text.contains("failed too often here and stays away from this node until heartline cleanup"),
        "{text}"
    );
    cluster.ha1.run_well(&["heartline", "cleanup", "svc::web::80"])?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(failures(&cluster.ha1)?, None);
    Ok(cluster.finish()?)
}

pub(crate) fn a_service_that_fails_on_both_nodes_stays_down(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, watched().directive("monitor_restarts", "0"))?;
    cluster.start_settled()?;
    kill_service(&cluster.ha1)?;
    cluster.settled(&[("web", "ha2")])?;
    kill_service(&cluster.ha2)?;
    for node in cluster.nodes() {
        node.wait_log(&["10.77.1.100/24/eth0 can run nowhere"])?;
    }
    cluster.nobody_runs("web")?;
    let text = cluster.ha2.run_well(&["heartline", "status"])?;
    for words in ["runs nowhere", "failed too often here", "svc::web::80: does not run any more"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    cluster.ha2.run_well(&["heartline", "cleanup"])?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn a_status_that_hangs_is_a_failure(world: World) -> Outcome {
    let plan = watched().directive("status_timeout", "500ms").directive("monitor_restarts", "3 600");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    cluster.ha1.order_fault("web", "status", Fault::Hangs)?;
    wait_failures(&cluster.ha1, 1)?;
    cluster.ha1.order_fault("web", "status", Fault::None)?;
    cluster.settled(&[("web", "ha1")])?;
    let shown = failures(&cluster.ha1)?.ok_or("no failures are shown")?;
    assert_eq!((shown.ailment, shown.error.as_deref()), (Ailment::Hung, Some("status timed out")));
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    Ok(cluster.finish()?)
}

pub(crate) fn an_address_that_somebody_removes_is_put_back(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, watched())?;
    cluster.start_settled()?;
    let address = Group::web("ha1").address;
    cluster.ha1.run_well(&["ip", "address", "del", &format!("{address}/24"), "dev", "eth0"])?;
    cluster.ha1.wait_log(&["The addresses of resource group 10.77.1.100/24/eth0 are there again"])?;
    cluster.settled(&[("web", "ha1")])?;
    // The service was not touched.
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start"]);
    assert_eq!(failures(&cluster.ha1)?, None);
    Ok(cluster.finish()?)
}

/// A service is not asked by pattern, the other is.
pub(crate) fn what_is_not_monitored_is_left_alone(world: World) -> Outcome {
    let groups = [Group::web("ha1"), Group::mail("ha1")];
    let plan = watched().line("monitor 0 *web* *.100/*").groups(groups.clone());
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    kill_service(&cluster.ha1)?;
    // The other service has been asked twice since.
    let asked = || cluster.ha1.calls("mail").map(|calls| calls.len()).unwrap_or_default();
    let before = asked();
    wait_until("mail is asked", LIMIT, || asked() > before + 2)?;
    assert_eq!(cluster.ha1.moves(&groups[0])?, ["start"]);
    assert_eq!(failures(&cluster.ha1)?, None);
    let asked_of_web = cluster.ha1.calls("web")?.into_iter().filter(|call| call.verb == "status").count();
    assert_eq!(asked_of_web, 2, "the probe and the start");
    // It comes back by hand, so that everything is in order at the end.
    cluster.ha1.run_well(&["hb_standby", "all"])?;
    cluster.settled(&[("web", "ha2"), ("mail", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn an_agent_that_cannot_be_asked_stops_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, watched())?;
    cluster.start_settled()?;
    let script = "/etc/ha.d/resource.d/svc";
    let text = cluster.ha1.host.read(script)?;
    cluster.ha1.run_well(&["mv", script, "/etc/ha.d/svc"])?;
    cluster.ha1.wait_log(&["cannot be asked for its status", "It is left alone"])?;
    cluster.ha1.wait_status("it is in doubt", |status| {
        status.warnings.iter().any(|warning| warning.contains("cannot be asked whether it still runs"))
    })?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.host.write(script, &text, 0o755)?;
    cluster.ha1.wait_log(&["Resource group 10.77.1.100/24/eth0 is well"])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start"]);
    Ok(cluster.finish()?)
}
