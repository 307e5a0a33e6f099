//! What a flight recorder keeps of a node's life, byte by byte: snapshots, and steps with their inputs and a digest of
//! their effects. No secret can get in: of a frame that was opened, the part before its tag is kept; of one that was
//! refused, only why. Where the bytes are kept is the shell's business.
//!
//! A record is a row of blocks, `length | contents | CRC-32 of both`, so that one torn in mid-write is recognised.

use serde::{Deserialize, Serialize};

use crate::effect::Effects;
use crate::frame::{Bytes, FrameError, Header, MAX_HEADER, VERSION};
use crate::ids::{
    Generation, GroupIndex, JobId, LinkIndex, MemberIndex, NodeId, OrderId, PingIndex, Sequence,
};
use crate::input::{Command, Input, Outcome};
use crate::limits::MAX_FRAME;
use crate::seal::SealError;
use crate::time::Duration;

/// Bytes of the longest step, its block included.
pub const MAX_STEP: usize = MAX_FRAME + 64;

/// The longest contents of a block that are believed; a snapshot with all names is far shorter.
const MAX_BLOCK: u32 = 1 << 20;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// One step of a node: when, upon what, and a digest of what it wanted done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<'a> {
    /// The time since the step or snapshot before.
    pub after: Duration,
    /// What happened.
    #[serde(borrow)]
    pub event: Event<'a>,
    /// [`digest`] of the effects.
    pub digest: u32,
}

/// An [`Input`] as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// A frame, without its tag.
    Frame {
        /// On which link.
        link: LinkIndex,
        /// What stood before its tag, or why it was refused.
        #[serde(borrow)]
        unsealed: Result<&'a [u8], SealError>,
    },
    /// As [`Input::Tick`].
    Tick,
    /// As [`Input::Pong`].
    Pong(PingIndex),
    /// As [`Input::Watchdog`].
    Watchdog(Option<Duration>),
    /// As [`Input::JobEnded`].
    JobEnded {
        /// Which job.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// As [`Input::Suspect`].
    Suspect(GroupIndex),
    /// As [`Input::Order`].
    Order {
        /// Named in the answer.
        id: OrderId,
        /// What is asked.
        command: Command,
    },
    /// As [`Input::FenceByWitness`].
    FenceByWitness {
        /// The job whose work it is.
        job: JobId,
        /// Who is to be reset.
        target: MemberIndex,
    },
    /// As [`Input::FenceWithdrawn`].
    FenceWithdrawn(JobId),
}

/// Why bytes are not a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes end within the block: whoever wrote it was interrupted.
    #[error("it ends within an entry")]
    Torn,
    /// The checksum is wrong, or the length is beyond reason.
    #[error("an entry is damaged")]
    Damaged,
}

/// A digest of what a step wants done: 0 for nothing. The frame to be sent is not part of it, for its tag needs a secret.
#[must_use]
pub fn digest(effects: &Effects) -> u32 {
    let mut effects = effects.iter().peekable();
    if effects.peek().is_none() {
        return 0;
    }
    let mut crc = CRC.digest();
    for effect in effects {
        let mut bytes = [0; 64];
        // An effect is a few numbers; one that were longer would change the digest all the same.
        match postcard::to_slice(&effect, &mut bytes) {
            Ok(used) => crc.update(used),
            Err(_) => crc.update(&[0xff]),
        }
    }
    crc.finalize()
}

/// Writes a block with these contents into `out`, and gives its length; nothing if there is no room.
pub fn write_block(contents: &impl Serialize, out: &mut [u8]) -> Option<usize> {
    // The length comes first and is known last.
    let length = postcard::to_slice(contents, out.get_mut(4..)?).ok()?.len();
    let stated = u32::try_from(length).ok()?;
    out.get_mut(..4)?.copy_from_slice(&stated.to_le_bytes());
    let end = 4 + length;
    let crc = CRC.checksum(&out[..end]);
    out.get_mut(end..end + 4)?.copy_from_slice(&crc.to_le_bytes());
    Some(end + 4)
}

/// The contents of the first block of `bytes`, and what follows it.
///
/// # Errors
/// [`BlockError`], never a panic, whatever the bytes are.
pub fn read_block(bytes: &[u8]) -> Result<(&[u8], &[u8]), BlockError> {
    let (stated, _) = bytes.split_first_chunk::<4>().ok_or(BlockError::Torn)?;
    let length = u32::from_le_bytes(*stated);
    if length > MAX_BLOCK {
        return Err(BlockError::Damaged);
    }
    let end = 4 + usize::try_from(length).map_err(|_| BlockError::Damaged)?;
    let (covered, rest) = bytes.split_at_checked(end).ok_or(BlockError::Torn)?;
    let (crc, rest) = rest.split_first_chunk::<4>().ok_or(BlockError::Torn)?;
    if CRC.checksum(covered) != u32::from_le_bytes(*crc) {
        return Err(BlockError::Damaged);
    }
    Ok((&covered[4..], rest))
}

/// An [`Event`] as an input again, its frame sealed anew by the node that is to take it.
#[derive(Debug)]
pub struct Restored<'a> {
    event: Event<'a>,
    frame: Bytes,
}

impl<'a> Restored<'a> {
    pub(crate) fn new(event: Event<'a>, reseal: impl FnOnce(&mut Bytes) -> Result<(), SealError>) -> Self {
        let mut frame = Bytes::new();
        if let Event::Frame { unsealed, .. } = &event {
            match unsealed {
                Ok(covered) => {
                    // A tag that does not fit, or an unknown key, is for the node to refuse.
                    let _ = frame.extend_from_slice(covered);
                    let _ = reseal(&mut frame);
                }
                Err(refusal) => refused_frame(*refusal, &mut frame, reseal),
            }
        }
        Self { event, frame }
    }

    /// The input.
    #[must_use]
    pub fn input(&self) -> Input<'_> {
        match &self.event {
            Event::Frame { link, unsealed: Err(SealError::Frame(FrameError::Long)) } => {
                Input::Frame { link: *link, bytes: &[0; MAX_FRAME + 1] }
            }
            Event::Frame { link, .. } => Input::Frame { link: *link, bytes: &self.frame },
            Event::Tick => Input::Tick,
            Event::Pong(ping) => Input::Pong(*ping),
            Event::Watchdog(timeout) => Input::Watchdog(*timeout),
            Event::JobEnded { job, outcome } => Input::JobEnded { job: *job, outcome: *outcome },
            Event::Suspect(group) => Input::Suspect(*group),
            Event::FenceByWitness { job, target } => Input::FenceByWitness { job: *job, target: *target },
            Event::FenceWithdrawn(job) => Input::FenceWithdrawn(*job),
            Event::Order { id, command } => Input::Order { id: *id, command: *command },
        }
    }
}

/// A frame that is refused for this reason.
fn refused_frame(
    refusal: SealError,
    frame: &mut Bytes,
    reseal: impl FnOnce(&mut Bytes) -> Result<(), SealError>,
) {
    let mut bytes = [0xff; MAX_HEADER];
    let length = match refusal {
        SealError::Frame(FrameError::Short | FrameError::Long) => 0,
        SealError::Frame(FrameError::Version(version)) => {
            bytes[0] = version << 4;
            1
        }
        // A sequence number that never ends.
        SealError::Frame(FrameError::Malformed) => {
            bytes[0] = VERSION << 4;
            MAX_HEADER
        }
        SealError::UnknownKey(key) | SealError::WrongTag(key) => {
            let header =
                Header { key, sender: NodeId([0; 2]), generation: Generation(0), sequence: Sequence(0) };
            header.encode(&mut bytes).unwrap_or(0)
        }
    };
    let _ = frame.extend_from_slice(&bytes[..length]);
    if let SealError::WrongTag(_) = refusal {
        let _ = reseal(frame);
        if let Some(last) = frame.last_mut() {
            *last ^= 1;
        }
    }
}
