//! What the running of jobs has to say to people on the way: data, and its text in the words of the original.

use std::fmt;
use std::path::PathBuf;

use super::sequence::Action;

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A start begins.
    Acquiring {
        /// The preferred node and the resources.
        group: String,
    },
    /// A stop begins.
    Releasing {
        /// The preferred node and the resources.
        group: String,
    },
    /// An agent is called, to start or to stop.
    Calling {
        /// Its file.
        program: PathBuf,
        /// Its arguments without the action.
        arguments: Vec<String>,
        /// What it is asked to do.
        action: Action,
    },
    /// It did not succeed.
    ReturnCode {
        /// Its file.
        program: PathBuf,
        /// Its exit status.
        code: i32,
    },
    /// A failed stop is tried again.
    Retrying {
        /// The resource as written.
        resource: String,
    },
    /// Its stop failed, and yet the resource does not run.
    StoppedInSpiteOfFailure {
        /// The resource as written.
        resource: String,
    },
    /// There is no agent to stop a resource with, so it is taken for stopped.
    CannotLocate {
        /// A sentence for people.
        reason: String,
    },
    /// An agent wrote a line.
    Output(Output),
    /// An agent wrote more than is passed on.
    OutputLeftOut {
        /// The number of the group.
        group: usize,
        /// The resource as written.
        resource: String,
        /// How many lines were left out.
        lines: u64,
    },
}

/// One line that an agent wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The number of the group.
    pub group: usize,
    /// The resource as written.
    pub resource: String,
    /// The process id of the agent.
    pub pid: u32,
    /// The line, at most 4096 bytes of it, without its end and without control characters.
    pub line: String,
    /// Whether it came on standard error.
    pub is_stderr: bool,
}

/// How loud a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Only for the debug log.
    Debug,
    /// Ordinary.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

impl Remark {
    /// How loud it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Acquiring { .. }
            | Self::Releasing { .. }
            | Self::Calling { .. }
            | Self::Retrying { .. } => Severity::Info,
            Self::ReturnCode { .. } | Self::CannotLocate { .. } => Severity::Error,
            Self::StoppedInSpiteOfFailure { .. } | Self::OutputLeftOut { .. } => Severity::Warning,
            Self::Output(output) if output.is_stderr => Severity::Debug,
            Self::Output(_) => Severity::Info,
        }
    }
}

/// The text without the word for the severity.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquiring { group } => write!(f, "Acquiring resource group: {group}"),
            Self::Releasing { group } => write!(f, "Releasing resource group: {group}"),
            // Two blanks where there are no arguments, as the original has it.
            Self::Calling { program, arguments, action } => {
                write!(f, "Running {} {} {action}", program.display(), arguments.join(" "))
            }
            Self::ReturnCode { program, code } => write!(f, "Return code {code} from {}", program.display()),
            Self::Retrying { resource } => write!(f, "Retrying failed stop operation [{resource}]"),
            Self::StoppedInSpiteOfFailure { resource } => write!(
                f,
                "Resource script for {resource} probably not LSB-compliant: \
                 it ({resource}) MUST succeed on a stop when already stopped"
            ),
            Self::CannotLocate { reason } => f.write_str(reason),
            Self::Output(output) => write!(f, "{}: {}", output.resource, output.line),
            Self::OutputLeftOut { resource, lines, .. } => {
                write!(f, "{resource}: {lines} more lines of output were left out")
            }
        }
    }
}
