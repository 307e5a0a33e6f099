//! The story of the demonstration, step by step: address, disk and service of one group, as they move and stay.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, Group, Plan};
use heartline_lab::World;

pub(crate) fn the_story(world: World) -> Outcome {
    let plan = Plan::default().groups([Group::web("ha1").with_disk()]);
    let mut cluster = Cluster::build(world, plan)?;
    cluster.start_settled()?;
    cluster.ha1.run(&["sh", "-c", "echo from ha1 > /var/lib/ha/file"])?;

    // Graceful stop of the primary, and its return.
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.ha2.host.read("/var/lib/ha/file")?, "from ha1\n");
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;

    // A power cut, and its return.
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;

    // One cable after the other: nothing moves, and what is left is named.
    let before = cluster.moves()?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.ha1.wait_link("ha2", "eth0", false)?;
    cluster.ha2.wait_link("ha1", "eth0", false)?;
    assert_eq!(cluster.owners("web"), ["ha1"]);
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.ha1.wait_link("ha2", "eth0", true)?;
    cluster.ha2.wait_link("ha1", "eth0", true)?;
    cluster.cable.cut()?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", false)?;
    cluster.ha2.wait_link("ha1", "/dev/ttyS0", false)?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.cable.restore()?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", true)?;
    cluster.ha2.wait_link("ha1", "/dev/ttyS0", true)?;
    assert_eq!(cluster.moves()?, before);
    Ok(cluster.finish()?)
}
