//! A host that says what it is told to say, by a serial line that it shares with nobody.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use heartline_core::frame::Header;
use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use heartline_core::heard::Heard;
use heartline_core::ids::{Generation, LinkSet, NodeId, Sequence};
use heartline_core::message::{Message, Phase};
use heartline_core::seal::KeyRing;
use heartline_core::time::Instant;
use heartline_core::witness::{Asks, FenceState, Word};

use crate::clock;
use crate::forge::{CLUSTER, on_the_line, seal};
use crate::host::{DEADTIME, KEEPALIVE, NAMES, WITNESS, keys};

/// The host.
#[derive(Debug)]
pub struct Speaker {
    /// What it asks of the witness in each of its heartbeats.
    pub asks: Asks,
    /// What the witness last said.
    pub word: Option<Word>,
    /// All that it has said, as bytes of the line.
    pub said: Vec<u8>,
    host: usize,
    keys: KeyRing,
    life: u32,
    sequence: u64,
    /// The newest frame of the witness: the low bytes of its life and its number.
    heard: Option<(u8, u16)>,
    line: UnixStream,
    deframer: Deframer<FRAME_BYTES_MAX>,
    speaks_at: Instant,
}

impl Speaker {
    /// One of the two hosts in its first life.
    ///
    /// # Errors
    /// If the line cannot be shared.
    pub fn new(host: usize, line: &UnixStream) -> std::io::Result<Self> {
        Ok(Self {
            asks: Asks::default(),
            word: None,
            said: Vec::new(),
            host,
            keys: keys(),
            life: 100,
            sequence: 0,
            heard: None,
            line: line.try_clone()?,
            deframer: Deframer::new(),
            speaks_at: clock::now(),
        })
    }

    /// Begins a new life, which asks for nothing.
    pub fn boot(&mut self) {
        self.life += 1;
        (self.sequence, self.heard, self.word, self.asks) = (0, None, None, Asks::default());
    }

    /// Hears what came; says something when it is time to.
    ///
    /// # Errors
    /// If the line is gone.
    pub fn turn(&mut self) -> std::io::Result<()> {
        self.listen()?;
        if clock::now() >= self.speaks_at { self.speak() } else { Ok(()) }
    }

    /// Hears what came, and says nothing.
    ///
    /// # Errors
    /// If the line is gone.
    pub fn listen(&mut self) -> std::io::Result<()> {
        let mut bytes = [0; 512];
        let length = match self.line.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let (keys, heard, word) = (&self.keys, &mut self.heard, &mut self.word);
        self.deframer.feed(&bytes[..length], |frame| {
            let Ok(Ok((header, body))) = frame.map(|frame| keys.open(CLUSTER, frame)) else { return };
            if header.sender == NodeId::of(WITNESS)
                && let Ok(message) = Message::decode(body)
            {
                let [.., generation] = header.generation.0.to_be_bytes();
                let [.., high, low] = header.sequence.0.to_be_bytes();
                *heard = Some((generation, u16::from_be_bytes([high, low])));
                *word = message.witness.or(word.take());
            }
        });
        Ok(())
    }

    /// Says its next heartbeat.
    ///
    /// # Errors
    /// If the line is gone.
    pub fn speak(&mut self) -> std::io::Result<()> {
        self.speaks_at = clock::now() + KEEPALIVE;
        self.sequence += 1;
        let mut message = Message {
            phase: Phase::Active,
            keepalive: KEEPALIVE,
            deadtime: DEADTIME,
            asks: self.asks,
            ..Message::blank()
        };
        if let Some((generation, sequence)) = self.heard {
            let heard = Heard { member: NodeId::of(WITNESS), generation, sequence, links: LinkSet(1) };
            let _ = message.heard.push(heard);
        }
        let header = Header {
            key: 1,
            sender: NodeId::of(NAMES[self.host]),
            generation: Generation(self.life),
            sequence: Sequence(self.sequence),
        };
        let frame = seal(&header, &message, &self.keys).map_err(std::io::Error::other)?;
        let bytes = on_the_line(&frame);
        self.said.extend_from_slice(&bytes);
        self.line.write_all(&bytes)
    }

    /// Whether the witness was heard in this life.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.heard.is_some()
    }

    /// What became of this host's request with a number.
    #[must_use]
    pub fn fence(&self, ticket: u16) -> Option<FenceState> {
        let fences = &self.word.as_ref()?.fences;
        let own = NodeId::of(NAMES[self.host]);
        fences.iter().find(|word| word.asker == own && word.ticket == ticket).map(|word| word.state)
    }
}
