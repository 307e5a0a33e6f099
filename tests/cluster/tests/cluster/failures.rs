//! Scripts that fail and hang, daemons that are killed and stalled.

use crate::Outcome;
use heartline::control::snapshot::{GroupState, NodeStatus};
use heartline_cluster_tests::{Cluster, Fault, Group, LIMIT, Node, Plan};
use heartline_lab::{Ended, World, wait_until};
use nix::sys::signal::{Signal, kill};

/// Waits until a node shows its group `web` in this state.
fn wait_state(node: &Node, state: GroupState) -> Outcome {
    let name = Group::web("ha1").name();
    node.wait_status(&format!("{name} is {} here", state.word()), |status| {
        status.groups.iter().any(|group| group.name == name && group.state == state)
    })?;
    Ok(())
}

pub(crate) fn a_group_that_cannot_start_moves(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.ha1.order_fault("web", "start", Fault::Fails)?;
    cluster.start()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.wait_log(&["Giving up resources due to failure of 10.77.1.100/24/eth0"])?;
    // It was tried once, and what had been started was stopped again.
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start", "stop"]);
    cluster.ha1.order_fault("web", "start", Fault::None)?;
    cluster.ha1.run_well(&["heartline", "cleanup"])?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn a_group_that_can_start_nowhere_stays_down(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    for node in cluster.nodes() {
        node.order_fault("web", "start", Fault::Fails)?;
    }
    cluster.start()?;
    for node in cluster.nodes() {
        node.wait_log(&["10.77.1.100/24/eth0 can run nowhere"])?;
    }
    cluster.nobody_runs("web")?;
    for node in cluster.nodes() {
        assert_eq!(node.moves(&Group::web("ha1"))?, ["start", "stop"], "{}", node.name());
    }
    cluster.ha2.order_fault("web", "start", Fault::None)?;
    cluster.ha2.run_well(&["heartline", "cleanup", &Group::web("ha1").name()])?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// Nobody can run it until the node that can is back.
pub(crate) fn a_takeover_that_fails_waits_for_the_other(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha2.order_fault("web", "start", Fault::Fails)?;
    cluster.ha1.power_cut()?;
    cluster.ha2.wait_log(&["10.77.1.100/24/eth0 can run nowhere"])?;
    cluster.nobody_runs("web")?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.ha2.moves(&Group::web("ha1"))?, ["start", "stop"]);
    Ok(cluster.finish()?)
}

pub(crate) fn a_standby_that_fails_comes_back(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha2.order_fault("web", "start", Fault::Fails)?;
    let output = cluster.ha1.run(&["hb_standby", "all"])?;
    assert!(!output.status.success(), "{output:?}");
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start", "stop", "start"]);
    Ok(cluster.finish()?)
}

/// Whoever uses the disk is asked to leave it, and made to.
pub(crate) fn a_disk_in_use_is_freed(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().groups([Group::web("ha1").with_disk()]))?;
    cluster.start_settled()?;
    let user = "cd /var/lib/ha && trap '' TERM && while :; do sleep 1; done";
    let user = cluster.ha1.host.spawn(&["bash", "-c", user])?;
    let pid = user.pid()?;
    wait_until("the disk is in use", LIMIT, || {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.ends_with("var/lib/ha"))
    })?;
    cluster.ha1.run_well(&["hb_standby", "all"])?;
    cluster.settled(&[("web", "ha2")])?;
    drop(user);
    Ok(cluster.finish()?)
}

pub(crate) fn a_group_that_cannot_stop_is_blocked(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("stop_failure", "block"))?;
    cluster.start_settled()?;
    cluster.ha1.order_fault("web", "stop", Fault::Fails)?;
    let output = cluster.ha1.run(&["hb_standby", "all"])?;
    assert!(!output.status.success(), "{output:?}");
    wait_state(&cluster.ha1, GroupState::Failed)?;
    cluster.ha1.wait_log(&["Resource STOP failure"])?;
    // It may still run here, so nobody else may start it.
    assert_eq!(cluster.owners("web"), ["ha1"]);
    let output = cluster.ha2.run(&["hb_takeover", "all"])?;
    assert!(!output.status.success(), "{output:?}");
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    cluster.ha1.order_fault("web", "stop", Fault::None)?;
    cluster.ha1.run_well(&["heartline", "cleanup"])?;
    cluster.ha2.run_well(&["hb_takeover", "all"])?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn a_host_that_cannot_stop_a_group_reboots(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha1.order_fault("web", "stop", Fault::Fails)?;
    cluster.ha1.run_well(&["hb_standby", "all", "--no-wait"])?;
    assert_eq!(cluster.ha1.host.wait_down(LIMIT)?, Ended::Restart);
    cluster.ha1.forget_daemon();
    cluster.settled(&[("web", "ha2")])?;
    let reason = cluster.ha1.host.read("/var/lib/heartbeat/last_reboot_reason")?;
    assert!(reason.contains("STOP failure of 10.77.1.100/24/eth0"), "{reason}");
    cluster.ha1.order_fault("web", "stop", Fault::None)?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

pub(crate) fn a_start_that_hangs_is_ended(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("start_timeout", "1"))?;
    cluster.ha1.order_fault("web", "start", Fault::Hangs)?;
    cluster.start()?;
    cluster.settled(&[("web", "ha2")])?;
    let processes = cluster.ha1.processes()?;
    assert!(processes.iter().all(|line| !line.contains("sleep")), "{processes:?}");
    Ok(cluster.finish()?)
}

pub(crate) fn a_stop_that_hangs_is_ended(world: World) -> Outcome {
    let plan = Plan::default().directive("stop_timeout", "1").directive("stop_failure", "block");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    cluster.ha1.order_fault("web", "stop", Fault::Hangs)?;
    let output = cluster.ha1.run(&["hb_standby", "all"])?;
    assert!(!output.status.success(), "{output:?}");
    wait_state(&cluster.ha1, GroupState::Failed)?;
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    cluster.ha1.order_fault("web", "stop", Fault::None)?;
    cluster.ha1.run_well(&["heartline", "cleanup"])?;
    cluster.ha1.run_well(&["hb_takeover", "all"])?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish()?)
}

/// It is back before the other node misses it: nothing is started or stopped.
pub(crate) fn a_killed_daemon_adopts_what_runs(world: World) -> Outcome {
    let plan = Plan::default().directive("deadtime", "20").directive("initdead", "20");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    let (before, pids) = (cluster.moves()?, cluster.ha1.host.pids_of("svc-web")?);
    cluster.ha1.kill()?;
    assert_eq!(cluster.owners("web"), ["ha1"]);
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!((cluster.moves()?, cluster.ha1.host.pids_of("svc-web")?), (before, pids));
    Ok(cluster.finish()?)
}

/// What the script left undone is done anew. The script itself runs on, as the original's do: here, nobody needs it.
pub(crate) fn a_daemon_killed_during_a_start_begins_again(world: World) -> Outcome {
    let plan = Plan::default().directive("deadtime", "20").directive("initdead", "20");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.ha1.order_fault("web", "start", Fault::Hangs)?;
    cluster.start()?;
    let hangs = || cluster.ha1.host.pids_of("sleep").is_ok_and(|pids| !pids.is_empty());
    wait_until("the script hangs", LIMIT, hangs)?;
    cluster.ha1.kill()?;
    cluster.ha1.order_fault("web", "start", Fault::None)?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    for pid in cluster.ha1.host.pids_of("sleep")? {
        kill(pid, Signal::SIGKILL)?;
    }
    Ok(cluster.finish()?)
}

/// The other node took the group meanwhile: what still runs is stopped.
pub(crate) fn a_killed_daemon_gives_up_what_was_taken(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    cluster.start_settled()?;
    cluster.ha1.kill()?;
    cluster.wait_runs("web", "ha2")?;
    cluster.ha2.wait_log(&["WARN", "No STONITH device configured"])?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.ha1.moves(&Group::web("ha1"))?, ["start", "stop"]);
    Ok(cluster.finish_after_double_run()?)
}

/// The same with failback: stopped first, then fetched back.
pub(crate) fn a_killed_daemon_gets_its_group_back(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    cluster.ha1.kill()?;
    cluster.wait_runs("web", "ha2")?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    Ok(cluster.finish_after_double_run()?)
}

pub(crate) fn a_stalled_holder_gives_up_what_was_taken(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("auto_failback", "off"))?;
    cluster.start_settled()?;
    cluster.ha1.freeze()?;
    cluster.wait_runs("web", "ha2")?;
    cluster.ha1.thaw()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.wait_log(&["This node itself did nothing for so long"])?;
    Ok(cluster.finish_after_double_run()?)
}

/// Its own clock told it that ha1 was silent for long; what waits to be read tells otherwise.
pub(crate) fn a_stalled_bystander_takes_nothing(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    let before = cluster.moves()?;
    cluster.ha2.freeze()?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Dead)?;
    cluster.ha2.thaw()?;
    cluster.ha1.wait_peer("ha2", NodeStatus::Active)?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}
