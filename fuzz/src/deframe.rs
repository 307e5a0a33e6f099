//! The serial deframer, against a reader of COBS that is as plain as the standard's text, and in any pieces.

use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX, FramingError};

use crate::without_allocation;

type Outcome = Result<Vec<u8>, FramingError>;

/// Any bytes of a line: the first chooses the size of the pieces, the rest is what the line delivers.
pub fn run(data: &[u8]) {
    let Some((piece, line)) = data.split_first() else { return };
    compare::<FRAME_BYTES_MAX>(line, usize::from(*piece).max(1));
    // Small enough for short inputs to be too long.
    compare::<8>(line, usize::from(*piece).max(1));
    round_trip(line);
}

fn compare<const N: usize>(line: &[u8], piece: usize) {
    let expected = by_the_book(line, N);
    without_allocation(|| Deframer::<N>::new().feed(line, |_| ()));
    assert_eq!(read::<N>([line].into_iter()), expected, "fed at once");
    assert_eq!(read::<N>(line.chunks(1)), expected, "fed byte by byte");
    assert_eq!(read::<N>(line.chunks(piece)), expected, "fed in pieces of {piece}");
}

fn read<'a, const N: usize>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Outcome> {
    let mut deframer = Deframer::<N>::new();
    let mut outcomes = Vec::new();
    pieces.for_each(|piece| deframer.feed(piece, |outcome| outcomes.push(outcome.map(<[u8]>::to_vec))));
    outcomes
}

/// What a reader finds in `line`, decoded stretch by stretch.
fn by_the_book(line: &[u8], longest: usize) -> Vec<Outcome> {
    let mut stretches = line.split(|byte| *byte == 0);
    // Until the first zero, it may be the rest of a frame that began before we listened.
    stretches.next();
    let mut stretches = stretches.peekable();
    let mut outcomes = Vec::new();
    while let Some(stretch) = stretches.next() {
        let ended = stretches.peek().is_some();
        let (decoded, whole) = unstuffed(stretch);
        if decoded.len() > longest {
            outcomes.push(Err(FramingError::TooLong));
        } else if ended && !whole {
            outcomes.push(Err(FramingError::Malformed));
        } else if ended && !decoded.is_empty() {
            outcomes.push(Ok(decoded));
        }
    }
    outcomes
}

/// The bytes that a stretch without zeros stands for, and whether it ends where a block does.
fn unstuffed(stretch: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::new();
    let mut rest = stretch;
    while let Some((code, after)) = rest.split_first() {
        let wanted = usize::from(*code) - 1;
        let block = &after[..wanted.min(after.len())];
        decoded.extend_from_slice(block);
        if block.len() < wanted {
            return (decoded, false);
        }
        rest = &after[wanted..];
        if *code != 0xff && !rest.is_empty() {
            decoded.push(0);
        }
    }
    (decoded, true)
}

fn round_trip(frame: &[u8]) {
    let mut line = vec![0xaa; framing::encoded_bytes_max(frame.len())];
    match without_allocation(|| framing::encode(frame, &mut line)) {
        Err(refusal) => assert_eq!((refusal, frame.len()), (FramingError::Empty, 0)),
        Ok(length) => {
            let long = frame.len() > FRAME_BYTES_MAX;
            let expected = if long { Err(FramingError::TooLong) } else { Ok(frame.to_vec()) };
            assert_eq!(read::<FRAME_BYTES_MAX>(line[..length].chunks(7)), [expected]);
        }
    }
}
