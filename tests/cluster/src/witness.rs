//! What a cluster with a witness in its cable does more than others.

use crate::Result;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::plan::Plan;
use heartline::control::snapshot::{Snapshot, WitnessHost, WitnessWatch};
use heartline_lab::World;

/// What a node knows from the witness of a host.
#[must_use]
pub fn witness_host<'a>(status: &'a Snapshot, name: &str) -> Option<&'a WitnessHost> {
    status.witness.as_ref()?.hosts.iter().find(|host| host.name == name)
}

impl Cluster {
    /// Builds a cluster whose witness is given its keys; no daemon runs.
    ///
    /// # Errors
    /// As [`Cluster::build`], or it does not take them.
    pub fn provisioned(world: World, plan: Plan) -> Result<Self> {
        let mut cluster = Self::build(world, plan)?;
        cluster.provision()?;
        Ok(cluster)
    }

    /// Gives the witness its keys from the first host, on which no daemon runs; it has power senses.
    ///
    /// # Errors
    /// It does not take them.
    pub fn provision(&mut self) -> Result<()> {
        self.provision_with(&["--sense", "power"])
    }

    /// As [`Cluster::provision`], with other wiring.
    ///
    /// # Errors
    /// It does not take them.
    pub fn provision_with(&mut self, wiring: &[&str]) -> Result<()> {
        let command = [&["heartline", "dongle", "provision", "--yes"], wiring].concat();
        let said = self.ha1.run_well(&command)?;
        if said.contains("dongle has its keys and settings, and works with them") {
            return Ok(());
        }
        Err(Error::Wrong(said))
    }

    /// Waits until the witness watches over both hosts, and nothing is wrong.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_watched(&self) -> Result<()> {
        self.wait_armed()?;
        let mut nodes = self.nodes().into_iter();
        nodes.try_for_each(|node| node.wait_status("all is well", |status| status.warnings.is_empty()))
    }

    /// Waits until the witness watches over both hosts.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_armed(&self) -> Result<()> {
        let mut nodes = self.nodes().into_iter();
        nodes.try_for_each(|node| {
            node.wait_status("the witness watches over both", |status| {
                let watched =
                    |name| witness_host(status, name).is_some_and(|it| it.watchdog == WitnessWatch::Armed);
                watched("ha1") && watched("ha2")
            })
        })
    }

    /// What was asked of the power switch, at which the witness pulls: `reset ha1`.
    ///
    /// # Errors
    /// There is none.
    pub fn resets(&self) -> Result<Vec<String>> {
        Ok(self.power()?.requests())
    }
}
