//! The bridge between the two lines: bytes come in at one side, and whole authentic frames go on to the other. In
//! between the witness hears them, and its own heartbeats go out at both sides. Frames of provisioning go nowhere.
//!
//! A frame is stored until its last byte has come, and then forwarded, since nobody can tell before whether it is one. So
//! it is late by as long as it takes on the line, and garbage never crosses. What goes out has room for one longest
//! frame and one heartbeat of the witness; a frame that finds none is dropped whole and counted.

use heartline_core::frame::Bytes;
use heartline_core::framing::{self, Deframer};
use heartline_core::ids::Generation;
use heartline_core::limits::MAX_FRAME;
use heartline_core::provision::{self, Answer, Gift, ProvisionError, Request, WitnessKeys};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Counters, Deed, Firmware, HOSTS, Side, StartCause};

use crate::FIRMWARE;
use crate::journal::{self, Journal};
use crate::store::{Pages, Store};
use crate::witness::{Passage, Witness};

/// Bytes of the longest heartbeat of the witness as it goes over the line.
const OWN_ROOM: usize = 192;
const LONGEST: usize = framing::encoded_bytes_max(MAX_FRAME);
/// A frame does not stand still for so long: whose end was lost is not ended by the beginning of one that comes much later.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes that may wait for one line.
const OUT: usize = LONGEST + OWN_ROOM;

/// Both lines, and the witness between them.
#[derive(Debug)]
pub struct Bridge<'m, P> {
    /// Nothing before it was given keys: it bridges nothing then, since it could not tell a frame from garbage.
    witness: Option<Witness>,
    sides: [Line; HOSTS],
    journal: Journal<'m>,
    store: Store<P>,
    restarts: bool,
}

/// One serial line.
#[derive(Debug)]
struct Line {
    deframer: Deframer<MAX_FRAME>,
    out: Outbox,
    counters: Counters,
    last_frame: Option<Instant>,
    last_byte: Option<Instant>,
}

/// What went wrong on a line since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineErrors {
    /// Bytes that came faster than they were taken.
    pub overruns: u32,
    /// Bytes without a stop bit.
    pub framing_errors: u32,
}

impl<'m, P: Pages> Bridge<'m, P> {
    /// The bridge of a life that `store` has begun, with the journal in `memory`. Nothing crosses before
    /// [`Bridge::begin`].
    #[must_use]
    #[inline(never)]
    pub fn new(store: Store<P>, memory: &'m mut [u8; journal::BYTES], now: Instant) -> Self {
        let journal = Journal::open(memory, store.generation(), now);
        Self { witness: None, sides: [Line::new(), Line::new()], journal, store, restarts: false }
    }

    /// Takes up its settings and keys, if it has any.
    #[inline(never)]
    pub fn begin(&mut self, now: Instant, cause: StartCause) {
        self.journal.note(now, Deed::Started(cause));
        let generation = self.store.generation();
        let witness = &mut self.witness;
        let taken = self.store.given(|gift| {
            place(witness, gift, generation, now)?;
            gift.keys_into(&mut witness.as_mut()?.keys).ok()
        });
        if taken.is_none() {
            // A witness without its keys would be none.
            self.witness = None;
        }
    }

    /// The speed of both lines.
    #[must_use]
    pub fn baud(&self) -> u32 {
        self.witness.as_ref().map_or(provision::DEFAULT_BAUD, |witness| witness.settings().baud)
    }

    /// Takes in bytes that came at one side.
    #[inline(never)]
    pub fn receive(&mut self, now: Instant, side: Side, bytes: &[u8]) {
        let [a, b] = &mut self.sides;
        let (from, to) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        if from.last_byte.replace(now).is_some_and(|last| now >= last + PAUSE) {
            from.deframer.forget();
        }
        for byte in bytes {
            match from.deframer.push(*byte) {
                None => {}
                Some(Err(_)) => count(&mut from.counters.bad_frames),
                Some(Ok(frame)) if provision::is_request(frame) => {
                    let answer = answer(frame, self.witness.as_ref(), &mut self.store);
                    if let Some(Ok(())) = answer.outcome {
                        self.journal.note(now, Deed::Provisioned);
                        self.restarts = true;
                    }
                    from.out.put_answer(&answer);
                }
                Some(Ok(frame)) => {
                    let heard = |witness: &mut Witness| witness.hear(now, side, frame, &mut self.journal);
                    match self.witness.as_mut().map_or(Passage::Bad, heard) {
                        Passage::Bad => count(&mut from.counters.bad_frames),
                        Passage::Ours => {}
                        Passage::Forward => {
                            if !to.out.put(frame, OWN_ROOM) {
                                count(&mut to.counters.dropped);
                            }
                            note_frame(&mut from.counters, &mut from.last_frame, now);
                        }
                    }
                }
            }
        }
    }

    /// Takes in what went wrong on a line.
    pub fn note_errors(&mut self, side: Side, errors: LineErrors) {
        let counters = &mut self.sides[side.index()].counters;
        counters.overruns = counters.overruns.saturating_add(errors.overruns);
        counters.framing_errors = counters.framing_errors.saturating_add(errors.framing_errors);
    }

    /// Takes in what a power sense says.
    pub fn sense(&mut self, now: Instant, side: Side, is_on: bool) {
        if let Some(witness) = &mut self.witness {
            witness.sense(now, side, is_on, &mut self.journal);
        }
    }

    /// Judges silence, and says what is to be said. All bytes that were waiting have been handed in.
    #[inline(never)]
    pub fn pass_time(&mut self, now: Instant) {
        self.journal.pass_time(now);
        let counters = [self.sides[0].counters, self.sides[1].counters];
        let Some(witness) = &mut self.witness else { return };
        witness.pass_time(now, &mut self.journal);
        let mut frame = Bytes::new();
        if witness.speak(now, &self.journal, &counters, &mut frame) {
            for line in &mut self.sides {
                // Room is kept for it; where there is none, the line is stuck and the next one says all anew.
                line.out.put(&frame, 0);
            }
        }
    }

    /// Bytes that are to go out at one side; [`Bridge::sent`] says how many went.
    #[must_use]
    pub fn outgoing(&self, side: Side) -> &[u8] {
        self.sides[side.index()].out.waiting()
    }

    /// So many bytes went out.
    pub fn sent(&mut self, side: Side, bytes: usize) {
        self.sides[side.index()].out.take(bytes);
    }

    /// Whether the reset line at one side is to be pulled now.
    #[must_use]
    pub fn is_pulled(&self, side: Side) -> bool {
        self.witness.as_ref().is_some_and(|witness| witness.is_pulled(side))
    }

    /// Whether the board should reset itself: there are other keys or settings, and the answer is out.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.restarts
            && Side::ALL.into_iter().all(|side| self.outgoing(side).is_empty() && !self.is_pulled(side))
    }

    /// When [`Bridge::pass_time`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.witness.as_ref().map(Witness::next_deadline)
    }

    /// The counters of one side.
    #[must_use]
    pub const fn counters(&self, side: Side) -> &Counters {
        &self.sides[side.index()].counters
    }

    /// The journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal<'m> {
        &self.journal
    }

    /// The witness, if it has keys.
    #[must_use]
    pub const fn witness(&self) -> Option<&Witness> {
        self.witness.as_ref()
    }

    /// The life of a witness that has keys.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.witness.as_ref().map(|witness| witness.generation)
    }
}

/// Puts a witness that has no keys yet where it will stay. Apart, since it is built beside its place.
#[inline(never)]
fn place(to: &mut Option<Witness>, gift: Gift<'_>, generation: Generation, now: Instant) -> Option<()> {
    let settings = gift.provision().ok()?;
    *to = Some(Witness::new(settings, WitnessKeys::empty(0), generation, now));
    Some(())
}

/// What a frame of provisioning is answered; what it gives is stored before.
#[inline(never)]
fn answer<P: Pages>(frame: &[u8], witness: Option<&Witness>, store: &mut Store<P>) -> Answer {
    let keys = witness.map(Witness::keys);
    let mut take = |gift: Gift<'_>| {
        let (provision, _) = gift.unpack()?;
        if witness.is_some_and(|witness| witness.settings().count >= provision.count) {
            return Err(ProvisionError::OldCount);
        }
        store.keep(gift)
    };
    let outcome = match Request::read::<{ provision::WITNESS_KEYS }>(frame, keys) {
        Ok(Request::Ask) => None,
        Ok(Request::Give(gift)) => Some(take(gift)),
        Err(error) => Some(Err(error)),
    };
    let settings = witness.map(Witness::settings);
    Answer {
        firmware: Firmware { version: FIRMWARE, provision: settings.map_or(0, |settings| settings.count) },
        names: settings.map(|settings| (settings.witness, settings.hosts)),
        outcome,
    }
}

fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

fn note_frame(counters: &mut Counters, last_frame: &mut Option<Instant>, now: Instant) {
    count(&mut counters.frames);
    if let Some(last) = last_frame.replace(now) {
        counters.longest_silence = counters.longest_silence.max(now.since(last));
    }
}

impl Line {
    fn new() -> Self {
        Self {
            deframer: Deframer::new(),
            out: Outbox::new(),
            counters: Counters::default(),
            last_frame: None,
            last_byte: None,
        }
    }
}

/// Frames on their way out, as bytes of the line.
#[derive(Debug)]
struct Outbox {
    bytes: [u8; OUT],
    start: usize,
    end: usize,
}

impl Outbox {
    const fn new() -> Self {
        Self { bytes: [0; OUT], start: 0, end: 0 }
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Adds a whole frame if that leaves so much room, or nothing.
    fn put(&mut self, frame: &[u8], leave: usize) -> bool {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = OUT - self.end;
        if framing::encoded_bytes_max(frame.len()) + leave > room {
            return false;
        }
        match framing::encode(frame, &mut self.bytes[self.end..]) {
            Ok(length) => {
                self.end += length;
                true
            }
            Err(_) => false,
        }
    }

    /// Adds an answer. A line too full for it is one on which nobody waits for it.
    #[inline(never)]
    fn put_answer(&mut self, answer: &Answer) {
        let mut frame = Bytes::new();
        let _ = answer.write(&mut frame).map(|()| self.put(&frame, 0));
    }

    fn take(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}
