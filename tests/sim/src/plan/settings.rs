//! The cluster of a run: its nodes, groups, links and times, and how they become configurations of the core.

use std::fmt;

use heartline_core::config::{Config, ConfigError, Intervals, Parts, Policy, Quorum, StopFailure};
use heartline_core::ids::NodeId;
use heartline_core::provision::{Provision, Sense, Wiring};
use heartline_core::seal::{Key, KeyError, KeyRing, Method};
use heartline_core::time::Duration;
use heartline_core::witness::HOSTS;

use super::{MILLISECOND, Micros, SECOND};

/// The most hosts of a cluster.
pub const HOSTS_MAX: usize = 5;

/// How long a host waits for the witness's answer to a request to reset the other.
pub(crate) const WITNESS_LIMIT: Micros = 30 * SECOND;

/// Names in the order that the core sorts them in, so that a host's number is its member index.
const NAMES: [&str; HOSTS_MAX] = ["ha1", "ha2", "ha3", "ha4", "ha5"];
/// Sorted behind all of them.
pub(crate) const WITNESS: &str = "witness";
const WORDS: [&str; 6] = ["10.0.0.1 httpd", "10.0.0.2 mysql", "10.0.0.3 named", "nfs", "samba", "squid"];
/// What a line says for a while instead: another service.
const OTHER_WORDS: [&str; 6] =
    ["10.0.1.1 nginx", "10.0.1.2 pgsql", "10.0.1.3 unbound", "ftp", "cups", "exim"];
pub(crate) const CLUSTER: &str = "linux-ha";

/// A cluster.
#[derive(Debug, Clone)]
pub struct Settings {
    /// 2 to 5 hosts.
    pub hosts: Vec<HostSettings>,
    /// At most 6 groups.
    pub groups: Vec<GroupSettings>,
    /// The media.
    pub links: Vec<LinkSettings>,
    /// The witness in the cable of two hosts, if there is one; then one of the media is [`LinkSettings::Witnessed`].
    pub witness: Option<WitnessSettings>,
    /// How many ping nodes each host asks.
    pub pings: usize,
    /// The time-out of every host's hardware watchdog; nothing if they have none.
    pub watchdog: Option<Micros>,
    /// Whether fencing devices tell the power of a host, so that one that did nothing is found out.
    pub fence_reads_back: bool,
    /// How often each group is asked how it is; 0, and for those beyond: never.
    pub monitors: Vec<Micros>,
    /// The choices that all nodes share; a new one of the core's belongs here and into the drawing of plans.
    pub policy: Policy,
    /// How frames are closed.
    pub method: Method,
    /// How long things take.
    pub times: Times,
}

/// One host.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// What its `ha.cf` says.
    pub intervals: Intervals,
    /// How much faster its clock goes than true time, in parts per million.
    pub drift: i32,
    /// When it is switched on.
    pub first_boot: Micros,
}

/// One group.
#[derive(Debug, Clone, Copy)]
pub struct GroupSettings {
    /// Its preferred host.
    pub preferred: usize,
}

/// One medium.
#[derive(Debug, Clone, Copy)]
pub enum LinkSettings {
    /// A network that all hosts share.
    Datagram {
        /// The least time under way.
        delay: Micros,
        /// The most time beyond that.
        jitter: Micros,
    },
    /// A null-modem cable between two hosts.
    Serial {
        /// The two.
        ends: [usize; 2],
        /// Bits a second; ten of them carry a byte.
        baud: u32,
    },
    /// The null-modem cable of two hosts with the witness in its middle: a line of its own to each of them.
    Witnessed {
        /// Bits a second; ten of them carry a byte.
        baud: u32,
    },
}

/// The witness. It lives by the intervals of the first host.
#[derive(Debug, Clone, Copy)]
pub struct WitnessSettings {
    /// How much faster its clock goes than true time, in parts per million.
    pub drift: i32,
    /// When it first gets power.
    pub first_boot: Micros,
    /// From power or reset to its first turn.
    pub boot: Micros,
    /// How long it pulls the reset line of each host; 0 where none is wired.
    pub pulls: [Micros; HOSTS],
    /// A line that is pulled for so long has reset its host, and not before.
    pub takes_effect: Micros,
    /// What is wired as the power sense of each host.
    pub senses: [Sense; HOSTS],
    /// Whether it is the hosts' fencing device.
    pub fences: bool,
}

/// How long things take when nothing is wrong with them, at the most; the least is a tenth.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A start.
    pub start: Micros,
    /// A stop.
    pub stop: Micros,
    /// A probe.
    pub probe: Micros,
    /// A call of the fencing device.
    pub fence: Micros,
    /// From power to daemon.
    pub boot: Micros,
    /// After which a call that hangs is killed.
    pub limit: Micros,
}

/// What a host's files say at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// What all files say when nobody is changing them.
    Usual,
    /// One group in other words.
    OtherGroup(usize),
    /// All intervals longer, by so many parts in four.
    Slower(u8),
}

impl Words {
    /// Whether these name the same resources as others.
    #[must_use]
    pub fn agree_with(self, other: Self) -> bool {
        let changed = |words| if let Self::OtherGroup(group) = words { Some(group) } else { None };
        changed(self) == changed(other)
    }
}

impl Words {
    /// A span that is longer in these words than usually.
    fn lengthen(self, span: Duration) -> Duration {
        let Self::Slower(quarters) = self else { return span };
        Duration::from_micros(span.micros() / 4 * (4 + u64::from(quarters)))
    }
}

impl Settings {
    /// The configuration of one host.
    ///
    /// # Errors
    /// [`ConfigError`] if a plan written by hand does not fit the core's rules.
    pub fn config(&self, host: usize, words: Words) -> Result<Config, ConfigError> {
        let names = (0..self.hosts.len()).map(name).chain(self.witness.map(|_| WITNESS));
        let names: Vec<&str> = names.collect();
        let group = |(at, group): (usize, &GroupSettings)| {
            let words = if words == Words::OtherGroup(at) { OTHER_WORDS } else { WORDS };
            (name(group.preferred), words[at % words.len()])
        };
        let groups: Vec<(&str, &str)> = self.groups.iter().enumerate().map(group).collect();
        let monitors: Vec<Duration> =
            self.monitors.iter().map(|every| Duration::from_micros(*every)).collect();
        let config = Config::new(&Parts {
            cluster: CLUSTER,
            nodes: &names,
            this: name(host),
            groups: &groups,
            monitors: &monitors,
            intervals: self.intervals(host, words),
            policy: self.policy(words),
            links: self.media(host).count(),
            pings: self.pings,
        })?;
        if self.witness.is_some() { config.with_witness(WITNESS) } else { Ok(config) }
    }

    /// What the witness is told of all this when it gets its keys.
    #[must_use]
    pub fn provision(&self) -> Option<Provision> {
        let (settings, intervals) = (self.witness?, self.hosts.first()?.intervals);
        let wiring = |at: usize| Wiring {
            pull: Duration::from_micros(settings.pulls[at]),
            sense: settings.senses[at],
        };
        Some(Provision {
            count: 1,
            cluster: CLUSTER.try_into().ok()?,
            witness: NodeId::of(WITNESS),
            hosts: [NodeId::of(name(0)), NodeId::of(name(1))],
            keepalive: intervals.keepalive,
            deadtime: intervals.deadtime,
            baud: self.witnessed_link().map_or(0, |(_, baud)| baud),
            wiring: [wiring(0), wiring(1)],
        })
    }

    /// The link that the witness is in, and its speed.
    #[must_use]
    pub fn witnessed_link(&self) -> Option<(usize, u32)> {
        self.links.iter().enumerate().find_map(|(at, link)| match link {
            LinkSettings::Witnessed { baud } => Some((at, *baud)),
            LinkSettings::Datagram { .. } | LinkSettings::Serial { .. } => None,
        })
    }

    /// All members, the witness included.
    #[must_use]
    pub fn members(&self) -> usize {
        self.hosts.len() + usize::from(self.witness.is_some())
    }

    /// How often a group is asked how it is; nothing: never.
    #[must_use]
    pub fn monitor(&self, group: usize) -> Option<Micros> {
        self.monitors.get(group).copied().filter(|every| *every > 0)
    }

    /// The intervals that a host lives by.
    #[must_use]
    pub fn intervals(&self, host: usize, words: Words) -> Intervals {
        let usual = self.hosts[host].intervals;
        let longer = |span: Duration| words.lengthen(span);
        Intervals {
            keepalive: longer(usual.keepalive),
            deadtime: longer(usual.deadtime),
            warntime: longer(usual.warntime),
            initdead: longer(usual.initdead),
            deadping: longer(usual.deadping),
        }
    }

    /// The choices that a host lives by: who is held for dead later is reset later.
    fn policy(&self, words: Words) -> Policy {
        let witness_watchdog = self.policy.witness_watchdog.map(|after| words.lengthen(after));
        Policy { witness_watchdog, ..self.policy }
    }

    /// The keys that all hosts have.
    ///
    /// # Errors
    /// None: the key is valid.
    pub fn keys(&self) -> Result<KeyRing, KeyError> {
        KeyRing::new(1, &[Key::new(1, self.method, b"a secret of the simulator")?])
    }

    /// The links that a host is connected to, in the order of its `ha.cf`.
    pub fn media(&self, host: usize) -> impl Iterator<Item = usize> + '_ {
        let joins = move |link: &LinkSettings| match link {
            LinkSettings::Datagram { .. } | LinkSettings::Witnessed { .. } => true,
            LinkSettings::Serial { ends, .. } => ends.contains(&host),
        };
        self.links.iter().enumerate().filter(move |(_, link)| joins(link)).map(|(at, _)| at)
    }

    /// The longest of an interval among all hosts.
    #[must_use]
    pub fn longest(&self, of: impl Fn(&Intervals) -> Duration) -> Micros {
        self.hosts.iter().map(|host| of(&host.intervals).micros()).max().unwrap_or(0)
    }

    /// The least fence delay with which two hosts that lose each other at the same moment do not both go down: one may
    /// notice later by the difference of their dead times and a keepalive, and its device takes its time.
    #[must_use]
    pub fn fair_fence_delay(&self) -> Micros {
        let deadtimes = || self.hosts.iter().map(|host| host.intervals.deadtime.micros());
        let longest = deadtimes().max().unwrap_or(0);
        let apart = longest - deadtimes().min().unwrap_or(0);
        apart + 2 * self.longest(|intervals| intervals.keepalive) + longest / 100 + self.times.fence + SECOND
    }

    /// How long a fence may take, the wait before it included.
    #[must_use]
    pub fn longest_fence(&self) -> Micros {
        if self.witness.is_some_and(|witness| witness.fences) {
            return WITNESS_LIMIT + self.longest_pull();
        }
        let delay = if self.policy.quorum == Quorum::Off { self.policy.fence_delay.micros() } else { 0 };
        self.times.fence + 2 * delay
    }

    /// The longest pull of a reset line.
    #[must_use]
    pub fn longest_pull(&self) -> Micros {
        self.witness.and_then(|witness| witness.pulls.into_iter().max()).unwrap_or(0)
    }

    /// Whether takeovers are protected, so that promise 1 holds: by fencing, by quorum or by both.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.policy.fencing || self.policy.quorum != Quorum::Off
    }

    /// Whether the witness, if there is one, can reset every host.
    #[must_use]
    pub fn is_wired(&self) -> bool {
        self.witness.is_none_or(|witness| witness.pulls.iter().all(|pull| *pull > 0))
    }

    /// Whether the groups of a host that died are taken over: with quorum, not without a proof that they ended with it.
    #[must_use]
    pub fn takes_over(&self) -> bool {
        let wired = self.is_wired();
        let watched = self.watchdog.is_some() || (self.policy.witness_watchdog.is_some() && wired);
        let fenced = self.policy.fencing && wired;
        match self.policy.quorum {
            Quorum::Off => fenced || !self.policy.fencing,
            Quorum::Majority | Quorum::Witness => fenced || watched,
        }
    }

    /// Whether a group that cannot be stopped makes its host reboot.
    #[must_use]
    pub fn reboots_on_stop_failure(&self) -> bool {
        self.policy.stop_failure == StopFailure::Reboot
    }
}

/// For people who read about a run.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.hosts.iter().enumerate() {
            let Intervals { keepalive, deadtime, initdead, .. } = host.intervals;
            let (keepalive, deadtime, initdead) = (keepalive.millis(), deadtime.millis(), initdead.millis());
            write!(
                f,
                "{}: keepalive {keepalive} ms, deadtime {deadtime} ms, initdead {initdead} ms, ",
                name(at)
            )?;
            writeln!(f, "clock {:+} ppm, on at {} ms", host.drift, host.first_boot / MILLISECOND)?;
        }
        for (at, link) in self.links.iter().enumerate() {
            match link {
                LinkSettings::Datagram { delay, jitter } => {
                    writeln!(f, "link {at}: network, {delay} to {} us", delay + jitter)?;
                }
                LinkSettings::Serial { ends: [one, other], baud } => {
                    writeln!(f, "link {at}: cable between {} and {}, {baud} baud", name(*one), name(*other))?;
                }
                LinkSettings::Witnessed { baud } => {
                    writeln!(f, "link {at}: cable with the witness in it, {baud} baud")?;
                }
            }
        }
        for (at, group) in self.groups.iter().enumerate() {
            writeln!(f, "group {at}: prefers {}", name(group.preferred))?;
        }
        writeln!(f, "policy: {:?}", self.policy)?;
        if let Some(witness) = self.witness {
            writeln!(f, "{witness:?}")?;
        }
        if let Some(timeout) = self.watchdog {
            writeln!(f, "watchdogs: {} ms", timeout / MILLISECOND)?;
        }
        let Times { start, stop, probe, fence, boot, limit } = self.times;
        let millis = [start, stop, probe, fence, boot, limit].map(|span| span / MILLISECOND);
        let [start, stop, probe, fence, boot, limit] = millis;
        write!(f, "at most, in ms: start {start}, stop {stop}, probe {probe}, fence {fence}, boot {boot}, ")?;
        writeln!(f, "limit of a job {limit}; {} ping nodes, frames closed by {:?}", self.pings, self.method)
    }
}

/// A host's name.
#[must_use]
pub fn name(host: usize) -> &'static str {
    NAMES[host % NAMES.len()]
}
