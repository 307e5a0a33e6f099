//! A null-modem cable: bytes at a baud rate, framed by the core; bytes are lost, flipped and invented, and a break cuts a
//! frame. As in the host, one frame goes out and the newest waits behind it.

use heartline_core::framing::{FRAME_BYTES_MAX, encode, encoded_bytes_max};

use super::{Direction, FrameId};
use crate::plan::{Micros, SECOND};

/// Bytes that the kernel keeps of a line that nobody reads.
pub(crate) const LINE_BUFFER: usize = 4095;

/// The sending side of a line.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) busy: bool,
    pub(crate) waiting: Option<FrameId>,
}

impl Sending {
    pub(crate) const IDLE: Self = Self { busy: false, waiting: None };
}

impl Direction {
    /// What arrives of a frame that is sent now, and how long the line is busy with it. Whether anything was damaged is
    /// the last value.
    pub(crate) fn line(&mut self, now: Micros, frame: &[u8], baud: u32, out: &mut Vec<u8>) -> (Micros, bool) {
        let mut encoded = [0; encoded_bytes_max(FRAME_BYTES_MAX)];
        let length = encode(frame, &mut encoded).unwrap_or(0);
        let takes = length as u64 * 10 * SECOND / u64::from(baud.max(1));
        out.clear();
        if !self.passes(now) {
            return (takes, true);
        }
        if now >= self.noise_until {
            out.extend_from_slice(&encoded[..length]);
            return (takes, false);
        }
        let noise = self.noise;
        let end = if self.dice.permille(noise.breaks) { self.dice.index(length) } else { length };
        let mut damaged = end < length;
        for byte in &encoded[..end] {
            if self.dice.permille(noise.loss) {
                damaged = true;
                continue;
            }
            let mut byte = *byte;
            if self.dice.permille(noise.flips) {
                byte ^= 1 << self.dice.below(8);
                damaged = true;
            }
            out.push(byte);
            if self.dice.permille(noise.garbage) {
                out.push(self.dice.bits().to_be_bytes()[0]);
                damaged = true;
            }
        }
        if end < length && self.dice.permille(500) {
            // A break is read as a zero.
            out.push(0);
        }
        (takes, damaged)
    }
}
