//! Frames that somebody has overheard on a cable, and others made of them.

use heartline_core::frame::{Bytes, FrameError, Header};
use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX};
use heartline_core::message::Message;
use heartline_core::seal::{Key, KeyRing, Method};

/// The cluster's name, which goes into every seal.
pub const CLUSTER: &str = "linux-ha";

/// A ring of one key, which has number 1.
///
/// # Panics
/// If it is no secret that a key can have.
#[must_use]
pub fn ring(method: Method, secret: &[u8]) -> KeyRing {
    let ring = Key::new(1, method, secret).and_then(|key| KeyRing::new(1, &[key]));
    ring.unwrap_or_else(|error| panic!("{error}"))
}

/// A frame that was overheard.
#[derive(Debug, Clone)]
pub struct Overheard {
    /// Who sent it when.
    pub header: Header,
    /// What it says.
    pub message: Message,
    /// As it was sent.
    pub frame: Bytes,
}

/// The authentic frames among some bytes of a line, in order.
#[must_use]
pub fn overheard(bytes: &[u8], keys: &KeyRing) -> Vec<Overheard> {
    let mut frames = Vec::new();
    let mut deframer = Deframer::<FRAME_BYTES_MAX>::new();
    deframer.feed(bytes, |frame| {
        let Ok(frame) = frame else { return };
        let Ok((header, body)) = keys.open(CLUSTER, frame) else { return };
        if let (Ok(message), Ok(frame)) = (Message::decode(body), Bytes::from_slice(frame)) {
            frames.push(Overheard { header, message, frame });
        }
    });
    frames
}

/// A message as a frame that these keys seal.
///
/// # Errors
/// It is too long.
pub fn seal(header: &Header, message: &Message, keys: &KeyRing) -> Result<Bytes, FrameError> {
    let mut frame = Bytes::new();
    header.begin(&mut frame)?;
    message.encode(&mut frame)?;
    keys.close(CLUSTER, &mut frame)?;
    Ok(frame)
}

/// A frame as it goes over a line, parted from what went before.
#[must_use]
pub fn on_the_line(frame: &[u8]) -> Vec<u8> {
    let mut line = vec![0; 1 + framing::encoded_bytes_max(FRAME_BYTES_MAX)];
    let length = framing::encode(frame, &mut line[1..]).unwrap_or(0);
    line.truncate(1 + length);
    line
}
