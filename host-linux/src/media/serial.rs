//! A null-modem cable on a serial device: opening it, frames out, frames in. Works on pseudo-terminals too.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::fcntl::OFlag;
use serialport::{ClearBuffer, SerialPort as _, TTYPort};

use super::Progress;
use super::line::LineOutput;
use super::report::{LinkCounters, MediaError};

/// Reads of one wake-up; with [`CHUNK_BYTES`] several hundred heartbeats.
const READS_MAX: usize = 64;
const CHUNK_BYTES: usize = 512;

/// An open serial device: raw, 8N1, no flow control, never blocking.
///
/// `serialport` leaves its descriptor blocking, so it holds the settings and the lock while `file`, which is the same
/// device, carries the bytes.
pub(super) struct Tty {
    pub(super) file: File,
    _settings: TTYPort,
}

impl Tty {
    /// Opens `device` for this process alone at `baud` bits per second; what it had received before is lost.
    pub(super) fn open(device: &Path, baud: u32) -> Result<Self, MediaError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
            .open(device)
            .map_err(MediaError::io("open the device"))?;
        let settings = TTYPort::open(&serialport::new(device.to_string_lossy(), baud))?;
        settings.clear(ClearBuffer::All)?;
        Ok(Self { file, _settings: settings })
    }
}

/// A serial link.
pub(super) struct SerialLink {
    tty: Tty,
    output: LineOutput,
    deframer: Deframer<FRAME_BYTES_MAX>,
}

impl SerialLink {
    pub(super) fn open(
        device: &Path,
        baud: u32,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, MediaError> {
        let tty = Tty::open(device, baud)?;
        registry
            .register(&mut SourceFd(&tty.file.as_raw_fd()), token, Interest::READABLE | Interest::WRITABLE)
            .map_err(MediaError::io("watch the device"))?;
        Ok(Self { tty, output: LineOutput::new(baud), deframer: Deframer::new() })
    }

    pub(super) fn close(self, registry: &Registry) {
        // An error would say that the descriptor is not watched, which is what is wanted.
        let _ = registry.deregister(&mut SourceFd(&self.tty.file.as_raw_fd()));
    }

    pub(super) fn send(
        &mut self,
        frame: &[u8],
        now: Instant,
        counters: &mut LinkCounters,
    ) -> Result<(), MediaError> {
        self.output.send(frame, &mut self.tty.file, now, counters).map_err(write_error)
    }

    /// Goes on with what could not be written before.
    pub(super) fn flush(&mut self, now: Instant, counters: &mut LinkCounters) -> Result<(), MediaError> {
        self.output.flush(&mut self.tty.file, now, counters).map_err(write_error)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.output.deadline()
    }

    pub(super) fn receive(
        &mut self,
        counters: &mut LinkCounters,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, MediaError> {
        let mut chunk = [0; CHUNK_BYTES];
        for _ in 0..READS_MAX {
            let count = match self.tty.file.read(&mut chunk) {
                Ok(0) => return Err(MediaError::HungUp),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(line_error("read from the device", error)),
            };
            counters.bytes_in += count as u64;
            self.deframer.feed(&chunk[..count], |outcome| match outcome {
                Ok(frame) => {
                    counters.frames_in += 1;
                    sink(frame);
                }
                Err(_) => counters.malformed += 1,
            });
        }
        Ok(Progress::MoreWaiting)
    }
}

fn write_error(error: io::Error) -> MediaError {
    line_error("write to the device", error)
}

/// EIO is what Linux says of a terminal whose other end is gone.
fn line_error(action: &'static str, error: io::Error) -> MediaError {
    if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) {
        return MediaError::HungUp;
    }
    MediaError::io(action)(error)
}
