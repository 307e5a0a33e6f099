//! What is said over the control socket: one JSON object per line. A conversation is one request, any number of
//! replies, the last of them a result.

use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;

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
    /// Turn maintenance on or off, and wait until all nodes that are alive know.
    Maintenance {
        /// Whether it is to be on.
        on: bool,
    },
    /// Restart the daemon with the services kept. If that goes well, the connection ends without a result.
    Restart,
    /// Count a dead node as down on the word of an operator, and wait until what it had is taken over.
    ConfirmDown {
        /// The node.
        node: String,
    },
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
            | Self::Reload
            | Self::Maintenance { .. }
            | Self::Restart
            | Self::ConfirmDown { .. } => false,
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
            (Request::Maintenance { on: true }, r#"{"request":"maintenance","on":true}"#),
            (Request::Restart, r#"{"request":"restart"}"#),
            (Request::ConfirmDown { node: "ha2".to_owned() }, r#"{"request":"confirm_down","node":"ha2"}"#),
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
