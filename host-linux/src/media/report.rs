//! What happened to media, for people: which link or ping node, what, and a sentence.
//! Which of it is worth a log line, and where that goes, is decided by the log.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

use thiserror::Error;

/// Reports kept until somebody reads them; beyond that the oldest is lost.
const REPORTS_MAX: usize = 256;

/// Why a medium does not work. It is retried; nothing else suffers.
#[derive(Debug, Error)]
pub enum MediaError {
    /// A call of the operating system failed.
    #[error("cannot {action}: {cause}")]
    Io {
        /// What was tried (`bind to 10.0.0.255:694`).
        action: Cow<'static, str>,
        /// What the system answered.
        #[source]
        cause: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// The interface exists but is not up.
    #[error("interface {0} is down")]
    InterfaceDown(String),
    /// The interface has no IPv4 address with a broadcast address.
    #[error("interface {0} has no address to broadcast from")]
    NoBroadcastAddress(String),
    /// The broadcast address that the socket is bound to is no longer the interface's.
    #[error("interface {0} no longer has its broadcast address")]
    BroadcastAddressGone(String),
    /// The serial device cannot be set to what the line needs.
    #[error("cannot set up the line: {0}")]
    Line(#[from] serialport::Error),
    /// The other end of the device is gone: unplugged, or a pseudo-terminal without its master.
    #[error("the device was hung up")]
    HungUp,
}

impl MediaError {
    /// For `map_err`: the action that failed, in words that follow "cannot".
    pub(super) fn io(action: impl Into<Cow<'static, str>>) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action: action.into(), cause }
    }
}

/// Whom a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaSource {
    /// A link, by its index in [`Configuration::media`](crate::config::Configuration::media).
    Link(usize),
    /// A ping node, by its index in [`Configuration::pings`](crate::config::Configuration::pings).
    Ping(usize),
    /// The ICMP sockets, which all ping nodes share.
    Icmp,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaEvent {
    /// It works for the first time.
    Opened,
    /// It works, but not quite as configured; the text says what is missing.
    Degraded,
    /// It does not work, or no longer; it is tried again. Said once for each cause, not for each attempt.
    Failed,
    /// It works again.
    Reopened,
}

/// Something worth saying about a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaReport {
    /// Whom it is about.
    pub source: MediaSource,
    /// What happened.
    pub event: MediaEvent,
    /// The same as a sentence, as the original words it where it has one.
    pub text: String,
}

/// The reports that nobody has read yet.
#[derive(Debug, Default)]
pub(super) struct Reports(VecDeque<MediaReport>);

impl Reports {
    pub(super) fn push(&mut self, source: MediaSource, event: MediaEvent, text: String) {
        if self.0.len() == REPORTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(MediaReport { source, event, text });
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = MediaReport> + '_ {
        self.0.drain(..)
    }
}

/// What went through one link since the start, whatever it did in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Frames received; whether they were authentic is counted by the core.
    pub frames_in: u64,
    /// Bytes received, garbage included.
    pub bytes_in: u64,
    /// Frames handed to the operating system.
    pub frames_out: u64,
    /// Bytes handed to the operating system, framing included.
    pub bytes_out: u64,
    /// Frames not sent: the line was busy with an older one, a buffer was full, or the link was closed.
    pub dropped: u64,
    /// Stretches of serial input that were no frame, datagrams that were too long, and datagrams from strangers.
    pub malformed: u64,
}
