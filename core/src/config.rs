//! What a node must know before it can take part, valid by construction. Names are hashed and sorted here, so that
//! every node of the cluster numbers members and groups alike. No file is read here.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::ids::{GroupIndex, MemberIndex, NodeId};
use crate::limits::{MAX_CLUSTER_NAME, MAX_GROUPS, MAX_LINKS, MAX_MEMBERS, MAX_PINGS, MAX_RESTARTS};
use crate::time::Duration;

/// A member of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberConfig {
    /// Its name on the wire.
    pub id: NodeId,
    /// What it is for.
    pub kind: MemberKind,
}

/// What a member is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberKind {
    /// It runs groups, and has a vote.
    Node,
    /// It has a vote, and says whom it hears; it never runs anything, so that nobody asks it, waits for it or fences it,
    /// and it need not know the groups.
    Witness,
}

/// A resource group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConfig {
    /// The node whose name begins the line of `haresources`.
    pub preferred: MemberIndex,
    /// A digest of the line, to find out which lines differ between two nodes.
    pub digest: [u8; 2],
    /// How often it is asked whether it still runs; zero: never. Not part of any digest: every node has its own.
    pub monitor: Duration,
    /// A longer digest of the line, never sent: whether two configurations of this node mean the same group.
    pub(crate) words: [u8; 4],
}

/// The intervals that a node lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals {
    /// How often a heartbeat is sent.
    pub keepalive: Duration,
    /// The silence after which the others hold this node for dead, and it them until it knows theirs.
    pub deadtime: Duration,
    /// The gap between two heartbeats that is worth a warning.
    pub warntime: Duration,
    /// The dead time of members that were never heard since the start.
    pub initdead: Duration,
    /// The dead time of ping nodes.
    pub deadping: Duration,
}

/// What happens when a group cannot be stopped (design section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopFailure {
    /// The node reboots itself.
    Reboot,
    /// The group is blocked until an operator acts.
    Block,
}

/// Who may run groups after the cluster has fallen apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quorum {
    /// Everybody, as with the original.
    Off,
    /// The side that has more than half of all configured nodes; see [`crate::quorum`].
    Majority,
    /// As a majority, and nothing is taken from a dead node before the witness has voted for it.
    Witness,
}

/// The choices of `ha.cf` that are not times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether a group goes back to its preferred node when that returns.
    pub auto_failback: bool,
    /// What happens when a group cannot be stopped.
    pub stop_failure: StopFailure,
    /// Whether dead members must be fenced before their groups are taken.
    pub fencing: bool,
    /// Who may run groups after the cluster has fallen apart.
    pub quorum: Quorum,
    /// Whether the number of reachable ping nodes is part of the bids (the original's ipfail).
    pub ping_decides: bool,
    /// How much longer the node with less to lose waits before it fences the other, so that two that lost sight of
    /// each other do not both go down.
    pub fence_delay: Duration,
    /// The silence after which the witness is to reset this host; nothing: it is not this host's watchdog.
    pub witness_watchdog: Option<Duration>,
    /// What happens to a group that was found not running any more.
    pub recovery: Recovery,
}

/// How often a group that failed is started again where it is, before it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// So many restarts within `window`, at most [`MAX_RESTARTS`]; 0: it moves at the first failure.
    pub restarts: u8,
    /// How long a restart counts.
    pub window: Duration,
}

/// What the original does where its `ha.cf` says nothing, `auto_failback legacy` read as `on`.
impl Default for Policy {
    fn default() -> Self {
        Self {
            auto_failback: true,
            stop_failure: StopFailure::Reboot,
            fencing: false,
            quorum: Quorum::Off,
            ping_decides: false,
            fence_delay: Duration::from_millis(0),
            witness_watchdog: None,
            recovery: Recovery { restarts: 3, window: Duration::from_millis(3_600_000) },
        }
    }
}

impl Policy {
    /// Whether a group never runs on two nodes, whatever happens: dead members are fenced, or a majority counts.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        self.fencing || matches!(self.quorum, Quorum::Majority | Quorum::Witness)
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More members than [`MAX_MEMBERS`].
    #[error("more than {MAX_MEMBERS} nodes")]
    TooManyMembers,
    /// More groups than [`MAX_GROUPS`].
    #[error("more than {MAX_GROUPS} resource groups")]
    TooManyGroups,
    /// More links than [`MAX_LINKS`].
    #[error("more than {MAX_LINKS} heartbeat media")]
    TooManyLinks,
    /// More ping nodes than [`MAX_PINGS`].
    #[error("more than {MAX_PINGS} ping nodes")]
    TooManyPings,
    /// The cluster's name is longer than [`MAX_CLUSTER_NAME`] bytes.
    #[error("the cluster's name is longer than {MAX_CLUSTER_NAME} bytes")]
    ClusterNameTooLong,
    /// This node's name, or that of a witness, is not among the members.
    #[error("this node, or a witness, is not among the nodes of the cluster")]
    NotAMember,
    /// A group's preferred node is not among the members.
    #[error("the preferred node of resource group {} is not among the nodes of the cluster", .0.0)]
    UnknownPreferred(GroupIndex),
    /// Two names share one identity on the wire; one of them must be changed.
    #[error("two node names have the same 16-bit identity on the wire; rename one of them")]
    SameIdentity,
    /// More restarts in place than [`MAX_RESTARTS`].
    #[error("more than {MAX_RESTARTS} restarts in place")]
    TooManyRestarts,
    /// A group's preferred node is a witness, which runs nothing.
    #[error("the preferred node of resource group {} is a witness, which runs nothing", .0.0)]
    PreferredWitness(GroupIndex),
    /// A dead time that is not more than twice the keepalive, or over an hour.
    #[error("the dead time must be more than twice the keepalive, and both at least 1 ms and at most 1 hour")]
    Intervals,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub(crate) cluster: String<MAX_CLUSTER_NAME>,
    pub(crate) members: Vec<MemberConfig, MAX_MEMBERS>,
    pub(crate) this: MemberIndex,
    pub(crate) groups: Vec<GroupConfig, MAX_GROUPS>,
    pub(crate) digest: [u8; 4],
    pub(crate) intervals: Intervals,
    pub(crate) policy: Policy,
    pub(crate) links: u8,
    pub(crate) pings: u8,
}

/// What a configuration is made of, in the words of the three files.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The cluster's name; part of what every tag covers.
    pub cluster: &'a str,
    /// All node names, in any order and case, each once.
    pub nodes: &'a [&'a str],
    /// This node's name.
    pub this: &'a str,
    /// The groups in the order of `haresources`: the preferred node, and the resources as one text.
    pub groups: &'a [(&'a str, &'a str)],
    /// How often each group is asked whether it still runs, in the same order; zero, and for those beyond: never.
    pub monitors: &'a [Duration],
    /// The intervals.
    pub intervals: Intervals,
    /// The choices.
    pub policy: Policy,
    /// How many media there are.
    pub links: usize,
    /// How many ping nodes there are.
    pub pings: usize,
}

/// The longest dead time; the initial dead time may be a day.
pub const LONGEST_DEADTIME: Duration = Duration::from_millis(3_600_000);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

impl Config {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// The first [`ConfigError`] found; the caller names file and line.
    pub fn new(parts: &Parts<'_>) -> Result<Self, ConfigError> {
        let cluster = String::try_from(parts.cluster).map_err(|_| ConfigError::ClusterNameTooLong)?;
        let mut names: Vec<&str, MAX_MEMBERS> =
            Vec::from_slice(parts.nodes).map_err(|_| ConfigError::TooManyMembers)?;
        names.sort_unstable_by(|a, b| lower(a).cmp(lower(b)));
        let find = |name: &str| names.iter().position(|known| known.eq_ignore_ascii_case(name)).map(index);
        let this = find(parts.this).ok_or(ConfigError::NotAMember)?;
        let members: Vec<MemberConfig, MAX_MEMBERS> =
            names.iter().map(|name| MemberConfig { id: NodeId::of(name), kind: MemberKind::Node }).collect();
        let unique =
            |(at, member): (usize, &MemberConfig)| members[..at].iter().all(|other| other.id != member.id);
        if !members.iter().enumerate().all(unique) {
            return Err(ConfigError::SameIdentity);
        }
        if parts.links > MAX_LINKS {
            return Err(ConfigError::TooManyLinks);
        }
        if parts.pings > MAX_PINGS {
            return Err(ConfigError::TooManyPings);
        }
        check_intervals(&parts.intervals)?;
        check_recovery(&parts.policy)?;
        let mut groups = Vec::new();
        for (at, (preferred_name, text)) in parts.groups.iter().enumerate() {
            let preferred =
                find(preferred_name).ok_or(ConfigError::UnknownPreferred(GroupIndex(narrow(at))))?;
            let digest = line_digest(members[usize::from(preferred.0)].id, text);
            let words = whole_digest(&[], &[(*preferred_name, *text)]);
            let monitor = parts.monitors.get(at).copied().unwrap_or(Duration::ZERO);
            let group = GroupConfig { preferred, digest, monitor, words };
            groups.push(group).map_err(|_| ConfigError::TooManyGroups)?;
        }
        Ok(Self {
            cluster,
            this,
            digest: whole_digest(&members, parts.groups),
            groups,
            members,
            intervals: parts.intervals,
            policy: parts.policy,
            links: narrow(parts.links),
            pings: narrow(parts.pings),
        })
    }

    /// The same with one member as a witness, which is a tie-breaker beside an even number of nodes. A witness itself has
    /// a configuration without groups.
    ///
    /// # Errors
    /// [`ConfigError::NotAMember`], [`ConfigError::PreferredWitness`].
    pub fn with_witness(mut self, name: &str) -> Result<Self, ConfigError> {
        let at = self.member(NodeId::of(name)).ok_or(ConfigError::NotAMember)?;
        if let Some(group) = self.groups().find(|group| self.preferred(*group) == Some(at)) {
            return Err(ConfigError::PreferredWitness(group));
        }
        self.members[usize::from(at.0)].kind = MemberKind::Witness;
        Ok(self)
    }

    /// The same with other intervals, for "what if" questions about what was lived through.
    ///
    /// # Errors
    /// [`ConfigError::Intervals`].
    pub fn with_intervals(&self, intervals: Intervals) -> Result<Self, ConfigError> {
        check_intervals(&intervals)?;
        Ok(Self { intervals, ..self.clone() })
    }

    /// Whether every place that is named exists, as [`Config::new`] makes sure: a configuration that was read from a
    /// file may say anything.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_member = |at: MemberIndex| usize::from(at.0) < self.members.len();
        is_member(self.this)
            && self.groups.iter().all(|group| is_member(group.preferred))
            && usize::from(self.links) <= MAX_LINKS
            && usize::from(self.pings) <= MAX_PINGS
            && check_intervals(&self.intervals).is_ok()
            && check_recovery(&self.policy).is_ok()
    }

    /// This node's place among the members.
    #[must_use]
    pub const fn this(&self) -> MemberIndex {
        self.this
    }

    /// All members' places, this node's included, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        (0..self.members.len()).map(index)
    }

    /// All members but this node.
    pub fn others(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        let this = self.this;
        self.members().filter(move |member| *member != this)
    }

    /// All groups' places.
    pub fn groups(&self) -> impl Iterator<Item = GroupIndex> + use<> {
        (0..self.groups.len()).map(|at| GroupIndex(narrow(at)))
    }

    /// What a member is for.
    #[must_use]
    pub fn kind(&self, member: MemberIndex) -> MemberKind {
        self.members.get(usize::from(member.0)).map_or(MemberKind::Node, |member| member.kind)
    }

    /// The witness, if there is one; the first by name if there are several.
    #[must_use]
    pub fn witness(&self) -> Option<MemberIndex> {
        self.members.iter().position(|member| member.kind == MemberKind::Witness).map(index)
    }

    /// The preferred node of `group`.
    #[must_use]
    pub fn preferred(&self, group: GroupIndex) -> Option<MemberIndex> {
        self.groups.get(usize::from(group.0)).map(|group| group.preferred)
    }

    /// How often `group` is asked whether it still runs; nothing: never.
    #[must_use]
    pub fn monitor(&self, group: GroupIndex) -> Option<Duration> {
        self.groups
            .get(usize::from(group.0))
            .map(|group| group.monitor)
            .filter(|every| *every > Duration::ZERO)
    }

    /// The intervals that this node lives by.
    #[must_use]
    pub const fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// The choices that are not times.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The place of the member that calls itself `id` on the wire.
    pub(crate) fn member(&self, id: NodeId) -> Option<MemberIndex> {
        self.members.iter().position(|member| member.id == id).map(index)
    }
}

fn check_intervals(intervals: &Intervals) -> Result<(), ConfigError> {
    let Intervals { keepalive, deadtime, .. } = *intervals;
    let fits = keepalive >= SHORTEST_INTERVAL
        && deadtime > keepalive.times(2)
        && deadtime <= LONGEST_DEADTIME
        && intervals.initdead <= LONGEST_DEADTIME.times(24);
    if fits { Ok(()) } else { Err(ConfigError::Intervals) }
}

fn check_recovery(policy: &Policy) -> Result<(), ConfigError> {
    if usize::from(policy.recovery.restarts) <= MAX_RESTARTS {
        Ok(())
    } else {
        Err(ConfigError::TooManyRestarts)
    }
}

fn lower(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().map(|byte| byte.to_ascii_lowercase())
}

fn line_digest(preferred: NodeId, text: &str) -> [u8; 2] {
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
    let mut digest = crc.digest();
    digest.update(&preferred.0);
    digest.update(text.as_bytes());
    digest.finalize().to_be_bytes()
}

fn whole_digest(members: &[MemberConfig], groups: &[(&str, &str)]) -> [u8; 4] {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    members.iter().for_each(|member| digest.update(&member.id.0));
    for (preferred, text) in groups {
        digest.update(b"\n");
        lower(preferred).for_each(|byte| digest.update(&[byte]));
        digest.update(b" ");
        digest.update(text.as_bytes());
    }
    digest.finalize().to_be_bytes()
}

fn index(at: usize) -> MemberIndex {
    MemberIndex(narrow(at))
}

/// Indices are bounded by the capacities, all below 256.
fn narrow(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(u8::MAX)
}
