//! The fields of a frame around its body and tag, and nothing of their meaning (design section 3):
//! `version and key number | sender | generation | sequence | body | tag`.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::ids::{Generation, NodeId, Sequence};
use crate::limits::MAX_FRAME;

/// The version of the frame format that is spoken here.
pub const VERSION: u8 = 1;

/// Bytes of the longest header.
pub const MAX_HEADER: usize = 17;

/// A frame's bytes.
pub type Bytes = heapless::Vec<u8, MAX_FRAME>;

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which key closes the frame, 0 to 15.
    pub key: u8,
    /// Who sent it.
    pub sender: NodeId,
    /// The sender's life.
    pub generation: Generation,
    /// The frame's number in that life.
    pub sequence: Sequence,
}

/// Why bytes are not a frame. Nothing but a counter changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum FrameError {
    /// Too few bytes for header and tag.
    #[error("too short")]
    Short,
    /// More bytes than any frame has.
    #[error("too long")]
    Long,
    /// Another version of the format.
    #[error("version {0} of the frame format")]
    Version(u8),
    /// Header or body is not what the format says.
    #[error("malformed")]
    Malformed,
}

/// Appends what postcard makes of `value`, in its place at once, since a microcontroller has no room for a copy.
///
/// # Errors
/// [`FrameError::Long`] if there is no room; the frame is as it was then.
pub(crate) fn append(frame: &mut Bytes, value: &impl Serialize) -> Result<(), FrameError> {
    let start = frame.len();
    let appended = postcard::serialize_with_flavor(value, AtTheEnd(frame));
    appended.map_err(|_| {
        frame.truncate(start);
        FrameError::Long
    })
}

/// Where postcard writes to.
struct AtTheEnd<'a>(&'a mut Bytes);

impl Flavor for AtTheEnd<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version_and_key: u8,
    sender: [u8; 2],
    generation: [u8; 4],
    sequence: u64,
}

impl Header {
    /// Writes the header and gives the number of bytes.
    ///
    /// # Errors
    /// [`FrameError::Long`] if `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FrameError> {
        postcard::to_slice(&self.wire(), out).map(|used| used.len()).map_err(|_| FrameError::Long)
    }

    /// Makes a frame that has nothing but this header yet, whatever it was before.
    ///
    /// # Errors
    /// None in truth: it always fits.
    pub fn begin(&self, frame: &mut Bytes) -> Result<(), FrameError> {
        frame.clear();
        append(frame, &self.wire())
    }

    fn wire(&self) -> Wire {
        Wire {
            version_and_key: VERSION << 4 | (self.key & 0x0f),
            sender: self.sender.0,
            generation: self.generation.0.to_be_bytes(),
            sequence: self.sequence.0,
        }
    }

    /// Reads the header and gives what follows it.
    ///
    /// # Errors
    /// [`FrameError`], never a panic, whatever the bytes are.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Long);
        }
        let version = bytes.first().ok_or(FrameError::Short)? >> 4;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let (wire, rest) = postcard::take_from_bytes::<Wire>(bytes).map_err(|error| match error {
            postcard::Error::DeserializeUnexpectedEnd => FrameError::Short,
            _ => FrameError::Malformed,
        })?;
        let header = Self {
            key: wire.version_and_key & 0x0f,
            sender: NodeId(wire.sender),
            generation: Generation(u32::from_be_bytes(wire.generation)),
            sequence: Sequence(wire.sequence),
        };
        Ok((header, rest))
    }
}
