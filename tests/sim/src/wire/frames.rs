//! The bytes that are under way, in a pool that is used again and again.

use crate::plan::{HOSTS_MAX, Micros, Words};

/// A place in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameId(u32);

/// Where genuine bytes come from; nothing for what was damaged or forged. The witness's number is behind those of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) from: u8,
    pub(crate) generation: u32,
    pub(crate) sequence: u64,
    /// The dead time that the sender lives by.
    pub(crate) deadtime: Micros,
    /// Of each host, the generation that the sender had really heard and did not hold for dead; 0 of the others.
    pub(crate) hears: [u32; HOSTS_MAX],
    /// What the sender's files say.
    pub(crate) words: Words,
    /// Its sender says that it has left.
    pub(crate) left: bool,
}

impl Origin {
    /// What later frames have more of.
    pub(crate) const fn number(&self) -> (u32, u64) {
        (self.generation, self.sequence)
    }
}

/// Some bytes under way.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: Option<Origin>,
    pub(crate) forged: bool,
    /// What was sent, if noise has changed the bytes; the receiver may still find it whole.
    pub(crate) sent: Option<Vec<u8>>,
}

/// The pool.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    slots: Vec<Frame>,
    free: Vec<u32>,
}

impl Frames {
    pub(crate) fn take(&mut self, bytes: &[u8], origin: Option<Origin>) -> FrameId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Frame::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let frame = &mut self.slots[id as usize];
        frame.bytes.clear();
        frame.bytes.extend_from_slice(bytes);
        (frame.origin, frame.forged, frame.sent) = (origin, false, None);
        FrameId(id)
    }

    pub(crate) fn get_mut(&mut self, id: FrameId) -> &mut Frame {
        &mut self.slots[id.0 as usize]
    }

    /// Takes the frame out of the pool, to be given back with `put_back`.
    pub(crate) fn lift(&mut self, id: FrameId) -> Frame {
        std::mem::take(&mut self.slots[id.0 as usize])
    }

    pub(crate) fn put_back(&mut self, id: FrameId, frame: Frame) {
        self.slots[id.0 as usize] = frame;
        self.free.push(id.0);
    }

    pub(crate) fn drop(&mut self, id: FrameId) {
        self.free.push(id.0);
    }
}
