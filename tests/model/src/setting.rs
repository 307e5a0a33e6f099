//! The clusters that are explored: two nodes, one group, and the choices that change what is decided.

use std::fmt;

use heartline_core::config::{Config, ConfigError, Intervals, Parts, Policy, StopFailure};
use heartline_core::seal::{Key, KeyError, KeyRing, Method};
use heartline_core::time::Duration;

use crate::cluster::HOSTS;

/// How often a node speaks.
pub const KEEPALIVE: Duration = Duration::from_millis(200);
/// Little more than twice that, so that few deadlines lie between a death and its discovery: two heartbeats in a row
/// must be missed.
pub const DEADTIME: Duration = Duration::from_millis(500);

/// The cluster's name; every tag covers it.
pub const CLUSTER: &str = "model";

const NAMES: [&str; HOSTS] = ["ha1", "ha2"];

/// One cluster. The group prefers the first host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Whether dead nodes are fenced before their groups are taken.
    pub fencing: bool,
    /// Whether the group goes back to its preferred node.
    pub auto_failback: bool,
    /// Heartbeat links, one or two.
    pub links: u8,
    /// What happens when the group cannot be stopped.
    pub stop_failure: StopFailure,
}

/// Why there are no nodes to explore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The core refuses the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The core refuses the keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl Setting {
    /// All that are explored, the smaller first.
    pub fn all() -> impl Iterator<Item = Self> {
        let choices = [(true, true), (true, false), (false, true), (false, false)];
        (1..=2).flat_map(move |links| {
            choices.map(|(fencing, auto_failback)| Self {
                fencing,
                auto_failback,
                links,
                stop_failure: StopFailure::Block,
            })
        })
    }

    /// What both nodes are made from.
    ///
    /// # Errors
    /// [`SettingError`], if the core takes other intervals or keys than these.
    pub fn ingredients(&self) -> Result<([Config; HOSTS], KeyRing), SettingError> {
        let config = |this| {
            Config::new(&Parts {
                cluster: CLUSTER,
                nodes: &NAMES,
                this,
                groups: &[(NAMES[0], "10.0.0.1 httpd")],
                monitors: &[],
                intervals: Intervals {
                    keepalive: KEEPALIVE,
                    deadtime: DEADTIME,
                    warntime: DEADTIME,
                    initdead: DEADTIME,
                    deadping: DEADTIME,
                },
                policy: Policy {
                    auto_failback: self.auto_failback,
                    stop_failure: self.stop_failure,
                    fencing: self.fencing,
                    ..Policy::default()
                },
                links: usize::from(self.links),
                pings: 0,
            })
        };
        // Nobody forges frames here, and this method is the quickest.
        let keys = KeyRing::new(1, &[Key::new(1, Method::Crc, b"")?])?;
        Ok(([config(NAMES[0])?, config(NAMES[1])?], keys))
    }
}

/// The name of a setting, as the command line takes it.
impl fmt::Display for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fencing = if self.fencing { "fencing" } else { "unfenced" };
        let failback = if self.auto_failback { "failback" } else { "stay" };
        let links = if self.links == 1 { "one-link" } else { "two-links" };
        write!(out, "{fencing}-{failback}-{links}")
    }
}
