//! The sending side of a serial line: one frame on its way, and the newest that waits behind it.
//! Knows how long the line needs; knows nothing of devices.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};
use std::{io, mem};

use heartline_core::framing::{self, FRAME_BYTES_MAX};

use super::report::LinkCounters;

/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;

/// What is to go over one serial line.
///
/// A kernel takes seconds' worth of bytes for a slow line; heartbeats queued there would arrive old. So a frame is handed
/// over only when the line has had the time to send the one before, and meanwhile a newer frame replaces a waiting one.
pub(super) struct LineOutput {
    baud: u32,
    current: Encoded,
    written: usize,
    waiting: Encoded,
    free_at: Option<Instant>,
}

struct Encoded {
    bytes: [u8; framing::encoded_bytes_max(FRAME_BYTES_MAX)],
    length: usize,
}

impl Encoded {
    const EMPTY: Self = Self { bytes: [0; framing::encoded_bytes_max(FRAME_BYTES_MAX)], length: 0 };
}

impl LineOutput {
    /// An idle line of `baud` bits per second.
    pub(super) fn new(baud: u32) -> Self {
        Self {
            baud: baud.max(1),
            current: Encoded::EMPTY,
            written: 0,
            waiting: Encoded::EMPTY,
            free_at: None,
        }
    }

    /// Sends `frame` as soon as the line is free, unless a newer one comes first.
    pub(super) fn send(
        &mut self,
        frame: &[u8],
        line: &mut impl Write,
        now: Instant,
        counters: &mut LinkCounters,
    ) -> io::Result<()> {
        self.flush(line, now, counters)?;
        if self.waiting.length > 0 {
            counters.dropped += 1;
        }
        self.waiting.length = framing::encode(frame, &mut self.waiting.bytes).unwrap_or_else(|_| {
            counters.dropped += 1;
            0
        });
        self.flush(line, now, counters)
    }

    /// Writes what the line takes now.
    pub(super) fn flush(
        &mut self,
        line: &mut impl Write,
        now: Instant,
        counters: &mut LinkCounters,
    ) -> io::Result<()> {
        loop {
            while self.written < self.current.length {
                match line.write(&self.current.bytes[self.written..self.current.length]) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        self.written += count;
                        counters.bytes_out += count as u64;
                        counters.frames_out += u64::from(self.written == self.current.length);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if self.waiting.length == 0 || self.free_at.is_some_and(|free_at| now < free_at) {
                return Ok(());
            }
            mem::swap(&mut self.current, &mut self.waiting);
            self.waiting.length = 0;
            self.written = 0;
            self.free_at = Some(now + time_on_the_line(self.current.length as u64, self.baud));
        }
    }

    /// When the line will be free for the frame that waits, if one does. (A full device says itself when it is ready.)
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.free_at.filter(|_| !self.is_stuck() && self.waiting.length > 0)
    }

    /// Whether the device had no room for the whole of a frame.
    pub(super) fn is_stuck(&self) -> bool {
        self.written < self.current.length
    }
}

/// How long so many bytes need at `baud` bits per second.
pub(super) fn time_on_the_line(bytes: u64, baud: u32) -> Duration {
    Duration::from_nanos(bytes * BITS_PER_BYTE * 1_000_000_000 / u64::from(baud.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use heartline_core::framing::Deframer;

    /// A device that takes a given number of bytes.
    #[derive(Default)]
    struct Device {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Device {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Device {
        fn frames(&self) -> Vec<String> {
            let mut frames = Vec::new();
            Deframer::<FRAME_BYTES_MAX>::new().feed(&self.taken, |frame| {
                frames.push(String::from_utf8_lossy(frame.unwrap()).into_owned());
            });
            frames
        }
    }

    #[test]
    fn a_busy_line_gets_only_the_newest_frame_when_it_is_free() {
        let mut device = Device { room: usize::MAX, ..Device::default() };
        let mut output = LineOutput::new(10_000); // a byte a millisecond
        let mut counters = LinkCounters::default();
        let start = clock::monotonic();
        for frame in ["first", "second", "third"] {
            output.send(frame.as_bytes(), &mut device, start, &mut counters).unwrap();
        }
        assert_eq!(device.frames(), ["first"]);
        let free_at = output.deadline().unwrap();
        assert_eq!(free_at - start, Duration::from_millis(5 + 3));

        output.flush(&mut device, free_at - Duration::from_nanos(1), &mut counters).unwrap();
        assert_eq!(device.frames(), ["first"]);
        output.flush(&mut device, free_at, &mut counters).unwrap();
        assert_eq!(device.frames(), ["first", "third"]);
        assert_eq!((counters.frames_out, counters.dropped, output.deadline()), (2, 1, None));
    }

    #[test]
    fn a_full_device_gets_the_rest_of_the_frame_and_then_the_newest() {
        let mut device = Device { room: 4, ..Device::default() };
        let mut output = LineOutput::new(19_200);
        let mut counters = LinkCounters::default();
        let start = clock::monotonic();
        let later = start + Duration::from_secs(1);
        output.send(b"first", &mut device, start, &mut counters).unwrap();
        for frame in ["second", "third", "fourth"] {
            output.send(frame.as_bytes(), &mut device, later, &mut counters).unwrap();
        }
        assert_eq!((device.taken.len(), counters.frames_out, counters.dropped), (4, 0, 2));
        assert_eq!(output.deadline(), None, "only the device knows when it has room");

        device.room = usize::MAX;
        output.flush(&mut device, later, &mut counters).unwrap();
        assert_eq!(device.frames(), ["first", "fourth"]);
        assert_eq!(counters.bytes_out, device.taken.len() as u64);
    }

    #[test]
    fn a_frame_that_is_too_long_is_dropped_and_harms_no_other() {
        let mut device = Device { room: usize::MAX, ..Device::default() };
        let mut output = LineOutput::new(19_200);
        let mut counters = LinkCounters::default();
        let now = clock::monotonic();
        output.send(&[b'x'; FRAME_BYTES_MAX + 1], &mut device, now, &mut counters).unwrap();
        output.send(b"good", &mut device, now, &mut counters).unwrap();
        assert_eq!((device.frames(), counters.dropped), (vec!["good".to_owned()], 1));
    }
}
