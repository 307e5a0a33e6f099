//! The flight record of a real failover, and what a replay makes of it.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, Node, Plan};

const SECRET: &str = "nobody-may-read-this";
/// Words of the core's decisions that no other line of the log has.
const DECISIONS: [&str; 8] = [
    "is dead",
    "Local status",
    "Status update for node",
    "Heartbeat restart on node",
    "hears this node",
    "Resources being acquired from",
    "Taking over resource group",
    "runs here",
];

pub(crate) fn a_failover_is_replayed(world: heartline_lab::World) -> Outcome {
    let plan = Plan::default().keys(&format!("auth 1\n1 sha1 {SECRET}\n"));
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    same_decisions(&mut cluster.ha2)?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha2.kill()?;
    cluster.ha1.wait_log(&["node ha2: is dead"])?;
    for node in cluster.nodes_mut() {
        same_decisions(node)?;
        let path = node.host.path("/var/lib/heartbeat/flight.0")?;
        let record = std::fs::read(path)?;
        assert!(!record.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{}", node.name());
    }
    let other = cluster.ha2.run_well(&["heartline", "replay", "--what-if", "deadtime=60s"])?;
    assert!(other.contains("node ha1 would not have been declared dead"), "{other}");
    assert!(other.contains("resource group 10.77.1.100/24/eth0 would not have been started here"), "{other}");
    Ok(cluster.finish()?)
}

/// The replay says what the log says, in the same order. What was just decided is in both: it is written at once.
fn same_decisions(node: &mut Node) -> Outcome {
    let replayed = node.run_well(&["heartline", "replay"])?;
    assert!(replayed.contains("the same decisions."), "{replayed}");
    let log = node.log();
    let (replayed, logged) = (decisions(&replayed), decisions(&log));
    assert!(!replayed.is_empty());
    assert_eq!(replayed, logged, "{}", node.name());
    Ok(())
}

/// The level and the text of each line with a decision.
fn decisions(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| DECISIONS.iter().any(|words| line.contains(words)));
    let said = |line: &str| {
        let levels = ["info: ", "WARN: ", "ERROR: ", "CRIT: "];
        levels.iter().filter_map(|level| line.find(level)).min()
    };
    lines.filter_map(|line| said(line).map(|at| &line[at..])).collect()
}
