//! Frames on a serial line: COBS between zero bytes, so that a reader finds the next frame after any garbage.
//! What a frame means, and whether it is authentic, is decided elsewhere.

use cobs::{DecodeResult, DecoderState};
use thiserror::Error;

/// The largest frame on any medium, in bytes.
pub const FRAME_BYTES_MAX: usize = 512;

/// Why bytes are not a frame, or a frame cannot become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramingError {
    /// An empty frame says nothing and would be taken for idle line.
    #[error("a frame has at least one byte")]
    Empty,
    /// The output buffer holds less than [`encoded_bytes_max`].
    #[error("the frame needs a buffer of {needed} bytes")]
    BufferTooSmall {
        /// What [`encoded_bytes_max`] says.
        needed: usize,
    },
    /// More bytes than the largest frame came without a zero; all up to the next zero is skipped.
    #[error("more bytes than the largest frame without an end")]
    TooLong,
    /// A zero came in the middle of a frame; reading goes on after it.
    #[error("a frame is cut short")]
    Malformed,
}

/// The most bytes that a frame of `frame_bytes` takes on the line, zeros included.
#[must_use]
pub const fn encoded_bytes_max(frame_bytes: usize) -> usize {
    cobs::max_encoding_length(frame_bytes) + 2
}

/// Writes `frame` as it goes over the line, between two zeros, and returns the number of bytes.
///
/// The leading zero ends whatever noise the reader has gathered.
///
/// # Errors
/// [`FramingError::Empty`], or [`FramingError::BufferTooSmall`] when `out` is shorter than [`encoded_bytes_max`].
pub fn encode(frame: &[u8], out: &mut [u8]) -> Result<usize, FramingError> {
    if frame.is_empty() {
        return Err(FramingError::Empty);
    }
    let needed = encoded_bytes_max(frame.len());
    let too_small = FramingError::BufferTooSmall { needed };
    let [first, rest @ ..] = out.get_mut(..needed).ok_or(too_small)? else {
        return Err(too_small);
    };
    *first = 0;
    let stuffed = cobs::try_encode(frame, rest).map_err(|_| too_small)?;
    *rest.get_mut(stuffed).ok_or(too_small)? = 0;
    Ok(stuffed + 2)
}

/// Finds frames of at most `N` bytes in what a serial line delivers, byte by byte.
#[derive(Debug)]
pub struct Deframer<const N: usize> {
    frame: [u8; N],
    length: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading(DecoderState),
    Skipping,
}

impl<const N: usize> Default for Deframer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deframer<N> {
    /// A reader that comes to a line somewhere: what stands before the first zero is the rest of a frame and is skipped
    /// in silence. Every frame begins with a zero of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self { frame: [0; N], length: 0, state: State::Skipping }
    }

    /// Takes the next byte; returns the frame that it completes, if any. Empty frames are idle line.
    ///
    /// # Errors
    /// [`FramingError::TooLong`] or [`FramingError::Malformed`], once for each stretch of bytes between two zeros
    /// that is thrown away. The next byte can be pushed at once.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], FramingError>> {
        let State::Reading(decoder) = &mut self.state else {
            if byte == 0 {
                self.restart();
            }
            return None;
        };
        match decoder.feed(byte) {
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataContinue(data)) => match self.frame.get_mut(self.length) {
                Some(slot) => {
                    *slot = data;
                    self.length += 1;
                    None
                }
                None => {
                    self.state = State::Skipping;
                    Some(Err(FramingError::TooLong))
                }
            },
            Ok(DecodeResult::DataComplete) => {
                let length = core::mem::take(&mut self.length);
                self.frame.get(..length).filter(|frame| !frame.is_empty()).map(Ok)
            }
            Err(_) => {
                self.restart();
                Some(Err(FramingError::Malformed))
            }
        }
    }

    /// Takes several bytes and hands every frame and every refusal to `sink`, as [`Self::push`] returns them.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(Result<&[u8], FramingError>)) {
        for byte in bytes {
            if let Some(outcome) = self.push(*byte) {
                sink(outcome);
            }
        }
    }

    /// Forgets what has come of a frame, as if it had come to the line just now.
    pub const fn forget(&mut self) {
        self.length = 0;
        self.state = State::Skipping;
    }

    fn restart(&mut self) {
        self.length = 0;
        self.state = State::Reading(DecoderState::Idle);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::vec::Vec;

    type Outcome = Result<Vec<u8>, FramingError>;

    fn on_the_line(frame: &[u8]) -> Vec<u8> {
        let mut out = [0xaa; encoded_bytes_max(FRAME_BYTES_MAX)];
        let length = encode(frame, &mut out).unwrap();
        out[..length].to_vec()
    }

    fn read(chunks: &[&[u8]]) -> Vec<Outcome> {
        let mut deframer = Deframer::<FRAME_BYTES_MAX>::new();
        let mut outcomes = Vec::new();
        for chunk in chunks {
            deframer.feed(chunk, |outcome| outcomes.push(outcome.map(<[u8]>::to_vec)));
        }
        outcomes
    }

    #[test]
    fn a_frame_goes_between_two_zeros_and_contains_none() {
        assert_eq!(on_the_line(&[0x11, 0, 0x22]), [0, 2, 0x11, 2, 0x22, 0]);
    }

    #[test]
    fn the_longest_frames_fit_in_the_announced_size() {
        for length in [1, 253, 254, 255, 508, 509, FRAME_BYTES_MAX] {
            for byte in [0, 1, 0xff] {
                let frame = std::vec![byte; length];
                let mut out = std::vec![0; encoded_bytes_max(length)];
                let encoded = encode(&frame, &mut out).unwrap();
                assert_eq!(read(&[&out[..encoded]]), [Ok(frame)]);
            }
        }
    }

    #[test]
    fn a_short_buffer_or_an_empty_frame_is_refused() {
        let mut out = [0; 8];
        assert_eq!(encode(&[], &mut out), Err(FramingError::Empty));
        assert_eq!(encode(&[1; 6], &mut out), Err(FramingError::BufferTooSmall { needed: 9 }));
        assert_eq!(encode(&[1; 5], &mut out), Ok(8));
        assert_eq!(encode(&[1], &mut []), Err(FramingError::BufferTooSmall { needed: 4 }));
    }

    #[test]
    fn idle_line_and_empty_frames_are_nothing() {
        assert_eq!(read(&[&[0, 0, 0, 1, 0, 0, 1, 0]]), []);
    }

    #[test]
    fn a_frame_cut_short_is_refused_once_and_the_next_is_read() {
        let cut = [0, 9, 1, 2, 3];
        assert_eq!(
            read(&[&cut, &on_the_line(b"next")]),
            [Err(FramingError::Malformed), Ok(b"next".to_vec())]
        );
    }

    #[test]
    fn endless_garbage_is_refused_once_before_it_ends() {
        let mut garbage = [0xff; 4 * FRAME_BYTES_MAX];
        assert_eq!(read(&[&garbage]), [], "it may be the rest of a frame that we came too late for");
        garbage[0] = 0;
        assert_eq!(read(&[&garbage]), [Err(FramingError::TooLong)]);
        assert_eq!(
            read(&[&garbage, &on_the_line(b"next")]),
            [Err(FramingError::TooLong), Ok(b"next".to_vec())]
        );
    }

    #[test]
    fn a_frame_one_byte_too_long_is_refused() {
        let mut deframer = Deframer::<3>::new();
        let mut outcomes = Vec::new();
        deframer.feed(&on_the_line(&[1, 2, 3]), |outcome| outcomes.push(outcome.map(<[u8]>::to_vec)));
        deframer.feed(&on_the_line(&[1, 2, 3, 4]), |outcome| outcomes.push(outcome.map(<[u8]>::to_vec)));
        assert_eq!(outcomes, [Ok(std::vec![1, 2, 3]), Err(FramingError::TooLong)]);
    }

    /// Bytes with many zeros and long runs, which is where COBS has its corners.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![2 => Just(0_u8), 2 => any::<u8>(), 6 => 1_u8..];
        prop_oneof![
            vec(byte, 1..=FRAME_BYTES_MAX),
            vec(1_u8.., 240..=270),
            vec(any::<u8>(), 1..=FRAME_BYTES_MAX)
        ]
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(frames in vec(frame(), 1..5)) {
            let line: Vec<u8> = frames.iter().flat_map(|frame| on_the_line(frame)).collect();
            let received = read(&[&line]);
            prop_assert_eq!(received, frames.into_iter().map(Ok).collect::<Vec<Outcome>>());
        }

        #[test]
        fn only_the_delimiters_are_zero(frame in frame()) {
            let line = on_the_line(&frame);
            prop_assert!(line.len() <= encoded_bytes_max(frame.len()));
            prop_assert_eq!((line[0], line[line.len() - 1]), (0, 0));
            prop_assert!(line[1..line.len() - 1].iter().all(|byte| *byte != 0));
        }

        #[test]
        fn a_frame_after_any_garbage_and_a_zero_is_received(garbage in vec(any::<u8>(), 0..2000), frame in frame()) {
            let received = read(&[&garbage, &[0], &on_the_line(&frame)]);
            prop_assert_eq!(received.last(), Some(&Ok(frame)));
        }

        #[test]
        fn chunks_do_not_matter(bytes in vec(prop_oneof![1 => Just(0_u8), 9 => any::<u8>()], 0..2000), chunk in 1_usize..64) {
            let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
            let singly: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&chunks), read(&[&bytes]));
            prop_assert_eq!(read(&singly), read(&[&bytes]));
        }

        #[test]
        fn no_stretch_between_zeros_is_refused_twice(bytes in vec(prop_oneof![1 => Just(0_u8), 99 => any::<u8>()], 0..4000)) {
            let stretches = bytes.split(|byte| *byte == 0).filter(|stretch| !stretch.is_empty()).count();
            prop_assert!(read(&[&bytes]).len() <= stretches);
        }
    }
}
