//! What an administrator does with a new null-modem cable: send a line on one side, see it on the other.
//! For commands only: these calls wait.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::tcdrain;

use super::report::MediaError;
use super::serial::Tty;
use crate::clock;

/// Longer lines are cut here.
const LINE_BYTES_MAX: usize = 4096;

/// How long a device may take no byte at all.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Sends `text` and an end of line over `device`, as `echo text >device` does, and waits until it has left.
///
/// # Errors
/// The device cannot be opened, is in use, or takes nothing for ten seconds ([`ErrorKind::TimedOut`]).
pub fn send_line(device: &Path, baud: u32, text: &str) -> io::Result<()> {
    let tty = Tty::open(device, baud).map_err(into_io)?;
    let line = format!("{text}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        wait_for(&tty, PollFlags::POLLOUT, clock::monotonic() + WRITE_PATIENCE)?;
        match (&tty.file).write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        match tcdrain(&tty.file) {
            Err(Errno::EINTR) => {}
            outcome => return outcome.map_err(io::Error::from),
        }
    }
}

/// Waits up to `timeout` for a line on `device` and returns it without its end; control characters are shown as `�`.
///
/// What had come in before the call is thrown away, so start this side first.
///
/// # Errors
/// The device cannot be opened, is in use, is hung up, or no whole line came in time ([`ErrorKind::TimedOut`]).
pub fn receive_line(device: &Path, baud: u32, timeout: Duration) -> io::Result<String> {
    let tty = Tty::open(device, baud).map_err(into_io)?;
    let deadline = clock::monotonic() + timeout;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_BYTES_MAX {
        match (&tty.file).read(&mut byte) {
            Ok(0) => return Err(into_io(MediaError::HungUp)),
            Ok(_) if byte == *b"\n" => break,
            Ok(_) => line.extend_from_slice(&byte),
            Err(error) if is_passing(&error) => wait_for(&tty, PollFlags::POLLIN, deadline)?,
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim_end_matches('\r').replace(char::is_control, "\u{fffd}"))
}

pub(super) fn wait_for(tty: &Tty, what: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic());
        // Rounded up, so that a rest of less than a millisecond does not become a busy loop.
        let milliseconds = left.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(tty.file.as_fd(), what)], timeout) {
            Ok(0) if left.is_zero() => return Err(ErrorKind::TimedOut.into()),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

pub(super) fn into_io(error: MediaError) -> io::Error {
    match error {
        MediaError::Io { cause, .. } => cause,
        other => io::Error::other(other),
    }
}
