//! What a run is made of: the settings of a cluster and a list of faults in the order of their times. A plan is data:
//! it can be drawn from a seed, written by hand for a regression test, and shrunk. What happens between the faults is
//! the business of the world and of its dice.

mod administration;
mod draw;
mod faults;
mod fencing;
mod majority;
mod monitors;
mod settings;
mod witness;

pub use faults::{Behaviour, Fault, Forgery, KINDS, Kind, Lie, Planned, Reading, Task, WitnessReset};
pub(crate) use settings::{CLUSTER, WITNESS, WITNESS_LIMIT};
pub use settings::{
    GroupSettings, HOSTS_MAX, HostSettings, LinkSettings, Settings, Times, WitnessSettings, Words, name,
};

/// Microseconds, of true time unless a host's clock is named.
pub type Micros = u64;

/// One millisecond.
pub const MILLISECOND: Micros = 1_000;
/// One second.
pub const SECOND: Micros = 1_000_000;

/// All that a run depends on.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of the dice of links, hosts and devices.
    pub seed: u64,
    /// The cluster.
    pub settings: Settings,
    /// The faults, earliest first.
    pub faults: Vec<Planned>,
    /// When the last fault has ended: from then on the cluster must come to rest.
    pub storm: Micros,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        draw::plan(seed)
    }
}
