//! The commands' side of the control socket: blocking, with a time limit.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::line::LineBuffer;
use super::protocol::{Outcome, Reply, Request};
use super::snapshot::Snapshot;
use crate::clock;

/// The longest reply line; a snapshot of the largest cluster is far below.
const LINE_BYTES: usize = 1024 * 1024;

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the daemon does not run, or is not up yet.
    #[error("heartline does not run on this machine.")]
    NotRunning,
    /// The socket's mode forbids it.
    #[error("You may not ask heartline: that takes root or membership in the group haclient.")]
    Forbidden,
    /// The daemon did not answer in time. It may still do what was asked.
    #[error("heartline did not answer in time.")]
    TimedOut,
    /// The daemon went away before the result.
    #[error("heartline ended before it answered.")]
    Ended,
    /// The daemon said what this command does not understand: two versions, perhaps.
    #[error("heartline answered what this command does not understand: {0}")]
    Garbled(String),
    /// Any other failure of the socket.
    #[error("Cannot talk to heartline: {0}")]
    Io(io::Error),
}

/// All that came back for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For [`Request::Status`].
    pub snapshot: Option<Box<Snapshot>>,
    /// For [`Request::Parameter`].
    pub parameter: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    input: LineBuffer,
    deadline: Option<Instant>,
}

impl Client {
    /// Connects to the socket at `path`. `limit` is for everything together, none for as long as it takes.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`], [`ClientError::Forbidden`], [`ClientError::TimedOut`], or another failure of
    /// the socket.
    pub fn connect(path: &Path, limit: Option<Duration>) -> Result<Self, ClientError> {
        let deadline = limit.map(|limit| clock::monotonic() + limit);
        let attempt = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // It limits the connecting, too, where too many commands wait already.
            socket.set_write_timeout(limit)?;
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(UnixStream::from(std::os::fd::OwnedFd::from(socket)))
        };
        let stream = attempt().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning,
            io::ErrorKind::PermissionDenied => ClientError::Forbidden,
            _ => timed_out_or_other(error),
        })?;
        Ok(Self { stream, input: LineBuffer::with_limit(LINE_BYTES), deadline })
    }

    /// Asks, and waits for the result. `progress` gets the steps on the way.
    ///
    /// # Errors
    /// Any [`ClientError`]. A request that failed is not an error: see [`Answer::outcome`].
    pub fn ask(&mut self, request: &Request, mut progress: impl FnMut(&str)) -> Result<Answer, ClientError> {
        match self.send(request) {
            // A daemon that turns a client away says why before it hangs up.
            Ok(()) | Err(ClientError::Ended) => {}
            Err(error) => return Err(error),
        }
        let mut snapshot = None;
        let mut parameter = None;
        loop {
            match self.reply()? {
                Reply::Progress { message } => progress(&message),
                Reply::Snapshot(new) => snapshot = Some(new),
                Reply::Parameter { value } => parameter = value,
                Reply::Result(outcome) => return Ok(Answer { snapshot, parameter, outcome }),
            }
        }
    }

    /// Asks without waiting for anything.
    ///
    /// # Errors
    /// When the request cannot be handed over.
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| ClientError::Io(io::Error::from(error)))?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(timed_out_or_other)
    }

    fn reply(&mut self) -> Result<Reply, ClientError> {
        let mut chunk = [0; 4096];
        loop {
            match self.input.next_line() {
                Ok(Some(line)) => {
                    return serde_json::from_slice(line)
                        .map_err(|error| ClientError::Garbled(error.to_string()));
                }
                Ok(None) => {}
                Err(_) => return Err(ClientError::Garbled("a line without end".to_owned())),
            }
            let left = self.deadline.map(|end| end.saturating_duration_since(clock::monotonic()));
            if left == Some(Duration::ZERO) {
                return Err(ClientError::TimedOut);
            }
            self.stream.set_read_timeout(left).map_err(ClientError::Io)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Ended),
                Ok(length) => self.input.push(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed_out_or_other(error)),
            }
        }
    }
}

fn timed_out_or_other(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::TimedOut,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Ended,
        _ => ClientError::Io(error),
    }
}
