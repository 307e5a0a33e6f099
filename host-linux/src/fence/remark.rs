//! What is worth a line in the log about fencing, in the words of the original where it has some.

use std::fmt;

use crate::resources::Severity;

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A device is asked.
    Resetting {
        /// The host to be reset.
        host: String,
        /// The kind of the device.
        device: String,
    },
    /// It confirmed, and where that can be read back, the host is off.
    Reset {
        /// The host that was reset.
        host: String,
    },
    /// The witness saw the host's power go while it pulled the line.
    PowerWent {
        /// The host.
        host: String,
    },
    /// It failed, or could not be asked.
    NotReset {
        /// The host that was to be reset.
        host: String,
        /// The kind of the device.
        device: String,
        /// A sentence for people.
        reason: String,
    },
    /// A host that was off has its power again.
    PoweredOn {
        /// The host.
        host: String,
    },
    /// A host that is off could not be given its power again.
    StaysOff {
        /// The host.
        host: String,
        /// The kind of the device.
        device: String,
        /// A sentence for people.
        reason: String,
    },
    /// A device is checked.
    Checking {
        /// The kind of the device.
        device: String,
    },
    /// A device that did not work works again.
    Operational {
        /// The kind of the device.
        device: String,
    },
    /// A device does not work.
    NotOperational {
        /// The kind of the device.
        device: String,
        /// A sentence for people.
        reason: String,
    },
    /// A device wrote a line.
    Output {
        /// The kind of the device.
        device: String,
        /// The process id of its program.
        pid: u32,
        /// The line, at most 4096 bytes of it, without its end and without control characters.
        line: String,
        /// Whether it came on standard error.
        is_stderr: bool,
    },
    /// A device wrote more than is passed on.
    OutputLeftOut {
        /// The kind of the device.
        device: String,
        /// How many lines were left out.
        lines: u64,
    },
}

impl Remark {
    /// How loud it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Resetting { .. }
            | Self::Reset { .. }
            | Self::PowerWent { .. }
            | Self::PoweredOn { .. }
            | Self::Checking { .. }
            | Self::Operational { .. }
            | Self::Output { .. } => Severity::Info,
            Self::StaysOff { .. } | Self::OutputLeftOut { .. } => Severity::Warning,
            Self::NotReset { .. } | Self::NotOperational { .. } => Severity::Error,
        }
    }
}

/// The text without the word for the severity.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resetting { host, device } => write!(f, "Resetting node {host} with [{device}]"),
            Self::Reset { host } => write!(f, "node {host} now reset."),
            Self::PowerWent { host } => write!(f, "the power of node {host} went, as it was read back."),
            Self::NotReset { host, device, reason } => {
                write!(f, "Host {host} not reset by [{device}]: {reason}")
            }
            Self::PoweredOn { host } => write!(f, "node {host} has its power again."),
            Self::StaysOff { host, device, reason } => {
                write!(f, "node {host} stays off, [{device}] did not switch it on again: {reason}")
            }
            Self::Checking { device } => write!(f, "Checking status of STONITH device [{device}]"),
            Self::Operational { device } => write!(f, "STONITH device {device} is operational again."),
            Self::NotOperational { device, reason } => {
                write!(f, "STONITH device {device} not operational! {reason}")
            }
            Self::Output { device, line, .. } => write!(f, "{device}: {line}"),
            Self::OutputLeftOut { device, lines } => {
                write!(f, "{device}: {lines} more lines of output were left out")
            }
        }
    }
}
