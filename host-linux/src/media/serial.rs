//! A null-modem cable on a serial device: opening it, frames out, frames in. Works on pseudo-terminals too.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::fcntl::OFlag;
use serialport::{ClearBuffer, SerialPort as _, TTYPort};

use super::line::{LineOutput, time_on_the_line};
use super::pace::Pace;
use super::report::{LinkCounters, MediaError};

/// Reads of one wake-up: more than a terminal holds.
const READS_MAX: usize = 64;
const CHUNK_BYTES: usize = 512;
/// Bytes in 10 ms, beyond which the line is left alone; more than any real one brings.
const BYTES_IN_A_WINDOW: usize = 8 << 10;
/// In the middle of a frame the line is left alone for the time that the rest of it should need, or else every single
/// byte would wake us. Of no less than so many bytes; a usual chip holds as many back itself.
const PAUSE_BYTES_MIN: u64 = 8;
/// But no longer than this on a slow line.
const PAUSE_MAX: Duration = Duration::from_millis(30);
/// A line that brings copies is read when we are awake anyway. But what it brings must fit into the buffer of the terminal,
const COPIES_BYTES_MAX: u64 = 2_048;
/// and should the faster medium fail, the line must not be left alone for long.
const COPIES_MAX: Duration = Duration::from_millis(500);

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
    baud: u32,
    /// How many bytes of the present frame have come, and how many the one before had on the line.
    frame_bytes: u64,
    last_frame_bytes: u64,
    /// Until when the device is not listened to: for the rest of a frame, or since there was too much at once;
    paused_until: Option<Instant>,
    /// and since a faster medium brings all that comes here, the last time at `copy_at`.
    copies_until: Option<Instant>,
    copy_at: Option<Instant>,
    pace: Pace,
    /// What the event loop watches the device for at present.
    watched: Option<Interest>,
}

impl SerialLink {
    pub(super) fn open(
        device: &Path,
        baud: u32,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, MediaError> {
        let mut link = Self {
            tty: Tty::open(device, baud)?,
            output: LineOutput::new(baud),
            deframer: Deframer::new(),
            baud,
            frame_bytes: 0,
            last_frame_bytes: 0,
            paused_until: None,
            copies_until: None,
            copy_at: None,
            pace: Pace::new(BYTES_IN_A_WINDOW),
            watched: None,
        };
        link.watch(registry, token)?;
        Ok(link)
    }

    /// Has the event loop watch for what matters now. What comes in between the last read and this counts as news.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> Result<(), MediaError> {
        let is_left_alone = self.paused_until.is_some() || self.copies_until.is_some();
        let readable = (!is_left_alone).then_some(Interest::READABLE);
        let writable = self.output.is_stuck().then_some(Interest::WRITABLE);
        let wanted = match (readable, writable) {
            (Some(readable), Some(writable)) => Some(readable | writable),
            (readable, writable) => readable.or(writable),
        };
        if wanted == self.watched {
            return Ok(());
        }
        let descriptor = self.tty.file.as_raw_fd();
        let mut source = SourceFd(&descriptor);
        let changed = match (self.watched, wanted) {
            (None, Some(interest)) => registry.register(&mut source, token, interest),
            (Some(_), Some(interest)) => registry.reregister(&mut source, token, interest),
            (_, None) => registry.deregister(&mut source),
        };
        changed.map_err(MediaError::io("watch the device"))?;
        self.watched = wanted;
        Ok(())
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.tty.file.as_fd()
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

    /// Whether the event loop tells of what comes in.
    pub(super) fn is_listened_to(&self) -> bool {
        self.watched.is_some_and(Interest::is_readable)
    }

    /// Whether the device is to be read by now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.paused_until.into_iter().chain(self.copies_until).any(|until| until <= now)
    }

    /// A faster medium brought a frame whose copy begins to come in here. As long as it goes on like that, nothing that
    /// comes here is news: it is read when we are awake anyway. To be followed by [`Self::watch`].
    pub(super) fn expect_copies(&mut self, now: Instant) {
        let Some(before) = self.copy_at.replace(now) else { return };
        let patience = now.saturating_duration_since(before) * 3 / 2;
        let patience = patience.min(COPIES_MAX).min(time_on_the_line(COPIES_BYTES_MAX, self.baud));
        self.copies_until = self.copies_until.max(Some(now + patience));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.output.deadline().into_iter().chain(self.paused_until).chain(self.copies_until).min()
    }

    /// Reads what has come. To be followed by [`Self::watch`].
    pub(super) fn receive(
        &mut self,
        now: Instant,
        counters: &mut LinkCounters,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), MediaError> {
        let pause_is_over = self.paused_until.take_if(|until| *until <= now).is_some();
        self.copies_until = self.copies_until.filter(|until| now < *until);
        let mut chunk = [0; CHUNK_BYTES];
        let mut total = 0;
        for _ in 0..READS_MAX {
            let count = match self.tty.file.read(&mut chunk) {
                Ok(0) => return Err(MediaError::HungUp),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(line_error("read from the device", error)),
            };
            total += count;
            counters.bytes_in += count as u64;
            let mut is_whole = false;
            self.deframer.feed(&chunk[..count], |outcome| {
                is_whole = true;
                match outcome {
                    Ok(frame) => {
                        counters.frames_in += 1;
                        sink(frame);
                    }
                    Err(_) => counters.malformed += 1,
                }
            });
            self.frame_bytes += count as u64;
            if is_whole {
                // What may have come of the next one beside it is soon found out.
                self.last_frame_bytes = mem::take(&mut self.frame_bytes);
            }
            // Where no event was awaited none can be missed: the next watch tells of what comes after this.
            if count < CHUNK_BYTES && !self.is_listened_to() {
                break;
            }
        }
        if total == 0 && pause_is_over {
            // The rest of a frame did not come: whatever comes next is news.
            self.last_frame_bytes = 0;
        } else if self.frame_bytes > 0 && self.paused_until.is_none() {
            self.paused_until = Some(now + self.pause());
        }
        self.paused_until = self.paused_until.max(self.pace.note(now, total));
        Ok(())
    }

    fn pause(&self) -> Duration {
        let rest = self.last_frame_bytes.saturating_sub(self.frame_bytes).max(PAUSE_BYTES_MIN);
        time_on_the_line(rest, self.baud).min(PAUSE_MAX)
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
