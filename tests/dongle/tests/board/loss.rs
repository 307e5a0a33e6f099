//! The witness is unplugged, loses its power, is reset and flashed anew, while all else is well.

use heartline::control::snapshot::WitnessWatch;
use heartline_cluster_tests::{Cluster, LIMIT, witness_host};
use heartline_lab::{World, wait_until};

use crate::{Outcome, done, plan, started};

fn wait_missed(cluster: &Cluster) -> Outcome {
    for node in cluster.nodes() {
        node.wait_status("it is missed", |status| {
            status.warnings.iter().any(|it| it.starts_with("Witness dongle is lost"))
        })?;
    }
    Ok(())
}

/// Both plugs are pulled, for longer than either watchdog waits; one plug, and the other; its power; its reset button.
pub(crate) fn unplugged_it_resets_nobody(world: World) -> Outcome {
    let mut cluster = started(world, plan().line("witness_watchdog 2"))?;
    let before = done(&cluster)?;
    cluster.cable.cut()?;
    cluster.dongle()?.far_cable.cut()?;
    wait_missed(&cluster)?;
    wait_until("it takes itself for unplugged", LIMIT, || {
        let console = cluster.dongle().and_then(|dongle| Ok(dongle.board()?.console()));
        console.is_ok_and(|console| console.contains("withheld"))
    })?;
    cluster.cable.restore()?;
    cluster.ha1.wait_status("it hears one", |status| {
        witness_host(status, "ha1").is_some_and(|host| host.heard && host.watchdog == WitnessWatch::Armed)
    })?;
    cluster.dongle()?.far_cable.restore()?;
    cluster.wait_watched()?;
    cluster.dongle()?.power_off();
    wait_missed(&cluster)?;
    cluster.dongle()?.power_on()?;
    cluster.wait_watched()?;
    for _ in 0..3 {
        let lives = cluster.dongle()?.lives();
        cluster.dongle()?.reset()?;
        wait_until("it begins anew", LIMIT, || cluster.dongle().is_ok_and(|it| it.lives() > lives))?;
    }
    cluster.wait_watched()?;
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}

/// Its flash is erased and written again; with its keys it is as before.
pub(crate) fn flashed_anew_it_resets_nobody(world: World) -> Outcome {
    let mut cluster = started(world, plan().line("witness_watchdog 2"))?;
    let before = done(&cluster)?;
    cluster.dongle()?.power_off();
    cluster.dongle()?.board()?.erase()?;
    cluster.dongle()?.power_on()?;
    wait_missed(&cluster)?;
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    cluster.ha1.stop()?;
    let said = cluster.ha1.run_well(&["heartline", "dongle", "ask"])?;
    assert!(said.contains("no keys yet"), "{said}");
    cluster.provision()?;
    cluster.ha1.start()?;
    cluster.ha1.wait_status("it is up", |status| status.maintenance)?;
    cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    cluster.wait_watched()?;
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}
