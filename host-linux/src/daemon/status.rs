//! The state of the cluster as commands are told it: what the core knows, under the names of the configuration, with
//! what the daemon alone knows. What deserves attention is in `attention`; nothing here decides or asks anybody.

mod attention;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod tests;
mod witness;

use std::collections::HashMap;
use std::time::Duration;

use std::fmt;

use heartline_core as core;
use heartline_core::config::MemberKind;
use heartline_core::ids::{GroupIndex, LinkIndex, MemberIndex, PingIndex};
use heartline_core::member::{Member, Presence};
use heartline_core::node::PingState;
use heartline_core::time::Instant;

use crate::config::{self, Configuration};
use crate::control::snapshot::{
    Elsewhere, Failures, Fencing, Group, GroupState, Holdings, Link, Medium, Node, NodeKind, NodeStatus,
    Phase, Quorum, Refused, Snapshot, Times, Watchdog,
};
use crate::log::render::Names;
use crate::media::LinkCounters;

/// What the daemon knows and the core does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// This process.
    pub(super) pid: u32,
    /// The version that is shown.
    pub(super) version: String,
    /// The last failure of each group here, by group.
    pub(super) last_errors: Vec<Option<LastError>>,
    /// The condition of each medium, by link.
    pub(super) media: Vec<MediumCondition>,
    /// The time-out of the watchdog, as far as the other nodes may rely on it.
    pub(super) watchdog_armed: Option<Duration>,
    /// Why the watchdog is not as `ha.cf` asks for.
    pub(super) watchdog_problem: Option<String>,
    /// How the last attempt to fence a member failed, by member.
    pub(super) fence_errors: HashMap<u8, String>,
    /// The fencing devices and what they did.
    pub(super) fencing: Fencing,
    /// The commands of clients that are not started any more, since they ended too soon too often.
    pub(super) clients_given_up: Vec<String>,
}

/// What was last said about a failure of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastError {
    /// The resource as written; empty where it was none in particular.
    pub(super) resource: String,
    /// A sentence for people.
    pub(super) what: String,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.resource, self.what.trim_end())
    }
}

/// How a medium is.
#[derive(Debug, Clone, Default)]
pub(super) struct MediumCondition {
    /// Whether it is open at present.
    pub(super) open: bool,
    /// What is wrong with it, as last reported; nothing since it works as configured.
    pub(super) problem: Option<String>,
    /// What went through it.
    pub(super) counters: LinkCounters,
}

impl Extra {
    /// At the start of a daemon, or of another configuration.
    pub(super) fn new(configuration: &Configuration) -> Self {
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_errors: vec![None; configuration.groups.len()],
            media: vec![MediumCondition::default(); configuration.media.len()],
            ..Self::default()
        }
    }

    fn is_open(&self, link: usize) -> bool {
        self.media.get(link).is_some_and(|medium| medium.open)
    }

    fn last_error(&self, group: GroupIndex) -> Option<&LastError> {
        self.last_errors.get(usize::from(group.0))?.as_ref()
    }
}

/// All that a snapshot is made of.
struct View<'a> {
    node: &'a core::Node,
    configuration: &'a Configuration,
    names: Names,
    now: Instant,
    extra: &'a Extra,
}

/// What `node` knows at `now`. `configuration` is the one that the node's was made of.
pub(super) fn snapshot(
    node: &core::Node,
    configuration: &Configuration,
    now: Instant,
    extra: &Extra,
) -> Snapshot {
    let view = View { node, configuration, names: Names::new(configuration), now, extra };
    let members = configuration.nodes.iter().filter_map(|name| view.member(name));
    let pings = (0u8..).map(PingIndex).zip(&configuration.pings);
    let pings = pings.map(|(at, ping)| view.ping_node(at, ping));
    let groups = (0u8..).map(GroupIndex).zip(&configuration.groups);
    let media = (0u8..).map(LinkIndex).zip(&configuration.media);
    Snapshot {
        version: extra.version.clone(),
        pid: extra.pid,
        this_node: configuration.this_node.clone(),
        managed_by: "haresources".to_owned(),
        times: times(&configuration.times),
        nodes: members.chain(pings).collect(),
        groups: groups.filter_map(|(at, group)| view.group(at, group)).collect(),
        media: media.map(|(at, medium)| view.medium(at, medium)).collect(),
        fencing: Fencing { devices: view.fencing_devices(), ..extra.fencing.clone() },
        rscstatus: holdings(node),
        maintenance: node.in_maintenance(),
        ipfail: configuration.ipfail,
        quorum: view.quorum(),
        watchdog: view.watchdog(),
        witness: view.witness(),
        parameters: configuration.parameters.iter().cloned().collect(),
        warnings: attention::warnings(&view),
        remarks: attention::remarks(&view),
    }
}

impl View<'_> {
    fn member(&self, name: &str) -> Option<Node> {
        if name == self.configuration.this_node {
            return Some(self.this_node(name));
        }
        let at = self.names.member_index(name)?;
        let member = self.node.member(at)?;
        let heard = member.last_heard();
        Some(Node {
            name: name.to_owned(),
            kind: NodeKind::Normal,
            status: member_status(member),
            phase: heard.map(|_| member.phase().into()),
            generation: member.generation().map(|generation| generation.0),
            links: self.links_to(member),
            hears_us: member.hears_us(),
            configuration_agrees: member.agrees(),
            heard_ms_ago: heard.map(|at| self.millis_since(at)),
        })
    }

    /// The node itself. The original calls its serial line dead for ever, since it does not hear itself on it; here a
    /// link to oneself is up while the medium works.
    fn this_node(&self, name: &str) -> Node {
        let link = |(at, medium): (usize, &config::Medium)| Link {
            name: medium.link_name(),
            kind: medium.kind().to_owned(),
            up: self.extra.is_open(at),
            heard_ms_ago: None,
        };
        let status = match self.node.phase() {
            core::message::Phase::Starting => NodeStatus::Up,
            core::message::Phase::Active | core::message::Phase::Leaving => NodeStatus::Active,
            core::message::Phase::Left => NodeStatus::Left,
        };
        Node {
            name: name.to_owned(),
            kind: NodeKind::Normal,
            status,
            phase: Some(Phase::from(self.node.phase())),
            generation: Some(self.node.generation().0),
            links: self.configuration.media.iter().enumerate().map(link).collect(),
            hears_us: true,
            configuration_agrees: true,
            heard_ms_ago: None,
        }
    }

    fn links_to(&self, member: &Member) -> Vec<Link> {
        let link = |(at, medium): (LinkIndex, &config::Medium)| {
            let record = member.link(at);
            Link {
                name: medium.link_name(),
                kind: medium.kind().to_owned(),
                up: record.up,
                heard_ms_ago: record.heard.map(|heard| self.millis_since(heard)),
            }
        };
        (0u8..).map(LinkIndex).zip(&self.configuration.media).map(link).collect()
    }

    /// A ping node has one link, of its own name, as in the original.
    fn ping_node(&self, at: PingIndex, ping: &config::PingNode) -> Node {
        let state = self.node.ping(at);
        let answers = state == PingState::Up;
        let heard_ms_ago = self.node.last_pong(at).map(|pong| self.millis_since(pong));
        Node {
            name: ping.name.clone(),
            kind: NodeKind::Ping,
            status: match state {
                PingState::Unheard => NodeStatus::Init,
                PingState::Up => NodeStatus::Ping,
                PingState::Dead => NodeStatus::Dead,
            },
            phase: None,
            generation: None,
            links: vec![Link { name: ping.name.clone(), kind: "ping".to_owned(), up: answers, heard_ms_ago }],
            hears_us: answers,
            configuration_agrees: true,
            heard_ms_ago,
        }
    }

    fn group(&self, at: GroupIndex, group: &config::Group) -> Option<Group> {
        let here = self.node.group_here(at)?;
        let others = self.configuration.nodes.iter().filter_map(|name| {
            let member = self.node.member(self.names.member_index(name)?)?;
            Some(Elsewhere { node: name.clone(), state: member.report(at).state.into() })
        });
        Some(Group {
            name: group.name().to_owned(),
            preferred: group.preferred.clone(),
            resources: group.resources.iter().map(|resource| resource.text.clone()).collect(),
            owner: self.node.holder(at).map(|owner| self.names.member(owner).to_owned()),
            state: GroupState::from(here.state()),
            epoch: u64::from(here.epoch().0),
            elsewhere: others.collect(),
            reason: attention::reason(self, at, here),
            failures: self.failures(at, here),
        })
    }

    /// How a group has failed here since the last clean-up; nothing if it has not.
    fn failures(&self, at: GroupIndex, group: &core::group::Group) -> Option<Failures> {
        let health = group.health();
        let (when, ailment) = health.last_failure()?;
        let recovery = self.node.config().policy().recovery;
        let error = self.extra.last_error(at);
        Some(Failures {
            count: health.failures(),
            ailment: ailment.into(),
            ms_ago: self.millis_since(when),
            resource: error.map(|error| error.resource.clone()),
            error: error.map(|error| error.what.trim_end().to_owned()),
            restarts: health.restarts(self.now, recovery.window),
            restarts_allowed: recovery.restarts,
            window_ms: recovery.window.millis(),
        })
    }

    fn medium(&self, at: LinkIndex, medium: &config::Medium) -> Medium {
        let condition = self.extra.media.get(usize::from(at.0)).cloned().unwrap_or_default();
        let judged = self.node.counters(at);
        let [malformed, unknown_key, wrong_tag, unknown_member, old_generation, replayed, flood] =
            judged.refused;
        let LinkCounters { frames_in, bytes_in, frames_out, bytes_out, dropped, malformed: garbage } =
            condition.counters;
        Medium {
            name: medium.link_name(),
            kind: medium.kind().to_owned(),
            open: condition.open,
            problem: condition.problem,
            frames_in,
            bytes_in,
            frames_out,
            bytes_out,
            dropped,
            garbage,
            accepted: judged.accepted,
            refused: Refused {
                malformed,
                unknown_key,
                wrong_tag,
                unknown_member,
                old_generation,
                replayed,
                flood,
            },
        }
    }

    fn quorum(&self) -> Option<Quorum> {
        let config = self.node.config();
        let nodes = config.members().count();
        (config.policy().quorum != core::config::Quorum::Off).then(|| Quorum {
            nodes,
            needed: core::quorum::votes_needed(nodes) + 1,
            held: self.node.has_quorum(),
            lost_within_ms: config.intervals().deadtime.millis(),
        })
    }

    fn watchdog(&self) -> Option<Watchdog> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.configuration.watchdog.as_ref().map(|device| Watchdog {
            device: device.display().to_string(),
            armed_ms: self.extra.watchdog_armed.map(millis),
            problem: self.extra.watchdog_problem.clone(),
        })
    }

    fn millis_since(&self, then: Instant) -> u64 {
        self.now.since(then).millis()
    }

    /// All nodes but this one with their numbers, in the order of their names.
    fn others(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        let known = |at| Some((at, self.node.member(at)?));
        let is_node = |(_, member): &(MemberIndex, &Member)| member.kind() == MemberKind::Node;
        self.node.config().others().filter_map(known).filter(is_node)
    }

    /// All groups of this node with their numbers.
    fn groups(&self) -> impl Iterator<Item = (GroupIndex, &core::group::Group)> {
        let known = |at| Some((at, self.node.group_here(at)?));
        self.node.config().groups().filter_map(known)
    }
}

fn member_status(member: &Member) -> NodeStatus {
    match member.presence() {
        Presence::Unheard => NodeStatus::Init,
        Presence::Dead => NodeStatus::Dead,
        Presence::Left => NodeStatus::Left,
        Presence::Alive => match member.phase() {
            core::message::Phase::Starting => NodeStatus::Up,
            core::message::Phase::Active | core::message::Phase::Leaving | core::message::Phase::Left => {
                NodeStatus::Active
            }
        },
    }
}

/// What this node holds, in the words of the original, whose books know two classes of groups: the local ones prefer
/// this node, the foreign ones another.
///
/// A class with groups is held if all of them run here: what is, not what is meant. A class without groups is held by
/// whom the original would have hold it: the local one by every active node, the foreign one by a node that has
/// nobody beside it to hold it. So on a cluster with one group both nodes say `local` while it runs where it is
/// preferred, and the survivor says `all`.
fn holdings(node: &core::Node) -> Holdings {
    if !node.is_settled() {
        return Holdings::Transition;
    }
    let config = node.config();
    let alone = config
        .others()
        .filter_map(|at| node.member(at))
        .filter(|member| member.kind() == MemberKind::Node)
        .all(|member| matches!(member.presence(), Presence::Dead | Presence::Left));
    let is_local = |group: &GroupIndex| config.preferred(*group) == Some(config.this());
    let runs_here = |group: GroupIndex| {
        node.group_here(group).is_some_and(|group| group.state() == core::message::GroupState::Running)
    };
    let local = config.groups().filter(is_local).all(runs_here);
    let mut foreign = config.groups().filter(|group| !is_local(group)).peekable();
    let foreign = if foreign.peek().is_some() { foreign.all(runs_here) } else { alone };
    match (local, foreign) {
        (false, false) => Holdings::None,
        (true, false) => Holdings::Local,
        (false, true) => Holdings::Foreign,
        (true, true) => Holdings::All,
    }
}

fn times(times: &config::Times) -> Times {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Times {
        keepalive_ms: millis(times.keepalive),
        deadtime_ms: millis(times.deadtime),
        warntime_ms: millis(times.warntime),
        initdead_ms: millis(times.initdead),
        deadping_ms: millis(times.deadping),
    }
}
