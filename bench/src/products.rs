//! The products that are measured: how each is configured, started and asked. One file each.

mod heartbeat;
mod heartline;
mod keepalived;

use crate::error::Error;
use crate::pair::Node;
use clap::ValueEnum;
use heartline_lab::{Host, Job, NullModem};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hosts; the first is the preferred node.
pub(crate) const HOSTS: [&str; 2] = ["ha1", "ha2"];
/// The network of the switch.
pub(crate) const NETWORK: &str = "10.77.1.0/24";
/// The floating address.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 100);

/// Which product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub(crate) enum ProductName {
    /// Heartline itself.
    Heartline,
    /// Linux-HA heartbeat, the original.
    Heartbeat,
    /// Keepalived, VRRP.
    Keepalived,
}

impl ProductName {
    /// All, in the order of the table's columns.
    pub(crate) const ALL: [Self; 3] = [Self::Heartline, Self::Heartbeat, Self::Keepalived];

    /// What it is called, also by the kernel.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Heartline => "heartline",
            Self::Heartbeat => "heartbeat",
            Self::Keepalived => "keepalived",
        }
    }

    /// How it is driven.
    pub(crate) fn product(self) -> Box<dyn Product> {
        match self {
            Self::Heartline => Box::new(heartline::Heartline),
            Self::Heartbeat => Box::new(heartbeat::Heartbeat),
            Self::Keepalived => Box::new(keepalived::Keepalived),
        }
    }
}

/// How fast the cluster is to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tempo {
    /// As fast as the product is used for a quick takeover, over Ethernet alone: a serial line of 19,200 baud is
    /// slower than that.
    Quick,
    /// A heartbeat every 200 ms, over a serial line of 19,200 baud too if the product knows one: what a quiet
    /// cluster costs.
    Steady,
}

/// A product, as the scenarios drive it.
pub(crate) trait Product {
    /// The programs whose size counts, given the program under test.
    fn programs(&self, heartline: &Path) -> Vec<PathBuf>;

    /// How often heartbeats are sent.
    fn interval(&self, tempo: Tempo) -> Duration;

    /// The silence after which a node counts as dead, from the last heartbeat that arrived.
    fn dead_time(&self, tempo: Tempo) -> Duration;

    /// Puts the product on a host that is down, at the given end of a serial cable if there is one.
    fn install(&self, host: &mut Host, tempo: Tempo, serial: Option<&NullModem>) -> Result<(), Error>;

    /// Starts the daemon, in the foreground.
    fn start(&self, host: &mut Host) -> Result<Job, Error>;

    /// Whether both nodes know each other and one, `holder`, has the address for good, so that the other is ready
    /// to take it.
    fn settled(&self, holder: &Node, other: &Node) -> Result<bool, Error>;

    /// How long it needs to be left alone after it has settled: an order given earlier would be lost.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Moves the address from `holder` to the other host as an administrator would.
    fn hand_over(&self, holder: &mut Node) -> Result<(), Error>;
}

/// `ha.cf`, for Heartline and for the original.
fn ha_cf(times: &str, tempo: Tempo, serial: Option<&Path>) -> String {
    let serial =
        serial.map_or_else(String::new, |device| format!("baud 19200\nserial {}\n", device.display()));
    let media = match tempo {
        Tempo::Quick => String::new(),
        Tempo::Steady => serial,
    };
    format!(
        "logfile /var/log/ha-log\n{times}{media}bcast eth0\nauto_failback off\nnode {}\nnode {}\n",
        HOSTS[0], HOSTS[1]
    )
}

/// The other two files of heartbeat.
fn write_cluster_files(host: &Host, ha_cf: &str) -> Result<(), Error> {
    host.write("/etc/ha.d/ha.cf", ha_cf, 0o644)?;
    host.write("/etc/ha.d/authkeys", "auth 1\n1 sha1 the-benchmark\n", 0o600)?;
    host.write("/etc/ha.d/haresources", format!("{} IPaddr2::{ADDRESS}/24/eth0\n", HOSTS[0]), 0o644)?;
    Ok(())
}

/// Runs a command on a host, which must succeed, and gives what it said.
fn must(host: &Host, line: &[&str]) -> Result<String, Error> {
    let output = host.run(line)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = format!("{} {} {}", output.status, output.stdout.trim(), output.stderr.trim());
    Err(Error::Host { host: host.name().to_owned(), what: line.join(" "), said })
}
