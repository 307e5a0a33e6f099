//! How a cluster begins.

use crate::Outcome;
use heartline::control::snapshot::NodeStatus;
use heartline_cluster_tests::{Cluster, Group, Plan};
use heartline_lab::World;

pub(crate) fn both_start_at_once(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.start_settled()?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_peer(peer, NodeStatus::Active)?;
        node.wait_link(peer, "eth0", true)?;
        node.wait_link(peer, "/dev/ttyS0", true)?;
    }
    // Started once, where it belongs, with the arguments of haresources and the verb.
    let calls = cluster.ha1.calls("web")?;
    let starts: Vec<_> = calls.iter().filter(|call| call.verb == "start").collect();
    assert!(matches!(starts.as_slice(), [start] if start.arguments == 3), "{calls:?}");
    assert!(cluster.ha2.moves(&Group::web("ha1"))?.is_empty());
    Ok(cluster.finish()?)
}
