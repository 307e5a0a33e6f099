//! What an administrator says to the witness over its serial line, while no daemon uses that. For commands only: these
//! calls wait.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX};
use heartline_core::provision::Answer;
use nix::poll::PollFlags;

use super::report::MediaError;
use super::serial::Tty;
use super::serial_test::{into_io, is_passing, wait_for};
use crate::clock;

/// The serial line to a witness.
pub struct WitnessLine {
    tty: Tty,
    deframer: Deframer<FRAME_BYTES_MAX>,
}

impl WitnessLine {
    /// Opens `device` for this process alone.
    ///
    /// # Errors
    /// It cannot be opened, is in use, or is no serial device.
    pub fn open(device: &Path, baud: u32) -> io::Result<Self> {
        let tty = Tty::open(device, baud).map_err(into_io)?;
        Ok(Self { tty, deframer: Deframer::new() })
    }

    /// Sends a frame of provisioning and waits for the answer of the witness; nothing if none comes in time. What else
    /// comes in, as heartbeats of the other host do, is passed over.
    ///
    /// # Errors
    /// The device failed, takes no bytes, or was hung up.
    pub fn ask(&mut self, frame: &[u8], patience: Duration) -> io::Result<Option<Answer>> {
        let deadline = clock::monotonic() + patience;
        let mut bytes = [0; framing::encoded_bytes_max(FRAME_BYTES_MAX)];
        let length =
            framing::encode(frame, &mut bytes).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        // The leading zero ends whatever the witness holds for the beginning of a frame.
        self.send(&[0], deadline)?;
        self.send(bytes.get(..length).unwrap_or_default(), deadline)?;
        self.answer(deadline)
    }

    fn send(&mut self, mut rest: &[u8], deadline: Instant) -> io::Result<()> {
        while !rest.is_empty() {
            wait_for(&self.tty, PollFlags::POLLOUT, deadline)?;
            match (&self.tty.file).write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn answer(&mut self, deadline: Instant) -> io::Result<Option<Answer>> {
        let mut chunk = [0; 256];
        loop {
            match wait_for(&self.tty, PollFlags::POLLIN, deadline) {
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
                outcome => outcome?,
            }
            let length = match (&self.tty.file).read(&mut chunk) {
                Ok(0) => return Err(into_io(MediaError::HungUp)),
                Ok(length) => length,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            for byte in chunk.get(..length).unwrap_or_default() {
                let frame = self.deframer.push(*byte).and_then(Result::ok);
                if let Some(Ok(answer)) = frame.map(Answer::read) {
                    return Ok(Some(answer));
                }
            }
        }
    }
}
