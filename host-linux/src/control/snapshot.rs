//! The state of the cluster as it is told to commands: plain data, and the words for it. Who fills it in is the daemon.

mod witness;

use std::collections::BTreeMap;

use heartline_core::{health, message};
use serde::{Deserialize, Serialize};

pub use witness::{
    Witness, WitnessCounters, WitnessDeed, WitnessHost, WitnessReset, WitnessVote, WitnessWatch,
};

use crate::fence::history;

/// The state of the cluster as one node sees it: all that `heartline status` and `cl_status` show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The daemon's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The node that speaks.
    pub this_node: String,
    /// `haresources`.
    pub managed_by: String,
    /// The intervals in force.
    pub times: Times,
    /// Members in the order of `ha.cf`, then ping nodes. (`cl_status` shows them in reverse, as the original.)
    pub nodes: Vec<Node>,
    /// The resource groups in the order of `haresources`.
    pub groups: Vec<Group>,
    /// This node's heartbeat media in the order of `ha.cf`.
    pub media: Vec<Medium>,
    /// This node's fencing devices and what is remembered of fences, its own included.
    #[serde(default)]
    pub fencing: Fencing,
    /// What this node holds, in the original's terms.
    pub rscstatus: Holdings,
    /// Whether maintenance is on: resources stay as they are, and nothing is managed.
    #[serde(default)]
    pub maintenance: bool,
    /// Whether reachable ping nodes decide who runs the groups.
    pub ipfail: bool,
    /// The majority; absent where `quorum` is off.
    pub quorum: Option<Quorum>,
    /// This node's hardware watchdog; absent where `ha.cf` names none.
    pub watchdog: Option<Watchdog>,
    /// The witness in the null-modem cable; absent where `ha.cf` names none.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// The directives of `ha.cf` as written, with the defaults of the rest.
    pub parameters: BTreeMap<String, String>,
    /// What an administrator should look after, most urgent first; one sentence each.
    pub warnings: Vec<String>,
    /// What is good to know and asks for nothing; one sentence each.
    pub remarks: Vec<String>,
}

/// The intervals in force, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the directives")]
pub struct Times {
    pub keepalive_ms: u64,
    pub deadtime_ms: u64,
    pub warntime_ms: u64,
    pub initdead_ms: u64,
    pub deadping_ms: u64,
}

/// Whether this node is among the majority without which it runs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many nodes the cluster has.
    pub nodes: usize,
    /// How many of them, this one included, are a majority.
    pub needed: usize,
    /// Whether this node has it.
    pub held: bool,
    /// When this node is cut off from the others, it begins to stop its groups within this time, in milliseconds.
    pub lost_within_ms: u64,
}

/// This node's hardware watchdog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    /// Its device.
    pub device: String,
    /// The time-out that the other nodes rely on, in milliseconds; absent while it is not armed.
    pub armed_ms: Option<u64>,
    /// Why it is not armed, as a sentence.
    pub problem: Option<String>,
}

/// A member, or a host that answers pings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name in lower case.
    pub name: String,
    /// Member or ping node.
    pub kind: NodeKind,
    /// Whether it lives.
    pub status: NodeStatus,
    /// What it says that it is doing; absent while it was never heard, and for ping nodes.
    pub phase: Option<Phase>,
    /// The generation of its present life; absent while it was never heard, and for ping nodes.
    pub generation: Option<u32>,
    /// The links to it in the order of `ha.cf`. (`cl_status` shows them in reverse, as the original.)
    pub links: Vec<Link>,
    /// Whether it hears this node; true for this node and for ping nodes that answer.
    pub hears_us: bool,
    /// Whether its resource configuration is the same as ours; true while unknown.
    pub configuration_agrees: bool,
    /// How long ago it was last heard on any link, in milliseconds; absent if never, and for this node.
    pub heard_ms_ago: Option<u64>,
}

/// Member or ping node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A member of the cluster.
    Normal,
    /// A host, or group of hosts, that answers pings.
    Ping,
}

impl NodeKind {
    /// The original's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Ping => "ping",
        }
    }
}

/// Whether a node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Not heard yet, and not yet given up.
    Init,
    /// Heard, and not yet active.
    Up,
    /// A full member.
    Active,
    /// Silent for too long.
    Dead,
    /// A ping node that answers.
    Ping,
    /// Gone in good order.
    Left,
}

impl NodeStatus {
    /// The word in `heartline status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Active => "active",
            Self::Dead => "dead",
            Self::Ping => "ping",
            Self::Left => "left",
        }
    }

    /// The original's word: it calls a node that left `dead`.
    #[must_use]
    pub fn original_word(self) -> &'static str {
        match self {
            Self::Left => "dead",
            other => other.word(),
        }
    }
}

/// What a node says that it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not heard enough to take part.
    Starting,
    /// It takes part.
    Active,
    /// It gives everything up.
    Leaving,
    /// It holds nothing and is about to end.
    Left,
}

impl From<message::Phase> for Phase {
    fn from(phase: message::Phase) -> Self {
        match phase {
            message::Phase::Starting => Self::Starting,
            message::Phase::Active => Self::Active,
            message::Phase::Leaving => Self::Leaving,
            message::Phase::Left => Self::Left,
        }
    }
}

/// One way to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The interface or device.
    pub name: String,
    /// The directive: `serial`, `bcast`, `mcast`, `ucast`, `ping` ...
    pub kind: String,
    /// Whether the node is heard on it. For this node: whether the medium is open.
    pub up: bool,
    /// How long ago, in milliseconds; absent if never, and for this node.
    pub heard_ms_ago: Option<u64>,
}

/// A heartbeat medium of this node, and what went through it since the daemon's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// The interface or device.
    pub name: String,
    /// The directive: `serial`, `bcast`, `mcast`, `ucast` ...
    pub kind: String,
    /// Whether it is open at present.
    pub open: bool,
    /// What is wrong with it, as a sentence.
    pub problem: Option<String>,
    /// Frames received, whatever they were.
    pub frames_in: u64,
    /// Bytes received, garbage included.
    pub bytes_in: u64,
    /// Frames sent.
    pub frames_out: u64,
    /// Bytes sent, framing included.
    pub bytes_out: u64,
    /// Frames that could not be sent.
    pub dropped: u64,
    /// Stretches of input that were no frame of heartline's, as far as the medium can tell.
    pub garbage: u64,
    /// Frames that were authentic and fresh, copies included.
    pub accepted: u32,
    /// Frames that were refused, by reason.
    pub refused: Refused,
}

/// How many frames were refused on a medium, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refused {
    /// Not what the format says.
    pub malformed: u32,
    /// Signed with a key that `authkeys` does not have.
    pub unknown_key: u32,
    /// Failed authentication.
    pub wrong_tag: u32,
    /// From a node that `ha.cf` does not name.
    pub unknown_member: u32,
    /// Of an earlier life of its sender.
    pub old_generation: u32,
    /// Seen before on this link, or too old to tell.
    pub replayed: u32,
    /// More than are opened: a flood. What the kernel drops during one is not counted.
    #[serde(default)]
    pub flood: u32,
}

/// Fencing as one node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fencing {
    /// This node's devices in the order in which they are tried.
    pub devices: Vec<FencingDevice>,
    /// Who was fenced by whom, oldest first.
    pub history: Vec<history::Entry>,
}

/// A fencing device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingDevice {
    /// Its type, as written in `ha.cf`.
    pub kind: String,
    /// How long ago it was last asked, in seconds; absent while it was not.
    pub checked_s_ago: Option<u64>,
    /// Why it does not work; absent while it does, as far as is known.
    pub problem: Option<String>,
}

/// A line of `haresources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its first resource as written.
    pub name: String,
    /// The node that it belongs to.
    pub preferred: String,
    /// All its resources as written, in the order of start.
    pub resources: Vec<String>,
    /// The node that runs it, as far as known.
    pub owner: Option<String>,
    /// Its state on this node.
    pub state: GroupState,
    /// The epoch of the newest claim.
    pub epoch: u64,
    /// Its state on the other members, as they last said.
    pub elsewhere: Vec<Elsewhere>,
    /// Why it is not as it should be, in words: the last error, the reason for waiting.
    pub reason: Option<String>,
    /// How it failed on this node, after having run, since the last clean-up; absent if it did not.
    pub failures: Option<Failures>,
}

/// The failures of a group that is monitored, on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many there were.
    pub count: u16,
    /// What the last one was.
    pub ailment: Ailment,
    /// How long ago that was, in milliseconds.
    pub ms_ago: u64,
    /// The resource that failed last, as written.
    pub resource: Option<String>,
    /// What was said about it.
    pub error: Option<String>,
    /// How often the group was restarted in place within the window.
    pub restarts: u8,
    /// How often it may be, before it moves.
    pub restarts_allowed: u8,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

/// The state of a group on another member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The member.
    pub node: String,
    /// What it last said.
    pub state: GroupState,
}

/// The state of a group on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Nothing of it runs.
    Idle,
    /// The node asks the others whether it may start it.
    Claiming,
    /// Its start has begun.
    Starting,
    /// All of it runs.
    Running,
    /// Its stop has begun.
    Stopping,
    /// It could not be started or stopped, and waits for `cleanup`.
    Failed,
    /// Not looked at yet, or never told.
    Unknown,
}

impl GroupState {
    /// The word in `heartline status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Claiming => "claiming",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl From<message::GroupState> for GroupState {
    fn from(state: message::GroupState) -> Self {
        match state {
            message::GroupState::Idle => Self::Idle,
            message::GroupState::Claiming => Self::Claiming,
            message::GroupState::Starting => Self::Starting,
            message::GroupState::Running => Self::Running,
            message::GroupState::Stopping => Self::Stopping,
            message::GroupState::Failed => Self::Failed,
            message::GroupState::Unknown => Self::Unknown,
        }
    }
}

/// Why a group that ran counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ailment {
    /// It did not run any more, or only in part.
    Gone,
    /// Its monitor did not end within its time limit.
    Hung,
    /// Its status was not clear, several times in a row.
    Unclear,
    /// Addresses that were gone could not be put back, or were gone again too often.
    NotRepaired,
}

impl Ailment {
    /// It in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Gone => "it did not run any more",
            Self::Hung => "its monitor hung",
            Self::Unclear => "its status was not clear",
            Self::NotRepaired => "its addresses could not be kept",
        }
    }
}

impl From<health::Ailment> for Ailment {
    fn from(ailment: health::Ailment) -> Self {
        match ailment {
            health::Ailment::Gone => Self::Gone,
            health::Ailment::Hung => Self::Hung,
            health::Ailment::Unclear => Self::Unclear,
            health::Ailment::NotRepaired => Self::NotRepaired,
        }
    }
}

/// What a node holds, in the original's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holdings {
    /// No group.
    None,
    /// The groups that prefer it.
    Local,
    /// The groups that prefer another node.
    Foreign,
    /// Both.
    All,
    /// Something is being started or stopped.
    Transition,
}

impl Holdings {
    /// The original's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Local => "local",
            Self::Foreign => "foreign",
            Self::All => "all",
            Self::Transition => "transition",
        }
    }
}
