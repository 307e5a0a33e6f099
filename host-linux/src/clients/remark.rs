//! What the supervisor has to say: data, and its text in the words of the original.

use std::fmt;
use std::time::Duration;

use crate::log::Level;

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A client is about to be started.
    Starting {
        /// Its command.
        command: String,
        /// Its user.
        uid: u32,
        /// The user's primary group.
        gid: u32,
    },
    /// It was started.
    Started {
        /// Its command.
        command: String,
        /// Its user.
        uid: u32,
        /// The user's primary group.
        gid: u32,
        /// Its process id.
        pid: u32,
    },
    /// It could not be started.
    NotStarted {
        /// Its command.
        command: String,
        /// A sentence for people.
        reason: String,
    },
    /// What was to become the client said a line, which is never a good one.
    Said {
        /// Its command.
        command: String,
        /// The line.
        line: String,
    },
    /// It ended by itself.
    Exited {
        /// Its command.
        command: String,
        /// Its exit status.
        code: i32,
    },
    /// It was ended by somebody else.
    Killed {
        /// Its command.
        command: String,
        /// By this signal, 0 if that is not known.
        signal: i32,
    },
    /// It is started again.
    Respawning {
        /// Its command.
        command: String,
    },
    /// It said by its exit status that it is not to be started again.
    Finished {
        /// Its command.
        command: String,
    },
    /// It ended too soon too often, and is not started again.
    TooFast {
        /// Its command.
        command: String,
    },
    /// It was ended.
    Stopped {
        /// Its command.
        command: String,
        /// How long that took.
        took: Duration,
    },
}

impl Remark {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Starting { .. } | Self::Started { .. } | Self::Finished { .. } | Self::Stopped { .. } => {
                Level::Info
            }
            Self::Exited { code: 0, .. } => Level::Info,
            Self::NotStarted { .. }
            | Self::Said { .. }
            | Self::Exited { .. }
            | Self::Killed { .. }
            | Self::Respawning { .. }
            | Self::TooFast { .. } => Level::Error,
        }
    }
}

/// The text without the word for the level.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { command, uid, gid } => {
                write!(f, "Starting child client \"{command}\" ({uid},{gid})")
            }
            Self::Started { command, uid, gid, pid } => {
                write!(f, "Starting \"{command}\" as uid {uid}  gid {gid} (pid {pid})")
            }
            Self::NotStarted { command, reason } => write!(f, "Cannot start client {command}: {reason}"),
            Self::Said { command, line } => write!(f, "Client {command}: {line}"),
            Self::Exited { command, code } => write!(f, "Client {command} exited with return code {code}."),
            Self::Killed { command, signal } => write!(f, "Client {command} killed by signal {signal}."),
            Self::Respawning { command } => write!(f, "Respawning client \"{command}\":"),
            Self::Finished { command } => {
                write!(f, "Client {command} is not started again: it exited with return code 100.")
            }
            Self::TooFast { command } => write!(
                f,
                "Client {command} \"respawning too fast\": it is not started again until `heartbeat -r`."
            ),
            Self::Stopped { command, took } => {
                write!(f, "Client {command} is stopped. Its stop took {} ms.", took.as_millis())
            }
        }
    }
}
