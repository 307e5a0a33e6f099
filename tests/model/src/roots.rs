//! Where explorations begin: without power; settled on the preferred node; settled on the other after an order,
//! and where the group stays, also after a restart of the preferred node.

use heartline_core::time::Duration;

use crate::action::{Action, Ordered};
use crate::cluster::Cluster;
use crate::invariant::{self, Violation};
use crate::play::Player;
use crate::setting::{Setting, SettingError};

/// Actions within which a cluster without faults must have come to rest.
const PATIENCE: usize = 400;

/// Why there is nowhere to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The setting makes no nodes.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A promise is broken without any fault.
    #[error("without any fault: {0}")]
    Violation(#[from] Violation),
    /// The nodes do not come to rest though nothing disturbs them.
    #[error("the cluster does not come to rest within {PATIENCE} actions though nothing disturbs it")]
    Restless,
}

/// The beginnings, each with as many faults to come as `faults` says.
///
/// # Errors
/// [`RootError`]; no beginning needs a fault.
pub fn of(setting: Setting, faults: u8) -> Result<Vec<Cluster>, RootError> {
    let mut player = Player::new(setting, Duration::ZERO)?;
    let off = Cluster::off(1);
    let mut preferred = off.clone();
    player.play(&mut preferred, Action::Boot(0))?;
    player.play(&mut preferred, Action::Boot(1))?;
    settle(&mut player, &mut preferred, 0)?;
    let mut other = preferred.clone();
    player.play(&mut other, Action::Order(0, Ordered::Standby))?;
    settle(&mut player, &mut other, 1)?;
    if !setting.auto_failback {
        // Its new life knows of no order: what keeps the group where it is now is auto_failback alone.
        player.play(&mut other, Action::PowerCut(0))?;
        settle(&mut player, &mut other, 1)?;
    }
    let mut roots = vec![off, preferred, other];
    roots.iter_mut().for_each(|root| root.budget = faults);
    Ok(roots)
}

/// Lets things take their course, frames and jobs first, until `holder` has the group and nobody wants anything.
fn settle(player: &mut Player, cluster: &mut Cluster, holder: u8) -> Result<(), RootError> {
    let budget = std::mem::take(&mut cluster.budget);
    let mut possible = Vec::new();
    for _ in 0..PATIENCE {
        if cluster.tenancy.holder == Some(holder) && invariant::all_is_well(cluster) {
            cluster.budget = budget;
            // What brought the group here explains no later move.
            cluster.tenancy.order = false;
            return Ok(());
        }
        player.possible(cluster, &mut possible);
        let next = possible.iter().min_by_key(|action| matches!(action, Action::Tick(_)));
        let Some(next) = next else { break };
        player.play(cluster, *next)?;
    }
    Err(RootError::Restless)
}
