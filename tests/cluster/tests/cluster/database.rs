//! The acceptance story: PostgreSQL on a shared disk, and whatever happens to its nodes. No acknowledged row is lost,
//! the file system is clean at the end, and the disk is never mounted twice. What it cannot show is a disk that loses
//! what it had only in its own memory: the hosts share this machine's kernel, and so its page cache.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::database::{self, Writer};
use heartline_cluster_tests::{Cluster, LIMIT, Plan};
use heartline_lab::{DiskKind, World, wait_until};

/// How many rounds are played; one of each kind if it is not set.
const ROUNDS: &str = "HEARTLINE_STORY_ROUNDS";

/// What happens to the node that has the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    PowerCut,
    Partition,
    DaemonKilled,
    Stall,
}

const BLOWS: [Blow; 4] = [Blow::PowerCut, Blow::Partition, Blow::DaemonKilled, Blow::Stall];

pub(crate) fn no_acknowledged_row_is_lost(world: World) -> Outcome {
    let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(BLOWS.len());
    // Dead times that a busy machine does not exceed: a fence on a false alarm would be one more round.
    let plan = Plan::default()
        .directive("keepalive", "200ms")
        .directive("deadtime", "3")
        .directive("warntime", "2")
        .directive("initdead", "20")
        .directive("fence_delay", "3")
        .directive("auto_failback", "off")
        .fencing("external/lab hostlist=ha1,ha2")
        .groups([database::group("ha1")])
        .disk_megabytes(database::DISK_MEGABYTES);
    let mut cluster = Cluster::build(world, plan)?;
    if let DiskKind::Folder { reason } = cluster.disk()?.kind() {
        return Err(format!("the story needs a disk: {reason}").into());
    }
    let guard = cluster.guard_disk()?;
    database::make(&mut cluster.ha1)?;
    cluster.start()?;
    let address = cluster.plan.address();
    let writer = Writer::begin(address)?;
    writer.wait_progress()?;
    both_are_active(&cluster)?;
    for round in 0..rounds {
        let blow = BLOWS[round % BLOWS.len()];
        let holder = holder(&cluster)?;
        let other = if holder == "ha1" { "ha2" } else { "ha1" };
        let (down, serves) = match blow {
            Blow::PowerCut => {
                cluster.node(&holder)?.power_cut()?;
                (holder.as_str(), other)
            }
            Blow::Partition => {
                cluster.part(other)?;
                (other, holder.as_str())
            }
            Blow::DaemonKilled => {
                cluster.node(&holder)?.kill()?;
                (holder.as_str(), other)
            }
            Blow::Stall => {
                cluster.node(&holder)?.freeze()?;
                (holder.as_str(), other)
            }
        };
        if blow != Blow::PowerCut {
            cluster.node(down)?.wait_down()?;
        }
        wait_until("the database has its place", LIMIT, || cluster.mounted_on() == [serves])
            .map_err(|_| format!("round {round}, {blow:?}: {serves} has not got the disk"))?;
        writer.wait_progress()?;
        if blow == Blow::Partition {
            cluster.join()?;
        }
        cluster.node(down)?.boot()?;
        cluster.node(down)?.start()?;
        both_are_active(&cluster)?;
        writer.wait_progress()?;
        let lost = writer.lost(address)?;
        assert!(lost.is_empty(), "round {round}, {blow:?}: rows {lost:?} are lost");
        println!(
            "round {round:2}  {blow:?} of {down}: {serves} serves, {} rows, longest pause {:.1} s",
            writer.count(),
            writer.take_longest_pause().as_secs_f64()
        );
    }
    let rows = writer.count();
    drop(writer);
    for node in cluster.nodes_mut() {
        node.stop()?;
    }
    let checked = database::check_file_system(cluster.disk()?)?;
    assert_eq!(checked, None, "the file system is not clean");
    let doubles = guard.doubles();
    assert!(doubles.is_empty(), "the disk was mounted twice: {doubles:?}");
    println!(
        "{rounds} rounds: {rows} rows acknowledged, none lost; {} mounts, never two at a time; the file system is clean",
        guard.mounts()
    );
    drop(guard);
    Ok(cluster.finish()?)
}

fn holder(cluster: &Cluster) -> Result<String, Box<dyn std::error::Error>> {
    match cluster.mounted_on().as_slice() {
        [one] => Ok((*one).to_owned()),
        other => Err(format!("the disk is mounted on {other:?}").into()),
    }
}

fn both_are_active(cluster: &Cluster) -> Outcome {
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
    }
    Ok(())
}
