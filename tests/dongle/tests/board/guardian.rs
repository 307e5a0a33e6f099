//! The chip's own watchdog over the firmware.

use heartline_cluster_tests::LIMIT;
use heartline_lab::{World, wait_until};

use crate::{Outcome, done, plan, started};

/// The firmware hangs in the middle of its work, and is ended by the watchdog of its chip. No line is pulled, its journal
/// goes on, and it is armed again.
pub(crate) fn a_hang_is_ended_and_resets_nobody(world: World) -> Outcome {
    let mut cluster = started(world, plan().line("witness_watchdog 2"))?;
    let before = done(&cluster)?;
    for life in [2, 3] {
        let lives = cluster.dongle()?.lives();
        cluster.dongle()?.board()?.hang()?;
        wait_until("its own watchdog has ended it", LIMIT, || {
            cluster.dongle().is_ok_and(|dongle| dongle.lives() > lives)
        })?;
        cluster.ha2.wait_status("its journal goes on, and it is armed again", |status| {
            let deeds = status.witness.as_ref().map_or(&[][..], |witness| witness.deeds.as_slice());
            let armed = deeds.iter().filter(|deed| deed.text.starts_with("it armed the watchdog over ha1"));
            armed.count() == life && deeds.iter().any(|deed| deed.text == "it was given keys and settings")
        })?;
        cluster.wait_watched()?;
    }
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}
