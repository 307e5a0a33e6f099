//! What the three files say, once they were found to be right. Nothing here reads a file or judges a value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::monitoring::Monitoring;
use crate::agents;

/// A whole, checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The directory that the files came from, as given (`/etc/ha.d`).
    pub directory: PathBuf,
    /// The name in `cluster`, part of what every frame's tag covers. Default `linux-ha`.
    pub cluster: String,
    /// This node's name in lower case: `nodeinfo` if present, else the host name.
    pub this_node: String,
    /// All cluster members in lower case, each once, in the order of `ha.cf` (`cl_status listnodes` reverses it).
    pub nodes: Vec<String>,
    /// `witness`: the third member, in the null-modem cable.
    pub witness: Option<Witness>,
    /// `witness_watchdog`: the silence after which the witness resets this host.
    pub witness_watchdog: Option<Duration>,
    /// The intervals.
    pub times: Times,
    /// The heartbeat media in the order of `ha.cf`; the index is the link number.
    pub media: Vec<Medium>,
    /// The ping nodes and ping groups in the order of `ha.cf`.
    pub pings: Vec<PingNode>,
    /// `auto_failback`: true for `on` and `legacy`.
    pub auto_failback: bool,
    /// The word in `auto_failback` as `cl_status hbparameter` shows it: `on`, `off`, `legacy`.
    pub auto_failback_word: String,
    /// What happens when a resource cannot be stopped.
    pub stop_failure: StopFailure,
    /// Who may run groups after the cluster has fallen apart.
    pub quorum: Quorum,
    /// Time limits of resource operations.
    pub limits: OperationLimits,
    /// `monitor` and `monitor_restarts`: who watches what runs, and what follows when it does not.
    pub monitoring: Monitoring,
    /// Where log lines go.
    pub logging: Logging,
    /// The fencing devices, in the order in which they are tried for a host.
    pub fencing: Vec<FenceDevice>,
    /// `fence_delay`: how much longer the node with less to lose waits before it fences the other. Default 5 s.
    pub fence_delay: Duration,
    /// True where ping nodes decide who runs the groups (`respawn ... ipfail` was given).
    pub ipfail: bool,
    /// The `respawn` and `failfast` lines for programs that are not built in, in the order of `ha.cf`.
    pub respawn: Vec<RespawnClient>,
    /// The `notify` lines, in the order of `ha.cf`.
    pub notify: Vec<Notify>,
    /// The event scripts in `rc.d` that are run, by the names of their events.
    pub event_scripts: Vec<&'static str>,
    /// `watchdog`: the device.
    pub watchdog: Option<PathBuf>,
    /// `realtime` (default true) and `rtprio`.
    pub realtime: Option<u8>,
    /// `env NAME=VALUE` lines: environment of the resource scripts, here already `HA_NAME`.
    pub environment: Vec<(String, String)>,
    /// Every recorded directive as written, with the original's defaults, for `cl_status hbparameter` and `HA_*`.
    pub parameters: Vec<(String, String)>,
    /// The signing keys.
    pub keys: KeyFile,
    /// The resource groups in the order of `haresources`.
    pub groups: Vec<Group>,
}

impl Configuration {
    /// The other nodes of the cluster, in the order of `ha.cf`.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        self.nodes.iter().filter(|node| **node != self.this_node).cloned().collect()
    }

    /// The names of all members: the nodes, and the witness if there is one.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().chain(self.witness.as_ref().map(|witness| &witness.name)).map(String::as_str)
    }
}

/// The witness in the null-modem cable of the two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in lower case.
    pub name: String,
    /// The serial device that it is at; also one of the media.
    pub device: PathBuf,
}

/// The intervals of `ha.cf`, rounded to whole milliseconds as in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How often a heartbeat is sent.
    pub keepalive: Duration,
    /// The silence after which a member is dead.
    pub deadtime: Duration,
    /// The silence after which a late heartbeat is worth a warning.
    pub warntime: Duration,
    /// The dead time of a member that was never heard since our start.
    pub initdead: Duration,
    /// The dead time of ping nodes.
    pub deadping: Duration,
}

impl Times {
    /// The time-out that a watchdog device is asked for, the original's: the dead time and 10 ms, in whole seconds,
    /// rounded up.
    #[must_use]
    pub fn watchdog_timeout(&self) -> Duration {
        let wanted = self.deadtime + Duration::from_millis(10);
        Duration::from_secs(wanted.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }
}

/// One way to the other members.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Medium {
    /// A null-modem cable on this device.
    Serial {
        /// The device, a full path.
        device: PathBuf,
        /// Bits per second.
        baud: u32,
    },
    /// UDP to the interface's broadcast address.
    Broadcast {
        /// The interface.
        interface: String,
        /// The UDP port.
        port: u16,
    },
    /// UDP to an IPv4 multicast group.
    Multicast {
        /// The interface.
        interface: String,
        /// The group, in 224.0.0.0/4.
        group: Ipv4Addr,
        /// The UDP port.
        port: u16,
        /// Hops, 0 to 4 as in the original.
        ttl: u8,
        /// Whether this host hears itself.
        loopback: bool,
    },
    /// UDP to an IPv6 multicast group.
    Multicast6 {
        /// The interface.
        interface: String,
        /// The group, in `ff00::/8`.
        group: Ipv6Addr,
        /// The UDP port.
        port: u16,
        /// Hops, 0 to 4.
        hops: u8,
        /// Whether this host hears itself.
        loopback: bool,
    },
    /// UDP to one peer; several lines are several links, also for IPv6 (`ucast6`).
    Unicast {
        /// The interface that the packets must use.
        interface: String,
        /// The peer's address.
        peer: IpAddr,
        /// The UDP port.
        port: u16,
    },
}

impl Medium {
    /// The link's name as the original shows it: the device for `serial`, the interface for the others.
    #[must_use]
    pub fn link_name(&self) -> String {
        match self {
            Self::Serial { device, .. } => device.display().to_string(),
            Self::Broadcast { interface, .. }
            | Self::Multicast { interface, .. }
            | Self::Multicast6 { interface, .. }
            | Self::Unicast { interface, .. } => interface.clone(),
        }
    }

    /// The directive that asks for such a medium.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Serial { .. } => "serial",
            Self::Broadcast { .. } => "bcast",
            Self::Multicast { .. } => "mcast",
            Self::Multicast6 { .. } => "mcast6",
            Self::Unicast { peer: IpAddr::V4(_), .. } => "ucast",
            Self::Unicast { peer: IpAddr::V6(_), .. } => "ucast6",
        }
    }
}

/// A pseudo-member that answers ICMP echo requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingNode {
    /// The name in the status: the host as written, or the group's name.
    pub name: String,
    /// The addresses; the node is there while any of them answers.
    pub hosts: Vec<IpAddr>,
}

/// What happens when a resource cannot be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopFailure {
    /// The host reboots itself, as the original's does.
    Reboot,
    /// The group is blocked until an operator acts.
    Block,
}

/// Who may run groups after the cluster has fallen apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// Every part, as with the original.
    Off,
    /// The part with more than half of all nodes.
    Majority,
    /// As a majority, and with the vote of the witness for every takeover.
    Witness,
}

/// Time limits of one call of one resource agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationLimits {
    /// For `start`.
    pub start: Duration,
    /// For `stop`.
    pub stop: Duration,
    /// For `status`.
    pub status: Duration,
}

/// Where log lines go and how they look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logging {
    /// `logfile`: everything but debug.
    pub logfile: Option<PathBuf>,
    /// `debugfile`: everything.
    pub debugfile: Option<PathBuf>,
    /// `logfacility`: a syslog facility by name (`local0`), none for `none`.
    pub facility: Option<String>,
    /// `syslogmsgfmt`: file lines in the syslog style (the default) or the older one.
    pub syslog_format: bool,
    /// `log_badpack`: whether refused frames are logged.
    pub log_badpack: bool,
    /// `debug`: 0 to 255.
    pub debug: u8,
}

/// One `stonith` or `stonith_host` line that applies on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceDevice {
    /// The plugin type (`external/ipmi`, `apcmaster`, `fence_ipmilan`), or `dongle`.
    pub kind: String,
    /// Where its parameters are.
    pub parameters: FenceParameters,
}

/// Where a fencing device's parameters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceParameters {
    /// `stonith TYPE FILE`: in a file of the plugin's own format.
    File(PathBuf),
    /// `stonith_host HOST TYPE PARAMS`: in the line itself.
    Inline(String),
    /// `stonith_host HOST dongle NAME`: no program, but the witness of this name.
    Witness(String),
}

/// One `respawn` or `failfast` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RespawnClient {
    /// The user that it runs as, name or number.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's primary group.
    pub gid: u32,
    /// The command with its arguments, for a shell; the program is a full path.
    pub command: String,
    /// Whether the host reboots when it fails (`failfast`).
    pub failfast: bool,
}

/// One `notify` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The least grave notices that are passed on.
    pub level: NotifyLevel,
    /// The command with its arguments, for a shell; the program is a full path.
    pub command: String,
}

/// How grave a notice is at least, for `notify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyLevel {
    /// Every notice.
    Info,
    /// What may fail, and all that is worse.
    Warn,
    /// What failed, and all that is worse.
    Error,
    /// Critical conditions alone.
    Crit,
}

/// The contents of `authkeys`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The number of the key that signs.
    pub signing: u8,
    /// All keys, in the order of the file; every one is accepted in what others send.
    pub keys: Vec<AuthKey>,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthKey {
    /// Its number, 0 to 15.
    pub number: u8,
    /// How it signs.
    pub method: AuthMethod,
    /// The secret, empty for `crc`.
    pub secret: Vec<u8>,
}

/// The methods of `authkeys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// Integrity only.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256, not known to the original.
    Sha256,
}

// Secrets never reach a log: only numbers and methods are shown.
impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("signing", &self.signing).field("keys", &self.keys).finish()
    }
}

impl std::fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthKey")
            .field("number", &self.number)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// One logical line of `haresources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The preferred node in lower case.
    pub preferred: String,
    /// The resources from left to right; never empty.
    pub resources: Vec<Resource>,
    /// The physical line in `haresources` where the group begins, from 1.
    pub line: u32,
}

impl Group {
    /// The group's name, as in the original: its first resource as written.
    #[must_use]
    pub fn name(&self) -> &str {
        self.resources.first().map_or("", |resource| resource.text.as_str())
    }
}

/// One word of a `haresources` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The word as written (`IPaddr::10.0.0.1/24`, or just `10.0.0.1/24`).
    pub text: String,
    /// The script or built-in agent (`IPaddr` for a bare address).
    pub agent: String,
    /// The arguments between `::`, without empty ones.
    pub arguments: Vec<String>,
    /// Its own time limits, where its agent asks for longer ones than are usual.
    pub limits: Option<OperationLimits>,
}

/// The kind of an agent, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent<'a> {
    /// Part of this program.
    BuiltIn(&'a str),
    /// A script in `resource.d` or `init.d`.
    Script(&'a str),
    /// `lsb:`: a script in `init.d`.
    Lsb(&'a str),
    /// `ocf:`: provider and agent with a colon between them.
    Ocf(&'a str),
    /// `systemd:`: a unit.
    Systemd(&'a str),
}

impl<'a> Agent<'a> {
    /// The kind of a resource's agent.
    #[must_use]
    pub fn of(resource: &'a Resource) -> Self {
        let name = resource.agent.as_str();
        // The built-in agents win over scripts of the same names: the original's package put wrappers by these names
        // into `resource.d`, and those call agents that need not be installed.
        if agents::is_builtin(name) {
            Self::BuiltIn(name)
        } else if let Some(rest) = name.strip_prefix("ocf:") {
            Self::Ocf(rest)
        } else if let Some(unit) = name.strip_prefix("systemd:") {
            Self::Systemd(unit)
        } else if let Some(script) = name.strip_prefix("lsb:") {
            Self::Lsb(script)
        } else {
            Self::Script(name)
        }
    }
}
