//! What is said over the control socket: one JSON object per line. A conversation is one request, any number of
//! replies, the last of them a result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a command asks of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A [`Reply::Snapshot`], please.
    Status,
    /// Give up resources to the other node, and wait for the outcome.
    Standby {
        /// Which, as this node sees them.
        scope: Scope,
    },
    /// Have the other node give up resources, and wait for the outcome.
    Takeover {
        /// Which, as this node sees them.
        scope: Scope,
    },
    /// Forget failures, so that groups may run here again.
    Cleanup {
        /// The name of one group; all groups if absent.
        #[serde(default)]
        group: Option<String>,
    },
    /// A [`Reply::Parameter`], please.
    Parameter {
        /// The name of a directive of `ha.cf`.
        name: String,
    },
    /// Stop in good order: give everything up, then end.
    Stop,
    /// Read the configuration anew.
    Reload,
}

impl Request {
    /// True for what only reads; anything else is for root alone.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Status | Self::Parameter { .. } => true,
            Self::Standby { .. }
            | Self::Takeover { .. }
            | Self::Cleanup { .. }
            | Self::Stop
            | Self::Reload => false,
        }
    }
}

/// A class of resource groups, as one node sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every group.
    All,
    /// The groups that prefer this node.
    Local,
    /// The groups that prefer another node.
    Foreign,
}

impl Scope {
    /// The original's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Local => "local",
            Self::Foreign => "foreign",
        }
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// A step on the way, a sentence for people. More replies follow.
    Progress {
        /// The sentence.
        message: String,
    },
    /// The state of the cluster. A result follows.
    Snapshot(Box<Snapshot>),
    /// The value of a directive. A result follows.
    Parameter {
        /// As written in `ha.cf`, or the default; absent where there is no such directive.
        value: Option<String>,
    },
    /// The end of the conversation.
    Result(Outcome),
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether what was asked for is now so.
    pub ok: bool,
    /// What the command exits with: 0 exactly if `ok`.
    pub exit_code: u8,
    /// A sentence for people; may be empty.
    pub message: String,
}

impl Outcome {
    /// A success.
    #[must_use]
    pub fn done(message: impl Into<String>) -> Self {
        Self { ok: true, exit_code: 0, message: message.into() }
    }

    /// A failure; `exit_code` is at least 1.
    #[must_use]
    pub fn failed(exit_code: u8, message: impl Into<String>) -> Self {
        Self { ok: false, exit_code: exit_code.max(1), message: message.into() }
    }
}

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
    /// What this node holds, in the original's terms.
    pub rscstatus: Holdings,
    /// Whether reachable ping nodes decide who runs the groups.
    pub ipfail: bool,
    /// The directives of `ha.cf` as written, with the defaults of the rest.
    pub parameters: BTreeMap<String, String>,
    /// What an administrator should look after, most urgent first; one sentence each.
    pub warnings: Vec<String>,
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

/// One way to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The interface or device.
    pub name: String,
    /// The directive: `serial`, `bcast`, `mcast`, `ucast`, `ping` ...
    pub kind: String,
    /// Whether the node is heard on it.
    pub up: bool,
    /// How long ago, in milliseconds; absent if never.
    pub heard_ms_ago: Option<u64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(request: &Request) -> String {
        serde_json::to_string(request).unwrap()
    }

    #[test]
    fn requests_are_what_a_script_would_write() {
        let cases = [
            (Request::Status, r#"{"request":"status"}"#),
            (Request::Standby { scope: Scope::All }, r#"{"request":"standby","scope":"all"}"#),
            (Request::Takeover { scope: Scope::Local }, r#"{"request":"takeover","scope":"local"}"#),
            (
                Request::Cleanup { group: Some("IPaddr::10.0.0.1".to_owned()) },
                r#"{"request":"cleanup","group":"IPaddr::10.0.0.1"}"#,
            ),
            (
                Request::Parameter { name: "deadtime".to_owned() },
                r#"{"request":"parameter","name":"deadtime"}"#,
            ),
            (Request::Stop, r#"{"request":"stop"}"#),
            (Request::Reload, r#"{"request":"reload"}"#),
        ];
        for (request, text) in cases {
            assert_eq!(json(&request), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        let all: Request = serde_json::from_str(r#"{"request":"cleanup"}"#).unwrap();
        assert_eq!(all, Request::Cleanup { group: None });
    }

    #[test]
    fn results_say_how_to_exit() {
        let text = serde_json::to_string(&Reply::Result(Outcome::failed(0, "refused"))).unwrap();
        assert_eq!(text, r#"{"reply":"result","ok":false,"exit_code":1,"message":"refused"}"#);
    }
}
