//! What the running of hooks has to say: data, and its text. Nothing of this is told to a hook.

use std::fmt;
use std::path::PathBuf;

use crate::log::Level;

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// An event script is run.
    Running {
        /// Its file.
        script: PathBuf,
        /// Its event.
        event: &'static str,
    },
    /// A hook wrote a line.
    Output {
        /// The event, or the program's name.
        hook: String,
        /// Its process id.
        pid: u32,
        /// The line, at most 4096 bytes of it, without its end and without control characters.
        line: String,
    },
    /// A hook failed, or could not be run.
    Failed {
        /// A sentence for people.
        reason: String,
        /// How often in a row.
        count: u32,
    },
    /// A hook is too slow: from now on, what finds no room is left out.
    TooSlow {
        /// The script or the command.
        hook: String,
    },
    /// So much found no room.
    LeftOut {
        /// The script or the command.
        hook: String,
        /// How many calls.
        count: u32,
    },
}

impl Remark {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Running { .. } | Self::Output { .. } => Level::Info,
            Self::Failed { .. } | Self::TooSlow { .. } | Self::LeftOut { .. } => Level::Warn,
        }
    }
}

/// The text without the word for the level.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { script, event } => write!(f, "Running {} {event}", script.display()),
            Self::Output { hook, line, .. } => write!(f, "{hook}: {line}"),
            Self::Failed { reason, count: 1 } => write!(f, "{reason}"),
            Self::Failed { reason, count } => write!(f, "{reason} ({count} failures in a row)"),
            Self::TooSlow { hook } => write!(f, "{hook} is too slow: what finds no room is left out"),
            Self::LeftOut { hook, count } => {
                write!(f, "{hook} was not called for {count} that found no room")
            }
        }
    }
}
